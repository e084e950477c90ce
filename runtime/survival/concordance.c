/* runtime/survival/concordance.c: how well risks order subjects: Harrell's C and its bootstrap interval. AUC: auc.c.
 *
 * C in O(n log n): subjects enter a Fenwick tree over risk ranks from the longest time down; each event asks how many
 * of those that outlived it have a lower or an equal risk.
 */
#include "survival_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ranks[i] in 1..rank_count; equal values share a rank. */
static auxo_status dense_ranks(const double *values, size_t count, uint32_t *ranks, uint32_t *rank_count,
                               auxo_error *error)
{
    keyed_index *order = NULL;
    auxo_status status = auxo__order_by_key(values, count, &order, error);
    if (status != AUXO_OK)
        return status;
    uint32_t rank = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || order[i].key != order[i - 1].key)
            rank++;
        ranks[order[i].index] = rank;
    }
    *rank_count = rank;
    free(order);
    return AUXO_OK;
}

static void fenwick_add(uint32_t *tree, uint32_t size, uint32_t rank, uint32_t amount)
{
    for (; rank <= size; rank += rank & (0u - rank))
        tree[rank] += amount;
}

/* How many entries have a rank <= `rank`. */
static uint64_t fenwick_sum(const uint32_t *tree, uint32_t rank)
{
    uint64_t sum = 0;
    for (; rank > 0; rank -= rank & (0u - rank))
        sum += tree[rank];
    return sum;
}

typedef struct concordance_work {
    keyed_index *order; /* by time */
    uint32_t *ranks, *tree;
    uint32_t rank_count;
} concordance_work;

/* weights[i]: how often subject i is in the sample (bootstrap); NULL: once each. factors[i]: what the pairs of event i
 * count (inverse probability of censoring); NULL: 1. */
static void count_pairs(const auxo_survival_sample *sample, const concordance_work *work, const uint32_t *weights,
                        const double *factors, auxo_concordance *c)
{
    *c = (auxo_concordance){0};
    memset(work->tree, 0, ((size_t)work->rank_count + 1) * sizeof *work->tree);
    uint64_t entered = 0;
    for (size_t end = sample->count; end > 0;) {
        size_t begin = end;
        while (begin > 0 && work->order[begin - 1].key == work->order[end - 1].key)
            begin--;
        /* Censored subjects of this time outlive its events; its events do not outlive each other. */
        for (int pass = 0; pass < 3; pass++)
            for (size_t k = begin; k < end; k++) {
                uint32_t i = work->order[k].index, rank = work->ranks[i], weight = weights ? weights[i] : 1;
                bool event = sample->events[i] != 0;
                if ((pass == 0 && !event) || (pass == 2 && event)) {
                    fenwick_add(work->tree, work->rank_count, rank, weight);
                    entered += weight;
                } else if (pass == 1 && event) {
                    double lower = (double)fenwick_sum(work->tree, rank - 1);
                    double tied = (double)fenwick_sum(work->tree, rank) - lower;
                    const double counts = weight * (factors ? factors[i] : 1);
                    c->concordant += counts * lower;
                    c->tied += counts * tied;
                    c->discordant += counts * ((double)entered - lower - tied);
                }
            }
        end = begin;
    }
    c->comparable = c->concordant + c->discordant + c->tied;
    c->index = c->comparable > 0 ? (c->concordant + 0.5 * c->tied) / c->comparable : NAN;
}

static void work_deinit(concordance_work *work)
{
    free(work->order);
    free(work->ranks);
    free(work->tree);
}

static auxo_status work_init(const auxo_survival_sample *sample, concordance_work *work, auxo_error *error)
{
    *work = (concordance_work){0};
    auxo_status status = auxo_survival_check(sample, error);
    if (status == AUXO_OK)
        status = auxo__order_by_key(sample->times, sample->count, &work->order, error);
    work->ranks = malloc((sample->count + 1) * sizeof *work->ranks);
    work->tree = malloc((sample->count + 1) * sizeof *work->tree);
    if (status == AUXO_OK && (!work->ranks || !work->tree))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "concordance of %zu subjects: out of memory", sample->count);
    if (status == AUXO_OK)
        status = dense_ranks(sample->risks, sample->count, work->ranks, &work->rank_count, error);
    if (status != AUXO_OK)
        work_deinit(work);
    return status;
}

auxo_status auxo_survival_concordance(const auxo_survival_sample *sample, auxo_concordance *concordance,
                                      auxo_error *error)
{
    concordance_work work;
    auxo_status status = work_init(sample, &work, error);
    if (status != AUXO_OK)
        return status;
    count_pairs(sample, &work, NULL, NULL, concordance);
    work_deinit(&work);
    if (concordance->comparable == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no pair of the %zu subjects is comparable", sample->count);
    return AUXO_OK;
}

/* The squared inverse probability of being uncensored at each event before tau; 0 for the others. */
static auxo_status censoring_factors(const auxo_survival_sample *train, const auxo_survival_sample *sample, double tau,
                                     double *factors, auxo_error *error)
{
    auxo_step_function censoring = {0};
    auxo_status status = auxo_survival_kaplan_meier(train, true, &censoring, error);
    for (size_t i = 0; i < sample->count && status == AUXO_OK; i++) {
        const double g = auxo_step_function_at(&censoring, sample->times[i], 1);
        factors[i] = 0;
        if (!sample->events[i] || sample->times[i] >= tau)
            continue;
        if (g <= 0)
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                    "at time %g, of row %zu, no training row is left uncensored; give a smaller tau",
                                    sample->times[i], i + 1);
        else
            factors[i] = 1 / (g * g);
    }
    auxo_step_function_deinit(&censoring);
    return status;
}

auxo_status auxo_survival_concordance_ipcw(const auxo_survival_sample *train, const auxo_survival_sample *sample,
                                           double tau, auxo_concordance *concordance, auxo_error *error)
{
    concordance_work work;
    double *factors = malloc((sample->count + 1) * sizeof *factors);
    if (!factors)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "concordance of %zu subjects: out of memory", sample->count);
    auxo_status status = censoring_factors(train, sample, tau, factors, error);
    if (status == AUXO_OK)
        status = work_init(sample, &work, error);
    if (status == AUXO_OK) {
        count_pairs(sample, &work, NULL, factors, concordance);
        work_deinit(&work);
        if (concordance->comparable == 0)
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no pair of the %zu subjects is comparable before %g",
                                    sample->count, tau);
    }
    free(factors);
    return status;
}

auxo_status auxo_survival_concordance_interval(const auxo_survival_sample *sample, uint32_t resamples,
                                               double confidence, uint64_t seed, double *low, double *high,
                                               auxo_error *error)
{
    concordance_work work;
    if (resamples == 0 || !(confidence > 0 && confidence < 1))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%u resamples at confidence %g: not possible", resamples,
                              confidence);
    auxo_status status = work_init(sample, &work, error);
    if (status != AUXO_OK)
        return status;
    uint32_t *weights = malloc(sample->count * sizeof *weights);
    double *values = malloc(resamples * sizeof *values);
    uint32_t used = 0;
    if (!weights || !values)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "bootstrap: out of memory");
    for (uint32_t r = 0; r < resamples && status == AUXO_OK; r++) {
        auxo__bootstrap_draw(sample->count, seed, r, weights);
        auxo_concordance c;
        count_pairs(sample, &work, weights, NULL, &c);
        if (c.comparable > 0)
            values[used++] = c.index;
    }
    if (status == AUXO_OK && used == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no bootstrap sample has a comparable pair");
    if (status == AUXO_OK) {
        auxo__percentiles(values, used, confidence, low, high);
    }
    free(weights);
    free(values);
    work_deinit(&work);
    return status;
}
