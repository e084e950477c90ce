/* random_fill.cl: uniform, normal (Box-Muller), Bernoulli numbers or the words themselves.
 *
 *     work-item q: elements 4 q .. 4 q + 3, the four words of one Philox block
 * Y is f32 or u32, written as bits; the kind (auxo_random_kind) is an argument.
 */
#include "contract.clh"
#include "philox.clh"


/* The pair of independent normals of two words: the cosine first. */
static inline float2 normal_pair(uint word0, uint word1)
{
    float u1 = convert_float((ulong)word0 + 1ul) * 0x1p-32f;
    float radius = sqrt(-2.0f * log(u1));
    float turns = 2.0f * uniform_of(word1); /* half turns: sinpi and cospi reduce exactly */
    return (float2)(radius * cospi(turns), radius * sinpi(turns));
}

kernel void random_fill(global uint *y, ulong y_offset, global const uint *counter, ulong counter_offset, ulong count,
                        float a, float b, uint seed_low, uint seed_high, uint stream, int kind)
{
    ulong quad = get_global_id(0);
    ulong e = 4 * quad;
    if (e >= count)
        return;
    uint step = counter ? counter[counter_offset] : 0;
    uint4 words = philox_words(seed_low, seed_high, stream, step, quad);
    float4 u = (float4)(uniform_of(words.x), uniform_of(words.y), uniform_of(words.z), uniform_of(words.w));
    float4 values = a + (b - a) * u;
    if (kind == RANDOM_NORMAL)
        values = a + b * (float4)(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
    else if (kind == RANDOM_BERNOULLI)
        values = u < a ? (float4)(1.0f) : (float4)(0.0f);
    uint4 bits = kind == RANDOM_BITS ? words : as_uint4(values);
    y += y_offset + e;
    if (e + 4 <= count) {
        vstore4(bits, 0, y);
        return;
    }
    y[0] = bits.x;
    if (e + 1 < count)
        y[1] = bits.y;
    if (e + 2 < count)
        y[2] = bits.z;
}
