/* report_network.c: a network as boxes in a report.
 */
#include "run_report.h"

#include <stdlib.h>

enum { LONG_NETWORK = 24 };

static auxo_block_kind block_kind(auxo_layer_kind kind)
{
    switch (kind) {
    case AUXO_LAYER_INPUT:
        return AUXO_BLOCK_INPUT;
    case AUXO_LAYER_CONV2D:
        return AUXO_BLOCK_CONV;
    case AUXO_LAYER_DENSE:
        return AUXO_BLOCK_DENSE;
    case AUXO_LAYER_POOL2D:
    case AUXO_LAYER_GLOBAL_AVERAGE_POOL:
        return AUXO_BLOCK_POOL;
    default:
        return AUXO_BLOCK_OTHER;
    }
}

static bool is_minor(auxo_layer_kind kind)
{
    return kind == AUXO_LAYER_BATCH_NORM || kind == AUXO_LAYER_ACTIVATION || kind == AUXO_LAYER_DROPOUT ||
           kind == AUXO_LAYER_FLATTEN;
}

void auxo__report_network(auxo_report *report, const char *title, const auxo_model_desc *desc)
{
    auxo_architecture_block *blocks = calloc(desc->layer_count, sizeof *blocks);
    int32_t *drawn_as = calloc(desc->layer_count, sizeof *drawn_as); /* box of each layer, or of what it follows */
    size_t count = 0;
    for (uint32_t l = 0; blocks && drawn_as && l < desc->layer_count; l++) {
        const auxo_layer *layer = &desc->layers[l];
        if (desc->layer_count > LONG_NETWORK && is_minor(layer->kind)) {
            drawn_as[l] = drawn_as[layer->inputs[0]];
            continue;
        }
        drawn_as[l] = (int32_t)count;
        auxo_architecture_block *block = &blocks[count++];
        *block = (auxo_architecture_block){.name = layer->name,
                                           .kind = block_kind(layer->kind),
                                           .channels = layer->output_dims[0],
                                           .height = layer->output_dims[1],
                                           .width = layer->output_dims[2],
                                           .skip_from = -1};
        for (uint32_t i = 0; layer->kind == AUXO_LAYER_ADD && i < layer->input_count; i++)
            if (drawn_as[layer->inputs[i]] + 1 != drawn_as[l])
                block->skip_from = drawn_as[layer->inputs[i]];
    }
    if (blocks && drawn_as)
        auxo_report_architecture(report, title, blocks, count);
    free(blocks);
    free(drawn_as);
}
