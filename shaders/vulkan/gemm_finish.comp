// gemm_finish.comp: C = act(alpha sum of parts + beta C + bias): the end of a product whose K was cut into parts.
//
// A workgroup has ELEMENTS neighbouring elements; its invocations are as many rows of ELEMENTS, each of which adds up every
// so-manieth part, and the first then adds up the rows: in an order that only the sizes decide.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "interface.glsl"
#include "divide.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint BIAS = 0u; // 0 none, 1 per column, 2 per row
layout(constant_id = 2) const uint ACTIVATION = 0;
layout(constant_id = 3) const bool BETA = false;
layout(constant_id = 4) const uint ELEMENTS = 256u; // a divisor of GROUP_SIZE

BUFFER(0, readonly, float, part_sums); // (parts, M, N)
BUFFER(1, , float, matrix_c);
BUFFER(2, readonly, float, bias);
layout(push_constant) uniform parameters
{
    uint at[3];
    GEMM_FINISH_PUSH
} p;

shared float row_sums[GROUP_SIZE];

float sum_of_row(uint row, uint e)
{
    const uint rows = GROUP_SIZE / ELEMENTS;
    float sum = 0.0;
    uint part = row;
    for (; part + 3u * rows < p.parts; part += 4u * rows) { // four loads in flight
        float values[4];
        [[unroll]] for (uint i = 0u; i < 4u; i++)
            values[i] = part_sums[p.at[0] + (part + i * rows) * p.count + e];
        sum += (values[0] + values[1]) + (values[2] + values[3]);
    }
    for (; part < p.parts; part += rows)
        sum += part_sums[p.at[0] + part * p.count + e];
    return sum;
}

void main()
{
    const uint e = group_index() * ELEMENTS + lane_index() % ELEMENTS;
    row_sums[lane_index()] = e < p.count ? sum_of_row(lane_index() / ELEMENTS, e) : 0.0;
    barrier();
    if (lane_index() >= ELEMENTS || e >= p.count)
        return;
    float sum = 0.0;
    for (uint at = lane_index(); at < GROUP_SIZE; at += ELEMENTS)
        sum += row_sums[at];
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
