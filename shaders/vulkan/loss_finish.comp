// loss_finish.comp: the partial sums of a loss, divided and written; one workgroup per loss (theta_eval has many).
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "reduction.glsl"
#define LOSS_SLOT 1
#include "loss.glsl"

BUFFER(0, readonly, vec4, partial); // hi, lo, right
layout(push_constant) uniform parameters
{
    uint at[5];
    LOSS_FINISH_PUSH
    LOSS_ENDING_PUSH
} p;

void main()
{
    const uint which = group_index();
    if (which >= p.losses)
        return;
    vec2 sum = vec2(0.0), right = vec2(0.0);
    for (uint k = lane_index(); k < p.parts; k += GROUP_SIZE) {
        const vec4 part = partial[which * p.parts + k];
        sum = ff_add(sum, part.xy);
        right = ff_add(right, part.z);
    }
    sum = group_sum(sum);
    right = group_sum(right);
    if (lane_index() == 0u) {
        const vec2 value = p.divisor_hi > 0.0 ? ff_divide(sum, vec2(p.divisor_hi, p.divisor_lo)) : vec2(0.0);
        write_loss(uvec4(p.at[1] + 2u * which, p.at[2], p.at[3], p.at[4]),
                   loss_output(p.has_stats, p.history_length, p.has_counter, p.rows), value, right.x);
    }
}
