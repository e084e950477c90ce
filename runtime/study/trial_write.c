/* trial_write.c: trials into the file: begun, reported, ended, given back.
 *
 * A trial that has ended is never changed: whoever ends it looks in the same transaction whether it still runs, and so
 * a result that comes after its worker was given up for dead is dropped, not counted twice.
 */
#include "json.h"
#include "json_tree.h"
#include "study_internal.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RETRIES_MAX = 10 };

void auxo__study_time(char text[32])
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    const size_t used = strftime(text, 24, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(text + used, 32 - used, ".%06ld", now.tv_nsec / 1000);
}

/* ---- parts of a trial -------------------------------------------------------------------------------------------- */

auxo_status auxo_study_set_parameter(auxo_study *study, int64_t id, const auxo_parameter *parameter, double value,
                                     auxo_error *error)
{
    char *json = NULL;
    auxo_status status = auxo_parameter_print(parameter, &json, error);
    if (status == AUXO_OK)
        status = auxo__database_run(&study->database, error,
                                    "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
                                    "VALUES (?, ?, ?, ?)",
                                    "itdt", id, parameter->name, value, json);
    free(json);
    return status;
}

auxo_status auxo_study_set_trial_attribute(auxo_study *study, int64_t id, const char *name, bool system,
                                           const char *json, auxo_error *error)
{
    if (!json)
        return auxo__database_run(&study->database, error,
                                  system ? "DELETE FROM trial_system_attributes WHERE trial_id = ? AND \"key\" = ?"
                                         : "DELETE FROM trial_user_attributes WHERE trial_id = ? AND \"key\" = ?",
                                  "it", id, name);
    return auxo__database_run(
        &study->database, error,
        system ? "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES (?, ?, ?) "
                 "ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json"
               : "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES (?, ?, ?) "
                 "ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
        "itt", id, name, json);
}

/* Optuna's word for a number that may not be one. */
static const char *type_of(double value)
{
    return isfinite(value) ? "FINITE" : isnan(value) ? "NAN" : value > 0 ? "INF_POS" : "INF_NEG";
}

static double finite_or_none(double value)
{
    return isfinite(value) ? value : (double)NAN;
}

auxo_status auxo__trial_set_value(auxo_study *study, int64_t id, double value, auxo_error *error)
{
    return auxo__database_run(&study->database, error,
                              "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, ?)",
                              "idt", id, finite_or_none(value), type_of(value));
}

auxo_status auxo__trial_copy_parameter(auxo_study *study, int64_t id, const auxo_trial_parameter *parameter,
                                       auxo_error *error)
{
    return auxo__database_run(&study->database, error,
                              "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
                              "VALUES (?, ?, ?, ?)",
                              "itdt", id, parameter->name, parameter->value, parameter->distribution);
}

auxo_status auxo_study_report(auxo_study *study, int64_t id, int64_t step, double value, auxo_error *error)
{
    return auxo__database_run(&study->database, error,
                              "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, "
                              "intermediate_value_type) VALUES (?, ?, ?, ?) ON CONFLICT (trial_id, step) DO UPDATE SET "
                              "intermediate_value = excluded.intermediate_value, intermediate_value_type = "
                              "excluded.intermediate_value_type",
                              "iidt", id, step, finite_or_none(value), type_of(value));
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

/* The number follows from the trials there are: inside a transaction nobody else can take it. */
static auxo_status insert_trial(auxo_study *study, bool waiting, int64_t *id, auxo_error *error)
{
    char now[32];
    auxo__study_time(now);
    auxo_status status = auxo__database_run(
        &study->database, error,
        "INSERT INTO trials (number, study_id, state, datetime_start) SELECT COUNT(*), ?1, ?2, ?3 FROM trials WHERE "
        "study_id = ?1",
        "itt", study->id, waiting ? "WAITING" : "RUNNING", waiting ? NULL : now);
    *id = auxo__database_last_id(&study->database);
    return status;
}

/* The trial is this worker's: it says so, and its heart beats. */
static auxo_status begin_own(auxo_study *study, int64_t id, auxo_error *error)
{
    char *worker = NULL;
    const auxo__remote *remote = study->database.remote;
    auxo_status status = remote ? AUXO_OK : auxo__worker_describe(&worker, error);
    if (remote && !(worker = strdup(remote->worker)))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    if (status == AUXO_OK)
        status = auxo_study_set_trial_attribute(study, id, "worker", false, worker, error);
    if (status == AUXO_OK)
        status = auxo__heart_beat(&study->database, id, error);
    if (status == AUXO_OK)
        status = auxo__heart_start(study, id, error);
    if (status == AUXO_OK)
        study->own = id;
    free(worker);
    return status;
}

auxo_status auxo_study_add_trial(auxo_study *study, const auxo_space *space, const double *values, bool waiting,
                                 int64_t *id, auxo_error *error)
{
    auxo_status status = auxo__study_enter(study, error);
    if (status != AUXO_OK)
        return status;
    status = insert_trial(study, waiting, id, error);
    for (size_t i = 0; i < space->count && status == AUXO_OK; i++)
        if (!isnan(values[i]))
            status = auxo_study_set_parameter(study, *id, &space->items[i], values[i], error);
    if (status == AUXO_OK && !waiting)
        status = begin_own(study, *id, error);
    return auxo__study_leave(study, status, error);
}

auxo_status auxo_study_take_waiting(auxo_study *study, int64_t *id, auxo_error *error)
{
    char now[32];
    auxo__study_time(now);
    *id = 0;
    auxo_status status = auxo__study_enter(study, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__database_integer(
        &study->database, id, 0, error,
        "SELECT trial_id FROM trials WHERE study_id = ? AND state = 'WAITING' ORDER BY trial_id LIMIT 1", "i",
        study->id);
    if (status == AUXO_OK && *id)
        status = auxo__database_run(&study->database, error,
                                    "UPDATE trials SET state = 'RUNNING', datetime_start = ? WHERE trial_id = ?", "ti",
                                    now, *id);
    if (status == AUXO_OK && *id)
        status = begin_own(study, *id, error);
    return auxo__study_leave(study, status, error);
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

static auxo_status still_runs(auxo_study *study, int64_t id, bool *runs, auxo_error *error)
{
    int64_t count = 0;
    auxo_status status =
        auxo__database_integer(&study->database, &count, 0, error,
                               "SELECT COUNT(*) FROM trials WHERE trial_id = ? AND state = 'RUNNING'", "i", id);
    *runs = count > 0;
    return status;
}

static auxo_status set_ended(auxo_study *study, int64_t id, const char *state, auxo_error *error)
{
    char now[32];
    auxo__study_time(now);
    return auxo__database_run(&study->database, error,
                              "UPDATE trials SET state = ?, datetime_complete = ? WHERE trial_id = ?", "tti", state,
                              now, id);
}

static void forget_own(auxo_study *study, int64_t id)
{
    if (study->own == id) {
        auxo__heart_stop(study);
        study->own = 0;
    }
}

auxo_status auxo_study_end_trial(auxo_study *study, int64_t id, auxo_trial_state state, double value, bool *kept,
                                 auxo_error *error)
{
    static const char *const names[] = {"RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"};
    *kept = false;
    if (state == AUXO_TRIAL_RUNNING || state == AUXO_TRIAL_WAITING || (isnan(value) && state != AUXO_TRIAL_FAILED))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "study: a trial ends with a value, or failed");
    auxo_status status = auxo__study_enter(study, error);
    if (status != AUXO_OK)
        return status;
    status = still_runs(study, id, kept, error);
    if (status == AUXO_OK && *kept && !isnan(value))
        status = auxo__trial_set_value(study, id, value, error);
    if (status == AUXO_OK && *kept)
        status = set_ended(study, id, names[state], error);
    status = auxo__study_leave(study, status, error);
    if (status == AUXO_OK)
        forget_own(study, id);
    return status;
}

/* ---- giving back ------------------------------------------------------------------------------------------------- */

/* The numbers of the trials that this one repeats, itself at their end, as JSON. Ownership: free(*json). */
static auxo_status extend_retries(const auxo_trial *trial, char **json, size_t *count, auxo_error *error)
{
    const char *before = auxo_trial_attribute_json(trial, "retry_history", true);
    cJSON *list = before ? cJSON_Parse(before) : cJSON_CreateArray();
    if (!cJSON_IsArray(list)) {
        cJSON_Delete(list);
        list = cJSON_CreateArray();
    }
    cJSON *number = cJSON_CreateNumber((double)trial->number);
    if (!list || !cJSON_AddItemToArray(list, number)) {
        cJSON_Delete(list);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    }
    *count = (size_t)cJSON_GetArraySize(list);
    *json = auxo__tree_print_text(list, false);
    cJSON_Delete(list);
    return *json ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
}

static auxo_status copy_attributes(auxo_study *study, const auxo_trial *trial, int64_t id, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < trial->attribute_count && status == AUXO_OK; i++) {
        const auxo_trial_attribute *a = &trial->attributes[i];
        if (a->system && strcmp(a->name, "retry_history") != 0 && strcmp(a->name, "failed_trial") != 0)
            status = auxo_study_set_trial_attribute(study, id, a->name, true, a->json, error);
    }
    return status;
}

static auxo_status add_copy(auxo_study *study, const auxo_trial *trial, const char *history, auxo_error *error)
{
    int64_t id = 0;
    char failed[24];
    auxo_status status = insert_trial(study, true, &id, error);
    for (size_t i = 0; i < trial->parameter_count && status == AUXO_OK; i++)
        status = auxo__trial_copy_parameter(study, id, &trial->parameters[i], error);
    if (status == AUXO_OK)
        status = copy_attributes(study, trial, id, error);
    /* As Optuna's RetryFailedTrialCallback marks them. */
    snprintf(failed, sizeof failed, "%lld", (long long)trial->number);
    if (status == AUXO_OK)
        status = auxo_study_set_trial_attribute(study, id, "failed_trial", true, failed, error);
    return status == AUXO_OK ? auxo_study_set_trial_attribute(study, id, "retry_history", true, history, error)
                             : status;
}

auxo_status auxo__trial_give_back(auxo_study *study, const auxo_trial *trial, auxo_error *error)
{
    char *history = NULL;
    size_t retries = 0;
    auxo_status status = extend_retries(trial, &history, &retries, error);
    if (status == AUXO_OK)
        status = set_ended(study, trial->id, "FAIL", error);
    if (status == AUXO_OK && retries <= RETRIES_MAX)
        status = add_copy(study, trial, history, error);
    free(history);
    return status;
}

auxo_status auxo_study_give_back(auxo_study *study, int64_t id, auxo_error *error)
{
    bool runs = false;
    auxo_status status = auxo__study_enter(study, error);
    if (status != AUXO_OK)
        return status;
    status = still_runs(study, id, &runs, error);
    const auxo_trial *trial = status == AUXO_OK && runs ? auxo_study_trial(study, id, error) : NULL;
    if (status == AUXO_OK && runs)
        status = trial ? auxo__trial_give_back(study, trial, error) : AUXO_IO;
    status = auxo__study_leave(study, status, error);
    forget_own(study, id);
    return status;
}
