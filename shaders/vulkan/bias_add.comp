// bias_add.comp: Y[o,c,i] = act(X[o,c,i] + FACTOR[c]).
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint ACTIVATION = 0;

BUFFER(0, readonly, datum, x);
BUFFER(1, readonly, float, factor);
BUFFER(2, , datum, y);
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
        const float v = get_datum(x[p.at[0] + e]);
        y[p.at[2] + e] = put_datum(activate(ACTIVATION, v + f, p.slope));
    }
}
