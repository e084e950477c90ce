// gather_batch.comp: rows of a data set into a batch, scaled and standardised.
//
// DATA is read as words whatever its type. Rows outside this dispatch's window [row_begin, row_end) are left to
// another one.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "divide.glsl"
#include "float_float.glsl"
#ifdef HALF
#include "datum.glsl"
#else
#include "words.glsl"
#endif

layout(constant_id = 1) const uint FROM = DTYPE_F32;
layout(constant_id = 2) const bool LABELS = false; // Y is u32: no scaling

BUFFER(0, readonly, uint, data);
BUFFER(1, readonly, uint, order);
BUFFER(2, readonly, uint, counter);
BUFFER(3, readonly, float, mean);
BUFFER(4, readonly, float, invstd);
#ifdef HALF
BUFFER(5, writeonly, datum, y);
#else
BUFFER(5, writeonly, uint, y);
#endif
layout(push_constant) uniform parameters
{
    uint at[6];
    GATHER_BATCH_PUSH
} p;

// (a * b + c) mod n without overflow.
uint multiply_add_mod(uint a, uint b, uint c, uint n)
{
    uint high, low;
    umulExtended(a, b, high, low);
    const uint sum = low + c;
    high += sum < low ? 1u : 0u;
    if (high == 0u)
        return sum % n;
    uint rest = high % n;
    for (int bit = 31; bit >= 0; bit--) {
        const uint carry = rest >> 31;
        rest = (rest << 1) | ((sum >> bit) & 1u);
        if (carry != 0u || rest >= n)
            rest -= n;
    }
    return rest;
}

void main()
{
    const uint batch_index = p.has_counter != 0u ? counter[p.at[2] + 1u] : 0u;
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint t = flat_element(k);
        if (t >= p.count)
            continue;
        const uint b = quotient(p.first + t, p.row_elements);
        const uint e = p.first + t - b * p.row_elements.divisor;
        const uint position = multiply_add_mod(batch_index, p.batch, b, p.n);
        const uint row = p.has_order != 0u ? order[p.at[1] + position] : position;
        if (row < p.row_begin || row >= p.row_end)
            continue;
        const uint from = p.at[0] + (row - p.row_begin) * p.row_elements.divisor + e;
        const uint bits = part_of_word(FROM, data[word_of(FROM, from)], from);
#ifndef HALF
        if (LABELS) {
            y[p.at[5] + t] = bits;
            continue;
        }
#endif
        const uint c = quotient(e, p.inner);
        vec2 value = two_product(p.scale, FROM == DTYPE_F32 ? uintBitsToFloat(bits) : float(bits));
        if (p.has_mean != 0u)
            value = ff_add(value, -mean[p.at[3] + c]);
        if (p.has_invstd != 0u)
            value = ff_multiply(value, vec2(invstd[p.at[4] + c], 0.0));
#ifdef HALF
        y[p.at[5] + t] = put_datum(value.x);
#else
        y[p.at[5] + t] = floatBitsToUint(value.x);
#endif
    }
}
