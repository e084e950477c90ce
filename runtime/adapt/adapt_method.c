/* adapt_method.c: "adapt": the controller as a run: one cycle is one step; the best model within the budgets is always
 * on disk, where "save" says.
 */
#include "adapt_method.h"
#include "adapt_internal.h"
#include "budget_settings.h"
#include "clock.h"
#include "model_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "adapt/", START[] = "auxo.start", TIMES[] = "run";
enum { TIME_COUNT = 6 };

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct cycle_event {
    auxo_adapt_record inner;
    const char *move, *verdict;
    double elapsed;
    auxo_numbers widths, sensitivities;
} cycle_event;
#define INNER(member, name, kind) AUXO__FIELD(cycle_event, inner.member, name, kind)
static const auxo_field cycle_fields[] = {
    INNER(cycle, "cycle", U32),
    AUXO__FIELD(cycle_event, move, "move", TEXT),
    INNER(where, "where", CHARS),
    INNER(why, "why", CHARS),
    INNER(kept, "kept", BOOL),
    INNER(epoch, "epoch", U32),
    INNER(step, "step", U64),
    INNER(train_loss, "train_loss", REAL),
    INNER(loss, "val_loss", REAL),
    INNER(accuracy, "val_accuracy", REAL),
    INNER(expected, "expected", REAL),
    INNER(gained, "gained", REAL),
    INNER(weights, "weights", U64),
    INNER(flops, "flops", REAL),
    INNER(memory_bytes, "memory_bytes", U64),
    INNER(training_seconds, "training_seconds", REAL),
    INNER(measuring_seconds, "measuring_seconds", REAL),
    INNER(editing_seconds, "editing_seconds", REAL),
    INNER(undone_seconds, "undone_seconds", REAL),
    AUXO__FIELD(cycle_event, elapsed, "elapsed_seconds", REAL),
    AUXO__FIELD(cycle_event, widths, "widths", NUMBERS),
    AUXO__FIELD(cycle_event, sensitivities, "sensitivities", NUMBERS),
    AUXO__FIELD_LINE_ONLY(cycle_event, verdict, "verdict", TEXT),
    AUXO__FIELDS_END,
};
static const auxo_event_type cycle_type = {
    .name = "cycle",
    .fields = cycle_fields,
    .line =
        "{cycle:3.0f}  {move:-6s} {where:-18s} {verdict:-6s}  validation loss {val_loss:.5f}[  {val_accuracy:percent}]"
        "  {weights:count} weights  {elapsed_seconds:.1f} s",
    .flags = AUXO_EVENT_KEPT};

typedef struct edit_event {
    auxo_adapt_record inner;
    const char *move;
    uint32_t units_before, units_after;
} edit_event;
#undef INNER
#define INNER(member, name, kind) AUXO__FIELD(edit_event, inner.member, name, kind)
static const auxo_field edit_fields[] = {
    INNER(cycle, "cycle", U32),
    AUXO__FIELD(edit_event, move, "what", TEXT),
    INNER(where, "where", CHARS),
    INNER(why, "why", CHARS),
    INNER(kept, "kept", BOOL),
    INNER(expected, "expected", REAL),
    INNER(gained, "gained", REAL),
    INNER(cost, "cost", REAL),
    AUXO__FIELD(edit_event, units_before, "units_before", U32),
    AUXO__FIELD(edit_event, units_after, "units_after", U32),
    INNER(loss_before, "loss_before", REAL),
    INNER(loss, "loss_after", REAL),
    INNER(weights, "weights", U64),
    AUXO__FIELDS_END,
};
static const auxo_event_type edit_type = {.name = "edit", .fields = edit_fields};

typedef struct result_event {
    double validation, test_loss, test_accuracy, test_concordance, flops, rank_correlation;
    uint64_t weights, cycles, edits, undone;
    double seconds, training_seconds, measuring_seconds, editing_seconds, undone_seconds, overhead;
} result_event;
static const auxo_field result_fields[] = {
    AUXO__FIELD(result_event, validation, "best_validation", REAL),
    AUXO__FIELD(result_event, test_loss, "test_loss", REAL),
    AUXO__FIELD(result_event, test_accuracy, "test_accuracy", REAL),
    AUXO__FIELD(result_event, test_concordance, "test_concordance", REAL),
    AUXO__FIELD(result_event, weights, "weights", U64),
    AUXO__FIELD(result_event, flops, "flops", REAL),
    AUXO__FIELD(result_event, cycles, "cycles", U64),
    AUXO__FIELD(result_event, edits, "edits", U64),
    AUXO__FIELD(result_event, undone, "undone", U64),
    AUXO__FIELD(result_event, rank_correlation, "rank_correlation", REAL),
    AUXO__FIELD(result_event, seconds, "seconds", REAL),
    AUXO__FIELD(result_event, training_seconds, "training_seconds", REAL),
    AUXO__FIELD(result_event, measuring_seconds, "measuring_seconds", REAL),
    AUXO__FIELD(result_event, editing_seconds, "editing_seconds", REAL),
    AUXO__FIELD(result_event, undone_seconds, "undone_seconds", REAL),
    AUXO__FIELD_LINE_ONLY(result_event, overhead, "overhead", REAL),
    AUXO__FIELDS_END,
};
static const auxo_event_type result_type = {
    .name = "result",
    .fields = result_fields,
    .line = "best: test loss {test_loss:.5f}[  accuracy {test_accuracy:percent}][  concordance {test_concordance:.4f}] "
            " {weights:count} weights  {cycles} "
            "cycles, "
            "{edits} edits, {undone} undone  training {training_seconds:.1f} s, measuring and editing "
            "{overhead:.1f} s, undone {undone_seconds:.1f} s"};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void detach(auxo__adapt_run *state)
{
    auxo_adapt_destroy(state->adapt);
    auxo_model_destroy(state->model);
    state->adapt = NULL;
    state->model = NULL;
}

static auxo_status attach(auxo__adapt_run *state, auxo_error *error)
{
    return auxo_adapt_create(state->model, state->data.train, state->data.validation, &state->options, &state->adapt,
                             error);
}

/* What was asked for and cannot be is said once. */
static auxo_status note_impossible(auxo_run *run, const auxo__adapt_run *state, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(state->model);
    auxo__structure structure;
    bool any = false;
    const uint32_t widths = 1u << AUXO_ADAPT_WIDEN | 1u << AUXO_ADAPT_NARROW;
    auxo_status status = auxo__structure_init(desc, &structure, error);
    for (uint32_t l = 0; status == AUXO_OK && l < desc->layer_count; l++)
        any = any || (structure.resizable[l] && auxo__in_group(desc, &structure, l, structure.groups[l]));
    auxo__structure_deinit(&structure);
    if (status == AUXO_OK && !any && (state->options.moves & widths))
        status =
            auxo__run_note(run, error, "no layer of %s can change its width: widen and narrow do nothing", desc->name);
    if (status == AUXO_OK && state->options.training.gradient_clip > 0 &&
        (state->options.moves & 1u << AUXO_ADAPT_BLOCK))
        status = auxo__run_note(run, error, "clip is of the whole network: block does nothing");
    return status;
}

static double elapsed(const auxo__adapt_run *state)
{
    return state->elapsed + auxo__now_seconds() - state->begun;
}

/* Until time-limit. */
static double seconds_left(void *user)
{
    const auxo__adapt_run *state = user;
    return state->time_limit - elapsed(state);
}

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    auxo__adapt_run *state = user;
    const auxo__task_schedule schedule = {0};
    auxo_train_options *training = &state->options.training;
    state->begun = auxo__now_seconds();
    state->test = (auxo_evaluation){NAN, NAN, 0};
    state->concordance = NAN;
    auxo_status status = auxo__task_load_data(run, NULL, true, &state->data, error);
    if (status == AUXO_OK)
        status = auxo__task_options(run, state->data.train, &schedule, training, state->optimizer_text, error);
    if (status == AUXO_OK && training->schedule.kind != AUXO_LR_CONSTANT)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "lr-schedule: adapt has no last epoch; take constant, and the move brake");
    if (status == AUXO_OK)
        status = auxo__adapt_read_options(run->settings, &state->options, error);
    state->time_limit = auxo_settings_real(run->settings, "time-limit");
    state->options.seconds_left = state->time_limit > 0 ? seconds_left : NULL;
    state->options.seconds_user = state;
    if (status == AUXO_OK)
        status = auxo__task_open_device(run, error);
    if (status == AUXO_OK)
        status = auxo__task_open_model(run, state->data.train, &state->model, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_copy(auxo_model_get_desc(state->model), &state->start, error);
    if (status == AUXO_OK)
        status = attach(state, error);
    return status == AUXO_OK ? note_impossible(run, state, error) : status;
}

static auxo_status announce(auxo_run *run, void *user, auxo_error *error)
{
    const auxo__adapt_run *state = user;
    const auxo_device_info *info = auxo_device_get_info(run->device);
    auxo_trainer *trainer = auxo_adapt_trainer(state->adapt);
    const auxo__start_record record = {.data = state->data.train->name,
                                       .rows = state->data.train->row_count,
                                       .model = auxo_model_get_desc(state->model)->name,
                                       .weights = auxo_model_weight_count(state->model),
                                       .device = info->selector,
                                       .device_name = info->name,
                                       .optimizer = state->optimizer_text,
                                       .batch = state->options.training.batch,
                                       .steps_per_epoch = auxo_trainer_steps_per_epoch(trainer),
                                       .resumed_step = auxo_trainer_step(trainer)};
    return auxo__run_emit(run, &auxo__start_event, &record, error);
}

static void end(void *user)
{
    auxo__adapt_run *state = user;
    detach(state);
    auxo_model_desc_deinit(&state->start);
    auxo__task_data_deinit(&state->data);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static bool is_done(const auxo_run *run, auxo__adapt_run *state)
{
    const uint64_t patience = auxo_settings_integer(run->settings, "patience");
    return auxo_adapt_cycles(state->adapt) >= auxo_settings_integer(run->settings, "cycles") ||
           (state->time_limit > 0 && seconds_left(state) < state->last_part) ||
           (patience > 0 && auxo_adapt_best(state->adapt) && auxo_adapt_stalled(state->adapt) >= patience);
}

/* The cycle's edits, those of the log from the first-th on. Estimates are of cycles that made one move. */
static auxo_status tell_edits(auxo_run *run, const auxo__adapt_run *state, const auxo_adapt_record *record,
                              size_t first, auxo_error *error)
{
    const auxo_edit_log *log = auxo_adapt_log(state->adapt);
    auxo_status status = AUXO_OK;
    for (size_t i = first; i < log->count && status == AUXO_OK; i++) {
        const auxo_edit *edit = &log->edits[i];
        char what[sizeof edit->what];
        snprintf(what, sizeof what, "%.*s", (int)strcspn(edit->what, ","), edit->what);
        edit_event event = {
            .inner = *record, .move = what, .units_before = edit->units_before, .units_after = edit->units_after};
        event.inner.loss_before = edit->loss_before;
        event.inner.loss = edit->loss_after;
        if (!auxo__move_is_edit(record->move)) {
            snprintf(event.inner.where, sizeof event.inner.where, "%s", edit->layer);
            snprintf(event.inner.why, sizeof event.inner.why, "%s", edit->why);
            event.inner.expected = event.inner.gained = event.inner.cost = NAN;
        }
        status = auxo__run_emit(run, &edit_type, &event, error);
    }
    return status;
}

static auxo_status tell(auxo_run *run, auxo__adapt_run *state, const auxo_adapt_record *record, size_t first_edit,
                        auxo_error *error)
{
    double widths[AUXO__ADAPT_LAYERS_MAX], sensitivities[AUXO__ADAPT_LAYERS_MAX];
    const auxo_sensitivities *found = &state->adapt->measure.found;
    size_t count = 0;
    for (uint32_t i = 0; i < found->layer_count && count < AUXO__ADAPT_LAYERS_MAX; i++, count++) {
        widths[count] = found->layers[i].units;
        sensitivities[count] = fabs(found->layers[i].first);
    }
    const cycle_event cycle = {.inner = *record,
                               .move = auxo_adapt_move_noun(record->move),
                               .verdict = record->kept ? "" : "undone",
                               .elapsed = elapsed(state),
                               .widths = {widths, count},
                               .sensitivities = {sensitivities, count}};
    const auxo_status status = tell_edits(run, state, record, first_edit, error);
    return status == AUXO_OK ? auxo__run_emit(run, &cycle_type, &cycle, error) : status;
}

static auxo_status save_best(auxo_run *run, const auxo__adapt_run *state, auxo_error *error)
{
    const char *path = auxo_settings_text(run->settings, "save");
    auxo_model *best = auxo_adapt_best(state->adapt);
    if (!path || !best || auxo_adapt_stalled(state->adapt) > 0)
        return AUXO_OK;
    const auxo_status status = run->schema ? auxo_model_set_data_schema(best, run->schema, error) : AUXO_OK;
    return status == AUXO_OK ? auxo__adapt_save_model(best, state->data.train, path, error) : status;
}

static void add_seconds(auxo__adapt_run *state, const auxo_adapt_record *record, double cycle_seconds)
{
    state->last_part = cycle_seconds / fmax(state->adapt->options.cycle_epochs, 1);
    state->seconds[AUXO__ADAPT_TRAINING] += record->training_seconds;
    state->seconds[AUXO__ADAPT_MEASURING] += record->measuring_seconds;
    state->seconds[AUXO__ADAPT_EDITING] += record->editing_seconds;
    state->seconds[AUXO__ADAPT_UNDONE] += record->undone_seconds;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    auxo__adapt_run *state = user;
    auxo_adapt_record record;
    *done = is_done(run, state);
    if (*done)
        return AUXO_OK;
    const double start = auxo__now_seconds();
    const size_t first_edit = auxo_adapt_log(state->adapt)->count;
    auxo_status status = auxo_adapt_next(state->adapt, &record, error);
    if (status == AUXO_OK || status == AUXO_INTERRUPTED)
        auxo__run_moved(run, auxo_adapt_cycles(state->adapt), status == AUXO_OK);
    if (status != AUXO_OK)
        return status;
    add_seconds(state, &record, auxo__now_seconds() - start);
    if (record.cut) {
        *done = true;
        status = auxo__run_note(run, error,
                                "time-limit: the training of cycle %" PRIu32 " was cut short and judged as it was; "
                                "resumed, the cycle is repeated",
                                record.cycle);
        return status == AUXO_OK ? save_best(run, state, error) : status;
    }
    state->undone += !record.kept;
    status = tell(run, state, &record, first_edit, error);
    if (status == AUXO_OK)
        status = save_best(run, state, error);
    *done = is_done(run, state);
    return status;
}

static double progress(const auxo_run *run, const void *user)
{
    const auxo__adapt_run *state = user;
    const double limit = state->time_limit;
    const double cycles = auxo_adapt_cycles(state->adapt) / (double)auxo_settings_integer(run->settings, "cycles");
    return limit > 0 ? fmax(cycles, elapsed(state) / limit) : cycles;
}

static auxo_model *model(void *user)
{
    auxo__adapt_run *state = user;
    auxo_model *best = state->adapt ? auxo_adapt_best(state->adapt) : NULL;
    return best ? best : state->model;
}

static auxo_status save_model(auxo_run *run, void *user, const char *path, auxo_error *error)
{
    const auxo__adapt_run *state = user;
    (void)run;
    return auxo__adapt_save_model(model(user), state->data.train, path, error);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    auxo__adapt_run *state = user;
    char *start = NULL;
    const double times[TIME_COUNT] = {elapsed(state),    state->seconds[0], state->seconds[1],
                                      state->seconds[2], state->seconds[3], state->undone};
    (void)run;
    auxo_status status = auxo__adapt_put(state->adapt, archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_doubles(archive, PREFIX, TIMES, times, TIME_COUNT, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_to_json(&state->start, &start, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, PREFIX, START, start, error);
    free(start);
    return status;
}

static auxo_status restore_times(auxo__adapt_run *state, const auxo__archive *archive, auxo_error *error)
{
    double *times = NULL;
    size_t count = 0;
    auxo_status status = auxo__archive_get_doubles(archive, PREFIX, TIMES, &times, &count, error);
    if (status == AUXO_OK && count != TIME_COUNT)
        status = auxo_error_set(error, AUXO_FORMAT, "its times make no sense");
    if (status == AUXO_OK) {
        state->elapsed = times[0];
        memcpy(state->seconds, times + 1, sizeof state->seconds);
        state->undone = times[5] >= 0 && times[5] < UINT32_MAX ? (uint32_t)times[5] : 0;
    }
    free(times);
    return status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    auxo__adapt_run *state = user;
    const char *start = auxo__archive_text(archive, PREFIX, START);
    detach(state);
    auxo_status status = start ? AUXO_OK : auxo_error_set(error, AUXO_FORMAT, "the checkpoint lacks \"%s\"", START);
    if (status == AUXO_OK) {
        auxo_model_desc_deinit(&state->start);
        status = auxo_model_desc_from_json(start, &state->start, error);
    }
    if (status == AUXO_OK)
        status = auxo__adapt_get_model(archive, run->device, &state->model, error);
    if (status == AUXO_OK)
        status = attach(state, error);
    if (status == AUXO_OK)
        status = auxo__adapt_get(state->adapt, archive, error);
    return status == AUXO_OK ? restore_times(state, archive, error) : status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    auxo__adapt_run *state = user;
    auxo_model *best = model(state);
    auxo_status status = auxo__evaluate_on_test(&state->data, &state->options.training, best, &state->test, error);
    if (status == AUXO_OK)
        status = auxo__adapt_concordance(best, state->data.test, &state->concordance, error);
    result_event result = {.validation = auxo_adapt_best(state->adapt) ? state->adapt->best_score : NAN,
                           .test_loss = state->test.loss,
                           .test_accuracy = state->test.accuracy,
                           .test_concordance = state->concordance,
                           .weights = auxo_model_weight_count(best),
                           .flops = (double)auxo__model_desc_cost(auxo_model_get_desc(best)).flops,
                           .cycles = auxo_adapt_cycles(state->adapt),
                           .edits = auxo_adapt_log(state->adapt)->count,
                           .undone = state->undone,
                           .seconds = elapsed(state),
                           .training_seconds = state->seconds[AUXO__ADAPT_TRAINING],
                           .measuring_seconds = state->seconds[AUXO__ADAPT_MEASURING],
                           .editing_seconds = state->seconds[AUXO__ADAPT_EDITING],
                           .undone_seconds = state->seconds[AUXO__ADAPT_UNDONE],
                           .overhead = state->seconds[AUXO__ADAPT_MEASURING] + state->seconds[AUXO__ADAPT_EDITING]};
    if (status == AUXO_OK)
        status = auxo__adapt_rank_correlation(run, &result.rank_correlation, error);
    return status == AUXO_OK ? auxo__run_emit(run, &result_type, &result, error) : status;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const auxo_setting *const settings[] = {auxo__adapt_settings,
                                               auxo__budget_settings,
                                               auxo__model_settings,
                                               auxo__import_settings,
                                               auxo_data_settings,
                                               auxo__outcome_settings,
                                               auxo__training_settings,
                                               auxo__validation_settings,
                                               auxo__device_settings,
                                               auxo__seed_settings,
                                               auxo__run_settings,
                                               auxo__save_settings,
                                               NULL};
static const auxo_setting_value defaults[] = {{"validation", "0.1"}, {NULL, NULL}};
static const auxo_event_type *const events[] = {&auxo__start_event, &auxo__step_event, &edit_type,
                                                &cycle_type,        &result_type,      NULL};

const auxo_method auxo__method_adapt = {
    .info =
        {
            .name = "adapt",
            .summary = "let one controller decide what to train, grow, remove and insert",
            .description =
                "Train one network that changes on the way. Each cycle measures how much every layer and unit matters, "
                "estimates what every move would bring for its cost, makes the best one that the budgets allow, trains "
                "for a while, and keeps it or takes it back to the bit, by the validation rows. Weights and the "
                "optimizer's state go through every edit.\n\nAll budgets that are given hold at every moment. The best "
                "network so far is written to save whenever there is a better one, so that the run may be stopped at "
                "any time; what is resumed makes the same choices, unless a budget is of latency, which is measured."
                "\n\nThe presets autosize, resbuild and multiscale are those works' algorithms as settings of the same "
                "loop.",
            .examples = "auxo adapt --data fashion-mnist --model conv:8-16 --budget-params 50000 --time-limit 5m\n"
                        "auxo adapt --data ccpp --model mlp:8-8 --moves train,widen,insert --report adapt.html\n"
                        "auxo adapt --preset autosize --data fashion-mnist --model autosize-cnn\n"
                        "auxo adapt --data metabric --model mlp:16-16:selu --budget-params 2000\n"
                        "auxo adapt --data patients.csv --time months --event died --model mlp:8-8\n"
                        "auxo adapt --data cifar-10 --model net.safetensors --moves train,narrow,remove "
                        "--budget-flops 4e7",
            .settings = settings,
            .defaults = defaults,
            .events = events,
        },
    .state_bytes = sizeof(auxo__adapt_run),
    .begin = begin,
    .announce = announce,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = auxo__adapt_report,
    .end = end,
    .model = model,
    .save_model = save_model,
    .progress = progress,
    .finish_when_ended = true,
    .csv_event = "cycle",
    .report_title = "One controller",
};
