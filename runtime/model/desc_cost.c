/* desc_cost.c: what a layer costs, from the description alone: weights, statistics, and FLOPs of one forward pass of
 * one row. No network is made; the numbers are those of the parameter layout and of the plan's operations.
 */
#include "model_internal.h"

static uint64_t values_of(const auxo_layer *layer)
{
    return (uint64_t)auxo__layer_size(layer);
}

/* Products that make one output value. */
static uint64_t products_per_output(const auxo_model_desc *desc, const auxo_layer *layer)
{
    uint64_t inputs = (uint64_t)desc->layers[layer->inputs[0]].output_dims[0];
    if (layer->kind == AUXO_LAYER_DENSE)
        return inputs;
    return inputs / (uint64_t)layer->groups * (uint64_t)layer->kernel_h * (uint64_t)layer->kernel_w;
}

void auxo_model_desc_layer_cost(const auxo_model_desc *desc, uint32_t index, auxo_layer_cost *cost)
{
    const auxo_layer *layer = &desc->layers[index];
    const auxo_layer *input = &desc->layers[index == 0 ? 0 : layer->inputs[0]];
    uint64_t channels = (uint64_t)layer->output_dims[0];
    *cost = (auxo_layer_cost){0};
    switch (layer->kind) {
    case AUXO_LAYER_DENSE:
    case AUXO_LAYER_CONV2D:
        cost->weights = channels * products_per_output(desc, layer) + (layer->bias ? channels : 0);
        cost->flops = 2 * values_of(layer) * products_per_output(desc, layer);
        break;
    case AUXO_LAYER_BATCH_NORM:
        cost->weights = cost->statistics = 2 * channels;
        cost->flops = 2 * values_of(layer);
        break;
    case AUXO_LAYER_POOL2D:
        cost->flops = values_of(layer) * (uint64_t)layer->kernel_h * (uint64_t)layer->kernel_w;
        break;
    case AUXO_LAYER_GLOBAL_AVERAGE_POOL:
        cost->flops = values_of(input);
        break;
    case AUXO_LAYER_ACTIVATION:
        cost->flops = layer->activation == AUXO_ACTIVATION_IDENTITY ? 0 : values_of(layer);
        break;
    case AUXO_LAYER_ADD:
        cost->flops = 3 * values_of(layer) * (layer->input_count - 1);
        break;
    default:
        break;
    }
}

auxo_layer_cost auxo__model_desc_cost(const auxo_model_desc *desc)
{
    auxo_layer_cost sum = {0};
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        auxo_layer_cost cost;
        auxo_model_desc_layer_cost(desc, l, &cost);
        sum.weights += cost.weights;
        sum.statistics += cost.statistics;
        sum.flops += cost.flops;
    }
    return sum;
}
