/* adapt_method.h: the state of the method "adapt", for its report.
 */
#ifndef AUXO_ADAPT_METHOD_H
#define AUXO_ADAPT_METHOD_H

#include "task.h"

#include "auxo/adapt.h"

enum { AUXO__ADAPT_LAYERS_MAX = 32 }; /* weight layers whose width and sensitivity a cycle tells */

typedef struct auxo__adapt_run {
    auxo__task_data data;
    auxo_model *model;
    auxo_adapt *adapt;
    auxo_adapt_options options;
    char optimizer_text[256];
    auxo_model_desc start; /* the network before */
    double elapsed;        /* seconds of earlier parts of the run */
    double begun;          /* when this part began */
    double time_limit;     /* seconds of all parts of the run; 0: none */
    double last_part;      /* seconds of the last cycle, of one epoch where it had several */
    double seconds[4];     /* training, measuring, editing, undone; of the whole run */
    uint32_t undone;
    auxo_evaluation test;
    double concordance; /* on the test rows; NaN where they have no survival times */
} auxo__adapt_run;

enum { AUXO__ADAPT_TRAINING, AUXO__ADAPT_MEASURING, AUXO__ADAPT_EDITING, AUXO__ADAPT_UNDONE };

extern const auxo_setting auxo__adapt_settings[];
auxo_status auxo__adapt_read_options(const auxo_settings *settings, auxo_adapt_options *options, auxo_error *error);
auxo_status auxo__adapt_report(auxo_run *run, void *user, auxo_report *report, auxo_error *error);
/* ---- adapt_survival.c ---- */
/* Harrell's, of the test rows (NULL: none); NaN where they have no survival times. */
auxo_status auxo__adapt_concordance(auxo_model *model, const auxo_dataset *test, double *index, auxo_error *error);
/* With the baseline hazard of the training rows where these have survival times. */
auxo_status auxo__adapt_save_model(auxo_model *model, const auxo_dataset *train, const char *path, auxo_error *error);

/* ---- adapt_report.c ---- */
/* Spearman's rank correlation of expected and real gain over the cycles of the run that have both; NaN below 3. */
auxo_status auxo__adapt_rank_correlation(const auxo_run *run, double *correlation, auxo_error *error);

#endif
