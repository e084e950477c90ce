/* runtime/cli/multiscale/multiscale_run.h: one multi-scale run from a model to its outcome, with the history that
 * reports draw.
 */
#ifndef CLI_MULTISCALE_RUN_H
#define CLI_MULTISCALE_RUN_H

#include "auxo/report.h"
#include "multiscale_job.h"

typedef struct multiscale_history {
    size_t count, capacity;
    auxo_multiscale_iteration *iterations;
    size_t node_count;     /* of the tree */
    uint32_t layer_count;  /* of the tree */
    double *sensitivities; /* (count, node_count), exact, of the run's order, taken after each iteration; NULL unless
                              asked for */
} multiscale_history;

typedef struct multiscale_outcome {
    double train_loss, test_loss;
    double total_epochs, selection_seconds, training_seconds;
    uint32_t iterations;
    bool converged, interrupted;
} multiscale_outcome;

typedef struct multiscale_run {
    const multiscale_job *job;
    auxo_multiscale_options options;
    double seconds_limit;    /* 0: none; checked between iterations */
    bool keep_sensitivities; /* for reports; their cost is in no timing */
    bool keep_weights;       /* the last ones, for reports */
    double *weights;         /* (weight_count), NULL unless kept */
    size_t weight_count;
    multiscale_history history;
    multiscale_outcome outcome;
    /* Called after every iteration; may be NULL. */
    auxo_status (*on_iteration)(void *user, auxo_multiscale *multiscale, const auxo_multiscale_iteration *iteration,
                                auxo_error *error);
    void *user;
} multiscale_run;

/* Iterates until (45), the iteration limit, the time limit or an interrupt. `first_iteration`: done before a resume. */
auxo_status multiscale_run_execute(multiscale_run *run, auxo_multiscale *multiscale, auxo_error *error);
/* Creates the multi-scale object for the model and executes. */
auxo_status multiscale_run_model(multiscale_run *run, auxo_model *model, auxo_error *error);
void multiscale_run_deinit(multiscale_run *run);

/* The pictures of one run: sensitivities per tree level over iterations, losses, selected layers, weights, gradient
 * norm, epochs and time per iteration (Fig. 4, 5, 7, 12). initial_weights: (weight_count) from before the run. */
auxo_status multiscale_report_run(auxo_report *report, const multiscale_run *run, const auxo_tree *tree,
                                  auxo_model *model, const float *initial_weights, auxo_error *error);

/* Several runs from one starting point side by side: losses, gradients, epochs and times per iteration, trained layers,
 * last weights (Fig. 5 to 7, 9 to 14). runs (count) with the names of their methods. */
auxo_status multiscale_report_compare(auxo_report *report, const multiscale_run *runs, const char *const *names,
                                      size_t count, auxo_error *error);

#endif
