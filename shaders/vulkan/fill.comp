// fill.comp: Y = value, as a pattern of 32-bit words; words that Y shares with its neighbours keep their other bytes.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"

BUFFER(0, , uint, y);
layout(push_constant) uniform parameters
{
    uint at[1];
    FILL_PUSH
} p;

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.word_count)
            continue;
        uint mask = 0xffffffffu;
        if (e == 0u)
            mask &= p.head_mask;
        if (e + 1u == p.word_count)
            mask &= p.tail_mask;
        if (mask == 0xffffffffu)
            y[p.at[0] + e] = p.pattern;
        else
            y[p.at[0] + e] = (y[p.at[0] + e] & ~mask) | (p.pattern & mask);
    }
}
