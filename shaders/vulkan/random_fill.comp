// random_fill.comp: four elements per invocation, one Philox block.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "math.glsl"
#include "philox.glsl"


layout(constant_id = 1) const uint KIND = 0;

BUFFER(0, writeonly, uint, y);
BUFFER(1, readonly, uint, counter);
layout(push_constant) uniform parameters
{
    uint at[2];
    RANDOM_FILL_PUSH
} p;

vec2 normal_pair(uint first, uint second)
{
    // (word + 1) 2^-32 rounded to f32: the sum may need 33 bits.
    const float u1 = first == 0xffffffffu ? 1.0 : float(first + 1u) * 2.3283064365386963e-10;
    const float radius = sqrt(-2.0 * log_accurate(u1));
    return p.a + p.b * radius * cos_sin_turn(uniform_of(second));
}

void main()
{
    const uint block = group_index() * GROUP_SIZE + lane_index();
    if (block * 4u >= p.count)
        return;
    const uint step = p.has_counter != 0u ? counter[p.at[1]] : 0u;
    const uint low = p.block_low + block;
    const uvec4 words = philox(uvec4(low, p.block_high + (low < p.block_low ? 1u : 0u), p.stream, step),
                               uvec2(p.seed_low, p.seed_high));
    vec4 normals = vec4(0.0);
    if (KIND == RANDOM_NORMAL)
        normals = vec4(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
    for (uint k = 0u; k < 4u; k++) {
        if (block * 4u + k >= p.count)
            return;
        const float u = uniform_of(words[k]);
        uint bits = words[k];
        if (KIND == RANDOM_UNIFORM)
            bits = floatBitsToUint(p.a + (p.b - p.a) * u);
        else if (KIND == RANDOM_NORMAL)
            bits = floatBitsToUint(normals[k]);
        else if (KIND == RANDOM_BERNOULLI)
            bits = u < p.a ? 0x3f800000u : 0u;
        y[p.at[0] + block * 4u + k] = bits;
    }
}
