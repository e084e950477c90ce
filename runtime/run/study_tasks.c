/* study_tasks.c: see study_tasks.h. A trial's attribute "auxo:task" is the number of its task; repetitions keep it.
 */
#include "study_tasks.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char TASK[] = "auxo:task";
enum { PARAMETERS_MAX = 16 };

/* The task of a trial; -1: it is none of this run. */
static int64_t task_of(const auxo_trial *trial)
{
    const char *json = auxo_trial_attribute_json(trial, TASK, true);
    cJSON *item = json ? cJSON_Parse(json) : NULL;
    const int64_t task = cJSON_IsNumber(item) ? (int64_t)item->valuedouble : -1;
    cJSON_Delete(item);
    return task;
}

const auxo_trial *auxo__run_task_trial(const auxo_run *run, uint64_t task)
{
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(run->study, &count);
    for (size_t i = 0; i < count; i++)
        if (trials[i].state == AUXO_TRIAL_COMPLETE && task_of(&trials[i]) == (int64_t)task)
            return &trials[i];
    return NULL;
}

/* Which tasks somebody has or has done, one flag each, and how many trials are open. */
static bool *list_taken(const auxo_run *run, uint64_t tasks, size_t *open)
{
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(run->study, &count);
    bool *taken = calloc((size_t)tasks + 1, sizeof *taken);
    *open = 0;
    for (size_t i = 0; taken && i < count; i++) {
        const int64_t task = task_of(&trials[i]);
        *open += trials[i].state == AUXO_TRIAL_RUNNING || trials[i].state == AUXO_TRIAL_WAITING;
        if (task >= 0 && (uint64_t)task < tasks && trials[i].state != AUXO_TRIAL_FAILED)
            taken[task] = true;
    }
    return taken;
}

/* Under the lock: one that was given back, else the first that is free and ready. *trial 0: there is none. */
static auxo_status choose(auxo_run *run, const auxo__tasks *tasks, int64_t *trial, uint64_t *task, bool *none,
                          auxo_error *error)
{
    size_t open = 0;
    *none = false;
    auxo_status status = auxo_study_take_waiting(run->study, trial, error);
    if (status != AUXO_OK)
        return status;
    if (*trial) {
        const auxo_trial *given = auxo_study_trial(run->study, *trial, error);
        const int64_t number = given ? task_of(given) : -1;
        *task = (uint64_t)number;
        return number >= 0 && (uint64_t)number < tasks->count
                   ? AUXO_OK
                   : auxo_error_set(error, AUXO_INVALID_ARGUMENT, "study: a trial waits that is none of these runs");
    }
    bool *taken = list_taken(run, tasks->count, &open);
    if (!taken)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    uint64_t free_task = 0;
    while (free_task < tasks->count && (taken[free_task] || (tasks->ready && !tasks->ready(tasks->user, free_task))))
        free_task++;
    free(taken);
    *none = free_task == tasks->count && open == 0;
    if (free_task == tasks->count)
        return AUXO_OK;
    double values[PARAMETERS_MAX];
    char text[32];
    tasks->values(tasks->user, free_task, values);
    status = auxo_study_add_trial(run->study, tasks->space, values, false, trial, error);
    snprintf(text, sizeof text, "%llu", (unsigned long long)free_task);
    *task = free_task;
    return status == AUXO_OK ? auxo_study_set_trial_attribute(run->study, *trial, TASK, true, text, error) : status;
}

auxo_status auxo__run_take_task(auxo_run *run, const auxo__tasks *tasks, int64_t *trial, uint64_t *task, bool *none,
                                auxo_error *error)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    auxo_status status = AUXO_OK;
    *trial = 0;
    *none = false;
    while (status == AUXO_OK && !*trial && !*none) {
        status = auxo_study_lock(run->study, error);
        if (status != AUXO_OK)
            return status;
        status = choose(run, tasks, trial, task, none, error);
        auxo_status ended = auxo_study_unlock(run->study, status == AUXO_OK, status == AUXO_OK ? error : NULL);
        status = status == AUXO_OK ? ended : status;
        if (status == AUXO_OK && !*trial && !*none) {
            nanosleep(&pause, NULL);
            if (auxo__run_stopped(run))
                status = auxo_error_set(error, AUXO_INTERRUPTED, "interrupted");
        }
    }
    return status;
}

auxo_status auxo__run_end_task(auxo_run *run, int64_t trial, double value, const char *name, const char *json,
                               auxo_error *error)
{
    bool kept = false;
    auxo_status status = auxo_study_lock(run->study, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_study_set_trial_attribute(run->study, trial, name, false, json, error);
    if (status == AUXO_OK)
        status = auxo_study_end_trial(run->study, trial, AUXO_TRIAL_COMPLETE,
                                      isnan(value) ? (auxo_study_maximizes(run->study) ? -INFINITY : INFINITY) : value,
                                      &kept, error);
    auxo_status ended = auxo_study_unlock(run->study, status == AUXO_OK && kept, status == AUXO_OK ? error : NULL);
    return status == AUXO_OK ? ended : status;
}
