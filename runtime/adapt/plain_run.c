/* plain_run.c: see plain_run.h.
 */
#include "plain_run.h"
#include "model_internal.h"

#include <stdlib.h>
#include <string.h>

static bool may_go(auxo_layer_kind kind)
{
    return kind == AUXO_LAYER_DENSE || kind == AUXO_LAYER_CONV2D || kind == AUXO_LAYER_BATCH_NORM ||
           kind == AUXO_LAYER_ACTIVATION || kind == AUXO_LAYER_DROPOUT;
}

/* Whether one layer reads `layer`, and what comes after it reads nothing before it. */
static bool is_only_way(const auxo_model_desc *desc, uint32_t layer)
{
    uint32_t reader = 0;
    for (uint32_t l = layer + 1; l < desc->layer_count; l++)
        for (uint32_t i = 0; i < desc->layers[l].input_count; i++)
            if (desc->layers[l].inputs[i] < layer)
                return false;
    return auxo__model_desc_readers(desc, layer, &reader) == 1;
}

bool auxo__plain_run_is(const auxo_model_desc *desc, uint32_t begin, uint32_t end)
{
    if (begin == 0 || begin >= end || end >= desc->layer_count || !is_only_way(desc, desc->layers[begin].inputs[0]))
        return false;
    for (uint32_t l = begin; l < end; l++) {
        const auxo_layer *layer = &desc->layers[l];
        uint32_t reader = 0;
        if (!may_go(layer->kind) || layer->input_count != 1 || (l > begin && layer->inputs[0] != l - 1) ||
            auxo__model_desc_readers(desc, l, &reader) != 1)
            return false;
    }
    const auxo_layer *before = &desc->layers[desc->layers[begin].inputs[0]], *last = &desc->layers[end - 1];
    return before->kind != AUXO_LAYER_INPUT && before->kind != AUXO_LAYER_FLATTEN &&
           memcmp(before->output_dims, last->output_dims, sizeof last->output_dims) == 0;
}

auxo_status auxo__plain_run_remove(const auxo_model_desc *desc, uint32_t begin, uint32_t end, auxo_model_desc *result,
                                   auxo_error *error)
{
    bool *gone = calloc(desc->layer_count, sizeof *gone);
    if (!gone)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "taking layers out: out of memory");
    for (uint32_t l = begin; l < end; l++)
        gone[l] = true;
    const auxo_status status = auxo__model_desc_without(desc, gone, desc->layers[begin].inputs[0], result, error);
    free(gone);
    return status;
}
