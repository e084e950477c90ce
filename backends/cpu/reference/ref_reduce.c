/* ref_reduce.c: reductions per channel and per segment, and norms of groups, accumulated in double. */
#include "ref.h"

#include <math.h>

static double neutral(auxo_reduce_kind kind)
{
    if (kind == AUXO_REDUCE_MAX)
        return -INFINITY;
    return kind == AUXO_REDUCE_MIN ? INFINITY : 0;
}

static double accumulate(auxo_reduce_kind kind, double sum, double x)
{
    switch (kind) {
    case AUXO_REDUCE_MAX:
        return x > sum || isnan(x) ? x : sum;
    case AUXO_REDUCE_MIN:
        return x < sum || isnan(x) ? x : sum;
    case AUXO_REDUCE_MAX_ABS:
        return fabs(x) > sum || isnan(x) ? fabs(x) : sum;
    case AUXO_REDUCE_SUM_ABS:
        return sum + fabs(x);
    case AUXO_REDUCE_SUM_SQUARES:
        return sum + x * x;
    default:
        return sum + x;
    }
}

static double finish(auxo_reduce_kind kind, double sum, int64_t count)
{
    return kind == AUXO_REDUCE_MEAN && count > 0 ? sum / (double)count : sum;
}

auxo_status ref_reduce(const auxo_op *op, auxo_error *error)
{
    (void)error;
    auxo_reduce_kind kind = op->params.reduce.kind;
    const int64_t *dims = op->tensors[AUXO_REDUCE_X].dims;
    const float *x = cpu_f32(op, AUXO_REDUCE_X);
    float *y = cpu_f32(op, AUXO_REDUCE_Y);
    for (int64_t c = 0; c < dims[1]; ++c) {
        double sum = neutral(kind);
        for (int64_t o = 0; o < dims[0]; ++o)
            for (int64_t i = 0; i < dims[2]; ++i)
                sum = accumulate(kind, sum, x[(o * dims[1] + c) * dims[2] + i]);
        y[c] = (float)finish(kind, sum, dims[0] * dims[2]);
    }
    return AUXO_OK;
}

auxo_status ref_segment_reduce(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_segment_reduce_params *params = &op->params.segment_reduce;
    auxo_reduce_kind kind = params->dot ? AUXO_REDUCE_SUM : params->kind;
    const float *a = cpu_f32(op, AUXO_SEGMENT_REDUCE_A);
    const float *b = cpu_f32(op, AUXO_SEGMENT_REDUCE_B);
    const uint32_t *offsets = cpu_u32(op, AUXO_SEGMENT_REDUCE_OFFSETS);
    float *y = cpu_f32(op, AUXO_SEGMENT_REDUCE_Y);
    for (int64_t s = 0; s < cpu_count(op, AUXO_SEGMENT_REDUCE_Y); ++s) {
        double sum = neutral(kind);
        for (uint32_t e = offsets[s]; e < offsets[s + 1]; ++e)
            sum = accumulate(kind, sum, params->dot ? (double)a[e] * (double)b[e] : (double)a[e]);
        y[s] = (float)finish(kind, sum, (int64_t)offsets[s + 1] - (int64_t)offsets[s]);
    }
    return AUXO_OK;
}

/* What one more element w adds to a group's sum or maximum. */
static double norm_accumulate(auxo_norm_kind kind, double sum, double w)
{
    switch (kind) {
    case AUXO_NORM_L2:
    case AUXO_NORM_RMS:
        return sum + w * w;
    case AUXO_NORM_LINF:
        return fabs(w) > sum || isnan(w) ? fabs(w) : sum;
    default:
        return sum + fabs(w);
    }
}

static double norm_finish(auxo_norm_kind kind, double sum, int64_t group, int64_t count)
{
    switch (kind) {
    case AUXO_NORM_L2:
        return sqrt(sum);
    case AUXO_NORM_MEAN:
        return count ? sum / (double)count : 0;
    case AUXO_NORM_RMS:
        return count ? sqrt(sum / (double)count) : 0;
    case AUXO_NORM_WEIGHTED_L1:
        return (double)(group + 1) * sum;
    default:
        return sum;
    }
}

auxo_status ref_group_norm(const auxo_op *op, auxo_error *error)
{
    (void)error;
    auxo_norm_kind kind = op->params.group_norm.kind;
    int64_t groups = op->tensors[AUXO_GROUP_NORM_W].dims[0];
    int64_t size = op->tensors[AUXO_GROUP_NORM_W].dims[1];
    const float *w = cpu_f32(op, AUXO_GROUP_NORM_W);
    const float *bias = cpu_f32(op, AUXO_GROUP_NORM_BIAS);
    float *norm = cpu_f32(op, AUXO_GROUP_NORM_NORM);
    for (int64_t g = 0; g < groups; ++g) {
        double sum = 0;
        for (int64_t e = 0; e < size; ++e)
            sum = norm_accumulate(kind, sum, w[g * size + e]);
        if (bias)
            sum = norm_accumulate(kind, sum, bias[g]);
        norm[g] = (float)norm_finish(kind, sum, g, size + (bias ? 1 : 0));
    }
    return AUXO_OK;
}
