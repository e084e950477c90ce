/* runtime/survival/auc.c: areas under cumulative/dynamic ROC curves over time (Uno et al.
 * 2007), with bootstrap intervals. The weights of censoring are estimated once, not per bootstrap sample.
 */
#include "survival_internal.h"

#include <math.h>
#include <stdlib.h>

/* What the areas at all times share. */
typedef struct auc_work {
    keyed_index *order; /* by ascending risk */
    double *weights;    /* 1 / G(time), G the survival function of censoring */
} auc_work;

static void work_deinit(auc_work *work)
{
    free(work->order);
    free(work->weights);
}

static auxo_status work_init(const auxo_survival_sample *train, const auxo_survival_sample *sample, auc_work *work,
                             auxo_error *error)
{
    auxo_step_function censoring = {0};
    *work = (auc_work){.weights = malloc((sample->count + 1) * sizeof *work->weights)};
    auxo_status status = auxo_survival_check(sample, error);
    if (status == AUXO_OK && !work->weights)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "dynamic AUC: out of memory");
    if (status == AUXO_OK)
        status = auxo_survival_kaplan_meier(train, true, &censoring, error);
    if (status == AUXO_OK)
        status = auxo__order_by_key(sample->risks, sample->count, &work->order, error);
    for (size_t i = 0; i < sample->count && status == AUXO_OK; i++) {
        double g = auxo_step_function_at(&censoring, sample->times[i], 1);
        work->weights[i] = g > 0 ? 1 / g : 0; /* past the last censoring nothing is known of G */
    }
    auxo_step_function_deinit(&censoring);
    if (status != AUXO_OK)
        work_deinit(work);
    return status;
}

/* counts[i]: how often subject i is in the sample (bootstrap); NULL: once each. */
static double area_at(const auxo_survival_sample *sample, const auc_work *work, const uint32_t *counts, double time)
{
    double controls = 0, cases = 0, wins = 0;
    const keyed_index *order = work->order;
    for (size_t begin = 0, end; begin < sample->count; begin = end) {
        double tied_controls = 0, tied_cases = 0;
        for (end = begin; end < sample->count && order[end].key == order[begin].key; end++) {
            uint32_t i = order[end].index;
            double count = counts ? counts[i] : 1;
            if (sample->times[i] > time)
                tied_controls += count;
            else if (sample->events[i])
                tied_cases += count * work->weights[i];
        }
        wins += tied_cases * (controls + 0.5 * tied_controls);
        controls += tied_controls;
        cases += tied_cases;
    }
    return controls > 0 && cases > 0 ? wins / (controls * cases) : (double)NAN;
}

auxo_status auxo_survival_dynamic_auc(const auxo_survival_sample *train, const auxo_survival_sample *sample,
                                      const double *at, size_t at_count, double *areas, auxo_error *error)
{
    auc_work work;
    auxo_status status = work_init(train, sample, &work, error);
    if (status != AUXO_OK)
        return status;
    for (size_t k = 0; k < at_count; k++)
        areas[k] = area_at(sample, &work, NULL, at[k]);
    work_deinit(&work);
    return AUXO_OK;
}

auxo_status auxo_survival_dynamic_auc_interval(const auxo_survival_sample *train, const auxo_survival_sample *sample,
                                               const double *at, size_t at_count, uint32_t resamples, double confidence,
                                               uint64_t seed, double *low, double *high, auxo_error *error)
{
    auc_work work;
    if (resamples == 0 || !(confidence > 0 && confidence < 1))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%u resamples at confidence %g: not possible", resamples,
                              confidence);
    auxo_status status = work_init(train, sample, &work, error);
    if (status != AUXO_OK)
        return status;
    uint32_t *counts = malloc((sample->count + 1) * sizeof *counts);
    double *areas = malloc(((size_t)resamples * at_count + 1) * sizeof *areas); /* (at_count, resamples) */
    uint32_t *used = calloc(at_count + 1, sizeof *used);
    if (!counts || !areas || !used)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "bootstrap: out of memory");
    for (uint32_t r = 0; r < resamples && status == AUXO_OK; r++) {
        auxo__bootstrap_draw(sample->count, seed, r, counts);
        for (size_t k = 0; k < at_count; k++) {
            double area = area_at(sample, &work, counts, at[k]);
            if (isfinite(area))
                areas[k * resamples + used[k]++] = area;
        }
    }
    for (size_t k = 0; k < at_count && status == AUXO_OK; k++) {
        low[k] = high[k] = (double)NAN;
        if (used[k] > 0)
            auxo__percentiles(areas + k * resamples, used[k], confidence, &low[k], &high[k]);
    }
    free(counts);
    free(areas);
    free(used);
    work_deinit(&work);
    return status;
}
