/* runtime/sizing/blocks.c: residual blocks in a description: where they may go in, which may come out, and doing it.
 *
 * Works on descriptions only; auxo_model_restructure carries the weights over by layer name. Names of layers therefore
 * never change here.
 */
#include "auxo/sizing.h"
#include "model_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_LAYERS = 5 };

/* Whether all that later layers read of the layers up to `layer` is `layer` itself. */
static bool is_cut(const auxo_model_desc *desc, uint32_t layer)
{
    for (uint32_t l = layer + 1; l < desc->layer_count; l++)
        for (uint32_t i = 0; i < desc->layers[l].input_count; i++)
            if (desc->layers[l].inputs[i] < layer)
                return false;
    return true;
}

static bool ends_image(auxo_layer_kind kind)
{
    return kind == AUXO_LAYER_FLATTEN || kind == AUXO_LAYER_GLOBAL_AVERAGE_POOL || kind == AUXO_LAYER_DENSE;
}

/* A convolution is not finished before its batch norm, nor either before the activation that follows. */
static bool is_finished(const auxo_model_desc *desc, uint32_t layer)
{
    uint32_t reader = 0;
    if (auxo__model_desc_readers(desc, layer, &reader) != 1)
        return true;
    auxo_layer_kind next = desc->layers[reader].kind;
    return next != AUXO_LAYER_BATCH_NORM && next != AUXO_LAYER_ACTIVATION && next != AUXO_LAYER_DROPOUT;
}

uint32_t auxo_block_places(const auxo_model_desc *desc, uint32_t *layers, uint32_t *stages)
{
    uint32_t count = 0, stage = 0;
    bool behind_convolution = false;
    for (uint32_t l = 0; l < desc->layer_count && !ends_image(desc->layers[l].kind); l++) {
        behind_convolution = behind_convolution || desc->layers[l].kind == AUXO_LAYER_CONV2D;
        if (!behind_convolution || !is_cut(desc, l) || !is_finished(desc, l))
            continue;
        const int64_t *dims = desc->layers[l].output_dims;
        if (count > 0) {
            const int64_t *last = desc->layers[layers[count - 1]].output_dims;
            stage += dims[1] != last[1] || dims[2] != last[2];
        }
        layers[count] = l;
        stages[count++] = stage;
    }
    return count;
}

/* Follows batch norms and activations down from `layer` while nothing else reads them; stops at a convolution. */
static bool find_convolution_below(const auxo_model_desc *desc, uint32_t layer, uint32_t *convolution)
{
    for (;;) {
        uint32_t reader;
        if (auxo__model_desc_readers(desc, layer, &reader) != 1)
            return false;
        const auxo_layer *of = &desc->layers[layer];
        if (of->kind == AUXO_LAYER_CONV2D) {
            *convolution = layer;
            return true;
        }
        if (of->kind != AUXO_LAYER_BATCH_NORM && of->kind != AUXO_LAYER_ACTIVATION && of->kind != AUXO_LAYER_DROPOUT)
            return false;
        layer = of->inputs[0];
    }
}

static bool match_block(const auxo_model_desc *desc, uint32_t add, uint32_t side, auxo_block *block)
{
    const auxo_layer *layer = &desc->layers[add];
    block->add = add;
    block->input = layer->inputs[1 - side];
    return find_convolution_below(desc, layer->inputs[side], &block->conv2) &&
           find_convolution_below(desc, desc->layers[block->conv2].inputs[0], &block->conv1) &&
           desc->layers[block->conv1].inputs[0] == block->input;
}

uint32_t auxo_blocks_find(const auxo_model_desc *desc, auxo_block *blocks)
{
    uint32_t count = 0;
    for (uint32_t l = 0; l < desc->layer_count; l++)
        if (desc->layers[l].kind == AUXO_LAYER_ADD && desc->layers[l].input_count == 2 &&
            (match_block(desc, l, 0, &blocks[count]) || match_block(desc, l, 1, &blocks[count])))
            count++;
    return count;
}

static void fill_block(const auxo_model_desc *desc, uint32_t layer, const char *name, auxo_layer *block)
{
    uint32_t filters = (uint32_t)desc->layers[layer].output_dims[0];
    const auxo_layer conv = {.kind = AUXO_LAYER_CONV2D,
                             .units = filters,
                             .kernel_h = 3,
                             .kernel_w = 3,
                             .stride_h = 1,
                             .stride_w = 1,
                             .pad_h = 1,
                             .pad_w = 1,
                             .dilation_h = 1,
                             .dilation_w = 1,
                             .groups = 1,
                             .initializer = AUXO_INITIALIZER_HE_NORMAL};
    const auxo_layer norm = {
        .kind = AUXO_LAYER_BATCH_NORM, .activation = AUXO_ACTIVATION_RELU, .epsilon = 1e-5f, .momentum = 0.1f};
    const auxo_layer add = {.kind = AUXO_LAYER_ADD};
    const auxo_layer parts[BLOCK_LAYERS] = {conv, norm, conv, norm, add};
    static const char *const suffixes[BLOCK_LAYERS] = {"conv1", "norm1", "conv2", "norm2", "add"};
    for (uint32_t i = 0; i < BLOCK_LAYERS; i++) {
        block[i] = parts[i];
        snprintf(block[i].name, sizeof block[i].name, "%.32s_%s", name, suffixes[i]);
        block[i].input_count = 1;
        block[i].inputs[0] = layer + i;
    }
    block[BLOCK_LAYERS - 1].input_count = 2;
    block[BLOCK_LAYERS - 1].inputs[1] = layer;
}

auxo_status auxo_block_insert(const auxo_model_desc *desc, uint32_t layer, const char *name, auxo_model_desc *result,
                              auxo_error *error)
{
    if (layer + 1 >= desc->layer_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no block can follow layer %u, the last of model %s", layer,
                              desc->name);
    auxo_layer block[BLOCK_LAYERS];
    fill_block(desc, layer, name, block);
    return auxo__model_desc_splice(desc, layer, block, BLOCK_LAYERS, result, error);
}

auxo_status auxo_block_insert_open(const auxo_model_desc *desc, uint32_t layer, const char *name,
                                   auxo_model_desc *result, auxo_error *error)
{
    auxo_status status = auxo_block_insert(desc, layer, name, result, error);
    if (status != AUXO_OK)
        return status;
    char last[40];
    snprintf(last, sizeof last, "%.32s_norm2", name);
    result->layers[auxo_model_desc_find(result, last)].activation = AUXO_ACTIVATION_IDENTITY;
    return AUXO_OK;
}

auxo_status auxo_block_remove(const auxo_model_desc *desc, const auxo_block *block, auxo_model_desc *result,
                              auxo_error *error)
{
    const auxo_layer *add = &desc->layers[block->add];
    bool *gone = calloc(desc->layer_count, sizeof *gone);
    if (!gone)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "removing a block: out of memory");
    gone[block->add] = true;
    for (uint32_t l = add->inputs[0] == block->input ? add->inputs[1] : add->inputs[0]; l != block->input;
         l = desc->layers[l].inputs[0])
        gone[l] = true;
    const auxo_status status = auxo__model_desc_without(desc, gone, block->input, result, error);
    free(gone);
    return status;
}
