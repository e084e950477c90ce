/* auxo/survival.h: survival analysis around a risk score h: metrics, curves, baseline hazard, standardisation.
 *
 * A subject has a time >= 0 and an event flag (1: the event happened then; 0: censored, known to be event-free until
 * then). A higher h means a higher risk. The loss itself is the cox op (auxo/ops.h) and the trainer's AUXO_LOSS_COX.
 * Everything here runs on the host in double, in O(n log n) unless said.
 *
 * Sources: D. R. Cox, "Regression models and life-tables", 1972; J. Katzman et al., "DeepSurv", 2018; J. Burghoff et
 * al., "Risk stratification of malignant melanoma using neural networks", 2023 (sites and the domain term).
 */
#ifndef AUXO_SURVIVAL_H
#define AUXO_SURVIVAL_H

#include "auxo/metrics.h"
#include "auxo/report.h"
#include "auxo/run.h"
#include "auxo/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* times, events, risks: count entries each, borrowed. */
typedef struct auxo_survival_sample {
    size_t count;
    const double *times;
    const uint32_t *events;
    const double *risks; /* h; unused (may be NULL) where only times matter */
} auxo_survival_sample;

/* Fails on a time that is negative or not finite, an event that is neither 0 nor 1, a risk that is not finite
 * (FORMAT, naming the row), or no event at all (INVALID_ARGUMENT). */
AUXO_API auxo_status auxo_survival_check(const auxo_survival_sample *sample, auxo_error *error);

/* ---- discrimination ------------------------------------------------------------------------------------------------
 */
/* Harrell's concordance (Harrell et al. 1982). A pair is comparable if the one with the shorter time had the event; at
 * equal times an event and a censoring are comparable, two events are not. Pairs with equal risk count one half. */
typedef struct auxo_concordance {
    double index; /* (concordant + tied / 2) / comparable */
    double concordant, discordant, tied, comparable;
} auxo_concordance;
/* Errors: INVALID_ARGUMENT if no pair is comparable. */
AUXO_API auxo_status auxo_survival_concordance(const auxo_survival_sample *sample, auxo_concordance *concordance,
                                               auxo_error *error);

/* Percentile interval of the concordance over `resamples` bootstrap samples, drawn with `seed`. confidence in (0, 1).
 */
AUXO_API auxo_status auxo_survival_concordance_interval(const auxo_survival_sample *sample, uint32_t resamples,
                                                        double confidence, uint64_t seed, double *low, double *high,
                                                        auxo_error *error);

/* The same, each event weighted by 1 / G(time)^2, G the Kaplan-Meier estimate of the censoring distribution in `train`,
 * and only events before `tau` (INFINITY: all) counted: Uno's C (Uno et al. 2011). Errors: INVALID_ARGUMENT also where
 * G has come to 0 at an event. */
AUXO_API auxo_status auxo_survival_concordance_ipcw(const auxo_survival_sample *train,
                                                    const auxo_survival_sample *sample, double tau,
                                                    auxo_concordance *concordance, auxo_error *error);

/* Cumulative/dynamic AUC (Uno et al. 2007) at each of `at_count` times: cases had the event by t, controls live past t;
 * cases weighted by 1 / G(time), G the Kaplan-Meier estimate of the censoring distribution in `train`.
 * areas (at_count): NaN where there is no case or no control. */
AUXO_API auxo_status auxo_survival_dynamic_auc(const auxo_survival_sample *train, const auxo_survival_sample *sample,
                                               const double *at, size_t at_count, double *areas, auxo_error *error);
/* Percentile intervals of those areas over `resamples` bootstrap samples of `sample`. low, high (at_count): NaN where
 * no bootstrap sample has a case and a control. */
AUXO_API auxo_status auxo_survival_dynamic_auc_interval(const auxo_survival_sample *train,
                                                        const auxo_survival_sample *sample, const double *at,
                                                        size_t at_count, uint32_t resamples, double confidence,
                                                        uint64_t seed, double *low, double *high, auxo_error *error);

/* ---- curves
 * ------------------------------------------------------------------------------------------------------------ */
/* A right-continuous step function: value[i] from time[i] on; 1 (survival) or 0 (hazard) before time[0]. */
typedef struct auxo_step_function {
    size_t count;
    double *times, *values;
    double *standard_errors;          /* Kaplan-Meier: Greenwood's; NULL elsewhere */
    uint32_t *at_risk, *event_counts; /* Kaplan-Meier; NULL elsewhere */
} auxo_step_function;
AUXO_API void auxo_step_function_deinit(auxo_step_function *function);
AUXO_API double auxo_step_function_at(const auxo_step_function *function, double time, double before);

/* Kaplan-Meier estimate. `of_censoring` swaps events and censorings. Steps at the distinct times. */
AUXO_API auxo_status auxo_survival_kaplan_meier(const auxo_survival_sample *sample, bool of_censoring,
                                                auxo_step_function *survival, auxo_error *error);

/* Breslow estimator of the cumulative baseline hazard from fitted risks: sum over event times of d / sum_{risk set}
 * exp(h). Values are for h = 0; S(t | h) = exp(-H0(t) exp(h)). */
AUXO_API auxo_status auxo_survival_baseline_hazard(const auxo_survival_sample *sample, auxo_step_function *hazard,
                                                   auxo_error *error);
AUXO_API double auxo_survival_probability(const auxo_step_function *hazard, double risk, double time);

/* Predicted against observed survival at one time, in `bin_count` groups of equal size by predicted survival:
 * predicted[b] mean prediction, observed[b] Kaplan-Meier estimate of the group. */
AUXO_API auxo_status auxo_survival_calibration(const auxo_survival_sample *sample, const auxo_step_function *hazard,
                                               double time, size_t bin_count, double *predicted, double *observed,
                                               auxo_error *error);

/* ---- accuracy of probabilities ------------------------------------------------------------------------------------
 */
/* Brier score under censoring (Graf et al. 1999) at each of `at_count` times: mean squared difference between predicted
 * survival and what happened, weighted by the inverse probability of censoring, estimated in `train`. 0.25 is what a
 * constant 1/2 has. scores (at_count): NaN where no training row is left uncensored. */
AUXO_API auxo_status auxo_survival_brier(const auxo_survival_sample *train, const auxo_survival_sample *sample,
                                         const auxo_step_function *hazard, const double *at, size_t at_count,
                                         double *scores, auxo_error *error);
/* Its mean over time, by the trapezium rule at 100 times from `from` to `to`. */
AUXO_API auxo_status auxo_survival_integrated_brier(const auxo_survival_sample *train,
                                                    const auxo_survival_sample *sample,
                                                    const auxo_step_function *hazard, double from, double to,
                                                    double *score, auxo_error *error);

/* ---- sites
 * ------------------------------------------------------------------------------------------------------------- */
/* Subtracts each site's mean risk and divides by its standard deviation (1 where it is 0), in place. */
AUXO_API auxo_status auxo_survival_standardize_by_site(double *risks, const uint32_t *sites, size_t count,
                                                       auxo_error *error);

/* ---- the linear model -------------------------------------------------------------------------------------------- */
typedef enum auxo_coefficient_state {
    AUXO_COEFFICIENT_FITTED,
    AUXO_COEFFICIENT_CONSTANT,  /* the column does not vary among rows at risk: no number */
    AUXO_COEFFICIENT_COLLINEAR, /* a combination of the columns before it: no number */
    AUXO_COEFFICIENT_INFINITE   /* the likelihood grows without end along it (complete separation): no number */
} auxo_coefficient_state;

typedef struct auxo_cox_coefficient {
    auxo_coefficient_state state;
    double value, standard_error; /* per unit of the column; from the observed information */
} auxo_cox_coefficient;

typedef struct auxo_cox_fit {
    size_t count;
    auxo_cox_coefficient *coefficients; /* one for each column */
    double log_likelihood, null_log_likelihood;
    uint32_t iterations;
} auxo_cox_fit;

/* Maximises Cox's partial likelihood (Cox 1972; ties: Breslow 1974, Efron 1977) of a linear risk over its columns by
 * Newton's method with the exact Hessian, from zero, in double. columns (sample->count, column_count), row-major.
 * Columns that cannot be identified are found before and left out. Errors: as auxo_survival_check; a value that is not
 * finite (FORMAT); INVALID_ARGUMENT where it does not converge. Ownership: deinit. */
AUXO_API auxo_status auxo_cox_fit_linear(const auxo_survival_sample *sample, const double *columns, size_t column_count,
                                         auxo_cox_ties ties, auxo_cox_fit *fit, auxo_error *error);
AUXO_API void auxo_cox_fit_deinit(auxo_cox_fit *fit);

/* ---- data sets, models, scores ------------------------------------------------------------------------------------
 */
/* data, time, event, event-level, group, site, missing, test-fraction, ...; ends with AUXO_SETTINGS_END. */
AUXO_API extern const auxo_setting auxo_survival_data_settings[];

typedef struct auxo_survival_request {
    const auxo_data_schema *schema; /* of a saved model: its columns and held-out rows; NULL: none */
    bool inputs_only;               /* times and events are not read and need not be there */
    bool unknown_levels_missing;    /* a text that the model never saw is a missing value, not an error */
    uint64_t seed;
} auxo_survival_request;
typedef struct auxo_survival_data {
    auxo_dataset *train, *test; /* test may be NULL */
    size_t filled;              /* missing values replaced by means */
} auxo_survival_data;
/* Loads, splits and checks survival data by those settings. Ownership: deinit, also after a failure. */
AUXO_API auxo_status auxo_survival_load(const auxo_settings *settings, const auxo_survival_request *request,
                                        auxo_survival_data *data, auxo_error *error);
AUXO_API void auxo_survival_data_deinit(auxo_survival_data *data);

/* A network whose output is a log relative risk, and the cumulative baseline hazard that turns it into
 * probabilities. */
typedef struct auxo_survival_model {
    auxo_model *network;
    auxo_step_function hazard; /* for risk 0 */
    /* Times and events of the training rows, in ascending order of time, without what belonged to them: scores weighted
     * by the inverse probability of censoring take its distribution from here. 0 rows in files of older versions. */
    size_t training_count;
    double *training_times;
    uint32_t *training_events;
} auxo_survival_model;
/* Copies times and events of the training rows into the model. */
AUXO_API auxo_status auxo_survival_model_set_training(auxo_survival_model *model, const auxo_dataset *train,
                                                      auxo_error *error);
/* One safetensors file: the model, and the tensors hazard/times, hazard/values, training/times and training/events
 * (F64). */
AUXO_API auxo_status auxo_survival_model_save(const auxo_survival_model *model, const char *path, auxo_error *error);
/* Errors: FORMAT if the file holds no hazard. Ownership: deinit. */
AUXO_API auxo_status auxo_survival_model_load(auxo_device *device, const char *path, auxo_survival_model *model,
                                              auxo_error *error);
AUXO_API void auxo_survival_model_deinit(auxo_survival_model *model);
/* Risks of all rows as the model gives them (*raw), and, if `risks` is not NULL, a second list of the same,
 * standardised within each site if `standardize_sites` and the data has sites. Ownership: free both. */
AUXO_API auxo_status auxo_survival_risks(auxo_model *network, const auxo_dataset *dataset, bool standardize_sites,
                                         double **raw, double **risks, auxo_error *error);
/* Borrows times and events of the data set, and `risks`. */
AUXO_API auxo_survival_sample auxo_survival_rows(const auxo_dataset *dataset, const double *risks);

enum { AUXO_SURVIVAL_TIMES = 3, AUXO_SURVIVAL_SITES_MAX = 64 };

/* With 95 % bootstrap intervals. */
typedef struct auxo_survival_scores {
    size_t row_count;
    auxo_concordance concordance;
    double low, high;
    char undefined[200];               /* why the scores cannot be had (they are NaN); "" where they can */
    double times[AUXO_SURVIVAL_TIMES]; /* quartiles of the event times */
    double areas[AUXO_SURVIVAL_TIMES], area_lows[AUXO_SURVIVAL_TIMES], area_highs[AUXO_SURVIVAL_TIMES];
    double uno; /* Uno's C, of events before the 90th percentile of the event times */
    double briers[AUXO_SURVIVAL_TIMES], integrated_brier; /* the integral: from the 5th to the 95th percentile */
} auxo_survival_scores;
/* `fit`: times and events of the rows that the model was trained on, for the distribution of censoring. hazard NULL: no
 * Brier scores. */
AUXO_API auxo_status auxo_survival_scores_compute(const auxo_survival_sample *fit, const auxo_dataset *rows,
                                                  const double *risks, const auxo_step_function *hazard, uint64_t seed,
                                                  auxo_survival_scores *scores, auxo_error *error);

/* Every site by itself, and all together with the risks as they are (naive) or standardised within each site. AUROC is
 * of having had the event. */
typedef struct auxo_survival_site_scores {
    size_t site_count; /* 0: the rows have no sites, or one only */
    uint32_t sites[AUXO_SURVIVAL_SITES_MAX];
    char names[AUXO_SURVIVAL_SITES_MAX][64]; /* of the data, cut to this length; or "site 1" */
    double concordance[AUXO_SURVIVAL_SITES_MAX], auroc[AUXO_SURVIVAL_SITES_MAX]; /* NaN where there is none */
    double means[AUXO_SURVIVAL_SITES_MAX], deviations[AUXO_SURVIVAL_SITES_MAX];  /* of the risks */
    double naive_concordance, naive_auroc, standardized_concordance, standardized_auroc;
    double gap; /* distance of the outermost site means, in mean deviations within a site */
} auxo_survival_site_scores;
/* risks: as the model gives them. */
AUXO_API auxo_status auxo_survival_site_scores_compute(const auxo_dataset *rows, const double *risks,
                                                       auxo_survival_site_scores *scores, auxo_error *error);

/* Tables and pictures for a report: curves by risk group, calibration, AUC over time, risks by site. */
AUXO_API void auxo_survival_scores_report(const auxo_survival_scores *scores, auxo_report *report);
AUXO_API void auxo_survival_site_scores_report(const auxo_survival_site_scores *scores, auxo_report *report);
AUXO_API auxo_status auxo_survival_report_draw(auxo_report *report, const auxo_survival_sample *fit,
                                               const auxo_dataset *dataset, const double *risks,
                                               const auxo_step_function *hazard, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
