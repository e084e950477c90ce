/* backends/opencl/pool2d.c: pooling, one element per work-item on GPUs, one row on CPU drivers. */
#include "kernels.h"

/* x: the image side (N,C,H,W), y: the window side (N,C,P,Q). */
static void arg_pool_shape(ocl_builder *b, const auxo_pool2d_params *params, const int64_t *x, const int64_t *y)
{
    ocl_arg_int(b, x[2]);
    ocl_arg_int(b, x[3]);
    ocl_arg_int(b, y[2]);
    ocl_arg_int(b, y[3]);
    ocl_arg_int(b, params->window_h);
    ocl_arg_int(b, params->window_w);
    ocl_arg_int(b, params->stride_h);
    ocl_arg_int(b, params->stride_w);
    ocl_arg_int(b, params->pad_h);
    ocl_arg_int(b, params->pad_w);
    ocl_arg_int(b, params->kind == AUXO_POOL_MAX);
}

static int place_bytes(const auxo_pool2d_params *params)
{
    return (int)auxo_dtype_size_bytes(auxo_pool2d_index_dtype(params));
}

static void build_forward(ocl_builder *b, const auxo_op *op, bool rows)
{
    const auxo_tensor *y = &op->tensors[AUXO_POOL2D_Y];
    const int64_t row_count = y->dims[3] > 0 ? y->dims[0] * y->dims[1] * y->dims[2] : 0;
    const int64_t count = rows ? row_count : row_count * y->dims[3];
    ocl_build_kernel(b, "pool2d", rows ? "pool2d_forward_rows" : "pool2d_forward_elements",
                     "-DDATA=%d -DPLACE_BYTES=%d", (int)y->dtype, place_bytes(&op->params.pool2d));
    for (int slot = AUXO_POOL2D_X; slot <= AUXO_POOL2D_INDEX; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, count);
    arg_pool_shape(b, &op->params.pool2d, op->tensors[AUXO_POOL2D_X].dims, y->dims);
    ocl_build_items(b, (uint64_t)count);
}

static void build_backward(ocl_builder *b, const auxo_op *op, bool rows)
{
    const auxo_tensor *dx = &op->tensors[AUXO_POOL2D_B_DX];
    const int64_t row_count = dx->dims[3] > 0 ? dx->dims[0] * dx->dims[1] * dx->dims[2] : 0;
    const int64_t count = rows ? row_count : row_count * dx->dims[3];
    ocl_build_kernel(b, "pool2d", rows ? "pool2d_backward_rows" : "pool2d_backward_elements",
                     "-DDATA=%d -DPLACE_BYTES=%d", (int)dx->dtype, place_bytes(&op->params.pool2d));
    for (int slot = AUXO_POOL2D_B_DY; slot <= AUXO_POOL2D_B_INDEX; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, count);
    arg_pool_shape(b, &op->params.pool2d, dx->dims, op->tensors[AUXO_POOL2D_B_DY].dims);
    ocl_build_items(b, (uint64_t)count);
}

static bool supports_rows(void *device, const auxo_op *op)
{
    const ocl_device *self = device;
    (void)op;
    return self->vector_cpu;
}

static void build_forward_rows(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    (void)parameters;
    build_forward(b, op, true);
}

static OCL_PREPARE(prepare_forward_rows, build_forward_rows);

static void build_forward_elements(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    (void)parameters;
    build_forward(b, op, false);
}

static OCL_PREPARE(prepare_forward_elements, build_forward_elements);

static void build_backward_rows(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    (void)parameters;
    build_backward(b, op, true);
}

static OCL_PREPARE(prepare_backward_rows, build_backward_rows);

static void build_backward_elements(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    (void)parameters;
    build_backward(b, op, false);
}

static OCL_PREPARE(prepare_backward_elements, build_backward_elements);

const auxo_kernel ocl_pool2d_forward_kernels[OCL_POOL2D_FORWARD_KERNEL_COUNT] = {
    {.variant = "rows",
     .supports = supports_rows,
     .prepare = prepare_forward_rows,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "elements",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .prepare = prepare_forward_elements,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
};

const auxo_kernel ocl_pool2d_backward_kernels[OCL_POOL2D_BACKWARD_KERNEL_COUNT] = {
    {.variant = "rows",
     .supports = supports_rows,
     .prepare = prepare_backward_rows,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "elements",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .prepare = prepare_backward_elements,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
};
