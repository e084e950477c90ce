/* cycle.c: one cycle of the controller: choose, do, train, judge, keep or undo.
 *
 * A cycle that is interrupted is taken back to its beginning, so that what a checkpoint holds is always between two.
 */
#include "adapt_internal.h"
#include "clock.h"
#include "model_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIVERGED_MAX = 8, GREEDY_TRIALS = 4 };

/* A cycle under way. */
typedef struct cycle_work {
    auxo__adapt_controls controls; /* at its beginning */
    size_t logged;                 /* edits in the log then */
    double training_seconds, measuring_seconds, editing_seconds, undone_seconds;
} cycle_work;

/* ---- doing it ---------------------------------------------------------------------------------------------------- */

static auxo_status log_edit(auxo_adapt *adapt, const auxo__proposal *proposal, uint32_t units_before, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    auxo_edit edit = {.epoch = auxo_trainer_epoch(adapt->trainer), .loss_before = NAN, .loss_after = NAN};
    snprintf(edit.what, sizeof edit.what, "%s", auxo_adapt_move_noun(proposal->move));
    snprintf(edit.layer, sizeof edit.layer, "%.*s", (int)sizeof edit.layer - 1, proposal->where);
    snprintf(edit.why, sizeof edit.why, "%.*s", (int)sizeof edit.why - 1, proposal->why);
    edit.units_before = edit.units_after = units_before;
    const bool widths = proposal->move == AUXO_ADAPT_WIDEN || proposal->move == AUXO_ADAPT_NARROW;
    if (widths && proposal->layer < desc->layer_count)
        edit.units_after = desc->layers[proposal->layer].units;
    return auxo_edit_log_add(&adapt->log, &edit, error);
}

auxo_status auxo__cycle_apply(auxo_adapt *adapt, const auxo__proposal *proposal, auxo__outcome *outcome,
                              auxo_error *error)
{
    const double start = auxo__now_seconds();
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    const uint32_t units = proposal->layer < desc->layer_count ? desc->layers[proposal->layer].units : 0;
    const size_t logged = adapt->log.count;
    auxo_status status = auxo__move_of(adapt, proposal->move)->apply(adapt, proposal, error);
    if (status == AUXO_OK && auxo__move_is_edit(proposal->move) && adapt->log.count == logged)
        status = log_edit(adapt, proposal, units, error);
    if (status == AUXO_OK && auxo__move_is_edit(proposal->move) && adapt->options.budget.memory_bytes > 0) {
        uint64_t bytes = 0;
        status = auxo__adapt_memory(adapt, &bytes, error);
        outcome->above_budget = (double)bytes > adapt->options.budget.memory_bytes;
    }
    outcome->editing_seconds += auxo__now_seconds() - start;
    return status;
}

/* Whether an epoch of so many seconds is too long for what is left. */
static bool is_late(const auxo_adapt *adapt, double epoch_seconds)
{
    return adapt->options.seconds_left && adapt->options.seconds_left(adapt->options.seconds_user) < epoch_seconds;
}

auxo_status auxo__cycle_train(auxo_adapt *adapt, auxo__outcome *outcome, bool *finite, auxo_error *error)
{
    const uint32_t epochs = adapt->options.cycle_epochs;
    const uint64_t steps = epochs > 0 ? 0 : adapt->options.cycle_steps;
    const double setup = auxo_trainer_get_work(adapt->trainer).setup_seconds, start = auxo__now_seconds();
    auxo_status status = AUXO_OK;
    for (uint32_t e = 0; e < (epochs > 0 ? epochs : 1) && status == AUXO_OK; e++) {
        bool finished = false;
        auxo_epoch_metrics metrics;
        outcome->cut = e > 0 && is_late(adapt, (auxo__now_seconds() - start) / e);
        if (outcome->cut)
            break;
        status = auxo_trainer_run(adapt->trainer, steps, &finished, &metrics, error);
    }
    const double built = auxo_trainer_get_work(adapt->trainer).setup_seconds - setup;
    outcome->training_seconds += auxo__now_seconds() - start - built;
    outcome->editing_seconds += built;
    *finite = status != AUXO_NOT_FINITE;
    return *finite ? status : AUXO_OK;
}

auxo_status auxo__cycle_judge(auxo_adapt *adapt, auxo__outcome *outcome, auxo_error *error)
{
    const double start = auxo__now_seconds();
    const auxo_status status = auxo__adapt_validate(adapt, &outcome->loss, &outcome->accuracy, error);
    outcome->measuring_seconds += auxo__now_seconds() - start;
    return status;
}

/* Applies, trains, validates. */
static auxo_status carry_out(auxo_adapt *adapt, const auxo__proposal *proposal, auxo__outcome *result,
                             auxo_error *error)
{
    bool finite = true;
    *result = (auxo__outcome){.loss = NAN, .accuracy = NAN};
    auxo_status status = auxo__cycle_apply(adapt, proposal, result, error);
    if (status != AUXO_OK || result->above_budget)
        return status;
    status = auxo__cycle_train(adapt, result, &finite, error);
    return status == AUXO_OK && finite ? auxo__cycle_judge(adapt, result, error) : status;
}

/* Back to the cycle's beginning. */
static auxo_status undo(auxo_adapt *adapt, const auxo__adapt_controls *controls, auxo_error *error)
{
    const bool penalty_changed = adapt->controls.penalty_strength != controls->penalty_strength;
    adapt->controls = *controls;
    const auxo_status status = auxo_snapshot_restore(adapt->snapshot, adapt->trainer, error);
    if (penalty_changed)
        auxo_trainer_invalidate(adapt->trainer);
    return status;
}

static void account(cycle_work *work, const auxo__outcome *result, bool undone)
{
    work->measuring_seconds += result->measuring_seconds;
    if (undone) {
        work->undone_seconds += result->training_seconds + result->editing_seconds;
        return;
    }
    work->training_seconds += result->training_seconds;
    work->editing_seconds += result->editing_seconds;
}

/* ---- greedy ------------------------------------------------------------------------------------------------------ */

/* Decrease of the validation loss for cost. */
static double real_value(const auxo_adapt *adapt, const auxo__proposal *proposal, const auxo__outcome *result)
{
    return isfinite(result->loss) ? (adapt->validation_loss - result->loss) / proposal->cost : -INFINITY;
}

/* Tries the best open proposal of each of a few kinds and puts the one that really gained most first. */
static auxo_status try_each(auxo_adapt *adapt, auxo__proposals *proposals, cycle_work *work, size_t *chosen,
                            auxo_error *error)
{
    bool tried[AUXO_ADAPT_MOVE_COUNT] = {false};
    double best = -INFINITY;
    size_t at = 0;
    auxo_status status = AUXO_OK;
    for (int t = 0; t < GREEDY_TRIALS && status == AUXO_OK; t++, at++) {
        auxo__outcome result;
        do
            status = auxo__adapt_choose(adapt, proposals, at, &at, error);
        while (status == AUXO_OK && at < proposals->count && tried[proposals->items[at].move] && ++at);
        if (status != AUXO_OK || at >= proposals->count)
            break;
        const auxo__proposal *proposal = &proposals->items[at];
        tried[proposal->move] = true;
        status = carry_out(adapt, proposal, &result, error);
        if (status != AUXO_OK)
            break;
        account(work, &result, true);
        if (real_value(adapt, proposal, &result) > best) {
            best = real_value(adapt, proposal, &result);
            *chosen = at;
        }
        adapt->log.count = work->logged;
        status = undo(adapt, &work->controls, error);
    }
    return status;
}

/* ---- the verdict ------------------------------------------------------------------------------------------------- */

/* What became of the cycle's edits. */
static void finish_log(auxo_adapt *adapt, const cycle_work *work, const auxo_adapt_record *record)
{
    const bool alone = adapt->log.count == work->logged + 1; /* else none of them alone brought it about */
    for (size_t i = work->logged; i < adapt->log.count; i++) {
        auxo_edit *edit = &adapt->log.edits[i];
        const size_t used = strlen(edit->what);
        if (!record->kept)
            snprintf(edit->what + used, sizeof edit->what - used, ", undone");
        edit->units_after = record->kept ? edit->units_after : edit->units_before;
        edit->loss_before = alone ? record->loss_before : NAN;
        edit->loss_after = alone ? record->loss : NAN;
    }
}

/* A copy of the model if it is the best so far. */
static auxo_status offer_best(auxo_adapt *adapt, double loss, double accuracy, auxo_error *error)
{
    const double score = isfinite(accuracy) ? accuracy : -loss;
    if (!(score > adapt->best_score) && !(score == adapt->best_score && loss < adapt->best_loss))
        return AUXO_OK;
    auxo_model *copy = NULL;
    const auxo_status status = auxo_model_clone(adapt->model, &copy, error);
    if (status != AUXO_OK)
        return status;
    auxo_model_destroy(adapt->best);
    adapt->best = copy;
    adapt->best_score = score;
    adapt->best_loss = loss;
    adapt->best_cycle = adapt->cycle;
    return AUXO_OK;
}

/* What plain training brings is learned from cycles that train the whole network as it is; where train is no move, from
 * those of parts. */
static void learn_plain_gain(auxo_adapt *adapt, const auxo__proposal *proposal, const auxo__outcome *result)
{
    const bool trains = adapt->options.moves & 1u << AUXO_ADAPT_TRAIN;
    const double gain = (adapt->validation_loss - result->loss) / proposal->cost;
    if (trains && auxo__move_kind_of(proposal->move) == AUXO__MOVE_PART)
        return;
    adapt->last_plain_cost = proposal->cost;
    if (!auxo__move_is_edit(proposal->move))
        auxo__adapt_smooth(&adapt->plain_validation_gain, gain);
}

static auxo_status keep(auxo_adapt *adapt, const auxo__proposal *proposal, const auxo__outcome *result,
                        auxo_error *error)
{
    learn_plain_gain(adapt, proposal, result);
    if (auxo__move_is_edit(proposal->move))
        adapt->last_edit = adapt->cycle;
    if (auxo__move_kind_of(proposal->move) == AUXO__MOVE_CONTROL)
        adapt->last_control = adapt->cycle;
    auxo__adapt_forgive(adapt, proposal);
    adapt->diverged = 0;
    adapt->validation_loss = result->loss;
    adapt->validation_accuracy = result->accuracy;
    return offer_best(adapt, result->loss, result->accuracy, error);
}

/* Training itself broke down: half the learning rate (or twice the friction), and the same cycle again. */
static auxo_status calm(auxo_adapt *adapt, auxo_error *error)
{
    if (++adapt->diverged > DIVERGED_MAX)
        return auxo_error_set(error, AUXO_NOT_FINITE,
                              "the loss is not finite after %d halvings of the learning rate; check the data",
                              DIVERGED_MAX);
    return auxo__adapt_slow(adapt, 2, error);
}

static auxo_status reject(auxo_adapt *adapt, const auxo__proposal *proposal, const auxo__outcome *result,
                          const cycle_work *work, auxo_error *error)
{
    auxo_status status = undo(adapt, &work->controls, error);
    if (status != AUXO_OK)
        return status;
    if (auxo__move_trains(proposal->move))
        return result->above_budget ? AUXO_OK : calm(adapt, error); /* the edit that was too large is refused */
    if (auxo__move_is_edit(proposal->move))
        adapt->last_edit = adapt->cycle;
    return auxo__adapt_refuse(adapt, proposal, error);
}

static const char *reason(const auxo__proposal *proposal, const auxo__outcome *result)
{
    if (result->above_budget)
        return "above the memory budget once built";
    if (!isfinite(result->loss))
        return auxo__move_trains(proposal->move) ? "the loss is not finite; the learning rate is halved"
                                                 : "the loss is not finite";
    return proposal->why;
}

static auxo_status fill_record(auxo_adapt *adapt, const auxo__proposal *proposal, const auxo__outcome *result,
                               const cycle_work *work, auxo_adapt_record *record, auxo_error *error)
{
    record->epoch = auxo_trainer_epoch(adapt->trainer);
    record->step = auxo_trainer_step(adapt->trainer);
    record->move = proposal->move;
    record->cost = proposal->cost;
    snprintf(record->where, sizeof record->where, "%s", proposal->where);
    snprintf(record->why, sizeof record->why, "%s", reason(proposal, result));
    record->loss = result->loss;
    record->accuracy = result->accuracy;
    record->best_score = adapt->best_score;
    record->weights = auxo_model_weight_count(adapt->model);
    record->flops = (double)auxo__model_desc_cost(auxo_model_get_desc(adapt->model)).flops;
    record->training_seconds = work->training_seconds;
    record->measuring_seconds = work->measuring_seconds;
    record->editing_seconds = work->editing_seconds;
    record->undone_seconds = work->undone_seconds;
    return auxo__adapt_memory(adapt, &record->memory_bytes, error);
}

/* ---- a cycle ----------------------------------------------------------------------------------------------------- */

/* There was no time for all of it: it may have found the best model, but teaches nothing. */
static auxo_status conclude_cut(auxo_adapt *adapt, const auxo__proposal *proposal, const auxo__outcome *result,
                                cycle_work *work, auxo_adapt_record *record, auxo_error *error)
{
    account(work, result, false);
    record->cut = true;
    const auxo_status status =
        isfinite(result->loss) ? offer_best(adapt, result->loss, result->accuracy, error) : AUXO_OK;
    return status == AUXO_OK ? fill_record(adapt, proposal, result, work, record, error) : status;
}

/* The verdict on what was carried out. */
static auxo_status conclude(auxo_adapt *adapt, const auxo__proposal *proposal, const auxo__outcome *result,
                            cycle_work *work, auxo_adapt_record *record, auxo_error *error)
{
    const double plain = auxo__adapt_plain_validation_gain(adapt);
    record->loss_before = adapt->validation_loss;
    record->train_loss = adapt->train_loss;
    if (result->cut)
        return conclude_cut(adapt, proposal, result, work, record, error);
    record->kept = auxo__adapt_pays(adapt, proposal, adapt->validation_loss, result->loss) && isfinite(result->loss);
    record->gained = isnan(adapt->plain_validation_gain) ? NAN : real_value(adapt, proposal, result) / plain;
    account(work, result, !record->kept);
    auxo__adapt_learn(adapt, proposal->move, record->expected, record->gained);
    auxo_status status =
        record->kept ? keep(adapt, proposal, result, error) : reject(adapt, proposal, result, work, error);
    if (status == AUXO_OK)
        status = fill_record(adapt, proposal, result, work, record, error);
    finish_log(adapt, work, record);
    return status;
}

/* One move: the best. */
static auxo_status decide_best(auxo_adapt *adapt, auxo__proposals *proposals, cycle_work *work,
                               auxo_adapt_record *record, auxo_error *error)
{
    size_t chosen = 0;
    auxo__outcome result;
    auxo_status status = auxo__adapt_choose(adapt, proposals, 0, &chosen, error);
    if (status == AUXO_OK && chosen >= proposals->count)
        status = auxo_error_set(error, AUXO_NOT_FOUND, "no move is left that the budgets allow");
    if (status == AUXO_OK && adapt->options.policy == AUXO_ADAPT_GREEDY && isfinite(adapt->plain_gain))
        status = try_each(adapt, proposals, work, &chosen, error);
    if (status != AUXO_OK)
        return status;
    const auxo__proposal *proposal = &proposals->items[chosen];
    record->expected = isnan(adapt->plain_gain) ? NAN : proposal->value;
    status = carry_out(adapt, proposal, &result, error);
    return status == AUXO_OK ? conclude(adapt, proposal, &result, work, record, error) : status;
}

/* Every move in turn; what is told of is the training. */
static auxo_status decide_all(auxo_adapt *adapt, cycle_work *work, auxo_adapt_record *record, auxo_error *error)
{
    auxo__proposal trained;
    auxo__outcome result;
    const auxo_status status = auxo__cycle_turns(adapt, &trained, &result, error);
    return status == AUXO_OK ? conclude(adapt, &trained, &result, work, record, error) : status;
}

static auxo_status run_cycle(auxo_adapt *adapt, auxo__proposals *proposals, cycle_work *work, auxo_adapt_record *record,
                             auxo_error *error)
{
    const double start = auxo__now_seconds();
    auxo_status status = auxo__adapt_begin(adapt, error);
    if (status == AUXO_OK)
        status = auxo_snapshot_take(adapt->trainer, &adapt->snapshot, error);
    const bool all = adapt->options.decide == AUXO_ADAPT_DECIDE_ALL;
    if (status == AUXO_OK && !all)
        status = auxo__adapt_propose(adapt, adapt->options.moves, AUXO__ASKED_BY_CYCLE, proposals, error);
    work->measuring_seconds = auxo__now_seconds() - start;
    if (status != AUXO_OK)
        return status;
    return all ? decide_all(adapt, work, record, error) : decide_best(adapt, proposals, work, record, error);
}

/* The cycle has not been; the best model that it may have found stays, as one of the cycle before. */
static auxo_status take_back(auxo_adapt *adapt, const struct auxo_adapt *before, auxo_error *error)
{
    const auxo_status status = undo(adapt, &before->controls, error);
    adapt->cycle = before->cycle;
    adapt->best_cycle = adapt->best_cycle < adapt->cycle ? adapt->best_cycle : adapt->cycle;
    adapt->log.count = before->log.count;
    adapt->train_loss = before->train_loss;
    adapt->plain_gain = before->plain_gain;
    adapt->last_plain_cost = before->last_plain_cost;
    memcpy(adapt->trust, before->trust, sizeof adapt->trust);
    return status;
}

auxo_status auxo_adapt_next(auxo_adapt *adapt, auxo_adapt_record *record, auxo_error *error)
{
    auxo__proposals proposals = {0};
    cycle_work work = {.controls = adapt->controls, .logged = adapt->log.count};
    auxo_snapshot_destroy(adapt->snapshot);
    adapt->snapshot = NULL;
    const struct auxo_adapt before = *adapt;
    *record = (auxo_adapt_record){.cycle = ++adapt->cycle, .expected = NAN, .gained = NAN};
    auxo_status status = run_cycle(adapt, &proposals, &work, record, error);
    auxo__proposals_deinit(&proposals);
    if (status == AUXO_INTERRUPTED && adapt->snapshot) {
        auxo_error ignored;
        take_back(adapt, &before, &ignored);
    } else if (status == AUXO_OK && record->cut) {
        status = take_back(adapt, &before, error);
    }
    auxo_snapshot_destroy(adapt->snapshot);
    adapt->snapshot = NULL;
    return status;
}

/* The choice-th open proposal of a kind, in the order of their ranks; count: there is none. */
static auxo_status find_choice(auxo_adapt *adapt, auxo__proposals *proposals, uint32_t choice, size_t *chosen,
                               auxo_error *error)
{
    auxo_status status = auxo__adapt_choose(adapt, proposals, 0, chosen, error);
    for (; status == AUXO_OK && choice > 0 && *chosen < proposals->count; choice--)
        status = auxo__adapt_choose(adapt, proposals, *chosen + 1, chosen, error);
    return status;
}

auxo_status auxo_adapt_apply(auxo_adapt *adapt, auxo_adapt_move move, uint32_t choice, bool *possible,
                             auxo_error *error)
{
    auxo__proposals proposals = {0};
    size_t chosen = 0;
    *possible = false;
    auxo_snapshot_destroy(adapt->snapshot);
    adapt->snapshot = NULL;
    auxo_status status = auxo__adapt_begin(adapt, error);
    if (status == AUXO_OK)
        status = auxo__adapt_propose(adapt, 1u << move, AUXO__ASKED_BY_CALLER, &proposals, error);
    if (status == AUXO_OK)
        status = find_choice(adapt, &proposals, choice, &chosen, error);
    *possible = status == AUXO_OK && chosen < proposals.count;
    if (*possible) {
        adapt->controls_before = adapt->controls;
        status = auxo_snapshot_take(adapt->trainer, &adapt->snapshot, error);
    }
    const size_t logged = adapt->log.count;
    if (status == AUXO_OK && *possible)
        status = auxo__move_of(adapt, move)->apply(adapt, &proposals.items[chosen], error);
    adapt->log.count = logged; /* the log is of cycles */
    auxo__proposals_deinit(&proposals);
    return status;
}

auxo_status auxo_adapt_undo(auxo_adapt *adapt, auxo_error *error)
{
    if (!adapt->snapshot)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "there is no move to take back");
    const auxo__adapt_controls controls = adapt->controls_before;
    return undo(adapt, &controls, error);
}

auxo_trainer *auxo_adapt_trainer(auxo_adapt *adapt)
{
    return adapt->trainer;
}

uint64_t auxo_adapt_cycle_steps(const auxo_adapt *adapt)
{
    const uint32_t epochs = adapt->options.cycle_epochs;
    return epochs > 0 ? epochs * auxo_trainer_steps_per_epoch(adapt->trainer) : adapt->options.cycle_steps;
}

uint32_t auxo_adapt_cycles(const auxo_adapt *adapt)
{
    return adapt->cycle;
}

auxo_model *auxo_adapt_best(const auxo_adapt *adapt)
{
    return adapt->best;
}

uint32_t auxo_adapt_stalled(const auxo_adapt *adapt)
{
    return adapt->cycle - adapt->best_cycle;
}

const auxo_edit_log *auxo_adapt_log(const auxo_adapt *adapt)
{
    return &adapt->log;
}
