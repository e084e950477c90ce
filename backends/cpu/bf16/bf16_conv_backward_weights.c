/* bf16_conv_backward_weights.c: the conv2d_backward_weights op on bf16 X and DY, tap by tap. */
#include "bf16_conv_weights.h"
#include "conv2d_bias.h"

enum { SLICE_BYTES_MIN = 5 << 18, SLICE_BYTES_MAX = 4 << 20, CHUNK_ELEMENTS = 512, ITEMS_PER_THREAD = 4 };
/* In cycles, about: the product of one step of a block, and gathering one step of a panel. */
static const double block_step_cost = 64, gather_step_cost = 48;

static void set_positions(bf16_weights_layout *layout)
{
    const common_conv2d_view *view = &layout->view;
    const double positions = (double)(view->p * view->q);
    const double junk = (double)(layout->copy_h * layout->pitch) / positions - 1;
    layout->direct = view->q % 2 != 0 || junk * block_step_cost * (double)layout->out_blocks < gather_step_cost;
    layout->image_positions = layout->direct ? layout->copy_h * layout->pitch : view->p * view->q;
}

static void set_bytes(bf16_weights_layout *layout)
{
    const int64_t blocks = layout->groups * layout->channel_blocks;
    layout->line_count = layout->chunk_rows * layout->pitch + 2 * BF16_STEP;
    layout->dy_bytes = sizeof(uint16_t) * (size_t)(layout->groups * layout->out_blocks * layout->steps * BF16_A_STEP);
    layout->copy_bytes = sizeof(uint32_t) * (size_t)(blocks * bf16_weights_block_pairs(layout) * BF16_BLOCK);
    layout->sums_bytes = sizeof(float) * (size_t)(layout->groups * layout->taps * layout->out_blocks *
                                                  layout->channel_blocks * BF16_SUMS);
    layout->lines_bytes = cpu_align(sizeof(uint16_t) * (size_t)(BF16_BLOCK * layout->line_count));
    layout->panel_bytes = layout->direct ? 0 : sizeof(uint32_t) * (size_t)(layout->depth_part * BF16_B_STEP);
    layout->thread_bytes = layout->lines_bytes + layout->panel_bytes;
}

/* As many images as the nearer caches hold beside what is read; more where the sums, which every slice passes over, are
 * the greater part. */
static int64_t slice_images_of(const bf16_weights_layout *layout)
{
    const int64_t channels = layout->groups * layout->channel_blocks * BF16_BLOCK;
    const int64_t image_bytes =
        (int64_t)sizeof(uint32_t) * layout->phase_count * layout->copy_h * layout->pitch * channels;
    const int64_t sums_bytes = (int64_t)sizeof(float) * layout->taps * layout->out_blocks * BF16_BLOCK * channels;
    const int64_t bytes = cpu_min(cpu_max(sums_bytes, SLICE_BYTES_MIN), SLICE_BYTES_MAX);
    return cpu_max(1, cpu_min(layout->view.n, bytes / cpu_max(image_bytes, 1)));
}

static bf16_weights_layout layout_of(int thread_count, const auxo_op *op)
{
    bf16_weights_layout layout = {.view = common_conv2d_view_of(op)};
    const common_conv2d_view *view = &layout.view;
    const auxo_conv2d_params *params = view->params;
    layout.groups = params->groups;
    layout.channels = view->c / params->groups;
    layout.out_channels = view->k / params->groups;
    layout.taps = view->r * view->s;
    layout.channel_blocks = cpu_ceil_div(layout.channels, BF16_BLOCK);
    layout.out_blocks = cpu_ceil_div(layout.out_channels, BF16_BLOCK);
    layout.phase_count = (int64_t)params->stride_h * params->stride_w;
    const int64_t reach_h = (view->r - 1) * params->dilation_h / params->stride_h;
    const int64_t reach_w = (view->s - 1) * params->dilation_w / params->stride_w;
    layout.copy_h = view->p + reach_h;
    layout.pitch = cpu_ceil_div(view->q + reach_w, 2) * 2;
    set_positions(&layout);
    layout.slice_images = slice_images_of(&layout);
    layout.steps = cpu_ceil_div(layout.slice_images * layout.image_positions, BF16_STEP);
    layout.depth_part = bf16_depth_part(layout.steps);
    /* Tiles reach beyond the last position by up to a step and the farthest tap. */
    layout.pairs =
        layout.slice_images * layout.copy_h * layout.pitch / 2 + BF16_STEP + reach_h * layout.pitch + reach_w + 1;
    layout.chunk_rows = cpu_max(1, cpu_min(CHUNK_ELEMENTS / layout.pitch, layout.copy_h));
    const int64_t items = layout.groups * layout.taps * layout.channel_blocks;
    layout.out_parts = cpu_max(
        1, cpu_min(cpu_ceil_div((int64_t)thread_count * ITEMS_PER_THREAD, cpu_max(items, 1)), layout.out_blocks));
    layout.part_blocks = cpu_ceil_div(layout.out_blocks, layout.out_parts);
    set_bytes(&layout);
    return layout;
}

static bool is_empty(const common_conv2d_view *view)
{
    return view->n * view->c * view->k * view->p * view->q * view->r * view->s == 0;
}

static size_t scratch_bytes_conv2d_backward_weights(int thread_count, const auxo_op *op)
{
    const common_conv2d_view view = common_conv2d_view_of(op);
    if (is_empty(&view))
        return 0;
    const bf16_weights_layout layout = layout_of(thread_count, op);
    return layout.dy_bytes + layout.copy_bytes + layout.sums_bytes + (size_t)thread_count * layout.thread_bytes;
}

/* The pairs of steps [begin, end) of true positions under one tap, whose first row of pairs for position (0, 0) is
 * `origin`; zeros behind the last image. */
static void gather_panel(const bf16_weights_slice *slice, const uint32_t *origin, int64_t begin, int64_t end,
                         uint32_t *panel)
{
    const bf16_weights_layout *layout = slice->layout;
    const int64_t row_pairs = layout->view.q / 2, image_pairs = layout->view.p * row_pairs;
    const int64_t last = cpu_min(end * BF16_PAIRS, slice->images * image_pairs);
    int64_t pair = begin * BF16_PAIRS;
    while (pair < last) {
        const int64_t image = pair / image_pairs, row = pair % image_pairs / row_pairs, column = pair % row_pairs;
        const int64_t count = cpu_min(row_pairs - column, last - pair);
        const uint32_t *from = origin + ((image * layout->copy_h + row) * (layout->pitch / 2) + column) * BF16_BLOCK;
        memcpy(panel, from, sizeof(uint32_t) * (size_t)(count * BF16_BLOCK));
        panel += count * BF16_BLOCK;
        pair += count;
    }
    if (pair < end * BF16_PAIRS)
        memset(panel, 0, sizeof(uint32_t) * (size_t)((end * BF16_PAIRS - pair) * BF16_BLOCK));
}

/* Of one tap: where the pairs that it meets at position (0, 0) lie within a block of channels. */
static int64_t tap_place(const bf16_weights_layout *layout, int64_t tap)
{
    const auxo_conv2d_params *params = layout->view.params;
    const int64_t row = tap / layout->view.s * params->dilation_h, column = tap % layout->view.s * params->dilation_w;
    const int64_t phase = row % params->stride_h * params->stride_w + column % params->stride_w;
    const int64_t shift = row / params->stride_h * layout->pitch + column / params->stride_w;
    return (phase * 2 + shift % 2) * layout->pairs + shift / 2;
}

/* Items are (group, tap, block of channels, part of the output channels), the last fastest. */
static void product_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const bf16_weights_slice *slice = context;
    const bf16_weights_layout *layout = slice->layout;
    uint32_t *panel = (uint32_t *)(slice->threads + (size_t)thread * layout->thread_bytes + layout->lines_bytes);
    bf16_begin();
    for (int64_t item = begin; item < end; ++item) {
        const int64_t part = item % layout->out_parts, block = item / layout->out_parts % layout->channel_blocks;
        const int64_t tap = item / layout->out_parts / layout->channel_blocks % layout->taps;
        const int64_t group = item / layout->out_parts / layout->channel_blocks / layout->taps;
        const uint32_t *origin =
            slice->copy +
            ((group * layout->channel_blocks + block) * bf16_weights_block_pairs(layout) + tap_place(layout, tap)) *
                BF16_BLOCK;
        const int64_t last = cpu_min((part + 1) * layout->part_blocks, layout->out_blocks);
        for (int64_t step = 0; step < slice->steps; step += layout->depth_part) {
            const int64_t steps = cpu_min(layout->depth_part, slice->steps - step);
            if (!layout->direct)
                gather_panel(slice, origin, step, step + steps, panel);
            for (int64_t i = part * layout->part_blocks; i < last; ++i)
                bf16_block_run(&(bf16_product){
                    .steps = steps,
                    .a = slice->dy + ((group * layout->out_blocks + i) * layout->steps + step) * BF16_A_STEP,
                    .b = layout->direct ? origin + step * BF16_B_STEP : panel,
                    .b_stride = BF16_BLOCK,
                    .row_tiles = layout->out_channels - i * BF16_BLOCK > BF16_TILE ? 2 : 1,
                    .column_tiles = layout->channels - block * BF16_BLOCK > BF16_TILE ? 2 : 1,
                    .first = slice->first_image == 0 && step == 0,
                    .c = slice->sums +
                         (((group * layout->taps + tap) * layout->out_blocks + i) * layout->channel_blocks + block) *
                             BF16_SUMS});
        }
    }
    bf16_end();
}

/* Items are output channels of all groups: rows of DW (channels, taps) from the sums by tap. Single values in the order
 * in which DW lies: scattering vectors takes some processors four times as long. */
static void finish_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const bf16_weights_slice *slice = context;
    const bf16_weights_layout *layout = slice->layout;
    const int64_t tap_stride = layout->out_blocks * layout->channel_blocks * BF16_SUMS;
    for (int64_t k = begin; k < end; ++k) {
        const int64_t group = k / layout->out_channels, row = k % layout->out_channels;
        const int64_t first = (group * layout->taps * layout->out_blocks + row / BF16_BLOCK) * layout->channel_blocks;
        const float *sums = slice->sums + first * BF16_SUMS + row % BF16_BLOCK * BF16_BLOCK;
        float *dw = cpu_f32(slice->op, AUXO_CONV2D_BW_DW) + k * layout->channels * layout->taps;
        for (int64_t c = 0; c < layout->channels; ++c) {
            const float *from = sums + c / BF16_BLOCK * BF16_SUMS + c % BF16_BLOCK;
            for (int64_t tap = 0; tap < layout->taps; ++tap)
                *dw++ = from[tap * tap_stride];
        }
    }
}

/* Items are output channels. */
static void bias_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const common_conv2d_view view = common_conv2d_view_of(op);
    for (int64_t k = begin; k < end; ++k)
        cpu_f32(op, AUXO_CONV2D_BW_DBIAS)[k] = conv_bias_gradient(
            AUXO_DTYPE_BF16, cpu_data(&op->tensors[AUXO_CONV2D_BW_DY]), view.n, view.k, view.p * view.q, k);
}

static void run_slices(const cpu_work *work, const auxo_op *op)
{
    const bf16_weights_layout layout = layout_of(work->thread_count, op);
    char *memory = work->scratch;
    bf16_weights_slice slice = {.op = op, .layout = &layout};
    slice.dy = (uint16_t *)memory;
    slice.copy = (uint32_t *)(memory + layout.dy_bytes);
    slice.sums = (float *)(memory + layout.dy_bytes + layout.copy_bytes);
    slice.threads = memory + layout.dy_bytes + layout.copy_bytes + layout.sums_bytes;
    const int64_t items = layout.groups * layout.taps * layout.channel_blocks * layout.out_parts;
    for (; slice.first_image < layout.view.n; slice.first_image += layout.slice_images) {
        slice.images = cpu_min(layout.slice_images, layout.view.n - slice.first_image);
        slice.steps = cpu_ceil_div(slice.images * layout.image_positions, BF16_STEP);
        bf16_weights_copy(work, &slice);
        cpu_parallel(work, items, slice.steps * layout.part_blocks * (int64_t)block_step_cost, product_part, &slice);
    }
    cpu_parallel(work, layout.groups * layout.out_channels, layout.channels * layout.taps, finish_part, &slice);
}

static void run_conv2d_backward_weights(const cpu_work *work, const auxo_op *op)
{
    const common_conv2d_view view = common_conv2d_view_of(op);
    if (cpu_data(&op->tensors[AUXO_CONV2D_BW_DBIAS]))
        cpu_parallel(work, view.k, view.n * view.p * view.q, bias_part, op);
    if (is_empty(&view))
        memset(cpu_data(&op->tensors[AUXO_CONV2D_BW_DW]), 0, sizeof(float) * (size_t)cpu_count(op, AUXO_CONV2D_BW_DW));
    else
        run_slices(work, op);
}

CPU_KERNEL(conv2d_backward_weights)
