/* ref_penalty.c: regularisers on groups of weights, as a subgradient or a proximal step.
 *
 * Kinds and formulas as in auxo/ops.h. The proximal step of the maximum norm is w minus its projection on the l1 ball
 * of radius t (Moreau), found by sorting: |w| is cut at the level where what is cut off sums to t. A NaN makes NaN of
 * all that it takes part in: comparisons are written so that it passes.
 */
#include "ref.h"

#include <math.h>
#include <stdlib.h>

/* One group: its weights and, at index `size`, its bias if it has one. */
typedef struct group_view {
    float *w, *bias;
    int64_t size, count;
} group_view;

static float *element(const group_view *group, int64_t e)
{
    return e < group->size ? &group->w[e] : group->bias;
}

static group_view group_at(const auxo_op *op, size_t w_slot, size_t bias_slot, int64_t g)
{
    int64_t size = op->tensors[AUXO_PENALTY_W].dims[1];
    float *w = cpu_f32(op, w_slot);
    float *bias = cpu_f32(op, bias_slot);
    return (group_view){
        .w = w ? w + g * size : NULL, .bias = bias ? bias + g : NULL, .size = size, .count = size + (bias ? 1 : 0)};
}

static double group_value(const group_view *group, auxo_penalty_kind kind)
{
    double sum = 0;
    double sum_squares = 0;
    double max = 0;
    for (int64_t e = 0; e < group->count; ++e) {
        double w = fabs((double)*element(group, e));
        sum += w;
        sum_squares += w * w;
        max = w > max || isnan(w) ? w : max;
    }
    switch (kind) {
    case AUXO_PENALTY_L2_SQUARED:
        return sum_squares;
    case AUXO_PENALTY_L21:
        return sqrt(sum_squares);
    case AUXO_PENALTY_LINF1:
        return max;
    default:
        return sum;
    }
}

static double sign(double x)
{
    return isnan(x) ? x : (x > 0) - (x < 0);
}

/* NaN is the largest. */
static int64_t first_largest(const group_view *group)
{
    int64_t best = 0;
    for (int64_t e = 1; e < group->count && !isnan(*element(group, best)); ++e)
        if (fabsf(*element(group, e)) > fabsf(*element(group, best)) || isnan(*element(group, e)))
            best = e;
    return best;
}

static void add_subgradient(const group_view *group, const group_view *gradient, auxo_penalty_kind kind, double c)
{
    double value = group_value(group, kind);
    int64_t largest = first_largest(group);
    for (int64_t e = 0; e < group->count; ++e) {
        double w = (double)*element(group, e);
        double slope = sign(w);
        if (kind == AUXO_PENALTY_L2_SQUARED)
            slope = 2 * w;
        else if (kind == AUXO_PENALTY_L21)
            slope = value == 0 ? 0 : w / value;
        else if (kind == AUXO_PENALTY_LINF1)
            slope = e == largest ? sign(w) : 0;
        float *target = element(gradient, e);
        if (target)
            *target = (float)((double)*target + c * slope);
    }
}

static int compare_descending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a < b) - (a > b);
}

/* The level at which to cut |w| so that the cut-off parts sum to `threshold`; 0 if they sum to less. `sorted` has
 * room for the group. */
static double clip_level(const group_view *group, double threshold, double *sorted)
{
    for (int64_t e = 0; e < group->count; ++e)
        sorted[e] = fabs((double)*element(group, e));
    qsort(sorted, (size_t)group->count, sizeof *sorted, compare_descending);
    double sum = 0;
    for (int64_t e = 0; e < group->count; ++e) {
        sum += sorted[e];
        double level = (sum - threshold) / (double)(e + 1);
        if (e + 1 == group->count || level >= sorted[e + 1])
            return level > 0 ? level : 0;
    }
    return 0;
}

static void step_proximal(const group_view *group, auxo_penalty_kind kind, double threshold, double *sorted)
{
    double value = group_value(group, kind);
    double level = kind == AUXO_PENALTY_LINF1 && !isnan(value) ? clip_level(group, threshold, sorted) : value;
    for (int64_t e = 0; e < group->count; ++e) {
        double w = (double)*element(group, e);
        double size = fabs(w) <= threshold ? 0 : fabs(w) - threshold;
        if (kind == AUXO_PENALTY_L2_SQUARED)
            size = fabs(w) / (1 + 2 * threshold);
        else if (kind == AUXO_PENALTY_L21)
            size = value <= threshold ? 0 : fabs(w) * (1 - threshold / value);
        else if (kind == AUXO_PENALTY_LINF1)
            size = fabs(w) < level ? fabs(w) : level;
        *element(group, e) = (float)(sign(w) * size);
    }
}

auxo_status ref_penalty(const auxo_op *op, auxo_error *error)
{
    const auxo_penalty_params *params = &op->params.penalty;
    int64_t groups = op->tensors[AUXO_PENALTY_W].dims[0];
    const float *coef = cpu_f32(op, AUXO_PENALTY_COEF);
    float *value = cpu_f32(op, AUXO_PENALTY_VALUE);
    double *sorted = malloc(sizeof *sorted * (size_t)(op->tensors[AUXO_PENALTY_W].dims[1] + 1));
    if (!sorted)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "penalty: no host memory for a group of %lld weights",
                              (long long)op->tensors[AUXO_PENALTY_W].dims[1]);
    double sum = 0;
    for (int64_t g = 0; g < groups; ++g) {
        group_view group = group_at(op, AUXO_PENALTY_W, AUXO_PENALTY_BIAS, g);
        group_view gradient = group_at(op, AUXO_PENALTY_DW, AUXO_PENALTY_DBIAS, g);
        double c = (double)params->strength * (coef ? (double)coef[g] : 1);
        if (params->kind == AUXO_PENALTY_WEIGHTED_L1)
            c *= (double)(g + 1);
        sum += c * group_value(&group, params->kind);
        if (params->proximal)
            step_proximal(&group, params->kind, (double)cpu_f32(op, AUXO_PENALTY_HYPER)[0] * c, sorted);
        else if (group.count > 0)
            add_subgradient(&group, &gradient, params->kind, c);
    }
    if (value)
        *value = (float)sum;
    free(sorted);
    return AUXO_OK;
}
