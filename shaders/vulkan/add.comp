// add.comp: Y = alpha A + beta B, elementwise.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"

BUFFER(0, readonly, datum, a);
BUFFER(1, readonly, datum, b);
BUFFER(2, , datum, y);
layout(push_constant) uniform parameters
{
    uint at[3];
    ADD_PUSH
} p;

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e < p.count)
            y[p.at[2] + e] =
                put_datum(p.alpha * get_datum(a[p.at[0] + e]) + p.beta * get_datum(b[p.at[1] + e]));
    }
}
