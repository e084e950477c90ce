// gemm_finish.comp: C = act(alpha sum of parts + beta C + bias): the end of a product whose K was cut into parts.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "divide.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint BIAS = 0u; // 0 none, 1 per column, 2 per row
layout(constant_id = 2) const uint ACTIVATION = 0;
layout(constant_id = 3) const bool BETA = false;

BUFFER(0, readonly, float, part_sums); // (parts, M, N)
BUFFER(1, , float, matrix_c);
BUFFER(2, readonly, float, bias);
layout(push_constant) uniform parameters
{
    uint at[3];
    uint count, parts; // M * N
    divider columns;   // N
    uint c_stride;     // of rows
    float alpha, beta, slope;
} p;

void main()
{
    for (uint i = 0u; i < FLAT_ELEMENTS; i++) {
        const uint e = flat_element(i);
        if (e >= p.count)
            continue;
        float sum = 0.0;
        for (uint part = 0u; part < p.parts; part++)
            sum += part_sums[p.at[0] + part * p.count + e];
        const uint m = quotient(e, p.columns), n = e - m * p.columns.divisor;
        const uint c = p.at[1] + m * p.c_stride + n;
        float value = p.alpha * sum;
        if (BETA)
            value += p.beta * matrix_c[c];
        if (BIAS == 1u)
            value += bias[p.at[2] + n];
        else if (BIAS == 2u)
            value += bias[p.at[2] + m];
        matrix_c[c] = activate(ACTIVATION, value, p.slope);
    }
}
