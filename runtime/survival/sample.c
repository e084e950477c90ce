/* runtime/survival/sample.c: checks of survival data, orders of subjects, bootstrap draws, risks standardised by site.
 */
#include "survival_internal.h"

#include <Random123/philox.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

auxo_status auxo__survival_check_times(const auxo_survival_sample *sample, auxo_error *error)
{
    for (size_t i = 0; i < sample->count; i++) {
        if (!isfinite(sample->times[i]) || sample->times[i] < 0)
            return auxo_error_set(error, AUXO_FORMAT, "row %zu: time %g; times must be finite and not negative", i + 1,
                                  sample->times[i]);
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

void auxo__bootstrap_draw(size_t count, uint64_t seed, uint32_t resample, uint32_t *weights)
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    memset(weights, 0, count * sizeof *weights);
    for (size_t i = 0; i < count; i += 4) {
        philox4x32_ctr_t counter = {{(uint32_t)(i / 4), 0, 0x626f6f74u, resample}};
        philox4x32_ctr_t words = philox4x32(counter, key);
        for (size_t w = 0; w < 4 && i + w < count; w++)
            weights[((uint64_t)words.v[w] * count) >> 32]++;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void auxo__percentiles(double *values, uint32_t count, double confidence, double *low, double *high)
{
    qsort(values, count, sizeof *values, compare_doubles);
    double tail = 0.5 * (1 - confidence);
    *low = values[(uint32_t)(tail * (count - 1) + 0.5)];
    *high = values[(uint32_t)((1 - tail) * (count - 1) + 0.5)];
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
