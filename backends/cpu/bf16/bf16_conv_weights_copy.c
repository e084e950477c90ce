/* bf16_conv_weights_copy.c: DY and X of a slice, in the layouts of bf16_conv_weights.h. */
#include "bf16_conv_weights.h"
#include "bf16_pack.h"
#include "conv2d_problem.h"

#include "vec_transpose.h"

/* One output channel of one image; `from` NULL: a row of the block beyond the channels. */
static void put_plane(const bf16_weights_layout *layout, uint16_t *block, int64_t row, int64_t position,
                      const uint16_t *from)
{
    const int64_t p = layout->view.p, q = layout->view.q;
    if (!from || !layout->direct) {
        bf16_put_row(block, row, position, from, layout->image_positions);
        return;
    }
    for (int64_t i = 0; i < p; ++i, position += layout->pitch) {
        bf16_put_row(block, row, position, from + i * q, q);
        bf16_put_row(block, row, position + q, NULL, layout->pitch - q);
    }
    bf16_put_row(block, row, position, NULL, (layout->copy_h - p) * layout->pitch);
}

/* Items are (group, block of output channels, image). */
static void dy_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const bf16_weights_slice *slice = context;
    const bf16_weights_layout *layout = slice->layout;
    const uint16_t *dy = cpu_data(&slice->op->tensors[AUXO_CONV2D_BW_DY]);
    const int64_t plane = layout->view.p * layout->view.q;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t image = item % slice->images, block = item / slice->images;
        const int64_t group = block / layout->out_blocks, first = block % layout->out_blocks * BF16_BLOCK;
        uint16_t *to = slice->dy + block * layout->steps * BF16_A_STEP;
        for (int64_t row = 0; row < BF16_BLOCK; ++row) {
            const int64_t channel = group * layout->out_channels + first + row;
            const bool is_there = first + row < layout->out_channels;
            const int64_t position = image * layout->image_positions, last = slice->images * layout->image_positions;
            put_plane(layout, to, row, position,
                      is_there ? dy + ((slice->first_image + image) * layout->view.k + channel) * plane : NULL);
            if (image + 1 == slice->images)
                bf16_put_row(to, row, last, NULL, slice->steps * BF16_STEP - last);
        }
    }
}

/* One item of the copy of X: a block of channels of one image in one phase. */
typedef struct copy_item {
    const bf16_weights_slice *slice;
    const uint16_t *planes; /* of its first channel */
    int64_t channels;
    int64_t phase_row, phase_column;
    uint16_t *lines;      /* (32, line_count): rows of each channel with their border */
    uint32_t *even, *odd; /* of the image */
} copy_item;

/* Row `row` of the copy of one channel. */
static void copy_row(const copy_item *item, const uint16_t *plane, int64_t row, uint16_t *to)
{
    const common_conv2d_view *view = &item->slice->layout->view;
    const auxo_conv2d_params *params = view->params;
    const int64_t pitch = item->slice->layout->pitch;
    const int64_t from_row = row * params->stride_h + item->phase_row - params->pad_h;
    memset(to, 0, sizeof(uint16_t) * (size_t)pitch);
    if (from_row < 0 || from_row >= view->h)
        return;
    const uint16_t *from = plane + from_row * view->w;
    const int64_t first = item->phase_column - params->pad_w, step = params->stride_w;
    const int64_t begin = first >= 0 ? 0 : cpu_ceil_div(-first, step);
    const int64_t end = first >= view->w ? 0 : cpu_min(cpu_ceil_div(view->w - first, step), pitch);
    if (step == 1 && end > begin)
        memcpy(to + begin, from + first + begin, sizeof(uint16_t) * (size_t)(end - begin));
    else
        for (int64_t i = begin; i < end; ++i)
            to[i] = from[first + i * step];
}

/* Pairs of `count` elements of all channels from `lines` on, turned so that channels are neighbours. */
static void turn_pairs(const copy_item *item, const uint16_t *lines, int64_t count, uint32_t *to)
{
    const int64_t line_count = item->slice->layout->line_count;
    for (int64_t pair = 0; 2 * pair < count; pair += BF16_PAIRS)
        for (int64_t c = 0; c < BF16_BLOCK && c < item->channels; c += BF16_TILE) {
            vf square[BF16_TILE];
            for (int64_t i = 0; i < BF16_TILE; ++i)
                square[i] = (vf)_mm512_loadu_si512(lines + (c + i) * line_count + 2 * pair);
            vf_transpose(square);
            const int64_t rows = cpu_min(BF16_PAIRS, count / 2 - pair);
            for (int64_t i = 0; i < rows; ++i)
                _mm512_storeu_si512(to + (pair + i) * BF16_BLOCK + c, (__m512i)square[i]);
        }
}

static void copy_image(const copy_item *item)
{
    const bf16_weights_layout *layout = item->slice->layout;
    const int64_t plane = layout->view.h * layout->view.w;
    for (int64_t first = 0; first < layout->copy_h; first += layout->chunk_rows) {
        const int64_t rows = cpu_min(layout->chunk_rows, layout->copy_h - first), count = rows * layout->pitch;
        for (int64_t c = 0; c < item->channels; ++c) {
            uint16_t *line = item->lines + c * layout->line_count;
            for (int64_t row = 0; row < rows; ++row)
                copy_row(item, item->planes + c * plane, first + row, line + row * layout->pitch);
            memset(line + count, 0, sizeof(uint16_t) * (size_t)(layout->line_count - count));
        }
        const int64_t at = first * layout->pitch / 2 * BF16_BLOCK;
        turn_pairs(item, item->lines, count, item->even + at);
        turn_pairs(item, item->lines + 1, count, item->odd + at);
    }
}

/* Items are (group, block of channels, phase, image). */
static void copy_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const bf16_weights_slice *slice = context;
    const bf16_weights_layout *layout = slice->layout;
    const auxo_conv2d_params *params = layout->view.params;
    const uint16_t *x = cpu_data(&slice->op->tensors[AUXO_CONV2D_BW_X]);
    const int64_t image_pairs = layout->copy_h * layout->pitch / 2;
    const conv_axis rows = {layout->view.r, 0, params->dilation_h}, columns = {layout->view.s, 0, params->dilation_w};
    for (int64_t index = begin; index < end; ++index) {
        const int64_t image = index % slice->images, phase = index / slice->images % layout->phase_count;
        const int64_t block = index / slice->images / layout->phase_count;
        if (!conv_axis_meets(&rows, 0, params->stride_h, phase / params->stride_w) ||
            !conv_axis_meets(&columns, 0, params->stride_w, phase % params->stride_w))
            continue;
        const int64_t first = block % layout->channel_blocks * BF16_BLOCK;
        const int64_t channel = block / layout->channel_blocks * layout->channels + first;
        uint32_t *even =
            slice->copy + (block * bf16_weights_block_pairs(layout) + phase * 2 * layout->pairs) * BF16_BLOCK;
        uint32_t *odd = even + layout->pairs * BF16_BLOCK;
        const copy_item item = {.slice = slice,
                                .planes = x + ((slice->first_image + image) * layout->view.c + channel) *
                                                  layout->view.h * layout->view.w,
                                .channels = cpu_min(layout->channels - first, BF16_BLOCK),
                                .phase_row = phase / params->stride_w,
                                .phase_column = phase % params->stride_w,
                                .lines = (uint16_t *)(slice->threads + (size_t)thread * layout->thread_bytes),
                                .even = even + image * image_pairs * BF16_BLOCK,
                                .odd = odd + image * image_pairs * BF16_BLOCK};
        memset(item.lines + item.channels * layout->line_count, 0,
               sizeof(uint16_t) * (size_t)((BF16_BLOCK - item.channels) * layout->line_count));
        copy_image(&item);
        if (image + 1 == slice->images) { /* what tiles read behind the last image meets zeros of DY: no NaN there */
            const int64_t used = slice->images * image_pairs;
            const size_t rest = sizeof(uint32_t) * (size_t)((layout->pairs - used) * BF16_BLOCK);
            memset(even + used * BF16_BLOCK, 0, rest);
            memset(odd + used * BF16_BLOCK, 0, rest);
        }
    }
}

void bf16_weights_copy(const cpu_work *work, const bf16_weights_slice *slice)
{
    const bf16_weights_layout *layout = slice->layout;
    cpu_parallel(work, layout->groups * layout->out_blocks * slice->images, BF16_BLOCK * layout->image_positions / 4,
                 dy_part, slice);
    cpu_parallel(work, layout->groups * layout->channel_blocks * layout->phase_count * slice->images,
                 BF16_BLOCK * layout->copy_h * layout->pitch / 2, copy_part, slice);
}
