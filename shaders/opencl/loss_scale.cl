/* loss_scale.cl: one step of dynamic loss scaling (ops.h). One work-item. */
#include "contract.clh"

kernel void loss_scale(global const float *largest, ulong largest_offset, global float *state, ulong state_offset,
                       global const uint *counter, ulong counter_offset, ulong count, uint interval, float least,
                       float most)
{
    if (get_global_id(0) != 0)
        return;
    int finite = 1;
    for (ulong i = 0; i < count; ++i)
        finite &= (as_uint(largest[largest_offset + i]) & 0x7f800000u) != 0x7f800000u;
    state += state_offset;
    float factor = state[LOSS_SCALE_FACTOR];
    state[LOSS_SCALE_INVERSE] = 1.0f / factor;
    state[LOSS_SCALE_SKIP] = finite ? 0.0f : 1.0f;
    if (finite) {
        float good = state[LOSS_SCALE_GOOD] + 1.0f;
        if (good >= (float)interval && 2.0f * factor <= most)
            state[LOSS_SCALE_FACTOR] = 2.0f * factor;
        state[LOSS_SCALE_GOOD] = good >= (float)interval ? 0.0f : good;
        return;
    }
    state[LOSS_SCALE_SKIPPED] += 1.0f;
    state[LOSS_SCALE_GOOD] = 0.0f;
    state[LOSS_SCALE_FACTOR] = max(0.5f * factor, least);
    if (0.5f * factor < least && state[LOSS_SCALE_EXHAUSTED] == 0.0f)
        state[LOSS_SCALE_EXHAUSTED] = counter ? (float)counter[counter_offset] : 1.0f;
}
