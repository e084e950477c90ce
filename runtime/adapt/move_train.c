/* move_train.c: the moves that only train: every layer, a block of layers, a block of units of one layer.
 *
 * Blocks are the nodes of the multi-scale tree (Zhang et al. 2023). What a step on a block brings, beside one on the
 * whole network, is its share of the gradient's energy; what it costs are the forward pass, the data gradients above
 * it and its own weight gradients.
 */
#include "adapt_internal.h"

#include <math.h>
#include <stdio.h>

/* ---- every layer ------------------------------------------------------------------------------------------------- */

static auxo_status propose_train(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    auxo__proposal proposal = {.move = AUXO_ADAPT_TRAIN, .gain = 1};
    snprintf(proposal.why, sizeof proposal.why, "what the others are compared with");
    return auxo__proposals_add(adapt, proposals, &proposal, error);
}

static auxo_status apply_train(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    (void)adapt;
    (void)proposal;
    (void)error;
    return AUXO_OK; /* the cycle begins with every layer trained */
}

const auxo__move auxo__move_train = {propose_train, auxo__cost_plain, apply_train};

/* ---- a block of layers ------------------------------------------------------------------------------------------- */

/* Of the gradient's energy; where none rises above the sample's noise, of the layers. */
static double block_share(const auxo_sensitivities *found, const auxo_tree_node *node)
{
    if (!(found->energy > 0))
        return (double)(node->layer_end - node->layer_begin) / found->layer_count;
    double energy = 0;
    for (uint32_t i = node->layer_begin; i < node->layer_end; i++)
        energy += found->layers[i].energy;
    return energy / found->energy;
}

static auxo_status propose_block(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    auxo_tree *tree = NULL;
    if (found->layer_count < 2 || adapt->options.training.gradient_clip > 0)
        return AUXO_OK; /* there is no part of it; a common norm of gradients is of whole networks */
    auxo_status status = auxo__adapt_tree(adapt, &tree, error);
    for (uint32_t n = 1; status == AUXO_OK && n < tree->node_count; n++) {
        auxo__proposal proposal = auxo__block_proposal(adapt, &tree->nodes[n]);
        proposal.gain = block_share(found, &tree->nodes[n]);
        snprintf(proposal.why, sizeof proposal.why, "%.0f %% of the gradient's energy", 100 * proposal.gain);
        status = auxo__proposals_add(adapt, proposals, &proposal, error);
    }
    auxo_tree_destroy(tree);
    return status;
}

static auxo_status apply_block(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    return auxo__adapt_train_range(adapt, proposal->layer, proposal->layer_end, error);
}

const auxo__move auxo__move_block = {propose_block, auxo__cost_of_range, apply_block};

/* ---- a block of units -------------------------------------------------------------------------------------------- */

/* The two halves of every layer. They cost as much as their layer does, so that only draws ever take them. */
static auxo_status propose_units(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo_status status = AUXO_OK;
    if (adapt->options.training.gradient_clip > 0)
        return AUXO_OK;
    for (uint32_t i = 0; i < 2 * found->layer_count && status == AUXO_OK; i++) {
        const auxo_layer_sensitivity *layer = &found->layers[i / 2];
        const uint32_t middle = layer->units / 2;
        if (middle == 0)
            continue;
        auxo__proposal proposal = {.move = AUXO_ADAPT_UNITS,
                                   .layer = layer->layer,
                                   .layer_end = layer->layer + 1,
                                   .unit_begin = i % 2 ? middle : 0,
                                   .unit_end = i % 2 ? layer->units : middle};
        double energy = 0;
        for (uint32_t u = proposal.unit_begin; u < proposal.unit_end; u++)
            energy += layer->unit_energy[u];
        proposal.gain = found->energy > 0 ? fmax(0, energy) / found->energy : 0.5 / found->layer_count;
        snprintf(proposal.where, sizeof proposal.where, "%.39s[%u:%u]", desc->layers[layer->layer].name,
                 proposal.unit_begin, proposal.unit_end);
        snprintf(proposal.why, sizeof proposal.why, "%.0f %% of the gradient's energy", 100 * proposal.gain);
        status = auxo__proposals_add(adapt, proposals, &proposal, error);
    }
    return status;
}

static auxo_status apply_units(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    auxo_status status = auxo__adapt_train_range(adapt, proposal->layer, proposal->layer_end, error);
    if (status == AUXO_OK)
        status = auxo_trainer_set_train_units(adapt->trainer, proposal->layer, proposal->unit_begin, proposal->unit_end,
                                              error);
    return status;
}

const auxo__move auxo__move_units = {propose_units, auxo__cost_of_range, apply_units};
