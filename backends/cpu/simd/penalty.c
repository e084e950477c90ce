/* penalty.c: regularisers on groups of weights; formulas in auxo/ops.h.
 *
 * The proximal step of the maximum norm cuts |w| at the level where what is cut off sums to the threshold; the level
 * is found by Michelot's iteration (1986): start from all elements, drop those below the level, repeat. A NaN makes NaN
 * of all that it takes part in: comparisons are written so that it passes.
 */
#include "cpu_kernels.h"
#include "ref.h"
#include "vec.h"

#include <math.h>

/* What the penalty of a group is made of. */
typedef struct group_sums {
    double abs, squares;
    float max;
    int64_t max_index; /* first element of largest |w|; the bias is element `size` */
} group_sums;

/* Takes element e, of size w, where it is larger than the largest so far; NaN is the largest. */
CPU_INLINE void take_larger(group_sums *sums, float w, int64_t e)
{
    if (w > sums->max || (isnan(w) && !isnan(sums->max))) {
        sums->max = w;
        sums->max_index = e;
    }
}

static group_sums sum_group(const float *w, int64_t size, const float *bias, bool want_max)
{
    group_sums sums = {.max_index = size > 0 ? 0 : size};
    double abs = 0;
    double squares = 0;
#pragma omp simd reduction(+ : abs, squares)
    for (int64_t e = 0; e < size; ++e) {
        abs += (double)fabsf(w[e]);
        squares += (double)w[e] * (double)w[e];
    }
    for (int64_t e = 0; want_max && e < size; ++e)
        take_larger(&sums, fabsf(w[e]), e);
    if (bias) {
        abs += (double)fabsf(*bias);
        squares += (double)*bias * (double)*bias;
        take_larger(&sums, fabsf(*bias), size);
    }
    sums.abs = abs;
    sums.squares = squares;
    return sums;
}

static double value_of(auxo_penalty_kind kind, const group_sums *sums)
{
    switch (kind) {
    case AUXO_PENALTY_L2_SQUARED:
        return sums->squares;
    case AUXO_PENALTY_L21:
        return sqrt(sums->squares);
    case AUXO_PENALTY_LINF1:
        return (double)sums->max;
    default:
        return sums->abs;
    }
}

static float sign(float x)
{
    return x != x ? x : (float)((x > 0) - (x < 0));
}

/* dw += c d/dw of the penalty; factor: what w is multiplied by (l2_squared, l21), or what its sign is (the others). */
static void add_subgradient(auxo_penalty_kind kind, const float *w, float *dw, int64_t size, float factor)
{
    if (kind == AUXO_PENALTY_L2_SQUARED || kind == AUXO_PENALTY_L21) { /* NOLINT(bugprone-branch-clone): loops differ */
#pragma omp simd
        for (int64_t e = 0; e < size; ++e)
            dw[e] += factor * w[e];
    } else {
#pragma omp simd
        for (int64_t e = 0; e < size; ++e)
            dw[e] += factor * sign(w[e]);
    }
}

/* w <- factor w (l2_squared, l21), or w shrunk towards 0 by the threshold (l1). */
static void step_proximal(auxo_penalty_kind kind, float *w, int64_t size, float factor, float threshold)
{
    if (kind == AUXO_PENALTY_L2_SQUARED || kind == AUXO_PENALTY_L21) {
#pragma omp simd
        for (int64_t e = 0; e < size; ++e)
            w[e] *= factor;
    } else {
#pragma omp simd
        for (int64_t e = 0; e < size; ++e) {
            float size_left = fabsf(w[e]) - threshold;
            w[e] = size_left <= 0 ? 0 : sign(w[e]) * size_left;
        }
    }
}

/* The level at which to cut |w|, the bias included; 0 if all of it may go. */
static double clip_level(const float *w, int64_t size, const float *bias, double threshold)
{
    double level = 0;
    int64_t kept = -1;
    for (;;) {
        double sum = 0;
        int64_t count = 0;
        for (int64_t e = 0; e < size + (bias ? 1 : 0); ++e) {
            double magnitude = (double)fabsf(e < size ? w[e] : *bias);
            if (magnitude > level) {
                sum += magnitude;
                ++count;
            }
        }
        if (count == kept || count == 0)
            return level;
        kept = count;
        if (sum <= threshold)
            return 0;
        level = (sum - threshold) / (double)count;
    }
}

static void clip(float *w, int64_t size, float level)
{
    for (int64_t e = 0; e < size; ++e)
        w[e] = fabsf(w[e]) <= level ? w[e] : sign(w[e]) * level;
}

/* Element e of a group, the bias being element `size`. */
static float *element(float *w, float *bias, int64_t size, int64_t e)
{
    return e < size ? w + e : bias;
}

static void step_group(const auxo_op *op, int64_t g, double c, const group_sums *sums)
{
    const auxo_penalty_params *params = &op->params.penalty;
    const int64_t size = op->tensors[AUXO_PENALTY_W].dims[1];
    float *w = cpu_f32(op, AUXO_PENALTY_W) + g * size;
    float *bias = cpu_f32(op, AUXO_PENALTY_BIAS) ? cpu_f32(op, AUXO_PENALTY_BIAS) + g : NULL;
    double value = value_of(params->kind, sums);
    if (params->proximal) {
        double threshold = (double)cpu_f32(op, AUXO_PENALTY_HYPER)[0] * c;
        if (params->kind == AUXO_PENALTY_LINF1) {
            float level = isnan(sums->max) ? sums->max : (float)clip_level(w, size, bias, threshold);
            clip(w, size, level);
            if (bias)
                clip(bias, 1, level);
            return;
        }
        double factor = 1 / (1 + 2 * threshold);
        if (params->kind == AUXO_PENALTY_L21)
            factor = value <= threshold ? 0 : 1 - threshold / value;
        step_proximal(params->kind, w, size, (float)factor, (float)threshold);
        if (bias)
            step_proximal(params->kind, bias, 1, (float)factor, (float)threshold);
        return;
    }
    float *dw = cpu_f32(op, AUXO_PENALTY_DW) ? cpu_f32(op, AUXO_PENALTY_DW) + g * size : NULL;
    float *dbias = cpu_f32(op, AUXO_PENALTY_DBIAS) ? cpu_f32(op, AUXO_PENALTY_DBIAS) + g : NULL;
    if (params->kind == AUXO_PENALTY_LINF1) {
        const float *largest = element(w, bias, size, sums->max_index);
        float *target = element(dw, dbias, size, sums->max_index);
        if (size + (bias ? 1 : 0) > 0 && target)
            *target += (float)c * sign(*largest);
        return;
    }
    double factor = c;
    if (params->kind == AUXO_PENALTY_L2_SQUARED)
        factor = 2 * c;
    else if (params->kind == AUXO_PENALTY_L21)
        factor = value == 0 ? 0 : c / value;
    if (dw)
        add_subgradient(params->kind, w, dw, size, (float)factor);
    if (bias && dbias)
        add_subgradient(params->kind, bias, dbias, 1, (float)factor);
}

static size_t scratch_bytes_penalty(int thread_count, const auxo_op *op)
{
    (void)thread_count;
    return sizeof(double) * (size_t)op->tensors[AUXO_PENALTY_W].dims[0];
}

typedef struct penalty_context {
    const auxo_op *op;
    double *values; /* of each group */
} penalty_context;

static void penalty_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const penalty_context *penalty = context;
    const auxo_op *op = penalty->op;
    const auxo_penalty_params *params = &op->params.penalty;
    const int64_t size = op->tensors[AUXO_PENALTY_W].dims[1];
    const float *w = cpu_f32(op, AUXO_PENALTY_W);
    const float *bias = cpu_f32(op, AUXO_PENALTY_BIAS);
    const float *coef = cpu_f32(op, AUXO_PENALTY_COEF);
    for (int64_t g = begin; g < end; ++g) {
        double c = (double)params->strength * (coef ? (double)coef[g] : 1);
        if (params->kind == AUXO_PENALTY_WEIGHTED_L1)
            c *= (double)(g + 1);
        group_sums sums = sum_group(w + g * size, size, bias ? bias + g : NULL, params->kind == AUXO_PENALTY_LINF1);
        penalty->values[g] = c * value_of(params->kind, &sums);
        step_group(op, g, c, &sums);
    }
}

static void run_penalty(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_PENALTY_W].dims;
    const penalty_context context = {op, (double *)work->scratch};
    cpu_parallel(work, dims[0], 2 * dims[1], penalty_part, &context);
    double sum = 0;
    for (int64_t g = 0; g < dims[0]; ++g)
        sum += context.values[g];
    float *value = cpu_f32(op, AUXO_PENALTY_VALUE);
    if (value)
        *value = (float)sum;
}

CPU_KERNEL(penalty)
