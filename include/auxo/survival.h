/* auxo/survival.h: survival analysis around a risk score h: metrics, curves, baseline hazard, standardisation.
 *
 * A subject has a time >= 0 and an event flag (1: the event happened then; 0: censored, known to be event-free until
 * then). A higher h means a higher risk. The loss itself is the cox op (auxo/ops.h) and the trainer's AUXO_LOSS_COX.
 * Everything here runs on the host in double, in O(n log n) unless said.
 */
#ifndef AUXO_SURVIVAL_H
#define AUXO_SURVIVAL_H

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

/* Area under the ROC curve of scores against 0/1 labels; ties count one half. Errors: one class only. */
AUXO_API auxo_status auxo_auroc(const double *scores, const uint32_t *labels, size_t count, double *area,
                                auxo_error *error);

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

/* ---- sites
 * ------------------------------------------------------------------------------------------------------------- */
/* Subtracts each site's mean risk and divides by its standard deviation (1 where it is 0), in place. */
AUXO_API auxo_status auxo_survival_standardize_by_site(double *risks, const uint32_t *sites, size_t count,
                                                       auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
