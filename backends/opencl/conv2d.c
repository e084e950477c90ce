/* backends/opencl/conv2d.c: convolutions; the plain variants and the order of preference of all. */
#include "conv2d.h"
#include "kernels.h"
#include "tile.h"

void ocl_arg_conv2d_shape(ocl_builder *builder, const common_conv2d_view *shape)
{
    const auxo_conv2d_params *params = shape->params;
    const int64_t values[] = {shape->n,      shape->c,           shape->h,           shape->w,
                              shape->k,      shape->r,           shape->s,           shape->p,
                              shape->q,      params->stride_h,   params->stride_w,   params->pad_h,
                              params->pad_w, params->dilation_h, params->dilation_w, params->groups};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; ++i)
        ocl_arg_int(builder, values[i]);
}

static void build_forward_direct(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    (void)parameters;
    ocl_build_kernel(b, "conv2d_forward", "conv2d_forward_direct", "-DDATA=%d", (int)op->tensors[AUXO_CONV2D_X].dtype);
    for (int slot = AUXO_CONV2D_X; slot <= AUXO_CONV2D_BIAS; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_conv2d_shape(b, &s);
    ocl_arg_int(b, op->params.conv2d.activation);
    ocl_arg_float(b, op->params.conv2d.slope);
    ocl_build_items(b, (uint64_t)(s.n * s.k) * (uint64_t)(s.p * s.q));
}

static OCL_PREPARE(prepare_forward_direct, build_forward_direct);

static void build_backward_data_direct(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const common_conv2d_view s = common_conv2d_view_of(op);
    (void)parameters;
    ocl_build_kernel(b, "conv2d_backward_data", "conv2d_backward_data_direct", "-DDATA=%d",
                     (int)op->tensors[AUXO_CONV2D_BD_DY].dtype);
    for (int slot = AUXO_CONV2D_BD_DY; slot <= AUXO_CONV2D_BD_DX; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_conv2d_shape(b, &s);
    ocl_build_items(b, (uint64_t)(s.n * s.c) * (uint64_t)(s.h * s.w));
}

static OCL_PREPARE(prepare_backward_data_direct, build_backward_data_direct);

static void build_backward_weights_direct(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_tensor *dw = &op->tensors[AUXO_CONV2D_BW_DW];
    const common_conv2d_view s = common_conv2d_view_of(op);
    const int64_t weights = dw->dims[0] * dw->dims[1] * dw->dims[2] * dw->dims[3];
    const bool has_bias = op->tensors[AUXO_CONV2D_BW_DBIAS].rank > 0;
    (void)parameters;
    ocl_build_kernel(b, "conv2d_backward_weights", "conv2d_backward_weights_direct", "-DWG=%zu -DDATA=%d",
                     b->group_size, (int)op->tensors[AUXO_CONV2D_BW_X].dtype);
    for (int slot = AUXO_CONV2D_BW_X; slot <= AUXO_CONV2D_BW_DBIAS; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_conv2d_shape(b, &s);
    ocl_arg_long(b, weights);
    ocl_build_groups_1d(b, (uint64_t)(weights + (has_bias ? s.k : 0)), b->group_size);
}

static OCL_PREPARE(prepare_backward_weights_direct, build_backward_weights_direct);

const auxo_kernel ocl_conv2d_forward_kernels[OCL_CONV2D_FORWARD_KERNEL_COUNT] = {
    {.variant = "planes",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .supports = ocl_conv2d_forward_planes_supports,
     .prepare = ocl_conv2d_forward_planes_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "tiled",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .tunables = ocl_tile_gather_tunables,
     .tunable_count = OCL_TILE_TUNABLE_COUNT,
     .supports = ocl_conv2d_forward_tiled_supports,
     .prepare = ocl_conv2d_forward_tiled_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "direct",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .prepare = prepare_forward_direct,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "winograd",
     .is_nominal = true,
     .tunables = ocl_conv2d_winograd_tunables,
     .tunable_count = OCL_CONV2D_WINOGRAD_TUNABLE_COUNT,
     .supports = ocl_conv2d_winograd_supports,
     .prepare = ocl_conv2d_winograd_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
};

const auxo_kernel ocl_conv2d_backward_data_kernels[OCL_CONV2D_BACKWARD_DATA_KERNEL_COUNT] = {
    {.variant = "planes",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .supports = ocl_conv2d_backward_data_planes_supports,
     .prepare = ocl_conv2d_backward_data_planes_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "tiled",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .tunables = ocl_tile_gather_tunables,
     .tunable_count = OCL_TILE_TUNABLE_COUNT,
     .supports = ocl_conv2d_backward_data_tiled_supports,
     .prepare = ocl_conv2d_backward_data_tiled_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "direct",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .prepare = prepare_backward_data_direct,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "winograd",
     .is_nominal = true,
     .tunables = ocl_conv2d_winograd_tunables,
     .tunable_count = OCL_CONV2D_WINOGRAD_TUNABLE_COUNT,
     .supports = ocl_conv2d_winograd_supports,
     .prepare = ocl_conv2d_winograd_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
};

const auxo_kernel ocl_conv2d_backward_weights_kernels[OCL_CONV2D_BACKWARD_WEIGHTS_KERNEL_COUNT] = {
    {.variant = "planes",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .supports = ocl_conv2d_backward_weights_planes_supports,
     .prepare = ocl_conv2d_backward_weights_planes_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "tiled",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .tunables = ocl_tile_gather_tunables,
     .tunable_count = OCL_TILE_TUNABLE_COUNT,
     .supports = ocl_conv2d_backward_weights_tiled_supports,
     .prepare = ocl_conv2d_backward_weights_tiled_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "direct",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .prepare = prepare_backward_weights_direct,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
};
