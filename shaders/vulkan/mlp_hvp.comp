// mlp_hvp.comp: exact Hessian-vector products of a narrow network, forward over reverse (Pearlmutter 1994).
//
// R{.} is the derivative along direction V. One sample per invocation; workgroups number (block walk, direction).
//   forward:  R{z} = V a + W R{a} + v_b, R{a} = f' R{z}
//   backward: dz = f' g, R{dz} = f'' R{z} g + f' R{g}; H v of W: R{dz} a^T + dz R{a}^T, of b: R{dz};
//             below: g = W^T dz, R{g} = V^T dz + W^T R{dz}.
// Regions: 0, 1 and 2, 3 hold a, R{a} (forward) or g, R{g} (backward) in turn; 4, 5 a layer's input a and R{a}.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"

BUFFER(0, readonly, float, x);
BUFFER(1, readonly, float, target);
BUFFER(2, readonly, float, params);
BUFFER(3, readonly, float, direction); // (directions, parameters)
BUFFER(4, readonly, uvec4, layers);
BUFFER(5, , vec2, kept);     // (workgroups, units, GROUP_SIZE): a and R{z}
BUFFER(6, , float, partial); // (walks, directions, parameters)
layout(push_constant) uniform parameters
{
    uint at[7];
    MLP_HVP_PUSH
} p;

#define MLP_REGIONS 6
#define PARAM(e) params[p.at[2] + (e)]
#include "mlp.glsl"

uint group, walk, which;

float v_at(uint e)
{
    return direction[p.at[3] + which * p.param_count + e];
}

uint kept_at(uint unit)
{
    return (group * p.unit_count + unit) * GROUP_SIZE + lane_index();
}

// One unit of a layer: z and R{z}; a and R{a} of its input in regions 2 current and 2 current + 1.
vec2 unit_forward(uvec4 layer, uint j, uint current)
{
    const uint w = layer.z + j * layer.x, b = layer.z + layer.x * layer.y + j;
    vec2 z = p.has_bias != 0u ? vec2(PARAM(b), v_at(b)) : vec2(0.0);
    for (uint i = 0u; i < layer.x; i++) {
        const float a = units[unit_at(2u * current, i)], ra = units[unit_at(2u * current + 1u, i)];
        z += vec2(PARAM(w + i) * a, v_at(w + i) * a + PARAM(w + i) * ra);
    }
    return z;
}

uint forward(uint row, bool inside, out uint current)
{
    const uint width = layers[p.begin_layer].x;
    for (uint i = 0u; i < width; i++) {
        const float a = inside ? x[p.at[0] + row * width + i] : 0.0;
        units[unit_at(0u, i)] = a;
        units[unit_at(1u, i)] = 0.0;
        kept[kept_at(i)] = vec2(a, 0.0);
    }
    uint count = width;
    current = 0u;
    for (uint l = p.begin_layer; l < p.layer_count; l++) {
        const uvec4 layer = layers[l];
        for (uint j = 0u; j < layer.y; j++) {
            const vec2 z = unit_forward(layer, j, current);
            const float a = activate(layer.w, z.x, p.slope);
            units[unit_at(2u - 2u * current, j)] = a;
            units[unit_at(3u - 2u * current, j)] = z.y * activate_derivative(layer.w, a, p.slope);
            kept[kept_at(count + j)] = vec2(a, z.y);
        }
        count += layer.y;
        current = 1u - current;
    }
    return count - layers[p.layer_count - 1u].y;
}

void add_products(uvec4 layer, uint current, bool first_block)
{
    const uint weights = layer.x * layer.y;
    const uint count = weights + (p.has_bias != 0u ? layer.y : 0u);
    for (uint e = lane_index(); e < count; e += GROUP_SIZE) {
        const bool is_bias = e >= weights;
        const uint j = is_bias ? e - weights : e / layer.x, i = is_bias ? 0u : e % layer.x;
        const uint dz = (2u * current * MLP_WIDTH + j) * GROUP_SIZE, rdz = dz + MLP_WIDTH * GROUP_SIZE;
        const uint a = (4u * MLP_WIDTH + i) * GROUP_SIZE, ra = a + MLP_WIDTH * GROUP_SIZE;
        float sum = 0.0;
        for (uint s = 0u; s < GROUP_SIZE; s++) {
            const uint r = (s + lane_index()) % GROUP_SIZE;
            sum += is_bias ? units[rdz + r] : units[rdz + r] * units[a + r] + units[dz + r] * units[ra + r];
        }
        const uint to = (walk * p.directions + which) * p.param_count + layer.z + e;
        partial[to] = first_block ? sum : partial[to] + sum;
    }
}

void below_gradient(uvec4 layer, uint current)
{
    for (uint i = 0u; i < layer.x; i++) {
        vec2 g = vec2(0.0);
        for (uint j = 0u; j < layer.y; j++) {
            const uint w = layer.z + j * layer.x + i;
            const float dz = units[unit_at(2u * current, j)], rdz = units[unit_at(2u * current + 1u, j)];
            g += vec2(dz * PARAM(w), dz * v_at(w) + rdz * PARAM(w));
        }
        units[unit_at(2u - 2u * current, i)] = g.x;
        units[unit_at(3u - 2u * current, i)] = g.y;
    }
}

void backward(uint end, uint current, bool first_block)
{
    for (uint l = p.layer_count; l > p.begin_layer; l--) {
        const uvec4 layer = layers[l - 1u];
        const uint below = end - layer.x;
        for (uint j = 0u; j < layer.y; j++) {
            const vec2 y = kept[kept_at(end + j)];
            const float slope = activate_derivative(layer.w, y.x, p.slope);
            const float curvature = activate_second_derivative(layer.w, y.x, p.slope);
            const uint g = unit_at(2u * current, j), rg = unit_at(2u * current + 1u, j);
            units[rg] = curvature * y.y * units[g] + slope * units[rg];
            units[g] *= slope;
        }
        for (uint i = 0u; i < layer.x; i++) {
            const vec2 a = kept[kept_at(below + i)];
            units[unit_at(4u, i)] = a.x;
            units[unit_at(5u, i)] =
                l - 1u > p.begin_layer ? a.y * activate_derivative(layers[l - 2u].w, a.x, p.slope) : 0.0;
        }
        barrier();
        add_products(layer, current, first_block);
        barrier();
        if (l - 1u > p.begin_layer) {
            below_gradient(layer, current);
            current = 1u - current;
        }
        end = below;
    }
}

void main()
{
    group = group_index();
    walk = group / p.directions;
    which = group % p.directions;
    if (walk >= p.walks)
        return;
    const uint first_param = layers[p.begin_layer].z; // what lies before has no gradient
    for (uint e = lane_index(); e < first_param; e += GROUP_SIZE)
        partial[(walk * p.directions + which) * p.param_count + e] = 0.0;
    const uint blocks = (p.rows + GROUP_SIZE - 1u) / GROUP_SIZE;
    const uint width = layers[p.layer_count - 1u].y;
    const float factor = 2.0 / (float(p.rows) * float(width));
    for (uint block = walk; block < blocks; block += p.walks) {
        const uint row = block * GROUP_SIZE + lane_index();
        const bool inside = row < p.rows;
        uint current;
        const uint end = forward(inside ? row : 0u, inside, current);
        for (uint i = 0u; i < width; i++) {
            const uint g = unit_at(2u * current, i), rg = unit_at(2u * current + 1u, i);
            const float t = inside ? target[p.at[1] + row * width + i] : 0.0;
            units[g] = inside ? factor * (units[g] - t) : 0.0;
            units[rg] = inside ? factor * units[rg] : 0.0;
        }
        backward(end, current, block == walk);
    }
}
