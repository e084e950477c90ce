/* compare_study.h: the runs of a comparison as the trials of a study.
 */
#ifndef AUXO_MULTISCALE_COMPARE_STUDY_H
#define AUXO_MULTISCALE_COMPARE_STUDY_H

#include "compare_method.h"
#include "study_tasks.h"

/* The numbers of one run that its trial keeps, in the order in which they lie in its attribute "run". */
enum {
    AUXO__RUN_TRAIN_LOSS,
    AUXO__RUN_TEST_LOSS,
    AUXO__RUN_ITERATIONS,
    AUXO__RUN_EPOCHS,
    AUXO__RUN_SELECTION_SECONDS,
    AUXO__RUN_TRAINING_SECONDS,
    AUXO__RUN_CONSTANT_LOSS,
    AUXO__RUN_LINEAR_LOSS,
    AUXO__RUN_CONVERGED,
    AUXO__RUN_NUMBERS
};

/* Takes the next run; task = seed times methods + method. *none: all are done. `dependent`: the method that begins only
 * when the first of its seed has ended. Errors: INTERRUPTED. */
auxo_status auxo__compare_take(auxo_run *run, const auxo__compare_state *state, uint64_t dependent, int64_t *trial,
                               uint64_t *task, bool *none, auxo_error *error);
auxo_status auxo__compare_end(auxo_run *run, int64_t trial, const double numbers[AUXO__RUN_NUMBERS], auxo_error *error);
/* The numbers of a run that has ended; false: it has not, or they cannot be read. */
bool auxo__compare_numbers(const auxo_run *run, uint64_t task, double numbers[AUXO__RUN_NUMBERS]);

#endif
