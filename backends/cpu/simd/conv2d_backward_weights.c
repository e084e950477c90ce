/* conv2d_backward_weights.c: the conv2d_backward_weights op: by conv2d_weights_turned.c where X has many channels, else
 * DW = DY patches^T and DBIAS, where row `position` of patches holds all taps of X there.
 *
 * X is copied image by image with its zero border, patches are gathered from the copy by runs of neighbouring taps,
 * and multiplied from the left by DY. Images are cut into SPLITS_MAX parts at most, whatever the number of threads;
 * each part has its own sum, and the parts are added in order.
 */
#include "conv2d_bias.h"
#include "conv2d_half.h"
#include "conv2d_weights_turned.h"
#include "gemm_tile.h"

enum { SPLITS_MAX = 16, PARTIAL_BYTES_MAX = 16 << 20, COLUMNS_BLOCK = 512, POSITIONS_BLOCK = 128 };

typedef struct weights_shape {
    const auxo_conv2d_params *params;
    int64_t images, groups, channels, h, w, out_channels, r, s, p, q; /* channels and out_channels of one group */
    int64_t copy_h, copy_w;                                           /* of one channel, with border */
    int64_t block_channels, blocks, splits;
    int64_t columns; /* of a row of patches, in whole vectors */
    int64_t dw_count;
    size_t offsets_bytes, copy_bytes, patch_bytes, thread_bytes, partial_bytes;
} weights_shape;

static weights_shape shape_of(const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *xd = op->tensors[AUXO_CONV2D_BW_X].dims;
    const int64_t *dyd = op->tensors[AUXO_CONV2D_BW_DY].dims;
    const int64_t *wd = op->tensors[AUXO_CONV2D_BW_DW].dims;
    weights_shape shape = {.params = params,
                           .images = xd[0],
                           .groups = params->groups,
                           .channels = wd[1],
                           .h = xd[2],
                           .w = xd[3],
                           .out_channels = wd[0] / params->groups,
                           .r = wd[2],
                           .s = wd[3],
                           .p = dyd[2],
                           .q = dyd[3],
                           .dw_count = wd[0] * wd[1] * wd[2] * wd[3]};
    shape.copy_h = (shape.p - 1) * params->stride_h + (shape.r - 1) * params->dilation_h + 1;
    shape.copy_w = (shape.q - 1) * params->stride_w + (shape.s - 1) * params->dilation_w + 1;
    int64_t taps = shape.r * shape.s;
    shape.block_channels = cpu_min(cpu_max(1, COLUMNS_BLOCK / cpu_max(taps, 1)), cpu_max(shape.channels, 1));
    shape.blocks = cpu_ceil_div(shape.channels, shape.block_channels);
    shape.columns = cpu_ceil_div(shape.block_channels * taps, VEC_LANES) * VEC_LANES;
    int64_t affordable = PARTIAL_BYTES_MAX / (int64_t)sizeof(float) / cpu_max(shape.dw_count, 1);
    shape.splits = cpu_max(1, cpu_min(cpu_min(shape.images, SPLITS_MAX), affordable));
    shape.copy_bytes =
        cpu_align(sizeof(float) * (size_t)(shape.block_channels * shape.copy_h * shape.copy_w + VEC_LANES));
    int64_t positions = cpu_min(POSITIONS_BLOCK, shape.p * shape.q);
    shape.patch_bytes = cpu_align(sizeof(float) * (size_t)(positions * shape.columns + VEC_LANES));
    shape.offsets_bytes = cpu_align(sizeof(int32_t) * (size_t)(shape.block_channels * shape.r));
    shape.thread_bytes = shape.offsets_bytes + shape.copy_bytes + shape.patch_bytes;
    shape.partial_bytes = cpu_align(sizeof(float) * (size_t)shape.dw_count);
    return shape;
}

static size_t scratch_bytes_conv2d_backward_weights_f32(int thread_count, const auxo_op *op)
{
    if (conv_turned_fits(op))
        return conv_turned_scratch_bytes(thread_count, op);
    weights_shape shape = shape_of(op);
    return (size_t)shape.splits * shape.partial_bytes + (size_t)thread_count * shape.thread_bytes;
}

/* Some images, one group, one block of its channels. */
typedef struct weights_item {
    const weights_shape *shape;
    const float *x, *dy;
    int64_t group, first_channel, channels;
    int32_t *run_offsets; /* of each (channel, row of W), into the copy */
    float *copy, *patches;
    float *partial; /* of the split: laid out as DW */
} weights_item;

static void copy_image(const weights_item *item, int64_t image)
{
    const weights_shape *shape = item->shape;
    for (int64_t c = 0; c < item->channels; ++c)
        for (int64_t row = 0; row < shape->copy_h; ++row) {
            int64_t plane = (image * shape->groups + item->group) * shape->channels + item->first_channel + c;
            float *target = item->copy + (c * shape->copy_h + row) * shape->copy_w;
            int64_t from = row - shape->params->pad_h;
            memset(target, 0, sizeof(float) * (size_t)shape->copy_w);
            int64_t left = shape->params->pad_w;
            int64_t count = cpu_min(shape->w, shape->copy_w - left);
            if (from >= 0 && from < shape->h && count > 0)
                memcpy(target + left, item->x + (plane * shape->h + from) * shape->w, sizeof(float) * (size_t)count);
        }
    memset(item->copy + item->channels * shape->copy_h * shape->copy_w, 0, sizeof(float) * VEC_LANES);
}

/* Where each run of taps (channel, row of W) of a patch starts in the copy, and how many taps it has. */
typedef struct patch_runs {
    const int32_t *offsets;
    int64_t count, taps, dilation;
} patch_runs;

/* One patch. Runs are copied `lanes` elements at a time; what is too much is overwritten by the next run. */
CPU_INLINE void gather_patch(const int lanes, float *restrict target, const float *restrict corner, patch_runs runs)
{
    for (int64_t run = 0; run < runs.count; ++run, target += runs.taps) {
        const float *source = corner + runs.offsets[run];
        if (lanes > 0)
            memcpy(target, source, sizeof(float) * (size_t)lanes);
        else
            for (int64_t i = 0; i < runs.taps; ++i)
                target[i] = source[i * runs.dilation];
    }
}

static void gather_any_patch(float *target, const float *corner, patch_runs runs)
{
    if (runs.dilation == 1 && runs.taps <= 4)
        gather_patch(4, target, corner, runs);
    else if (runs.dilation == 1 && runs.taps <= 8)
        gather_patch(8, target, corner, runs);
    else
        gather_patch(0, target, corner, runs);
}

/* patches (count, columns) of positions [first, first + count). */
static void gather_patches(const weights_item *item, int64_t first, int64_t count)
{
    const weights_shape *shape = item->shape;
    const auxo_conv2d_params *params = shape->params;
    patch_runs runs = {item->run_offsets, item->channels * shape->r, shape->s, params->dilation_w};
    int64_t row = first / shape->q;
    int64_t column = first % shape->q;
    for (int64_t position = 0; position < count; ++position) {
        gather_any_patch(item->patches + position * shape->columns,
                         item->copy + row * params->stride_h * shape->copy_w + column * params->stride_w, runs);
        if (++column == shape->q) {
            column = 0;
            ++row;
        }
    }
}

static void multiply_patches(const weights_item *item, int64_t image, int64_t first, int64_t count, bool overwrite)
{
    static const gemm_epilogue plain = {.alpha = 1};
    const weights_shape *shape = item->shape;
    int64_t taps = shape->r * shape->s;
    int64_t columns = item->channels * taps;
    int64_t row_stride = shape->channels * taps;
    int64_t positions = shape->p * shape->q;
    int64_t first_k = item->group * shape->out_channels;
    const float *dy = item->dy + (image * shape->groups * shape->out_channels + first_k) * positions + first;
    for (int64_t column = 0; column < columns; column += TILE_COLUMNS) {
        int64_t width = cpu_min(TILE_COLUMNS, columns - column);
        int64_t vectors = cpu_ceil_div(width, VEC_LANES);
        int64_t tile_rows = gemm_tile_rows(vectors);
        for (int64_t k = 0; k < shape->out_channels; k += tile_rows) {
            gemm_operand_a a = {dy + k * positions, positions, 1};
            gemm_target target = {.c = item->partial + (first_k + k) * row_stride + item->first_channel * taps + column,
                                  .row_stride = row_stride,
                                  .columns = width,
                                  .first = overwrite,
                                  .epilogue = &plain};
            gemm_tile_run(cpu_min(tile_rows, shape->out_channels - k), vectors, count, a, item->patches + column,
                          shape->columns, &target);
        }
    }
}

static void run_item(const weights_item *item, cpu_range images)
{
    const weights_shape *shape = item->shape;
    int64_t positions = shape->p * shape->q;
    for (int64_t run = 0; run < item->channels * shape->r; ++run) {
        int64_t row = run / shape->r * shape->copy_h + run % shape->r * shape->params->dilation_h;
        item->run_offsets[run] = (int32_t)(row * shape->copy_w);
    }
    for (int64_t image = images.begin; image < images.end; ++image) {
        copy_image(item, image);
        for (int64_t first = 0; first < positions; first += POSITIONS_BLOCK) {
            int64_t count = cpu_min(POSITIONS_BLOCK, positions - first);
            gather_patches(item, first, count);
            multiply_patches(item, image, first, count, image == images.begin && first == 0);
        }
    }
}

typedef struct weights_context {
    const auxo_op *op;
    const weights_shape *shape;
    char *scratch;
} weights_context;

/* Items are (split, group, block of channels). */
static void product_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const weights_context *weights = context;
    const weights_shape *shape = weights->shape;
    char *own = weights->scratch + (size_t)shape->splits * shape->partial_bytes + (size_t)thread * shape->thread_bytes;
    const int64_t per_split = shape->groups * shape->blocks;
    for (int64_t index = begin; index < end; ++index) {
        int64_t split = index / per_split;
        int64_t block = index % shape->blocks;
        weights_item item = {.shape = shape,
                             .x = cpu_f32(weights->op, AUXO_CONV2D_BW_X),
                             .dy = cpu_f32(weights->op, AUXO_CONV2D_BW_DY),
                             .group = index % per_split / shape->blocks,
                             .first_channel = block * shape->block_channels,
                             .run_offsets = (int32_t *)own,
                             .copy = (float *)(own + shape->offsets_bytes),
                             .patches = (float *)(own + shape->offsets_bytes + shape->copy_bytes),
                             .partial = (float *)(weights->scratch + (size_t)split * shape->partial_bytes)};
        item.channels = cpu_min(shape->block_channels, shape->channels - item.first_channel);
        run_item(&item, cpu_split(shape->images, 1, split, shape->splits));
    }
}

/* Items are elements of DW. */
static void sum_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const weights_context *weights = context;
    const weights_shape *shape = weights->shape;
    float *dw = cpu_f32(weights->op, AUXO_CONV2D_BW_DW);
    for (int64_t i = begin; i < end; ++i) {
        float sum = ((const float *)weights->scratch)[i];
        for (int64_t split = 1; split < shape->splits; ++split)
            sum += ((const float *)(weights->scratch + (size_t)split * shape->partial_bytes))[i];
        dw[i] = sum;
    }
}

/* Items are output channels. */
static void bias_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const weights_context *weights = context;
    const weights_shape *shape = weights->shape;
    for (int64_t k = begin; k < end; ++k)
        cpu_f32(weights->op, AUXO_CONV2D_BW_DBIAS)[k] =
            conv_bias_gradient(AUXO_DTYPE_F32, cpu_f32(weights->op, AUXO_CONV2D_BW_DY), shape->images,
                               shape->groups * shape->out_channels, shape->p * shape->q, k);
}

static void run_conv2d_backward_weights_f32(const cpu_work *work, const auxo_op *op)
{
    if (conv_turned_fits(op)) {
        conv_turned_run(work, op);
        return;
    }
    const weights_shape shape = shape_of(op);
    const weights_context context = {op, &shape, work->scratch};
    const int64_t positions = shape.images * shape.p * shape.q;
    const int64_t items = shape.splits * shape.groups * shape.blocks;
    if (cpu_u32(op, AUXO_CONV2D_BW_DBIAS))
        cpu_parallel(work, shape.groups * shape.out_channels, positions, bias_part, &context);
    if (positions == 0) {
        memset(cpu_f32(op, AUXO_CONV2D_BW_DW), 0, sizeof(float) * (size_t)shape.dw_count);
        return;
    }
    cpu_parallel(work, items, positions * shape.dw_count / VEC_LANES / cpu_max(items, 1), product_part, &context);
    cpu_parallel(work, shape.dw_count, shape.splits, sum_part, &context);
}

CONV_HALF_KERNEL(conv2d_backward_weights)
