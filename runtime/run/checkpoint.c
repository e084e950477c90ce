/* checkpoint.c: a run on disk: one file, one rename, one lock.
 *
 * The file is an archive (archive.h): the method's models and states, the history, and in its metadata "auxo.run": the
 * method, the canonical settings, the hash of the rows, version and date. The lock lies on FILE.lock and is the
 * system's: whoever dies releases it. Files of Auxo 0.1.0 (a pair FILE and FILE.state, or a JSON text) are recognised
 * and refused.
 */
#include "checkpoint.h"
#include "json.h"

#include "clock.h"
#include "file.h"
#include "ranks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKPOINT_VERSION = 1 };
static const char RUN_KEY[] = "auxo.run";

typedef struct checkpoint_record {
    const char *path;
    uint64_t step;
} checkpoint_record;

static const auxo_field checkpoint_fields[] = {
    AUXO__FIELD(checkpoint_record, path, "path", TEXT),
    AUXO__FIELD(checkpoint_record, step, "step", U64),
    AUXO__FIELDS_END,
};
static const auxo_event_type checkpoint_event = {.name = "checkpoint", .fields = checkpoint_fields};

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static auxo_status describe_run(const auxo_run *run, char **text, auxo_error *error)
{
    char hash[24], date[32];
    auxo__json json = {0};
    snprintf(hash, sizeof hash, "%016" PRIx64, run->data_hash);
    auxo__json_open(&json, '{');
    auxo__json_key(&json, "version");
    auxo__json_number(&json, CHECKPOINT_VERSION);
    auxo__json_key(&json, "method");
    auxo__json_text(&json, run->inner->info.name);
    auxo__json_key(&json, "auxo");
    auxo__json_text(&json, AUXO_VERSION);
    auxo__json_key(&json, "date");
    auxo__json_text(&json, auxo__date_text(date, sizeof date));
    auxo__json_key(&json, "device");
    auxo__json_text(&json, run->device ? auxo_device_get_info(run->device)->selector : NULL);
    auxo__json_key(&json, "data_hash");
    auxo__json_text(&json, hash);
    auxo__json_key(&json, "position");
    auxo__json_number(&json, (double)run->position);
    auxo__json_key(&json, "settings");
    auxo_status status = auxo__settings_describe(run->settings, false, &json, error);
    auxo__json_close(&json, '}');
    if (status == AUXO_OK)
        status = auxo__json_finish(&json, error);
    if (status != AUXO_OK)
        auxo__json_deinit(&json);
    *text = json.text;
    return status;
}

auxo_status auxo__checkpoint_write(auxo_run *run, auxo_error *error)
{
    auxo__archive *archive = NULL;
    char *text = NULL;
    const char *path = auxo_settings_text(run->settings, "checkpoint");
    auxo_status status = auxo__archive_create(&archive, error);
    if (status == AUXO_OK)
        status = describe_run(run, &text, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, "", RUN_KEY, text, error);
    if (status == AUXO_OK)
        status = run->method->describe(run, run->state, archive, error);
    if (status == AUXO_OK)
        status = auxo__history_store(&run->history, archive, error);
    if (status == AUXO_OK)
        status = auxo__best_store(&run->best, archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_write(archive, path, error);
    auxo__archive_destroy(archive);
    free(text);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "checkpoint");
    run->saved_position = run->position;
    run->save_due = false;
    return auxo__run_emit(run, &checkpoint_event, &(checkpoint_record){path, run->position}, error);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Why a file that is no checkpoint of this version is none. */
static auxo_status refuse_file(const char *path, auxo_error *error)
{
    auxo_error reason = *error;
    char *bytes = NULL, state[4200];
    size_t size = 0;
    snprintf(state, sizeof state, "%s.state", path);
    auxo_status status = auxo__file_read(path, &bytes, &size, NULL);
    bool old = auxo__file_exists(state) || (status == AUXO_OK && size > 0 && bytes[0] == '{');
    free(bytes);
    if (old)
        return auxo_error_set(error, AUXO_FORMAT,
                              "resume: %.300s is a checkpoint of Auxo 0.1.0, which this version does not read; finish "
                              "that run with 0.1.0, or start anew (its models can be loaded as weights)",
                              path);
    *error = reason;
    return auxo_error_wrap(error, reason.status, "resume");
}

static auxo_status compare_run(auxo_run *run, const char *path, const cJSON *root, auxo_error *error)
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "version");
    const char *method = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "method"));
    const char *hash = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "data_hash"));
    uint64_t position = 0;
    if (!cJSON_IsNumber(version) || !method || !hash ||
        !auxo__json_count(cJSON_GetObjectItemCaseSensitive(root, "position"), UINT64_C(1) << 52, &position))
        return auxo_error_set(error, AUXO_FORMAT, "resume: %s is no checkpoint: its \"%s\" is incomplete", path,
                              RUN_KEY);
    if (version->valuedouble > CHECKPOINT_VERSION)
        return auxo_error_set(error, AUXO_FORMAT, "resume: %s was written by a newer Auxo (format %.0f; this reads %d)",
                              path, version->valuedouble, CHECKPOINT_VERSION);
    if (strcmp(method, run->inner->info.name) != 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "resume: %s belongs to a run of \"%s\", not of \"%s\"",
                              path, method, run->inner->info.name);
    run->saved_data_hash = strtoull(hash, NULL, 16);
    run->position = run->saved_position = position;
    auxo_status status = auxo__settings_compare(run->settings, cJSON_GetObjectItemCaseSensitive(root, "settings"),
                                                &run->data_differs, error);
    char before[64];
    const char *changed = NULL;
    if (status == AUXO_OK)
        status = auxo__settings_adopt(run->settings, cJSON_GetObjectItemCaseSensitive(root, "settings"), &changed,
                                      before, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "resume: %s", path);
    return changed ? auxo__run_note(run, error, "%s was %s and is %s from here on: it shapes the numbers", changed,
                                    before, auxo_settings_text(run->settings, changed))
                   : AUXO_OK;
}

auxo_status auxo__checkpoint_accept(auxo_run *run, const char *path, auxo__archive **archive, auxo_error *error)
{
    auxo_error reason = {AUXO_OK, ""};
    const char *text = auxo__archive_text(*archive, "", RUN_KEY);
    if (!text)
        auxo_error_set(&reason, AUXO_FORMAT, "%s is a model, not the checkpoint of a run", path);
    if (text && !auxo__archive_text(*archive, "", "auxo.checksum")) {
        auxo_error_set(&reason, AUXO_FORMAT, "%s has lost its checksum: take a copy that is whole", path);
        text = NULL;
    }
    if (!text) {
        auxo__archive_destroy(*archive);
        *archive = NULL;
        if (error)
            *error = reason;
        return refuse_file(path, error ? error : &reason);
    }
    cJSON *root = NULL;
    auxo_status status = auxo__json_parse(text, strlen(text), &root, error);
    if (status == AUXO_OK)
        status = compare_run(run, path, root, error);
    else
        auxo_error_wrap(error, status, "resume: %s", path);
    cJSON_Delete(root);
    return status;
}

auxo_status auxo__checkpoint_open(auxo_run *run, auxo__archive **archive, auxo_error *error)
{
    const char *path = auxo_settings_text(run->settings, "checkpoint");
    *archive = NULL;
    if (!path && auxo_settings_flag(run->settings, "resume"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "resume needs a checkpoint to continue from");
    auxo_status status = auxo__run_leads(run) ? auxo__file_check_writable("checkpoint", path, error) : AUXO_OK;
    if (status != AUXO_OK || !path)
        return status;
    if (auxo__run_leads(run))
        status = auxo__file_lock_take(&run->lock, path, false, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "checkpoint");
    if (!auxo_settings_flag(run->settings, "resume"))
        return AUXO_OK;
    auxo_error reason = {AUXO_OK, ""};
    status = auxo__run_read_checkpoint(run, path, archive, &reason);
    if (status == AUXO_NOT_FOUND)
        return auxo__run_note(run, error, "no checkpoint at %s yet; starting anew", path);
    if (status == AUXO_OK)
        return auxo__checkpoint_accept(run, path, archive, error);
    if (error)
        *error = reason;
    return refuse_file(path, error ? error : &reason);
}

/* Another device may go on with a run; its numbers then agree up to rounding only. */
static auxo_status tell_device(auxo_run *run, const auxo__archive *archive, auxo_error *error)
{
    const char *text = auxo__archive_text(archive, "", RUN_KEY);
    cJSON *root = NULL;
    auxo_status status = text ? auxo__json_parse(text, strlen(text), &root, error) : AUXO_OK;
    const char *before = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "device"));
    const char *now = run->device ? auxo_device_get_info(run->device)->selector : NULL;
    if (before && now && strcmp(before, now) != 0)
        status = auxo__run_note(
            run, error, "begun on %s, resumed on %s: from here on the numbers agree up to rounding only", before, now);
    cJSON_Delete(root);
    return status;
}

auxo_status auxo__checkpoint_restore(auxo_run *run, const auxo__archive *archive, auxo_error *error)
{
    const char *path = auxo_settings_text(run->settings, "checkpoint");
    if (run->data_hash != run->saved_data_hash)
        return auxo_error_set(
            error, AUXO_INVALID_ARGUMENT,
            "resume: %s: the rows of %s are not those that %s was begun with; give the same data",
            run->data_differs ? run->data_differs : "data",
            auxo_settings_text(run->settings, "data") ? auxo_settings_text(run->settings, "data") : "the data", path);
    auxo_status status = auxo__history_restore(&run->history, archive, error);
    if (status == AUXO_OK)
        status = run->method->restore(run, run->state, archive, error);
    if (status == AUXO_OK)
        status = auxo__best_restore(&run->best, auxo_run_model(run), archive, error);
    if (status == AUXO_OK)
        status = tell_device(run, archive, error);
    run->resumed = status == AUXO_OK;
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "resume: %s", path);
}
