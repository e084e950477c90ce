/* ref_elementwise.c: activations, add, bias and scale per channel, fill, copy, counters. */
#include "ref.h"

#include <math.h>

static const double selu_scale = 1.0507009873554805;
static const double selu_alpha = 1.6732632423543772;

double ref_activate(auxo_activation activation, double slope, double x)
{
    switch (activation) {
    case AUXO_ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    case AUXO_ACTIVATION_LEAKY_RELU:
        return x > 0 ? x : slope * x;
    case AUXO_ACTIVATION_ELU:
        return x > 0 ? x : slope * expm1(x);
    case AUXO_ACTIVATION_SELU:
        return selu_scale * (x > 0 ? x : selu_alpha * expm1(x));
    case AUXO_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case AUXO_ACTIVATION_TANH:
        return tanh(x);
    default:
        return x;
    }
}

double ref_activate_slope(auxo_activation activation, double slope, double y)
{
    switch (activation) {
    case AUXO_ACTIVATION_RELU:
        return isnan(y) ? y : y > 0;
    case AUXO_ACTIVATION_LEAKY_RELU:
        return isnan(y) ? y : y > 0 ? 1 : slope;
    case AUXO_ACTIVATION_ELU:
        return y > 0 ? 1 : y + slope;
    case AUXO_ACTIVATION_SELU:
        return y > 0 ? selu_scale : y + selu_scale * selu_alpha;
    case AUXO_ACTIVATION_SIGMOID:
        return y * (1 - y);
    case AUXO_ACTIVATION_TANH:
        return 1 - y * y;
    default:
        return 1;
    }
}

double ref_activate_curvature(auxo_activation activation, double slope, double y)
{
    switch (activation) {
    case AUXO_ACTIVATION_ELU:
        return y > 0 ? 0 : y + slope;
    case AUXO_ACTIVATION_SELU:
        return y > 0 ? 0 : y + selu_scale * selu_alpha;
    case AUXO_ACTIVATION_SIGMOID:
        return y * (1 - y) * (1 - 2 * y);
    case AUXO_ACTIVATION_TANH:
        return -2 * y * (1 - y * y);
    default:
        return 0;
    }
}

auxo_status ref_activation_forward(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_activation_params *params = &op->params.activation;
    const float *x = cpu_f32(op, AUXO_ACTIVATION_X);
    float *y = cpu_f32(op, AUXO_ACTIVATION_Y);
    for (int64_t i = 0; i < cpu_count(op, AUXO_ACTIVATION_Y); ++i)
        y[i] = (float)ref_activate(params->activation, params->slope, x[i]);
    return AUXO_OK;
}

auxo_status ref_activation_backward(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_activation_params *params = &op->params.activation;
    const float *y = cpu_f32(op, AUXO_ACTIVATION_B_Y);
    const float *dy = cpu_f32(op, AUXO_ACTIVATION_B_DY);
    float *dx = cpu_f32(op, AUXO_ACTIVATION_B_DX);
    for (int64_t i = 0; i < cpu_count(op, AUXO_ACTIVATION_B_DX); ++i)
        dx[i] = (float)((double)dy[i] * ref_activate_slope(params->activation, params->slope, y[i]));
    return AUXO_OK;
}

auxo_status ref_add(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_add_params *params = &op->params.add;
    const float *a = cpu_f32(op, AUXO_ADD_A);
    const float *b = cpu_f32(op, AUXO_ADD_B);
    float *y = cpu_f32(op, AUXO_ADD_Y);
    for (int64_t i = 0; i < cpu_count(op, AUXO_ADD_Y); ++i)
        y[i] = (float)((double)params->alpha * (double)a[i] + (double)params->beta * (double)b[i]);
    return AUXO_OK;
}

auxo_status ref_bias_add(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_activation_params *params = &op->params.activation;
    const int64_t *dims = op->tensors[AUXO_BIAS_ADD_X].dims;
    const float *x = cpu_f32(op, AUXO_BIAS_ADD_X);
    const float *bias = cpu_f32(op, AUXO_BIAS_ADD_BIAS);
    float *y = cpu_f32(op, AUXO_BIAS_ADD_Y);
    for (int64_t i = 0; i < cpu_count(op, AUXO_BIAS_ADD_Y); ++i) {
        int64_t channel = i / dims[2] % dims[1];
        y[i] = (float)ref_activate(params->activation, params->slope, (double)x[i] + (double)bias[channel]);
    }
    return AUXO_OK;
}

auxo_status ref_scale(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const int64_t *dims = op->tensors[AUXO_SCALE_X].dims;
    const float *x = cpu_f32(op, AUXO_SCALE_X);
    const float *scale = cpu_f32(op, AUXO_SCALE_SCALE);
    float *y = cpu_f32(op, AUXO_SCALE_Y);
    for (int64_t i = 0; i < cpu_count(op, AUXO_SCALE_Y); ++i)
        y[i] = (float)((double)x[i] * (double)scale[i / dims[2] % dims[1]]);
    return AUXO_OK;
}

/* Element number i, counted row-major over dims, of a strided tensor. */
static int64_t strided_index(const auxo_tensor *tensor, int64_t i)
{
    int64_t index = 0;
    for (uint32_t axis = tensor->rank; axis-- > 0;) {
        index += i % tensor->dims[axis] * tensor->strides[axis];
        i /= tensor->dims[axis];
    }
    return index;
}

double ref_load(const auxo_tensor *tensor, int64_t index)
{
    const void *data = cpu_data(tensor);
    switch (tensor->dtype) {
    case AUXO_DTYPE_F16:
    case AUXO_DTYPE_BF16:
        return (double)cpu_half_widen(tensor->dtype, ((const uint16_t *)data)[index]);
    case AUXO_DTYPE_U32:
        return ((const uint32_t *)data)[index];
    case AUXO_DTYPE_U8:
        return ((const uint8_t *)data)[index];
    default:
        return (double)((const float *)data)[index];
    }
}

/* Truncates towards zero and stays in [0, limit]; NaN becomes 0. */
static uint32_t to_integer(double value, double limit)
{
    if (!(value > 0))
        return 0;
    return (uint32_t)(value < limit ? value : limit);
}

void ref_store(const auxo_tensor *tensor, int64_t index, double value)
{
    void *data = cpu_data(tensor);
    switch (tensor->dtype) {
    case AUXO_DTYPE_F16:
    case AUXO_DTYPE_BF16:
        ((uint16_t *)data)[index] = cpu_half_narrow(tensor->dtype, (float)value);
        break;
    case AUXO_DTYPE_U32:
        ((uint32_t *)data)[index] = to_integer(value, 4294967295.0);
        break;
    case AUXO_DTYPE_U8:
        ((uint8_t *)data)[index] = (uint8_t)to_integer(value, 255.0);
        break;
    default:
        ((float *)data)[index] = (float)value;
    }
}

auxo_status ref_fill(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_tensor *y = &op->tensors[AUXO_FILL_Y];
    for (int64_t i = 0; i < cpu_count(op, AUXO_FILL_Y); ++i)
        ref_store(y, strided_index(y, i), op->params.fill.value);
    return AUXO_OK;
}

auxo_status ref_copy(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_copy_params *params = &op->params.copy;
    const auxo_tensor *x = &op->tensors[AUXO_COPY_X];
    const auxo_tensor *y = &op->tensors[AUXO_COPY_Y];
    for (int64_t i = 0; i < cpu_count(op, AUXO_COPY_Y); ++i) {
        int64_t target = strided_index(y, i);
        double value = (double)params->scale * ref_load(x, strided_index(x, i));
        if (params->accumulate)
            value += ref_load(y, target);
        ref_store(y, target, value);
    }
    return AUXO_OK;
}

auxo_status ref_multiply_add(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_multiply_add_params *params = &op->params.multiply_add;
    const float *x = cpu_f32(op, AUXO_MULTIPLY_ADD_X);
    float *y = cpu_f32(op, AUXO_MULTIPLY_ADD_Y);
    for (int64_t i = 0; i < cpu_count(op, AUXO_MULTIPLY_ADD_Y); ++i) {
        double value = x[i];
        for (uint32_t k = 0; k < params->count; ++k)
            value = (double)params->a * value + (double)params->b;
        y[i] = (float)value;
    }
    return AUXO_OK;
}

auxo_status ref_counter_add(const auxo_op *op, auxo_error *error)
{
    (void)error;
    uint32_t *counter = cpu_u32(op, AUXO_COUNTER_ADD_COUNTER);
    for (size_t i = 0; i < 4; ++i)
        counter[i] += op->params.counter_add.increments[i];
    return AUXO_OK;
}

uint32_t ref_counter(const auxo_op *op, size_t slot, size_t index)
{
    const uint32_t *counter = cpu_u32(op, slot);
    return counter ? counter[index] : 0;
}
