/* desc_shapes.c: the output shape of each layer from the shapes it reads, with the checks that go with it.
 *
 * Shapes are per sample: (C, H, W), or (features, 1, 1). Window arithmetic is that of the operations
 * (auxo_window_output).
 */
#include "model_internal.h"

#include <math.h>
#include <string.h>

int64_t auxo__layer_size(const auxo_layer *layer)
{
    return layer->output_dims[0] * layer->output_dims[1] * layer->output_dims[2];
}

static auxo_status fail(const auxo_layer *layer, const char *what, const int64_t dims[3], auxo_error *error)
{
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\" (%s): %s; it reads (%lld, %lld, %lld)",
                          layer->name, auxo_layer_noun(layer->kind), what, (long long)dims[0], (long long)dims[1],
                          (long long)dims[2]);
}

static auxo_status infer_input(auxo_layer *layer, auxo_error *error)
{
    for (int i = 0; i < 3; i++)
        if (layer->output_dims[i] < 1 || layer->output_dims[i] > INT32_MAX)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "the input's shape (%lld, %lld, %lld) must be positive in every dimension",
                                  (long long)layer->output_dims[0], (long long)layer->output_dims[1],
                                  (long long)layer->output_dims[2]);
    return AUXO_OK;
}

static auxo_status infer_dense(auxo_layer *layer, const int64_t in[3], auxo_error *error)
{
    if (layer->units == 0)
        return fail(layer, "it needs at least one unit", in, error);
    if (in[1] != 1 || in[2] != 1)
        return fail(layer, "a dense layer reads features; put a flatten layer before it", in, error);
    layer->output_dims[0] = layer->units;
    layer->output_dims[1] = layer->output_dims[2] = 1;
    return AUXO_OK;
}

static auxo_status infer_window(auxo_layer *layer, const int64_t in[3], auxo_error *error)
{
    if (layer->kernel_h < 1 || layer->kernel_w < 1 || layer->stride_h < 1 || layer->stride_w < 1 || layer->pad_h < 0 ||
        layer->pad_w < 0 || layer->dilation_h < 1 || layer->dilation_w < 1)
        return fail(layer, "kernel, stride and dilation must be at least 1, padding at least 0", in, error);
    layer->output_dims[1] =
        auxo_window_output(in[1], layer->kernel_h, layer->stride_h, layer->pad_h, layer->dilation_h);
    layer->output_dims[2] =
        auxo_window_output(in[2], layer->kernel_w, layer->stride_w, layer->pad_w, layer->dilation_w);
    if (layer->output_dims[1] < 1 || layer->output_dims[2] < 1)
        return fail(layer, "its window is larger than the padded image", in, error);
    return AUXO_OK;
}

static auxo_status infer_conv2d(auxo_layer *layer, const int64_t in[3], auxo_error *error)
{
    if (layer->units == 0)
        return fail(layer, "it needs at least one filter", in, error);
    if (layer->depthwise && (layer->groups != in[0] || layer->units != (uint32_t)layer->groups))
        return fail(layer, "a depthwise convolution has as many groups and filters as input channels", in, error);
    if (layer->groups < 1 || in[0] % layer->groups != 0 || layer->units % (uint32_t)layer->groups != 0)
        return fail(layer, "its groups must divide its input channels and its filters", in, error);
    layer->depthwise =
        layer->depthwise || (layer->groups > 1 && layer->groups == in[0] && layer->units == (uint32_t)layer->groups);
    layer->output_dims[0] = layer->units;
    return infer_window(layer, in, error);
}

static auxo_status infer_pool2d(auxo_layer *layer, const int64_t in[3], auxo_error *error)
{
    layer->output_dims[0] = in[0];
    if (layer->dilation_h != 1 || layer->dilation_w != 1)
        return fail(layer, "pooling has no dilation", in, error);
    if (layer->pad_h >= layer->kernel_h || layer->pad_w >= layer->kernel_w)
        return fail(layer, "its padding must be smaller than its window", in, error);
    return infer_window(layer, in, error);
}

static auxo_status infer_batch_norm(const auxo_layer *layer, const int64_t in[3], auxo_error *error)
{
    if (!(layer->epsilon >= 0.0f) || !isfinite(layer->epsilon))
        return fail(layer, "epsilon must not be negative", in, error);
    if (!(layer->momentum >= 0.0f && layer->momentum <= 1.0f))
        return fail(layer, "momentum must lie in [0, 1]", in, error);
    return AUXO_OK;
}

static auxo_status infer_add(const auxo_model_desc *desc, auxo_layer *layer, auxo_error *error)
{
    const int64_t *first = desc->layers[layer->inputs[0]].output_dims;
    for (uint32_t i = 1; i < layer->input_count; i++) {
        const auxo_layer *other = &desc->layers[layer->inputs[i]];
        if (memcmp(first, other->output_dims, sizeof other->output_dims) != 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "layer \"%s\" (add): \"%s\" is (%lld, %lld, %lld), but \"%s\" is (%lld, %lld, %lld)",
                                  layer->name, desc->layers[layer->inputs[0]].name, (long long)first[0],
                                  (long long)first[1], (long long)first[2], other->name,
                                  (long long)other->output_dims[0], (long long)other->output_dims[1],
                                  (long long)other->output_dims[2]);
    }
    return AUXO_OK;
}

static auxo_status infer_concat(const auxo_model_desc *desc, auxo_layer *layer, auxo_error *error)
{
    const int64_t *first = desc->layers[layer->inputs[0]].output_dims;
    int64_t channels = first[0];
    for (uint32_t i = 1; i < layer->input_count; i++) {
        const auxo_layer *other = &desc->layers[layer->inputs[i]];
        if (other->output_dims[1] != first[1] || other->output_dims[2] != first[2])
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "layer \"%s\" (concat): \"%s\" is %lldx%lld, but \"%s\" is %lldx%lld", layer->name,
                                  desc->layers[layer->inputs[0]].name, (long long)first[1], (long long)first[2],
                                  other->name, (long long)other->output_dims[1], (long long)other->output_dims[2]);
        channels += other->output_dims[0];
    }
    layer->output_dims[0] = channels;
    return AUXO_OK;
}

static auxo_status check_activation(const auxo_layer *layer, auxo_error *error)
{
    if ((unsigned)layer->activation >= AUXO_ACTIVATION_COUNT)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\": activation %d does not exist", layer->name,
                              (int)layer->activation);
    if ((layer->activation == AUXO_ACTIVATION_LEAKY_RELU && !(layer->slope >= 0.0f && layer->slope < 1.0f)) ||
        (layer->activation == AUXO_ACTIVATION_ELU && !(layer->slope >= 0.0f && isfinite(layer->slope))))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\": a slope of %g does not suit %s", layer->name,
                              (double)layer->slope, auxo_activation_noun(layer->activation));
    bool fuses = layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D ||
                 layer->kind == AUXO_LAYER_BATCH_NORM || layer->kind == AUXO_LAYER_ACTIVATION;
    if (!fuses && layer->activation != AUXO_ACTIVATION_IDENTITY)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "layer \"%s\" (%s) takes no activation; put an activation layer after it", layer->name,
                              auxo_layer_noun(layer->kind));
    return AUXO_OK;
}

static auxo_status infer_kind(auxo_model_desc *desc, uint32_t index, auxo_error *error)
{
    auxo_layer *layer = &desc->layers[index];
    auxo_status status = check_activation(layer, error);
    if (status != AUXO_OK)
        return status;
    if (layer->kind == AUXO_LAYER_INPUT)
        return infer_input(layer, error);
    const int64_t *in = desc->layers[layer->inputs[0]].output_dims;
    memcpy(layer->output_dims, in, sizeof layer->output_dims);
    switch (layer->kind) {
    case AUXO_LAYER_DENSE:
        return infer_dense(layer, in, error);
    case AUXO_LAYER_CONV2D:
        return infer_conv2d(layer, in, error);
    case AUXO_LAYER_POOL2D:
        return infer_pool2d(layer, in, error);
    case AUXO_LAYER_GLOBAL_AVERAGE_POOL:
        layer->output_dims[1] = layer->output_dims[2] = 1;
        return AUXO_OK;
    case AUXO_LAYER_BATCH_NORM:
        return infer_batch_norm(layer, in, error);
    case AUXO_LAYER_DROPOUT:
        return layer->rate >= 0.0f && layer->rate < 1.0f ? AUXO_OK : fail(layer, "rate must lie in [0, 1)", in, error);
    case AUXO_LAYER_FLATTEN:
        layer->output_dims[0] = in[0] * in[1] * in[2]; /* its own check has bounded it */
        layer->output_dims[1] = layer->output_dims[2] = 1;
        return AUXO_OK;
    case AUXO_LAYER_ADD:
        return infer_add(desc, layer, error);
    case AUXO_LAYER_CONCAT:
        return infer_concat(desc, layer, error);
    case AUXO_LAYER_ACTIVATION:
        return AUXO_OK;
    default:
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\": kind %d does not exist", layer->name,
                              (int)layer->kind);
    }
}

/* Products of sizes that a buffer or an index could not hold are refused here, so that nothing later overflows. */
static auxo_status check_sizes(const auxo_model_desc *desc, const auxo_layer *layer, auxo_error *error)
{
    const int64_t most = INT64_C(1) << 48; /* elements */
    const int64_t *out = layer->output_dims;
    int64_t size = 1, weights = 1;
    bool fits = true;
    for (int i = 0; i < 3; i++)
        fits = fits && !__builtin_mul_overflow(size, out[i], &size) && size <= most;
    if (layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D) {
        bool conv = layer->kind == AUXO_LAYER_CONV2D;
        int64_t inputs = desc->layers[layer->inputs[0]].output_dims[0] / (conv ? layer->groups : 1);
        const int64_t factors[4] = {out[0], inputs, conv ? layer->kernel_h : 1, conv ? layer->kernel_w : 1};
        for (int i = 0; i < 4; i++)
            fits = fits && !__builtin_mul_overflow(weights, factors[i], &weights) && weights <= most;
    }
    return fits ? AUXO_OK
                : auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                 "layer \"%s\" (%s): more than 2^48 values or weights; no device can hold it",
                                 layer->name, auxo_layer_noun(layer->kind));
}

auxo_status auxo__infer_layer(auxo_model_desc *desc, uint32_t index, auxo_error *error)
{
    auxo_status status = infer_kind(desc, index, error);
    return status == AUXO_OK ? check_sizes(desc, &desc->layers[index], error) : status;
}
