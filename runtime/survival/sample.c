/* runtime/survival/sample.c: checks of survival data, orders of subjects, and risks standardised by site. */
#include "survival_internal.h"

#include <math.h>
#include <stdlib.h>

auxo_status auxo__survival_check_times(const auxo_survival_sample *sample, auxo_error *error)
{
    for (size_t i = 0; i < sample->count; i++) {
        if (!isfinite(sample->times[i]) || sample->times[i] < 0)
            return auxo_error_set(error, AUXO_FORMAT, "row %zu: time %g; times must be finite and not negative", i + 1,
                                  (double)sample->times[i]);
        if (sample->events[i] > 1)
            return auxo_error_set(error, AUXO_FORMAT, "row %zu: event %u; it must be 0 (censored) or 1", i + 1,
                                  sample->events[i]);
    }
    return AUXO_OK;
}

auxo_status auxo_survival_check(const auxo_survival_sample *sample, auxo_error *error)
{
    auxo_status status = auxo__survival_check_times(sample, error);
    if (status != AUXO_OK)
        return status;
    bool any_event = false;
    for (size_t i = 0; i < sample->count; i++) {
        any_event = any_event || sample->events[i];
        if (sample->risks && !isfinite(sample->risks[i]))
            return auxo_error_set(error, AUXO_FORMAT, "row %zu: the risk is not a finite number", i + 1);
    }
    if (!any_event)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "none of the %zu subjects had the event", sample->count);
    return AUXO_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const keyed_index *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static auxo_status allocate_order(size_t count, keyed_index **order, auxo_error *error)
{
    *order = malloc((count + 1) * sizeof **order);
    return *order ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "ordering %zu subjects: out of memory", count);
}

auxo_status auxo__order_by_key(const double *keys, size_t count, keyed_index **order, auxo_error *error)
{
    auxo_status status = allocate_order(count, order, error);
    if (status != AUXO_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        (*order)[i] = (keyed_index){keys[i], (uint32_t)i};
    qsort(*order, count, sizeof **order, compare_keys);
    return AUXO_OK;
}

auxo_status auxo__order_by_time(const float *times, size_t count, keyed_index **order, auxo_error *error)
{
    auxo_status status = allocate_order(count, order, error);
    if (status != AUXO_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        (*order)[i] = (keyed_index){times[i], (uint32_t)i};
    qsort(*order, count, sizeof **order, compare_keys);
    return AUXO_OK;
}

auxo_status auxo_survival_standardize_by_site(double *risks, const uint32_t *sites, size_t count, auxo_error *error)
{
    uint32_t site_count = 0;
    for (size_t i = 0; i < count; i++)
        if (sites[i] >= site_count)
            site_count = sites[i] + 1;
    double *sums = calloc(3 * (size_t)site_count + 1, sizeof *sums);
    if (!sums)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "standardising %u sites: out of memory", site_count);
    double *means = sums, *squares = sums + site_count, *counts = sums + 2 * (size_t)site_count;
    for (size_t i = 0; i < count; i++) {
        counts[sites[i]]++;
        means[sites[i]] += risks[i];
    }
    for (uint32_t s = 0; s < site_count; s++)
        means[s] /= counts[s] > 0 ? counts[s] : 1;
    for (size_t i = 0; i < count; i++) {
        double difference = risks[i] - means[sites[i]];
        squares[sites[i]] += difference * difference;
    }
    for (size_t i = 0; i < count; i++) {
        double deviation = sqrt(squares[sites[i]] / counts[sites[i]]);
        risks[i] = (risks[i] - means[sites[i]]) / (deviation > 0 ? deviation : 1);
    }
    free(sums);
    return AUXO_OK;
}
