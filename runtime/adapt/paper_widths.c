/* paper_widths.c: widen and narrow by the rules of dynamic auto-sizing (V. Cahlik 2022, Algorithm 2): every hidden
 * layer at once grows by new units near zero, and loses the units whose incoming weights and bias stay below a
 * threshold.
 *
 * Both are done by auxo_autosize_grow and auxo_autosize_prune themselves, with the same seed. Unlike the controller's
 * own widening they do not keep the function to the bit: outgoing weights are drawn near zero, too.
 */
#include "adapt_internal.h"

#include <stdio.h>

static auxo_status open_sizing(const auxo_adapt *adapt, auxo_autosize **sizing, auxo_error *error)
{
    auxo_autosize_options options;
    auxo_autosize_options_init(&options);
    options.strength = 0; /* the penalty is the controller's */
    options.growth_minimum = adapt->options.growth_minimum;
    options.growth_fraction = adapt->options.growth_fraction;
    options.threshold = adapt->options.threshold;
    options.seed = adapt->options.seed;
    return auxo_autosize_create(adapt->model, &options, sizing, error);
}

/* What it has done, into the controller's log. */
static auxo_status take_log(auxo_adapt *adapt, const auxo_autosize *sizing, auxo_error *error)
{
    const auxo_edit_log *log = auxo_autosize_log(sizing);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < log->count && status == AUXO_OK; i++)
        status = auxo_edit_log_add(&adapt->log, &log->edits[i], error);
    return status;
}

typedef auxo_status sizing_edit(auxo_autosize *sizing, auxo_trainer *trainer, uint32_t *changed, auxo_error *error);

static auxo_status apply(auxo_adapt *adapt, sizing_edit *edit, auxo_error *error)
{
    auxo_autosize *sizing = NULL;
    uint32_t changed = 0;
    auxo_status status = open_sizing(adapt, &sizing, error);
    if (status == AUXO_OK)
        status = edit(sizing, adapt->trainer, &changed, error);
    if (status == AUXO_OK)
        status = take_log(adapt, sizing, error);
    auxo_autosize_destroy(sizing);
    return status;
}

/* ---- wider ------------------------------------------------------------------------------------------------------- */

/* The structure with all hidden layers grown, their new units and the gradient energy of as many mean units. */
static auxo_status grow_all(auxo_adapt *adapt, const auxo_autosize *sizing, auxo__proposal *proposal, double *energy,
                            auxo_error *error)
{
    const auxo__structure *structure = NULL;
    auxo_status status = auxo__adapt_structure(adapt, &structure, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_copy(auxo_model_get_desc(adapt->model), &proposal->desc, error);
    for (uint32_t i = 0; i < auxo_autosize_layer_count(sizing) && status == AUXO_OK; i++) {
        const uint32_t layer = auxo_autosize_layer(sizing, i), units = auxo_autosize_units(sizing, i);
        const uint32_t added = auxo_autosize_growth(sizing, i);
        const auxo_layer_sensitivity *measured = auxo__adapt_layer(adapt, layer);
        auxo_model_desc wider;
        status = auxo__with_units(&proposal->desc, structure, layer, units + added, &wider, error);
        if (status != AUXO_OK)
            break;
        auxo_model_desc_deinit(&proposal->desc);
        proposal->desc = wider;
        proposal->added += added;
        *energy += measured && units > 0 ? measured->energy / units * added : 0;
    }
    if (status != AUXO_OK)
        auxo_model_desc_deinit(&proposal->desc);
    return status;
}

static auxo_status propose_widen(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    auxo__proposal proposal = {.move = AUXO_ADAPT_WIDEN, .where = "all"};
    auxo_autosize *sizing = NULL;
    double energy = 0;
    auxo_status status = open_sizing(adapt, &sizing, error);
    if (status == AUXO_OK)
        status = grow_all(adapt, sizing, &proposal, &energy, error);
    auxo_autosize_destroy(sizing);
    if (status != AUXO_OK)
        return status;
    const double all = adapt->measure.found.energy;
    proposal.gain = 1 + (all > 0 ? energy / all : 0);
    snprintf(proposal.why, sizeof proposal.why, "%u units near zero in all hidden layers", proposal.added);
    return auxo__proposals_add(adapt, proposals, &proposal, error);
}

static auxo_status apply_widen(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    (void)proposal;
    return apply(adapt, auxo_autosize_grow, error);
}

const auxo__move auxo__paper_widen = {propose_widen, auxo__cost_of_structure, apply_widen};

/* ---- narrower ---------------------------------------------------------------------------------------------------- */

/* Units below the threshold as measured; pruning itself goes from front to back and may find more. */
static uint32_t count_weak(const auxo_adapt *adapt, const auxo_autosize *sizing)
{
    uint32_t weak = 0;
    for (uint32_t i = 0; i < auxo_autosize_layer_count(sizing); i++) {
        const auxo_layer_sensitivity *layer = auxo__adapt_layer(adapt, auxo_autosize_layer(sizing, i));
        for (uint32_t u = 0; layer && u < layer->units; u++)
            weak += layer->unit_norm[u] < adapt->options.threshold;
    }
    return weak;
}

/* Where every move has its turn, the weights are newer than the measurement: they are looked at when it is done. */
static auxo_status propose_narrow(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    auxo__proposal proposal = {.move = AUXO_ADAPT_NARROW, .where = "all", .gain = 1};
    auxo_autosize *sizing = NULL;
    auxo_status status = open_sizing(adapt, &sizing, error);
    const uint32_t weak = status == AUXO_OK ? count_weak(adapt, sizing) : 0;
    auxo_autosize_destroy(sizing);
    if (status != AUXO_OK || (weak == 0 && adapt->options.decide == AUXO_ADAPT_DECIDE_BEST))
        return status;
    snprintf(proposal.why, sizeof proposal.why, "units whose weights stay below %.3g", adapt->options.threshold);
    return auxo__proposals_add(adapt, proposals, &proposal, error);
}

static auxo_status apply_narrow(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    (void)proposal;
    return apply(adapt, auxo_autosize_prune, error);
}

const auxo__move auxo__paper_narrow = {propose_narrow, auxo__cost_of_structure, apply_narrow};
