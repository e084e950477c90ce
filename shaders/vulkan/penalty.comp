// penalty.comp: a regulariser on the rows of W and their biases: one workgroup per row.
//
// The proximal step of the maximum norm cuts |w| at the level t where the cut-off parts sum to the threshold (Moreau:
// w minus its projection on the l1 ball). sum max(|w| - t, 0) is convex and piecewise linear in t, so Newton's method
// from 0 climbs to the root in finitely many steps. A NaN makes NaN of all that it takes part in.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "reduction.glsl"


layout(constant_id = 1) const uint KIND = 0;
layout(constant_id = 2) const bool PROXIMAL = false;

BUFFER(0, , float, w);
BUFFER(1, , float, bias);
BUFFER(2, , float, dw);
BUFFER(3, , float, dbias);
BUFFER(4, readonly, float, coef);
BUFFER(5, readonly, float, hyper);
BUFFER(6, writeonly, vec2, partial);
layout(push_constant) uniform parameters
{
    uint at[7];
    PENALTY_PUSH
} p;

uint group;

float element(uint e)
{
    return e < p.size ? w[p.at[0] + group * p.size + e] : bias[p.at[1] + group];
}

vec2 reduce_row(uint kind)
{
    vec2 sum = vec2(0.0);
    for (uint e = lane_index(); e < p.size + p.has_bias; e += GROUP_SIZE)
        sum = reduce_include(kind, sum, element(e));
    return group_reduce(kind, sum, GROUP_SIZE, 1u);
}

uint first_largest(float largest)
{
    float first = 3.0e38; // of those of the largest size; indices below 2^24 are exact
    for (uint e = lane_index(); e < p.size + p.has_bias; e += GROUP_SIZE)
        if (is_nan(largest) ? is_nan(element(e)) : abs(element(e)) == largest)
            first = min(first, float(e));
    return uint(group_reduce(REDUCE_MIN, vec2(first, 0.0), GROUP_SIZE, 1u).x);
}

float cut_level(float threshold)
{
    float level = 0.0;
    for (uint round = 0u; round < 64u; round++) {
        vec2 excess = vec2(0.0);
        vec2 count = vec2(0.0);
        for (uint e = lane_index(); e < p.size + p.has_bias; e += GROUP_SIZE) {
            const float a = abs(element(e));
            if (a > level) {
                excess = ff_add(excess, a);
                count.x += 1.0;
            }
        }
        excess = group_sum(excess);
        count = group_sum(count);
        if (count.x == 0.0)
            break;
        const float next = ff_divide(ff_add(excess, -threshold), vec2(count.x, 0.0)).x;
        if (!(next > level))
            break;
        level = next;
    }
    return level;
}

float stepped(float x, float value, float threshold, float level)
{
    const float a = abs(x);
    const float direction = x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; // 0 or NaN
    float size = max(a - threshold, 0.0);
    if (KIND == PENALTY_L2_SQUARED)
        size = a / (1.0 + 2.0 * threshold);
    else if (KIND == PENALTY_L21)
        size = value <= threshold ? 0.0 : a * (1.0 - threshold / value);
    else if (KIND == PENALTY_LINF1)
        size = a < level ? a : level;
    return is_nan(size) ? size : direction * size;
}

float slope_of(uint e, float x, float value, uint largest)
{
    const float s = x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; // 0 or NaN
    if (KIND == PENALTY_L2_SQUARED)
        return 2.0 * x;
    if (KIND == PENALTY_L21)
        return value == 0.0 ? 0.0 : x / value;
    if (KIND == PENALTY_LINF1)
        return e == largest ? s : 0.0;
    return s;
}

void main()
{
    group = group_index();
    if (group >= p.groups)
        return;
    const uint reduction = KIND == PENALTY_LINF1 ? REDUCE_MAX_ABS
                           : KIND >= PENALTY_L2_SQUARED ? REDUCE_SUM_SQUARES : REDUCE_SUM_ABS;
    vec2 value = reduce_row(reduction);
    if (KIND == PENALTY_L21)
        value = vec2(sqrt(value.x), 0.0);
    float c = p.strength * (p.has_coef != 0u ? coef[p.at[4] + group] : 1.0);
    if (KIND == PENALTY_WEIGHTED_L1)
        c *= float(group + 1u);
    if (lane_index() == 0u)
        partial[group] = ff_multiply(value, vec2(c, 0.0));
    const float threshold = PROXIMAL ? hyper[p.at[5]] * c : 0.0;
    uint largest = 0u;
    float level = 0.0;
    if (KIND == PENALTY_LINF1) {
        if (PROXIMAL)
            level = is_nan(value.x) ? value.x : cut_level(threshold);
        else
            largest = first_largest(value.x);
    }
    for (uint e = lane_index(); e < p.size + p.has_bias; e += GROUP_SIZE) {
        const float x = element(e);
        if (PROXIMAL) {
            const float next = stepped(x, value.x, threshold, level);
            if (e < p.size)
                w[p.at[0] + group * p.size + e] = next;
            else
                bias[p.at[1] + group] = next;
        } else {
            const float add = c * slope_of(e, x, value.x, largest);
            if (e < p.size)
                dw[p.at[2] + group * p.size + e] += add;
            else if (p.has_dbias != 0u)
                dbias[p.at[3] + group] += add;
        }
    }
}
