// activation_backward.comp: DX = DY f'(x), with f' taken from Y.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint ACTIVATION = 0;

BUFFER(0, readonly, datum, y);
BUFFER(1, readonly, datum, dy);
BUFFER(2, , datum, dx);
layout(push_constant) uniform parameters
{
    uint at[3];
    ACTIVATION_PUSH
} p;

void main()
{
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e < p.count)
            dx[p.at[2] + e] =
                put_datum(get_datum(dy[p.at[1] + e]) *
                          activate_derivative(ACTIVATION, get_datum(y[p.at[0] + e]), p.slope));
    }
}
