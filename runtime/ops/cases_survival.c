/* runtime/ops/cases_survival.c: conformance cases of the Cox partial likelihood and of argsort.
 *
 * ORDER of a Cox case is made here, by times that are small integers, so that the case does not depend on argsort.
 */
#include "verify_case.h"

#include <math.h>

enum event_pattern { MIXED_EVENTS, NO_EVENTS, ALL_EVENTS };

typedef struct cox_case {
    int32_t n, times; /* times: how many distinct ones; negative: as many subjects in turn have each */
    auxo_cox_ties ties;
    auxo_cox_reduction reduction;
    auxo_cox_domain domain;
    enum event_pattern events;
    float range; /* |h| <= range */
    bool gradient, stats;
} cox_case;

static const cox_case cox_cases[] = {
    {33, 7, AUXO_COX_BRESLOW, AUXO_COX_SUM, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 2, true, true},
    {65, 9, AUXO_COX_EFRON, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_MEAN_SQ, MIXED_EVENTS, 3, true, false},
    {127, 1000, AUXO_COX_BRESLOW, AUXO_COX_MEAN, AUXO_COX_DOMAIN_MEAN2, MIXED_EVENTS, 1, true, true},
    {17, 4, AUXO_COX_EFRON, AUXO_COX_SUM, AUXO_COX_DOMAIN_NONE, NO_EVENTS, 1, true, true},
    {4099, 3, AUXO_COX_EFRON, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_MEAN2, MIXED_EVENTS, 2, true, true},
    {33, 5, AUXO_COX_EFRON, AUXO_COX_MEAN, AUXO_COX_DOMAIN_AS_PRINTED, ALL_EVENTS, 2, true, false},
    {1, 1, AUXO_COX_BRESLOW, AUXO_COX_SUM, AUXO_COX_DOMAIN_NONE, ALL_EVENTS, 1, true, false},
    {2, 1, AUXO_COX_EFRON, AUXO_COX_SUM, AUXO_COX_DOMAIN_NONE, ALL_EVENTS, 1, true, false},
    {0, 1, AUXO_COX_BRESLOW, AUXO_COX_MEAN, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 1, true, true},
    {257, 33, AUXO_COX_BRESLOW, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 1e4f, true, false},
    {257, 33, AUXO_COX_EFRON, AUXO_COX_MEAN, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 1e4f, true, false},
    {129, 1, AUXO_COX_EFRON, AUXO_COX_MEAN, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 1, true, false},
    {129, 3, AUXO_COX_BRESLOW, AUXO_COX_MEAN, AUXO_COX_DOMAIN_MEAN2, NO_EVENTS, 1, true, false},
    {1025, 40, AUXO_COX_EFRON, AUXO_COX_SUM, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 2, true, true},
    {3001, 4000, AUXO_COX_BRESLOW, AUXO_COX_MEAN, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 3, true, false},
    {3001, 100, AUXO_COX_EFRON, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 3, false, false},
    /* Around and far beyond what one workgroup takes, with groups that end where a block does and that hold several. */
    {1023, -1, AUXO_COX_BRESLOW, AUXO_COX_MEAN, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 2, true, false},
    {1024, 300, AUXO_COX_EFRON, AUXO_COX_SUM, AUXO_COX_DOMAIN_MEAN_SQ, MIXED_EVENTS, 2, true, true},
    {1025, -1024, AUXO_COX_EFRON, AUXO_COX_MEAN, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 2, true, false},
    {2047, -2048, AUXO_COX_BRESLOW, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_NONE, ALL_EVENTS, 2, true, false},
    {4096, -512, AUXO_COX_BRESLOW, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 2, true, false},
    {6145, -2048, AUXO_COX_EFRON, AUXO_COX_SUM, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 1, false, true},
    {8193, -8193, AUXO_COX_EFRON, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_NONE, ALL_EVENTS, 1, true, false},
    {9001, -1, AUXO_COX_EFRON, AUXO_COX_MEAN, AUXO_COX_DOMAIN_AS_PRINTED, MIXED_EVENTS, 2, true, false},
    {9001, -1500, AUXO_COX_EFRON, AUXO_COX_MEAN, AUXO_COX_DOMAIN_NONE, NO_EVENTS, 2, true, true},
    {9001, -1500, AUXO_COX_BRESLOW, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 1e4f, true, false},
    {9001, -3, AUXO_COX_EFRON, AUXO_COX_MEAN, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 1e4f, true, false},
    {70001, -5000, AUXO_COX_EFRON, AUXO_COX_PER_EVENT, AUXO_COX_DOMAIN_NONE, MIXED_EVENTS, 2, true, false},
};

enum { COX_HISTORY_LENGTH = 5, COX_STEP = 8 };

/* TIME and ORDER; stable, ascending. */
static void set_times(auxo__case *built, const cox_case *row)
{
    int64_t position = 0;
    AUXO__F32(built, AUXO_COX_TIME, row->n);
    AUXO__U32(built, AUXO_COX_ORDER, row->n);
    for (int64_t i = 0; row->times < 0 && i < row->n; i++) {
        int64_t time = i / -row->times;
        auxo__case_set(built, AUXO_COX_TIME, i, (double)time);
        auxo__case_set(built, AUXO_COX_ORDER, i, (double)i);
    }
    if (row->times < 0)
        return;
    auxo__case_integers(built, AUXO_COX_TIME, (uint32_t)row->times);
    for (int32_t time = 0; time < row->times; time++)
        for (int64_t i = 0; i < row->n; i++)
            if (auxo__case_get(built, AUXO_COX_TIME, i) == time)
                auxo__case_set(built, AUXO_COX_ORDER, position++, (double)i);
}

enum { COX_COUNT = sizeof cox_cases / sizeof cox_cases[0] };

/* Rows that also run with NaN among the risks. */
static const size_t cox_nan_rows[] = {0, 1, 2, 3, 4, 12, 16, 21, 23, 26};

static void build_cox(auxo__case *built, size_t index)
{
    const cox_case *row = &cox_cases[index < COX_COUNT ? index : cox_nan_rows[index - COX_COUNT]];
    static const char *const reductions[] = {"sum", "mean", "per event"};
    double range = (double)row->range;
    built->op.params.cox = (auxo_cox_params){row->ties, row->reduction, row->domain, 0.25f};
    auxo__case_text(built, "n=%d times=%d %s %s domain=%d |h| <= %g%s", row->n, row->times,
                    row->ties == AUXO_COX_EFRON ? "efron" : "breslow", reductions[row->reduction], (int)row->domain,
                    range, row->events == NO_EVENTS ? " no event" : "");
    AUXO__F32(built, AUXO_COX_RISK, row->n);
    auxo__case_uniform(built, AUXO_COX_RISK, -range, range);
    if (index >= COX_COUNT)
        auxo__case_special(built, AUXO_COX_RISK, AUXO__NAN);
    set_times(built, row);
    AUXO__U32(built, AUXO_COX_EVENT, row->n);
    if (row->events == MIXED_EVENTS)
        auxo__case_integers(built, AUXO_COX_EVENT, 2);
    else
        auxo__case_constant(built, AUXO_COX_EVENT, row->events == ALL_EVENTS);
    AUXO__F32(built, AUXO_COX_LOSS, 2);
    if (row->gradient)
        AUXO__F32(built, AUXO_COX_DRISK, row->n);
    if (row->stats) {
        AUXO__F32(built, AUXO_COX_STATS, 4);
        auxo__case_constant(built, AUXO_COX_STATS, 2);
        AUXO__F32(built, AUXO_COX_HISTORY, COX_HISTORY_LENGTH);
        auxo__case_constant(built, AUXO_COX_HISTORY, -7);
        auxo__case_counter(built, AUXO_COX_COUNTER, COX_STEP, 0, 0);
    }
    built->scale = range;
}

/* An exponent or logarithm of numbers up to |h| is off by some u |h|; n terms are divided as the reduction says. */
static double bound_cox(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    const auxo_cox_params *params = &tested->op.params.cox;
    const double u = AUXO__UNIT_ROUNDOFF, range = tested->scale;
    double n = (double)tested->op.tensors[AUXO_COX_RISK].dims[0];
    double terms = params->reduction == AUXO_COX_SUM ? n : 1;
    bool printed = params->domain == AUXO_COX_DOMAIN_AS_PRINTED;
    double domain = params->domain == AUXO_COX_DOMAIN_NONE ? 0 : range * range * (printed ? n : 1);
    double error = 32 * u * (terms * (8 + range) + domain) + 2 * u * fabs(expected);
    (void)magnitude;
    switch (slot) {
    case AUXO_COX_DRISK: {
        /* per event divides by at least a third of n here */
        double share = params->reduction == AUXO_COX_SUM ? 1 : 4 / n;
        return 64 * u * ((8 + range) * (fabs(expected) + share) + range * (printed ? 1 : 1 / n));
    }
    case AUXO_COX_STATS:
        return element == 0 ? n * error : 0;
    case AUXO_COX_HISTORY:
        return element == (COX_STEP - 1) % COX_HISTORY_LENGTH ? error : 0;
    default:
        return error;
    }
}

const auxo__suite auxo__suite_cox = {
    COX_COUNT + sizeof cox_nan_rows / sizeof cox_nan_rows[0], 5, build_cox, bound_cox, false, 0};

/* ---- argsort -------------------------------------------------------------------------------------------------------
 */

enum key_pattern { DISTINCT_KEYS, TIED_KEYS, SPECIAL_KEYS, SORTED_KEYS };

typedef struct argsort_case {
    int64_t n;
    bool descending;
    enum key_pattern keys;
} argsort_case;

static const argsort_case argsort_cases[] = {
    {33, false, DISTINCT_KEYS}, {127, true, TIED_KEYS},       {257, false, SPECIAL_KEYS}, {65, true, SPECIAL_KEYS},
    {0, false, DISTINCT_KEYS},  {1, true, DISTINCT_KEYS},     {2, true, TIED_KEYS},       {1000, false, TIED_KEYS},
    {1025, true, SORTED_KEYS},  {4096, false, DISTINCT_KEYS}, {20011, false, TIED_KEYS},  {20011, true, DISTINCT_KEYS},
};

static void build_argsort(auxo__case *built, size_t index)
{
    static const char *const patterns[] = {"distinct", "tied", "with NaN, infinities and zeros", "sorted"};
    static const double special[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 0.0, -0.0};
    const argsort_case *row = &argsort_cases[index];
    built->op.params.argsort.descending = row->descending;
    auxo__case_text(built, "n=%lld %s %s", (long long)row->n, row->descending ? "descending" : "ascending",
                    patterns[row->keys]);
    AUXO__INPUT(built, AUXO_ARGSORT_KEYS, row->n);
    if (row->keys == TIED_KEYS)
        auxo__case_integers(built, AUXO_ARGSORT_KEYS, 10);
    for (int64_t i = 0; row->keys == SORTED_KEYS && i < row->n; i++)
        auxo__case_set(built, AUXO_ARGSORT_KEYS, i, (double)i);
    for (int64_t i = 0; row->keys == SPECIAL_KEYS && i < row->n; i += 3)
        auxo__case_set(built, AUXO_ARGSORT_KEYS, i, special[auxo__case_random(built) % 5]);
    AUXO__U32(built, AUXO_ARGSORT_ORDER, row->n);
}

const auxo__suite auxo__suite_argsort = {
    sizeof argsort_cases / sizeof argsort_cases[0], 4, build_argsort, NULL, false, 0};
