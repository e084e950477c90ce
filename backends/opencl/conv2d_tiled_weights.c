/* backends/opencl/conv2d_tiled_weights.c: convolutions backward to the weights on GPUs
 * (shaders/opencl/conv2d_tiled_weights.cl), and the taps that all tiled convolutions read.
 */
#include "conv2d.h"
#include "kernels.h"
#include "tile.h"

#include <stdio.h>
#include <stdlib.h>

/* A step of the sum may read past the last tap, and drop what it read. */
enum { TAPS_PADDING = 32 };

cl_int4 *ocl_conv2d_taps_create(int64_t count)
{
    return calloc((size_t)(count + TAPS_PADDING), sizeof(cl_int4));
}

cl_mem ocl_conv2d_taps_build(ocl_builder *b, const cl_int4 *taps, int64_t count)
{
    return ocl_build_table(b, taps, (uint64_t)(count + TAPS_PADDING) * sizeof *taps);
}

void ocl_conv2d_forward_taps(const common_conv2d_view *s, cl_int4 *taps)
{
    for (int64_t c = 0; c < s->c / s->params->groups; ++c)
        for (int64_t r = 0; r < s->r; ++r)
            for (int64_t q = 0; q < s->s; ++q, ++taps) {
                taps->s[1] = (cl_int)(r * s->params->dilation_h);
                taps->s[2] = (cl_int)(q * s->params->dilation_w);
                taps->s[0] = (cl_int)((c * s->h + taps->s[1]) * s->w + taps->s[2]);
            }
}

bool ocl_conv2d_tiled_fits(const common_conv2d_view *s)
{
    const int64_t limit = INT32_MAX;
    const int64_t reach_max = INT16_MAX;
    const int64_t area = (s->h + s->params->dilation_h * s->r) * (s->w + s->params->dilation_w * s->s);
    return s->params->groups > 0 && !common_conv2d_is_scattered(s) && s->params->dilation_h * s->r < reach_max &&
           s->params->dilation_w * s->s < reach_max && s->c * area < limit && s->k * s->p * s->q < limit &&
           s->k * s->c * s->r * s->s < limit && s->n * s->h * s->w < limit && s->n * s->p * s->q < limit;
}

bool ocl_conv2d_backward_weights_tiled_supports(void *device, const auxo_op *op)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    return ocl_conv2d_tiled_fits(&s) && ocl_tile_loops_fit(device, s.n * s.p * s.q);
}

static cl_mem build_taps(ocl_builder *b, const common_conv2d_view *s)
{
    const int64_t inner = s->c / s->params->groups * s->r * s->s;
    cl_int4 *taps = ocl_conv2d_taps_create(inner);
    if (!taps) {
        ocl_build_fail(b, AUXO_OUT_OF_MEMORY, "taps of a convolution");
        return NULL;
    }
    ocl_conv2d_forward_taps(s, taps);
    cl_mem memory = ocl_conv2d_taps_build(b, taps, inner);
    free(taps);
    return memory;
}

/* The gradient as a matrix (K, columns): the taps of a group, and perhaps the bias. */
typedef struct weights_product {
    int64_t inner, with_bias;
    uint64_t positions;
    common_split split; /* of the positions */
    const char *options;
} weights_product;

/* partial[split] of every split. */
static cl_mem build_splits(ocl_builder *b, const auxo_op *op, const common_conv2d_view *s, const ocl_tile *tile,
                           const weights_product *w)
{
    const auxo_conv2d_params *params = s->params;
    const int64_t rows = s->k / params->groups;
    const int64_t area = s->p * s->q;
    const int64_t columns = w->inner + w->with_bias;
    const uint64_t row_tiles = ocl_divide_up((uint64_t)rows, (uint64_t)tile->m);
    const uint64_t column_tiles = ocl_divide_up((uint64_t)columns, (uint64_t)tile->n);
    cl_mem taps = build_taps(b, s);
    cl_mem partial = ocl_build_scratch(b, w->split.count * (uint64_t)(s->k * columns) * sizeof(float));
    ocl_build_kernel(b, "conv2d_tiled_weights", "conv2d_tiled_weights", "%s", w->options);
    ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BW_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BW_DY]);
    ocl_arg_memory(b, partial);
    const int64_t values[] = {rows,
                              s->k,
                              s->c * s->h * s->w,
                              s->c / params->groups * s->h * s->w,
                              s->h,
                              s->w,
                              area,
                              s->q,
                              params->stride_h,
                              params->stride_w,
                              params->pad_h,
                              params->pad_w};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; ++i)
        ocl_arg_int(b, values[i]);
    ocl_arg_memory(b, taps);
    ocl_arg_int(b, w->inner);
    ocl_arg_int(b, w->with_bias);
    ocl_arg_int(b, (int64_t)w->positions);
    ocl_arg_int(b, (int64_t)w->split.length);
    ocl_arg_int(b, (int64_t)row_tiles);
    ocl_arg_int(b, (int64_t)column_tiles);
    const uint64_t counts[] = {row_tiles * column_tiles, (uint64_t)params->groups, w->split.count};
    const uint64_t sizes[] = {(uint64_t)(tile->threads_m * tile->threads_n), 1, 1};
    ocl_build_groups(b, 3, counts, sizes);
    return partial;
}

static void build_finish(ocl_builder *b, const auxo_op *op, const common_conv2d_view *s, const weights_product *w,
                         cl_mem partial, uint64_t lanes)
{
    enum { ELEMENTS = 32 };
    ocl_build_kernel(b, "conv2d_tiled_weights", "conv2d_tiled_finish", "%s", w->options);
    ocl_arg_memory(b, partial);
    ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BW_DW]);
    ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BW_DBIAS]);
    ocl_arg_long(b, s->k);
    ocl_arg_long(b, w->inner);
    ocl_arg_long(b, w->with_bias);
    ocl_arg_uint(b, (uint32_t)w->split.count);
    ocl_build_groups_1d(b, ocl_divide_up((uint64_t)(s->k * (w->inner + w->with_bias)), ELEMENTS), ELEMENTS * lanes);
}

static void build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    enum { POSITIONS_MIN = 256, LANES = 8, LANE_GROUP = 256 };
    const common_conv2d_view s = common_conv2d_view_of(op);
    const int64_t groups = s.params->groups;
    weights_product w = {.inner = s.c / groups * s.r * s.s,
                         .with_bias = op->tensors[AUXO_CONV2D_BW_DBIAS].rank > 0,
                         .positions = (uint64_t)(s.n * s.p * s.q)};
    const ocl_tiled_product product = {(uint64_t)(s.k / groups), (uint64_t)(w.inner + w.with_bias), (uint64_t)groups,
                                       w.positions, 1 + w.positions / POSITIONS_MIN};
    if (s.k == 0 || product.columns == 0)
        return;
    const ocl_tile tile = ocl_tile_of(b->device, parameters, &product);
    const auxo_tensor *dy = &op->tensors[AUXO_CONV2D_BW_DY];
    const bool bounded = s.params->pad_h > 0 || s.params->pad_w > 0;
    const bool quads = s.p * s.q % 4 == 0 && dy->offset_bytes % (4 * auxo_dtype_size_bytes(dy->dtype)) == 0;
    const uint64_t lanes = b->group_size >= LANE_GROUP ? LANES : 1;
    char options[OCL_OPTIONS_MAX];
    snprintf(options, sizeof options, "%s -DA_VEC=%d -DBOUNDED=%d -DLANES=%d -DINPUT_DTYPE=%d", tile.options,
             quads ? 4 : 1, bounded, (int)lanes, (int)dy->dtype);
    w.options = options;
    cl_mem partial = NULL;
    if (w.positions > 0) {
        w.split = ocl_tile_split(b->device, &tile, &product);
        partial = build_splits(b, op, &s, &tile, &w);
    }
    build_finish(b, op, &s, &w, partial, lanes);
}

OCL_PREPARE(ocl_conv2d_backward_weights_tiled_prepare, build);
