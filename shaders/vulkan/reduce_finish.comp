// reduce_finish.comp: Y[c] from the pairs that reduce.comp left, (parts, channels), combined in order.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "reduction.glsl"

layout(constant_id = 1) const uint KIND = 0;

BUFFER(0, readonly, vec2, partial);
BUFFER(1, writeonly, float, y);
layout(push_constant) uniform parameters
{
    uint at[2];
    REDUCE_FINISH_PUSH
} p;

void main()
{
    const uint c = group_index() * GROUP_SIZE + lane_index();
    if (c >= p.channels)
        return;
    vec2 sum = reduce_neutral(KIND);
    for (uint k = 0u; k < p.parts; k++)
        sum = reduce_merge(KIND, sum, partial[k * p.channels + c]);
    y[p.at[1] + c] = KIND == REDUCE_MEAN && p.count > 0.0 ? sum.x / p.count : sum.x;
}
