/* layer_blocks.c: the blocks of layers that can be trained alone: nodes of the multi-scale tree over the measured
 * layers.
 */
#include "adapt_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

auxo_status auxo__adapt_tree(const auxo_adapt *adapt, auxo_tree **tree, auxo_error *error)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    uint32_t *units = malloc((found->layer_count + 1) * sizeof *units);
    if (!units)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "blocks of layers: out of memory");
    for (uint32_t i = 0; i < found->layer_count; i++)
        units[i] = found->layers[i].units;
    const auxo_status status = auxo_tree_create(found->layer_count, units, false, 0, tree, error);
    free(units);
    return status;
}

/* From the first weight layer of a node to the next weight layer after it: batch norms between them belong to it. */
auxo__proposal auxo__block_proposal(const auxo_adapt *adapt, const auxo_tree_node *node)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo__proposal proposal = {.move = AUXO_ADAPT_BLOCK, .layer = found->layers[node->layer_begin].layer};
    proposal.layer_end =
        node->layer_end < found->layer_count ? found->layers[node->layer_end].layer : desc->layer_count;
    const char *first = desc->layers[proposal.layer].name;
    const char *last = desc->layers[found->layers[node->layer_end - 1].layer].name;
    snprintf(proposal.where, sizeof proposal.where, "%.28s%s%.28s", first, first == last ? "" : "..",
             first == last ? "" : last);
    return proposal;
}

/* Bytes that the outputs of the frozen layers may take in a cycle. */
static auxo_status prefix_limit(auxo_adapt *adapt, uint64_t *limit, auxo_error *error)
{
    const double budget = adapt->options.budget.memory_bytes;
    double most = adapt->options.cycle_epochs > 1 ? adapt->options.prefix_bytes : 0; /* else each row is seen once */
    auxo_status status = AUXO_OK;
    if (budget > 0 && most > 0) {
        uint64_t used = 0;
        status = auxo__adapt_memory(adapt, &used, error);
        most = fmin(most, budget - (double)used);
    }
    *limit = most > 0 ? (uint64_t)most : 0;
    return status;
}

auxo_status auxo__adapt_train_range(auxo_adapt *adapt, uint32_t begin, uint32_t end, auxo_error *error)
{
    const uint32_t count = auxo_model_get_desc(adapt->model)->layer_count;
    bool *train = calloc(count, sizeof *train);
    if (!train)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "blocks of layers: out of memory");
    for (uint32_t l = begin; l < end; l++)
        train[l] = true;
    uint64_t limit = 0;
    auxo_status status = prefix_limit(adapt, &limit, error);
    if (status == AUXO_OK) {
        auxo_trainer_keep_prefix(adapt->trainer, limit);
        status = auxo_trainer_set_train_layers(adapt->trainer, train, error);
    }
    free(train);
    return status;
}
