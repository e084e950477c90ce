/* study_run.c: see study_run.h.
 *
 * The study's attributes "auxo:method", "auxo:settings" and "auxo:rows" say what its trials have in common.
 */
#include "study_run.h"

#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const auxo_setting auxo__study_settings[] = {
    {.name = "study",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.db",
     .help = "Keep what is tried in this SQLite file, which any number of workers share, and go on with what is there; "
             "Optuna's programs read it",
     .role = AUXO_SETTING_FREE},
    {.name = "study-name",
     .type = AUXO_SETTING_TEXT,
     .argument = "NAME",
     .help = "The study within the file (default: the only one; of a new one: auxo)",
     .role = AUXO_SETTING_FREE},
    {.name = "heartbeat",
     .type = AUXO_SETTING_SECONDS,
     .argument = "T",
     .initial = "10",
     .help =
         "With a study: how often a worker shows that it lives; the trial of one on another machine that was silent "
         "for six times as long is given to the next",
     .minimum = 0.1,
     .maximum = 3600,
     .role = AUXO_SETTING_FREE},
    AUXO_SETTINGS_END,
};

auxo_status auxo__run_open_study(auxo_run *run, auxo_error *error)
{
    const bool offered = auxo_settings_find(run->settings, "study") != NULL;
    const char *path = offered ? auxo_settings_text(run->settings, "study") : NULL;
    if (!path && offered &&
        (auxo_settings_given(run->settings, "study-name") || auxo_settings_flag(run->settings, "keep-models")))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "study-name and keep-models need a study");
    if (!path)
        return AUXO_OK;
    if (auxo_settings_text(run->settings, "checkpoint") || auxo_settings_flag(run->settings, "resume"))
        return auxo_error_set(
            error, AUXO_INVALID_ARGUMENT,
            "checkpoint: the study %s is the checkpoint, and the same command goes on with it; give one "
            "of the two",
            path);
    const double beat = auxo_settings_real(run->settings, "heartbeat");
    const auxo_study_options options = {.name = auxo_settings_text(run->settings, "study-name"),
                                        .create = true,
                                        .maximize = !(run->method->minimizes && run->method->minimizes(run->settings)),
                                        .cluster = run->options.cluster,
                                        .beat_seconds = beat,
                                        .silent_seconds = 6 * beat};
    auxo_status status = auxo_study_open(path, &options, &run->study, error);
    if (status == AUXO_OK && !run->options.look_only)
        status = auxo_study_remove_strays(run->study, error);
    if (status == AUXO_OK && auxo_study_network(run->study))
        status =
            auxo__run_note(run, error,
                           "%s lies on a network file system (%s), where the locks of SQLite may fail: put it on a "
                           "disk of one machine",
                           path, auxo_study_network(run->study));
    return status;
}

/* ---- whose study it is ------------------------------------------------------------------------------------------- */

static auxo_status describe(const auxo_run *run, char **json, auxo_error *error)
{
    auxo__json text = {0};
    auxo_status status = auxo__settings_describe(run->settings, false, &text, error);
    if (status == AUXO_OK)
        status = auxo__json_finish(&text, error);
    else
        auxo__json_deinit(&text);
    *json = text.text;
    return status;
}

static auxo_status remember(auxo_run *run, const char *settings, auxo_error *error)
{
    char method[96], rows[24];
    snprintf(method, sizeof method, "\"%.80s\"", run->inner->info.name);
    snprintf(rows, sizeof rows, "\"%016" PRIx64 "\"", run->data_hash);
    auxo_status status = auxo_study_set_attribute(run->study, "auxo:method", true, method, error);
    if (status == AUXO_OK)
        status = auxo_study_set_attribute(run->study, "auxo:rows", true, rows, error);
    return status == AUXO_OK ? auxo_study_set_attribute(run->study, "auxo:settings", true, settings, error) : status;
}

/* Settings that may differ read as if they had been the same. */
static void free_settings(cJSON *saved, const cJSON *now, const char *const *names)
{
    for (; names && *names; names++) {
        cJSON *copy = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(now, *names), true);
        cJSON_DeleteItemFromObjectCaseSensitive(saved, *names);
        if (copy && !cJSON_AddItemToObject(saved, *names, copy))
            cJSON_Delete(copy);
    }
}

static auxo_status compare(auxo_run *run, const char *saved_text, const char *now_text, const char *const *free_names,
                           auxo_error *error)
{
    char *method = NULL, *rows = NULL, own_method[96], own_rows[24];
    cJSON *saved = NULL, *now = NULL;
    const char *differs = NULL;
    snprintf(own_method, sizeof own_method, "\"%.80s\"", run->inner->info.name);
    snprintf(own_rows, sizeof own_rows, "\"%016" PRIx64 "\"", run->data_hash);
    auxo_status status = auxo_study_get_attribute(run->study, "auxo:method", true, &method, error);
    if (status == AUXO_OK)
        status = auxo_study_get_attribute(run->study, "auxo:rows", true, &rows, error);
    if (status == AUXO_OK && method && strcmp(method, own_method) != 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "it belongs to %s, not to %s", method, own_method);
    if (status == AUXO_OK)
        status = auxo__json_parse(saved_text, strlen(saved_text), &saved, error);
    if (status == AUXO_OK)
        status = auxo__json_parse(now_text, strlen(now_text), &now, error);
    if (status == AUXO_OK) {
        free_settings(saved, now, free_names);
        status = auxo__settings_compare(run->settings, saved, &differs, error);
    }
    if (status == AUXO_OK && rows && strcmp(rows, own_rows) != 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "%s: the rows are not those it was begun with; give the same data",
                                differs ? differs : "data");
    cJSON_Delete(saved);
    cJSON_Delete(now);
    free(method);
    free(rows);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "study: %s", auxo_study_path(run->study));
}

auxo_status auxo__run_match_study(auxo_run *run, const char *const *free_names, auxo_error *error)
{
    char *saved = NULL, *now = NULL;
    auxo_status status = describe(run, &now, error);
    if (status == AUXO_OK)
        status = auxo_study_lock(run->study, error);
    if (status != AUXO_OK) {
        free(now);
        return status;
    }
    status = auxo_study_get_attribute(run->study, "auxo:settings", true, &saved, error);
    if (status == AUXO_OK)
        status = saved ? compare(run, saved, now, free_names, error) : remember(run, now, error);
    auxo_status ended = auxo_study_unlock(run->study, status == AUXO_OK, status == AUXO_OK ? error : NULL);
    free(saved);
    free(now);
    return status == AUXO_OK ? ended : status;
}
