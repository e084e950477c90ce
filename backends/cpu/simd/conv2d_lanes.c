/* conv2d_lanes.c: gathered products with the output channels in the lanes.
 *
 *   tile[position][output channel] = sum over (c, r, s) of copy[c, r, s under the position] weights[c, r, s][output
 * channel]
 *
 * The source elements are broadcast from a copy with its zero border, for some neighbouring positions of one row at a
 * time; so narrow images waste no lanes and strides cost nothing. Tiles are turned on their way to the output. A work
 * item is a band of output rows of one image and one group.
 */
#include "conv2d_lanes.h"

#include "gemm_pack.h"
#include "vec_math.h"
#include "vec_transpose.h"

enum { COPY_BYTES_MAX = 192 * 1024, CHUNK_BYTES_MAX = 384 * 1024, ITEMS_PER_THREAD = 4 };
static const double lanes_share_min = 0.85, junk_min = 1.15;

typedef struct lanes_layout {
    int64_t depth, tile_rows;
    int64_t vectors, chunks; /* of the output channels: in each chunk, and chunks of them */
    int64_t band_rows, bands;
    int64_t copy_rows, copy_columns; /* of one channel */
    size_t offsets_bytes, weights_bytes, thread_bytes;
} lanes_layout;

static lanes_layout layout_of(const conv_problem *problem, int thread_count)
{
    lanes_layout layout = {.depth = problem->channels * problem->tap_rows.count * problem->tap_columns.count};
    const int64_t vectors = cpu_ceil_div(problem->out_channels, VEC_LANES);
    layout.vectors = cpu_min(vectors, TILE_FROM_VECTORS);
    layout.chunks = cpu_ceil_div(vectors, layout.vectors);
    const int64_t most_rows = gemm_tile_rows(layout.vectors);
    layout.tile_rows = cpu_ceil_div(problem->positions_w, cpu_ceil_div(problem->positions_w, most_rows));
    layout.copy_columns = (problem->positions_w - 1) * problem->step_w + conv_axis_extent(&problem->tap_columns);
    const int64_t wanted = cpu_ceil_div((int64_t)thread_count * ITEMS_PER_THREAD, problem->images * problem->groups);
    layout.bands = cpu_min(wanted, problem->positions_h);
    for (;; layout.bands *= 2) {
        layout.band_rows = cpu_ceil_div(problem->positions_h, layout.bands);
        layout.copy_rows = (layout.band_rows - 1) * problem->step_h + conv_axis_extent(&problem->tap_rows);
        layout.thread_bytes =
            cpu_align(sizeof(float) * (size_t)(problem->channels * layout.copy_rows * layout.copy_columns));
        if (layout.band_rows == 1 || layout.thread_bytes <= COPY_BYTES_MAX)
            break;
    }
    layout.bands = cpu_ceil_div(problem->positions_h, layout.band_rows);
    layout.offsets_bytes = cpu_align(sizeof(int32_t) * (size_t)layout.depth);
    layout.weights_bytes = cpu_align(
        sizeof(float) * (size_t)(problem->groups * layout.chunks * layout.depth * layout.vectors * VEC_LANES));
    return layout;
}

bool conv_lanes_fits(const conv_problem *problem)
{
    const bool moves = problem->out_row_step != 1 || problem->out_column_step != 1;
    if (moves || problem->out_channels == 0 || problem->channels == 0)
        return false;
    const lanes_layout layout = layout_of(problem, 1);
    const double lanes = (double)(layout.chunks * layout.vectors * VEC_LANES);
    const double junk = (double)((layout.copy_rows + (layout.bands - 1) * layout.band_rows) * layout.copy_columns) /
                        (double)(problem->positions_h * problem->positions_w);
    const bool pays = problem->step_w > 1 || (layout.chunks == 1 && junk >= junk_min);
    /* As many rows as hide the latency of the sums and the reading of the weights. */
    const int64_t least_rows = gemm_tile_rows(layout.vectors) * 2 / 3;
    return pays && (double)problem->out_channels >= lanes_share_min * lanes && layout.tile_rows >= least_rows &&
           layout.thread_bytes <= COPY_BYTES_MAX &&
           layout.depth * layout.vectors * (int64_t)sizeof(vf) <= CHUNK_BYTES_MAX;
}

size_t conv_lanes_scratch_bytes(const conv_problem *problem, int thread_count)
{
    const lanes_layout layout = layout_of(problem, thread_count);
    return layout.offsets_bytes + layout.weights_bytes + (size_t)thread_count * layout.thread_bytes;
}

typedef struct lanes_context {
    const conv_problem *problem;
    const lanes_layout *layout;
    const int32_t *offsets; /* (depth), into the copy */
    float *weights;         /* (groups, chunks, depth, vectors * VEC_LANES) */
    char *threads;
} lanes_context;

static void fill_offsets(const conv_problem *problem, const lanes_layout *layout, int32_t *offsets)
{
    const int64_t origin_row = conv_axis_least(&problem->tap_rows);
    const int64_t origin_column = conv_axis_least(&problem->tap_columns);
    for (int64_t c = 0; c < problem->channels; ++c)
        for (int64_t r = 0; r < problem->tap_rows.count; ++r)
            for (int64_t s = 0; s < problem->tap_columns.count; ++s) {
                int64_t row = problem->tap_rows.first + r * problem->tap_rows.step - origin_row;
                int64_t column = problem->tap_columns.first + s * problem->tap_columns.step - origin_column;
                *offsets++ = (int32_t)((c * layout->copy_rows + row) * layout->copy_columns + column);
            }
}

/* Items are (group, chunk). */
static void pack_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const lanes_context *lanes = context;
    const conv_problem *problem = lanes->problem;
    const int64_t depth = lanes->layout->depth;
    const int64_t width = lanes->layout->vectors * VEC_LANES;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t group = item / lanes->layout->chunks;
        const int64_t channel = item % lanes->layout->chunks * width;
        const float *weights = problem->weights + (group * problem->out_channels + channel) * depth;
        gemm_pack_b((gemm_operand_b){weights, 1, depth}, depth, cpu_min(width, problem->out_channels - channel),
                    lanes->layout->vectors, lanes->weights + item * depth * width);
    }
}

/* The rows of the source under a band, whose first output row is first_row, with their zero border. */
static void copy_source(const lanes_context *lanes, const float *source, int64_t first_row, float *copy)
{
    const conv_problem *problem = lanes->problem;
    const lanes_layout *layout = lanes->layout;
    const int64_t top = conv_axis_least(&problem->tap_rows) + first_row * problem->step_h;
    const int64_t origin = conv_axis_least(&problem->tap_columns);
    const int64_t left = cpu_min(cpu_max(0, -origin), layout->copy_columns);
    const int64_t from = cpu_max(0, origin);
    const int64_t count = cpu_max(0, cpu_min(problem->source_w - from, layout->copy_columns - left));
    for (int64_t c = 0; c < problem->channels; ++c)
        for (int64_t row = top; row < top + layout->copy_rows; ++row, copy += layout->copy_columns) {
            if (row < 0 || row >= problem->source_h) {
                memset(copy, 0, sizeof(float) * (size_t)layout->copy_columns);
                continue;
            }
            const float *line = source + (c * problem->source_h + row) * problem->source_w + from;
            for (int64_t i = 0; i < left; ++i)
                copy[i] = 0;
            for (int64_t i = 0; i < count; i += VEC_LANES) {
                const int64_t part = cpu_min(VEC_LANES, count - i);
                vf_store_partial(copy + left + i, vf_load_partial(line + i, part), part);
            }
            for (int64_t i = left + count; i < layout->copy_columns; ++i)
                copy[i] = 0;
        }
}

/* Adds bias, applies the activation, and turns a tile of `count` positions into its output channels' planes. */
CPU_INLINE void finish_tile(auxo_activation activation, float slope, const float *bias, const float *tile,
                            int64_t vectors, int64_t count, int64_t channels, int64_t plane, float *out)
{
    for (int64_t v = 0; v < vectors; ++v) {
        vf square[VEC_LANES];
        for (int64_t part = 0; part < count; part += VEC_LANES) {
            const int64_t positions = cpu_min(VEC_LANES, count - part);
            for (int64_t i = 0; i < VEC_LANES; ++i)
                square[i] = i < positions ? vf_load(tile + ((part + i) * vectors + v) * VEC_LANES) : vf_set1(0);
            vf_transpose(square);
            for (int64_t k = 0; k < cpu_min(VEC_LANES, channels - v * VEC_LANES); ++k) {
                const int64_t channel = v * VEC_LANES + k;
                const vf value = square[k] + (bias ? bias[channel] : 0);
                vf_store_partial(out + channel * plane + part, vf_activate(activation, slope, value), positions);
            }
        }
    }
}

/* `count` positions and one chunk of the output channels, from channel `first` of the group on. */
static void run_tile(const lanes_context *lanes, int64_t group, int64_t first, const float *copy, int64_t count,
                     float *out)
{
    static const gemm_epilogue plain = {.alpha = 1};
    float tile[TILE_ROWS_MAX * TILE_FROM_VECTORS * VEC_LANES] __attribute__((aligned(CPU_CACHE_LINE_BYTES)));
    const conv_problem *problem = lanes->problem;
    const lanes_layout *layout = lanes->layout;
    const gemm_epilogue *epilogue = &problem->epilogue;
    const int64_t width = layout->vectors * VEC_LANES;
    const int64_t plane = problem->out_h * problem->out_w;
    const int64_t channels = cpu_min(width, problem->out_channels - first);
    const float *bias = epilogue->bias ? epilogue->bias + group * problem->out_channels + first : NULL;
    const float *weights = lanes->weights + (group * layout->chunks + first / width) * layout->depth * width;
    const gemm_target target = {.c = tile, .row_stride = width, .columns = width, .first = true, .epilogue = &plain};
    gemm_tile_run_from(count, layout->vectors, layout->depth, copy, problem->step_w, lanes->offsets, weights, &target);
    if (epilogue->activation == AUXO_ACTIVATION_IDENTITY)
        finish_tile(AUXO_ACTIVATION_IDENTITY, 0, bias, tile, layout->vectors, count, channels, plane, out);
    else
        finish_tile(epilogue->activation, epilogue->slope, bias, tile, layout->vectors, count, channels, plane, out);
}

/* Items are (image, group, band). */
static void lanes_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const lanes_context *lanes = context;
    const conv_problem *problem = lanes->problem;
    const lanes_layout *layout = lanes->layout;
    float *copy = (float *)(lanes->threads + (size_t)thread * layout->thread_bytes);
    for (int64_t item = begin; item < end; ++item) {
        const int64_t image_group = item / layout->bands; /* image * groups + group */
        const int64_t group = image_group % problem->groups;
        const int64_t first_row = item % layout->bands * layout->band_rows;
        const int64_t rows = cpu_min(layout->band_rows, problem->positions_h - first_row);
        const float *source = problem->source + image_group * problem->channels * problem->source_h * problem->source_w;
        float *out = problem->out + image_group * problem->out_channels * problem->out_h * problem->out_w +
                     (problem->out_row + first_row) * problem->out_w + problem->out_column;
        copy_source(lanes, source, first_row, copy);
        for (int64_t first = 0; first < problem->out_channels; first += layout->vectors * VEC_LANES)
            for (int64_t row = 0; row < rows; ++row)
                for (int64_t column = 0; column < problem->positions_w; column += layout->tile_rows)
                    run_tile(lanes, group, first,
                             copy + row * problem->step_h * layout->copy_columns + column * problem->step_w,
                             cpu_min(layout->tile_rows, problem->positions_w - column),
                             out + first * problem->out_h * problem->out_w + row * problem->out_w + column);
    }
}

void conv_lanes_run(const conv_problem *problem, const cpu_work *work, char *scratch)
{
    const lanes_layout layout = layout_of(problem, work->thread_count);
    int32_t *offsets = (int32_t *)scratch;
    float *weights = (float *)(scratch + layout.offsets_bytes);
    const lanes_context context = {problem, &layout, offsets, weights,
                                   scratch + layout.offsets_bytes + layout.weights_bytes};
    fill_offsets(problem, &layout, offsets);
    const int64_t packed = layout.depth * layout.vectors;
    cpu_parallel(work, problem->groups * layout.chunks, packed, pack_part, &context);
    const int64_t cost = layout.band_rows * problem->positions_w * packed * layout.chunks;
    cpu_parallel(work, problem->images * problem->groups * layout.bands, cost, lanes_part, &context);
}
