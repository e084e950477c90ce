// scale.comp: Y[o,c,i] = X[o,c,i] FACTOR[c], X and Y each in f32, f16 or bf16.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "divide.glsl"
#include "words.glsl"

layout(constant_id = 1) const uint FROM = 0;
layout(constant_id = 2) const uint TO = 0;

BUFFER(0, readonly, uint, x);
BUFFER(1, readonly, float, factor);
BUFFER(2, , uint, y);
layout(push_constant) uniform parameters
{
    uint at[3];
    BIAS_ADD_PUSH
} p;

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        const uint line = quotient(p.first + e, p.inner);
        const float f = factor[p.at[1] + line - quotient(line, p.channels) * p.channels.divisor];
        const uint from = p.at[0] + e, to = p.at[2] + e, word = word_of(TO, to);
        const uint bits = part_of_word(FROM, x[word_of(FROM, from)], from);
        const float value = (is_half(FROM) ? widened(FROM, bits) : uintBitsToFloat(bits)) * f;
        if (is_half(TO))
            atomicXor(y[word], (part_of_word(TO, y[word], to) ^ narrowed(TO, value)) << part_shift(TO, to));
        else
            y[word] = floatBitsToUint(value);
    }
}
