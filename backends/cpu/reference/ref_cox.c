/* ref_cox.c: negative log partial likelihood of Cox (1972) with the ties of Breslow or Efron, and its gradient.
 *
 * Samples are walked in groups of equal time. Sums of exponentials are kept as logarithms, so that |h| of 1e4 does no
 * harm. With R the sum over later times and unobserved ties, E the sum over the d events of a group, Efron's terms are
 * log(R + (1 - l/d) E), l = 0..d-1: nothing is subtracted.
 */
#include "ref.h"

#include <math.h>
#include <stdlib.h>

typedef struct cox_data {
    int64_t n;
    const float *risk, *time;
    const uint32_t *event, *order;
    bool efron;
} cox_data;

/* log(e^a + e^b) */
static double log_add(double a, double b)
{
    double max = a > b ? a : b;
    double min = a > b ? b : a;
    return isinf(max) && max < 0 ? max : max + log1p(exp(min - max));
}

/* End of the group of equal times that starts at `begin` in order. */
static int64_t group_end(const cox_data *data, int64_t begin)
{
    int64_t end = begin + 1;
    while (end < data->n && data->time[data->order[end]] == data->time[data->order[begin]])
        ++end;
    return end;
}

/* log of the sum of e^h over the events, or over the others, of a group; *count is how many. */
static double group_log_sum(const cox_data *data, int64_t begin, int64_t end, bool events, int64_t *count)
{
    double sum = -INFINITY;
    *count = 0;
    for (int64_t i = begin; i < end; ++i) {
        uint32_t sample = data->order[i];
        if ((data->event[sample] != 0) == events) {
            sum = log_add(sum, (double)data->risk[sample]);
            ++*count;
        }
    }
    return sum;
}

/* log of the denominator of term l of a group: later = log R, ties = log E, d events. */
static double log_denominator(const cox_data *data, double later, double ties, int64_t l, int64_t d)
{
    double share = data->efron ? 1 - (double)l / (double)d : 1;
    return log_add(later, ties + log(share));
}

/* The likelihood term, undivided; log_later[i] receives log R of the group that starts at position i. */
static double likelihood(const cox_data *data, double *log_later, int64_t *event_count)
{
    double loss = 0;
    double later = -INFINITY;
    *event_count = 0;
    for (int64_t end = data->n; end > 0;) {
        int64_t begin = end - 1;
        while (begin > 0 && data->time[data->order[begin - 1]] == data->time[data->order[begin]])
            --begin;
        int64_t d;
        int64_t others;
        double ties = group_log_sum(data, begin, end, true, &d);
        later = log_add(later, group_log_sum(data, begin, end, false, &others));
        log_later[begin] = later;
        for (int64_t l = 0; l < d; ++l)
            loss += log_denominator(data, later, ties, l, d);
        for (int64_t i = begin; i < end; ++i)
            if (data->event[data->order[i]])
                loss -= (double)data->risk[data->order[i]];
        later = log_add(later, ties);
        *event_count += d;
        end = begin;
    }
    return loss;
}

/* gradient[j] = sum over terms of e^(h_j) (its share in the denominator) / denominator, minus 1 for an event. */
static void likelihood_gradient(const cox_data *data, const double *log_later, double *gradient)
{
    double inverse = -INFINITY; /* log of the sum of 1 / denominator over all terms so far */
    for (int64_t begin = 0; begin < data->n;) {
        int64_t end = group_end(data, begin);
        int64_t d;
        double ties = group_log_sum(data, begin, end, true, &d);
        double own = inverse; /* the same with each term weighted by the share of a tied event */
        for (int64_t l = 0; l < d; ++l) {
            double denominator = log_denominator(data, log_later[begin], ties, l, d);
            double share = data->efron ? 1 - (double)l / (double)d : 1;
            inverse = log_add(inverse, -denominator);
            own = log_add(own, log(share) - denominator);
        }
        for (int64_t i = begin; i < end; ++i) {
            uint32_t sample = data->order[i];
            bool event = data->event[sample] != 0;
            gradient[sample] = exp((double)data->risk[sample] + (event ? own : inverse)) - (event ? 1 : 0);
        }
        begin = end;
    }
}

/* The domain term, undamped by its strength; *mean_h receives mean(h). */
static double domain_value(const cox_data *data, auxo_cox_domain domain, double *mean_h)
{
    double sum = 0;
    double sum_squares = 0;
    for (int64_t i = 0; i < data->n; ++i) {
        double h = (double)data->risk[i];
        sum += h;
        sum_squares += h * h;
    }
    double n = (double)data->n;
    *mean_h = data->n ? sum / n : 0;
    switch (domain) {
    case AUXO_COX_DOMAIN_AS_PRINTED:
        return n * *mean_h * *mean_h;
    case AUXO_COX_DOMAIN_MEAN2:
        return *mean_h * *mean_h;
    case AUXO_COX_DOMAIN_MEAN_SQ:
        return data->n ? sum_squares / n : 0;
    default:
        return 0;
    }
}

static double domain_gradient(auxo_cox_domain domain, double h, double mean_h, double n)
{
    switch (domain) {
    case AUXO_COX_DOMAIN_AS_PRINTED:
        return 2 * mean_h;
    case AUXO_COX_DOMAIN_MEAN2:
        return 2 * mean_h / n;
    case AUXO_COX_DOMAIN_MEAN_SQ:
        return 2 * h / n;
    default:
        return 0;
    }
}

static double divisor(auxo_cox_reduction reduction, int64_t n, int64_t event_count)
{
    if (reduction == AUXO_COX_SUM || event_count == 0)
        return 1;
    return (double)(reduction == AUXO_COX_MEAN ? n : event_count);
}

auxo_status ref_cox(const auxo_op *op, auxo_error *error)
{
    const auxo_cox_params *params = &op->params.cox;
    cox_data data = {.n = cpu_count(op, AUXO_COX_RISK),
                     .risk = cpu_f32(op, AUXO_COX_RISK),
                     .time = cpu_f32(op, AUXO_COX_TIME),
                     .event = cpu_u32(op, AUXO_COX_EVENT),
                     .order = cpu_u32(op, AUXO_COX_ORDER),
                     .efron = params->ties == AUXO_COX_EFRON};
    float *drisk = cpu_f32(op, AUXO_COX_DRISK);
    double *scratch = malloc(sizeof(double) * (size_t)(2 * data.n + 1));
    if (!scratch)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "cox: no host memory for %lld samples", (long long)data.n);
    double *log_later = scratch;
    double *gradient = scratch + data.n;
    int64_t event_count;
    double mean_h;
    double loss = likelihood(&data, log_later, &event_count);
    double divide = divisor(params->reduction, data.n, event_count);
    loss = (event_count ? loss / divide : 0) +
           (double)params->domain_strength * domain_value(&data, params->domain, &mean_h);
    const bool spoilt = isnan(mean_h); /* some risk is NaN, whether or not a term of the likelihood reads it */
    if (spoilt)
        loss = NAN;
    if (drisk) {
        likelihood_gradient(&data, log_later, gradient);
        for (int64_t i = 0; i < data.n; ++i)
            drisk[i] = spoilt
                           ? NAN
                           : (float)((event_count ? gradient[i] / divide : 0) +
                                     (double)params->domain_strength *
                                         domain_gradient(params->domain, (double)data.risk[i], mean_h, (double)data.n));
    }
    free(scratch);
    ref_write_loss(op, AUXO_COX_LOSS, AUXO_COX_STATS, loss, data.n, 0);
    return AUXO_OK;
}
