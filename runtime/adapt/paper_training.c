/* paper_training.c: the block that hierarchical multi-scale training would select (Zhang et al. 2023): a walk down the
 * tree of layers, left or right with the probabilities of |dL/dtheta| of the two halves, by the same draws.
 *
 * Where the measured rows are all rows, so is the selection the same; on a sample its values are estimates.
 */
#include "adapt_internal.h"
#include "multiscale_internal.h"

#include <stdio.h>
#include <stdlib.h>

static double draw(void *user, uint32_t k)
{
    const auxo_adapt *adapt = user;
    return auxo__selection_draw(adapt->options.seed, adapt->cycle - 1, k);
}

/* dL/dtheta of every node: that of its layers. */
static void fill_values(const auxo_tree *tree, const auxo_sensitivities *found, double *values)
{
    for (uint32_t n = 0; n < tree->node_count; n++) {
        values[n] = 0;
        for (uint32_t i = tree->nodes[n].layer_begin; i < tree->nodes[n].layer_end; i++)
            values[n] += found->layers[i].first;
    }
}

static auxo_status propose_block(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    auxo_tree *tree = NULL;
    if (adapt->options.training.gradient_clip > 0)
        return AUXO_OK; /* a common norm of gradients is of whole networks */
    auxo_status status = auxo__adapt_tree(adapt, &tree, error);
    double *values = status == AUXO_OK ? malloc(tree->node_count * sizeof *values) : NULL;
    if (status == AUXO_OK && !values)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "blocks of layers: out of memory");
    if (status == AUXO_OK) {
        fill_values(tree, found, values);
        const uint32_t chosen = auxo_tree_select(tree, values, false, draw, adapt);
        auxo__proposal proposal = auxo__block_proposal(adapt, &tree->nodes[chosen]);
        double energy = 0;
        for (uint32_t i = tree->nodes[chosen].layer_begin; i < tree->nodes[chosen].layer_end; i++)
            energy += found->layers[i].energy;
        proposal.gain = found->energy > 0 ? energy / found->energy : 0;
        snprintf(proposal.why, sizeof proposal.why, "drawn by the walk: dL/dtheta %.3g, of the network %.3g",
                 values[chosen], values[0]);
        status = auxo__proposals_add(adapt, proposals, &proposal, error);
    }
    free(values);
    auxo_tree_destroy(tree);
    return status;
}

static auxo_status apply_block(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    return auxo__adapt_train_range(adapt, proposal->layer, proposal->layer_end, error);
}

const auxo__move auxo__paper_block = {propose_block, auxo__cost_of_range, apply_block};
