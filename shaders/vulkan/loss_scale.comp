// loss_scale.comp: one step of dynamic loss scaling (auxo/ops.h), by one invocation.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"

BUFFER(0, readonly, uint, largest); // bits of f32
BUFFER(1, , float, state);
BUFFER(2, readonly, uint, counter);
layout(push_constant) uniform parameters
{
    uint at[3];
    LOSS_SCALE_PUSH
} p;

void main()
{
    if (lane_index() != 0u || group_index() != 0u)
        return;
    bool finite = true;
    for (uint i = 0u; i < p.count; i++)
        finite = finite && (largest[p.at[0] + i] & 0x7f800000u) != 0x7f800000u;
    const uint s = p.at[1];
    const float factor = state[s + LOSS_SCALE_FACTOR];
    state[s + LOSS_SCALE_INVERSE] = 1.0 / factor;
    state[s + LOSS_SCALE_SKIP] = finite ? 0.0 : 1.0;
    if (finite) {
        const float good = state[s + LOSS_SCALE_GOOD] + 1.0;
        if (good >= float(p.interval) && 2.0 * factor <= p.most)
            state[s + LOSS_SCALE_FACTOR] = 2.0 * factor;
        state[s + LOSS_SCALE_GOOD] = good >= float(p.interval) ? 0.0 : good;
        return;
    }
    state[s + LOSS_SCALE_SKIPPED] += 1.0;
    state[s + LOSS_SCALE_GOOD] = 0.0;
    state[s + LOSS_SCALE_FACTOR] = max(0.5 * factor, p.least);
    if (0.5 * factor < p.least && state[s + LOSS_SCALE_EXHAUSTED] == 0.0)
        state[s + LOSS_SCALE_EXHAUSTED] = p.has_counter != 0u ? float(counter[p.at[2]]) : 1.0;
}
