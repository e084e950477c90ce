/* turns.c: a cycle in which every kind of move has its turn: controls and what grows, the training, what shrinks.
 *
 * So the papers' loops are made: grow, fit, prune (dynamic auto-sizing, Algorithm 2); insert, train, remove
 * (ResBuilder); select a block, train it (multi-scale training). Nothing is judged by what it brought; a budget still
 * holds at every moment.
 */
#include "adapt_internal.h"
#include "clock.h"
#include "model_internal.h"

#include <math.h>
#include <stdlib.h>

/* Own rules read sensitivities, of the network and the weights as they are now; the papers' read the weights. */
static auxo_status measure_anew(auxo_adapt *adapt, auxo__outcome *outcome, auxo_error *error)
{
    const bool own = adapt->options.rules == AUXO_ADAPT_RULES_OWN;
    const bool other = adapt->measure.structure_version != auxo_model_structure_version(adapt->model);
    if (!own && !other)
        return AUXO_OK;
    const double start = auxo__now_seconds();
    const auxo_status status = auxo__measure_run(&adapt->measure, error);
    outcome->measuring_seconds += auxo__now_seconds() - start;
    return status;
}

/* The best that a kind of move proposes and the budgets allow, done. *taken (may be NULL) receives it, without its
 * structure. */
static auxo_status take_turn(auxo_adapt *adapt, auxo_adapt_move move, auxo__outcome *outcome, auxo__proposal *taken,
                             auxo_error *error)
{
    auxo__proposals proposals = {0};
    size_t chosen = 0;
    auxo_status status = measure_anew(adapt, outcome, error);
    if (status == AUXO_OK)
        status = auxo__adapt_propose(adapt, 1u << move, AUXO__ASKED_BY_TURN, &proposals, error);
    if (status == AUXO_OK)
        status = auxo__adapt_choose(adapt, &proposals, 0, &chosen, error);
    if (status == AUXO_OK && chosen < proposals.count) {
        auxo__proposal *proposal = &proposals.items[chosen];
        status = auxo__cycle_apply(adapt, proposal, outcome, error);
        if (status == AUXO_OK && outcome->above_budget)
            status = auxo__adapt_refuse(adapt, proposal, error);
        if (status == AUXO_OK && taken) {
            *taken = *proposal;
            taken->kept = NULL;
            taken->desc = (auxo_model_desc){0};
        }
    }
    auxo__proposals_deinit(&proposals);
    return status;
}

static auxo_status take_turns(auxo_adapt *adapt, auxo__move_kind kind, auxo__outcome *outcome, auxo__proposal *taken,
                              auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (int m = 0; m < AUXO_ADAPT_MOVE_COUNT && status == AUXO_OK && !outcome->above_budget; m++)
        if (adapt->options.moves & 1u << m && auxo__move_kind_of((auxo_adapt_move)m) == kind)
            status = take_turn(adapt, (auxo_adapt_move)m, outcome, taken, error);
    return status;
}

auxo_status auxo__cycle_turns(auxo_adapt *adapt, auxo__proposal *trained, auxo__outcome *outcome, auxo_error *error)
{
    static const auxo__move_kind before[] = {AUXO__MOVE_CONTROL, AUXO__MOVE_GROW, AUXO__MOVE_PART};
    bool finite = true;
    *outcome = (auxo__outcome){.loss = NAN, .accuracy = NAN};
    *trained = (auxo__proposal){.move = AUXO_ADAPT_TRAIN, .gain = 1, .cost = 1, .why = "every move in turn"};
    auxo_status status = AUXO_OK;
    for (size_t k = 0; k < sizeof before / sizeof *before && status == AUXO_OK; k++)
        status = take_turns(adapt, before[k], outcome, before[k] == AUXO__MOVE_PART ? trained : NULL, error);
    if (status != AUXO_OK || outcome->above_budget)
        return status;
    status = auxo__cycle_train(adapt, outcome, &finite, error);
    if (status == AUXO_OK && finite)
        status = auxo__adapt_train_all(adapt, error); /* a choice of layers would not outlive another structure */
    if (status == AUXO_OK && finite)
        status = take_turns(adapt, AUXO__MOVE_SHRINK, outcome, NULL, error);
    return status == AUXO_OK && finite ? auxo__cycle_judge(adapt, outcome, error) : status;
}
