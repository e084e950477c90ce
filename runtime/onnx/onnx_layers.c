/* onnx_layers.c: each kind of layer as the operators that compute it. */
#include "onnx_layers.h"

#include <stdlib.h>

typedef struct layer_writer {
    onnx_graph *graph;
    const auxo_model *model;
    const auxo_model_desc *desc;
    const float *weights, *statistics;
    onnx_flow *flows; /* of each layer */
} layer_writer;

onnx_flow onnx_flat(onnx_graph *graph, onnx_flow value)
{
    if (!value.is_image)
        return value;
    const char *name = onnx_node(graph, "Flatten", onnx_text(graph, "%s.rows", value.name), value.name, NULL);
    onnx_set_int(graph, "axis", 1);
    return (onnx_flow){name, false};
}

/* (batch, C, 1, 1) of a value of features. */
static onnx_flow as_image(onnx_graph *graph, onnx_flow value, const int64_t dims[3])
{
    if (value.is_image)
        return value;
    const int64_t count = 4, shape[4] = {-1, dims[0], dims[1], dims[2]};
    const char *name = onnx_text(graph, "%s.image", value.name);
    const char *target = onnx_constant(graph, onnx_text(graph, "%s.shape", name), ONNX_INT64, 1, &count, shape);
    return (onnx_flow){onnx_node(graph, "Reshape", name, value.name, target, NULL), true};
}

/* A parameter of the layer by its role; NULL where it has none. */
static const char *constant_of(const layer_writer *writer, uint32_t layer, int role)
{
    const auxo_param *params = auxo_model_params(writer->model);
    for (size_t i = 0; i < auxo_model_param_count(writer->model); i++)
        if (params[i].layer == layer && (int)params[i].role == role)
            return onnx_constant(writer->graph, params[i].name, ONNX_FLOAT, params[i].rank, params[i].dims,
                                 (params[i].trainable ? writer->weights : writer->statistics) + params[i].offset);
    return NULL;
}

static void set_window(onnx_graph *graph, const auxo_layer *layer)
{
    onnx_set_ints(graph, "kernel_shape", (int64_t[]){layer->kernel_h, layer->kernel_w}, 2);
    onnx_set_ints(graph, "strides", (int64_t[]){layer->stride_h, layer->stride_w}, 2);
    onnx_set_ints(graph, "pads", (int64_t[]){layer->pad_h, layer->pad_w, layer->pad_h, layer->pad_w}, 4);
}

static const char *write_activation(onnx_graph *graph, const auxo_layer *layer, const char *input, const char *output)
{
    static const char *const operators[] = {[AUXO_ACTIVATION_IDENTITY] = "Identity",
                                            [AUXO_ACTIVATION_RELU] = "Relu",
                                            [AUXO_ACTIVATION_LEAKY_RELU] = "LeakyRelu",
                                            [AUXO_ACTIVATION_ELU] = "Elu",
                                            [AUXO_ACTIVATION_SELU] = "Selu",
                                            [AUXO_ACTIVATION_SIGMOID] = "Sigmoid",
                                            [AUXO_ACTIVATION_TANH] = "Tanh"};
    onnx_node(graph, operators[layer->activation], output, input, NULL);
    if (layer->activation == AUXO_ACTIVATION_LEAKY_RELU || layer->activation == AUXO_ACTIVATION_ELU)
        onnx_set_float(graph, "alpha", layer->slope);
    if (layer->activation == AUXO_ACTIVATION_SELU) {
        onnx_set_float(graph, "alpha", 1.6732632423543772f);
        onnx_set_float(graph, "gamma", 1.0507009873554805f);
    }
    return output;
}

static onnx_flow write_dense(const layer_writer *writer, uint32_t index, const char *output)
{
    const auxo_layer *layer = &writer->desc->layers[index];
    const onnx_flow input = onnx_flat(writer->graph, writer->flows[layer->inputs[0]]);
    const char *weight = constant_of(writer, index, AUXO_PARAM_WEIGHT);
    onnx_node(writer->graph, "Gemm", output, input.name, weight, constant_of(writer, index, AUXO_PARAM_BIAS), NULL);
    onnx_set_int(writer->graph, "transB", 1);
    return (onnx_flow){output, false};
}

static onnx_flow write_conv2d(const layer_writer *writer, uint32_t index, const char *output)
{
    const auxo_layer *layer = &writer->desc->layers[index];
    const auxo_layer *source = &writer->desc->layers[layer->inputs[0]];
    const onnx_flow input = as_image(writer->graph, writer->flows[layer->inputs[0]], source->output_dims);
    const char *weight = constant_of(writer, index, AUXO_PARAM_WEIGHT);
    onnx_node(writer->graph, "Conv", output, input.name, weight, constant_of(writer, index, AUXO_PARAM_BIAS), NULL);
    set_window(writer->graph, layer);
    onnx_set_ints(writer->graph, "dilations", (int64_t[]){layer->dilation_h, layer->dilation_w}, 2);
    onnx_set_int(writer->graph, "group", layer->groups);
    return (onnx_flow){output, true};
}

static onnx_flow write_pool(const layer_writer *writer, uint32_t index, const char *output)
{
    const auxo_layer *layer = &writer->desc->layers[index];
    const auxo_layer *source = &writer->desc->layers[layer->inputs[0]];
    const onnx_flow input = as_image(writer->graph, writer->flows[layer->inputs[0]], source->output_dims);
    if (layer->kind == AUXO_LAYER_GLOBAL_AVERAGE_POOL) {
        onnx_node(writer->graph, "GlobalAveragePool", output, input.name, NULL);
        return (onnx_flow){output, true};
    }
    const bool is_max = layer->pool == AUXO_POOL_MAX;
    onnx_node(writer->graph, is_max ? "MaxPool" : "AveragePool", output, input.name, NULL);
    set_window(writer->graph, layer);
    if (!is_max)
        onnx_set_int(writer->graph, "count_include_pad", 0);
    return (onnx_flow){output, true};
}

static onnx_flow write_norm(const layer_writer *writer, uint32_t index, const char *output)
{
    const auxo_layer *layer = &writer->desc->layers[index];
    const onnx_flow input = writer->flows[layer->inputs[0]];
    const char *parts[4];
    for (int role = AUXO_PARAM_GAMMA; role <= AUXO_PARAM_RUNNING_VAR; role++)
        parts[role - AUXO_PARAM_GAMMA] = constant_of(writer, index, role);
    onnx_node(writer->graph, "BatchNormalization", output, input.name, parts[0], parts[1], parts[2], parts[3], NULL);
    onnx_set_float(writer->graph, "epsilon", layer->epsilon);
    return (onnx_flow){output, input.is_image};
}

/* A chain of Add, or one Concat; all inputs become images where one is. */
static onnx_flow write_joined(const layer_writer *writer, uint32_t index, const char *output)
{
    const auxo_layer *layer = &writer->desc->layers[index];
    onnx_flow inputs[AUXO_LAYER_INPUTS_MAX] = {{NULL, false}};
    bool is_image = false;
    for (uint32_t i = 0; i < layer->input_count; i++)
        is_image = is_image || writer->flows[layer->inputs[i]].is_image;
    for (uint32_t i = 0; i < layer->input_count; i++) {
        inputs[i] = writer->flows[layer->inputs[i]];
        if (is_image)
            inputs[i] = as_image(writer->graph, inputs[i], writer->desc->layers[layer->inputs[i]].output_dims);
    }
    if (layer->kind == AUXO_LAYER_CONCAT) {
        const char *names[AUXO_LAYER_INPUTS_MAX + 1] = {NULL};
        for (uint32_t i = 0; i < layer->input_count; i++)
            names[i] = inputs[i].name;
        onnx_node(writer->graph, "Concat", output, names[0], names[1], names[2], names[3], NULL);
        onnx_set_int(writer->graph, "axis", 1);
        return (onnx_flow){output, is_image};
    }
    const char *sum = inputs[0].name;
    for (uint32_t i = 1; i < layer->input_count; i++) {
        const bool is_last = i + 1 == layer->input_count;
        sum = onnx_node(writer->graph, "Add", is_last ? output : onnx_text(writer->graph, "%s.sum%u", output, i), sum,
                        inputs[i].name, NULL);
    }
    return (onnx_flow){sum, is_image};
}

static onnx_flow write_kind(const layer_writer *writer, uint32_t index, const char *output)
{
    const auxo_layer *layer = &writer->desc->layers[index];
    const onnx_flow input = writer->flows[layer->inputs[0]];
    switch (layer->kind) {
    case AUXO_LAYER_DENSE:
        return write_dense(writer, index, output);
    case AUXO_LAYER_CONV2D:
        return write_conv2d(writer, index, output);
    case AUXO_LAYER_POOL2D:
    case AUXO_LAYER_GLOBAL_AVERAGE_POOL:
        return write_pool(writer, index, output);
    case AUXO_LAYER_BATCH_NORM:
        return write_norm(writer, index, output);
    case AUXO_LAYER_ADD:
    case AUXO_LAYER_CONCAT:
        return write_joined(writer, index, output);
    case AUXO_LAYER_FLATTEN:
        return onnx_flat(writer->graph, input);
    default: /* dropout does nothing here; an activation is written by the caller */
        return input;
    }
}

onnx_flow onnx_add_layers(onnx_graph *graph, const auxo_model *model, const float *weights, const float *statistics,
                          onnx_flow input)
{
    layer_writer writer = {graph, model, auxo_model_get_desc(model), weights, statistics, NULL};
    writer.flows = onnx_alloc(graph, sizeof *writer.flows * writer.desc->layer_count);
    if (!writer.flows)
        return input;
    writer.flows[0] = input;
    for (uint32_t i = 1; i < writer.desc->layer_count; i++) {
        const auxo_layer *layer = &writer.desc->layers[i];
        const bool is_activated = layer->activation != AUXO_ACTIVATION_IDENTITY;
        const bool has_own_node = layer->kind != AUXO_LAYER_ACTIVATION && layer->kind != AUXO_LAYER_DROPOUT;
        const char *output = onnx_text(graph, "net/%s", layer->name); /* apart from names of columns */
        const char *name = is_activated && has_own_node ? onnx_text(graph, "%s.before", output) : output;
        onnx_flow flow = write_kind(&writer, i, name);
        if (is_activated)
            flow.name = write_activation(graph, layer, flow.name, output);
        writer.flows[i] = flow;
    }
    return writer.flows[writer.desc->layer_count - 1];
}
