// batch_norm_backward_split.comp: batch normalisation backward with several workgroups per channel, in two dispatches.
//
// SUMS: each part of a channel leaves its sums of DY and of DY (x - mean). Without: every workgroup adds up the parts
// of its channel and writes its part of DX (batch_norm_backward.comp has the formula); the first one of a channel also
// writes DGAMMA and DBETA.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "reduction.glsl"

BUFFER(0, readonly, datum, x);
BUFFER(1, readonly, float, saved_mean);
BUFFER(2, readonly, datum, dy);
BUFFER(3, , vec4, sums); // (channels, parts): of DY, of DY (x - mean), each with its lower half
#ifndef SUMS
BUFFER(4, readonly, float, gamma);
BUFFER(5, readonly, float, saved_invstd);
BUFFER(6, writeonly, datum, dx);
BUFFER(7, writeonly, float, dgamma);
BUFFER(8, writeonly, float, dbeta);
#define BINDINGS 9
#else
#define BINDINGS 4
#endif
layout(push_constant) uniform parameters
{
    uint at[BINDINGS];
    BATCH_NORM_SPLIT_PUSH
} p;

#include "batch_norm_parts.glsl"

#ifdef SUMS

void main()
{
    if (!take_part())
        return;
    const float mean = saved_mean[p.at[1] + channel];
    vec2 sum = vec2(0.0), weighted = vec2(0.0);
    for (uint t = term_begin() + lane_index(); t < term_end(); t += GROUP_SIZE) {
        const uint e = element(t);
        const float d = get_datum(dy[p.at[2] + e]);
        sum = ff_add(sum, d);
        weighted = ff_add(weighted, two_product(d, get_datum(x[p.at[0] + e]) - mean));
    }
    sum = group_sum(sum);
    weighted = group_sum(weighted);
    if (lane_index() == 0u)
        sums[p.at[3] + part_index()] = vec4(sum, weighted);
}

#else

void main()
{
    if (!take_part())
        return;
    const uint own = lane_index(); // the part that this invocation merges; there are no more than invocations
    const vec4 partial = own < p.parts ? sums[p.at[3] + channel * p.parts + own] : vec4(0.0);
    const float mean = saved_mean[p.at[1] + channel], invstd = saved_invstd[p.at[5] + channel];
    const float sum = group_sum(partial.xy).x;
    const float weighted = ff_multiply(group_sum(partial.zw), vec2(invstd, 0.0)).x;
    const float count = float(p.terms), factor = gamma[p.at[4] + channel] * invstd;
    for (uint t = term_begin() + own; t < term_end(); t += GROUP_SIZE) {
        const uint e = element(t);
        const float normalised = (get_datum(x[p.at[0] + e]) - mean) * invstd;
        dx[p.at[6] + e] =
            put_datum(factor * (get_datum(dy[p.at[2] + e]) - sum / count - normalised * (weighted / count)));
    }
    if (part != 0u || own != 0u)
        return;
    dgamma[p.at[7] + channel] = weighted;
    dbeta[p.at[8] + channel] = sum;
}

#endif
