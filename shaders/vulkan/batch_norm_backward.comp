// batch_norm_backward.comp: one workgroup per channel: DBETA = sum DY, DGAMMA = sum DY xhat, then
// DX = GAMMA invstd (DY - DBETA / m - xhat DGAMMA / m), m = outer * inner.
#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "reduction.glsl"

BUFFER(0, readonly, datum, x);
BUFFER(1, readonly, float, gamma);
BUFFER(2, readonly, float, saved_mean);
BUFFER(3, readonly, float, saved_invstd);
BUFFER(4, readonly, datum, dy);
BUFFER(5, writeonly, datum, dx);
BUFFER(6, writeonly, float, dgamma);
BUFFER(7, writeonly, float, dbeta);
layout(push_constant) uniform parameters
{
    uint at[8];
    BATCH_NORM_BACKWARD_PUSH
} p;

#include "batch_norm.glsl"

void main()
{
    channel = group_index();
    if (channel >= p.channels)
        return;
    const float mean = saved_mean[p.at[2] + channel], invstd = saved_invstd[p.at[3] + channel];
    vec2 sum = vec2(0.0), weighted = vec2(0.0);
    for (uint t = lane_index(); t < p.terms; t += GROUP_SIZE) {
        const uint e = element(t);
        const float d = get_datum(dy[p.at[4] + e]);
        sum = ff_add(sum, d);
        weighted = ff_add(weighted, two_product(d, get_datum(x[p.at[0] + e]) - mean));
    }
    sum = group_sum(sum);
    weighted = ff_multiply(group_sum(weighted), vec2(invstd, 0.0));
    const float count = float(p.terms);
    const float factor = gamma[p.at[1] + channel] * invstd;
    for (uint t = lane_index(); t < p.terms; t += GROUP_SIZE) {
        const uint e = element(t);
        const float normalised = (get_datum(x[p.at[0] + e]) - mean) * invstd;
        dx[p.at[5] + e] =
            put_datum(factor * (get_datum(dy[p.at[4] + e]) - sum.x / count - normalised * (weighted.x / count)));
    }
    if (lane_index() == 0u) {
        dgamma[p.at[6] + channel] = weighted.x;
        dbeta[p.at[7] + channel] = sum.x;
    }
}
