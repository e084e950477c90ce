// theta_eval.comp: the squared error of a narrow network under each of P scalings of its units.
//
// One sample per invocation; workgroups number (mask, block walk). With PREFIX the unperturbed activations of every
// layer are at hand (mlp_forward.comp with ALL), and a mask starts at its FIRST_LAYER instead of begin_layer.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "reduction.glsl"

BUFFER(0, readonly, float, x);
BUFFER(1, readonly, float, target);
BUFFER(2, readonly, float, params);
BUFFER(3, readonly, float, theta);     // (masks, groups)
BUFFER(4, readonly, uint, unit_group); // of the units of layers 1..L
BUFFER(5, readonly, uint, first_layer);
BUFFER(6, readonly, uvec4, layers);
BUFFER(7, readonly, float, prefix);       // (units from begin_layer on, rows)
BUFFER(8, writeonly, vec4, partial_loss); // (masks, walks)
layout(push_constant) uniform parameters
{
    uint at[9];
    THETA_EVAL_PUSH
} p;

#define MLP_REGIONS 2
#define PARAM(e) params[p.at[2] + (e)]
#include "mlp.glsl"

layout(constant_id = 2) const bool PREFIX = false;
layout(constant_id = 3) const bool ON_OUTPUTS = false;

float factor_of(uint mask, uint unit)
{
    return theta[p.at[3] + mask * p.theta_groups + unit_group[p.at[4] + unit]];
}

// The squared error of one sample.
vec2 sample_error(uint mask, uint row)
{
    uint first = p.begin_layer;
    uint unit = p.begin_units; // the first unit of the layer at hand, among those of layers 1..L
    uint kept = 0u;            // the same in prefix
    if (PREFIX) {
        const uint wanted = clamp(first_layer[p.at[5] + mask], p.begin_layer, p.layer_count);
        for (; first < wanted; first++) {
            kept += layers[first].x;
            unit += layers[first].y;
        }
    }
    const uint width = first < p.layer_count ? layers[first].x : layers[first - 1u].y;
    for (uint i = 0u; i < width; i++)
        units[unit_at(0u, i)] = PREFIX ? prefix[(kept + i) * p.rows + row] : x[p.at[0] + row * width + i];
    uint current = 0u;
    for (uint l = first; l < p.layer_count; l++) {
        const uvec4 layer = layers[l];
        for (uint j = 0u; j < layer.y; j += 4u) {
            const vec4 z = affine(layer, layer.z, j, current, p.has_bias != 0u);
            for (uint k = 0u; k < 4u && j + k < layer.y; k++) {
                const float t = factor_of(mask, unit + j + k);
                units[unit_at(1u - current, j + k)] = ON_OUTPUTS ? t * activate(layer.w, z[k], p.slope)
                                                                 : activate(layer.w, t * z[k], p.slope);
            }
        }
        unit += layer.y;
        current = 1u - current;
    }
    const uint outputs = layers[p.layer_count - 1u].y;
    vec2 sum = vec2(0.0);
    for (uint i = 0u; i < outputs; i++) {
        const vec2 d = two_sum(units[unit_at(current, i)], -target[p.at[1] + row * outputs + i]);
        sum = ff_add(sum, ff_multiply(d, d));
    }
    return sum;
}

void main()
{
    const uint mask = group_index() / p.walks, walk = group_index() % p.walks;
    if (mask >= p.masks)
        return;
    vec2 sum = vec2(0.0);
    for (uint row = walk * GROUP_SIZE + lane_index(); row < p.rows; row += p.walks * GROUP_SIZE)
        sum = ff_add(sum, sample_error(mask, row));
    sum = group_sum(sum);
    if (lane_index() == 0u)
        partial_loss[mask * p.walks + walk] = vec4(sum, 0.0, 0.0);
}
