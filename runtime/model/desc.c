/* desc.c: model descriptions as plain data: appending, copying, and the checks that do not concern shapes.
 *
 * Invariants after auxo_model_desc_finish: layer 0 and only layer 0 is the input; every layer reads earlier layers
 * only; every layer but the last is read; names are unique; output_dims are set. Shapes themselves: desc_shapes.c.
 */
#include "model_internal.h"
#include "name_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void auxo_model_desc_init(auxo_model_desc *desc)
{
    memset(desc, 0, sizeof *desc);
}

void auxo_model_desc_deinit(auxo_model_desc *desc)
{
    if (!desc)
        return;
    free(desc->layers);
    memset(desc, 0, sizeof *desc);
}

auxo_status auxo_model_desc_copy(const auxo_model_desc *source, auxo_model_desc *target, auxo_error *error)
{
    auxo_model_desc copy = *source;
    copy.layer_capacity = source->layer_count;
    copy.layers = malloc((source->layer_count + 1) * sizeof *copy.layers);
    if (!copy.layers)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory copying a model of %u layers",
                              source->layer_count);
    if (source->layer_count > 0)
        memcpy(copy.layers, source->layers, source->layer_count * sizeof *copy.layers);
    *target = copy;
    return AUXO_OK;
}

static float default_slope(auxo_activation activation)
{
    switch (activation) {
    case AUXO_ACTIVATION_LEAKY_RELU:
        return 0.01f;
    case AUXO_ACTIVATION_ELU:
        return 1.0f;
    default:
        return 0.0f;
    }
}

static void fill_in_defaults(auxo_layer *layer, uint32_t index)
{
    int32_t *ones[] = {&layer->groups, &layer->stride_h, &layer->stride_w, &layer->dilation_h, &layer->dilation_w};
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        if (*ones[i] == 0)
            *ones[i] = 1;
    if (layer->epsilon == 0.0f)
        layer->epsilon = 1e-5f;
    if (layer->momentum == 0.0f)
        layer->momentum = 0.1f;
    if (layer->slope == 0.0f)
        layer->slope = default_slope(layer->activation);
    if (layer->name[0] == 0)
        snprintf(layer->name, sizeof layer->name, "%s%u", auxo_layer_noun(layer->kind), index);
}

auxo_status auxo__model_desc_append(auxo_model_desc *desc, const auxo_layer *layer, uint32_t *index, auxo_error *error)
{
    if (desc->layer_count == desc->layer_capacity) {
        uint32_t capacity = desc->layer_capacity ? 2 * desc->layer_capacity : 16;
        auxo_layer *layers = realloc(desc->layers, capacity * sizeof *layers);
        if (!layers)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %u layers", capacity);
        desc->layers = layers;
        desc->layer_capacity = capacity;
    }
    desc->layers[desc->layer_count] = *layer;
    if (index)
        *index = desc->layer_count;
    desc->layer_count++;
    return AUXO_OK;
}

auxo_status auxo_model_desc_add(auxo_model_desc *desc, const auxo_layer *layer, uint32_t *index, auxo_error *error)
{
    auxo_layer complete = *layer;
    fill_in_defaults(&complete, desc->layer_count);
    return auxo__model_desc_append(desc, &complete, index, error);
}

uint32_t auxo_model_desc_find(const auxo_model_desc *desc, const char *name)
{
    for (uint32_t i = 0; i < desc->layer_count; i++)
        if (strcmp(desc->layers[i].name, name) == 0)
            return i;
    return UINT32_MAX;
}

static auxo_status no_memory(const auxo_model_desc *desc, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory checking a model of %u layers", desc->layer_count);
}

static auxo_status check_name(const auxo_model_desc *desc, uint32_t index, auxo__name_index *names, auxo_error *error)
{
    const char *name = desc->layers[index].name;
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
    if (length == 0 || name[length] != 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "layer %u: the name \"%s\" has characters other than letters, digits, '_' and '.'", index,
                              name);
    if (auxo__name_index_find(names, desc, name) != UINT32_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "two layers are called \"%s\"; names must be unique", name);
    return auxo__name_index_add(names, desc, index) ? AUXO_OK : no_memory(desc, error);
}

static auxo_status check_inputs(const auxo_model_desc *desc, uint32_t index, auxo_error *error)
{
    const auxo_layer *layer = &desc->layers[index];
    if ((layer->kind == AUXO_LAYER_INPUT) != (index == 0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\": the first layer, and no other, is the input",
                              layer->name);
    uint32_t least = 1, most = 1;
    if (layer->kind == AUXO_LAYER_INPUT)
        least = most = 0;
    else if (layer->kind == AUXO_LAYER_ADD || layer->kind == AUXO_LAYER_CONCAT)
        least = 2, most = AUXO_LAYER_INPUTS_MAX;
    if (layer->input_count < least || layer->input_count > most)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\" (%s) reads %u layers, but must read %u to %u",
                              layer->name, auxo_layer_noun(layer->kind), layer->input_count, least, most);
    for (uint32_t i = 0; i < layer->input_count; i++)
        if (layer->inputs[i] >= index)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "layer \"%s\" (number %u) reads layer %u, but only earlier layers can be read",
                                  layer->name, index, layer->inputs[i]);
    return AUXO_OK;
}

static auxo_status check_all_read(const auxo_model_desc *desc, auxo_error *error)
{
    bool *read = calloc(desc->layer_count, sizeof *read);
    if (!read)
        return no_memory(desc, error);
    for (uint32_t j = 0; j < desc->layer_count; j++)
        for (uint32_t k = 0; k < desc->layers[j].input_count; k++)
            read[desc->layers[j].inputs[k]] = true;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i + 1 < desc->layer_count && status == AUXO_OK; i++)
        if (!read[i])
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                    "no layer reads \"%s\"; the last layer is the output, all others must be read",
                                    desc->layers[i].name);
    free(read);
    return status;
}

auxo_status auxo_model_desc_finish(auxo_model_desc *desc, auxo_error *error)
{
    if (desc->layer_count < 2)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "a model needs an input and at least one more layer");
    auxo__name_index names = {0};
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; status == AUXO_OK && i < desc->layer_count; i++) {
        status = check_name(desc, i, &names, error);
        if (status == AUXO_OK)
            status = check_inputs(desc, i, error);
        if (status == AUXO_OK)
            status = auxo__infer_layer(desc, i, error);
    }
    auxo__name_index_deinit(&names);
    if (status == AUXO_OK)
        status = check_all_read(desc, error);
    return status;
}

uint32_t auxo__model_desc_cut(const auxo_model_desc *desc, uint32_t layer, uint64_t row_bytes_max)
{
    uint32_t lowest = desc->layer_count; /* lowest input of the layers after the candidate */
    for (uint32_t i = desc->layer_count; i-- > 1;) {
        const uint64_t row_bytes = (uint64_t)auxo__layer_size(&desc->layers[i]) * sizeof(float);
        if (i < layer && lowest >= i && row_bytes <= row_bytes_max)
            return i;
        for (uint32_t k = 0; k < desc->layers[i].input_count; k++)
            if (desc->layers[i].inputs[k] < lowest)
                lowest = desc->layers[i].inputs[k];
    }
    return 0;
}

uint32_t auxo__model_desc_readers(const auxo_model_desc *desc, uint32_t layer, uint32_t *reader)
{
    uint32_t count = 0;
    for (uint32_t l = layer + 1; l < desc->layer_count; l++)
        for (uint32_t i = 0; i < desc->layers[l].input_count; i++)
            if (desc->layers[l].inputs[i] == layer) {
                count++;
                *reader = l;
            }
    return count;
}

auxo_status auxo__model_desc_splice(const auxo_model_desc *desc, uint32_t place, const auxo_layer *layers,
                                    uint32_t count, auxo_model_desc *result, auxo_error *error)
{
    auxo_model_desc_init(result);
    snprintf(result->name, sizeof result->name, "%s", desc->name);
    auxo_status status = AUXO_OK;
    for (uint32_t l = 0; l <= place && status == AUXO_OK; l++)
        status = auxo__model_desc_append(result, &desc->layers[l], NULL, error);
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_model_desc_add(result, &layers[i], NULL, error);
    for (uint32_t l = place + 1; l < desc->layer_count && status == AUXO_OK; l++) {
        auxo_layer moved = desc->layers[l];
        for (uint32_t i = 0; i < moved.input_count; i++)
            moved.inputs[i] += moved.inputs[i] >= place ? count : 0;
        status = auxo__model_desc_append(result, &moved, NULL, error);
    }
    if (status == AUXO_OK)
        status = auxo_model_desc_finish(result, error);
    if (status != AUXO_OK)
        auxo_model_desc_deinit(result);
    return status;
}

auxo_status auxo__model_desc_without(const auxo_model_desc *desc, const bool *gone, uint32_t input,
                                     auxo_model_desc *result, auxo_error *error)
{
    uint32_t *moved_to = malloc((desc->layer_count + 1) * sizeof *moved_to);
    auxo_model_desc_init(result);
    snprintf(result->name, sizeof result->name, "%s", desc->name);
    auxo_status status =
        moved_to ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "taking layers out: out of memory");
    for (uint32_t l = 0; l < desc->layer_count && status == AUXO_OK; l++) {
        moved_to[l] = gone[l] ? moved_to[input] : result->layer_count;
        if (gone[l])
            continue;
        auxo_layer layer = desc->layers[l];
        for (uint32_t i = 0; i < layer.input_count; i++)
            layer.inputs[i] = moved_to[layer.inputs[i]];
        status = auxo__model_desc_append(result, &layer, NULL, error);
    }
    free(moved_to);
    if (status == AUXO_OK)
        status = auxo_model_desc_finish(result, error);
    if (status != AUXO_OK)
        auxo_model_desc_deinit(result);
    return status;
}
