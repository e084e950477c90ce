// batch_norm_forward_split.comp: training's batch normalisation with several workgroups per channel, in two dispatches.
//
// MOMENTS: each part of a channel leaves its mean and the sum of squares around it. Without: every workgroup merges the
// parts of its channel (Chan, Golub and LeVeque 1979: sum of squares = sum_i (M_i + n_i (mean_i - mean)^2)) and writes
// its part of Y; the first one of a channel also writes the statistics.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "math.glsl"
#include "reduction.glsl"

layout(constant_id = 1) const uint ACTIVATION = 0;

BUFFER(0, readonly, datum, x);
BUFFER(1, , vec4, moments); // (channels, parts): mean and its lower half, sum of squares and its lower half
#ifndef MOMENTS
BUFFER(2, readonly, float, gamma);
BUFFER(3, readonly, float, beta);
BUFFER(4, , float, running_mean);
BUFFER(5, , float, running_var);
BUFFER(6, writeonly, datum, y);
BUFFER(7, writeonly, float, saved_mean);
BUFFER(8, writeonly, float, saved_invstd);
#define BINDINGS 9
#else
#define BINDINGS 2
#endif
layout(push_constant) uniform parameters
{
    uint at[BINDINGS];
    BATCH_NORM_SPLIT_PUSH
    BATCH_NORM_FORWARD_SPLIT_PUSH
} p;

#include "batch_norm_parts.glsl"

vec2 minus(vec2 mean, float value)
{
    return ff_add(vec2(-mean.x, -mean.y), value);
}

#ifdef MOMENTS

void main()
{
    if (!take_part())
        return;
    const uint first = term_begin() + lane_index(), end = term_end();
    const float count = float(end - term_begin());
    vec2 mean = vec2(0.0), squares = vec2(0.0);
    for (uint t = first; t < end; t += GROUP_SIZE)
        mean = ff_add(mean, get_datum(x[p.at[0] + element(t)]));
    mean = ff_divide(group_sum(mean), vec2(count, 0.0));
    for (uint t = first; t < end; t += GROUP_SIZE) {
        const vec2 d = minus(mean, get_datum(x[p.at[0] + element(t)]));
        squares = ff_add(squares, two_product(d.x, d.x));
    }
    squares = group_sum(squares);
    if (lane_index() == 0u)
        moments[p.at[1] + part_index()] = vec4(mean, squares);
}

#else

float part_count(uint i)
{
    return float(min((i + 1u) * p.part_terms, p.terms) - i * p.part_terms);
}

void main()
{
    if (!take_part())
        return;
    const uint own = lane_index(); // the part that this invocation merges; there are no more than invocations
    const float count = float(p.terms), weight = own < p.parts ? part_count(own) : 0.0;
    const vec4 moment = own < p.parts ? moments[p.at[1] + channel * p.parts + own] : vec4(0.0);
    vec2 mean = group_sum(ff_multiply(moment.xy, vec2(weight, 0.0)));
    mean = ff_divide(mean, vec2(count, 0.0));
    const vec2 d = ff_add(moment.xy, vec2(-mean.x, -mean.y));
    const vec2 between = ff_multiply(two_product(d.x, d.x), vec2(weight, 0.0));
    const float variance = ff_divide(group_sum(ff_add(moment.zw, between)), vec2(count, 0.0)).x;
    const float invstd = 1.0 / sqrt(variance + p.epsilon);
    const float g = gamma[p.at[2] + channel], b = beta[p.at[3] + channel];
    for (uint t = term_begin() + own; t < term_end(); t += GROUP_SIZE) {
        const uint e = element(t);
        const float normalised = minus(mean, get_datum(x[p.at[0] + e])).x * invstd;
        y[p.at[6] + e] = put_datum(activate(ACTIVATION, g * normalised + b, p.slope));
    }
    if (part != 0u || own != 0u)
        return;
    saved_mean[p.at[7] + channel] = mean.x;
    saved_invstd[p.at[8] + channel] = invstd;
    const uint m = p.at[4] + channel, v = p.at[5] + channel;
    running_mean[m] = (1.0 - p.momentum) * running_mean[m] + p.momentum * mean.x;
    running_var[v] = (1.0 - p.momentum) * running_var[v] + p.momentum * variance * (count / (count - 1.0));
}

#endif
