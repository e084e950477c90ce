// mse.comp: squared differences, summed to about 2^-47 in pairs, and their gradient.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "reduction.glsl"

layout(constant_id = 1) const bool GRADIENT = false;

BUFFER(0, readonly, float, prediction);
BUFFER(1, readonly, float, target);
BUFFER(2, writeonly, float, dprediction);
BUFFER(3, writeonly, vec4, partial); // hi, lo, 0, 0
layout(push_constant) uniform parameters
{
    uint at[4];
    MSE_PUSH
} p;

void main()
{
    vec2 sum = vec2(0.0);
    for (uint e = group_index() * GROUP_SIZE + lane_index(); e < p.count; e += p.stride) {
        const vec2 d = two_sum(prediction[p.at[0] + e], -target[p.at[1] + e]);
        sum = ff_add(sum, ff_multiply(d, d));
        if (GRADIENT)
            dprediction[p.at[2] + e] = 2.0 * d.x / float(p.count);
    }
    sum = group_sum(sum);
    if (lane_index() == 0u && group_index() * GROUP_SIZE < p.stride)
        partial[group_index()] = vec4(sum, 0.0, 0.0);
}
