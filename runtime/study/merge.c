/* merge.c: the trials of one study into another, each once.
 */
#include "file.h"
#include "json.h"
#include "study_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ORIGIN[] = "auxo:origin";

/* What tells a trial from all others wherever it goes: study, number and the microsecond in which it began. */
static auxo_status origin_of(const auxo_study *source, const auxo_trial *trial, char **json, auxo_error *error)
{
    const char *known = auxo_trial_attribute_json(trial, ORIGIN, true);
    char text[700];
    auxo__json out = {0};
    snprintf(text, sizeof text, "%.520s %lld %.40s", source->name, (long long)trial->number,
             trial->started ? trial->started : "");
    if (known)
        auxo__json_raw(&out, known);
    else
        auxo__json_text(&out, text);
    auxo_status status = auxo__json_finish(&out, error);
    *json = status == AUXO_OK ? out.text : NULL;
    return status;
}

/* A trial that came from the source, or that the source has from here. */
static auxo_status has_origin(const auxo_study *target, const char *origin, bool *found, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    *found = false;
    for (size_t i = 0; i < target->count && status == AUXO_OK && !*found; i++) {
        char *own = NULL;
        status = origin_of(target, &target->trials[i], &own, error);
        *found = status == AUXO_OK && strcmp(own, origin) == 0;
        free(own);
    }
    return status;
}

static const char *distribution_of(const auxo_study *study, const char *name)
{
    for (size_t i = 0; i < study->count; i++)
        for (size_t p = 0; p < study->trials[i].parameter_count; p++)
            if (strcmp(study->trials[i].parameters[p].name, name) == 0)
                return study->trials[i].parameters[p].distribution;
    return NULL;
}

static bool same_distribution(const char *a, const char *b)
{
    auxo_parameter left = {0}, right = {0};
    bool same = auxo_parameter_parse(a, &left, NULL) == AUXO_OK && auxo_parameter_parse(b, &right, NULL) == AUXO_OK &&
                left.kind == right.kind && left.low == right.low && left.high == right.high && left.log == right.log &&
                left.step == right.step && left.choice_count == right.choice_count;
    for (size_t i = 0; same && i < left.choice_count; i++)
        same = strcmp(left.choices[i], right.choices[i]) == 0;
    auxo_parameter_deinit(&left);
    auxo_parameter_deinit(&right);
    return same;
}

static auxo_status check_spaces(const auxo_study *target, const auxo_study *source, auxo_error *error)
{
    if (target->maximizes != source->maximizes)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "study: %s and %s have different directions",
                              target->database.path, source->database.path);
    for (size_t i = 0; i < source->count; i++)
        for (size_t p = 0; p < source->trials[i].parameter_count; p++) {
            const auxo_trial_parameter *parameter = &source->trials[i].parameters[p];
            const char *own = distribution_of(target, parameter->name);
            if (own && !same_distribution(own, parameter->distribution))
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                      "study: \"%s\" ranges over other values in %s than in %s; only studies of one "
                                      "space can be merged",
                                      parameter->name, source->database.path, target->database.path);
        }
    return AUXO_OK;
}

static auxo_status copy_parts(auxo_study *target, const auxo_trial *trial, int64_t id, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < trial->parameter_count && status == AUXO_OK; i++)
        status = auxo__trial_copy_parameter(target, id, &trial->parameters[i], error);
    for (size_t i = 0; i < trial->report_count && status == AUXO_OK; i++)
        status = auxo_study_report(target, id, trial->reports[i].step, trial->reports[i].value, error);
    for (size_t i = 0; i < trial->attribute_count && status == AUXO_OK; i++) {
        const auxo_trial_attribute *a = &trial->attributes[i];
        /* Numbers among the proposals, retries and names of files are those of the other study. */
        const bool own = a->system ? strncmp(a->name, "auxo:", 5) == 0 || strcmp(a->name, "failed_trial") == 0 ||
                                         strcmp(a->name, "retry_history") == 0
                                   : strcmp(a->name, "model") == 0;
        if (!own)
            status = auxo_study_set_trial_attribute(target, id, a->name, a->system, a->json, error);
    }
    return status;
}

/* The model that a trial names, under the name that it has in the target. One that is not there any more is left out.
 */
static auxo_status copy_model(auxo_study *target, const auxo_study *source, const auxo_trial *trial, int64_t id,
                              auxo_error *error)
{
    char *from = NULL, *to = NULL, *data = NULL, name[64], path[4300], json[80];
    const char *named = auxo_trial_attribute_json(trial, "model", false);
    size_t size = 0;
    int64_t number = 0;
    if (!named)
        return AUXO_OK;
    auxo_status status = auxo__database_integer(&target->database, &number, 0, error,
                                                "SELECT number FROM trials WHERE trial_id = ?", "i", id);
    if (status == AUXO_OK)
        status = auxo_study_folder(source, &from, error);
    if (status == AUXO_OK)
        status = auxo_study_folder(target, &to, error);
    snprintf(name, sizeof name, "trial-%lld.safetensors", (long long)trial->number);
    snprintf(path, sizeof path, "%.4200s/%s", from ? from : "", name);
    if (status == AUXO_OK && auxo__file_exists(path)) {
        snprintf(name, sizeof name, "trial-%lld.safetensors", (long long)number);
        snprintf(json, sizeof json, "\"%s\"", name);
        status = auxo__file_read(path, &data, &size, error);
        snprintf(path, sizeof path, "%.4200s/%s", to, name);
        if (status == AUXO_OK)
            status = auxo__make_folder(to, error);
        if (status == AUXO_OK)
            status = auxo__file_write_atomic(path, data, size, error);
        if (status == AUXO_OK)
            status = auxo_study_set_trial_attribute(target, id, "model", false, json, error);
    }
    free(from);
    free(to);
    free(data);
    return status;
}

static auxo_status copy_trial(auxo_study *target, const auxo_study *source, const auxo_trial *trial, const char *origin,
                              auxo_error *error)
{
    static const char *const names[] = {"RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"};
    auxo_status status = auxo__database_run(
        &target->database, error,
        "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) SELECT COUNT(*), ?1, ?2, ?3, "
        "?4 FROM trials WHERE study_id = ?1",
        "ittt", target->id, names[trial->state], trial->started, trial->completed);
    const int64_t id = auxo__database_last_id(&target->database);
    if (status == AUXO_OK)
        status = copy_parts(target, trial, id, error);
    if (status == AUXO_OK && !isnan(trial->value))
        status = auxo__trial_set_value(target, id, trial->value, error);
    if (status == AUXO_OK)
        status = copy_model(target, source, trial, id, error);
    return status == AUXO_OK ? auxo_study_set_trial_attribute(target, id, ORIGIN, true, origin, error) : status;
}

static auxo_status merge_trials(auxo_study *target, const auxo_study *source, size_t *added, auxo_error *error)
{
    auxo_status status = check_spaces(target, source, error);
    for (size_t i = 0; i < source->count && status == AUXO_OK; i++) {
        const auxo_trial *trial = &source->trials[i];
        char *origin = NULL;
        bool found = false;
        if (trial->state != AUXO_TRIAL_COMPLETE && trial->state != AUXO_TRIAL_PRUNED)
            continue;
        status = origin_of(source, trial, &origin, error);
        if (status == AUXO_OK)
            status = has_origin(target, origin, &found, error);
        if (status == AUXO_OK && !found) {
            status = copy_trial(target, source, trial, origin, error);
            ++*added;
        }
        free(origin);
    }
    return status;
}

auxo_status auxo_study_merge(auxo_study *target, auxo_study *source, size_t *added, auxo_error *error)
{
    *added = 0;
    auxo_status status = auxo_study_refresh(source, error);
    if (status == AUXO_OK)
        status = auxo_study_lock(target, error);
    if (status != AUXO_OK)
        return status;
    status = merge_trials(target, source, added, error);
    auxo_status ended = auxo_study_unlock(target, status == AUXO_OK, status == AUXO_OK ? error : NULL);
    if (status == AUXO_OK)
        status = ended;
    return status == AUXO_OK ? auxo_study_refresh(target, error) : status;
}
