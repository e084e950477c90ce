/* train_starts.h: the starting points of "multiscale train": the one under way, the best so far, and both in
 * checkpoints.
 */
#ifndef AUXO_MULTISCALE_TRAIN_STARTS_H
#define AUXO_MULTISCALE_TRAIN_STARTS_H

#include "multiscale_task.h"

typedef struct auxo__multiscale_start {
    auxo_model *model;
    auxo_multiscale *multiscale;
    float *initial_weights; /* where a report is asked for; else NULL */
    auxo__iteration_range iterations, sensitivities;
    double train_loss, test_loss; /* once it is over */
    bool converged;
} auxo__multiscale_start;

typedef struct auxo__multiscale_train {
    auxo__task_data data;
    auxo_multiscale_options options;
    uint64_t start_count, start_number; /* number: of the current start, from 0 */
    auxo__multiscale_start
        current; /* under way or, the last one, over: more iterations or starts may be asked for later */
    auxo__multiscale_start best; /* of those before it */
} auxo__multiscale_train;

void auxo__multiscale_close(auxo__multiscale_start *start);
/* Training on the current start's model, which is there already. */
auxo_status auxo__multiscale_attach(auxo_run *run, auxo__multiscale_train *state, auxo_error *error);
/* The method's describe and restore. */
auxo_status auxo__multiscale_describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error);
auxo_status auxo__multiscale_restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error);

#endif
