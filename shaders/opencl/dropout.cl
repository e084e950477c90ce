/* dropout.cl: Y[e] = uniform(e) < rate ? 0 : X[e] / (1 - rate); Y may be X.
 *
 *     work-item q: elements 4 q .. 4 q + 3, the four words of one Philox block
 * Parameters: DATA.
 */
#include "datum.clh"
#include "philox.clh"

kernel void dropout(global const datum *x, ulong x_offset, global datum *y, ulong y_offset, global const uint *counter,
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
    put_datum(uniform_of(words.x) < rate ? 0.0f : get_datum(x, 0) / keep, y, 0);
    if (e + 1 < count)
        put_datum(uniform_of(words.y) < rate ? 0.0f : get_datum(x, 1) / keep, y, 1);
    if (e + 2 < count)
        put_datum(uniform_of(words.z) < rate ? 0.0f : get_datum(x, 2) / keep, y, 2);
    if (e + 3 < count)
        put_datum(uniform_of(words.w) < rate ? 0.0f : get_datum(x, 3) / keep, y, 3);
}
