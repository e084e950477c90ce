/* brier.c: how far predicted probabilities of survival are from what happened: the Brier score under censoring (Graf et
 * al. 1999) and its integral over time.
 */
#include "survival_internal.h"

#include <math.h>

/* One subject's part at `time`; G of the censoring at its own time and at `time`. NaN where G has come to 0. */
static double part(double survival, double subject_time, bool event, double time, double g_subject, double g_time)
{
    if (subject_time > time)
        return (1 - survival) * (1 - survival) / g_time;
    return event ? survival * survival / g_subject : 0;
}

auxo_status auxo_survival_brier(const auxo_survival_sample *train, const auxo_survival_sample *sample,
                                const auxo_step_function *hazard, const double *at, size_t at_count, double *scores,
                                auxo_error *error)
{
    auxo_step_function censoring = {0};
    auxo_status status = auxo_survival_check(sample, error);
    if (status == AUXO_OK)
        status = auxo_survival_kaplan_meier(train, true, &censoring, error);
    for (size_t k = 0; k < at_count && status == AUXO_OK; k++) {
        const double g_time = auxo_step_function_at(&censoring, at[k], 1);
        double sum = 0;
        for (size_t i = 0; i < sample->count; i++) {
            const double g_subject = auxo_step_function_at(&censoring, sample->times[i], 1);
            const double survival = auxo_survival_probability(hazard, sample->risks[i], at[k]);
            sum += part(survival, sample->times[i], sample->events[i] != 0, at[k], g_subject, g_time);
        }
        scores[k] = isfinite(sum) ? sum / (double)sample->count : (double)NAN;
    }
    auxo_step_function_deinit(&censoring);
    return status;
}

auxo_status auxo_survival_integrated_brier(const auxo_survival_sample *train, const auxo_survival_sample *sample,
                                           const auxo_step_function *hazard, double from, double to, double *score,
                                           auxo_error *error)
{
    enum { POINTS = 100 };
    double at[POINTS], scores[POINTS], area = 0;
    if (!(from < to) || !isfinite(from) || !isfinite(to))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "a Brier score from time %g to %g cannot be had", from, to);
    for (int k = 0; k < POINTS; k++)
        at[k] = from + (to - from) * k / (POINTS - 1);
    auxo_status status = auxo_survival_brier(train, sample, hazard, at, POINTS, scores, error);
    for (int k = 1; k < POINTS; k++)
        area += (at[k] - at[k - 1]) * (scores[k] + scores[k - 1]) / 2;
    *score = area / (to - from);
    return status;
}
