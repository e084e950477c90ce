/* trial_read.c: trials out of the file into memory: what has ended is read once, what goes on anew at each refresh.
 */
#include "study_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[] = {"RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"};

const char *auxo_trial_state_text(auxo_trial_state state)
{
    static const char *const texts[] = {"running", "complete", "pruned", "failed", "waiting"};
    return texts[state];
}

double auxo_trial_parameter_value(const auxo_trial *trial, const char *name)
{
    for (size_t i = 0; i < trial->parameter_count; i++)
        if (strcmp(trial->parameters[i].name, name) == 0)
            return trial->parameters[i].value;
    return (double)NAN;
}

const char *auxo_trial_attribute_json(const auxo_trial *trial, const char *name, bool system)
{
    for (size_t i = 0; i < trial->attribute_count; i++)
        if (trial->attributes[i].system == system && strcmp(trial->attributes[i].name, name) == 0)
            return trial->attributes[i].json;
    return NULL;
}

void auxo__kept_trial_deinit(auxo__kept_trial *kept)
{
    for (size_t i = 0; i < kept->text_count; i++)
        free(kept->texts[i]);
    free((void *)kept->texts);
    free(kept->parameters);
    free(kept->reports);
    free(kept->attributes);
    *kept = (auxo__kept_trial){0};
}

/* ---- one trial --------------------------------------------------------------------------------------------------- */

/* A copy that lives as long as the trial; "" for NULL. NULL: out of memory. */
static const char *keep_text(auxo__kept_trial *kept, const char *text)
{
    if (kept->text_count == kept->text_capacity) {
        const size_t capacity = 2 * kept->text_capacity + 8;
        char **grown = realloc((void *)kept->texts, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        kept->texts = grown;
        kept->text_capacity = capacity;
    }
    char *copy = strdup(text ? text : "");
    if (copy)
        kept->texts[kept->text_count++] = copy;
    return copy;
}

/* Room for one more; NULL without memory. */
static void *one_more(void *array, size_t count, size_t size)
{
    /* Capacities are powers of two: only there an array grows. */
    return count & (count - 1) ? array : realloc(array, (count ? 2 * count : 1) * size);
}

static auxo_status no_memory(auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory for its trials");
}

typedef auxo_status row_reader(const auxo__rows *rows, auxo__kept_trial *kept, auxo_error *error);

static auxo_status read_parameter(const auxo__rows *rows, auxo__kept_trial *kept, auxo_error *error)
{
    size_t *count = &kept->trial.parameter_count;
    auxo_trial_parameter *grown = one_more(kept->parameters, *count, sizeof *grown);
    if (!grown)
        return no_memory(error);
    kept->parameters = grown;
    const auxo_trial_parameter read = {.name = keep_text(kept, auxo__rows_text(rows, 0)),
                                       .value = auxo__rows_real(rows, 1),
                                       .distribution = keep_text(kept, auxo__rows_text(rows, 2))};
    if (!read.name || !read.distribution)
        return no_memory(error);
    grown[(*count)++] = read;
    return AUXO_OK;
}

/* What Optuna writes beside a number: whether it is one. */
static double value_of(const auxo__rows *rows, int number, int type)
{
    const char *kind = auxo__rows_text(rows, type);
    if (kind && strcmp(kind, "INF_POS") == 0)
        return INFINITY;
    if (kind && strcmp(kind, "INF_NEG") == 0)
        return -INFINITY;
    return auxo__rows_real(rows, number);
}

static auxo_status read_value(const auxo__rows *rows, auxo__kept_trial *kept, auxo_error *error)
{
    (void)error;
    kept->trial.value = value_of(rows, 0, 1);
    return AUXO_OK;
}

static auxo_status read_report(const auxo__rows *rows, auxo__kept_trial *kept, auxo_error *error)
{
    size_t *count = &kept->trial.report_count;
    auxo_trial_report *grown = one_more(kept->reports, *count, sizeof *grown);
    if (!grown)
        return no_memory(error);
    kept->reports = grown;
    grown[(*count)++] = (auxo_trial_report){auxo__rows_integer(rows, 0), value_of(rows, 1, 2)};
    return AUXO_OK;
}

static auxo_status read_attribute(const auxo__rows *rows, auxo__kept_trial *kept, auxo_error *error)
{
    size_t *count = &kept->trial.attribute_count;
    auxo_trial_attribute *grown = one_more(kept->attributes, *count, sizeof *grown);
    if (!grown)
        return no_memory(error);
    kept->attributes = grown;
    const auxo_trial_attribute read = {.name = keep_text(kept, auxo__rows_text(rows, 0)),
                                       .json = keep_text(kept, auxo__rows_text(rows, 1)),
                                       .system = auxo__rows_integer(rows, 2) != 0};
    if (!read.name || !read.json)
        return no_memory(error);
    grown[(*count)++] = read;
    return AUXO_OK;
}

static const struct {
    const char *sql;
    row_reader *read;
} parts[] = {
    {"SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id = ? ORDER BY param_id",
     read_parameter},
    {"SELECT value, value_type FROM trial_values WHERE trial_id = ? AND objective = 0", read_value},
    {"SELECT step, intermediate_value, intermediate_value_type FROM trial_intermediate_values WHERE trial_id = ? ORDER "
     "BY step",
     read_report},
    {"SELECT \"key\", value_json, 0 FROM trial_user_attributes WHERE trial_id = ?1 UNION ALL SELECT \"key\", "
     "value_json, 1 FROM trial_system_attributes WHERE trial_id = ?1",
     read_attribute},
};

static auxo_status read_parts(auxo__database *database, auxo__kept_trial *kept, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == AUXO_OK; i++) {
        auxo__rows rows;
        bool more = false;
        status = auxo__rows_begin(&rows, database, error, parts[i].sql, "i", kept->trial.id);
        if (status == AUXO_OK)
            status = auxo__rows_next(&rows, &more, error);
        while (status == AUXO_OK && more) {
            status = parts[i].read(&rows, kept, error);
            if (status == AUXO_OK)
                status = auxo__rows_next(&rows, &more, error);
        }
        auxo__rows_end(&rows);
    }
    kept->trial.parameters = kept->parameters;
    kept->trial.reports = kept->reports;
    kept->trial.attributes = kept->attributes;
    return status;
}

/* A row of the trials: id, number, state, start, end. */
static auxo_status read_trial(auxo__database *database, const auxo__rows *rows, auxo__kept_trial *kept,
                              auxo_error *error)
{
    const char *state = auxo__rows_text(rows, 2);
    *kept = (auxo__kept_trial){
        .trial = {.id = auxo__rows_integer(rows, 0), .number = auxo__rows_integer(rows, 1), .value = (double)NAN}};
    size_t s = 0;
    while (s < sizeof states / sizeof *states && (!state || strcmp(states[s], state) != 0))
        s++;
    if (s == sizeof states / sizeof *states)
        return auxo_error_set(error, AUXO_FORMAT, "study: trial %lld of %s has the unknown state \"%.20s\"",
                              (long long)kept->trial.number, database->path, state ? state : "");
    kept->trial.state = (auxo_trial_state)s;
    const char *times[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++)
        if (auxo__rows_text(rows, 3 + i) && !(times[i] = keep_text(kept, auxo__rows_text(rows, 3 + i))))
            return no_memory(error);
    kept->trial.started = times[0];
    kept->trial.completed = times[1];
    return read_parts(database, kept, error);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static bool has_ended(const auxo_trial *trial)
{
    return trial->state == AUXO_TRIAL_COMPLETE || trial->state == AUXO_TRIAL_PRUNED ||
           trial->state == AUXO_TRIAL_FAILED;
}

/* The place of a trial in memory; that of the next one if it is new. */
static size_t place_of(const auxo_study *study, int64_t id)
{
    size_t i = study->count;
    while (i > 0 && study->kept[i - 1].trial.id > id)
        i--;
    return i > 0 && study->kept[i - 1].trial.id == id ? i - 1 : study->count;
}

static auxo_status make_room(auxo_study *study, auxo_error *error)
{
    if (study->count < study->capacity)
        return AUXO_OK;
    const size_t capacity = 2 * study->capacity + 16;
    auxo__kept_trial *kept = realloc(study->kept, capacity * sizeof *kept);
    if (kept)
        study->kept = kept;
    auxo_trial *trials = kept ? realloc(study->trials, capacity * sizeof *trials) : NULL;
    if (!trials)
        return no_memory(error);
    study->trials = trials;
    study->capacity = capacity;
    return AUXO_OK;
}

static auxo_status take_row(auxo_study *study, const auxo__rows *rows, auxo_error *error)
{
    const size_t place = place_of(study, auxo__rows_integer(rows, 0));
    auxo__kept_trial read;
    auxo_status status = make_room(study, error);
    if (status != AUXO_OK || (place < study->count && has_ended(&study->kept[place].trial)))
        return status;
    status = read_trial(&study->database, rows, &read, error);
    if (status != AUXO_OK) {
        auxo__kept_trial_deinit(&read);
        return status;
    }
    if (place < study->count)
        auxo__kept_trial_deinit(&study->kept[place]);
    else
        study->count++;
    study->kept[place] = read;
    study->trials[place] = read.trial;
    return AUXO_OK;
}

auxo_status auxo_study_refresh(auxo_study *study, auxo_error *error)
{
    int64_t first = study->count ? study->kept[study->count - 1].trial.id + 1 : 0;
    for (size_t i = study->count; i > 0; i--)
        if (!has_ended(&study->kept[i - 1].trial))
            first = study->kept[i - 1].trial.id;
    auxo__rows rows;
    bool more = false;
    auxo_status status = auxo__rows_begin(&rows, &study->database, error,
                                          "SELECT trial_id, number, state, datetime_start, datetime_complete FROM "
                                          "trials WHERE study_id = ? AND trial_id >= ? ORDER BY trial_id",
                                          "ii", study->id, first);
    if (status == AUXO_OK)
        status = auxo__rows_next(&rows, &more, error);
    while (status == AUXO_OK && more) {
        status = take_row(study, &rows, error);
        if (status == AUXO_OK)
            status = auxo__rows_next(&rows, &more, error);
    }
    auxo__rows_end(&rows);
    return status;
}

const auxo_trial *auxo_study_trials(const auxo_study *study, size_t *count)
{
    *count = study->count;
    return study->trials;
}

const auxo_trial *auxo_study_trial(auxo_study *study, int64_t id, auxo_error *error)
{
    if (auxo_study_refresh(study, error) != AUXO_OK)
        return NULL;
    const size_t place = place_of(study, id);
    if (place < study->count)
        return &study->trials[place];
    auxo_error_set(error, AUXO_NOT_FOUND, "study: there is no trial with the id %lld", (long long)id);
    return NULL;
}

const auxo_trial *auxo_study_best(const auxo_study *study)
{
    const auxo_trial *best = NULL;
    for (size_t i = 0; i < study->count; i++) {
        const auxo_trial *trial = &study->trials[i];
        if (trial->state != AUXO_TRIAL_COMPLETE || !isfinite(trial->value))
            continue;
        if (!best || (study->maximizes ? trial->value > best->value : trial->value < best->value))
            best = trial;
    }
    return best;
}
