// mlp_forward.comp: layers begin_layer .. end_layer of a narrow network for one sample per invocation.
//
// With ALL every layer's output is kept, unit-major over the rows, for theta_eval.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"

BUFFER(0, readonly, float, x);
BUFFER(1, readonly, float, params);
BUFFER(2, writeonly, float, y);
BUFFER(3, readonly, uvec4, layers);
layout(push_constant) uniform parameters
{
    uint at[4];
    MLP_FORWARD_PUSH
} p;

#define MLP_REGIONS 2
#define PARAM(e) params[p.at[1] + (e)]
#include "mlp.glsl"

layout(constant_id = 2) const bool ALL = false;

void main()
{
    const uint row = group_index() * GROUP_SIZE + lane_index();
    if (row >= p.rows)
        return;
    const uint width = layers[p.begin_layer].x;
    uint kept = 0u; // units kept so far
    for (uint i = 0u; i < width; i++) {
        const float a = x[p.at[0] + row * width + i];
        units[unit_at(0u, i)] = a;
        if (ALL)
            y[p.at[2] + i * p.rows + row] = a;
    }
    kept += width;
    uint current = 0u;
    for (uint l = p.begin_layer; l < p.end_layer; l++) {
        const uvec4 layer = layers[l];
        for (uint j = 0u; j < layer.y; j += 4u) {
            const vec4 z = affine(layer, layer.z, j, current, p.has_bias != 0u);
            for (uint k = 0u; k < 4u && j + k < layer.y; k++) {
                const float a = activate(layer.w, z[k], p.slope);
                units[unit_at(1u - current, j + k)] = a;
                if (ALL)
                    y[p.at[2] + (kept + j + k) * p.rows + row] = a;
            }
        }
        kept += layer.y;
        current = 1u - current;
    }
    if (ALL)
        return;
    const uint out_width = p.end_layer > p.begin_layer ? layers[p.end_layer - 1u].y : width;
    for (uint i = 0u; i < out_width; i++)
        y[p.at[2] + row * out_width + i] = units[unit_at(current, i)];
}
