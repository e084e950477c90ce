/* space_take.c: the next trial of a search over another method's settings: one that waits, or one that is proposed.
 *
 * What is proposed is decided under the study's lock, by number, as in search_study.c.
 */
#include "search_internal.h"
#include "space_trial.h"
#include "study_files.h"
#include "study_run.h"

#include "clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

static const char DRAW[] = "auxo:draw";

uint64_t auxo__space_count_trials(const auxo_study *study, size_t *open)
{
    size_t count = 0;
    uint64_t ended = 0;
    const auxo_trial *trials = auxo_study_trials(study, &count);
    *open = 0;
    for (size_t i = 0; i < count; i++) {
        ended += trials[i].state == AUXO_TRIAL_COMPLETE || trials[i].state == AUXO_TRIAL_PRUNED;
        *open += trials[i].state == AUXO_TRIAL_RUNNING || trials[i].state == AUXO_TRIAL_WAITING;
    }
    return ended;
}

static uint64_t next_draw(const auxo_study *study)
{
    size_t count = 0;
    double most = 0;
    const auxo_trial *trials = auxo_study_trials(study, &count);
    for (size_t i = 0; i < count; i++)
        most = fmax(most, auxo__trial_number(&trials[i], DRAW, true, (double)trials[i].number + 1));
    return (uint64_t)most + 1;
}

/* A trial that waited has its values, or those that were asked for; the rest is proposed. */
static auxo_status complete_values(const auxo__space_run *all, const auxo_trial *trial, double *values,
                                   auxo_error *error)
{
    const auxo_space *space = &all->space;
    const char *json = auxo_trial_attribute_json(trial, "fixed_params", true);
    cJSON *fixed = json ? cJSON_Parse(json) : NULL;
    double proposed[AUXO__SPACE_PARAMETERS_MAX];
    auxo_study *study = all->run->study;
    auxo_status status = auxo_study_propose(study, space, &all->sampler, (uint64_t)trial->number + 1, proposed, error);
    for (size_t i = 0; i < space->count && status == AUXO_OK; i++) {
        values[i] = auxo_trial_parameter_value(trial, space->items[i].name);
        if (!auxo_space_is_active(space, i, values))
            values[i] = (double)NAN;
        else if (isnan(values[i])) {
            values[i] = auxo__fixed_value(&space->items[i], fixed);
            if (isnan(values[i]))
                values[i] = isnan(proposed[i]) ? space->items[i].low : proposed[i];
            status = auxo_study_set_parameter(study, trial->id, &space->items[i], values[i], error);
        }
    }
    cJSON_Delete(fixed);
    return status;
}

static auxo_status set_draw(auxo_study *study, int64_t id, uint64_t draw, auxo_error *error)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, draw);
    return auxo_study_set_trial_attribute(study, id, DRAW, true, text, error);
}

/* Under the lock. *id 0: there is none; *none: there will be none. */
static auxo_status choose(const auxo__space_run *all, int64_t *id, double *values, bool *none, auxo_error *error)
{
    auxo_study *study = all->run->study;
    size_t open = 0;
    const uint64_t ended = auxo__space_count_trials(study, &open), limit = all->evaluation_limit,
                   draw = next_draw(study);
    *none = limit > 0 && ended >= limit;
    if (*none)
        return AUXO_OK;
    auxo_status status = auxo_study_take_waiting(study, id, error);
    if (status == AUXO_OK && *id) {
        const auxo_trial *trial = auxo_study_trial(study, *id, error);
        const bool numbered = trial && auxo_trial_attribute_json(trial, DRAW, true);
        status = trial ? complete_values(all, trial, values, error) : AUXO_IO;
        return status == AUXO_OK && !numbered ? set_draw(study, *id, draw, error) : status;
    }
    if (status != AUXO_OK || (limit > 0 && ended + open >= limit))
        return status;
    status = auxo_study_propose(study, &all->space, &all->sampler, draw, values, error);
    if (status == AUXO_OK)
        status = auxo_study_add_trial(study, &all->space, values, false, id, error);
    return status == AUXO_OK ? set_draw(study, *id, draw, error) : status;
}

bool auxo__space_out_of_time(const auxo__space_run *all)
{
    return all->time_limit > 0 && auxo__now_seconds() - all->began >= all->time_limit;
}

auxo_status auxo__space_take(const auxo__space_run *all, int64_t *id, double *values, bool *none, auxo_error *error)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    auxo_study *study = all->run->study;
    auxo_status status = AUXO_OK;
    *id = 0;
    *none = false;
    while (status == AUXO_OK && !*id && !*none) {
        status = auxo_study_lock(study, error);
        if (status != AUXO_OK)
            return status;
        status = choose(all, id, values, none, error);
        auxo_status ended = auxo_study_unlock(study, status == AUXO_OK, status == AUXO_OK ? error : NULL);
        status = status == AUXO_OK ? ended : status;
        if (status == AUXO_OK && !*id && !*none)
            nanosleep(&pause, NULL);
        *none = *none || (!*id && auxo__space_out_of_time(all));
        if (status == AUXO_OK && !*id && auxo__run_stopped(all->run))
            status = auxo_error_set(error, AUXO_INTERRUPTED, "interrupted");
    }
    return status;
}
