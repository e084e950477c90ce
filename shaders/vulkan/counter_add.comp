// counter_add.comp: COUNTER += increments.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"

BUFFER(0, , uint, counter);
layout(push_constant) uniform parameters
{
    uint at[1];
    COUNTER_ADD_PUSH
} p;

void main()
{
    if (lane_index() < 4u && group_index() == 0u)
        counter[p.at[0] + lane_index()] += p.increments[lane_index()];
}
