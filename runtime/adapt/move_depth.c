/* move_depth.c: the moves that change depth: a residual block in, that adds nothing yet; a block, or layers of a plain
 * network, out.
 *
 * Between images a block is x + BN(W2 relu(BN(W1 x))) with the last scale 0 (Goyal et al. 2017, "Accurate, large
 * minibatch SGD", sec. 5.1): unlike the form with relu at its end it then still has a gradient. Between vectors it is
 * x + W2 f(W1 x) with W2 = 0. A block that goes costs the loss that theta = 0 on its second layer adds.
 */
#include "adapt_internal.h"
#include "dense_block.h"
#include "model_internal.h"
#include "plain_run.h"

#include <stdio.h>
#include <stdlib.h>

static const float NEW_MAGNITUDE = 1e-2f; /* mean magnitude of a new convolution's weights; batch norm rescales it */

/* ---- in ---------------------------------------------------------------------------------------------------------- */

/* "grown<n>", as no layer of the model begins. */
static void block_name(const auxo_adapt *adapt, char name[24])
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    for (uint32_t n = adapt->controls.inserted + 1;; n++) {
        char first[32], dense[32];
        snprintf(name, 24, "grown%u", n);
        snprintf(first, sizeof first, "%s_conv1", name);
        snprintf(dense, sizeof dense, "%s_dense1", name);
        if (auxo_model_desc_find(desc, first) == UINT32_MAX && auxo_model_desc_find(desc, dense) == UINT32_MAX)
            return;
    }
}

/* Gradient energy per weight of the weight layer at or below `layer` in the list. */
static double energy_density(const auxo_adapt *adapt, uint32_t layer)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    double density = 0;
    for (uint32_t i = 0; i < found->layer_count && found->layers[i].layer <= layer; i++) {
        auxo_layer_cost cost;
        auxo_model_desc_layer_cost(desc, found->layers[i].layer, &cost);
        density = cost.weights > 0 ? found->layers[i].energy / (double)cost.weights : 0;
    }
    return density;
}

static auxo_status propose_place(auxo_adapt *adapt, uint32_t place, bool dense, auxo__proposals *proposals,
                                 auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo__proposal proposal = {.move = AUXO_ADAPT_INSERT, .layer = place};
    block_name(adapt, proposal.block);
    const auxo_status status = dense ? auxo__dense_block_insert(desc, place, proposal.block, &proposal.desc, error)
                                     : auxo_block_insert_open(desc, place, proposal.block, &proposal.desc, error);
    if (status != AUXO_OK)
        return status;
    const double total = adapt->measure.found.energy;
    const double added =
        (double)(auxo__model_desc_cost(&proposal.desc).weights - auxo_model_weight_count(adapt->model));
    const double share = total > 0 ? energy_density(adapt, place) * added / total : 0;
    proposal.gain = 1 + share;
    snprintf(proposal.where, sizeof proposal.where, "%s", desc->layers[place].name);
    snprintf(proposal.why, sizeof proposal.why, "%.0f weights add %.1f %% of gradient energy (as those before them)",
             added, 100 * share);
    return auxo__proposals_add(adapt, proposals, &proposal, error);
}

static auxo_status propose_insert(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    uint32_t *places = malloc(2 * desc->layer_count * sizeof *places);
    if (!places)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "places for blocks: out of memory");
    uint32_t count = auxo_block_places(desc, places, places + desc->layer_count);
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = propose_place(adapt, places[i], false, proposals, error);
    count = auxo__dense_block_places(desc, places);
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = propose_place(adapt, places[i], true, proposals, error);
    free(places);
    return status;
}

static auxo_status zero_param(auxo_adapt *adapt, const char *block, const char *what, auxo_error *error)
{
    char name[AUXO_LAYER_NAME_BYTES + 16];
    snprintf(name, sizeof name, "%s_%s", block, what);
    const auxo_param *param = auxo_model_find_param(adapt->model, name);
    if (!param)
        return AUXO_OK; /* of the other form of block */
    const auxo_tensor tensor = auxo_model_param_tensor(adapt->model, param);
    return auxo_buffer_zero(auxo_model_queue(adapt->model), tensor.buffer, tensor.offset_bytes,
                            (uint64_t)auxo_tensor_element_count(&tensor) * sizeof(float), error);
}

static auxo_status restructure(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    const auxo_carried_state state = auxo_optimizer_carried_state(auxo_trainer_optimizer(adapt->trainer));
    return auxo_model_restructure(adapt->model, &proposal->desc, adapt->options.seed + adapt->cycle, NEW_MAGNITUDE,
                                  &state, error);
}

/* Dense layers have no batch norm that would rescale them: theirs are drawn as at the start. */
static auxo_status draw_dense(auxo_adapt *adapt, const char *block, auxo_error *error)
{
    char name[AUXO_LAYER_NAME_BYTES + 16];
    snprintf(name, sizeof name, "%s_dense1.weight", block);
    const auxo_param *param = auxo_model_find_param(adapt->model, name);
    if (!param)
        return AUXO_OK;
    return auxo__dense_block_draw(adapt->model, param, adapt->options.seed + adapt->cycle, error);
}

static auxo_status apply_insert(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    static const char *const silenced[] = {"norm2.gamma", "norm2.beta", "dense2.weight", "dense2.bias"};
    auxo_status status = restructure(adapt, proposal, error);
    if (status == AUXO_OK)
        status = draw_dense(adapt, proposal->block, error);
    for (size_t i = 0; i < sizeof silenced / sizeof *silenced && status == AUXO_OK; i++)
        status = zero_param(adapt, proposal->block, silenced[i], error);
    adapt->controls.inserted++;
    return status;
}

const auxo__move auxo__move_insert = {propose_insert, auxo__cost_of_structure, apply_insert};

/* ---- out --------------------------------------------------------------------------------------------------------- */

static auxo_status propose_block_gone(auxo_adapt *adapt, const auxo_block *block, auxo__proposals *proposals,
                                      auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    const auxo_layer_sensitivity *second = auxo__adapt_layer(adapt, block->conv2);
    auxo__proposal proposal = {.move = AUXO_ADAPT_REMOVE, .layer = block->add, .gain = 1};
    const auxo_status status = auxo_block_remove(desc, block, &proposal.desc, error);
    if (status != AUXO_OK)
        return status;
    proposal.loss = second ? -second->first + 0.5 * second->second : 0;
    snprintf(proposal.where, sizeof proposal.where, "%s", desc->layers[block->add].name);
    snprintf(proposal.why, sizeof proposal.why, "without it %.3g is added to the loss", proposal.loss);
    return auxo__proposals_add(adapt, proposals, &proposal, error);
}

/* Layers of a node of the tree that lead from a shape to the same shape. What theta = 0 on each of them adds is what is
 * lost, as far as they work one by one; the verdict on the validation rows is of all. */
static auxo_status propose_run_gone(auxo_adapt *adapt, const auxo_tree_node *node, auxo__proposals *proposals,
                                    auxo_error *error)
{
    const auxo_sensitivities *found = &adapt->measure.found;
    auxo__proposal proposal = auxo__block_proposal(adapt, node);
    if (!auxo__plain_run_is(auxo_model_get_desc(adapt->model), proposal.layer, proposal.layer_end))
        return AUXO_OK;
    const auxo_status status = auxo__plain_run_remove(auxo_model_get_desc(adapt->model), proposal.layer,
                                                      proposal.layer_end, &proposal.desc, error);
    if (status != AUXO_OK)
        return status;
    for (uint32_t i = node->layer_begin; i < node->layer_end; i++)
        proposal.loss += -found->layers[i].first + 0.5 * found->layers[i].second;
    proposal.move = AUXO_ADAPT_REMOVE;
    proposal.plain_layers = true;
    proposal.gain = 1;
    snprintf(proposal.why, sizeof proposal.why, "without %u layers %.3g is added to the loss",
             node->layer_end - node->layer_begin, proposal.loss);
    return auxo__proposals_add(adapt, proposals, &proposal, error);
}

static auxo_status propose_runs_gone(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    auxo_tree *tree = NULL;
    auxo_status status = auxo__adapt_tree(adapt, &tree, error);
    for (uint32_t n = 0; status == AUXO_OK && n < tree->node_count; n++)
        status = propose_run_gone(adapt, &tree->nodes[n], proposals, error);
    auxo_tree_destroy(tree);
    return status;
}

static auxo_status propose_remove(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo_block *blocks = malloc(2 * desc->layer_count * sizeof *blocks);
    if (!blocks)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "blocks that may go: out of memory");
    uint32_t count = auxo_blocks_find(desc, blocks);
    count += auxo__dense_blocks_find(desc, blocks + count);
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = propose_block_gone(adapt, &blocks[i], proposals, error);
    free(blocks);
    return status == AUXO_OK ? propose_runs_gone(adapt, proposals, error) : status;
}

static auxo_status apply_remove(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    return restructure(adapt, proposal, error);
}

const auxo__move auxo__move_remove = {propose_remove, auxo__cost_of_structure, apply_remove};
