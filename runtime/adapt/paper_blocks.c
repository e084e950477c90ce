/* paper_blocks.c: insert and remove by the rules of ResBuilder (J. Burghoff et al. 2023): a block at a random place of
 * a random stage, as it draws them for its n-th architecture, and out with blocks of which one convolution has become
 * small.
 *
 * The loop differs from ResBuilder's by nature: weights and optimiser go on, where ResBuilder trains each architecture
 * three times; no architecture is remembered as seen; and a block that gained much is not spared.
 */
#include "adapt_internal.h"
#include "block_rules.h"

#include <stdio.h>
#include <stdlib.h>

static const float NEW_MAGNITUDE = 1e-2f; /* mean magnitude of a new block's weights, as ResBuilder's new_scale */

/* ---- in ---------------------------------------------------------------------------------------------------------- */

static auxo_status propose_insert(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    const uint32_t number = adapt->controls.inserted + 1;
    uint32_t *places = malloc(2 * desc->layer_count * sizeof *places);
    if (!places)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "places for blocks: out of memory");
    uint32_t *stages = places + desc->layer_count;
    const uint32_t count = auxo_block_places(desc, places, stages);
    auxo_status status = AUXO_OK;
    if (count > 0) {
        const uint32_t drawn = auxo__block_draw_place(stages, count, adapt->options.seed, number, 0);
        auxo__proposal proposal = {.move = AUXO_ADAPT_INSERT, .layer = places[drawn], .gain = 1};
        snprintf(proposal.block, sizeof proposal.block, "block%u", number);
        snprintf(proposal.where, sizeof proposal.where, "%s", desc->layers[places[drawn]].name);
        snprintf(proposal.why, sizeof proposal.why, "drawn: stage %u", stages[drawn]);
        status = auxo_block_insert(desc, places[drawn], proposal.block, &proposal.desc, error);
        if (status == AUXO_OK)
            status = auxo__proposals_add(adapt, proposals, &proposal, error);
    }
    free(places);
    return status;
}

static auxo_status restructure(auxo_adapt *adapt, const auxo_model_desc *desc, uint64_t number, float new_magnitude,
                               auxo_error *error)
{
    const auxo_carried_state state = auxo_optimizer_carried_state(auxo_trainer_optimizer(adapt->trainer));
    return auxo_model_restructure(adapt->model, desc, adapt->options.seed + number, new_magnitude, &state, error);
}

static auxo_status apply_insert(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    const uint32_t number = ++adapt->controls.inserted;
    return restructure(adapt, &proposal->desc, number, NEW_MAGNITUDE, error);
}

const auxo__move auxo__paper_insert = {propose_insert, auxo__cost_of_structure, apply_insert};

/* ---- out --------------------------------------------------------------------------------------------------------- */

static auxo_status find_weak(auxo_adapt *adapt, auxo_block *weak, bool *found, double *sum, auxo_error *error)
{
    return auxo__block_find_weak(adapt->model, AUXO_BLOCK_SUM, adapt->options.threshold, weak, found, sum, error);
}

/* The first block that goes; more may follow it. */
static auxo_status propose_remove(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo__proposal proposal = {.move = AUXO_ADAPT_REMOVE, .gain = 1};
    auxo_block weak;
    bool found = false;
    double sum = 0;
    auxo_status status = find_weak(adapt, &weak, &found, &sum, error);
    if (status != AUXO_OK || !found)
        return status;
    proposal.layer = weak.add;
    snprintf(proposal.where, sizeof proposal.where, "%s", desc->layers[weak.add].name);
    snprintf(proposal.why, sizeof proposal.why, "sum |w| of a convolution is %.3g < %.3g", sum,
             adapt->options.threshold);
    status = auxo_block_remove(desc, &weak, &proposal.desc, error);
    return status == AUXO_OK ? auxo__proposals_add(adapt, proposals, &proposal, error) : status;
}

/* All of them, one at a time, lowest first. */
static auxo_status apply_remove(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    auxo_block weak;
    bool found = false;
    double sum = 0;
    auxo_status status = restructure(adapt, &proposal->desc, adapt->controls.inserted, 1, error);
    if (status == AUXO_OK)
        status = find_weak(adapt, &weak, &found, &sum, error);
    while (status == AUXO_OK && found) {
        auxo_model_desc smaller;
        status = auxo_block_remove(auxo_model_get_desc(adapt->model), &weak, &smaller, error);
        if (status != AUXO_OK)
            break;
        status = restructure(adapt, &smaller, adapt->controls.inserted, 1, error);
        auxo_model_desc_deinit(&smaller);
        if (status == AUXO_OK)
            status = find_weak(adapt, &weak, &found, &sum, error);
    }
    return status;
}

const auxo__move auxo__paper_remove = {propose_remove, auxo__cost_of_structure, apply_remove};
