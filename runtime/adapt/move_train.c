/* move_train.c: the moves that only train: every layer, a block of layers, a block of units of one layer.
 *
 * Blocks are the nodes of the multi-scale tree (Zhang et al. 2023). What a step on a block brings, beside one on the
 * whole network, is its share of the gradient's energy; what it costs are the forward pass, the data gradients above
 * it and its own weight gradients.
 */
#include "adapt_internal.h"

#include "auxo/multiscale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- every layer ------------------------------------------------------------------------------------------------- */

static auxo_status propose_train(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    auxo__proposal proposal = {.move = AUXO_ADAPT_TRAIN, .gain = 1, .cost = 1};
    (void)adapt;
    snprintf(proposal.why, sizeof proposal.why, "what the others are compared with");
    return auxo__proposals_add(proposals, &proposal, error);
}

static auxo_status apply_train(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    (void)adapt;
    (void)proposal;
    (void)error;
    return AUXO_OK; /* the cycle begins with every layer trained */
}

const auxo__move auxo__move_train = {propose_train, apply_train};

/* ---- a block of layers ------------------------------------------------------------------------------------------- */

static auxo_status make_tree(const auxo_sensitivities *found, auxo_tree **tree, auxo_error *error)
{
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
static void layer_range(const auxo_adapt *adapt, const auxo_tree_node *node, uint32_t *begin, uint32_t *end)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    *begin = found->layers[node->layer_begin].layer;
    *end = node->layer_end < found->layer_count ? found->layers[node->layer_end].layer
                                                : auxo_model_get_desc(adapt->model)->layer_count;
}

static double block_energy(const auxo_sensitivities *found, const auxo_tree_node *node)
{
    double energy = 0;
    for (uint32_t i = node->layer_begin; i < node->layer_end; i++)
        energy += found->layers[i].energy;
    return energy;
}

static auxo_status propose_block(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo_tree *tree = NULL;
    if (found->layer_count < 2 || !(found->energy > 0) || adapt->options.training.gradient_clip > 0)
        return AUXO_OK; /* there is no part of it; a common norm of gradients is of whole networks */
    auxo_status status = make_tree(found, &tree, error);
    const double all = auxo__training_work(desc, 0, desc->layer_count);
    for (uint32_t n = 1; status == AUXO_OK && n < tree->node_count; n++) {
        const auxo_tree_node *node = &tree->nodes[n];
        const double share = block_energy(found, node) / found->energy;
        auxo__proposal proposal = {.move = AUXO_ADAPT_BLOCK, .gain = share};
        layer_range(adapt, node, &proposal.layer, &proposal.layer_end);
        proposal.cost = auxo__training_work(desc, proposal.layer, proposal.layer_end) / all;
        const char *first = desc->layers[proposal.layer].name;
        const char *last = desc->layers[found->layers[node->layer_end - 1].layer].name;
        snprintf(proposal.where, sizeof proposal.where, "%.28s%s%.28s", first, first == last ? "" : "..",
                 first == last ? "" : last);
        snprintf(proposal.why, sizeof proposal.why, "%.0f %% of the gradient's energy for %.0f %% of the work",
                 100 * share, 100 * proposal.cost);
        status = auxo__proposals_add(proposals, &proposal, error);
    }
    auxo_tree_destroy(tree);
    return status;
}

static auxo_status train_range(auxo_adapt *adapt, uint32_t begin, uint32_t end, auxo_error *error)
{
    const uint32_t count = auxo_model_get_desc(adapt->model)->layer_count;
    bool *train = calloc(count, sizeof *train);
    if (!train)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "blocks of layers: out of memory");
    for (uint32_t l = begin; l < end; l++)
        train[l] = true;
    const auxo_status status = auxo_trainer_set_train_layers(adapt->trainer, train, error);
    free(train);
    return status;
}

static auxo_status apply_block(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    return train_range(adapt, proposal->layer, proposal->layer_end, error);
}

const auxo__move auxo__move_block = {propose_block, apply_block};

/* ---- a block of units -------------------------------------------------------------------------------------------- */

/* The two halves of every layer. They cost as much as their layer does, so that only draws ever take them. */
static auxo_status propose_units(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    const double all = auxo__training_work(desc, 0, desc->layer_count);
    auxo_status status = AUXO_OK;
    if (!(found->energy > 0) || adapt->options.training.gradient_clip > 0)
        return AUXO_OK;
    for (uint32_t i = 0; i < 2 * found->layer_count && status == AUXO_OK; i++) {
        const auxo_layer_sensitivity *layer = &found->layers[i / 2];
        const uint32_t middle = layer->units / 2;
        if (middle == 0)
            continue;
        auxo__proposal proposal = {.move = AUXO_ADAPT_UNITS,
                                   .layer = layer->layer,
                                   .unit_begin = i % 2 ? middle : 0,
                                   .unit_end = i % 2 ? layer->units : middle};
        double energy = 0;
        for (uint32_t u = proposal.unit_begin; u < proposal.unit_end; u++)
            energy += layer->unit_energy[u];
        proposal.gain = fmax(0, energy) / found->energy;
        proposal.cost = auxo__training_work(desc, layer->layer, layer->layer + 1) / all;
        snprintf(proposal.where, sizeof proposal.where, "%s[%u:%u]", desc->layers[layer->layer].name,
                 proposal.unit_begin, proposal.unit_end);
        snprintf(proposal.why, sizeof proposal.why, "%.0f %% of the gradient's energy for %.0f %% of the work",
                 100 * proposal.gain, 100 * proposal.cost);
        status = auxo__proposals_add(proposals, &proposal, error);
    }
    return status;
}

static auxo_status apply_units(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    auxo_status status = train_range(adapt, proposal->layer, proposal->layer + 1, error);
    if (status == AUXO_OK)
        status = auxo_trainer_set_train_units(adapt->trainer, proposal->layer, proposal->unit_begin, proposal->unit_end,
                                              error);
    return status;
}

const auxo__move auxo__move_units = {propose_units, apply_units};
