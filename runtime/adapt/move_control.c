/* move_control.c: the moves that change how is trained: the penalty's strength, and the brake.
 *
 * The penalty is the weighted l1 of dynamic auto-sizing (Cahlik 2022, eq. 4.2) on every hidden layer that can change
 * its width. The brake multiplies a port-Hamiltonian optimiser's friction (Burghoff et al. 2023) and divides any
 * other's learning rate; released, it takes that back.
 */
#include "adapt_internal.h"

#include <math.h>
#include <stdio.h>

static const double FIRST_STRENGTH = 1e-6; /* of a penalty that was off */
static const double CONTROL_GAIN = 1.1;    /* what a control that is called for counts, 1 = plain training */

/* ---- penalty ----------------------------------------------------------------------------------------------------- */

static void add_layer_penalty(const auxo_adapt *adapt, auxo_model *model, uint32_t layer, auxo_plan *plan)
{
    const int64_t units = auxo_model_get_desc(model)->layers[layer].units;
    const auxo_param *params = auxo_model_params(model);
    auxo_op op = {.kind = AUXO_OP_PENALTY,
                  .params.penalty = {AUXO_PENALTY_WEIGHTED_L1, false, (float)adapt->controls.penalty_strength}};
    for (size_t i = 0; i < auxo_model_param_count(model); i++) {
        if (params[i].layer != layer)
            continue;
        const auxo_tensor value = auxo_model_param_tensor(model, &params[i]);
        const auxo_tensor gradient = auxo_model_gradient_tensor(model, &params[i]);
        if (params[i].role == AUXO_PARAM_WEIGHT) {
            const int64_t rows[2] = {units, auxo_tensor_element_count(&value) / units};
            op.tensors[AUXO_PENALTY_W] = auxo_tensor_reshape(value, 2, rows);
            op.tensors[AUXO_PENALTY_DW] = auxo_tensor_reshape(gradient, 2, rows);
        } else if (params[i].role == AUXO_PARAM_BIAS) {
            op.tensors[AUXO_PENALTY_BIAS] = value;
            op.tensors[AUXO_PENALTY_DBIAS] = gradient;
        }
    }
    auxo_plan_add(plan, &op, "penalty");
}

void auxo__adapt_before_step(void *user, auxo_model *model, auxo_optimizer *optimizer, auxo_plan *plan)
{
    const auxo_adapt *adapt = user;
    auxo__structure structure;
    auxo_error error;
    (void)optimizer;
    if (!(adapt->controls.penalty_strength > 0))
        return;
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const auxo_status status = auxo__structure_init(desc, &structure, &error);
    if (status != AUXO_OK) {
        auxo_plan_fail(plan, status, "penalty: %s", error.message);
        return;
    }
    for (uint32_t l = 0; l < desc->layer_count; l++)
        if (structure.resizable[l] && auxo__in_group(desc, &structure, l, structure.groups[l]))
            add_layer_penalty(adapt, model, l, plan);
    auxo__structure_deinit(&structure);
}

static auxo_status propose_penalty(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    const bool overfits = adapt->plain_validation_gain < 0 && adapt->plain_gain > 0;
    auxo__proposal proposal = {.move = AUXO_ADAPT_PENALTY, .gain = CONTROL_GAIN};
    if (overfits)
        proposal.factor = adapt->controls.penalty_strength > 0 ? 2 : 0;
    else if (adapt->controls.penalty_strength > 0 && !(adapt->plain_gain > 0))
        proposal.factor = 0.5;
    else
        return AUXO_OK;
    const double strength = proposal.factor > 0 ? adapt->controls.penalty_strength * proposal.factor : FIRST_STRENGTH;
    snprintf(proposal.why, sizeof proposal.why, "strength %.3g: %s", strength,
             overfits ? "the validation loss rises while the training loss falls" : "the training loss does not fall");
    return auxo__proposals_add(adapt, proposals, &proposal, error);
}

static auxo_status apply_penalty(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    (void)error;
    adapt->controls.penalty_strength =
        proposal->factor > 0 ? adapt->controls.penalty_strength * proposal->factor : FIRST_STRENGTH;
    auxo_trainer_invalidate(adapt->trainer);
    return AUXO_OK;
}

const auxo__move auxo__move_penalty = {propose_penalty, auxo__cost_plain, apply_penalty};

/* ---- brake ------------------------------------------------------------------------------------------------------- */

/* Called for where no better model comes: on if it is off, off if it is on, so that no learning rate is lost for good.
 */
static auxo_status propose_brake(auxo_adapt *adapt, auxo__proposals *proposals, auxo_error *error)
{
    auxo__proposal proposal = {.move = AUXO_ADAPT_BRAKE, .gain = CONTROL_GAIN};
    const bool on = !adapt->controls.braked;
    if (!isnan(adapt->plain_gain) && !auxo__adapt_stalls(adapt))
        return AUXO_OK;
    proposal.factor = on ? adapt->options.brake : 1 / adapt->options.brake;
    snprintf(proposal.where, sizeof proposal.where, "%s", on ? "on" : "off");
    snprintf(proposal.why, sizeof proposal.why, "no better model for %u cycles", adapt->cycle - adapt->best_cycle);
    return auxo__proposals_add(adapt, proposals, &proposal, error);
}

auxo_status auxo__adapt_slow(auxo_adapt *adapt, double factor, auxo_error *error)
{
    auxo_optimizer *optimizer = auxo_trainer_optimizer(adapt->trainer);
    const bool hamiltonian = auxo_optimizer_get_config(optimizer)->kind == AUXO_OPTIMIZER_PHS;
    const int hyper = hamiltonian ? AUXO_HYPER_FRICTION : AUXO_HYPER_LR;
    const double value = (double)auxo_optimizer_get_hyper(optimizer, hyper);
    return auxo_optimizer_set_hyper(optimizer, hyper, (float)(hamiltonian ? value * factor : value / factor), error);
}

static auxo_status apply_brake(auxo_adapt *adapt, const auxo__proposal *proposal, auxo_error *error)
{
    adapt->controls.braked = proposal->factor > 1;
    return auxo__adapt_slow(adapt, proposal->factor, error);
}

const auxo__move auxo__move_brake = {propose_brake, auxo__cost_plain, apply_brake};
