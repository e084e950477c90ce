/* survival_times.c: inverse-transform sampling of Weibull proportional-hazards times (Bender et al. 2005) and random
 * exponential censoring whose mean is solved for the wanted rate. Implements survival_times.h.
 */
#include "survival_times.h"

#include <math.h>

double auxo__survival_draw(auxo__random *random, double log_risk, double median_time, double shape)
{
    double uniform = 1.0 - auxo__random_uniform(random, 0.0, 1.0); /* (0, 1] */
    double hazard = -log(uniform) / (0.69314718055994531 * exp(log_risk));
    return median_time * pow(hazard, 1.0 / shape);
}

double auxo__censoring_mean(const double *times, size_t count, double rate)
{
    if (rate <= 0 || count == 0)
        return HUGE_VAL;
    double low = -60, high = 60; /* log of the mean; the share censored falls as the mean grows */
    for (int i = 0; i < 100; i++) {
        double middle = 0.5 * (low + high), censored = 0;
        for (size_t j = 0; j < count; j++)
            censored -= expm1(-times[j] / exp(middle)); /* P(censoring time < time) */
        if (censored / (double)count > rate)
            low = middle;
        else
            high = middle;
    }
    return exp(0.5 * (low + high));
}

double auxo__survival_censor(auxo__random *random, double time, double censoring_mean, uint32_t *event)
{
    double uniform = 1.0 - auxo__random_uniform(random, 0.0, 1.0);
    double censoring_time = isinf(censoring_mean) ? HUGE_VAL : -log(uniform) * censoring_mean;
    *event = time <= censoring_time;
    return *event ? time : censoring_time;
}
