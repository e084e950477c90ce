/* conv2d_weights_turned.c: DW and DBIAS where X has channels enough to fill vectors.
 *
 * Some rows of X (of several images where they are small) are copied with their zero border and turned, so that the
 * channels lie side by side: copy[image][row][column][channel]. Under one output position the taps of one row of the
 * window are then S C neighbouring elements, and
 *
 *   partial[k][r][s, c] += DY (k, positions) copy (positions at offsets, s and c side by side)
 *
 * needs neither patches nor gathering, whatever the stride. Images are cut into SPLITS_MAX parts at most, whatever the
 * number of threads; each part has its own sum, and the parts are added in order.
 */
#include "conv2d_weights_turned.h"

#include "gemm_tile.h"
#include "vec_transpose.h"

enum {
    SPLITS_MAX = 16,
    PARTIAL_BYTES_MAX = 16 << 20,
    BLOCK_CHANNELS = 64,
    PASS_POSITIONS = 512,
    COPY_BYTES_MAX = 320 * 1024,
    FETCH_AHEAD = 128 /* elements of each channel's plane: planes are too many for the processor to foresee */
};
/* Less than this share of a vector's lanes at work: patches of several channels are better. */
static const double lanes_share_min = 0.7;

typedef struct turned_shape {
    const auxo_conv2d_params *params;
    int64_t images, groups, channels, h, w, out_channels, r, s, p, q; /* channels and out_channels of one group */
    int64_t taps, block_channels, blocks, splits;
    int64_t runs;     /* groups of taps whose channels lie side by side: rows of the window, or single taps */
    int64_t run_taps; /* of each run */
    int64_t pass_images, pass_rows, passes; /* rows of outputs and images of one pass; passes of one image */
    int64_t copy_rows, copy_columns;        /* of one image of a pass */
    int64_t dy_stride;                      /* elements of one row of the copy of DY */
    size_t offsets_bytes, partial_bytes, bias_bytes, copy_bytes, dy_bytes, row_bytes, thread_bytes;
} turned_shape;

/* Positions of a pass: enough for the sums to stay long in registers, few enough for the copy to stay near. */
static void choose_pass(turned_shape *shape)
{
    const auxo_conv2d_params *params = shape->params;
    const int64_t positions = shape->p * shape->q;
    const int64_t split_images = cpu_ceil_div(shape->images, shape->splits);
    shape->pass_images = cpu_max(1, cpu_min(PASS_POSITIONS / cpu_max(positions, 1), split_images));
    shape->pass_rows = cpu_max(1, cpu_min(shape->p, PASS_POSITIONS / cpu_max(shape->q, 1)));
    shape->copy_columns = (shape->q - 1) * params->stride_w + (shape->s - 1) * params->dilation_w + 1;
    for (;;) {
        shape->copy_rows = (shape->pass_rows - 1) * params->stride_h + (shape->r - 1) * params->dilation_h + 1;
        const int64_t count = shape->pass_images * shape->copy_rows * shape->copy_columns * shape->block_channels;
        shape->copy_bytes = cpu_align(sizeof(float) * (size_t)(count + 2 * TILE_COLUMNS));
        if (shape->copy_bytes <= COPY_BYTES_MAX || (shape->pass_images == 1 && shape->pass_rows == 1))
            break;
        if (shape->pass_images > 1)
            shape->pass_images = cpu_ceil_div(shape->pass_images, 2);
        else
            shape->pass_rows = cpu_ceil_div(shape->pass_rows, 2);
    }
    shape->passes = cpu_ceil_div(shape->p, shape->pass_rows);
    /* Not a power of two, or the rows of a tile would fight for the same places of the cache. */
    shape->dy_stride =
        cpu_ceil_div(shape->pass_images * shape->pass_rows * shape->q, VEC_LANES) * VEC_LANES + VEC_LANES;
}

static turned_shape shape_of(const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *xd = op->tensors[AUXO_CONV2D_BW_X].dims;
    const int64_t *dyd = op->tensors[AUXO_CONV2D_BW_DY].dims;
    const int64_t *wd = op->tensors[AUXO_CONV2D_BW_DW].dims;
    turned_shape shape = {.params = params,
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
                          .taps = wd[2] * wd[3],
                          .block_channels = cpu_min(wd[1], BLOCK_CHANNELS),
                          .runs = params->dilation_w == 1 ? wd[2] : wd[2] * wd[3],
                          .run_taps = params->dilation_w == 1 ? wd[3] : 1};
    const int64_t dw_count = wd[0] * wd[1] * shape.taps;
    const int64_t affordable = PARTIAL_BYTES_MAX / (int64_t)sizeof(float) / cpu_max(dw_count, 1);
    shape.blocks = cpu_ceil_div(shape.channels, cpu_max(shape.block_channels, 1));
    shape.splits = cpu_max(1, cpu_min(cpu_min(shape.images, SPLITS_MAX), affordable));
    choose_pass(&shape);
    shape.offsets_bytes = cpu_align(sizeof(int32_t) * (size_t)(shape.pass_images * shape.pass_rows * shape.q));
    shape.partial_bytes = cpu_align(sizeof(float) * (size_t)dw_count);
    shape.bias_bytes = cpu_align(sizeof(float) * (size_t)wd[0]);
    shape.dy_bytes = cpu_align(sizeof(float) * (size_t)(shape.out_channels * shape.dy_stride));
    shape.row_bytes = cpu_align(sizeof(float) * (size_t)(shape.taps * shape.block_channels + VEC_LANES));
    shape.thread_bytes = shape.offsets_bytes + shape.copy_bytes + shape.dy_bytes + shape.row_bytes;
    return shape;
}

bool conv_turned_fits(const auxo_op *op)
{
    const turned_shape shape = shape_of(op);
    const int64_t width = shape.run_taps * shape.block_channels;
    const int64_t lanes = cpu_ceil_div(width, VEC_LANES) * VEC_LANES;
    const int64_t count_max = INT32_MAX / 2; /* of offsets into the copy */
    return shape.images * shape.p * shape.q * shape.out_channels > 0 && width > 0 &&
           (double)width >= lanes_share_min * (double)lanes && (int64_t)shape.copy_bytes < count_max;
}

size_t conv_turned_scratch_bytes(int thread_count, const auxo_op *op)
{
    const turned_shape shape = shape_of(op);
    return (size_t)shape.splits * (shape.partial_bytes + shape.bias_bytes) + (size_t)thread_count * shape.thread_bytes;
}

typedef struct turned_context {
    const auxo_op *op;
    const turned_shape *shape;
    char *partials, *biases, *threads;
} turned_context;

/* A part of the images, one group, one block of its channels, and the memory of the thread that sums it. */
typedef struct turned_item {
    const turned_context *context;
    int64_t group, first_channel, channels;
    int32_t *offsets; /* of each position of a pass, into the copy */
    float *copy, *dy;
    float *partial; /* (out_channels, taps, channels) */
    float *bias;    /* (out_channels); NULL: not this item's work */
} turned_item;

/* The images and output rows of one pass. */
typedef struct turned_pass {
    int64_t image, images, row, rows;
} turned_pass;

/* Turns columns of the channels of one row: `count` <= VEC_LANES of them, all VEC_LANES where `whole`. */
CPU_INLINE void turn_columns(const bool whole, const float *source, int64_t plane, int64_t channels, int64_t count,
                             float *target)
{
    for (int64_t c = 0; c < channels; c += VEC_LANES) {
        const int64_t lanes = cpu_min(VEC_LANES, channels - c);
        vf square[VEC_LANES];
        for (int64_t i = 0; i < VEC_LANES; ++i) {
            const float *from = source + (c + i) * plane;
            if (i >= lanes) {
                square[i] = vf_set1(0);
                continue;
            }
            square[i] = whole ? vf_load(from) : vf_load_partial(from, count);
            __builtin_prefetch(from + FETCH_AHEAD);
        }
        vf_transpose(square);
        for (int64_t i = 0; i < (whole ? VEC_LANES : count); ++i)
            if (lanes == VEC_LANES)
                vf_store(target + i * channels + c, square[i]);
            else
                vf_store_partial(target + i * channels + c, square[i], lanes);
    }
}

static void copy_row(const turned_item *item, const float *source, float *target)
{
    const turned_shape *shape = item->context->shape;
    const int64_t channels = item->channels;
    const int64_t left = cpu_min(shape->params->pad_w, shape->copy_columns);
    const int64_t count = cpu_max(0, cpu_min(shape->w, shape->copy_columns - left));
    const int64_t right = shape->copy_columns - left - count;
    memset(target, 0, sizeof(float) * (size_t)(left * channels));
    int64_t i = 0;
    for (; i + VEC_LANES <= count; i += VEC_LANES)
        turn_columns(true, source + i, shape->h * shape->w, channels, VEC_LANES, target + (left + i) * channels);
    if (i < count)
        turn_columns(false, source + i, shape->h * shape->w, channels, count - i, target + (left + i) * channels);
    memset(target + (left + count) * channels, 0, sizeof(float) * (size_t)(right * channels));
}

static void copy_source(const turned_item *item, const turned_pass *pass)
{
    const turned_shape *shape = item->context->shape;
    const float *x = cpu_f32(item->context->op, AUXO_CONV2D_BW_X);
    const int64_t row_count = shape->copy_columns * item->channels;
    const int64_t first_row = pass->row * shape->params->stride_h - shape->params->pad_h;
    float *target = item->copy;
    for (int64_t image = pass->image; image < pass->image + pass->images; ++image) {
        const int64_t plane = (image * shape->groups + item->group) * shape->channels + item->first_channel;
        for (int64_t row = first_row; row < first_row + shape->copy_rows; ++row, target += row_count)
            if (row >= 0 && row < shape->h)
                copy_row(item, x + (plane * shape->h + row) * shape->w, target);
            else
                memset(target, 0, sizeof(float) * (size_t)row_count);
    }
    memset(target, 0, sizeof(float) * 2 * TILE_COLUMNS);
}

/* dy (out_channels, positions of the pass), and their sums. */
static void copy_dy(const turned_item *item, const turned_pass *pass)
{
    const turned_shape *shape = item->context->shape;
    const int64_t positions = shape->p * shape->q;
    const int64_t count = pass->rows * shape->q;
    for (int64_t k = 0; k < shape->out_channels; ++k) {
        vf sum = vf_set1(0);
        for (int64_t image = 0; image < pass->images; ++image) {
            const int64_t plane = ((pass->image + image) * shape->groups + item->group) * shape->out_channels + k;
            const float *source =
                cpu_f32(item->context->op, AUXO_CONV2D_BW_DY) + plane * positions + pass->row * shape->q;
            float *target = item->dy + k * shape->dy_stride + image * count;
            int64_t i = 0;
            for (; i + VEC_LANES <= count; i += VEC_LANES) {
                const vf value = vf_load(source + i);
                __builtin_prefetch(source + i + positions); /* of the next channel */
                sum += value;
                vf_store(target + i, value);
            }
            const vf value = vf_load_partial(source + i, count - i);
            sum += value;
            vf_store_partial(target + i, value, count - i);
        }
        if (item->bias)
            item->bias[k] += vf_sum(sum);
    }
}

/* partial += dy copy; first: partial = dy copy. */
static void multiply_pass(const turned_item *item, const turned_pass *pass, bool first)
{
    static const gemm_epilogue plain = {.alpha = 1};
    const turned_shape *shape = item->context->shape;
    const int64_t width = shape->run_taps * item->channels;
    const int64_t row_count = shape->taps * item->channels;
    const int64_t vectors = cpu_ceil_div(width, VEC_LANES);
    const int64_t panel = cpu_ceil_div(vectors, cpu_ceil_div(vectors, TILE_VECTORS)) * VEC_LANES;
    const int64_t row_tiles = cpu_ceil_div(shape->out_channels, gemm_tile_rows(panel / VEC_LANES));
    const int64_t tile_rows = cpu_ceil_div(shape->out_channels, row_tiles);
    for (int64_t run = 0; run < shape->runs; ++run) {
        const int64_t r = shape->run_taps == 1 && shape->s > 1 ? run / shape->s : run;
        const int64_t s = shape->run_taps == 1 && shape->s > 1 ? run % shape->s : 0;
        const float *b =
            item->copy +
            (r * shape->params->dilation_h * shape->copy_columns + s * shape->params->dilation_w) * item->channels;
        for (int64_t column = 0; column < width; column += panel)
            for (int64_t k = 0; k < shape->out_channels; k += tile_rows) {
                const int64_t columns = cpu_min(panel, width - column);
                gemm_target target = {.c = item->partial + k * row_count + run * width + column,
                                      .row_stride = row_count,
                                      .columns = columns,
                                      .first = first,
                                      .epilogue = &plain};
                gemm_tile_run_at(cpu_min(tile_rows, shape->out_channels - k), cpu_ceil_div(columns, VEC_LANES),
                                 pass->images * pass->rows * shape->q,
                                 (gemm_operand_a){item->dy + k * shape->dy_stride, shape->dy_stride, 1}, b + column,
                                 item->offsets, &target);
            }
    }
}

static void fill_offsets(const turned_item *item)
{
    const turned_shape *shape = item->context->shape;
    int32_t *offset = item->offsets;
    for (int64_t image = 0; image < shape->pass_images; ++image)
        for (int64_t row = 0; row < shape->pass_rows; ++row) {
            const int64_t first = (image * shape->copy_rows + row * shape->params->stride_h) * shape->copy_columns;
            for (int64_t column = 0; column < shape->q; ++column)
                *offset++ = (int32_t)((first + column * shape->params->stride_w) * item->channels);
        }
}

static void run_item(const turned_item *item, cpu_range images)
{
    const turned_shape *shape = item->context->shape;
    fill_offsets(item);
    if (item->bias)
        memset(item->bias, 0, sizeof(float) * (size_t)shape->out_channels);
    for (int64_t image = images.begin; image < images.end; image += shape->pass_images)
        for (int64_t row = 0; row < shape->p; row += shape->pass_rows) {
            const turned_pass pass = {image, cpu_min(shape->pass_images, images.end - image), row,
                                      cpu_min(shape->pass_rows, shape->p - row)};
            copy_source(item, &pass);
            copy_dy(item, &pass);
            multiply_pass(item, &pass, image == images.begin && row == 0);
        }
}

/* Items are (split, group, block of channels). */
static void product_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const turned_context *turned = context;
    const turned_shape *shape = turned->shape;
    char *own = turned->threads + (size_t)thread * shape->thread_bytes;
    for (int64_t index = begin; index < end; ++index) {
        const int64_t split = index / (shape->groups * shape->blocks);
        const int64_t group = index / shape->blocks % shape->groups;
        const int64_t block = index % shape->blocks;
        const int64_t first_k = group * shape->out_channels;
        turned_item item = {.context = turned,
                            .group = group,
                            .first_channel = block * shape->block_channels,
                            .offsets = (int32_t *)own,
                            .copy = (float *)(own + shape->offsets_bytes),
                            .dy = (float *)(own + shape->offsets_bytes + shape->copy_bytes)};
        item.channels = cpu_min(shape->block_channels, shape->channels - item.first_channel);
        item.partial = (float *)(turned->partials + (size_t)split * shape->partial_bytes) +
                       (first_k * shape->channels + item.first_channel * shape->out_channels) * shape->taps;
        if (block == 0)
            item.bias = (float *)(turned->biases + (size_t)split * shape->bias_bytes) + first_k;
        run_item(&item, cpu_split(shape->images, 1, split, shape->splits));
    }
}

/* dw (channels of the block, taps) of one output channel from the splits' (taps, channels). */
static void sum_row(const turned_context *turned, int64_t from, int64_t channels, float *row, float *dw)
{
    const turned_shape *shape = turned->shape;
    const int64_t count = shape->taps * channels;
    for (int64_t i = 0; i < count; i += VEC_LANES) {
        const int64_t lanes = cpu_min(VEC_LANES, count - i);
        vf sum = vf_set1(0);
        for (int64_t split = 0; split < shape->splits; ++split)
            sum += vf_load_partial((const float *)(turned->partials + (size_t)split * shape->partial_bytes) + from + i,
                                   lanes);
        vf_store_partial(row + i, sum, lanes);
    }
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < shape->taps; ++t)
            dw[c * shape->taps + t] = row[t * channels + c];
}

/* Items are output channels. */
static void sum_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const turned_context *turned = context;
    const turned_shape *shape = turned->shape;
    float *row = (float *)(turned->threads + (size_t)(thread + 1) * shape->thread_bytes - shape->row_bytes);
    float *dw = cpu_f32(turned->op, AUXO_CONV2D_BW_DW);
    float *dbias = cpu_f32(turned->op, AUXO_CONV2D_BW_DBIAS);
    for (int64_t k = begin; k < end; ++k) {
        const int64_t group = k / shape->out_channels;
        for (int64_t first = 0; first < shape->channels; first += shape->block_channels) {
            const int64_t channels = cpu_min(shape->block_channels, shape->channels - first);
            const int64_t from = group * shape->out_channels * shape->channels + first * shape->out_channels +
                                 k % shape->out_channels * channels;
            sum_row(turned, from * shape->taps, channels, row, dw + (k * shape->channels + first) * shape->taps);
        }
        double sum = 0;
        for (int64_t split = 0; dbias && split < shape->splits; ++split)
            sum += (double)((const float *)(turned->biases + (size_t)split * shape->bias_bytes))[k];
        if (dbias)
            dbias[k] = (float)sum;
    }
}

void conv_turned_run(const cpu_work *work, const auxo_op *op)
{
    const turned_shape shape = shape_of(op);
    char *biases = work->scratch + (size_t)shape.splits * shape.partial_bytes;
    const turned_context context = {op, &shape, work->scratch, biases,
                                    biases + (size_t)shape.splits * shape.bias_bytes};
    const int64_t items = shape.splits * shape.groups * shape.blocks;
    const int64_t row_cost = shape.splits * shape.channels * shape.taps;
    const int64_t product_cost =
        shape.images * shape.p * shape.q * shape.groups * shape.out_channels * shape.channels * shape.taps / VEC_LANES;
    cpu_parallel(work, items, product_cost / cpu_max(items, 1), product_part, &context);
    cpu_parallel(work, shape.groups * shape.out_channels, row_cost, sum_part, &context);
}
