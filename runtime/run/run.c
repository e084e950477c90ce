/* run.c: a run's life, from settings to result, whatever its method.
 *
 * Invariants: the checkpoint on disk, if any, is of a moment between two steps; a listener has seen every event before
 * the call that caused it returns.
 */
#include "checkpoint.h"

#include "clock.h"
#include "cluster.h"
#include "folds.h"
#include "ranks.h"
#include "run_report.h"
#include "study_run.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct note_record {
    const char *text;
} note_record;

static const auxo_field note_fields[] = {AUXO__FIELD(note_record, text, "text", TEXT), AUXO__FIELDS_END};
static const auxo_event_type note_event = {.name = "note", .fields = note_fields};

void auxo_run_options_init(auxo_run_options *options)
{
    *options = (auxo_run_options){0};
}

auxo_method_info auxo_method_describe(const auxo_method *method)
{
    return method->info;
}

auxo_status auxo_settings_create(const auxo_method *method, auxo_settings **settings, auxo_error *error)
{
    return auxo_settings_create_from(method->info.settings, method->info.defaults, settings, error);
}

auxo_status auxo_file_write(const char *path, const void *data, size_t size_bytes, auxo_error *error)
{
    return auxo__file_write_atomic(path, data, size_bytes, error);
}

auxo_status auxo_file_check_writable(const char *what, const char *path, auxo_error *error)
{
    return auxo__file_check_writable(what, path, error);
}

/* ---- for methods ------------------------------------------------------------------------------------------------- */

auxo_status auxo__run_emit(auxo_run *run, const auxo_event_type *type, const void *record, auxo_error *error)
{
    const auxo_event event = {type, record};
    auxo_status status = auxo__history_add(&run->history, &event, error);
    if (status == AUXO_OK && strcmp(type->name, "result") == 0) {
        free(run->result);
        status = auxo_event_json(&event, &run->result, error);
    }
    if (status == AUXO_OK && run->options.listener)
        run->options.listener(run->options.listener_user, &event);
    return status;
}

auxo_status auxo__run_note(auxo_run *run, auxo_error *error, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char **grown = realloc(run->notes, (run->note_count + 1) * sizeof *grown);
    if (grown)
        run->notes = grown;
    char *copy = grown ? strdup(text) : NULL;
    if (!copy)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for a note");
    run->notes[run->note_count++] = copy;
    return auxo__run_emit(run, &note_event, &(note_record){copy}, error);
}

void auxo__run_moved(auxo_run *run, uint64_t position, bool due)
{
    run->position = position;
    run->save_due = run->save_due || due;
}

bool auxo__run_stopped(const auxo_run *run)
{
    return run->options.stop && *run->options.stop;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status check_outputs(const auxo_run *run, auxo_error *error)
{
    static const char *const names[] = {"save", "report", "csv"};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == AUXO_OK; i++)
        status = auxo__file_check_writable(names[i], auxo_settings_text(run->settings, names[i]), error);
    return status;
}

static auxo_status begin(auxo_run *run, auxo_error *error)
{
    auxo__archive *archive = NULL;
    auxo_status status = auxo__run_check_ranks(run, error);
    if (status == AUXO_OK && auxo__run_leads(run))
        status = check_outputs(run, error);
    if (status == AUXO_OK)
        status = auxo__run_open_study(run, error);
    if (status == AUXO_OK)
        status = auxo__checkpoint_open(run, &archive, error);
    if (status == AUXO_OK) {
        run->begun = true;
        run->resumed_from = archive;
        status = run->method->begin(run, run->state, error);
        run->resumed_from = NULL;
    }
    if (status == AUXO_OK)
        status = auxo__run_match_ranks(run, error);
    if (status == AUXO_OK && archive)
        status = auxo__checkpoint_restore(run, archive, error);
    auxo__archive_destroy(archive);
    if (status == AUXO_OK && run->method->announce)
        status = run->method->announce(run, run->state, error);
    return status;
}

auxo_status auxo_run_open(const auxo_method *method, const auxo_settings *settings, const auxo_run_options *options,
                          auxo_run **run, auxo_error *error)
{
    *run = NULL;
    auxo_run *opened = calloc(1, sizeof *opened);
    if (!opened)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory opening a run");
    const bool in_folds = auxo_settings_find(settings, "folds") && auxo_settings_integer(settings, "folds") > 0;
    const auxo_method *chosen = method->choose ? method->choose(settings) : NULL;
    opened->method = in_folds ? &auxo__folds_method : chosen ? chosen : method;
    opened->inner = method;
    opened->options = *options;
    opened->lock = (auxo__file_lock)AUXO__FILE_UNLOCKED;
    opened->open_seconds = auxo__now_seconds();
    opened->saved_position = UINT64_MAX;
    opened->state = calloc(1, opened->method->state_bytes + 1);
    opened->command = options->command ? strdup(options->command) : NULL;
    opened->options.command = opened->command;
    auxo_status status = opened->state && (opened->command || !options->command)
                             ? auxo_settings_copy(settings, &opened->settings, error)
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory opening a run");
    if (status == AUXO_OK)
        status = auxo__history_init(&opened->history, opened->method->info.events, error);
    if (status == AUXO_OK)
        status = begin(opened, error);
    if (status != AUXO_OK) {
        auxo_run_close(opened);
        return status;
    }
    opened->setup_seconds = auxo__now_seconds() - opened->open_seconds;
    *run = opened;
    return AUXO_OK;
}

void auxo_run_close(auxo_run *run)
{
    if (!run)
        return;
    if (run->begun)
        run->method->end(run->state);
    /* A rank that leaves before the work is done takes the others with it: a study waits for all of its workers. */
    if (run->study && auxo_cluster_size(run->options.cluster) > 1 && !run->done)
        auxo__cluster_announce_stop(run->options.cluster);
    auxo_study_close(run->study);
    auxo_device_close(run->device);
    auxo__history_deinit(&run->history);
    auxo__best_deinit(&run->best);
    auxo__file_lock_release(&run->lock);
    auxo_settings_destroy(run->settings);
    for (size_t i = 0; i < run->note_count; i++)
        free(run->notes[i]);
    free(run->notes);
    free(run->class_weights);
    free(run->result);
    free(run->command);
    free(run->state);
    free(run);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

auxo_status auxo_run_save(auxo_run *run, auxo_error *error)
{
    if (!auxo_settings_text(run->settings, "checkpoint") || run->saved_position == run->position ||
        !auxo__run_leads(run))
        return AUXO_OK;
    return auxo__checkpoint_write(run, error);
}

static auxo_status write_model(auxo_run *run, auxo_model *model, const char *path, auxo_error *error)
{
    auxo_status status = run->schema ? auxo_model_set_data_schema(model, run->schema, error) : AUXO_OK;
    if (status != AUXO_OK)
        return status;
    if (run->method->save_model)
        return run->method->save_model(run, run->state, path, error);
    return auxo_model_save(model, path, error);
}

static auxo_status save_model(auxo_run *run, auxo_error *error)
{
    const char *path = auxo_settings_text(run->settings, "save");
    auxo_model *model = auxo_run_model(run);
    return path && model && auxo__run_leads(run) ? write_model(run, model, path, error) : AUXO_OK;
}

/* The best epoch's weights are put in for as long as it takes to write them. */
auxo_status auxo_run_save_model(auxo_run *run, const char *path, auxo_error *error)
{
    auxo_model *model = auxo_run_model(run);
    if (!model)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: the run has no model to write", path);
    if (run->best.in_model)
        return write_model(run, model, path, error);
    auxo_status status = auxo__best_exchange(&run->best, model, error);
    if (status == AUXO_OK)
        status = write_model(run, model, path, error);
    const auxo_status back =
        run->best.in_model ? auxo__best_exchange(&run->best, model, status == AUXO_OK ? error : NULL) : AUXO_OK;
    return status == AUXO_OK ? back : status;
}

/* What an ended run has found is not lost. */
static auxo_status keep_findings(auxo_run *run, auxo_error *error)
{
    const char *path = auxo_settings_text(run->settings, "save");
    const bool has_model = auxo_run_model(run) != NULL;
    if (has_model && run->method->finish_when_ended)
        return auxo_run_finish(run, error);
    return has_model && path && auxo__run_leads(run) ? auxo_run_save_model(run, path, error) : AUXO_OK;
}

/* Saves what a stop leaves, and says how to go on. */
static auxo_status interrupt(auxo_run *run, auxo_error *error)
{
    const char *path = auxo_settings_text(run->settings, "checkpoint");
    auxo_status status = auxo_run_save(run, error);
    if (status == AUXO_OK)
        status = keep_findings(run, error);
    if (status != AUXO_OK)
        return status;
    if (run->study)
        return auxo_error_set(error, AUXO_INTERRUPTED,
                              "interrupted; what this worker had begun waits in the study %s for the next",
                              auxo_study_path(run->study));
    if (path)
        return auxo_error_set(error, AUXO_INTERRUPTED, "interrupted; resume continues from %s", path);
    return auxo_error_set(error, AUXO_INTERRUPTED, "interrupted; nothing was saved (no checkpoint was asked for)");
}

/* A failed step keeps what was saved before: say where it is. */
static auxo_status explain_failure(auxo_run *run, auxo_status status, auxo_error *error)
{
    if (status == AUXO_NOT_FINITE && run->method->finish_when_ended) {
        auxo_error ignored = {AUXO_OK, ""}; /* the first failure is the one to tell */
        keep_findings(run, &ignored);
    }
    const char *path = auxo_settings_text(run->settings, "checkpoint");
    if (status == AUXO_NOT_FINITE && path && error && run->saved_position != UINT64_MAX) {
        char text[sizeof error->message];
        snprintf(text, sizeof text, "%s", error->message);
        return auxo_error_set(error, status, "%.380s; the last good state is in %.100s", text, path);
    }
    return status;
}

auxo_status auxo_run_step(auxo_run *run, bool *done, auxo_error *error)
{
    *done = run->done;
    if (run->done)
        return AUXO_OK;
    if (auxo__run_stopped(run))
        return interrupt(run, error);
    auxo_status status = run->method->step(run, run->state, &run->done, error);
    if (status == AUXO_INTERRUPTED)
        return interrupt(run, error);
    if (status != AUXO_OK)
        return explain_failure(run, status, error);
    *done = run->done;
    return run->save_due || run->done ? auxo_run_save(run, error) : AUXO_OK;
}

auxo_status auxo__run_offer(auxo_run *run, uint32_t epoch, double score, double loss, bool *exhausted,
                            auxo_error *error)
{
    auxo_status status = auxo__best_offer(&run->best, auxo_run_model(run), epoch, score, loss, error);
    *exhausted = status == AUXO_OK && auxo__best_exhausted(&run->best);
    return status;
}

/* The result is the best epoch's, if that was asked for. */
static auxo_status take_best(auxo_run *run, auxo_error *error)
{
    auxo_model *model = auxo_run_model(run);
    if (!model || run->best.in_model)
        return AUXO_OK;
    auxo_status status = auxo__best_exchange(&run->best, model, error);
    if (status == AUXO_OK && run->best.in_model)
        status = auxo__run_note(run, error, "the weights of epoch %u are kept, the best of %u on the validation rows",
                                run->best.epoch, run->best.last);
    return status;
}

/* Saved before it is measured: what cannot be measured is not lost. */
auxo_status auxo_run_finish(auxo_run *run, auxo_error *error)
{
    const char *csv = auxo_settings_text(run->settings, "csv");
    if (!auxo__run_leads(run)) /* the result is rank 0's to tell */
        return AUXO_OK;
    auxo_status status = take_best(run, error);
    if (status == AUXO_OK)
        status = save_model(run, error);
    if (status == AUXO_OK && csv)
        status = auxo__history_write_csv(&run->history, run->method->csv_event ? run->method->csv_event : "epoch", csv,
                                         error);
    if (status == AUXO_OK)
        status = run->method->finish(run, run->state, error);
    if (status == AUXO_OK && auxo_settings_text(run->settings, "save") && !auxo_run_model(run))
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "save: the run has no model to write");
    if (status == AUXO_OK && auxo_settings_text(run->settings, "report"))
        status = auxo__run_write_report(run, auxo_settings_text(run->settings, "report"), error);
    return status;
}

auxo_status auxo_run_complete(auxo_run *run, auxo_error *error)
{
    bool done = false;
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && !done)
        status = auxo_run_step(run, &done, error);
    return status == AUXO_OK ? auxo_run_finish(run, error) : status;
}

/* ---- what it tells ----------------------------------------------------------------------------------------------- */

double auxo_run_progress(const auxo_run *run)
{
    if (run->done)
        return 1;
    return run->method->progress ? run->method->progress(run, run->state) : (double)NAN;
}

uint64_t auxo_run_epochs(const auxo_run *run)
{
    return run->method->epochs && !run->done ? run->method->epochs(run->state) : 0;
}

auxo_model *auxo_run_model(auxo_run *run)
{
    return run->method->model ? run->method->model(run->state) : NULL;
}

auxo_device *auxo_run_device(auxo_run *run)
{
    return run->device;
}

const char *auxo_run_result(const auxo_run *run)
{
    return run->result;
}

const double *auxo_run_history(const auxo_run *run, const char *event, const char *field, size_t *count)
{
    const auxo__column *column = auxo__history_column(&run->history, event, field);
    *count = column ? column->count : 0;
    return column ? column->values : NULL;
}
