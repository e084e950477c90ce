/* search_study.c: a search whose trials lie in a study: taken, trained, told and ended by any number of workers.
 *
 * What is proposed is a function of the seed, of the number of proposals so far and of the trials that have ended; it
 * is decided under the study's lock. So a trial that is given back is repeated with the same genome and weights, and
 * one worker with one seed makes the same study twice. The number among all proposals stands in the trial's attribute
 * "auxo:draw"; repetitions keep it.
 *
 * Models: a trial's model is written before the trial ends; the file of a model that is not the best any more is
 * removed after that has been committed. A worker killed in between leaves a file; the next that begins
 * removes it.
 */
#include "json.h"
#include "moments.h"
#include "search_internal.h"
#include "study_files.h"

#include "file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POINTS_MAX = AUXO__GENES_MAX };

/* ---- attributes -------------------------------------------------------------------------------------------------- */

static auxo_status set_number(auxo_search *search, const char *name, bool system, double value, auxo_error *error)
{
    auxo__json json = {0};
    auxo__json_number(&json, value);
    auxo_status status = auxo__json_finish(&json, error);
    if (status == AUXO_OK)
        status = auxo_study_set_trial_attribute(search->options.study, search->trial, name, system, json.text, error);
    auxo__json_deinit(&json);
    return status;
}

static auxo_status set_text(auxo_search *search, const char *name, const char *text, auxo_error *error)
{
    auxo__json json = {0};
    auxo__json_text(&json, text);
    auxo_status status = auxo__json_finish(&json, error);
    if (status == AUXO_OK)
        status = auxo_study_set_trial_attribute(search->options.study, search->trial, name, false, json.text, error);
    auxo__json_deinit(&json);
    return status;
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

static void model_name(int64_t number, char *text, size_t size)
{
    snprintf(text, size, "trial-%lld.safetensors", (long long)number);
}

auxo_status auxo__search_trial_path(const auxo_search *search, int64_t number, char **path, auxo_error *error)
{
    char *folder = NULL, name[64];
    model_name(number, name, sizeof name);
    auxo_status status = auxo_study_folder(search->options.study, &folder, error);
    *path = status == AUXO_OK ? malloc(strlen(folder) + strlen(name) + 2) : NULL;
    if (*path)
        snprintf(*path, strlen(folder) + strlen(name) + 2, "%s/%s", folder, name);
    else if (status == AUXO_OK)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    free(folder);
    return status;
}

static const char MOMENTS[] = "moments/";

auxo_status auxo__search_trial_model(auxo_search *search, int64_t number, auxo_model **model, auxo_moments **moments,
                                     auxo_error *error)
{
    auxo__archive *archive = NULL;
    char *path = NULL, name[64];
    model_name(number, name, sizeof name);
    auxo_status status = auxo__search_trial_path(search, number, &path, error);
    if (status == AUXO_OK)
        status = auxo__study_fetch(search->options.study, name, error);
    if (status == AUXO_OK)
        status = auxo_model_load(search->device, path, model, error);
    if (status == AUXO_OK && moments)
        status = auxo__archive_read(path, &archive, error);
    if (status == AUXO_OK && moments)
        status = auxo__archive_get_moments(archive, MOMENTS, *model, moments, error);
    auxo__archive_destroy(archive);
    auxo__study_release(search->options.study, name);
    free(path);
    return status;
}

/* The trial's model, with its moments where it goes on. */
static auxo_status write_model(const auxo_search *search, const char *path, auxo_error *error)
{
    auxo__archive *archive = NULL;
    if (!search->trial_moments)
        return auxo_model_save(search->trial_best, path, error);
    auxo_status status = auxo__archive_create(&archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_model(archive, "", search->trial_best, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_moments(archive, MOMENTS, search->trial_moments, error);
    if (status == AUXO_OK)
        status = auxo__archive_write(archive, path, error);
    auxo__archive_destroy(archive);
    return status;
}

static auxo_status save_model(auxo_search *search, int64_t number, auxo_error *error)
{
    char *folder = NULL, *path = NULL, name[64];
    model_name(number, name, sizeof name);
    const auxo_search_options *options = &search->options;
    auxo_status status = auxo_study_folder(options->study, &folder, error);
    if (status == AUXO_OK)
        status = auxo__make_folder(folder, error);
    if (status == AUXO_OK)
        status = auxo__search_trial_path(search, number, &path, error);
    if (status == AUXO_OK && options->describe_model)
        status = options->describe_model(options->user, search->trial_best, error);
    if (status == AUXO_OK)
        status = write_model(search, path, error);
    if (status == AUXO_OK)
        status = auxo__study_store(options->study, name, error);
    free(folder);
    free(path);
    return status;
}

void auxo__search_remove_model(const auxo_search *search, int64_t number)
{
    char name[64];
    model_name(number, name, sizeof name);
    auxo__study_discard(search->options.study, name);
}

auxo_status auxo_search_load_best(auxo_search *search, auxo_error *error)
{
    auxo_status status = auxo_study_refresh(search->options.study, error);
    if (status == AUXO_OK)
        status = auxo__search_study_sync(search, error);
    const auxo_trial *best = status == AUXO_OK ? auxo_study_best(search->options.study) : NULL;
    if (!best || !auxo_trial_attribute_json(best, "model", false))
        return status;
    auxo_model *model = NULL;
    status = auxo__search_trial_model(search, best->number, &model, NULL, error);
    if (status != AUXO_OK)
        return status;
    auxo_model_destroy(search->best);
    search->best = model;
    return AUXO_OK;
}

/* ---- a trial under way ------------------------------------------------------------------------------------------- */

auxo_status auxo__search_study_epoch(auxo_search *search, auxo__candidate *candidate, auxo_error *error)
{
    auxo_status status =
        auxo_study_report(search->options.study, search->trial, candidate->record.epochs, candidate->quality, error);
    const bool better = candidate->quality == candidate->record.quality && candidate->loss == candidate->record.loss;
    const bool kept = search->method->keeps_trained || (better && !candidate->failed);
    if (status != AUXO_OK || !kept)
        return status;
    auxo_model *copy = NULL;
    status = auxo_model_clone(candidate->model, &copy, error);
    if (status != AUXO_OK)
        return status;
    auxo_moments_destroy(search->trial_moments);
    search->trial_moments = NULL;
    auxo_model_destroy(search->trial_best);
    search->trial_best = copy;
    if (!search->method->keeps_trained || search->options.reset_state)
        return AUXO_OK;
    auxo_moments *moments = NULL;
    status = auxo_moments_take(candidate->trainer, &moments, error);
    if (status == AUXO_OK)
        status = auxo_moments_clone(moments, copy, &search->trial_moments, error);
    auxo_moments_destroy(moments);
    return status;
}

bool auxo__search_becomes_best(const auxo_trial *best, double quality, int64_t number)
{
    return isfinite(quality) && (!best || quality > best->value || (quality == best->value && number < best->number));
}

static auxo_status describe_trial(auxo_search *search, const auxo_search_record *record, auxo_error *error)
{
    auxo_status status = set_text(search, "genome", record->genome, error);
    if (status == AUXO_OK && isfinite(record->loss))
        status = set_number(search, "loss", false, record->loss, error);
    if (status == AUXO_OK)
        status = set_number(search, "epochs", false, record->epochs, error);
    if (status == AUXO_OK)
        status = set_number(search, "seconds", false, record->seconds, error);
    if (status == AUXO_OK)
        status = set_number(search, "weights", false, (double)record->weights, error);
    return status == AUXO_OK ? set_text(search, "device", auxo_device_get_info(search->device)->selector, error)
                             : status;
}

/* Under the lock: the trial ends, and names its model if that is to stay. *removed: the trial whose model is to go once
 * this is committed; -1: none. */
static auxo_status end_trial(auxo_search *search, int64_t number, const auxo_search_record *record, bool has_model,
                             int64_t *removed, bool *kept, auxo_error *error)
{
    auxo_study *study = search->options.study;
    const auxo_trial *before = auxo_study_best(study);
    const bool stays = search->options.keep_models || search->method->keeps_trained;
    const bool best = !search->pruned && auxo__search_becomes_best(before, record->quality, number);
    char name[64];
    model_name(number, name, sizeof name);
    *removed = has_model && !stays && !best ? number : -1;
    auxo_status status = describe_trial(search, record, error);
    if (status == AUXO_OK && has_model && (stays || best))
        status = set_text(search, "model", name, error);
    if (status == AUXO_OK && best && before && !stays) {
        *removed = before->number;
        status = auxo_study_set_trial_attribute(study, before->id, "model", false, NULL, error);
    }
    if (status == AUXO_OK)
        status = auxo_study_end_trial(study, search->trial, search->pruned ? AUXO_TRIAL_PRUNED : AUXO_TRIAL_COMPLETE,
                                      record->quality, kept, error);
    return status;
}

static auxo_status finish_trial(auxo_search *search, int64_t number, const auxo_search_record *record,
                                auxo_error *error)
{
    auxo_study *study = search->options.study;
    const bool stays = search->options.keep_models || search->method->keeps_trained;
    int64_t removed = -1;
    bool kept = false;
    auxo_status status = auxo_study_refresh(study, error);
    const bool has_model =
        search->trial_best && (stays || auxo__search_becomes_best(auxo_study_best(study), record->quality, number));
    if (status == AUXO_OK && has_model)
        status = save_model(search, number, error);
    if (status == AUXO_OK)
        status = auxo_study_lock(study, error);
    if (status != AUXO_OK)
        return status;
    status = end_trial(search, number, record, has_model, &removed, &kept, error);
    auxo_status ended = auxo_study_unlock(study, status == AUXO_OK && kept, status == AUXO_OK ? error : NULL);
    status = status == AUXO_OK ? ended : status;
    if (status == AUXO_OK && removed >= 0 && kept)
        auxo__search_remove_model(search, removed);
    if (status == AUXO_OK && !kept && has_model)
        auxo__search_remove_model(search, number);
    if (status == AUXO_OK && kept)
        search->last = *record;
    return status;
}

/* Trains the trial that this worker has; one that is cut off is given back. */
static auxo_status run_trial(auxo_search *search, const double *values, auxo_error *error)
{
    auxo_search_record record = {0};
    const auxo_trial *trial = auxo_study_trial(search->options.study, search->trial, error);
    if (!trial)
        return AUXO_IO;
    const int64_t number = trial->number;
    search->draw = (uint64_t)auxo__trial_number(trial, "auxo:draw", true, (double)number + 1);
    const uint32_t generation = (uint32_t)auxo__trial_number(trial, "auxo:generation", true, 0),
                   age = (uint32_t)auxo__trial_number(trial, "auxo:age", true, 0);
    search->last = (auxo_search_record){0};
    search->pruned = false;
    auxo_status status = search->method->evaluate(search, values, &record, error);
    record.generation = generation;
    record.age = age;
    if (status == AUXO_OK)
        status = finish_trial(search, number, &record, error);
    if (status != AUXO_OK)
        auxo_study_give_back(search->options.study, search->trial, NULL);
    auxo_moments_destroy(search->trial_moments);
    search->trial_moments = NULL;
    auxo_model_destroy(search->trial_best);
    search->trial_best = NULL;
    search->trial = 0;
    search->draw = 0;
    return status;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* Under the lock: a trial that waits, or a new one. */
static auxo_status take_trial(auxo_search *search, double *values, auxo__next *next, auxo_error *error)
{
    auxo_study *study = search->options.study;
    search->draw = auxo__search_next_draw(search);
    auxo_status status = auxo_study_take_waiting(study, &search->trial, error);
    if (status == AUXO_OK && search->trial) {
        const auxo_trial *trial = auxo_study_trial(study, search->trial, error);
        const bool numbered = trial && auxo_trial_attribute_json(trial, "auxo:draw", true) != NULL;
        *next = AUXO__NEXT_TRIAL;
        status = trial ? auxo__search_complete_values(search, trial, values, error) : AUXO_IO;
        return status == AUXO_OK && !numbered ? set_number(search, "auxo:draw", true, (double)search->draw, error)
                                              : status;
    }
    if (status == AUXO_OK)
        status = search->method->propose(search, values, next, error);
    if (status != AUXO_OK || *next != AUXO__NEXT_TRIAL)
        return status;
    status = auxo_study_add_trial(study, &search->points, values, false, &search->trial, error);
    if (status == AUXO_OK)
        status = set_number(search, "auxo:draw", true, (double)search->draw, error);
    if (status == AUXO_OK && search->generation)
        status = set_number(search, "auxo:generation", true, search->generation, error);
    return status;
}

/* Under the lock. Where so many trials are under way that the limit will be reached, their end is waited for: one of
 * them may be given back. */
static auxo_status choose(auxo_search *search, double *values, auxo__next *next, auxo_error *error)
{
    const uint64_t limit = search->options.evaluation_limit;
    auxo_status status = auxo__search_study_sync(search, error);
    if (status != AUXO_OK)
        return status;
    const uint64_t ended = auxo__search_count_ended(search);
    const bool within = search->method->whole_generations && search->open_count > 0;
    if (!within && (auxo__search_has_ended(search) || (limit > 0 && ended >= limit))) {
        *next = AUXO__NEXT_NONE;
        return AUXO_OK;
    }
    size_t waiting = 0, count = 0;
    const auxo_trial *trials = auxo_study_trials(search->options.study, &count);
    for (size_t i = 0; i < count; i++)
        waiting += trials[i].state == AUXO_TRIAL_WAITING;
    if (!within && limit > 0 && waiting == 0 && ended + search->open_count >= limit) {
        *next = AUXO__NEXT_LATER;
        return AUXO_OK;
    }
    return take_trial(search, values, next, error);
}

static auxo_status pause_step(auxo_search *search, auxo_error *error)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    const volatile int *stop = search->options.training.stop;
    nanosleep(&pause, NULL);
    if (stop && *stop)
        return auxo_error_set(error, AUXO_INTERRUPTED, "the search was interrupted");
    if (search->options.time_limit > 0 && auxo__search_now(search) >= search->options.time_limit) {
        search->out_of_time = true;
        return auxo_error_set(error, AUXO_INTERRUPTED, "the search's time is over");
    }
    return AUXO_OK;
}

auxo_status auxo__search_study_step(auxo_search *search, bool *done, auxo_error *error)
{
    auxo_study *study = search->options.study;
    double values[POINTS_MAX];
    auxo__next next = AUXO__NEXT_LATER;
    auxo_status status = search->method->prepare ? search->method->prepare(search, error) : AUXO_OK;
    while (status == AUXO_OK && (next == AUXO__NEXT_LATER || next == AUXO__NEXT_WAITING)) {
        status = auxo_study_lock(study, error);
        if (status != AUXO_OK)
            break;
        status = choose(search, values, &next, error);
        auxo_status ended = auxo_study_unlock(study, status == AUXO_OK, status == AUXO_OK ? error : NULL);
        status = status == AUXO_OK ? ended : status;
        search->draw = 0;
        if (status == AUXO_OK && next == AUXO__NEXT_LATER)
            status = pause_step(search, error);
    }
    *done = status == AUXO_OK && next == AUXO__NEXT_NONE;
    if (status == AUXO_OK && next == AUXO__NEXT_TRIAL)
        status = run_trial(search, values, error);
    else
        search->trial = 0;
    return status;
}

const auxo_search_record *auxo_search_last(const auxo_search *search)
{
    return search->last.number ? &search->last : NULL;
}
