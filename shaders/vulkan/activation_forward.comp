// activation_forward.comp: Y = f(X), elementwise.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint ACTIVATION = 0;

BUFFER(0, readonly, datum, x);
BUFFER(1, , datum, y);
layout(push_constant) uniform parameters
{
    uint at[2];
    ACTIVATION_PUSH
} p;

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e < p.count)
            y[p.at[1] + e] = put_datum(activate(ACTIVATION, get_datum(x[p.at[0] + e]), p.slope));
    }
}
