/* space_trial.h: one trial of a search over another method's settings: the run, its values by epoch, its model.
 */
#ifndef AUXO_SEARCH_SPACE_TRIAL_H
#define AUXO_SEARCH_SPACE_TRIAL_H

#include "method.h"

enum { AUXO__SPACE_PARAMETERS_MAX = 128 };

/* What all trials have in common. */
typedef struct auxo__space_run {
    auxo_run *run; /* the search */
    const auxo_method *inner;
    auxo_settings *base; /* of the inner method, but for the parameters */
    auxo_space space;
    const char *metric;
    bool minimizes;
    auxo_sampler sampler;
    auxo_pruner pruner;
    uint64_t evaluation_limit; /* trials of the study; 0: none */
    double time_limit, began;  /* seconds; 0: none */
    uint32_t epochs;           /* of the trial under way or the last one */
} auxo__space_run;

typedef struct auxo__space_outcome {
    double value; /* the best of all epochs, or the result's; not finite: a bad trial */
    bool pruned;
    char *result; /* JSON, or NULL */
} auxo__space_outcome;

/* The inner method's settings: those of the search that it has, then those of the file. */
auxo_status auxo__space_make_base(auxo_run *run, auxo__space_run *all, auxo_error *error);
/* The space of the file, or that of the study's trials, without conditions. */
auxo_status auxo__space_read_space(auxo_run *run, auxo__space_run *all, auxo_error *error);
/* The study's trials must be of this space, and its workers have the same settings for the inner method. */
auxo_status auxo__space_match_space(const auxo_run *run, const auxo__space_run *all, auxo_error *error);
auxo_status auxo__space_match_base(auxo_run *run, const auxo__space_run *all, auxo_error *error);
/* Sets the parameters in a copy of the base. Errors: INVALID_ARGUMENT names the parameter. */
auxo_status auxo__space_settings(const auxo__space_run *all, const double *values, auxo_settings **settings,
                                 auxo_error *error);
/* Whether the base takes both ends of every range and every choice. */
auxo_status auxo__space_check(const auxo__space_run *all, auxo_error *error);
/* ---- space_take.c ---- */
/* Trials that have ended; *open: that run or wait. */
uint64_t auxo__space_count_trials(const auxo_study *study, size_t *open);
bool auxo__space_out_of_time(const auxo__space_run *all);
/* Takes the next trial and sets its `values` (AUXO__SPACE_PARAMETERS_MAX); waits where others may still give theirs
 * back. *none: there will be none. Errors: INTERRUPTED; those of the study. */
auxo_status auxo__space_take(const auxo__space_run *all, int64_t *id, double *values, bool *none, auxo_error *error);

/* ---- space_trial.c ---- */
/* Runs the method with these values, telling the study each epoch. model_path: where its model is written (NULL:
 * nowhere). `told` is called after each epoch. Ownership: free(outcome->result). Errors: INTERRUPTED; those of the
 * method, except that a loss that is not finite is a bad trial. */
auxo_status auxo__space_trial(auxo__space_run *all, int64_t trial, const double *values, const char *model_path,
                              auxo_status (*told)(void *user, uint32_t epoch, double value, auxo_error *error),
                              void *user, auxo__space_outcome *outcome, auxo_error *error);

#endif
