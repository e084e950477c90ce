/* penalty.cl: value of a regulariser, and its subgradient or proximal step, per group of weights.
 *
 *     group g: [ W row | BIAS ] --norms--> partial[g] = c_g penalty --step--> DW, DBIAS (or W, BIAS)
 *     penalty_finish: one group adds partial[] in a fixed order
 * The proximal step of max|w| subtracts the projection on the l1 ball of radius t: |w| is cut at the level where the
 * parts cut off sum to t. The level is found by Michelot's iteration, which only drops elements and so ends. A NaN makes
 * NaN of all that it takes part in: comparisons are written so that it passes.
 * The kind (auxo_penalty_kind) is an argument. Parameters: VEC, WG, PROXIMAL (0 or 1).
 */
#include "contract.clh"
#include "group.clh"
#include "lanes.clh"


/* Element e of the group; e == size is its bias. */
#define ELEMENT(e) ((e) < size ? w[e] : *bias)

/* This item's share of the sum over a row: of squares or of sizes. */
static inline float2 sum_row(int kind, global const float *w, ulong length)
{
    floatv sum = (floatv)(0.0f), low = (floatv)(0.0f);
    for (ulong e = get_local_id(0) * VEC; e < length; e += WG * VEC) {
        if (kind == PENALTY_L2_SQUARED || kind == PENALTY_L21)
            add_square_lanes(load_chunk(w, e, length), &sum, &low);
        else
            add_lanes(fabs(load_chunk(w, e, length)), &sum, &low);
    }
    return fold_lanes(sum, low);
}

/* max(|w|) over the group, with the first index that holds it; NaN is the largest. */
static inline uint2 first_largest(global const float *w, global const float *bias, ulong size, ulong count,
                           local float2 *scratch)
{
    float largest = -1.0f;
    uint where = 0xffffffffu;
    for (ulong e = get_local_id(0); e < count; e += WG)
        if (fabs(ELEMENT(e)) > largest || (isnan(ELEMENT(e)) && !isnan(largest))) {
            largest = isnan(ELEMENT(e)) ? NAN : fabs(ELEMENT(e));
            where = (uint)e;
        }
    return group_first_max((uint2)(as_uint(largest), where), (local uint2 *)scratch);
}

/* Sum and number of the elements above `level`, less `threshold`, per element: the next level. */
static inline float next_level(global const float *w, global const float *bias, ulong size, ulong count, float level,
                        float threshold, float *above, local float2 *scratch)
{
    float2 sum = (float2)(0.0f, 0.0f);
    float2 number = (float2)(0.0f, 0.0f);
    for (ulong e = get_local_id(0); e < count; e += WG) {
        float size_e = fabs(ELEMENT(e));
        if (size_e > level) {
            sum = pair_add_float(sum, size_e);
            number = pair_add_float(number, 1.0f);
        }
    }
    sum = group_sum(sum, scratch);
    *above = group_sum(number, scratch).x;
    return *above > 0.0f ? pair_divide(pair_add_float(sum, -threshold), *above).x : level;
}

static inline float clip_level(global const float *w, global const float *bias, ulong size, ulong count, float threshold,
                        local float2 *scratch)
{
    float above;
    float previous = -1.0f;
    float level = next_level(w, bias, size, count, -1.0f, threshold, &above, scratch);
    while (above != previous && level > 0.0f) {
        previous = above;
        level = next_level(w, bias, size, count, level, threshold, &above, scratch);
    }
    return fmax(level, 0.0f);
}

/* What the step makes of w: the slope of the penalty (subgradient) or the new w (proximal). */
static inline floatv step_elements(int kind, floatv w, float threshold, float norm, float level)
{
    floatv direction = w > 0.0f ? (floatv)(1.0f) : w < 0.0f ? (floatv)(-1.0f) : w; /* 0 or NaN */
#if PROXIMAL
    switch (kind) {
    case PENALTY_L2_SQUARED:
        return w / (1.0f + 2.0f * threshold);
    case PENALTY_L21:
        return w * (norm <= threshold ? 0.0f : 1.0f - threshold / norm);
    case PENALTY_LINF1:
        return direction * (fabs(w) < level ? fabs(w) : (floatv)(level));
    default:
        return direction * fmax(fabs(w) - threshold, (floatv)(0.0f));
    }
#else
    switch (kind) {
    case PENALTY_L2_SQUARED:
        return 2.0f * w;
    case PENALTY_L21:
        return norm == 0.0f ? (floatv)(0.0f) : w / norm;
    default:
        return direction;
    }
#endif
}

/* Steps `length` elements: w itself (proximal), or their gradients dw. */
static inline void step_row(int kind, global float *w, global float *dw, ulong length, float c, float threshold, float norm,
                            float level)
{
    for (ulong e = get_local_id(0) * VEC; e < length; e += WG * VEC) {
        floatv value = step_elements(kind, load_chunk(w, e, length), threshold, norm, level);
#if PROXIMAL
        store_chunk(value, w, e, length);
#else
        store_chunk(load_chunk(dw, e, length) + c * value, dw, e, length);
#endif
    }
}

kernel WG_ATTRIBUTE void penalty(global float *w, ulong w_offset, global float *bias, ulong bias_offset,
                                 global float *dw, ulong dw_offset, global float *dbias, ulong dbias_offset,
                                 global const float *coef, ulong coef_offset, global const float *hyper,
                                 ulong hyper_offset, global float2 *partial, ulong size, float strength, int kind)
{
    local float2 scratch[WG];
    ulong g = get_group_id(0);
    ulong item = get_local_id(0);
    ulong count = size + (bias ? 1 : 0);
    float c = strength * (coef ? coef[coef_offset + g] : 1.0f);
    if (kind == PENALTY_WEIGHTED_L1)
        c *= (float)(g + 1);
    w += w_offset + g * size;
    bias = bias ? bias + bias_offset + g : bias;

    dw = dw ? dw + dw_offset + g * size : dw;
    dbias = dbias ? dbias + dbias_offset + g : dbias;

    uint2 largest = (uint2)(0, 0);
    float norm;
    float2 total;
    if (kind == PENALTY_LINF1) {
        largest = first_largest(w, bias, size, count, scratch);
        norm = as_float(largest.x) < 0.0f ? 0.0f : as_float(largest.x);
        total = (float2)(norm, 0.0f);
    } else {
        total = sum_row(kind, w, size);
        if (bias && item == 0)
            total = pair_add(total, sum_row(kind, bias, 1));
        total = group_sum(total, scratch);
        norm = sqrt(total.x);
    }
    if (item == 0)
        partial[g] = kind == PENALTY_L21 ? two_product(c, norm) : pair_scale(total, c);

    float level = 0.0f;
    float threshold = 0.0f;
#if PROXIMAL
    threshold = hyper[hyper_offset] * c;
    if (kind == PENALTY_LINF1)
        level = isnan(norm) ? norm : clip_level(w, bias, size, count, threshold, scratch);
    barrier(CLK_GLOBAL_MEM_FENCE); /* the step overwrites what all items have read */
#else
    if (kind == PENALTY_LINF1) { /* the first largest element alone has a slope */
        if (item == 0 && norm != 0.0f) {
            float slope = c * (isnan(norm) ? norm : ELEMENT(largest.y) > 0.0f ? 1.0f : -1.0f);
            if (largest.y < size && dw)
                dw[largest.y] += slope;
            else if (largest.y == size && dbias)
                *dbias += slope;
        }
        return;
    }
#endif
    if (PROXIMAL || dw)
        step_row(kind, w, dw, size, c, threshold, norm, level);
    if (bias && (PROXIMAL || dbias))
        step_row(kind, bias, dbias, 1, c, threshold, norm, level);
}

kernel WG_ATTRIBUTE void penalty_finish(global const float2 *partial, ulong groups, global float *value,
                                        ulong value_offset)
{
    local float2 scratch[WG];
    float2 total = (float2)(0.0f, 0.0f);
    for (ulong g = get_local_id(0); g < groups; g += WG)
        total = pair_add(total, partial[g]);
    total = group_sum(total, scratch);
    if (get_local_id(0) == 0)
        value[value_offset] = total.x;
}
