/* folds.c: see folds.h.
 *
 * A step of the outer run is a step of the inner one. The inner run has a checkpoint of its own beside the outer one's
 * (FILE.fold1, ...), which goes when its fold is finished; the outer checkpoint holds the results of finished folds.
 */
#include "folds.h"
#include "json.h"
#include "json_tree.h"

#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char RESULTS_KEY[] = "auxo.folds";
enum { PATH_BYTES = 4096 };

const auxo_setting auxo__fold_settings[] = {
    {.name = "folds",
     .type = AUXO_SETTING_INTEGER,
     .argument = "K",
     .initial = "0",
     .help =
         "Train K times, each time without one K-th of the rows and measured on it; results with their mean and two "
         "standard deviations. 0: once, on the data's own split",
     .maximum = 1000},
    {.name = "fold",
     .type = AUXO_SETTING_TEXT,
     .argument = "I/K",
     .help = "Train once, measured on part I of K: one of the trainings of folds, for example on another machine"},
    AUXO_SETTINGS_END,
};

auxo_status auxo__folds_apply(auxo_run *run, uint64_t seed, auxo_dataset **train, auxo_dataset **test,
                              auxo_error *error)
{
    const char *text = auxo_settings_find(run->settings, "fold") ? auxo_settings_text(run->settings, "fold") : NULL;
    unsigned fold = 0, folds = 0;
    int used = 0;
    if (!text)
        return AUXO_OK;
    if (sscanf(text, "%u/%u%n", &fold, &folds, &used) != 2 || text[used] || fold < 1 || fold > folds)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "fold: \"%s\" is not I/K with I from 1 to K", text);
    auxo_dataset *part = NULL, *rest = NULL;
    auxo_status status = auxo_dataset_fold(*train, folds, fold - 1, seed, &part, &rest, error);
    if (status != AUXO_OK)
        return status;
    if (*test)
        status = auxo__run_note(run, error, "%s: its own test split is left out; fold %u of %u is measured on",
                                (*train)->name, fold, folds);
    auxo_dataset_destroy(*train);
    auxo_dataset_destroy(*test);
    *train = rest;
    *test = part;
    return status;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct fold_record {
    uint32_t fold, of;
    const char *result; /* JSON */
} fold_record;
static const auxo_field fold_fields[] = {AUXO__FIELD(fold_record, fold, "fold", U32),
                                         AUXO__FIELD(fold_record, of, "of", U32),
                                         AUXO__FIELD(fold_record, result, "result", JSON), AUXO__FIELDS_END};
static const auxo_event_type fold_event = {
    .name = "fold", .fields = fold_fields, .line = "fold {fold} of {of} is done"};

typedef struct mean_record {
    const char *quantity;
    double mean, two_deviations, lowest, highest;
    uint32_t folds;
} mean_record;
static const auxo_field mean_fields[] = {AUXO__FIELD(mean_record, quantity, "quantity", TEXT),
                                         AUXO__FIELD(mean_record, mean, "mean", REAL),
                                         AUXO__FIELD(mean_record, two_deviations, "two_deviations", REAL),
                                         AUXO__FIELD(mean_record, lowest, "lowest", REAL),
                                         AUXO__FIELD(mean_record, highest, "highest", REAL),
                                         AUXO__FIELD(mean_record, folds, "folds", U32),
                                         AUXO__FIELDS_END};
static const auxo_event_type mean_event = {
    .name = "mean",
    .fields = mean_fields,
    .line = "{quantity}: {mean:.5g} +- {two_deviations:.2g} (two standard deviations; {lowest:.5g} to {highest:.5g})"};

typedef struct result_record {
    uint32_t folds;
    const char *means, *deviations;
} result_record;
static const auxo_field result_fields[] = {
    AUXO__FIELD(result_record, folds, "folds", U32), AUXO__FIELD(result_record, means, "mean", JSON),
    AUXO__FIELD(result_record, deviations, "two_deviations", JSON), AUXO__FIELDS_END};
static const auxo_event_type result_event = {.name = "result", .fields = result_fields};

/* ---- state ------------------------------------------------------------------------------------------------------- */

typedef struct folds_state {
    auxo_run *outer, *child;
    uint32_t folds;
    cJSON *results; /* array, one object for each finished fold */
    cJSON *texts;   /* array of the same as text, which keeps every bit of a number */
} folds_state;

/* Whatever the inner run tells is passed on, but its result is one of several. */
static void pass_on(void *user, const auxo_event *event)
{
    const folds_state *state = user;
    const auxo_run_options *options = &state->outer->options;
    if (options->listener && strcmp(event->type->name, "result") != 0)
        options->listener(options->listener_user, event);
}

/* The checkpoint of a fold, from 0; false without checkpoints. One name for each: what a killed run leaves of a
 * finished fold is not taken for the next one's. */
static bool child_checkpoint(const auxo_run *run, uint32_t fold, char *path, size_t size)
{
    const char *checkpoint = auxo_settings_text(run->settings, "checkpoint");
    return checkpoint && snprintf(path, size, "%s.fold%u", checkpoint, fold + 1) < (int)size;
}

static void remove_child_checkpoint(const auxo_run *run, uint32_t fold)
{
    char path[PATH_BYTES], lock[PATH_BYTES + 8];
    if (!child_checkpoint(run, fold, path, sizeof path))
        return;
    snprintf(lock, sizeof lock, "%s.lock", path);
    remove(path);
    remove(lock);
}

static auxo_status child_settings(const auxo_run *run, folds_state *state, uint32_t fold, auxo_settings **settings,
                                  auxo_error *error)
{
    static const char *const outer_only[] = {"report", "csv", "save", "checkpoint", "resume"};
    char part[32], path[PATH_BYTES];
    const bool kept = child_checkpoint(run, fold, path, sizeof path);
    snprintf(part, sizeof part, "%u/%u", fold + 1, state->folds);
    auxo_status status = auxo_settings_copy(run->settings, settings, error);
    if (status == AUXO_OK)
        status = auxo_settings_set(*settings, "folds", "0", error);
    if (status == AUXO_OK)
        status = auxo_settings_set(*settings, "fold", part, error);
    for (size_t i = 0; i < sizeof outer_only / sizeof *outer_only && status == AUXO_OK; i++)
        if (auxo_settings_find(*settings, outer_only[i]))
            status = auxo_settings_set(*settings, outer_only[i], NULL, error);
    if (status == AUXO_OK && kept)
        status = auxo_settings_set(*settings, "checkpoint", path, error);
    if (status == AUXO_OK && kept)
        status = auxo_settings_set(*settings, "resume", "yes", error);
    return status;
}

static uint32_t finished(const folds_state *state)
{
    return (uint32_t)cJSON_GetArraySize(state->results);
}

static auxo_status open_child(auxo_run *run, folds_state *state, auxo_error *error)
{
    auxo_settings *settings = NULL;
    auxo_run_options options = run->options;
    options.listener = pass_on;
    options.listener_user = state;
    if (finished(state) > 0)
        remove_child_checkpoint(run, finished(state) - 1); /* if a kill has left it */
    auxo_status status = child_settings(run, state, finished(state), &settings, error);
    if (status == AUXO_OK)
        status = auxo_run_open(run->inner, settings, &options, &state->child, error);
    auxo_settings_destroy(settings);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "fold %u", finished(state) + 1);
}

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    folds_state *state = user;
    state->outer = run;
    state->folds = (uint32_t)auxo_settings_integer(run->settings, "folds");
    if (state->folds < 2)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "folds: there are 2 or more, or 0 for none");
    if (auxo_settings_text(run->settings, "fold"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "fold is one of the trainings of folds; give one of them");
    if (auxo_settings_find(run->settings, "save") && auxo_settings_text(run->settings, "save"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "save: folds make several models, each without some of the rows; train once for one to "
                              "keep");
    state->results = cJSON_CreateArray();
    state->texts = cJSON_CreateArray();
    return state->results && state->texts ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "folds: out of memory");
}

static void end(void *user)
{
    folds_state *state = user;
    auxo_run_close(state->child);
    cJSON_Delete(state->results);
    cJSON_Delete(state->texts);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Adds the result of a fold. Errors: FORMAT if it is no JSON object. */
static auxo_status add_result(folds_state *state, const char *text, auxo_error *error)
{
    cJSON *result = NULL;
    auxo_status status = auxo__json_parse(text ? text : "null", strlen(text ? text : "null"), &result, error);
    if (status == AUXO_OK && !cJSON_IsObject(result)) {
        cJSON_Delete(result);
        return auxo_error_set(error, AUXO_FORMAT, "its folds make no sense");
    }
    if (status == AUXO_OK && (!auxo__tree_add(state->texts, NULL, cJSON_CreateString(text)) ||
                              !auxo__tree_add(state->results, NULL, result)))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "folds: out of memory");
    return status;
}

static auxo_status end_fold(auxo_run *run, folds_state *state, auxo_error *error)
{
    auxo_status status = auxo_run_finish(state->child, error);
    if (status == AUXO_OK)
        status = add_result(state, auxo_run_result(state->child), error);
    if (status == AUXO_OK)
        status = auxo__run_emit(run, &fold_event,
                                &(fold_record){finished(state), state->folds, auxo_run_result(state->child)}, error);
    auxo_run_close(state->child);
    state->child = NULL;
    if (status != AUXO_OK)
        return status;
    auxo__run_moved(run, finished(state), true);
    status = auxo_run_save(run, error); /* before the fold's own checkpoint goes */
    if (status == AUXO_OK)
        remove_child_checkpoint(run, finished(state) - 1);
    return status;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    folds_state *state = user;
    bool fold_done = false;
    *done = finished(state) >= state->folds;
    if (*done)
        return AUXO_OK;
    auxo_status status = state->child ? AUXO_OK : open_child(run, state, error);
    if (status == AUXO_OK)
        status = auxo_run_step(state->child, &fold_done, error);
    if (status == AUXO_OK && fold_done)
        status = end_fold(run, state, error);
    *done = finished(state) >= state->folds;
    return status;
}

static double progress(const auxo_run *run, const void *user)
{
    (void)run;
    const folds_state *state = user;
    const double share = state->child ? auxo_run_progress(state->child) : 0;
    return (finished(state) + (isfinite(share) ? share : 0)) / state->folds;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    const folds_state *state = user;
    char *text = auxo__tree_print_text(state->texts, false);
    auxo_status status = text ? auxo__archive_put_text(archive, "", RESULTS_KEY, text, error)
                              : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "folds: out of memory");
    cJSON_free(text);
    return status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    folds_state *state = user;
    const char *text = auxo__archive_text(archive, "", RESULTS_KEY);
    if (run->data_differs)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "resume: %s is not as it was when the folds were begun",
                              run->data_differs);
    cJSON *texts = NULL;
    const cJSON *item;
    auxo_status status = auxo__json_parse(text ? text : "null", strlen(text ? text : "null"), &texts, error);
    if (status == AUXO_OK && !(cJSON_IsArray(texts) && (uint32_t)cJSON_GetArraySize(texts) <= state->folds))
        status = auxo_error_set(error, AUXO_FORMAT, "its folds make no sense");
    cJSON_ArrayForEach(item, texts)
    {
        if (status == AUXO_OK)
            status = add_result(state, cJSON_GetStringValue(item), error);
    }
    cJSON_Delete(texts);
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Mean and twice the standard deviation (of n - 1) of one number over the folds; false where some fold has none. */
static bool summarise(const folds_state *state, const char *name, mean_record *record)
{
    double sum = 0, squares = 0;
    const cJSON *result;
    *record = (mean_record){.quantity = name, .lowest = INFINITY, .highest = -INFINITY, .folds = finished(state)};
    cJSON_ArrayForEach(result, state->results)
    {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(result, name);
        if (!cJSON_IsNumber(item))
            return false;
        sum += item->valuedouble;
        record->lowest = fmin(record->lowest, item->valuedouble);
        record->highest = fmax(record->highest, item->valuedouble);
    }
    record->mean = sum / record->folds;
    cJSON_ArrayForEach(result, state->results)
    {
        const double d = cJSON_GetObjectItemCaseSensitive(result, name)->valuedouble - record->mean;
        squares += d * d;
    }
    record->two_deviations = record->folds > 1 ? 2 * sqrt(squares / (record->folds - 1)) : (double)NAN;
    return true;
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    const folds_state *state = user;
    cJSON *means = cJSON_CreateObject(), *deviations = cJSON_CreateObject();
    auxo_status status = AUXO_OK;
    bool good = means && deviations;
    const cJSON *item, *first = cJSON_GetArrayItem(state->results, 0);
    cJSON_ArrayForEach(item, first)
    {
        mean_record record;
        if (!good || status != AUXO_OK || !summarise(state, item->string, &record))
            continue;
        good = cJSON_AddNumberToObject(means, item->string, record.mean) &&
               cJSON_AddNumberToObject(deviations, item->string, record.two_deviations);
        if (strncmp(item->string, "test_", 5) == 0 || strncmp(item->string, "val", 3) == 0)
            status = auxo__run_emit(run, &mean_event, &record, error);
    }
    char *mean_text = good ? auxo__tree_print_text(means, false) : NULL;
    char *deviation_text = good ? auxo__tree_print_text(deviations, false) : NULL;
    if (status == AUXO_OK && (!mean_text || !deviation_text))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "folds: out of memory");
    if (status == AUXO_OK)
        status = auxo__run_emit(run, &result_event, &(result_record){state->folds, mean_text, deviation_text}, error);
    cJSON_free(mean_text);
    cJSON_free(deviation_text);
    cJSON_Delete(means);
    cJSON_Delete(deviations);
    return status;
}

static auxo_status report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    static const char *const headings[] = {"quantity", "mean", "two standard deviations", "lowest", "highest"};
    const folds_state *state = user;
    (void)run;
    (void)error;
    auxo_report_text(report, "%u folds: each training without one part of the rows, measured on it.", state->folds);
    auxo_report_table_begin(report, headings, 5);
    const cJSON *item, *first = cJSON_GetArrayItem(state->results, 0);
    cJSON_ArrayForEach(item, first)
    {
        mean_record record;
        if (summarise(state, item->string, &record))
            auxo_report_table_rowf(report, "%s|%.6g|%.3g|%.6g|%.6g", item->string, record.mean, record.two_deviations,
                                   record.lowest, record.highest);
    }
    auxo_report_table_end(report);
    return AUXO_OK;
}

static const auxo_setting *const no_settings[] = {NULL};
static const auxo_event_type *const events[] = {&fold_event, &mean_event, &result_event, NULL};

const auxo_method auxo__folds_method = {
    .info = {.name = "folds",
             .summary = "cross-validation of a method",
             .description = "",
             .settings = no_settings,
             .events = events},
    .state_bytes = sizeof(folds_state),
    .begin = begin,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = report,
    .end = end,
    .progress = progress,
    .report_title = "Cross-validation",
};
