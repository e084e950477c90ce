/* backends/opencl/random.c: ops that draw random numbers or put a batch together. */
#include "kernels.h"

#include "auxo/tensor.h"

static void arg_stream(ocl_builder *b, uint64_t seed, uint32_t stream)
{
    ocl_arg_uint(b, (uint32_t)seed);
    ocl_arg_uint(b, (uint32_t)(seed >> 32));
    ocl_arg_uint(b, stream);
}

void ocl_dropout_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_dropout_params *params = &op->params.dropout;
    const int64_t count = auxo_tensor_element_count(&op->tensors[AUXO_DROPOUT_Y]);
    (void)parameters;
    ocl_build_kernel(b, "dropout", "dropout", "-DDATA=%d", (int)op->tensors[AUXO_DROPOUT_Y].dtype);
    for (int slot = AUXO_DROPOUT_X; slot <= AUXO_DROPOUT_COUNTER; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, count);
    ocl_arg_float(b, params->rate);
    arg_stream(b, params->seed, params->stream);
    ocl_build_items(b, ocl_divide_up((uint64_t)count, 4));
}

void ocl_random_fill_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_random_fill_params *params = &op->params.random_fill;
    const int64_t count = auxo_tensor_element_count(&op->tensors[AUXO_RANDOM_FILL_Y]);
    (void)parameters;
    ocl_build_kernel(b, "random_fill", "random_fill", "%s", "");
    ocl_arg_tensor(b, &op->tensors[AUXO_RANDOM_FILL_Y]);
    ocl_arg_tensor(b, &op->tensors[AUXO_RANDOM_FILL_COUNTER]);
    ocl_arg_long(b, count);
    ocl_arg_float(b, params->a);
    ocl_arg_float(b, params->b);
    arg_stream(b, params->seed, params->stream);
    ocl_arg_int(b, params->kind);
    ocl_build_items(b, ocl_divide_up((uint64_t)count, 4));
}

static const char *gather_kernel(auxo_dtype from, auxo_dtype to)
{
    if (to == AUXO_DTYPE_U32)
        return from == AUXO_DTYPE_U8 ? "gather_u8_u32" : "gather_u32_u32";
    return from == AUXO_DTYPE_U8 ? "gather_u8_f32" : from == AUXO_DTYPE_U32 ? "gather_u32_f32" : "gather_f32_f32";
}

void ocl_gather_batch_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_tensor *data = &op->tensors[AUXO_GATHER_BATCH_DATA];
    const auxo_tensor *order = &op->tensors[AUXO_GATHER_BATCH_ORDER];
    const auxo_tensor *y = &op->tensors[AUXO_GATHER_BATCH_Y];
    const int64_t n = order->rank > 0 ? order->dims[0] : data->dims[0];
    const int64_t row_length = y->dims[1] * y->dims[2];
    const int per_item = b->device->vector_cpu ? 128 : 1;
    (void)parameters;
    ocl_build_kernel(b, "gather_batch", gather_kernel(data->dtype, y->dtype), "-DPER_ITEM=%d -DDATA=%d", per_item,
                     auxo_dtype_is_half(y->dtype) ? (int)y->dtype : (int)AUXO_DTYPE_F32);
    for (int slot = AUXO_GATHER_BATCH_DATA; slot <= AUXO_GATHER_BATCH_Y; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, y->dims[0]);
    ocl_arg_long(b, n);
    ocl_arg_long(b, y->dims[1]);
    ocl_arg_long(b, y->dims[2]);
    ocl_arg_float(b, op->params.gather_batch.scale);
    ocl_build_items(b, n > 0 ? (uint64_t)y->dims[0] * ocl_divide_up((uint64_t)row_length, (uint64_t)per_item) : 0);
}

void ocl_augment_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_augment_params *params = &op->params.augment;
    const int64_t *dims = op->tensors[AUXO_AUGMENT_Y].dims;
    const int64_t rows = dims[3] > 0 ? dims[0] * dims[1] * dims[2] : 0;
    (void)parameters;
    ocl_build_kernel(b, "augment", "augment", "-DDATA=%d", (int)op->tensors[AUXO_AUGMENT_Y].dtype);
    for (int slot = AUXO_AUGMENT_X; slot <= AUXO_AUGMENT_COUNTER; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, rows);
    ocl_arg_long(b, dims[1]);
    ocl_arg_long(b, dims[2]);
    ocl_arg_long(b, dims[3]);
    ocl_arg_int(b, params->max_shift_h);
    ocl_arg_int(b, params->max_shift_w);
    ocl_arg_int(b, params->flip);
    arg_stream(b, params->seed, params->stream);
    ocl_build_items(b, (uint64_t)rows);
}
