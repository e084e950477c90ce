/* pruner.c: whether a trial is given up early, judged by its values so far beside those of other trials.
 *
 * Median: D. Golovin et al., "Google Vizier", KDD 2017, section 3.5, with the values at a step instead of running
 * means. Halving: L. Li et al., "A System for Massively Parallel Hyperparameter Tuning" (ASHA), MLSys 2020: at rungs of
 * minimum, minimum r, minimum r^2, ... steps a trial goes on if it is among the best 1/r of those that came that far.
 */
#include "study_internal.h"

#include <math.h>
#include <stdlib.h>

enum { STARTUP = 5, REDUCTION = 4 };

void auxo_pruner_init(auxo_pruner_kind kind, auxo_pruner *pruner)
{
    *pruner = (auxo_pruner){.kind = kind, .startup = STARTUP, .warmup = 0, .minimum = 1, .reduction = REDUCTION};
}

/* The value of a trial at a step; NaN: it did not come that far. */
static double value_at(const auxo_trial *trial, int64_t step)
{
    for (size_t i = 0; i < trial->report_count; i++)
        if (trial->reports[i].step == step)
            return trial->reports[i].value;
    return (double)NAN;
}

static int by_value(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* Losses of others at a step, sorted; only_complete: of trials that ran to their end. */
static size_t losses_at(const auxo_trial *trials, size_t count, int64_t own, int64_t step, bool maximize,
                        bool only_complete, double *losses)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const double value = value_at(&trials[i], step);
        if (trials[i].id == own || isnan(value) || (only_complete && trials[i].state != AUXO_TRIAL_COMPLETE))
            continue;
        losses[found++] = maximize ? -value : value;
    }
    qsort(losses, found, sizeof *losses, by_value);
    return found;
}

static bool prune_by_median(const auxo_pruner *pruner, const auxo_trial *trials, size_t count, const auxo_trial *own,
                            bool maximize, double *losses)
{
    const int64_t step = own->reports[own->report_count - 1].step;
    double best = INFINITY;
    if (step <= (int64_t)pruner->warmup)
        return false;
    const size_t others = losses_at(trials, count, own->id, step, maximize, true, losses);
    if (others == 0 || others < pruner->startup)
        return false;
    for (size_t i = 0; i < own->report_count; i++) {
        const double loss = maximize ? -own->reports[i].value : own->reports[i].value;
        best = loss < best ? loss : best;
    }
    const double median = others % 2 ? losses[others / 2] : 0.5 * (losses[others / 2 - 1] + losses[others / 2]);
    return best > median;
}

static bool prune_by_halving(const auxo_pruner *pruner, const auxo_trial *trials, size_t count, const auxo_trial *own,
                             bool maximize, double *losses)
{
    const auxo_trial_report *last = &own->reports[own->report_count - 1];
    int64_t rung = pruner->minimum;
    while (rung > 0 && rung < last->step && rung <= INT64_MAX / pruner->reduction)
        rung *= pruner->reduction;
    if (rung != last->step)
        return false;
    const size_t others = losses_at(trials, count, own->id, rung, maximize, false, losses);
    const double loss = maximize ? -last->value : last->value;
    size_t better = 0;
    while (better < others && losses[better] < loss)
        better++;
    const size_t kept = (others + 1) / pruner->reduction;
    return isnan(loss) || better >= (kept ? kept : 1);
}

auxo_status auxo_pruner_judge(const auxo_pruner *pruner, const auxo_trial *trials, size_t count, const auxo_trial *own,
                              bool maximize, bool *pruned, auxo_error *error)
{
    *pruned = false;
    if (pruner->kind == AUXO_PRUNER_NONE || own->report_count == 0)
        return AUXO_OK;
    double *losses = malloc((count + 1) * sizeof *losses);
    if (!losses)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory for a pruner");
    *pruned = pruner->kind == AUXO_PRUNER_MEDIAN ? prune_by_median(pruner, trials, count, own, maximize, losses)
                                                 : prune_by_halving(pruner, trials, count, own, maximize, losses);
    free(losses);
    return AUXO_OK;
}
