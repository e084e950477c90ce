/* dense_block.c: see dense_block.h.
 */
#include "dense_block.h"
#include "adapt_internal.h"
#include "model_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_LAYERS = 3 };

static bool is_read_later(const auxo_model_desc *desc, uint32_t layer)
{
    return layer + 1 < desc->layer_count;
}

uint32_t auxo__dense_block_places(const auxo_model_desc *desc, uint32_t *places)
{
    uint32_t count = 0;
    for (uint32_t l = 1; l < desc->layer_count; l++) {
        const auxo_layer *layer = &desc->layers[l];
        if (layer->kind == AUXO_LAYER_DENSE && is_read_later(desc, l) && layer->activation != AUXO_ACTIVATION_IDENTITY)
            places[count++] = l;
    }
    return count;
}

auxo_status auxo__dense_block_insert(const auxo_model_desc *desc, uint32_t place, const char *name,
                                     auxo_model_desc *result, auxo_error *error)
{
    const auxo_layer *at = &desc->layers[place];
    auxo_layer block[BLOCK_LAYERS] = {
        {.kind = AUXO_LAYER_DENSE,
         .units = at->units,
         .bias = at->bias,
         .activation = at->activation,
         .slope = at->slope,
         .initializer = at->initializer,
         .input_count = 1,
         .inputs = {place}},
        {.kind = AUXO_LAYER_DENSE,
         .units = at->units,
         .bias = at->bias,
         .initializer = at->initializer,
         .input_count = 1,
         .inputs = {place + 1}},
        {.kind = AUXO_LAYER_ADD, .input_count = 2, .inputs = {place + 2, place}},
    };
    static const char *const suffixes[BLOCK_LAYERS] = {"dense1", "dense2", "add"};
    for (uint32_t i = 0; i < BLOCK_LAYERS; i++)
        snprintf(block[i].name, sizeof block[i].name, "%.32s_%s", name, suffixes[i]);
    return auxo__model_desc_splice(desc, place, block, BLOCK_LAYERS, result, error);
}

static bool match(const auxo_model_desc *desc, uint32_t add, uint32_t side, auxo_block *block)
{
    const auxo_layer *layers = desc->layers;
    const uint32_t second = layers[add].inputs[side], input = layers[add].inputs[1 - side];
    if (layers[second].kind != AUXO_LAYER_DENSE)
        return false;
    const uint32_t first = layers[second].inputs[0];
    if (layers[first].kind != AUXO_LAYER_DENSE || layers[first].inputs[0] != input)
        return false;
    *block = (auxo_block){.input = input, .conv1 = first, .conv2 = second, .add = add};
    return true;
}

uint32_t auxo__dense_blocks_find(const auxo_model_desc *desc, auxo_block *blocks)
{
    uint32_t count = 0;
    for (uint32_t l = 0; l < desc->layer_count; l++)
        if (desc->layers[l].kind == AUXO_LAYER_ADD && desc->layers[l].input_count == 2 &&
            (match(desc, l, 0, &blocks[count]) || match(desc, l, 1, &blocks[count])))
            count++;
    return count;
}

auxo_status auxo__dense_block_draw(auxo_model *model, const auxo_param *param, uint64_t seed, auxo_error *error)
{
    const auxo_tensor tensor = auxo_model_param_tensor(model, param);
    const uint64_t count = (uint64_t)auxo_tensor_element_count(&tensor);
    float *values = malloc((count + 1) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "weights of an inserted block: out of memory");
    auxo__initialize_param(auxo_model_get_desc(model), param, 1.0f, seed, values);
    const auxo_status status = auxo__param_write(model, param, values, error);
    free(values);
    return status;
}
