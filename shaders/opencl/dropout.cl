/* dropout.cl: Y[e] = uniform(e) < rate ? 0 : X[e] / (1 - rate); Y may be X.
 *
 *     work-item q: elements 4 q .. 4 q + 3, the four words of one Philox block
 */
#include "philox.clh"

kernel void dropout(global const float *x, ulong x_offset, global float *y, ulong y_offset, global const uint *counter,
                    ulong counter_offset, ulong count, float rate, uint seed_low, uint seed_high, uint stream)
{
    ulong quad = get_global_id(0);
    ulong e = 4 * quad;
    if (e >= count)
        return;
    uint step = counter ? counter[counter_offset] : 0;
    uint4 words = philox_words(seed_low, seed_high, stream, step, quad);
    float keep = 1.0f - rate;
    x += x_offset + e;
    y += y_offset + e;
    y[0] = uniform_of(words.x) < rate ? 0.0f : x[0] / keep;
    if (e + 1 < count)
        y[1] = uniform_of(words.y) < rate ? 0.0f : x[1] / keep;
    if (e + 2 < count)
        y[2] = uniform_of(words.z) < rate ? 0.0f : x[2] / keep;
    if (e + 3 < count)
        y[3] = uniform_of(words.w) < rate ? 0.0f : x[3] / keep;
}
