// copy.comp: Y = scale X (+ Y), strided, between any two of f32, f16, bf16, u32 and u8.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "divide.glsl"
#include "words.glsl"

layout(constant_id = 1) const uint FROM = 0;
layout(constant_id = 2) const uint TO = 0;
layout(constant_id = 3) const bool SCALED = false;
layout(constant_id = 4) const bool ACCUMULATE = false;

BUFFER(0, readonly, uint, x);
BUFFER(1, , uint, y);
layout(push_constant) uniform parameters
{
    uint at[2];
    COPY_PUSH
} p;

float value_of(uint bits)
{
    if (FROM == DTYPE_F32)
        return uintBitsToFloat(bits);
    if (is_half(FROM))
        return widened(FROM, bits);
    return float(bits);
}

uint truncated(float value, float limit)
{
    return value >= limit ? 0xffffffffu : value > 0.0 ? uint(value) : 0u;
}

uint bits_of(float value)
{
    if (TO == DTYPE_F32)
        return floatBitsToUint(value);
    if (is_half(TO))
        return narrowed(TO, value);
    if (TO == DTYPE_U8)
        return min(truncated(value, 255.0), 255u);
    return truncated(value, 4294967296.0);
}

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        const uint r2 = quotient(e, p.dims[2]), r1 = quotient(r2, p.dims[1]), r0 = quotient(r1, p.dims[0]);
        const ivec4 index = ivec4(r0, r1 - r0 * p.dims[0].divisor, r2 - r1 * p.dims[1].divisor,
                                  e - r2 * p.dims[2].divisor);
        const uint from = p.at[0] + uint(index.x * p.x_strides[0] + index.y * p.x_strides[1] +
                                         index.z * p.x_strides[2] + index.w * p.x_strides[3]);
        const uint to = p.at[1] + uint(index.x * p.y_strides[0] + index.y * p.y_strides[1] +
                                       index.z * p.y_strides[2] + index.w * p.y_strides[3]);
        uint bits = part_of_word(FROM, x[word_of(FROM, from)], from);
        if (SCALED || FROM != TO) {
            if (SCALED || FROM == DTYPE_F32 || is_half(FROM) || TO == DTYPE_F32 || is_half(TO)) {
                float value = value_of(bits);
                if (SCALED)
                    value *= p.scale;
                if (ACCUMULATE)
                    value += uintBitsToFloat(y[to]);
                bits = bits_of(value);
            } else if (TO == DTYPE_U8) {
                bits = min(bits, 255u);
            }
        } else if (ACCUMULATE) {
            bits = floatBitsToUint(uintBitsToFloat(bits) + uintBitsToFloat(y[to]));
        }
        const uint word = word_of(TO, to);
        if (TO == DTYPE_F32 || TO == DTYPE_U32) {
            y[word] = bits;
        } else {
            const uint mask = is_half(TO) ? 0xffffu : 0xffu;
            const uint shift = part_shift(TO, to);
            const uint old = (y[word] >> shift) & mask;
            atomicXor(y[word], (old ^ (bits & mask)) << shift);
        }
    }
}
