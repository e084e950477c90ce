/* runtime/cli/survival/survival_job.h: what the `auxo survival` commands share: data with times and events, sites, a
 * risk score per row, and the baseline hazard that turns scores into probabilities.
 */
#ifndef CLI_SURVIVAL_JOB_H
#define CLI_SURVIVAL_JOB_H

#include "auxo/report.h"
#include "auxo/survival.h"
#include "cli_model.h"

extern const cli_option survival_data_options[]; /* --data, --time, --event, --group, --site, --missing, ... */

/* Kept beside a model as FILE.hazard.json. */
typedef struct survival_saved {
    auxo_step_function hazard; /* cumulative, for risk 0 */
} survival_saved;
/* Errors: IO. */
auxo_status survival_saved_write(const char *model_path, const auxo_step_function *hazard, auxo_error *error);
/* Ownership: the caller deinits *saved. Errors: NOT_FOUND, FORMAT. */
auxo_status survival_saved_read(const char *model_path, survival_saved *saved, auxo_error *error);
void survival_saved_deinit(survival_saved *saved);

typedef struct survival_job {
    const cli_context *context;
    cli_session session;
    auxo_dataset *train, *test; /* test may be NULL */
    auxo_model *model;          /* of survival_job_open_saved */
    survival_saved *saved;      /* likewise */
    auxo_data_schema *schema;   /* of the saved model */
    bool inputs_only;
} survival_job;

/* Reads --data: a named set, or a table with --time and --event. Splits off --test-fraction where there is no test
 * split, rows of one group staying together; treats gaps as --missing says. Opens the device. Ownership: close it, also
 * after a failure. */
auxo_status survival_job_open(const cli_context *context, survival_job *job, auxo_error *error);
/* The same for a saved model, which knows its columns and which rows were held out: only its own data is split.
 * inputs_only: times and events are not read, and need not be there; all rows are then `train`. */
auxo_status survival_job_open_saved(const cli_context *context, const char *model_path, bool inputs_only,
                                    survival_job *job, auxo_error *error);
void survival_job_close(survival_job *job);

/* Risk scores of a model for all rows, double; malloc'ed. `standardize_sites`: per site, where the data has sites. */
auxo_status survival_risks(auxo_model *model, const auxo_dataset *dataset, bool standardize_sites, double **risks,
                           auxo_error *error);
auxo_survival_sample survival_sample(const auxo_dataset *dataset, const double *risks);
/* The q-quantile of the event times. */
double survival_event_time_quantile(const auxo_dataset *dataset, double q);

/* Pictures: survival curves by thirds of risk (Kaplan-Meier with 95 % bands), calibration at the median event time,
 * cumulative/dynamic AUC over time with its bootstrap band, and scores by site. */
auxo_status survival_report_draw(auxo_report *report, const auxo_dataset *train, const auxo_dataset *dataset,
                                 const double *risks, const auxo_step_function *hazard, auxo_error *error);

#endif
