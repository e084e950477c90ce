/* penalty.cl: value of a regulariser, and its subgradient or proximal step, per group of weights.
 *
 *     group g: [ W row | BIAS ] --norms--> partial[g] = c_g penalty --step--> DW, DBIAS (or W, BIAS)
 *     penalty_finish: one group adds partial[] in a fixed order
 * The proximal step of max|w| subtracts the projection on the l1 ball of radius t: |w| is cut at the level where the
 * parts cut off sum to t. The level is found by Michelot's iteration, which only drops elements and so ends.
 * Parameters: WG, KIND (auxo_penalty_kind), PROXIMAL (0 or 1).
 */
#include "group.clh"

#define PENALTY_L1 0
#define PENALTY_WEIGHTED_L1 1
#define PENALTY_L2_SQUARED 2
#define PENALTY_L21 3
#define PENALTY_LINF1 4

/* Element e of the group; e == size is its bias. */
#define ELEMENT(e) ((e) < size ? w[e] : *bias)

/* max(|w|) over the group, with the first index that holds it. */
inline uint2 first_largest(global const float *w, global const float *bias, ulong size, ulong count,
                           local float2 *scratch)
{
    float largest = -1.0f;
    uint where = 0xffffffffu;
    for (ulong e = get_local_id(0); e < count; e += WG)
        if (fabs(ELEMENT(e)) > largest) {
            largest = fabs(ELEMENT(e));
            where = (uint)e;
        }
    return group_first_max((uint2)(as_uint(largest), where), (local uint2 *)scratch);
}

/* Sum and number of the elements above `level`, less `threshold`, per element: the next level. */
inline float next_level(global const float *w, global const float *bias, ulong size, ulong count, float level,
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

inline float clip_level(global const float *w, global const float *bias, ulong size, ulong count, float threshold,
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

/* What the step makes of w: the new gradient term (subgradient, before c) or the new w (proximal). */
inline float step_element(float w, float threshold, float norm, float level, bool is_largest)
{
    float direction = w > 0.0f ? 1.0f : w < 0.0f ? -1.0f : 0.0f;
#if PROXIMAL && KIND == PENALTY_L2_SQUARED
    return w / (1.0f + 2.0f * threshold);
#elif PROXIMAL && KIND == PENALTY_L21
    return norm > threshold ? w * (1.0f - threshold / norm) : 0.0f;
#elif PROXIMAL && KIND == PENALTY_LINF1
    return direction * fmin(fabs(w), level);
#elif PROXIMAL
    return direction * fmax(fabs(w) - threshold, 0.0f);
#elif KIND == PENALTY_L2_SQUARED
    return 2.0f * w;
#elif KIND == PENALTY_L21
    return norm > 0.0f ? w / norm : 0.0f;
#elif KIND == PENALTY_LINF1
    return is_largest ? direction : 0.0f;
#else
    return direction;
#endif
}

kernel WG_ATTRIBUTE void penalty(global float *w, ulong w_offset, global float *bias, ulong bias_offset,
                                 global float *dw, ulong dw_offset, global float *dbias, ulong dbias_offset,
                                 global const float *coef, ulong coef_offset, global const float *hyper,
                                 ulong hyper_offset, global float2 *partial, ulong size, float strength)
{
    local float2 scratch[WG];
    ulong g = get_group_id(0);
    ulong item = get_local_id(0);
    ulong count = size + (bias ? 1 : 0);
    float c = strength * (coef ? coef[coef_offset + g] : 1.0f);
#if KIND == PENALTY_WEIGHTED_L1
    c *= (float)(g + 1);
#endif
    w += w_offset + g * size;
    bias = bias ? bias + bias_offset + g : bias;

    float2 total = (float2)(0.0f, 0.0f);
    float norm = 0.0f;
    uint2 largest = (uint2)(0, 0);
#if KIND == PENALTY_LINF1
    largest = first_largest(w, bias, size, count, scratch);
    norm = fmax(as_float(largest.x), 0.0f);
    total.x = norm;
#else
    for (ulong e = item; e < count; e += WG) {
#if KIND == PENALTY_L2_SQUARED || KIND == PENALTY_L21
        total = pair_add_square(total, ELEMENT(e));
#else
        total = pair_add_float(total, fabs(ELEMENT(e)));
#endif
    }
    total = group_sum(total, scratch);
    norm = sqrt(total.x);
#endif
    if (item == 0)
        partial[g] = KIND == PENALTY_L21 ? two_product(c, norm) : pair_scale(total, c);

    float level = 0.0f;
    float threshold = 0.0f;
#if PROXIMAL
    threshold = hyper[hyper_offset] * c;
#if KIND == PENALTY_LINF1
    level = clip_level(w, bias, size, count, threshold, scratch);
#endif
#endif
    for (ulong e = item; e < count; e += WG) {
        float value = step_element(ELEMENT(e), threshold, norm, level, e == largest.y);
#if PROXIMAL
        if (e < size)
            w[e] = value;
        else
            *bias = value;
#else
        if (e < size) {
            if (dw)
                dw[dw_offset + g * size + e] += c * value;
        } else if (dbias) {
            dbias[dbias_offset + g] += c * value;
        }
#endif
    }
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
