/* space_method.c: "search" with the setting "run": a search over the settings of another method, in a study.
 *
 * Each trial is a run of that method, from begin to result, with the values of the space in its settings; the best
 * value of its epochs is the trial's. Which values come next: space_take.c.
 */
#include "space_method.h"

#include "ranks.h"
#include "search_internal.h"
#include "space_trial.h"
#include "study_files.h"
#include "study_run.h"
#include "task.h"

#include "clock.h"
#include "file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct space_state {
    auxo__space_run all;
    int64_t number; /* of the trial under way */
    auxo_model *best;
} space_state;

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct start_record {
    const char *run, *metric, *study;
    uint64_t parameters, trials;
} start_record;
static const auxo_field start_fields[] = {
    AUXO__FIELD(start_record, run, "run", TEXT),      AUXO__FIELD(start_record, metric, "metric", TEXT),
    AUXO__FIELD(start_record, study, "study", TEXT),  AUXO__FIELD(start_record, parameters, "parameters", U64),
    AUXO__FIELD(start_record, trials, "trials", U64), AUXO__FIELDS_END};
static const auxo_event_type start_event = {
    .name = "start",
    .fields = start_fields,
    .line = "search over {parameters} settings of {run} by {metric}, in {study}[\ngoes on after {trials} trials]"};

typedef struct epoch_record {
    uint64_t trial, epoch;
    double value;
} epoch_record;
static const auxo_field epoch_fields[] = {AUXO__FIELD(epoch_record, trial, "trial", U64),
                                          AUXO__FIELD(epoch_record, epoch, "epoch", U64),
                                          AUXO__FIELD(epoch_record, value, "value", REAL), AUXO__FIELDS_END};
static const auxo_event_type epoch_event = {.name = "epoch",
                                            .fields = epoch_fields,
                                            .line = "trial {trial}  epoch {epoch}  {value:.5g}",
                                            .flags = AUXO_EVENT_KEPT | AUXO_EVENT_TRANSIENT};

typedef struct trial_record {
    uint64_t number, epochs;
    double value, best, seconds;
    bool pruned;
    char genome[AUXO_GENOME_BYTES];
    const char *result;
} trial_record;
static const auxo_field trial_fields[] = {AUXO__FIELD(trial_record, number, "number", U64),
                                          AUXO__FIELD(trial_record, genome, "genome", CHARS),
                                          AUXO__FIELD(trial_record, value, "quality", REAL),
                                          AUXO__FIELD(trial_record, epochs, "epochs", U64),
                                          AUXO__FIELD(trial_record, seconds, "seconds", REAL),
                                          AUXO__FIELD(trial_record, pruned, "pruned", BOOL),
                                          AUXO__FIELD(trial_record, best, "best", REAL),
                                          AUXO__FIELD(trial_record, result, "result", JSON),
                                          AUXO__FIELDS_END};
static const auxo_event_type trial_event = {
    .name = "evaluation",
    .fields = trial_fields,
    .line =
        "{number}  {genome}  {quality:.6g}  epochs {epochs}[  pruned{pruned:none}]  {seconds:.1f} s  best {best:.6g}"};

typedef struct result_record {
    const char *run, *metric;
    uint64_t number, trials;
    double value;
    char genome[AUXO_GENOME_BYTES];
} result_record;
static const auxo_field result_fields[] = {AUXO__FIELD(result_record, run, "run", TEXT),
                                           AUXO__FIELD(result_record, metric, "metric", TEXT),
                                           AUXO__FIELD(result_record, number, "number", U64),
                                           AUXO__FIELD(result_record, genome, "genome", CHARS),
                                           AUXO__FIELD(result_record, value, "quality", REAL),
                                           AUXO__FIELD(result_record, trials, "evaluations", U64),
                                           AUXO__FIELDS_END};
static const auxo_event_type result_event = {
    .name = "result",
    .fields = result_fields,
    .line = "best of {evaluations} trials: {number}  {genome}: {metric} {quality:.6g}"};

/* "lr=0.01 batch=32" */
static void format_values(const auxo_space *space, const double *values, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < space->count && used < size; i++) {
        char value[256];
        if (isnan(values[i]))
            continue;
        auxo_parameter_text(&space->items[i], values[i], value, sizeof value);
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", used ? " " : "", space->items[i].name, value);
    }
}

/* ---- begin ------------------------------------------------------------------------------------------------------- */

static auxo_status read_options(auxo_run *run, space_state *state, auxo_error *error)
{
    const auxo_settings *settings = run->settings;
    const size_t method = auxo_settings_choice(settings, "method");
    if (method != AUXO_SEARCH_RANDOM && method != AUXO_SEARCH_TPE)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "method: a search over run's settings is random or tpe");
    auxo_sampler_init(method == AUXO_SEARCH_TPE ? AUXO_SAMPLER_TPE : AUXO_SAMPLER_RANDOM,
                      auxo_settings_integer(settings, "seed"), &state->all.sampler);
    state->all.sampler.startup = (uint32_t)auxo_settings_integer(settings, "startup-trials");
    state->all.sampler.candidates = (uint32_t)auxo_settings_integer(settings, "candidates");
    state->all.sampler.multivariate = auxo_settings_flag(settings, "multivariate");
    auxo_pruner_init((auxo_pruner_kind)auxo_settings_choice(settings, "pruner"), &state->all.pruner);
    state->all.pruner.startup = (uint32_t)auxo_settings_integer(settings, "pruner-startup");
    state->all.pruner.warmup = (uint32_t)auxo_settings_integer(settings, "pruner-warmup");
    state->all.pruner.reduction = (uint32_t)auxo_settings_integer(settings, "reduction");
    state->all.evaluation_limit = auxo_settings_integer(settings, "evaluations");
    state->all.time_limit = auxo_settings_real(settings, "time-limit");
    state->all.metric = auxo_settings_text(settings, "metric");
    state->all.minimizes = auxo__space_minimizes(settings);
    return AUXO_OK;
}

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    space_state *state = user;
    static const char *const free_names[] = {"method",        "startup-trials", "candidates",
                                             "multivariate",  "pruner",         "pruner-startup",
                                             "pruner-warmup", "reduction",      NULL};
    const char *name = auxo_settings_text(run->settings, "run");
    state->all.run = run;
    state->all.inner = auxo_method_find(name);
    state->all.began = auxo__now_seconds();
    if (!state->all.inner || strcmp(name, "search") == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "run: \"%s\" is no method that can be searched over", name);
    if (!run->study)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "run: its trials lie in a study; give study FILE.db");
    auxo_status status = read_options(run, state, error);
    if (status == AUXO_OK)
        status = auxo__space_make_base(run, &state->all, error);
    if (status == AUXO_OK)
        status = auxo__space_read_space(run, &state->all, error);
    if (status == AUXO_OK && state->all.space.count > AUXO__SPACE_PARAMETERS_MAX)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "space: at most %d parameters can be searched",
                                AUXO__SPACE_PARAMETERS_MAX);
    if (status == AUXO_OK)
        status = auxo__space_check(&state->all, error);
    if (status == AUXO_OK && auxo_study_maximizes(run->study) == state->all.minimizes)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "study: %s is to be %s; \"%s\" is not",
                                auxo_study_path(run->study), state->all.minimizes ? "maximised" : "minimised",
                                state->all.metric);
    if (status == AUXO_OK)
        status = auxo__space_match_space(run, &state->all, error);
    if (status == AUXO_OK)
        status = auxo__run_match_study(run, free_names, error);
    return status == AUXO_OK ? auxo__space_match_base(run, &state->all, error) : status;
}

static auxo_status announce(auxo_run *run, void *user, auxo_error *error)
{
    const space_state *state = user;
    size_t open = 0;
    const start_record record = {.run = state->all.inner->info.name,
                                 .metric = state->all.metric,
                                 .study = auxo_study_path(run->study),
                                 .parameters = state->all.space.count,
                                 .trials = auxo__space_count_trials(run->study, &open)};
    auxo_status status = auxo__run_emit(run, &start_event, &record, error);
    if (status == AUXO_OK && state->all.evaluation_limit == 0 && state->all.time_limit <= 0)
        status = auxo__run_note(run, error, "no time-limit or evaluations: runs until it is interrupted");
    return status;
}

static void end(void *user)
{
    space_state *state = user;
    auxo_settings_destroy(state->all.base);
    auxo_space_deinit(&state->all.space);
    auxo_model_destroy(state->best);
}

/* ---- ending a trial ---------------------------------------------------------------------------------------------- */

static void model_name(int64_t number, char name[64])
{
    snprintf(name, 64, "trial-%" PRId64 ".safetensors", number);
}

static auxo_status model_path(const space_state *state, int64_t number, char *path, size_t size, auxo_error *error)
{
    char *folder = NULL, name[64];
    model_name(number, name);
    auxo_status status = auxo_study_folder(state->all.run->study, &folder, error);
    if (status == AUXO_OK)
        status = auxo__make_folder(folder, error);
    if (status == AUXO_OK && snprintf(path, size, "%s/%s", folder, name) >= (int)size)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "study: its path is too long");
    free(folder);
    return status;
}

static auxo_status told(void *user, uint32_t epoch, double value, auxo_error *error)
{
    const space_state *state = user;
    const epoch_record record = {(uint64_t)state->number, epoch, value};
    if (auxo__space_out_of_time(&state->all))
        return auxo_error_set(error, AUXO_INTERRUPTED, "the search's time is over");
    return auxo__run_emit(state->all.run, &epoch_event, &record, error);
}

static auxo_status set_json(auxo_study *study, int64_t id, const char *name, auxo__json *json, auxo_error *error)
{
    auxo_status status = auxo__json_finish(json, error);
    if (status == AUXO_OK)
        status = auxo_study_set_trial_attribute(study, id, name, false, json->text, error);
    auxo__json_deinit(json);
    return status;
}

/* Under the lock. *stale: whose model is to be removed once this is committed; -1: none. */
static auxo_status end_trial(const space_state *state, int64_t id, const trial_record *record, bool has_model,
                             int64_t *stale, bool *kept, auxo_error *error)
{
    auxo_study *study = state->all.run->study;
    const auxo_trial *before = auxo_study_best(study);
    const bool keep = auxo_settings_flag(state->all.run->settings, "keep-models");
    const bool better =
        !record->pruned && isfinite(record->value) &&
        (!before || (state->all.minimizes ? record->value < before->value : record->value > before->value) ||
         (record->value == before->value && state->number < before->number));
    auxo__json genome = {0}, seconds = {0}, model = {0};
    char name[64];
    model_name(state->number, name);
    auxo__json_text(&genome, record->genome);
    auxo__json_number(&seconds, record->seconds);
    auxo__json_text(&model, name);
    *stale = has_model && !keep && !better ? state->number : -1;
    auxo_status status = set_json(study, id, "genome", &genome, error);
    if (status == AUXO_OK)
        status = set_json(study, id, "seconds", &seconds, error);
    if (status == AUXO_OK && record->result)
        status = auxo_study_set_trial_attribute(study, id, "result", false, record->result, error);
    if (status == AUXO_OK && has_model && (keep || better))
        status = set_json(study, id, "model", &model, error);
    if (status == AUXO_OK && better && before && !keep) {
        *stale = before->number;
        status = auxo_study_set_trial_attribute(study, before->id, "model", false, NULL, error);
    }
    if (status == AUXO_OK)
        status = auxo_study_end_trial(study, id, record->pruned ? AUXO_TRIAL_PRUNED : AUXO_TRIAL_COMPLETE,
                                      record->value, kept, error);
    auxo__json_deinit(&genome);
    auxo__json_deinit(&seconds);
    auxo__json_deinit(&model);
    return status;
}

static auxo_status commit_trial(space_state *state, int64_t id, trial_record *record, const char *path,
                                auxo_error *error)
{
    auxo_study *study = state->all.run->study;
    int64_t stale = -1;
    bool kept = false;
    const bool has_model = auxo__file_exists(path);
    char name[64];
    model_name(state->number, name);
    auxo_status status = has_model ? auxo__study_store(study, name, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = auxo_study_lock(study, error);
    if (status != AUXO_OK)
        return status;
    status = end_trial(state, id, record, has_model, &stale, &kept, error);
    auxo_status ended = auxo_study_unlock(study, status == AUXO_OK && kept, status == AUXO_OK ? error : NULL);
    status = status == AUXO_OK ? ended : status;
    model_name(kept ? stale : state->number, name);
    if (status == AUXO_OK && (stale >= 0 || !kept))
        auxo__study_discard(study, name);
    if (status != AUXO_OK || !kept)
        return status;
    status = auxo_study_refresh(study, error);
    const auxo_trial *best = auxo_study_best(study);
    record->best = best ? best->value : (double)NAN;
    return status == AUXO_OK ? auxo__run_emit(state->all.run, &trial_event, record, error) : status;
}

static auxo_status run_trial(space_state *state, int64_t id, const double *values, auxo_error *error)
{
    char path[4200];
    auxo__space_outcome outcome = {0};
    const double began = auxo__now_seconds();
    const auxo_trial *trial = auxo_study_trial(state->all.run->study, id, error);
    if (!trial)
        return AUXO_IO;
    state->number = trial->number;
    trial_record record = {.number = (uint64_t)trial->number};
    format_values(&state->all.space, values, record.genome, sizeof record.genome);
    auxo_status status = model_path(state, state->number, path, sizeof path, error);
    if (status == AUXO_OK) {
        status = auxo__space_trial(&state->all, id, values, path, told, state, &outcome, error);
        if (status != AUXO_OK && status != AUXO_INTERRUPTED)
            auxo_error_wrap(error, status, "trial %" PRId64 " (%.120s)", state->number, record.genome);
    }
    record.value = outcome.value;
    record.pruned = outcome.pruned;
    record.epochs = state->all.epochs;
    record.result = outcome.result;
    record.seconds = auxo__now_seconds() - began;
    if (status == AUXO_OK)
        status = commit_trial(state, id, &record, path, error);
    if (status != AUXO_OK) {
        char name[64];
        model_name(state->number, name);
        auxo_study_give_back(state->all.run->study, id, NULL);
        auxo__study_discard(state->all.run->study, name);
    }
    free(outcome.result);
    return status;
}

/* ---- steps and the end ------------------------------------------------------------------------------------------- */

/* The best trial's model becomes the run's. */
static auxo_status load_best(auxo_run *run, space_state *state, auxo_error *error)
{
    char path[4200];
    auxo_status status = auxo_study_refresh(run->study, error);
    const auxo_trial *best = status == AUXO_OK ? auxo_study_best(run->study) : NULL;
    if (!best || !auxo_trial_attribute_json(best, "model", false) || !auxo_settings_text(run->settings, "save") ||
        !auxo__run_leads(run))
        return status;
    status = model_path(state, best->number, path, sizeof path, error);
    if (status == AUXO_OK && !run->device)
        status = auxo__task_open_device(run, error);
    if (status != AUXO_OK)
        return status;
    auxo_model_destroy(state->best);
    state->best = NULL;
    return auxo_model_load(run->device, path, &state->best, error);
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    space_state *state = user;
    double values[AUXO__SPACE_PARAMETERS_MAX];
    int64_t id = 0;
    *done = run->options.look_only || auxo__space_out_of_time(&state->all);
    auxo_status status = *done ? AUXO_OK : auxo__space_take(&state->all, &id, values, done, error);
    if (status == AUXO_OK && !*done)
        status = run_trial(state, id, values, error);
    if (status == AUXO_INTERRUPTED && auxo__space_out_of_time(&state->all)) {
        *done = true;
        status = AUXO_OK;
    }
    return status == AUXO_OK && *done ? load_best(run, state, error) : status;
}

static auxo_model *model(void *user)
{
    space_state *state = user;
    return state->best;
}

static double progress(const auxo_run *run, const void *user)
{
    const space_state *state = user;
    size_t open = 0;
    double share = state->all.evaluation_limit > 0
                       ? (double)auxo__space_count_trials(run->study, &open) / (double)state->all.evaluation_limit
                       : (double)NAN;
    if (state->all.time_limit > 0)
        share = fmax(isnan(share) ? 0 : share, (auxo__now_seconds() - state->all.began) / state->all.time_limit);
    return fmin(share, 1);
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    const space_state *state = user;
    size_t open = 0;
    double values[AUXO__SPACE_PARAMETERS_MAX];
    const auxo_trial *best = auxo_study_best(run->study);
    if (!best)
        return auxo_error_set(error, AUXO_INTERRUPTED, "no trial of the study has ended with a finite value");
    for (size_t i = 0; i < state->all.space.count; i++)
        values[i] = auxo_trial_parameter_value(best, state->all.space.items[i].name);
    result_record record = {.run = state->all.inner->info.name,
                            .metric = state->all.metric,
                            .number = (uint64_t)best->number,
                            .trials = auxo__space_count_trials(run->study, &open),
                            .value = best->value};
    format_values(&state->all.space, values, record.genome, sizeof record.genome);
    return auxo__run_emit(run, &result_event, &record, error);
}

/* A study is its own checkpoint; a run with one has none, and is asked for no state. */
static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    (void)user;
    (void)archive;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "a search over run's settings has no checkpoint but its study");
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    (void)run;
    (void)user;
    (void)archive;
    return auxo_error_set(error, AUXO_UNSUPPORTED, "a search over run's settings has no checkpoint but its study");
}

static const auxo_event_type *const events[] = {&start_event, &epoch_event, &trial_event, &result_event, NULL};

const auxo_method auxo__method_space_search = {
    .info = {.name = "search", .summary = "search the settings of another method", .events = events},
    .state_bytes = sizeof(space_state),
    .begin = begin,
    .announce = announce,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .end = end,
    .model = model,
    .progress = progress,
    .report_title = "Search",
    .finish_when_ended = true,
    .minimizes = auxo__space_minimizes,
};
