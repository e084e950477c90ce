// penalty_finish.comp: VALUE from the groups' pairs.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "reduction.glsl"

BUFFER(0, readonly, vec2, partial);
BUFFER(1, writeonly, float, value);
layout(push_constant) uniform parameters
{
    uint at[2];
    PENALTY_FINISH_PUSH
} p;

void main()
{
    vec2 sum = vec2(0.0);
    for (uint g = lane_index(); g < p.groups; g += GROUP_SIZE)
        sum = ff_add(sum, partial[g]);
    sum = group_sum(sum);
    if (lane_index() == 0u)
        value[p.at[1]] = sum.x;
}
