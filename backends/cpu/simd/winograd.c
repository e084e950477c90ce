/* winograd.c: F(4x4, 3x3) block by block: patches transformed, multiplied point by point, transformed back.
 *
 * The weights are transformed first, by all threads: u[point][output channel][channel]. A work item is a block of
 * rows of tiles (of whichever images) and a part of the output channels; it keeps in the thread's own cache
 *
 *   v[point][channel][tile]                of the whole block
 *   m[point][output channel][tile]         of OUT_CHUNK output channels at a time
 *
 * Every output is summed over the channels in the same order whatever the items are.
 */
#include "winograd.h"

#include "vec_math.h"
#include "vec_transpose.h"
#include "winograd_transform.h"

enum { OUT_CHUNK = 48, TILES_MAX = 64, NEAR_BYTES = 640 * 1024 };

typedef struct winograd_layout {
    int64_t tiles_h, tiles_w, tile_rows;           /* tile_rows: of all images */
    int64_t block_rows, blocks, tiles, out_splits; /* tiles: of a block, in whole vectors */
    int64_t copy_columns;
    size_t weights_bytes, v_bytes, m_bytes, copy_bytes, lines_bytes, thread_bytes;
} winograd_layout;

static int64_t whole_vectors(int64_t count)
{
    return cpu_ceil_div(count, VEC_LANES) * VEC_LANES;
}

/* Blocks whose v stays near, but not so small that the weights would be read too often. */
static int64_t tiles_wanted(const winograd_problem *problem)
{
    int64_t near = NEAR_BYTES / (WINOGRAD_POINTS * (int64_t)sizeof(float)) / cpu_max(problem->channels, 1);
    return near >= TILES_MAX / 2 ? cpu_min(near, TILES_MAX) : TILES_MAX;
}

static winograd_layout layout_of(const winograd_problem *problem, int thread_count)
{
    winograd_layout layout = {.tiles_h = cpu_ceil_div(problem->out_h, WINOGRAD_TILE),
                              .tiles_w = cpu_ceil_div(problem->out_w, WINOGRAD_TILE)};
    layout.tile_rows = problem->images * layout.tiles_h;
    layout.block_rows = cpu_max(1, cpu_min(tiles_wanted(problem) / layout.tiles_w, layout.tile_rows));
    layout.blocks = cpu_ceil_div(layout.tile_rows, layout.block_rows);
    layout.tiles = whole_vectors(layout.block_rows * layout.tiles_w);
    layout.out_splits = cpu_min(cpu_ceil_div(thread_count, layout.blocks), problem->out_channels);
    layout.copy_columns = layout.tiles_w * WINOGRAD_TILE + WINOGRAD_PATCH - WINOGRAD_TILE;
    size_t point_bytes = sizeof(float) * WINOGRAD_POINTS;
    layout.weights_bytes = cpu_align(point_bytes * (size_t)(problem->out_channels * problem->channels));
    layout.v_bytes = cpu_align(point_bytes * (size_t)(problem->channels * layout.tiles));
    layout.m_bytes = cpu_align(point_bytes * (size_t)(OUT_CHUNK * layout.tiles));
    layout.copy_bytes = cpu_align(sizeof(float) * (size_t)(layout.block_rows * WINOGRAD_PATCH * layout.copy_columns));
    layout.lines_bytes = cpu_align(sizeof(float) * (size_t)(WINOGRAD_TILE * WINOGRAD_TILE * layout.tiles + VEC_LANES));
    layout.thread_bytes = layout.v_bytes + layout.m_bytes + layout.copy_bytes + layout.lines_bytes;
    return layout;
}

size_t winograd_scratch_bytes(const winograd_problem *problem, int thread_count)
{
    winograd_layout layout = layout_of(problem, thread_count);
    return layout.weights_bytes + (size_t)thread_count * layout.thread_bytes;
}

typedef struct winograd_context {
    const winograd_problem *problem;
    const winograd_layout *layout;
    float *u; /* (point, output channel, channel) */
    char *threads;
} winograd_context;

/* Items are output channels. */
static void weights_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const winograd_context *winograd = context;
    const winograd_problem *problem = winograd->problem;
    const int64_t plane = problem->out_channels * problem->channels;
    for (int64_t k = begin; k < end; ++k)
        for (int64_t c = 0; c < problem->channels; c += VEC_LANES) {
            int64_t count = cpu_min(VEC_LANES, problem->channels - c);
            vi place;
            for (int lane = 0; lane < VEC_LANES; ++lane)
                place[lane] = (int32_t)(cpu_min(lane, count - 1) * problem->channel_step);
            const float *w = problem->weights + k * problem->out_step + c * problem->channel_step;
            vf rows[3][WINOGRAD_PATCH]; /* w G^T, row by row */
            for (int r = 0; r < 3; ++r) {
                vf taps[3];
                for (int s = 0; s < 3; ++s)
                    taps[s] = vf_gather(w + (problem->turned ? 8 - 3 * r - s : 3 * r + s), place);
                winograd_weights(taps, rows[r]);
            }
            for (int j = 0; j < WINOGRAD_PATCH; ++j) {
                vf column[WINOGRAD_PATCH];
                winograd_weights((vf[3]){rows[0][j], rows[1][j], rows[2][j]}, column);
                for (int i = 0; i < WINOGRAD_PATCH; ++i)
                    vf_store_partial(winograd->u + (i * WINOGRAD_PATCH + j) * plane + k * problem->channels + c,
                                     column[i], count);
            }
        }
}

/* One work item and the memory of the thread that runs it. */
typedef struct winograd_item {
    const winograd_context *context;
    int64_t first_row, rows; /* of tiles */
    float *v, *m, *copy, *lines;
} winograd_item;

/* The patches of one channel: six rows of the source for each row of tiles. */
static void copy_channel(const winograd_item *item, int64_t channel)
{
    const winograd_problem *problem = item->context->problem;
    const winograd_layout *layout = item->context->layout;
    const int64_t left = problem->pad_w;
    const int64_t count = cpu_max(0, cpu_min(problem->source_w, layout->copy_columns - left));
    float *target = item->copy;
    for (int64_t row = item->first_row; row < item->first_row + item->rows; ++row) {
        int64_t first = row % layout->tiles_h * WINOGRAD_TILE - problem->pad_h;
        const float *plane = problem->source + (row / layout->tiles_h * problem->channels + channel) *
                                                   problem->source_h * problem->source_w;
        for (int64_t i = first; i < first + WINOGRAD_PATCH; ++i, target += layout->copy_columns) {
            if (i < 0 || i >= problem->source_h) {
                memset(target, 0, sizeof(float) * (size_t)layout->copy_columns);
                continue;
            }
            memset(target, 0, sizeof(float) * (size_t)left);
            memcpy(target + left, plane + i * problem->source_w, sizeof(float) * (size_t)count);
            memset(target + left + count, 0, sizeof(float) * (size_t)(layout->copy_columns - left - count));
        }
    }
}

/* v of one channel. */
static void transform_channel(const winograd_item *item, int64_t channel)
{
    const winograd_layout *layout = item->context->layout;
    const int64_t plane = item->context->problem->channels * layout->tiles;
    const int64_t true_tiles = item->rows * layout->tiles_w;
    for (int64_t tile = 0; tile < layout->tiles; tile += VEC_LANES) {
        vi place;
        for (int lane = 0; lane < VEC_LANES; ++lane) {
            int64_t t = cpu_min(tile + lane, true_tiles - 1);
            place[lane] = (int32_t)(t / layout->tiles_w * WINOGRAD_PATCH * layout->copy_columns +
                                    t % layout->tiles_w * WINOGRAD_TILE);
        }
        vf rows[WINOGRAD_PATCH][WINOGRAD_PATCH]; /* d B, row by row */
        for (int i = 0; i < WINOGRAD_PATCH; ++i) {
            vf d[WINOGRAD_PATCH];
#pragma GCC unroll 6
            for (int j = 0; j < WINOGRAD_PATCH; ++j)
                d[j] = vf_gather(item->copy + i * layout->copy_columns + j, place);
            winograd_source(d, rows[i]);
        }
        float *v = item->v + channel * layout->tiles + tile;
        for (int j = 0; j < WINOGRAD_PATCH; ++j) {
            vf column[WINOGRAD_PATCH];
            winograd_source((vf[6]){rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]}, column);
#pragma GCC unroll 6
            for (int i = 0; i < WINOGRAD_PATCH; ++i)
                vf_store(v + (i * WINOGRAD_PATCH + j) * plane, column[i]);
        }
    }
}

/* m of `count` output channels from `first` on. */
static void multiply_chunk(const winograd_item *item, int64_t first, int64_t count)
{
    static const gemm_epilogue plain = {.alpha = 1};
    const winograd_problem *problem = item->context->problem;
    const int64_t tiles = item->context->layout->tiles;
    for (int64_t point = 0; point < WINOGRAD_POINTS; ++point) {
        const float *u = item->context->u + (point * problem->out_channels + first) * problem->channels;
        const float *v = item->v + point * problem->channels * tiles;
        for (int64_t tile = 0; tile < tiles; tile += TILE_COLUMNS) {
            int64_t width = cpu_min(TILE_COLUMNS, tiles - tile);
            int64_t vectors = width / VEC_LANES;
            int64_t tile_rows = gemm_tile_rows(vectors);
            for (int64_t k = 0; k < count; k += tile_rows) {
                gemm_operand_a a = {u + k * problem->channels, problem->channels, 1};
                gemm_target target = {.c = item->m + (point * OUT_CHUNK + k) * tiles + tile,
                                      .row_stride = tiles,
                                      .columns = width,
                                      .first = true,
                                      .epilogue = &plain};
                gemm_tile_run(cpu_min(tile_rows, count - k), vectors, problem->channels, a, v + tile, tiles, &target);
            }
        }
    }
}

/* The four lines of outputs of every row of tiles, of one output channel of the chunk: lines[line][tile][4]. */
static void transform_back(const winograd_item *item, int64_t k)
{
    const int64_t tiles = item->context->layout->tiles;
    for (int64_t tile = 0; tile < tiles; tile += VEC_LANES) {
        const float *m = item->m + k * tiles + tile;
        vf rows[WINOGRAD_PATCH][WINOGRAD_TILE]; /* m A, row by row */
        for (int i = 0; i < WINOGRAD_PATCH; ++i) {
            vf d[WINOGRAD_PATCH];
#pragma GCC unroll 6
            for (int j = 0; j < WINOGRAD_PATCH; ++j)
                d[j] = vf_load(m + (i * WINOGRAD_PATCH + j) * OUT_CHUNK * tiles);
            winograd_out(d, rows[i]);
        }
        vf y[WINOGRAD_TILE][WINOGRAD_TILE]; /* [column][line] */
#pragma GCC unroll 4
        for (int j = 0; j < WINOGRAD_TILE; ++j)
            winograd_out((vf[6]){rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]}, y[j]);
#pragma GCC unroll 4
        for (int line = 0; line < WINOGRAD_TILE; ++line) {
            float *to = item->lines + (line * tiles + tile) * WINOGRAD_TILE;
            vf even_low = __builtin_shufflevector(y[0][line], y[2][line], VEC_INTERLEAVE_LOW);
            vf even_high = __builtin_shufflevector(y[0][line], y[2][line], VEC_INTERLEAVE_HIGH);
            vf odd_low = __builtin_shufflevector(y[1][line], y[3][line], VEC_INTERLEAVE_LOW);
            vf odd_high = __builtin_shufflevector(y[1][line], y[3][line], VEC_INTERLEAVE_HIGH);
            vf_store(to, __builtin_shufflevector(even_low, odd_low, VEC_INTERLEAVE_LOW));
            vf_store(to + VEC_LANES, __builtin_shufflevector(even_low, odd_low, VEC_INTERLEAVE_HIGH));
            vf_store(to + 2 * VEC_LANES, __builtin_shufflevector(even_high, odd_high, VEC_INTERLEAVE_LOW));
            vf_store(to + 3 * VEC_LANES, __builtin_shufflevector(even_high, odd_high, VEC_INTERLEAVE_HIGH));
        }
    }
}

CPU_INLINE void finish_line(auxo_activation activation, float slope, float bias, const float *from, float *to,
                            int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC_LANES)
        vf_store_partial(to + i, vf_activate(activation, slope, vf_load(from + i) + bias),
                         cpu_min(VEC_LANES, count - i));
}

/* Lines of outputs to where they belong, with bias and activation. */
static void finish_channel(const winograd_item *item, int64_t channel)
{
    const winograd_problem *problem = item->context->problem;
    const winograd_layout *layout = item->context->layout;
    const float bias = problem->bias ? problem->bias[channel] : 0;
    for (int64_t row = 0; row < item->rows; ++row) {
        int64_t image = (item->first_row + row) / layout->tiles_h;
        int64_t first = (item->first_row + row) % layout->tiles_h * WINOGRAD_TILE;
        float *out =
            problem->out + ((image * problem->out_channels + channel) * problem->out_h + first) * problem->out_w;
        for (int64_t line = 0; line < cpu_min(WINOGRAD_TILE, problem->out_h - first); ++line) {
            const float *from = item->lines + (line * layout->tiles + row * layout->tiles_w) * WINOGRAD_TILE;
            if (problem->activation == AUXO_ACTIVATION_IDENTITY)
                finish_line(AUXO_ACTIVATION_IDENTITY, 0, bias, from, out + line * problem->out_w, problem->out_w);
            else
                finish_line(problem->activation, problem->slope, bias, from, out + line * problem->out_w,
                            problem->out_w);
        }
    }
}

/* Items are blocks of rows of tiles by parts of the output channels, the blocks fastest. */
static void block_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const winograd_context *winograd = context;
    const winograd_layout *layout = winograd->layout;
    char *memory = winograd->threads + (size_t)thread * layout->thread_bytes;
    winograd_item item = {.context = winograd,
                          .v = (float *)memory,
                          .m = (float *)(memory + layout->v_bytes),
                          .copy = (float *)(memory + layout->v_bytes + layout->m_bytes),
                          .lines = (float *)(memory + layout->v_bytes + layout->m_bytes + layout->copy_bytes)};
    for (int64_t index = begin; index < end; ++index) {
        item.first_row = index % layout->blocks * layout->block_rows;
        item.rows = cpu_min(layout->block_rows, layout->tile_rows - item.first_row);
        for (int64_t c = 0; c < winograd->problem->channels; ++c) {
            copy_channel(&item, c);
            transform_channel(&item, c);
        }
        cpu_range outs = cpu_split(winograd->problem->out_channels, 1, index / layout->blocks, layout->out_splits);
        for (int64_t first = outs.begin; first < outs.end; first += OUT_CHUNK) {
            int64_t count = cpu_min(OUT_CHUNK, outs.end - first);
            multiply_chunk(&item, first, count);
            for (int64_t k = 0; k < count; ++k) {
                transform_back(&item, k);
                finish_channel(&item, first + k);
            }
        }
    }
}

void winograd_run(const winograd_problem *problem, const cpu_work *work)
{
    const winograd_layout layout = layout_of(problem, work->thread_count);
    const winograd_context context = {problem, &layout, (float *)work->scratch, work->scratch + layout.weights_bytes};
    cpu_parallel(work, problem->out_channels, problem->channels * WINOGRAD_POINTS / VEC_LANES, weights_part, &context);
    cpu_pool_run(work->pool, layout.blocks * layout.out_splits, 1, block_part, &context);
}
