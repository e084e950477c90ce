/* runtime/survival/concordance.c: how well risks order subjects: Harrell's C, AUROC, cumulative/dynamic AUC.
 *
 * C in O(n log n): subjects enter a Fenwick tree over risk ranks from the longest time down; each event asks how many
 * of those that outlived it have a lower or an equal risk.
 */
#include "survival_internal.h"

#include <Random123/philox.h>
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

/* weights[i]: how often subject i is in the sample (bootstrap); NULL: once each. */
static void count_pairs(const auxo_survival_sample *sample, const concordance_work *work, const uint32_t *weights,
                        auxo_concordance *c)
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
                    c->concordant += weight * lower;
                    c->tied += weight * tied;
                    c->discordant += weight * ((double)entered - lower - tied);
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
        status = auxo__order_by_time(sample->times, sample->count, &work->order, error);
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
    count_pairs(sample, &work, NULL, concordance);
    work_deinit(&work);
    if (concordance->comparable == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no pair of the %zu subjects is comparable", sample->count);
    return AUXO_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
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
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    for (uint32_t r = 0; r < resamples && status == AUXO_OK; r++) {
        memset(weights, 0, sample->count * sizeof *weights);
        for (size_t i = 0; i < sample->count; i += 4) {
            philox4x32_ctr_t counter = {{(uint32_t)(i / 4), 0, 0x626f6f74u, r}};
            philox4x32_ctr_t words = philox4x32(counter, key);
            for (size_t w = 0; w < 4 && i + w < sample->count; w++)
                weights[((uint64_t)words.v[w] * sample->count) >> 32]++;
        }
        auxo_concordance c;
        count_pairs(sample, &work, weights, &c);
        if (c.comparable > 0)
            values[used++] = c.index;
    }
    if (status == AUXO_OK && used == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no bootstrap sample has a comparable pair");
    if (status == AUXO_OK) {
        qsort(values, used, sizeof *values, compare_doubles);
        double tail = 0.5 * (1 - confidence);
        *low = values[(uint32_t)(tail * (used - 1) + 0.5)];
        *high = values[(uint32_t)((1 - tail) * (used - 1) + 0.5)];
    }
    free(weights);
    free(values);
    work_deinit(&work);
    return status;
}

auxo_status auxo_auroc(const double *scores, const uint32_t *labels, size_t count, double *area, auxo_error *error)
{
    keyed_index *order = NULL;
    auxo_status status = auxo__order_by_key(scores, count, &order, error);
    if (status != AUXO_OK)
        return status;
    double positives = 0, negatives = 0, wins = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        double tied_positives = 0, tied_negatives = 0;
        for (end = begin; end < count && order[end].key == order[begin].key; end++)
            *(labels[order[end].index] ? &tied_positives : &tied_negatives) += 1;
        wins += tied_positives * (negatives + 0.5 * tied_negatives);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    free(order);
    if (positives == 0 || negatives == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the labels are of one class only: no ROC curve");
    *area = wins / (positives * negatives);
    return AUXO_OK;
}

/* order: by ascending risk. weights: 1 / G(time) of subjects with the event. */
static double dynamic_auc_at(const auxo_survival_sample *sample, const keyed_index *order, const double *weights,
                             double time)
{
    double controls = 0, cases = 0, wins = 0;
    for (size_t begin = 0, end; begin < sample->count; begin = end) {
        double tied_controls = 0, tied_cases = 0;
        for (end = begin; end < sample->count && order[end].key == order[begin].key; end++) {
            uint32_t i = order[end].index;
            if ((double)sample->times[i] > time)
                tied_controls++;
            else if (sample->events[i])
                tied_cases += weights[i];
        }
        wins += tied_cases * (controls + 0.5 * tied_controls);
        controls += tied_controls;
        cases += tied_cases;
    }
    return controls > 0 && cases > 0 ? wins / (controls * cases) : NAN;
}

auxo_status auxo_survival_dynamic_auc(const auxo_survival_sample *train, const auxo_survival_sample *sample,
                                      const double *at, size_t at_count, double *areas, auxo_error *error)
{
    auxo_step_function censoring = {0};
    keyed_index *order = NULL;
    double *weights = malloc((sample->count + 1) * sizeof *weights);
    auxo_status status = auxo_survival_check(sample, error);
    if (status == AUXO_OK && !weights)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "dynamic AUC: out of memory");
    if (status == AUXO_OK)
        status = auxo_survival_kaplan_meier(train, true, &censoring, error);
    if (status == AUXO_OK)
        status = auxo__order_by_key(sample->risks, sample->count, &order, error);
    for (size_t i = 0; i < sample->count && status == AUXO_OK; i++) {
        double g = auxo_step_function_at(&censoring, sample->times[i], 1);
        weights[i] = g > 0 ? 1 / g : 0; /* past the last censoring nothing is known of G */
    }
    for (size_t k = 0; k < at_count && status == AUXO_OK; k++)
        areas[k] = dynamic_auc_at(sample, order, weights, at[k]);
    auxo_step_function_deinit(&censoring);
    free(order);
    free(weights);
    return status;
}
