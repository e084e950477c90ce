// group_norm.comp: the norm of each row of W and its bias; LANES invocations per row.
#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "interface.glsl"
#include "reduction.glsl"


layout(constant_id = 1) const uint NORM = 0;
layout(constant_id = 2) const uint KIND = 0; // the reduction under the norm
layout(constant_id = 3) const uint LANES = 1;

BUFFER(0, readonly, float, w);
BUFFER(1, readonly, float, bias);
BUFFER(2, writeonly, float, norm);
layout(push_constant) uniform parameters
{
    uint at[3];
    GROUP_NORM_PUSH
} p;

vec2 reduce_row(uint g, uint lane, float scale)
{
    vec2 sum = vec2(0.0);
    if (g < p.groups) {
        for (uint e = lane; e < p.size; e += LANES)
            sum = reduce_include(KIND, sum, scale * w[p.at[0] + g * p.size + e]);
        if (lane == 0u && p.has_bias != 0u)
            sum = reduce_include(KIND, sum, scale * bias[p.at[1] + g]);
    }
    return group_reduce(KIND, sum, LANES, 1u);
}

void main()
{
    const uint g = group_index() * (GROUP_SIZE / LANES) + lane_index() / LANES;
    const uint lane = lane_index() % LANES;
    vec2 sum = reduce_row(g, lane, 1.0);
    float scale = 1.0;
    if (NORM == NORM_L2 || NORM == NORM_RMS) { // squares that left the range of floats: once more, scaled
        const bool infinite = floatBitsToUint(sum.x) == 0x7f800000u;
        scale = infinite ? 8.27180612553027674871e-25 : sum.x < 8.07793566946316088742e-28 ? 1.26765060022822940150e30 : 1.0;
        if (group_reduce(REDUCE_MAX, vec2(scale == 1.0 ? 0.0 : 1.0, 0.0), GROUP_SIZE, 1u).x > 0.0)
            sum = reduce_row(g, lane, scale);
    }
    if (g >= p.groups || lane != 0u)
        return;
    const float count = float(p.size + p.has_bias);
    float value = sum.x;
    if (NORM == NORM_L2)
        value = sqrt(value) / scale;
    else if (NORM == NORM_MEAN)
        value = count > 0.0 ? value / count : 0.0;
    else if (NORM == NORM_RMS)
        value = count > 0.0 ? sqrt(value / count) / scale : 0.0;
    else if (NORM == NORM_WEIGHTED_L1)
        value *= float(g + 1u);
    norm[p.at[2] + g] = value;
}
