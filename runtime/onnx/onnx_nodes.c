/* onnx_nodes.c: each operator that a layer covers as that layer.
 */
#include "onnx_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_op(const onnx_import *import, const char *op)
{
    return strcmp(import->node->op_type, op) == 0;
}

/* Two numbers of a list of 2, or of a list of 4 whose halves are equal (pads). */
static bool read_pair(const Onnx__NodeProto *node, const char *name, int32_t otherwise, int32_t pair[2])
{
    const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
    pair[0] = pair[1] = otherwise;
    if (!attribute || attribute->n_ints == 0)
        return true;
    const int64_t *ints = attribute->ints, most = 1 << 20;
    if (attribute->n_ints != 2 && !(attribute->n_ints == 4 && ints[0] == ints[2] && ints[1] == ints[3]))
        return false;
    if (ints[0] < 0 || ints[0] > most || ints[1] < 0 || ints[1] > most)
        return false;
    pair[0] = (int32_t)ints[0];
    pair[1] = (int32_t)ints[1];
    return true;
}

/* Window, strides, pads and dilations of convolution and pooling. */
static auxo_status read_window(const onnx_import *import, auxo_layer *layer, auxo_error *error)
{
    const Onnx__AttributeProto *rule = onnx_attribute(import->node, "auto_pad");
    int32_t kernel[2], strides[2], pads[2], dilations[2];
    if (rule && rule->has_s && rule->s.len > 0 && strncmp((const char *)rule->s.data, "NOTSET", rule->s.len) != 0)
        return onnx_refuse(import, "auto_pad is not covered, only pads", error);
    if (!read_pair(import->node, "kernel_shape", 0, kernel) || !read_pair(import->node, "strides", 1, strides) ||
        !read_pair(import->node, "pads", 0, pads) || !read_pair(import->node, "dilations", 1, dilations))
        return onnx_refuse(import, "only two dimensions, padded alike on both sides, are covered", error);
    layer->kernel_h = kernel[0];
    layer->kernel_w = kernel[1];
    layer->stride_h = strides[0];
    layer->stride_w = strides[1];
    layer->pad_h = pads[0];
    layer->pad_w = pads[1];
    layer->dilation_h = dilations[0];
    layer->dilation_w = dilations[1];
    return AUXO_OK;
}

/* A layer that reads the node's first input. */
static auxo_status begin_layer(const onnx_import *import, auxo_layer_kind kind, auxo_layer *layer, auxo_error *error)
{
    *layer = (auxo_layer){.kind = kind, .input_count = 1};
    return onnx_layer_of(import, 0, &layer->inputs[0], error);
}

static auxo_status read_conv(onnx_import *import, auxo_error *error)
{
    const Onnx__TensorProto *weight = onnx_constant_input(import, 1), *bias = onnx_constant_input(import, 2);
    auxo_layer layer;
    auxo_status status = begin_layer(import, AUXO_LAYER_CONV2D, &layer, error);
    if (status == AUXO_OK && (!weight || weight->n_dims != 4 || weight->dims[0] < 1 || weight->dims[0] > UINT32_MAX))
        return onnx_refuse(import, "its weights must be a constant of four dimensions", error);
    if (status == AUXO_OK)
        status = read_window(import, &layer, error);
    if (status != AUXO_OK)
        return status;
    const int64_t group = onnx_int_of(import->node, "group", 1);
    if (group < 1 || group > INT32_MAX || weight->dims[2] > INT32_MAX || weight->dims[3] > INT32_MAX)
        return onnx_refuse(import, "its groups or its window are out of range", error);
    layer.units = (uint32_t)weight->dims[0];
    layer.groups = (int32_t)group;
    layer.kernel_h = (int32_t)weight->dims[2];
    layer.kernel_w = (int32_t)weight->dims[3];
    layer.bias = bias != NULL;
    status = onnx_add_layer(import, &layer, error);
    const uint32_t index = import->desc.layer_count - 1;
    if (status == AUXO_OK)
        status = onnx_take_weight(import, index, AUXO_PARAM_WEIGHT, weight, 0, 0, error);
    return status == AUXO_OK && bias ? onnx_take_weight(import, index, AUXO_PARAM_BIAS, bias, 0, 0, error) : status;
}

/* Gemm, or MatMul, whose bias an Add after it may be. */
static auxo_status read_dense(onnx_import *import, auxo_error *error)
{
    const bool is_gemm = is_op(import, "Gemm");
    const Onnx__TensorProto *weight = onnx_constant_input(import, 1), *bias = onnx_constant_input(import, 2);
    const bool turned = is_gemm && onnx_int_of(import->node, "transB", 0) != 0;
    auxo_layer layer;
    auxo_status status = begin_layer(import, AUXO_LAYER_DENSE, &layer, error);
    if (status != AUXO_OK)
        return status;
    if (!weight || weight->n_dims != 2 || weight->dims[0] < 1 || weight->dims[1] < 1)
        return onnx_refuse(import, "its second operand must be a constant matrix", error);
    if (is_gemm && (onnx_int_of(import->node, "transA", 0) != 0 || onnx_float_of(import->node, "alpha", 1) != 1 ||
                    onnx_float_of(import->node, "beta", 1) != 1))
        return onnx_refuse(import, "alpha, beta and transA other than 1, 1 and 0 are not covered", error);
    const int64_t units = weight->dims[turned ? 0 : 1];
    if (units > UINT32_MAX || (is_gemm && import->node->n_input > 2 && import->node->input[2][0] && !bias))
        return onnx_refuse(import, "its bias must be a constant", error);
    layer.units = (uint32_t)units;
    layer.bias = bias != NULL;
    status = onnx_add_layer(import, &layer, error);
    const uint32_t index = import->desc.layer_count - 1;
    if (status == AUXO_OK)
        status = onnx_take_weight(import, index, AUXO_PARAM_WEIGHT, weight, turned ? 0 : weight->dims[0],
                                  weight->dims[1], error);
    return status == AUXO_OK && bias ? onnx_take_weight(import, index, AUXO_PARAM_BIAS, bias, 0, 0, error) : status;
}

static auxo_status read_norm(onnx_import *import, auxo_error *error)
{
    auxo_layer layer;
    auxo_status status = begin_layer(import, AUXO_LAYER_BATCH_NORM, &layer, error);
    if (status != AUXO_OK)
        return status;
    if (onnx_int_of(import->node, "training_mode", 0) != 0)
        return onnx_refuse(import, "training mode is not covered", error);
    layer.epsilon = onnx_float_of(import->node, "epsilon", 1e-5f);
    status = onnx_add_layer(import, &layer, error);
    for (size_t i = 1; status == AUXO_OK && i <= 4; i++) {
        const Onnx__TensorProto *tensor = onnx_constant_input(import, i);
        status = tensor ? onnx_take_weight(import, import->desc.layer_count - 1, AUXO_PARAM_GAMMA + (int)i - 1, tensor,
                                           0, 0, error)
                        : onnx_refuse(import, "scale, bias, mean and variance must be constants", error);
    }
    return status;
}

static auxo_status read_pool(onnx_import *import, auxo_error *error)
{
    auxo_layer layer;
    auxo_status status = begin_layer(import, AUXO_LAYER_POOL2D, &layer, error);
    if (status == AUXO_OK)
        status = read_window(import, &layer, error);
    if (status != AUXO_OK)
        return status;
    layer.pool = is_op(import, "MaxPool") ? AUXO_POOL_MAX : AUXO_POOL_AVERAGE;
    if (layer.dilation_h != 1 || layer.dilation_w != 1 || onnx_int_of(import->node, "ceil_mode", 0) != 0)
        return onnx_refuse(import, "dilations and ceil_mode are not covered", error);
    if (layer.pool == AUXO_POOL_AVERAGE && (layer.pad_h || layer.pad_w) &&
        onnx_int_of(import->node, "count_include_pad", 0) != 0)
        return onnx_refuse(import, "an average that counts the padding is not covered", error);
    return onnx_add_layer(import, &layer, error);
}

/* Into the layer before where that is possible, else a layer of its own. */
static auxo_status read_activation(onnx_import *import, auxo_activation activation, float slope, auxo_error *error)
{
    auxo_layer layer;
    auxo_status status = begin_layer(import, AUXO_LAYER_ACTIVATION, &layer, error);
    if (status != AUXO_OK)
        return status;
    auxo_layer *before = &import->desc.layers[layer.inputs[0]];
    const bool takes_one =
        before->kind == AUXO_LAYER_DENSE || before->kind == AUXO_LAYER_CONV2D || before->kind == AUXO_LAYER_BATCH_NORM;
    if (takes_one && before->activation == AUXO_ACTIVATION_IDENTITY &&
        onnx_file_readers(&import->file, import->node->input[0]) == 1) {
        before->activation = activation;
        before->slope = slope;
        return onnx_alias(import, layer.inputs[0], error);
    }
    layer.activation = activation;
    layer.slope = slope;
    return onnx_add_layer(import, &layer, error);
}

/* Add and Concat of values. */
static auxo_status read_joined(onnx_import *import, auxo_layer_kind kind, auxo_error *error)
{
    auxo_layer layer = {.kind = kind, .input_count = (uint32_t)import->node->n_input};
    if (import->node->n_input < 2 || import->node->n_input > AUXO_LAYER_INPUTS_MAX)
        return onnx_refuse(import, "two to four inputs are covered", error);
    if (kind == AUXO_LAYER_CONCAT && onnx_int_of(import->node, "axis", 1) != 1)
        return onnx_refuse(import, "only along the channels (axis 1)", error);
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; status == AUXO_OK && i < layer.input_count; i++)
        status = onnx_layer_of(import, i, &layer.inputs[i], error);
    return status == AUXO_OK ? onnx_add_layer(import, &layer, error) : status;
}

/* The bias of a MatMul or of a convolution without one. */
static auxo_status read_bias(onnx_import *import, size_t value, const Onnx__TensorProto *constant, auxo_error *error)
{
    uint32_t index;
    auxo_status status = onnx_layer_of(import, value, &index, error);
    if (status != AUXO_OK)
        return status;
    auxo_layer *layer = &import->desc.layers[index];
    const bool takes_one = layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D;
    if (!takes_one || layer->bias || layer->activation != AUXO_ACTIVATION_IDENTITY ||
        onnx_tensor_count(constant) != layer->units ||
        onnx_file_readers(&import->file, import->node->input[value]) != 1)
        return onnx_refuse(import, "a constant can only be added as the bias of the layer before", error);
    layer->bias = true;
    status = onnx_take_weight(import, index, AUXO_PARAM_BIAS, constant, 0, 0, error);
    return status == AUXO_OK ? onnx_alias(import, index, error) : status;
}

/* Arithmetic with constants on the input itself, before any layer: it becomes the model's standardisation. */
static auxo_status read_affine(onnx_import *import, size_t value, const Onnx__TensorProto *constant, auxo_error *error)
{
    const int64_t channels = import->desc.layers[0].output_dims[0], count = onnx_tensor_count(constant);
    if (import->desc.layer_count > 1 || (count != 1 && count != channels) ||
        (value != 0 && (is_op(import, "Sub") || is_op(import, "Div"))))
        return onnx_refuse(import, "constants of one number, or one per channel, before the first layer are covered",
                           error);
    float *numbers = NULL;
    auxo_status status = onnx_tensor_floats(constant, &numbers, error);
    for (int64_t c = 0; status == AUXO_OK && c < channels; c++) {
        const float number = numbers[count == 1 ? 0 : c];
        if (is_op(import, "Mul") || is_op(import, "Div")) {
            const float factor = is_op(import, "Mul") ? number : 1 / number;
            import->scale[c] *= factor;
            import->shift[c] *= factor;
        } else {
            import->shift[c] += is_op(import, "Add") ? number : -number;
        }
    }
    import->is_affine = true;
    free(numbers);
    return status == AUXO_OK ? onnx_alias(import, 0, error) : status;
}

/* Add, Sub, Mul, Div. */
static auxo_status read_arithmetic(onnx_import *import, auxo_error *error)
{
    if (import->node->n_input != 2)
        return onnx_refuse(import, "two operands are covered", error);
    const Onnx__TensorProto *constants[2] = {onnx_constant_input(import, 0), onnx_constant_input(import, 1)};
    const size_t value = constants[0] ? 1 : 0;
    const Onnx__TensorProto *constant = constants[1 - value];
    uint32_t layer;
    if (!constant && is_op(import, "Add"))
        return read_joined(import, AUXO_LAYER_ADD, error);
    if (!constant)
        return onnx_refuse(import, "of two values only Add is covered", error);
    auxo_status status = onnx_layer_of(import, value, &layer, error);
    if (status != AUXO_OK)
        return status;
    if (layer > 0 && is_op(import, "Add"))
        return read_bias(import, value, constant, error);
    return layer > 0 ? onnx_refuse(import, "a constant factor is covered before the first layer only", error)
                     : read_affine(import, value, constant, error);
}

/* Flatten, or Reshape to (batch, features) or to what the value already is. */
static auxo_status read_rows(onnx_import *import, auxo_error *error)
{
    int64_t shape[4] = {0, -1, 0, 0};
    size_t rank = 2;
    if (is_op(import, "Reshape")) {
        const Onnx__TensorProto *constant = onnx_constant_input(import, 1);
        rank = constant ? onnx_tensor_ints(constant, shape, 4) : SIZE_MAX;
    } else if (onnx_int_of(import->node, "axis", 1) != 1) {
        rank = SIZE_MAX;
    }
    if (rank != 2 || shape[0] > 1)
        return onnx_refuse(import, "only to (batch, features), by a constant shape", error);
    auxo_layer layer;
    auxo_status status = begin_layer(import, AUXO_LAYER_FLATTEN, &layer, error);
    return status == AUXO_OK ? onnx_add_layer(import, &layer, error) : status;
}

/* The last one of a classifier, which training and prediction add themselves. */
static auxo_status read_softmax(onnx_import *import, auxo_error *error)
{
    uint32_t layer;
    auxo_status status = onnx_layer_of(import, 0, &layer, error);
    const int64_t axis = onnx_int_of(import->node, "axis", -1);
    const Onnx__GraphProto *graph = import->file.graph;
    const bool is_last = import->node == graph->node[graph->n_node - 1];
    if (status == AUXO_OK && (!is_last || (axis != 1 && axis != -1)))
        return onnx_refuse(import, "only as the last operator, over the classes", error);
    return status == AUXO_OK ? onnx_alias(import, layer, error) : status;
}

static auxo_status read_alias(onnx_import *import, auxo_error *error)
{
    uint32_t layer;
    const auxo_status status = onnx_layer_of(import, 0, &layer, error);
    return status == AUXO_OK ? onnx_alias(import, layer, error) : status;
}

/* The mean over height and width, as PyTorch writes global average pooling. */
static auxo_status read_mean(onnx_import *import, auxo_error *error)
{
    const Onnx__AttributeProto *attribute = onnx_attribute(import->node, "axes");
    const Onnx__TensorProto *constant = onnx_constant_input(import, 1);
    int64_t axes[2] = {0, 0};
    size_t count = constant ? onnx_tensor_ints(constant, axes, 2) : 0;
    if (attribute) {
        count = attribute->n_ints;
        for (size_t i = 0; i < 2 && i < count; i++)
            axes[i] = attribute->ints[i];
    }
    const int64_t rank = 4, first = axes[0] < 0 ? axes[0] + rank : axes[0],
                  second = axes[1] < 0 ? axes[1] + rank : axes[1];
    if (count != 2 || first + second != 5 || first < 2 || second < 2)
        return onnx_refuse(import, "only over height and width, by constant axes", error);
    auxo_layer layer;
    const auxo_status status = begin_layer(import, AUXO_LAYER_GLOBAL_AVERAGE_POOL, &layer, error);
    return status == AUXO_OK ? onnx_add_layer(import, &layer, error) : status;
}

static auxo_status read_global_pool(onnx_import *import, auxo_error *error)
{
    auxo_layer layer;
    const auxo_status status = begin_layer(import, AUXO_LAYER_GLOBAL_AVERAGE_POOL, &layer, error);
    return status == AUXO_OK ? onnx_add_layer(import, &layer, error) : status;
}

static auxo_status read_concat(onnx_import *import, auxo_error *error)
{
    return read_joined(import, AUXO_LAYER_CONCAT, error);
}

auxo_status onnx_read_node(onnx_import *import, auxo_error *error)
{
    static const struct {
        const char *op;
        auxo_status (*read)(onnx_import *import, auxo_error *error);
    } readers[] = {{"Conv", read_conv},
                   {"Gemm", read_dense},
                   {"MatMul", read_dense},
                   {"BatchNormalization", read_norm},
                   {"MaxPool", read_pool},
                   {"AveragePool", read_pool},
                   {"Add", read_arithmetic},
                   {"Sub", read_arithmetic},
                   {"Mul", read_arithmetic},
                   {"Div", read_arithmetic},
                   {"ReduceMean", read_mean},
                   {"Concat", read_concat},
                   {"GlobalAveragePool", read_global_pool},
                   {"Flatten", read_rows},
                   {"Reshape", read_rows},
                   {"Dropout", read_alias},
                   {"Identity", read_alias},
                   {"Softmax", read_softmax}};
    static const struct {
        const char *op;
        auxo_activation activation;
        float slope;
    } activations[] = {{"Relu", AUXO_ACTIVATION_RELU, 0},       {"LeakyRelu", AUXO_ACTIVATION_LEAKY_RELU, 0.01f},
                       {"Elu", AUXO_ACTIVATION_ELU, 1},         {"Selu", AUXO_ACTIVATION_SELU, 0},
                       {"Sigmoid", AUXO_ACTIVATION_SIGMOID, 0}, {"Tanh", AUXO_ACTIVATION_TANH, 0}};
    const bool is_own_domain =
        !import->node->domain || !import->node->domain[0] || strcmp(import->node->domain, "ai.onnx") == 0;
    if (import->node->n_output < 1)
        return onnx_refuse(import, "it has no output", error);
    if (is_op(import, "Constant"))
        return AUXO_OK;
    for (size_t i = 0; is_own_domain && i < sizeof readers / sizeof *readers; i++)
        if (is_op(import, readers[i].op))
            return readers[i].read(import, error);
    for (size_t i = 0; is_own_domain && i < sizeof activations / sizeof *activations; i++)
        if (is_op(import, activations[i].op))
            return read_activation(import, activations[i].activation,
                                   onnx_float_of(import->node, "alpha", activations[i].slope), error);
    return onnx_refuse(import, "no layer covers this operator", error);
}
