/* backends/opencl/conv2d_tiled.c: convolutions on GPUs as implicit matrix products (shaders/opencl/conv2d_tiled.cl). */
#include "conv2d.h"
#include "kernels.h"
#include "tile.h"

#include <stdlib.h>

/* taps[l] for l = (channel, r, s) of one group: where the channel starts in the source, row and column shift, place of
 * the weight relative to its row. */
static cl_mem build_taps(ocl_builder *b, const ocl_conv2d_shape *s, bool from_dy)
{
    const auxo_conv2d_params *params = s->params;
    const int64_t c_group = s->c / params->groups;
    const int64_t window = s->r * s->s;
    const int64_t channels = from_dy ? s->k / params->groups : c_group;
    const int64_t area = from_dy ? s->p * s->q : s->h * s->w;
    const int64_t weight_step = from_dy ? c_group * window : window; /* between channels */
    const size_t count = (size_t)(channels * window);
    cl_int4 *taps = malloc((count + 1) * sizeof *taps);
    if (!taps) {
        ocl_build_fail(b, AUXO_OUT_OF_MEMORY, "taps of a convolution");
        return NULL;
    }
    size_t at = 0;
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t tap = 0; tap < window; ++tap, ++at) {
            taps[at].s[0] = (cl_int)(c * area);
            taps[at].s[1] = (cl_int)(tap / s->s * params->dilation_h);
            taps[at].s[2] = (cl_int)(tap % s->s * params->dilation_w);
            taps[at].s[3] = (cl_int)(c * weight_step + tap);
        }
    cl_mem memory = ocl_build_table(b, taps, (count > 0 ? count : 1) * sizeof *taps);
    free(taps);
    return memory;
}

/* Offsets inside one image and one group's weights are 32 bits wide in the kernels. */
static bool fits(const ocl_conv2d_shape *s)
{
    const int64_t limit = INT32_MAX;
    return s->c * s->h * s->w < limit && s->k * s->p * s->q < limit && s->k * s->c * s->r * s->s < limit &&
           s->params->groups > 0;
}

static void build_data(ocl_builder *b, const auxo_op *op, const ocl_conv2d_shape *s, const int32_t *parameters,
                       bool backward)
{
    const ocl_tile tile = ocl_tile_of(b->device, parameters);
    const int64_t groups = s->params->groups;
    const int64_t rows = backward ? s->c / groups : s->k / groups;
    const int64_t window = s->r * s->s;
    const int64_t positions = s->n * (backward ? s->h * s->w : s->p * s->q);
    const int64_t inner = (backward ? s->k / groups : s->c / groups) * window;
    const auxo_tensor none = {0};
    if (rows == 0 || positions == 0)
        return;
    cl_mem taps = build_taps(b, s, backward);
    ocl_build_kernel(b, "conv2d_tiled", "conv2d_tiled", "%s -DMODE=%d", tile.options, (int)backward);
    if (backward) {
        ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BD_DY]);
        ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BD_W]);
        ocl_arg_tensor(b, &op->tensors[AUXO_CONV2D_BD_DX]);
        ocl_arg_tensor(b, &none);
    } else {
        for (int slot = AUXO_CONV2D_X; slot <= AUXO_CONV2D_BIAS; ++slot)
            ocl_arg_tensor(b, &op->tensors[slot]);
    }
    ocl_arg_conv2d_shape(b, s);
    ocl_arg_int(b, backward ? AUXO_ACTIVATION_IDENTITY : s->params->activation);
    ocl_arg_float(b, s->params->slope);
    ocl_arg_memory(b, taps);
    ocl_arg_int(b, inner);
    ocl_arg_int(b, backward ? window : inner); /* between rows of weights: (k, c, r, s) by c, or by k */
    const uint64_t counts[] = {ocl_divide_up((uint64_t)positions, (uint64_t)tile.n),
                               ocl_divide_up((uint64_t)rows, (uint64_t)tile.m), (uint64_t)groups};
    const uint64_t sizes[] = {(uint64_t)(tile.threads_m * tile.threads_n), 1, 1};
    ocl_build_groups(b, 3, counts, sizes);
}

static ocl_conv2d_shape forward_shape(const auxo_op *op)
{
    return ocl_conv2d_shape_of(&op->params.conv2d, &op->tensors[AUXO_CONV2D_X], &op->tensors[AUXO_CONV2D_W],
                               &op->tensors[AUXO_CONV2D_Y]);
}

static ocl_conv2d_shape backward_data_shape(const auxo_op *op)
{
    return ocl_conv2d_shape_of(&op->params.conv2d, &op->tensors[AUXO_CONV2D_BD_DX], &op->tensors[AUXO_CONV2D_BD_W],
                               &op->tensors[AUXO_CONV2D_BD_DY]);
}

static ocl_conv2d_shape backward_weights_shape(const auxo_op *op)
{
    return ocl_conv2d_shape_of(&op->params.conv2d, &op->tensors[AUXO_CONV2D_BW_X], &op->tensors[AUXO_CONV2D_BW_DW],
                               &op->tensors[AUXO_CONV2D_BW_DY]);
}

bool ocl_conv2d_forward_tiled_supports(void *device, const auxo_op *op)
{
    const ocl_conv2d_shape s = forward_shape(op);
    return fits(&s) && ocl_tile_loops_fit(device, s.c / s.params->groups * s.r * s.s);
}

bool ocl_conv2d_backward_data_tiled_supports(void *device, const auxo_op *op)
{
    const ocl_conv2d_shape s = backward_data_shape(op);
    return fits(&s) && ocl_tile_loops_fit(device, s.k / s.params->groups * s.r * s.s);
}

bool ocl_conv2d_backward_weights_tiled_supports(void *device, const auxo_op *op)
{
    const ocl_conv2d_shape s = backward_weights_shape(op);
    return fits(&s) && ocl_tile_loops_fit(device, s.n * s.p * s.q);
}

static auxo_status build_forward(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                 auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const ocl_conv2d_shape s = forward_shape(op);
    build_data(&b, op, &s, parameters, false);
    return ocl_build_end(&b, state);
}

static auxo_status build_backward_data(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                       auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const ocl_conv2d_shape s = backward_data_shape(op);
    build_data(&b, op, &s, parameters, true);
    return ocl_build_end(&b, state);
}

/* Splits of the sum over positions: enough groups to fill the device, each with at least 16 steps of tile_k. */
static uint64_t choose_splits(const ocl_device *device, uint64_t tiles, uint64_t positions, uint64_t tile_k)
{
    enum { GROUPS_PER_UNIT = 8, STEPS_MIN = 16, SPLITS_MAX = 256 };
    uint64_t splits = ocl_divide_up(GROUPS_PER_UNIT * (uint64_t)device->info.compute_units, tiles);
    const uint64_t most = positions / (STEPS_MIN * tile_k);
    splits = splits < most ? splits : most;
    splits = splits < SPLITS_MAX ? splits : SPLITS_MAX;
    return splits > 0 ? splits : 1;
}

static auxo_status build_backward_weights(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                          auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const ocl_tile tile = ocl_tile_of(b.device, parameters);
    const ocl_conv2d_shape s = backward_weights_shape(op);
    const int64_t groups = s.params->groups;
    const int64_t inner = s.c / groups * s.r * s.s;
    const int64_t with_bias = op->tensors[AUXO_CONV2D_BW_DBIAS].rank > 0;
    const uint64_t positions = (uint64_t)(s.n * s.p * s.q);
    if (s.k == 0 || inner + with_bias == 0)
        return ocl_build_end(&b, state);
    const uint64_t column_tiles = ocl_divide_up((uint64_t)(inner + with_bias), (uint64_t)tile.n);
    const uint64_t row_tiles = ocl_divide_up((uint64_t)(s.k / groups), (uint64_t)tile.m);
    const uint64_t splits =
        choose_splits(b.device, column_tiles * row_tiles * (uint64_t)groups, positions, (uint64_t)tile.k);
    cl_mem taps = build_taps(&b, &s, false);
    cl_mem partial = ocl_build_scratch(&b, splits * (uint64_t)(s.k * (inner + with_bias)) * sizeof(float));
    ocl_build_kernel(&b, "conv2d_tiled", "conv2d_tiled_weights", "%s -DMODE=2", tile.options);
    ocl_arg_tensor(&b, &op->tensors[AUXO_CONV2D_BW_X]);
    ocl_arg_tensor(&b, &op->tensors[AUXO_CONV2D_BW_DY]);
    ocl_arg_memory(&b, partial);
    ocl_arg_conv2d_shape(&b, &s);
    ocl_arg_memory(&b, taps);
    ocl_arg_int(&b, inner);
    ocl_arg_int(&b, with_bias);
    ocl_arg_long(&b, (int64_t)ocl_divide_up(positions, splits));
    const uint64_t counts[] = {column_tiles, row_tiles, (uint64_t)groups * splits};
    const uint64_t sizes[] = {(uint64_t)(tile.threads_m * tile.threads_n), 1, 1};
    ocl_build_groups(&b, 3, counts, sizes);
    ocl_build_kernel(&b, "conv2d_tiled", "conv2d_tiled_finish", "%s -DMODE=2", tile.options);
    ocl_arg_memory(&b, partial);
    ocl_arg_tensor(&b, &op->tensors[AUXO_CONV2D_BW_DW]);
    ocl_arg_tensor(&b, &op->tensors[AUXO_CONV2D_BW_DBIAS]);
    ocl_arg_long(&b, s.k);
    ocl_arg_long(&b, inner);
    ocl_arg_long(&b, with_bias);
    ocl_arg_long(&b, (int64_t)splits);
    ocl_build_items(&b, (uint64_t)(s.k * (inner + with_bias)));
    return ocl_build_end(&b, state);
}

auxo_status ocl_conv2d_forward_tiled_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                             auxo_error *error)
{
    return ocl_prepare_retrying(build_forward, device, op, parameters, state, error);
}

auxo_status ocl_conv2d_backward_data_tiled_prepare(void *device, const auxo_op *op, const int32_t *parameters,
                                                   void **state, auxo_error *error)
{
    return ocl_prepare_retrying(build_backward_data, device, op, parameters, state, error);
}

auxo_status ocl_conv2d_backward_weights_tiled_prepare(void *device, const auxo_op *op, const int32_t *parameters,
                                                      void **state, auxo_error *error)
{
    return ocl_prepare_retrying(build_backward_weights, device, op, parameters, state, error);
}
