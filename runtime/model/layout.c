/* layout.c: the flat layout of a model's parameters: layers in order; within a layer weight, then bias (batch norm:
 * gamma, then beta); running mean and variance in the statistics buffer. Offsets and counts are in elements.
 */
#include "model_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const role_names[] = {
    [AUXO_PARAM_WEIGHT] = "weight",
    [AUXO_PARAM_BIAS] = "bias",
    [AUXO_PARAM_GAMMA] = "gamma",
    [AUXO_PARAM_BETA] = "beta",
    [AUXO_PARAM_RUNNING_MEAN] = "running_mean",
    [AUXO_PARAM_RUNNING_VAR] = "running_var",
};

uint64_t auxo__param_element_count(const auxo_param *param)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < param->rank; i++)
        count *= (uint64_t)param->dims[i];
    return count;
}

static void append(auxo__layout *layout, const auxo_layer *layer, uint32_t index, int role, uint32_t rank,
                   const int64_t *dims)
{
    auxo_param *param = &layout->params[layout->param_count++];
    memset(param, 0, sizeof *param);
    snprintf(param->name, sizeof param->name, "%s.%s", layer->name, role_names[role]);
    param->layer = index;
    param->role = role;
    param->trainable = role != AUXO_PARAM_RUNNING_MEAN && role != AUXO_PARAM_RUNNING_VAR;
    param->rank = rank;
    memcpy(param->dims, dims, rank * sizeof *dims);
    uint64_t *end = param->trainable ? &layout->weight_count : &layout->statistic_count;
    param->offset = *end;
    *end += auxo__param_element_count(param);
}

static void append_layer(auxo__layout *layout, const auxo_model_desc *desc, uint32_t index)
{
    const auxo_layer *layer = &desc->layers[index];
    int64_t channels = layer->output_dims[0];
    if (layer->kind == AUXO_LAYER_DENSE) {
        int64_t dims[2] = {channels, desc->layers[layer->inputs[0]].output_dims[0]};
        append(layout, layer, index, AUXO_PARAM_WEIGHT, 2, dims);
    } else if (layer->kind == AUXO_LAYER_CONV2D) {
        int64_t in_channels = desc->layers[layer->inputs[0]].output_dims[0];
        int64_t dims[4] = {channels, in_channels / layer->groups, layer->kernel_h, layer->kernel_w};
        append(layout, layer, index, AUXO_PARAM_WEIGHT, 4, dims);
    } else if (layer->kind == AUXO_LAYER_BATCH_NORM) {
        for (int role = AUXO_PARAM_GAMMA; role <= AUXO_PARAM_RUNNING_VAR; role++)
            append(layout, layer, index, role, 1, &channels);
        return;
    } else {
        return;
    }
    if (layer->bias)
        append(layout, layer, index, AUXO_PARAM_BIAS, 1, &channels);
}

auxo_status auxo__layout_build(const auxo_model_desc *desc, auxo__layout *layout, auxo_error *error)
{
    memset(layout, 0, sizeof *layout);
    layout->params = malloc((4 * (size_t)desc->layer_count + 1) * sizeof *layout->params); /* batch norm has 4 */
    if (!layout->params)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the parameters of %u layers",
                              desc->layer_count);
    for (uint32_t i = 0; i < desc->layer_count; i++)
        append_layer(layout, desc, i);
    return AUXO_OK;
}

void auxo__layout_free(auxo__layout *layout)
{
    free(layout->params);
    memset(layout, 0, sizeof *layout);
}

const auxo_param *auxo__layout_find(const auxo__layout *layout, uint32_t layer, int role)
{
    for (size_t i = 0; i < layout->param_count; i++)
        if (layout->params[i].layer == layer && (int)layout->params[i].role == role)
            return &layout->params[i];
    return NULL;
}
