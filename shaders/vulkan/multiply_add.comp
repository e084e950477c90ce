// multiply_add.comp: Y = X, then p.rounds times Y = a Y + b, elementwise; all elements of an invocation at once, so that
// they hide each other's latency.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"

BUFFER(0, readonly, float, x);
BUFFER(1, , float, y);
layout(push_constant) uniform parameters
{
    uint at[2];
    MULTIPLY_ADD_PUSH
} p;

void main()
{
    float chain[FLAT_ELEMENTS];
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        chain[k] = e < p.count ? x[p.at[0] + e] : 0.0;
    }
    for (uint round = 0u; round < p.rounds; round++) {
        for (uint k = 0u; k < FLAT_ELEMENTS; k++)
            chain[k] = fma(p.a, chain[k], p.b);
    }
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e < p.count)
            y[p.at[1] + e] = chain[k];
    }
}
