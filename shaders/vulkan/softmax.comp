// softmax.comp: softmax of each row, LANES invocations per row.
#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "interface.glsl"
#include "math.glsl"
#include "reduction.glsl"

layout(constant_id = 1) const uint LANES = 1;

BUFFER(0, readonly, float, x);
BUFFER(1, writeonly, float, y);
layout(push_constant) uniform parameters
{
    uint at[2];
    SOFTMAX_PUSH
} p;

void main()
{
    const uint row = group_index() * (GROUP_SIZE / LANES) + lane_index() / LANES;
    const uint lane = lane_index() % LANES;
    const bool inside = row < p.rows;
    vec2 largest = reduce_neutral(REDUCE_MAX);
    for (uint c = lane; inside && c < p.classes; c += LANES)
        largest = reduce_include(REDUCE_MAX, largest, x[p.at[0] + row * p.classes + c]);
    largest = group_reduce(REDUCE_MAX, largest, LANES, 1u);
    vec2 sum = vec2(0.0);
    for (uint c = lane; inside && c < p.classes; c += LANES)
        sum = ff_add(sum, exp_accurate(x[p.at[0] + row * p.classes + c] - largest.x));
    sum = group_reduce(REDUCE_SUM, sum, LANES, 1u);
    for (uint c = lane; inside && c < p.classes; c += LANES) {
        const uint e = row * p.classes + c;
        y[p.at[1] + e] = exp_accurate(x[p.at[0] + e] - largest.x) / sum.x;
    }
}
