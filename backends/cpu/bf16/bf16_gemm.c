/* bf16_gemm.c: the gemm op on bf16 operands: both are packed whole, and each thread sums blocks of C by the depth. */
#include "bf16_pack.h"

#include "vec_math.h"
#include "views.h"

/* Blocks of 32 along each side of what one item sums, at most. */
enum { ITEM_BLOCKS = 8, ITEMS_PER_THREAD = 4 };
/* Bytes that packed operands may take: larger products are done in bands of C. */
static const int64_t packed_bytes_max = (int64_t)64 << 20;

typedef struct gemm_layout {
    common_gemm_view view;
    int64_t steps, depth_part;
    int64_t band_rows, band_columns; /* of C, whose operands are packed at a time */
    int64_t item_rows, item_columns; /* in blocks */
    size_t a_bytes, b_bytes, thread_bytes;
} gemm_layout;

/* The longest band whose operand fits its share of memory. */
static int64_t band_of(int64_t extent, int64_t steps)
{
    const int64_t step_bytes = cpu_max(steps, 1) * BF16_A_STEP * (int64_t)sizeof(uint16_t);
    const int64_t blocks = cpu_max(packed_bytes_max / step_bytes, 1);
    return cpu_min(blocks, cpu_ceil_div(extent, BF16_BLOCK)) * BF16_BLOCK;
}

static gemm_layout layout_of(int thread_count, const auxo_op *op)
{
    gemm_layout layout = {.view = common_gemm_view_of(op), .item_rows = ITEM_BLOCKS, .item_columns = ITEM_BLOCKS};
    if (op->params.gemm.alpha == 0)
        layout.view.k = 0;
    layout.steps = cpu_ceil_div(layout.view.k, BF16_STEP);
    layout.depth_part = bf16_depth_part(layout.steps);
    layout.band_rows = band_of(layout.view.m, layout.steps);
    layout.band_columns = band_of(layout.view.n, layout.steps);
    const int64_t rows = layout.band_rows / BF16_BLOCK, columns = layout.band_columns / BF16_BLOCK;
    layout.item_rows = cpu_max(cpu_min(layout.item_rows, rows), 1);
    layout.item_columns = cpu_max(cpu_min(layout.item_columns, columns), 1);
    while (layout.item_rows * layout.item_columns > 1 &&
           cpu_ceil_div(rows, layout.item_rows) * cpu_ceil_div(columns, layout.item_columns) <
               (int64_t)thread_count * ITEMS_PER_THREAD) {
        if (layout.item_rows >= layout.item_columns)
            layout.item_rows = cpu_ceil_div(layout.item_rows, 2);
        else
            layout.item_columns = cpu_ceil_div(layout.item_columns, 2);
    }
    layout.a_bytes = sizeof(uint16_t) * (size_t)(rows * layout.steps * BF16_A_STEP);
    layout.b_bytes = sizeof(uint32_t) * (size_t)(columns * layout.steps * BF16_B_STEP);
    layout.thread_bytes = sizeof(float) * (size_t)(layout.item_rows * layout.item_columns * BF16_SUMS);
    return layout;
}

static size_t scratch_bytes_gemm(int thread_count, const auxo_op *op)
{
    const gemm_layout layout = layout_of(thread_count, op);
    return layout.a_bytes + layout.b_bytes + (size_t)thread_count * layout.thread_bytes;
}

/* One band of one batch. */
typedef struct gemm_band {
    const auxo_op *op;
    const gemm_layout *layout;
    int64_t batch, first_row, rows, first_column, columns;
    uint16_t *packed_a;
    uint32_t *packed_b;
    float *sums; /* of all threads */
} gemm_band;

/* Items are blocks of rows of A, then of columns of B. */
static void pack_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const gemm_band *band = context;
    const gemm_layout *layout = band->layout;
    const common_gemm_view *view = &layout->view;
    const int64_t a_blocks = cpu_ceil_div(band->rows, BF16_BLOCK);
    for (int64_t item = begin; item < end; ++item) {
        const bool is_a = item < a_blocks;
        const int64_t block = is_a ? item : item - a_blocks, first = block * BF16_BLOCK;
        const auxo_tensor *tensor = &band->op->tensors[is_a ? AUXO_GEMM_A : AUXO_GEMM_B];
        const uint16_t *data = cpu_data(tensor);
        if (is_a) {
            data += band->batch * view->a_batch + (band->first_row + first) * view->a_row;
            bf16_pack_a((bf16_matrix){data, view->a_row, view->a_column}, cpu_min(band->rows - first, BF16_BLOCK),
                        view->k, band->packed_a + block * layout->steps * BF16_A_STEP);
        } else {
            data += band->batch * view->b_batch + (band->first_column + first) * view->b_column;
            bf16_pack_b((bf16_matrix){data, view->b_row, view->b_column}, view->k,
                        cpu_min(band->columns - first, BF16_BLOCK),
                        band->packed_b + block * layout->steps * BF16_B_STEP);
        }
    }
}

/* What becomes of the sums of 16 columns of one row. */
typedef struct gemm_finish {
    auxo_gemm_params params;
    const float *bias;
    void *c;
    auxo_dtype dtype;
} gemm_finish;

/* C = act(alpha sums + beta C + bias) at element `at` of C, (row, column) of its batch. `is_plain`: C = sums. */
CPU_INLINE void finish_row(const bool is_plain, const gemm_finish *finish, const float *sums, int64_t at, int64_t row,
                           int64_t column, int64_t count)
{
    vf value = vf_load(sums);
    if (!is_plain) {
        const auxo_gemm_params *params = &finish->params;
        value *= params->alpha;
        if (params->beta != 0)
            value += params->beta * vf_load_partial_as(finish->dtype, finish->c, at, count);
        if (finish->bias)
            value += params->bias_per_row ? vf_set1(finish->bias[row]) : vf_load_partial(finish->bias + column, count);
        value = vf_activate(params->activation, params->slope, value);
    }
    if (finish->dtype == AUXO_DTYPE_F32)
        vf_store_partial((float *)finish->c + at, value, count);
    else
        bf16_store((uint16_t *)finish->c + at, value, bf16_lanes(count));
}

/* One block at (row, column) of C. */
static void finish_block(const gemm_band *band, const float *sums, int64_t row, int64_t column)
{
    const common_gemm_view *view = &band->layout->view;
    const auxo_tensor *c = &band->op->tensors[AUXO_GEMM_C];
    const gemm_finish finish = {band->op->params.gemm, cpu_f32(band->op, AUXO_GEMM_BIAS), cpu_data(c), c->dtype};
    const bool is_plain = finish.params.alpha == 1 && finish.params.beta == 0 && !finish.bias &&
                          finish.params.activation == AUXO_ACTIVATION_IDENTITY;
    const int64_t rows = cpu_min(view->m - row, BF16_BLOCK);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < BF16_BLOCK && column + j < view->n; j += BF16_TILE) {
            const int64_t count = cpu_min(view->n - column - j, BF16_TILE);
            const int64_t at = band->batch * view->c_batch + (row + i) * view->c_row + column + j;
            if (is_plain)
                finish_row(true, &finish, sums + i * BF16_BLOCK + j, at, row + i, column + j, count);
            else
                finish_row(false, &finish, sums + i * BF16_BLOCK + j, at, row + i, column + j, count);
        }
}

/* Blocks [rows) x [columns) of the band, part by part of the depth. */
static void run_item(const gemm_band *band, cpu_range rows, cpu_range columns, float *sums)
{
    const gemm_layout *layout = band->layout;
    const int64_t width = columns.end - columns.begin;
    int64_t begin = 0;
    do { /* once even for depth 0 */
        const int64_t steps = cpu_min(layout->depth_part, layout->steps - begin);
        for (int64_t i = rows.begin; i < rows.end; ++i)
            for (int64_t j = columns.begin; j < columns.end; ++j) {
                float *block = sums + ((i - rows.begin) * width + j - columns.begin) * BF16_SUMS;
                bf16_block_run(&(bf16_product){
                    .steps = steps,
                    .a = band->packed_a + (i * layout->steps + begin) * BF16_A_STEP,
                    .b = band->packed_b + (j * layout->steps + begin) * BF16_B_STEP,
                    .b_stride = BF16_BLOCK,
                    .row_tiles = band->rows - i * BF16_BLOCK > BF16_TILE ? 2 : 1,
                    .column_tiles = band->columns - j * BF16_BLOCK > BF16_TILE ? 2 : 1,
                    .first = begin == 0,
                    .c = block,
                });
                if (begin + steps >= layout->steps)
                    finish_block(band, block, band->first_row + i * BF16_BLOCK, band->first_column + j * BF16_BLOCK);
            }
        begin += layout->depth_part;
    } while (begin < layout->steps);
}

static void multiply_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const gemm_band *band = context;
    const gemm_layout *layout = band->layout;
    const int64_t row_blocks = cpu_ceil_div(band->rows, BF16_BLOCK);
    const int64_t column_blocks = cpu_ceil_div(band->columns, BF16_BLOCK);
    const int64_t across = cpu_ceil_div(column_blocks, layout->item_columns);
    float *sums = band->sums + (size_t)thread * layout->thread_bytes / sizeof(float);
    bf16_begin();
    for (int64_t item = begin; item < end; ++item) {
        const int64_t row = item / across * layout->item_rows, column = item % across * layout->item_columns;
        run_item(band, (cpu_range){row, cpu_min(row + layout->item_rows, row_blocks)},
                 (cpu_range){column, cpu_min(column + layout->item_columns, column_blocks)}, sums);
    }
    bf16_end();
}

static void run_band(const cpu_work *work, const gemm_band *band)
{
    const gemm_layout *layout = band->layout;
    const int64_t row_blocks = cpu_ceil_div(band->rows, BF16_BLOCK);
    const int64_t column_blocks = cpu_ceil_div(band->columns, BF16_BLOCK);
    const int64_t items =
        cpu_ceil_div(row_blocks, layout->item_rows) * cpu_ceil_div(column_blocks, layout->item_columns);
    cpu_parallel(work, row_blocks + column_blocks, layout->view.k * 4, pack_part, band);
    cpu_parallel(work, items, layout->item_rows * layout->item_columns * cpu_max(layout->view.k, 1) * 4, multiply_part,
                 band);
}

static void run_gemm(const cpu_work *work, const auxo_op *op)
{
    const gemm_layout layout = layout_of(work->thread_count, op);
    const common_gemm_view *view = &layout.view;
    gemm_band band = {.op = op, .layout = &layout};
    band.packed_a = (uint16_t *)work->scratch;
    band.packed_b = (uint32_t *)(work->scratch + layout.a_bytes);
    band.sums = (float *)(work->scratch + layout.a_bytes + layout.b_bytes);
    if (view->m == 0 || view->n == 0)
        return;
    for (band.batch = 0; band.batch < view->batches; ++band.batch)
        for (band.first_column = 0; band.first_column < view->n; band.first_column += layout.band_columns)
            for (band.first_row = 0; band.first_row < view->m; band.first_row += layout.band_rows) {
                band.rows = cpu_min(view->m - band.first_row, layout.band_rows);
                band.columns = cpu_min(view->n - band.first_column, layout.band_columns);
                run_band(work, &band);
            }
}

CPU_KERNEL(gemm)
