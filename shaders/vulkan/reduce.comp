// reduce.comp: one box of X (outer, channels, inner) reduced over outer and inner, in parts.
//
// A workgroup takes CHANNELS channels and one part of their terms. CHANNELS > 1 puts neighbouring channels into
// neighbouring invocations (for inner = 1). With FINAL the only part is the result; else it is left as a pair for
// reduce_finish.comp.
#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "reduction.glsl"

layout(constant_id = 1) const uint KIND = 0;
layout(constant_id = 2) const uint CHANNELS = 1;
layout(constant_id = 3) const bool FINAL = false;

BUFFER(0, readonly, datum, x);
BUFFER(1, writeonly, float, y);
layout(push_constant) uniform parameters
{
    uint at[2];
    REDUCE_PUSH
} p;

void main()
{
    const uint lanes = GROUP_SIZE / CHANNELS;
    const uint group = group_index();
    const uint part = group % p.part_count;
    const uint c = group / p.part_count * CHANNELS + lane_index() % CHANNELS;
    vec2 sum = reduce_neutral(KIND);
    if (c < p.channels) {
        const uint end = min((part + 1u) * p.part_terms, p.terms);
        for (uint t = part * p.part_terms + lane_index() / CHANNELS; t < end; t += lanes) {
            const uint o = quotient(t, p.inner);
            const uint e = o * p.outer_stride + c * p.channel_stride + (t - o * p.inner.divisor);
            sum = reduce_include(KIND, sum, get_datum(x[p.at[0] + e]));
        }
    }
    sum = group_reduce(KIND, sum, lanes, CHANNELS);
    if (c >= p.channels || lane_index() >= CHANNELS)
        return;
    if (FINAL) {
        y[p.at[1] + p.first_channel + c] = KIND == REDUCE_MEAN && p.count > 0.0 ? sum.x / p.count : sum.x;
    } else {
        const uint e = p.at[1] + 2u * ((p.first_part + part) * p.all_channels + p.first_channel + c);
        y[e] = sum.x;
        y[e + 1u] = sum.y;
    }
}
