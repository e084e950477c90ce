/* runtime/survival/curves.c: step functions: Kaplan-Meier with Greenwood's standard error, Breslow's baseline hazard,
 * survival probabilities, calibration.
 */
#include "survival_internal.h"

#include <math.h>
#include <stdlib.h>

void auxo_step_function_deinit(auxo_step_function *function)
{
    free(function->times);
    free(function->values);
    free(function->standard_errors);
    free(function->at_risk);
    free(function->event_counts);
    *function = (auxo_step_function){0};
}

double auxo_step_function_at(const auxo_step_function *function, double time, double before)
{
    size_t low = 0, high = function->count; /* first step after `time` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (function->times[middle] <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? function->values[low - 1] : before;
}

static auxo_status allocate_steps(size_t count, bool counted, auxo_step_function *function, auxo_error *error)
{
    *function = (auxo_step_function){0};
    function->times = malloc((count + 1) * sizeof *function->times);
    function->values = malloc((count + 1) * sizeof *function->values);
    bool ok = function->times && function->values;
    if (counted) {
        function->standard_errors = malloc((count + 1) * sizeof *function->standard_errors);
        function->at_risk = malloc((count + 1) * sizeof *function->at_risk);
        function->event_counts = malloc((count + 1) * sizeof *function->event_counts);
        ok = ok && function->standard_errors && function->at_risk && function->event_counts;
    }
    if (ok)
        return AUXO_OK;
    auxo_step_function_deinit(function);
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "curve of %zu steps: out of memory", count);
}

auxo_status auxo_survival_kaplan_meier(const auxo_survival_sample *sample, bool of_censoring,
                                       auxo_step_function *survival, auxo_error *error)
{
    keyed_index *order = NULL;
    auxo_status status = auxo__survival_check_times(sample, error);
    if (status == AUXO_OK)
        status = auxo__order_by_key(sample->times, sample->count, &order, error);
    if (status == AUXO_OK)
        status = allocate_steps(sample->count, true, survival, error);
    double value = 1, greenwood = 0;
    for (size_t begin = 0, end; status == AUXO_OK && begin < sample->count; begin = end) {
        double events = 0, hits = 0, at_risk = (double)(sample->count - begin);
        for (end = begin; end < sample->count && order[end].key == order[begin].key; end++)
            events += sample->events[order[end].index];
        hits = of_censoring ? (double)(end - begin) - events : events;
        /* Censorings come after the events of the same time: those are no longer at risk of being censored. */
        double exposed = of_censoring ? at_risk - events : at_risk;
        if (hits > 0) {
            value *= 1 - hits / exposed;
            greenwood += exposed > hits ? hits / (exposed * (exposed - hits)) : 0;
        }
        size_t step = survival->count++;
        survival->times[step] = order[begin].key;
        survival->values[step] = value;
        survival->standard_errors[step] = value * sqrt(greenwood);
        survival->at_risk[step] = (uint32_t)at_risk;
        survival->event_counts[step] = (uint32_t)hits;
    }
    free(order);
    return status;
}

auxo_status auxo_survival_baseline_hazard(const auxo_survival_sample *sample, auxo_step_function *hazard,
                                          auxo_error *error)
{
    keyed_index *order = NULL;
    auxo_status status = auxo_survival_check(sample, error);
    if (status == AUXO_OK)
        status = auxo__order_by_key(sample->times, sample->count, &order, error);
    if (status == AUXO_OK)
        status = allocate_steps(sample->count, false, hazard, error);
    if (status != AUXO_OK) {
        free(order);
        return status;
    }
    double largest = -INFINITY, total = 0;
    for (size_t i = 0; i < sample->count; i++)
        largest = fmax(largest, sample->risks[i]);
    /* From the last time down, sums of exp(h - largest) over the risk set; increments kept, then summed forwards. */
    size_t steps = 0;
    for (size_t end = sample->count, begin; end > 0; end = begin) {
        double events = 0;
        for (begin = end; begin > 0 && order[begin - 1].key == order[end - 1].key; begin--) {
            uint32_t i = order[begin - 1].index;
            total += exp(sample->risks[i] - largest);
            events += sample->events[i];
        }
        if (events > 0) {
            hazard->times[steps] = order[begin].key;
            hazard->values[steps++] = events / total * exp(-largest);
        }
    }
    hazard->count = steps;
    for (size_t i = 0; i < steps / 2; i++) {
        double time = hazard->times[i], value = hazard->values[i];
        hazard->times[i] = hazard->times[steps - 1 - i];
        hazard->values[i] = hazard->values[steps - 1 - i];
        hazard->times[steps - 1 - i] = time;
        hazard->values[steps - 1 - i] = value;
    }
    for (size_t i = 1; i < steps; i++)
        hazard->values[i] += hazard->values[i - 1];
    free(order);
    return AUXO_OK;
}

double auxo_survival_probability(const auxo_step_function *hazard, double risk, double time)
{
    double cumulative = auxo_step_function_at(hazard, time, 0);
    return cumulative > 0 ? exp(-exp(log(cumulative) + risk)) : 1;
}

auxo_status auxo_survival_calibration(const auxo_survival_sample *sample, const auxo_step_function *hazard, double time,
                                      size_t bin_count, double *predicted, double *observed, auxo_error *error)
{
    if (bin_count == 0 || bin_count > sample->count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%zu calibration groups of %zu subjects: not possible",
                              bin_count, sample->count);
    keyed_index *order = NULL;
    double *times = malloc(sample->count * sizeof *times);
    uint32_t *events = malloc(sample->count * sizeof *events);
    auxo_status status = auxo__order_by_key(sample->risks, sample->count, &order, error);
    if (status == AUXO_OK && (!times || !events))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "calibration: out of memory");
    for (size_t b = 0; b < bin_count && status == AUXO_OK; b++) {
        /* Highest risk, lowest predicted survival, first. */
        size_t begin = sample->count * b / bin_count, end = sample->count * (b + 1) / bin_count;
        double sum = 0;
        for (size_t k = begin; k < end; k++) {
            uint32_t i = order[sample->count - 1 - k].index;
            times[k - begin] = sample->times[i];
            events[k - begin] = sample->events[i];
            sum += auxo_survival_probability(hazard, sample->risks[i], time);
        }
        auxo_survival_sample group = {end - begin, times, events, NULL};
        auxo_step_function curve = {0};
        status = auxo_survival_kaplan_meier(&group, false, &curve, error);
        predicted[b] = sum / (double)(end - begin);
        observed[b] = auxo_step_function_at(&curve, time, 1);
        auxo_step_function_deinit(&curve);
    }
    free(order);
    free(times);
    free(events);
    return status;
}
