/* conv2d_pointwise.c: out (out_channels, plane) = weights (out_channels, channels) source (channels, plane), image by
 * image. A panel of the source is packed, so that planes whose size is a power of two do not fight for the same places
 * of the cache; bias and activation are applied to the tile.
 */
#include "conv2d_pointwise.h"

#include "gemm_pack.h"

enum { ITEM_PANELS = 4, DEPTH_BLOCK = 256 };

bool conv_pointwise_fits(const conv_problem *problem)
{
    return problem->groups == 1 && problem->tap_rows.count == 1 && problem->tap_columns.count == 1 &&
           problem->tap_rows.first == 0 && problem->tap_columns.first == 0 && problem->step_h == 1 &&
           problem->step_w == 1 && problem->out_row_step == 1 && problem->out_column_step == 1 &&
           problem->out_row == 0 && problem->out_column == 0 && problem->positions_h == problem->source_h &&
           problem->positions_w == problem->source_w && problem->out_h == problem->source_h &&
           problem->out_w == problem->source_w && problem->channels > 0;
}

static int64_t items_of_image(const conv_problem *problem)
{
    return cpu_ceil_div(problem->source_h * problem->source_w, ITEM_PANELS * TILE_COLUMNS);
}

/* Brings the same columns of rows [begin, end) of the source nearer: rows lie in pages of their own, so the processor
 * foresees nothing. */
CPU_INLINE void fetch_rows(const float *source, int64_t plane, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; ++row)
#pragma GCC unroll 4
        for (int v = 0; v < TILE_VECTORS; ++v)
            __builtin_prefetch(source + row * plane + v * VEC_LANES, 0, 2);
}

static void run_panel(const conv_problem *problem, int64_t image, int64_t column, int64_t width)
{
    float packed[DEPTH_BLOCK * TILE_COLUMNS] __attribute__((aligned(CPU_CACHE_LINE_BYTES)));
    const int64_t plane = problem->source_h * problem->source_w;
    const int64_t vectors = cpu_ceil_div(width, VEC_LANES);
    const int64_t tile_rows = gemm_tile_rows(vectors);
    const float *source = problem->source + image * problem->channels * plane + column;
    float *out = problem->out + image * problem->out_channels * plane + column;
    for (int64_t begin = 0; begin < problem->channels; begin += DEPTH_BLOCK) {
        const int64_t depth = cpu_min(problem->channels - begin, DEPTH_BLOCK);
        gemm_pack_b((gemm_operand_b){source + begin * plane, plane, 1}, depth, width, vectors, packed);
        /* The next panel's rows, a few beside each tile. */
        const int64_t fetched = cpu_ceil_div(depth * tile_rows, problem->out_channels);
        for (int64_t row = 0; row < problem->out_channels; row += tile_rows) {
            const int64_t next = row / tile_rows * fetched;
            fetch_rows(source + begin * plane + TILE_COLUMNS, plane, cpu_min(next, depth),
                       cpu_min(next + fetched, depth));
            gemm_operand_a a = {problem->weights + row * problem->channels + begin, problem->channels, 1};
            gemm_target target = {.c = out + row * plane,
                                  .row_stride = plane,
                                  .row = row,
                                  .column = column,
                                  .columns = width,
                                  .first = begin == 0,
                                  .last = begin + depth == problem->channels,
                                  .epilogue = &problem->epilogue};
            gemm_tile_run(cpu_min(tile_rows, problem->out_channels - row), vectors, depth, a, packed,
                          vectors * VEC_LANES, &target);
        }
    }
}

/* Items are ITEM_PANELS panels of one image. */
static void pointwise_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const conv_problem *problem = context;
    const int64_t plane = problem->source_h * problem->source_w;
    const int64_t per_image = items_of_image(problem);
    for (int64_t item = begin; item < end; ++item) {
        int64_t first = item % per_image * ITEM_PANELS * TILE_COLUMNS;
        int64_t last = cpu_min(first + ITEM_PANELS * TILE_COLUMNS, plane);
        for (int64_t column = first; column < last; column += TILE_COLUMNS)
            run_panel(problem, item / per_image, column, cpu_min(TILE_COLUMNS, last - column));
    }
}

void conv_pointwise_run(const conv_problem *problem, const cpu_work *work)
{
    int64_t items = problem->images * items_of_image(problem);
    int64_t cost = ITEM_PANELS * TILE_COLUMNS * problem->channels * problem->out_channels / VEC_LANES;
    cpu_parallel(work, items, cost, pointwise_part, problem);
}
