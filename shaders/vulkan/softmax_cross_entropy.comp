// softmax_cross_entropy.comp: row losses and their gradient, LANES invocations per row; each workgroup leaves the sum
// of its rows and how many were predicted right for loss_finish.comp.
#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "interface.glsl"
#include "datum.glsl"
#include "math.glsl"
#include "reduction.glsl"

layout(constant_id = 1) const uint LANES = 1;
layout(constant_id = 2) const bool GRADIENT = false;

BUFFER(0, readonly, datum, logits);
BUFFER(1, readonly, uint, labels);
BUFFER(2, writeonly, datum, dlogits);
BUFFER(3, writeonly, vec4, partial); // hi, lo, right, 0
layout(push_constant) uniform parameters
{
    uint at[4];
    SOFTMAX_PUSH
} p;

void main()
{
    const uint row = group_index() * (GROUP_SIZE / LANES) + lane_index() / LANES;
    const uint lane = lane_index() % LANES;
    const bool inside = row < p.rows;
    const uint label = inside ? labels[p.at[1] + row] : 0u;
    const bool valid = inside && label < p.classes;
    const uint base = p.at[0] + row * p.classes;
    const float z_label = valid ? get_datum(logits[base + label]) : 0.0;
    vec2 largest = reduce_neutral(REDUCE_MAX);
    float better = 0.0; // classes that rule out the label as the first maximum
    for (uint c = lane; inside && c < p.classes; c += LANES) {
        const float z = get_datum(logits[base + c]);
        largest = reduce_include(REDUCE_MAX, largest, z);
        better += (c < label ? z < z_label : z <= z_label) ? 0.0 : 1.0;
    }
    largest = group_reduce(REDUCE_MAX, largest, LANES, 1u);
    vec2 sum = vec2(0.0);
    for (uint c = lane; inside && c < p.classes; c += LANES)
        sum = ff_add(sum, exp_accurate(get_datum(logits[base + c]) - largest.x));
    sum = group_reduce(REDUCE_SUM, sum, LANES, 1u);
    better = group_reduce(REDUCE_SUM, vec2(better, 0.0), LANES, 1u).x;
    for (uint c = lane; GRADIENT && inside && c < p.classes; c += LANES) {
        const float probability = exp_accurate(get_datum(logits[base + c]) - largest.x) / sum.x;
        dlogits[p.at[2] + row * p.classes + c] =
            put_datum((probability - (c == label ? 1.0 : 0.0)) / float(p.rows));
    }
    vec2 loss = vec2(0.0);
    if (inside && lane == 0u)
        loss = valid ? ff_add(two_sum(largest.x, -z_label), log_accurate(sum.x))
                     : vec2(uintBitsToFloat(0x7fc00000u), 0.0);
    loss = group_sum(loss);
    const float right = group_sum(vec2(valid && lane == 0u && better == 0.0 ? 1.0 : 0.0, 0.0)).x;
    if (lane_index() == 0u)
        partial[group_index()] = vec4(loss, right, 0.0);
}
