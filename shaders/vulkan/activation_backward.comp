// activation_backward.comp: DX = DY f'(x), with f' taken from Y.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint ACTIVATION = 0;

BUFFER(0, readonly, float, y);
BUFFER(1, readonly, float, dy);
BUFFER(2, , float, dx);
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
            dx[p.at[2] + e] = dy[p.at[1] + e] * activate_derivative(ACTIVATION, y[p.at[0] + e], p.slope);
    }
}
