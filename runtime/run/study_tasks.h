/* study_tasks.h: a run whose trials are known beforehand (optimisers times seeds): each is done once, by whoever comes.
 */
#ifndef AUXO_RUN_STUDY_TASKS_H
#define AUXO_RUN_STUDY_TASKS_H

#include "study_run.h"

typedef struct auxo__tasks {
    uint64_t count; /* tasks 0 .. count - 1, taken in that order */
    const auxo_space *space;
    void (*values)(const void *user, uint64_t task, double *values); /* of the space's parameters */
    bool (*ready)(const void *user, uint64_t task);                  /* NULL: always; called under the lock */
    const void *user;
} auxo__tasks;

/* Takes the next task that nobody has; waits while others have the rest, since they may be given back. *none: all are
 * done, and nothing was taken. Errors: INTERRUPTED. */
auxo_status auxo__run_take_task(auxo_run *run, const auxo__tasks *tasks, int64_t *trial, uint64_t *task, bool *none,
                                auxo_error *error);
/* Ends the trial of a task with a value and an attribute that says what came out. */
auxo_status auxo__run_end_task(auxo_run *run, int64_t trial, double value, const char *name, const char *json,
                               auxo_error *error);
/* The complete trial of a task, as of the last refresh; NULL: there is none. */
const auxo_trial *auxo__run_task_trial(const auxo_run *run, uint64_t task);

#endif
