/* runtime/cli/survival_job.h: what the `auxo survival` commands share: data with times and events, sites, a risk score
 * per row, and the baseline hazard that turns scores into probabilities.
 */
#ifndef CLI_SURVIVAL_JOB_H
#define CLI_SURVIVAL_JOB_H

#include "auxo/report.h"
#include "auxo/survival.h"
#include "cli_model.h"

extern const cli_option survival_data_options[]; /* --data, --time, --event, --group, --site, ... */

typedef struct survival_job {
    const cli_context *context;
    cli_session session;
    auxo_dataset *train, *test; /* test may be NULL */
} survival_job;

/* Reads --data: a named set, or a table with --time and --event. Splits off --test-fraction where there is no test
 * split, rows of one group staying together. Opens the device. Ownership: close it, also after a failure. */
auxo_status survival_job_open(const cli_context *context, survival_job *job, auxo_error *error);
void survival_job_close(survival_job *job);

/* Risk scores of a model for all rows, double; malloc'ed. `standardize_sites`: per site, where the data has sites. */
auxo_status survival_risks(auxo_model *model, const auxo_dataset *dataset, bool standardize_sites, double **risks,
                           auxo_error *error);
auxo_survival_sample survival_sample(const auxo_dataset *dataset, const double *risks);

/* Concordance with its 95 % bootstrap interval. */
typedef struct survival_score {
    auxo_concordance concordance;
    double low, high;
} survival_score;
auxo_status survival_score_sample(const auxo_survival_sample *sample, uint64_t seed, survival_score *score,
                                  auxo_error *error);

/* The baseline hazard of a model is kept beside it as FILE.hazard.json. */
auxo_status survival_hazard_save(const char *model_path, const auxo_step_function *hazard, auxo_error *error);
auxo_status survival_hazard_load(const char *model_path, auxo_step_function *hazard, auxo_error *error);

/* The q-quantile of the event times. */
double survival_event_time_quantile(const auxo_dataset *dataset, double q);

/* Pictures: survival curves by thirds of risk (Kaplan-Meier with 95 % bands), calibration at the median event time, and
 * cumulative/dynamic AUC over time. */
auxo_status survival_report_draw(auxo_report *report, const auxo_dataset *train, const auxo_dataset *dataset,
                                 const double *risks, const auxo_step_function *hazard, auxo_error *error);

#endif
