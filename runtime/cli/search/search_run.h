/* runtime/cli/search/search_run.h: one run of `auxo search`, and what its files share. */
#ifndef CLI_SEARCH_RUN_H
#define CLI_SEARCH_RUN_H

#include "auxo/report.h"
#include "auxo/search.h"
#include "sizing_job.h"

typedef struct search_run {
    train_job job;
    auxo_search *search;
    auxo_search_options options;
    cli_progress progress;
    auxo_evaluation test; /* of the best model */
    size_t reported;      /* records that were printed */
    bool classes;         /* quality is an accuracy; otherwise minus an RMSE */
    bool baseline_reported;
} search_run;

extern const cli_option search_options[];

/* Reads the options into run->options; the job is open. */
auxo_status search_options_read(search_run *run, auxo_error *error);
/* The network whose layers are sized: of --model, or one that suits the data. */
const char *search_model_name(const search_run *run);
const char *search_method_name(const search_run *run);

/* "91.25 %", or "RMSE 0.2134"; "-" where it is not finite. */
const char *search_format_quality(char *text, size_t size, bool classes, double quality);
/* What is new since the last call: a line and an event for each model (evolution: a line for the generation). */
void search_report_new(search_run *run);
void search_report_result(const search_run *run);
void search_on_epoch(void *user, const auxo_trace_point *point);

/* --checkpoint: after a step. --resume: into run->search. */
auxo_status search_checkpoint_save(const search_run *run, auxo_error *error);
auxo_status search_checkpoint_load(search_run *run, auxo_error *error);

/* The trace as CSV: method, seed, seconds, epoch, evaluation, quality, best. */
auxo_status search_trace_write(const search_run *run, const char *path, auxo_error *error);
auxo_status search_report_write(const search_run *run, const char *path, auxo_error *error);

#endif
