/* groups.c: which layers' units must change together.
 *
 * Layers whose output channels correspond one for one (activation, batch norm, pooling, dropout, depthwise convolution,
 * residual addition) form a group, found by union-find. Dense and full convolutions start new groups; flatten of images
 * and concat have channels derived from other groups.
 */
#include "model_internal.h"

#include <stdlib.h>

bool auxo__layer_is_depthwise(const auxo_model_desc *desc, uint32_t layer)
{
    const auxo_layer *of = &desc->layers[layer];
    return of->kind == AUXO_LAYER_CONV2D &&
           (of->depthwise || (of->groups > 1 && of->groups == desc->layers[of->inputs[0]].output_dims[0] &&
                              of->units == (uint32_t)of->groups));
}

bool auxo__layer_makes_units(const auxo_model_desc *desc, uint32_t layer)
{
    const auxo_layer *of = &desc->layers[layer];
    return of->kind == AUXO_LAYER_DENSE || (of->kind == AUXO_LAYER_CONV2D && of->groups == 1 && !of->depthwise);
}

/* Whether the layer's channels are those of each layer it reads. */
static bool keeps_channels(const auxo_model_desc *desc, uint32_t layer)
{
    const auxo_layer *of = &desc->layers[layer];
    switch (of->kind) {
    case AUXO_LAYER_POOL2D:
    case AUXO_LAYER_GLOBAL_AVERAGE_POOL:
    case AUXO_LAYER_BATCH_NORM:
    case AUXO_LAYER_ACTIVATION:
    case AUXO_LAYER_DROPOUT:
    case AUXO_LAYER_ADD:
        return true;
    case AUXO_LAYER_FLATTEN: {
        const int64_t *in = desc->layers[of->inputs[0]].output_dims;
        return in[1] == 1 && in[2] == 1;
    }
    default:
        return auxo__layer_is_depthwise(desc, layer);
    }
}

static uint32_t find_root(const uint32_t *group, uint32_t layer)
{
    while (group[layer] != layer)
        layer = group[layer];
    return layer;
}

auxo_status auxo_model_desc_unit_groups(const auxo_model_desc *desc, uint32_t *group, bool *resizable,
                                        auxo_error *error)
{
    if (desc->layer_count == 0 || desc->layers[desc->layer_count - 1].output_dims[0] == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the description of model \"%s\" is not finished",
                              desc->name);
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        group[l] = l;
        if (!keeps_channels(desc, l))
            continue;
        for (uint32_t i = 0; i < desc->layers[l].input_count; i++) {
            uint32_t a = find_root(group, l), b = find_root(group, desc->layers[l].inputs[i]);
            group[a > b ? a : b] = a > b ? b : a;
        }
    }
    for (uint32_t l = 0; l < desc->layer_count; l++) /* roots are lowest: one ascending pass flattens */
        group[l] = group[group[l]];
    if (!resizable)
        return AUXO_OK;
    for (uint32_t l = 0; l < desc->layer_count; l++)
        resizable[l] = true;
    resizable[group[desc->layer_count - 1]] = false;
    for (uint32_t l = 0; l < desc->layer_count; l++)
        if (!auxo__layer_makes_units(desc, l) && !keeps_channels(desc, l)) /* input, concat, flatten, grouped */
            resizable[group[l]] = false;
    for (uint32_t l = 0; l < desc->layer_count; l++) { /* grouped: its filters read fixed slices of its input */
        const auxo_layer *layer = &desc->layers[l];
        if (layer->kind == AUXO_LAYER_CONV2D && layer->groups > 1 && !auxo__layer_is_depthwise(desc, l))
            resizable[group[layer->inputs[0]]] = false;
    }
    for (uint32_t l = 0; l < desc->layer_count; l++)
        resizable[l] = resizable[group[l]];
    return AUXO_OK;
}
