// mlp_gradient.comp: loss and gradients of a narrow network; one sample per invocation, one block of samples at a time.
//
// Forward keeps every activation in scratch memory; backward goes layer by layer: dz = f' g, the workgroup's share of
// dW = sum over samples dz a^T, then g = W^T dz. Each workgroup walks its blocks in order and leaves one set of partial
// gradients; a reduction adds those up. Regions: 0, 1 activations and gradients g in turn, 2 the layer's input.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "reduction.glsl"

BUFFER(0, readonly, float, x);
BUFFER(1, readonly, float, target);
BUFFER(2, readonly, float, params);
BUFFER(3, readonly, uvec4, layers);
BUFFER(4, , float, activations); // (workgroups, units, GROUP_SIZE)
BUFFER(5, , float, partial);     // (workgroups, trained parameters)
BUFFER(6, writeonly, vec4, partial_loss);
layout(push_constant) uniform parameters
{
    uint at[7];
    MLP_GRADIENT_PUSH
} p;

#define MLP_REGIONS 3
#define PARAM(e) params[p.at[2] + (e)]
#include "mlp.glsl"

uint group;

uint kept_at(uint unit)
{
    return (group * p.unit_count + unit) * GROUP_SIZE + lane_index();
}

// Runs the block forward; returns the number of units kept before the output.
uint forward(uint row, bool inside, out uint current)
{
    const uint width = layers[p.begin_layer].x;
    for (uint i = 0u; i < width; i++) {
        const float a = inside ? x[p.at[0] + row * width + i] : 0.0;
        units[unit_at(0u, i)] = a;
        activations[kept_at(i)] = a;
    }
    uint kept = width;
    current = 0u;
    for (uint l = p.begin_layer; l < p.layer_count; l++) {
        const uvec4 layer = layers[l];
        for (uint j = 0u; j < layer.y; j += 4u) {
            const vec4 z = affine(layer, layer.z, j, current, p.has_bias != 0u);
            for (uint k = 0u; k < 4u && j + k < layer.y; k++) {
                const float a = activate(layer.w, z[k], p.slope);
                units[unit_at(1u - current, j + k)] = a;
                activations[kept_at(kept + j + k)] = a;
            }
        }
        kept += layer.y;
        current = 1u - current;
    }
    return kept - layers[p.layer_count - 1u].y;
}

// Turns the outputs in region `current` into the gradient by them; returns the squared error.
vec2 output_gradient(uint row, bool inside, uint current)
{
    const uint width = layers[p.layer_count - 1u].y;
    const float factor = 2.0 / (float(p.rows) * float(width));
    vec2 loss = vec2(0.0);
    for (uint i = 0u; i < width; i++) {
        const float t = inside ? target[p.at[1] + row * width + i] : 0.0;
        const vec2 d = two_sum(units[unit_at(current, i)], -t);
        if (inside)
            loss = ff_add(loss, ff_multiply(d, d));
        units[unit_at(current, i)] = inside ? factor * d.x : 0.0;
    }
    return loss;
}

// Adds the block's share of dW and db of a layer; g (as dz) in region `current`, the layer's input in region 2.
void add_gradients(uvec4 layer, uint current, bool first_block)
{
    const uint weights = layer.x * layer.y;
    const uint count = weights + (p.has_bias != 0u ? layer.y : 0u);
    for (uint e = lane_index(); e < count; e += GROUP_SIZE) {
        const bool is_bias = e >= weights;
        const uint j = is_bias ? e - weights : e / layer.x, i = is_bias ? 0u : e % layer.x;
        const uint dz = (current * MLP_WIDTH + j) * GROUP_SIZE, a = (2u * MLP_WIDTH + i) * GROUP_SIZE;
        float sum = 0.0;
        for (uint s = 0u; s < GROUP_SIZE; s++) {
            const uint r = (s + lane_index()) % GROUP_SIZE; // start apart: different banks
            sum += is_bias ? units[dz + r] : units[dz + r] * units[a + r];
        }
        const uint to = group * p.trained_count + layer.z - p.trained_first + e;
        partial[to] = first_block ? sum : partial[to] + sum;
    }
}

void backward(uint kept, uint current, bool first_block)
{
    for (uint l = p.layer_count; l > p.train_begin; l--) {
        const uvec4 layer = layers[l - 1u];
        const uint below = kept - layer.x; // where the layer's input was kept
        for (uint j = 0u; j < layer.y; j++)
            units[unit_at(current, j)] *= activate_derivative(layer.w, activations[kept_at(kept + j)], p.slope);
        if (l - 1u < p.train_end) {
            for (uint i = 0u; i < layer.x; i++)
                units[unit_at(2u, i)] = activations[kept_at(below + i)];
            barrier();
            add_gradients(layer, current, first_block);
            barrier();
        }
        if (l - 1u > p.train_begin) {
            for (uint i = 0u; i < layer.x; i += 4u) {
                const uvec4 column = row_of_four(i, layer.x);
                vec4 g = vec4(0.0);
                for (uint j = 0u; j < layer.y; j++) {
                    const uvec4 w = layer.z + j * layer.x + column;
                    g += units[unit_at(current, j)] * vec4(PARAM(w.x), PARAM(w.y), PARAM(w.z), PARAM(w.w));
                }
                for (uint k = 0u; k < 4u && i + k < layer.x; k++)
                    units[unit_at(1u - current, i + k)] = g[k];
            }
            current = 1u - current;
        }
        kept = below;
    }
}

void main()
{
    group = group_index();
    if (group >= p.workgroups)
        return;
    const uint blocks = (p.rows + GROUP_SIZE - 1u) / GROUP_SIZE;
    vec2 loss = vec2(0.0);
    for (uint block = group; block < blocks; block += p.workgroups) {
        const uint row = block * GROUP_SIZE + lane_index();
        const bool inside = row < p.rows;
        uint current;
        const uint kept = forward(inside ? row : 0u, inside, current);
        loss = ff_add(loss, output_gradient(inside ? row : 0u, inside, current));
        backward(kept, current, block == group);
    }
    loss = group_sum(loss);
    if (lane_index() == 0u)
        partial_loss[group] = vec4(loss, 0.0, 0.0);
}
