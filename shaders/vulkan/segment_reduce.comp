// segment_reduce.comp: one workgroup per segment of A, or of the products A B.
#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "interface.glsl"
#include "reduction.glsl"

layout(constant_id = 1) const uint KIND = 0;
layout(constant_id = 2) const bool DOT = false;

BUFFER(0, readonly, float, a);
BUFFER(1, readonly, float, b);
BUFFER(2, readonly, uint, offsets);
BUFFER(3, writeonly, float, y);
layout(push_constant) uniform parameters
{
    uint at[4];
    SEGMENT_REDUCE_PUSH
} p;

void main()
{
    const uint s = group_index();
    if (s >= p.segments)
        return;
    const uint begin = offsets[p.at[2] + s], end = offsets[p.at[2] + s + 1u];
    vec2 sum = reduce_neutral(KIND);
    for (uint e = begin + lane_index(); e < end; e += GROUP_SIZE) {
        if (DOT)
            sum = ff_add(sum, two_product(a[p.at[0] + e], b[p.at[1] + e]));
        else
            sum = reduce_include(KIND, sum, a[p.at[0] + e]);
    }
    sum = group_reduce(KIND, sum, GROUP_SIZE, 1u);
    if (lane_index() == 0u)
        y[p.at[3] + s] = KIND == REDUCE_MEAN && end > begin ? sum.x / float(end - begin) : sum.x;
}
