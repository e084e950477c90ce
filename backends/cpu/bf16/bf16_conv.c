/* bf16_conv.c: the items of a convolution: copies, gathered panels, block products, and what becomes of their sums. */
#include "bf16_conv.h"

#include "vec_math.h"

/* Multiply-adds that are worth a thread. */
static const double part_products = 2e6;

static bf16_conv_span span_at(const bf16_conv_item *item, int64_t image, int64_t row, int64_t column)
{
    const conv_problem *problem = item->conv->problem;
    const bf16_conv_layout *layout = item->conv->layout;
    const int64_t out_row = problem->out_row + (item->first_row + row) * problem->out_row_step;
    return (bf16_conv_span){.source = (image * layout->copy_rows + row) * layout->copy_columns + column,
                            .out = image * problem->groups * problem->out_channels * problem->out_h * problem->out_w +
                                   out_row * problem->out_w + problem->out_column + column * problem->out_column_step};
}

/* The true positions among elements [first, first + count) of the copy's planes (direct), or the positions
 * [first, first + count) themselves. */
static void find_runs(const bf16_conv_item *item, int64_t first, int64_t count, bf16_conv_runs *runs)
{
    const bf16_conv_layout *layout = item->conv->layout;
    const int64_t width = item->conv->problem->positions_w;
    const int64_t row_length = layout->direct ? layout->copy_columns : width;
    const int64_t image_rows = layout->direct ? layout->copy_rows : item->rows;
    int64_t image = first / row_length / image_rows, row = first / row_length % image_rows, column = first % row_length;
    runs->count = 0;
    for (int64_t target = 0; target < count;) {
        const int64_t length = cpu_min(width - column, count - target);
        if (length > 0 && row < item->rows) {
            bf16_conv_span *span = &runs->spans[runs->count++];
            *span = span_at(item, image, row, column);
            span->target = (int32_t)target;
            span->count = (int32_t)length;
        }
        target += row_length - column;
        column = 0;
        if (++row == image_rows) {
            row = 0;
            ++image;
        }
    }
}

/* Steps [begin, end) of the panel of one block. What a vector holds too much is overwritten by the next one, or lies in
 * columns that are never stored. */
static void gather_panel(const bf16_conv_item *item, const bf16_conv_runs *runs, int64_t begin, int64_t end,
                         uint32_t *panel)
{
    const bf16_conv_layout *layout = item->conv->layout;
    const int64_t last = cpu_min(end * BF16_PAIRS, layout->tap_count * layout->pairs);
    for (int64_t l = begin * BF16_PAIRS; l < last; ++l, panel += BF16_BLOCK) {
        const uint32_t *source = item->copy + item->offsets[l];
        for (int64_t r = 0; r < runs->count; ++r) {
            const bf16_conv_span *span = &runs->spans[r];
            _mm512_storeu_si512(panel + span->target, _mm512_loadu_si512(source + span->source));
            if (span->count > BF16_TILE)
                _mm512_storeu_si512(panel + span->target + BF16_TILE,
                                    _mm512_loadu_si512(source + span->source + BF16_TILE));
        }
    }
    memset(panel, 0, sizeof(uint32_t) * (size_t)((end * BF16_PAIRS - last) * BF16_BLOCK));
}

/* The first 16 of so many positions of a span, or all, for the rows of a block. */
CPU_INLINE void finish_rows(auxo_activation activation, const bf16_conv_item *item, int64_t channel, int64_t rows,
                            const float *sums, int64_t positions, uint16_t *out)
{
    const conv_problem *problem = item->conv->problem;
    const int64_t plane = problem->out_h * problem->out_w, step = problem->out_column_step;
    const float *bias = problem->epilogue.bias;
    const __mmask16 lanes = bf16_lanes(positions);
    for (int64_t i = 0; i < rows; ++i, sums += BF16_BLOCK, out += plane) {
        const vf sum = bias ? vf_load(sums) + bias[channel + i] : vf_load(sums);
        const vf value = vf_activate(activation, problem->epilogue.slope, sum);
        if (step == 1) {
            bf16_store(out, value, lanes);
            continue;
        }
        const vh bits = bf16_round(value);
        for (int64_t lane = 0; lane < cpu_min(positions, BF16_TILE); ++lane)
            out[lane * step] = bits[lane];
    }
}

/* Adds the bias, applies the activation and moves the true positions of a block to the output. */
static void finish_block(const bf16_conv_item *item, const bf16_conv_runs *runs, int64_t block, const float *sums)
{
    const conv_problem *problem = item->conv->problem;
    const auxo_activation activation = problem->epilogue.activation;
    const int64_t rows = cpu_min(problem->out_channels - block * BF16_BLOCK, BF16_BLOCK);
    const int64_t channel = item->group * problem->out_channels + block * BF16_BLOCK;
    const int64_t plane = item->first_image * problem->groups * problem->out_channels + channel;
    uint16_t *out = item->conv->out + plane * problem->out_h * problem->out_w;
    for (int64_t r = 0; r < runs->count; ++r) {
        const bf16_conv_span *span = &runs->spans[r];
        for (int64_t i = 0; i < span->count; i += BF16_TILE) {
            const float *from = sums + span->target + i;
            uint16_t *to = out + span->out + i * problem->out_column_step;
            if (activation == AUXO_ACTIVATION_IDENTITY)
                finish_rows(AUXO_ACTIVATION_IDENTITY, item, channel, rows, from, span->count - i, to);
            else
                finish_rows(activation, item, channel, rows, from, span->count - i, to);
        }
    }
}

/* One pass over the weights: steps [begin, end) of all rows for some blocks of columns from `first_column` on. */
static void multiply_pass(const bf16_conv_item *item, int64_t first_column, int64_t columns, int64_t begin, int64_t end)
{
    const bf16_conv_layout *layout = item->conv->layout;
    const int64_t blocks = cpu_ceil_div(columns, BF16_BLOCK);
    const uint16_t *packed = item->conv->packed + item->group * layout->row_blocks * layout->steps * BF16_A_STEP;
    for (int64_t i = item->blocks.begin; i < item->blocks.end; ++i)
        for (int64_t j = 0; j < blocks; ++j) {
            float *sums = item->sums + ((i - item->blocks.begin) * blocks + j) * BF16_SUMS;
            bf16_product product = {.steps = end - begin,
                                    .a = packed + (i * layout->steps + begin) * BF16_A_STEP,
                                    .row_tiles = item->conv->problem->out_channels - i * BF16_BLOCK > BF16_TILE ? 2 : 1,
                                    .column_tiles = columns - j * BF16_BLOCK > BF16_TILE ? 2 : 1,
                                    .first = begin == 0,
                                    .c = sums};
            if (layout->direct) {
                product.b = item->copy + first_column + j * BF16_BLOCK;
                product.b_offsets = item->offsets + begin;
                product.b_stride = layout->phase_count * layout->plane;
            } else {
                product.b = item->panel + j * (end - begin) * BF16_B_STEP;
                product.b_stride = BF16_BLOCK;
            }
            bf16_block_run(&product);
            if (end == layout->steps)
                finish_block(item, &item->runs[j], i, sums);
        }
}

/* At most BF16_CONV_PASS_BLOCKS blocks of columns, part by part of the depth. */
static void run_columns(const bf16_conv_item *item, int64_t first, int64_t columns)
{
    const bf16_conv_layout *layout = item->conv->layout;
    for (int64_t j = 0; j * BF16_BLOCK < columns; ++j)
        find_runs(item, first + j * BF16_BLOCK, cpu_min(columns - j * BF16_BLOCK, BF16_BLOCK), &item->runs[j]);
    int64_t begin = 0;
    do { /* once even for depth 0: the output still gets its bias */
        const int64_t end = cpu_min(begin + layout->depth_part, layout->steps);
        for (int64_t j = 0; !layout->direct && j * BF16_BLOCK < columns; ++j)
            gather_panel(item, &item->runs[j], begin, end, item->panel + j * (end - begin) * BF16_B_STEP);
        multiply_pass(item, first, columns, begin, end);
        begin = end;
    } while (begin < layout->steps);
}

typedef struct conv_context {
    const bf16_conv *conv;
    char *scratch;
} conv_context;

/* Items are (image group, group, band, part of the output channels), the last fastest. */
static void run_item(bf16_conv_item *item, int64_t index)
{
    const conv_problem *problem = item->conv->problem;
    const bf16_conv_layout *layout = item->conv->layout;
    const int64_t parts = cpu_ceil_div(layout->row_blocks, layout->item_row_blocks);
    const int64_t part = index % parts, band = index / parts % layout->bands, rest = index / parts / layout->bands;
    item->blocks.begin = part * layout->item_row_blocks;
    item->blocks.end = cpu_min(item->blocks.begin + layout->item_row_blocks, layout->row_blocks);
    item->group = rest % problem->groups;
    item->first_image = rest / problem->groups * layout->item_images;
    item->images = cpu_min(layout->item_images, problem->images - item->first_image);
    item->first_row = band * layout->band_rows;
    item->rows = cpu_min(layout->band_rows, problem->positions_h - item->first_row);
    bf16_conv_copy(item);
    int64_t count = item->images * item->rows * problem->positions_w;
    if (layout->direct)
        count = ((item->images - 1) * layout->copy_rows + item->rows - 1) * layout->copy_columns + problem->positions_w;
    const int64_t step = BF16_CONV_PASS_BLOCKS * BF16_BLOCK;
    for (int64_t first = 0; first < count; first += step)
        run_columns(item, first, cpu_min(step, count - first));
}

static void run_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const conv_context *run = context;
    const bf16_conv_layout *layout = run->conv->layout;
    char *memory = run->scratch + layout->offsets_bytes + (size_t)thread * layout->thread_bytes;
    bf16_conv_item item = {.conv = run->conv, .offsets = (const int32_t *)run->scratch};
    item.copy = (uint32_t *)memory;
    item.panel = (uint32_t *)(memory + layout->copy_bytes);
    item.sums = (float *)(memory + layout->copy_bytes + layout->panel_bytes);
    item.runs = (bf16_conv_runs *)(memory + layout->copy_bytes + layout->panel_bytes + layout->sums_bytes);
    bf16_begin();
    for (int64_t index = begin; index < end; ++index)
        run_item(&item, index);
    bf16_end();
}

/* Of every step (direct) or every pair of the depth: where in the copy its first row lies. */
static void fill_offsets(const conv_problem *problem, const bf16_conv_layout *layout, int32_t *offsets)
{
    const int64_t stride = layout->direct ? BF16_PAIRS : 1;
    for (int64_t tap = 0; tap < layout->tap_count; ++tap) {
        const int64_t r = tap / problem->tap_columns.count, s = tap % problem->tap_columns.count;
        const int64_t row = problem->tap_rows.first + r * problem->tap_rows.step - layout->row_origin;
        const int64_t column = problem->tap_columns.first + s * problem->tap_columns.step - layout->column_origin;
        const int64_t phase = row % problem->step_h * problem->step_w + column % problem->step_w;
        const int64_t place = row / problem->step_h * layout->copy_columns + column / problem->step_w;
        for (int64_t pair = 0; pair < layout->pairs; pair += stride)
            *offsets++ = (int32_t)((pair * layout->phase_count + phase) * layout->plane + place);
    }
}

void bf16_conv_run(const cpu_work *work, const bf16_conv *conv, char *scratch)
{
    const conv_problem *problem = conv->problem;
    const bf16_conv_layout *layout = conv->layout;
    fill_offsets(problem, layout, (int32_t *)scratch);
    const int64_t parts = cpu_ceil_div(layout->row_blocks, layout->item_row_blocks);
    const int64_t items = cpu_ceil_div(problem->images, layout->item_images) * problem->groups * layout->bands * parts;
    const double products = (double)(layout->item_images * layout->band_rows * problem->positions_w) *
                            (double)(layout->item_row_blocks * BF16_BLOCK) * (double)(layout->steps * BF16_STEP);
    const int64_t grain = products >= part_products ? 1 : (int64_t)(part_products / (products + 1)) + 1;
    cpu_pool_run(work->pool, items, grain, run_part, &(conv_context){conv, scratch});
}
