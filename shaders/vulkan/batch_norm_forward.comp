// batch_norm_forward.comp: one workgroup per channel of X (outer, channels, inner): mean, variance (in two passes,
// compensated), then the normalised and activated output.
#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "math.glsl"
#include "reduction.glsl"

layout(constant_id = 1) const bool TRAINING = true;
layout(constant_id = 2) const uint ACTIVATION = 0;

BUFFER(0, readonly, datum, x);
BUFFER(1, readonly, float, gamma);
BUFFER(2, readonly, float, beta);
BUFFER(3, , float, running_mean);
BUFFER(4, , float, running_var);
BUFFER(5, writeonly, datum, y);
BUFFER(6, writeonly, float, saved_mean);
BUFFER(7, writeonly, float, saved_invstd);
layout(push_constant) uniform parameters
{
    uint at[8];
    BATCH_NORM_FORWARD_PUSH
} p;

#include "batch_norm.glsl"

void main()
{
    channel = group_index();
    if (channel >= p.channels)
        return;
    const uint first = lane_index();
    float count = float(p.terms);
    vec2 mean = vec2(running_mean[p.at[3] + channel], 0.0), variance = vec2(running_var[p.at[4] + channel], 0.0);
    if (TRAINING) {
        mean = vec2(0.0);
        for (uint t = first; t < p.terms; t += GROUP_SIZE)
            mean = ff_add(mean, get_datum(x[p.at[0] + element(t)]));
        mean = group_sum(mean);
        mean = p.terms > 0u ? ff_divide(mean, vec2(count, 0.0)) : vec2(0.0);
        variance = vec2(0.0);
        for (uint t = first; t < p.terms; t += GROUP_SIZE) {
            const vec2 d = ff_add(vec2(-mean.x, -mean.y), get_datum(x[p.at[0] + element(t)]));
            variance = ff_add(variance, two_product(d.x, d.x));
        }
        variance = group_sum(variance);
        variance = p.terms > 0u ? ff_divide(variance, vec2(count, 0.0)) : vec2(0.0);
    }
    const float invstd = 1.0 / sqrt(variance.x + p.epsilon);
    const float g = gamma[p.at[1] + channel], b = beta[p.at[2] + channel];
    for (uint t = first; t < p.terms; t += GROUP_SIZE) {
        const uint e = element(t);
        const float d = ff_add(vec2(-mean.x, -mean.y), get_datum(x[p.at[0] + e])).x;
        y[p.at[5] + e] = put_datum(activate(ACTIVATION, g * d * invstd + b, p.slope));
    }
    if (!TRAINING || first != 0u)
        return;
    saved_mean[p.at[6] + channel] = mean.x;
    saved_invstd[p.at[7] + channel] = invstd;
    if (p.terms == 0u)
        return;
    const float unbiased = p.terms > 1u ? variance.x * (count / (count - 1.0)) : variance.x;
    const uint m = p.at[3] + channel, v = p.at[4] + channel;
    running_mean[m] = (1.0 - p.momentum) * running_mean[m] + p.momentum * mean.x;
    running_var[v] = (1.0 - p.momentum) * running_var[v] + p.momentum * unbiased;
}
