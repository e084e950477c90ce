/* backends/opencl/pointwise.c: ops whose every output element depends on the same element of the inputs.
 *
 * Owns: activation, add, bias_add, scale, fill, copy, multiply_add, counter_add, loss_scale, optimizer_step.
 */
#include "kernels.h"

#include "auxo/tensor.h"

void ocl_activation_forward_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t count = auxo_tensor_element_count(&op->tensors[AUXO_ACTIVATION_Y]);
    (void)parameters;
    ocl_build_kernel(b, "activation", "activation_forward", "-DVEC=%d -DDATA=%d", b->device->vector_width,
                     (int)op->tensors[AUXO_ACTIVATION_Y].dtype);
    ocl_arg_tensor(b, &op->tensors[AUXO_ACTIVATION_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_ACTIVATION_Y]);
    ocl_arg_long(b, count);
    ocl_arg_int(b, op->params.activation.activation);
    ocl_arg_float(b, op->params.activation.slope);
    ocl_build_items(b, ocl_divide_up((uint64_t)count, (uint64_t)b->device->vector_width));
}

void ocl_activation_backward_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t count = auxo_tensor_element_count(&op->tensors[AUXO_ACTIVATION_B_DX]);
    (void)parameters;
    ocl_build_kernel(b, "activation", "activation_backward", "-DVEC=%d -DDATA=%d", b->device->vector_width,
                     (int)op->tensors[AUXO_ACTIVATION_B_Y].dtype);
    ocl_arg_tensor(b, &op->tensors[AUXO_ACTIVATION_B_Y]);
    ocl_arg_tensor(b, &op->tensors[AUXO_ACTIVATION_B_DY]);
    ocl_arg_tensor(b, &op->tensors[AUXO_ACTIVATION_B_DX]);
    ocl_arg_long(b, count);
    ocl_arg_int(b, op->params.activation.activation);
    ocl_arg_float(b, op->params.activation.slope);
    ocl_build_items(b, ocl_divide_up((uint64_t)count, (uint64_t)b->device->vector_width));
}

void ocl_add_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t count = auxo_tensor_element_count(&op->tensors[AUXO_ADD_Y]);
    (void)parameters;
    ocl_build_kernel(b, "add", "add", "-DVEC=%d -DDATA=%d", b->device->vector_width,
                     (int)op->tensors[AUXO_ADD_Y].dtype);
    ocl_arg_tensor(b, &op->tensors[AUXO_ADD_A]);
    ocl_arg_tensor(b, &op->tensors[AUXO_ADD_B]);
    ocl_arg_tensor(b, &op->tensors[AUXO_ADD_Y]);
    ocl_arg_long(b, count);
    ocl_arg_float(b, op->params.add.alpha);
    ocl_arg_float(b, op->params.add.beta);
    ocl_build_items(b, ocl_divide_up((uint64_t)count, (uint64_t)b->device->vector_width));
}

void ocl_fill_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_tensor *y = &op->tensors[AUXO_FILL_Y];
    const int64_t count = auxo_tensor_element_count(y);
    (void)parameters;
    ocl_build_kernel(b, "fill", "fill", "%s", "");
    ocl_arg_tensor(b, y);
    ocl_arg_long(b, count);
    ocl_arg_float(b, op->params.fill.value);
    ocl_arg_int(b, y->dtype);
    ocl_build_items(b, (uint64_t)count);
}

/* Dims and strides right-aligned in four places; missing outer dims are 1. */
static void align_right(const auxo_tensor *tensor, int64_t dims[4], int64_t strides[4])
{
    for (uint32_t i = 0; i < 4; ++i) {
        dims[i] = 1;
        strides[i] = 0;
    }
    for (uint32_t i = 0; i < tensor->rank; ++i) {
        dims[4 - tensor->rank + i] = tensor->dims[i];
        strides[4 - tensor->rank + i] = tensor->strides[i];
    }
}

void ocl_copy_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_tensor *x = &op->tensors[AUXO_COPY_X];
    const auxo_tensor *y = &op->tensors[AUXO_COPY_Y];
    const int64_t count = auxo_tensor_element_count(y);
    int64_t dims[4], x_strides[4], y_strides[4];
    const bool exact = x->dtype == y->dtype && op->params.copy.scale == 1.0f && !op->params.copy.accumulate &&
                       (x->dtype == AUXO_DTYPE_U32 || x->dtype == AUXO_DTYPE_U8);
    (void)parameters;
    align_right(x, dims, x_strides);
    align_right(y, dims, y_strides);
    ocl_build_kernel(b, "copy", "copy", "%s", "");
    ocl_arg_tensor(b, x);
    ocl_arg_tensor(b, y);
    for (int i = 1; i < 4; ++i)
        ocl_arg_long(b, dims[i]);
    for (int i = 0; i < 4; ++i)
        ocl_arg_long(b, x_strides[i]);
    for (int i = 0; i < 4; ++i)
        ocl_arg_long(b, y_strides[i]);
    ocl_arg_long(b, count);
    ocl_arg_float(b, op->params.copy.scale);
    ocl_arg_int(b, op->params.copy.accumulate);
    ocl_arg_int(b, x->dtype);
    ocl_arg_int(b, y->dtype);
    ocl_arg_int(b, exact);
    ocl_build_items(b, (uint64_t)count);
}

void ocl_multiply_add_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    enum { CHAINS = 8 };
    const int64_t count = auxo_tensor_element_count(&op->tensors[AUXO_MULTIPLY_ADD_Y]);
    const uint64_t items = ocl_divide_up((uint64_t)count, CHAINS);
    (void)parameters;
    ocl_build_kernel(b, "multiply_add", "multiply_add", "-DCHAINS=%d", CHAINS);
    ocl_arg_tensor(b, &op->tensors[AUXO_MULTIPLY_ADD_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_MULTIPLY_ADD_Y]);
    ocl_arg_long(b, count);
    ocl_arg_long(b, (int64_t)items);
    ocl_arg_float(b, op->params.multiply_add.a);
    ocl_arg_float(b, op->params.multiply_add.b);
    ocl_arg_uint(b, op->params.multiply_add.count);
    ocl_build_items(b, items);
}

void ocl_counter_add_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    (void)parameters;
    ocl_build_kernel(b, "counter_add", "counter_add", "%s", "");
    ocl_arg_tensor(b, &op->tensors[AUXO_COUNTER_ADD_COUNTER]);
    for (int i = 0; i < 4; ++i)
        ocl_arg_uint(b, op->params.counter_add.increments[i]);
    ocl_build_items(b, 4);
}

/* Rows of neighbours that share a channel, or (inner = 1) rows along the channels. */
typedef struct channel_rows {
    int64_t rows, length, channels;
    int channel_last;
} channel_rows;

static channel_rows channel_rows_of(const auxo_tensor *y)
{
    channel_rows shape = {.channels = y->dims[1], .channel_last = y->dims[2] == 1};
    shape.rows = shape.channel_last ? y->dims[0] : y->dims[0] * y->dims[1];
    shape.length = shape.channel_last ? y->dims[1] : y->dims[2];
    return shape;
}

static void build_channel_items(ocl_builder *b, const channel_rows *shape)
{
    ocl_arg_long(b, shape->rows);
    ocl_arg_long(b, shape->length);
    ocl_arg_long(b, shape->channels);
}

static uint64_t channel_item_count(const ocl_builder *b, const channel_rows *shape)
{
    return (uint64_t)shape->rows * ocl_divide_up((uint64_t)shape->length, (uint64_t)b->device->vector_width);
}

void ocl_bias_add_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const channel_rows shape = channel_rows_of(&op->tensors[AUXO_BIAS_ADD_Y]);
    (void)parameters;
    ocl_build_kernel(b, "bias_add", "bias_add", "-DVEC=%d -DCHANNEL_LAST=%d -DDATA=%d", b->device->vector_width,
                     shape.channel_last, (int)op->tensors[AUXO_BIAS_ADD_Y].dtype);
    ocl_arg_tensor(b, &op->tensors[AUXO_BIAS_ADD_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_BIAS_ADD_BIAS]);
    ocl_arg_tensor(b, &op->tensors[AUXO_BIAS_ADD_Y]);
    build_channel_items(b, &shape);
    ocl_arg_int(b, op->params.activation.activation);
    ocl_arg_float(b, op->params.activation.slope);
    ocl_build_items(b, channel_item_count(b, &shape));
}

void ocl_scale_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const channel_rows shape = channel_rows_of(&op->tensors[AUXO_SCALE_Y]);
    (void)parameters;
    const auxo_dtype from = op->tensors[AUXO_SCALE_X].dtype, to = op->tensors[AUXO_SCALE_Y].dtype;
    if (from == to)
        ocl_build_kernel(b, "scale", "scale", "-DVEC=%d -DCHANNEL_LAST=%d -DDATA=%d", b->device->vector_width,
                         shape.channel_last, (int)to);
    else
        ocl_build_kernel(b, "scale", "scale", "-DVEC=%d -DCHANNEL_LAST=%d -DFROM=%d -DTO=%d", b->device->vector_width,
                         shape.channel_last, (int)from, (int)to);
    ocl_arg_tensor(b, &op->tensors[AUXO_SCALE_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_SCALE_SCALE]);
    ocl_arg_tensor(b, &op->tensors[AUXO_SCALE_Y]);
    build_channel_items(b, &shape);
    ocl_build_items(b, channel_item_count(b, &shape));
}

void ocl_loss_scale_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_loss_scale_params *params = &op->params.loss_scale;
    (void)parameters;
    ocl_build_kernel(b, "loss_scale", "loss_scale", "%s", "");
    for (int slot = AUXO_LOSS_SCALE_LARGEST_SLOT; slot <= AUXO_LOSS_SCALE_COUNTER_SLOT; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, auxo_tensor_element_count(&op->tensors[AUXO_LOSS_SCALE_LARGEST_SLOT]));
    ocl_arg_uint(b, params->interval);
    ocl_arg_float(b, params->least);
    ocl_arg_float(b, params->most);
    ocl_build_items(b, 1);
}

void ocl_optimizer_step_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    enum { CPU_VECTORS = 16, CPU_GROUP = 16, GROUP = 256 };
    const int vectors = b->device->vector_cpu ? CPU_VECTORS : 1;
    const auxo_optimizer_step_params *params = &op->params.optimizer_step;
    const int64_t count = auxo_tensor_element_count(&op->tensors[AUXO_OPTIMIZER_PARAMS]);
    const int phs_exponential = AUXO_OPTIMIZER_KIND_COUNT; /* as optimizer_step.cl numbers it */
    const bool exponential = params->kind == AUXO_OPTIMIZER_PHS && params->exponential_friction;
    (void)parameters;
    ocl_build_kernel(b, "optimizer_step", "optimizer_step", "-DVEC=%d -DVECTORS=%d -DDATA=%d", b->device->vector_width,
                     vectors, (int)op->tensors[AUXO_OPTIMIZER_COPY].dtype);
    for (int slot = AUXO_OPTIMIZER_PARAMS; slot <= AUXO_OPTIMIZER_COPY; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, count);
    ocl_arg_int(b, exponential ? phs_exponential : (int)params->kind);
    ocl_arg_int(b, params->explicit_euler);
    ocl_build_items_in_groups(b, ocl_divide_up((uint64_t)count, (uint64_t)(b->device->vector_width * vectors)),
                              b->device->vector_cpu ? CPU_GROUP : GROUP);
}
