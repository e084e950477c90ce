// dropout.comp: four elements per invocation, one Philox block.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "philox.glsl"

BUFFER(0, readonly, datum, x);
BUFFER(1, writeonly, datum, y);
BUFFER(2, readonly, uint, counter);
layout(push_constant) uniform parameters
{
    uint at[3];
    DROPOUT_PUSH
} p;

void main()
{
    const uint block = group_index() * GROUP_SIZE + lane_index();
    if (block * 4u >= p.count)
        return;
    const uint step = p.has_counter != 0u ? counter[p.at[2]] : 0u;
    const uint low = p.block_low + block;
    const uvec4 words = philox(uvec4(low, p.block_high + (low < p.block_low ? 1u : 0u), p.stream, step),
                               uvec2(p.seed_low, p.seed_high));
    for (uint k = 0u; k < 4u && block * 4u + k < p.count; k++) {
        const uint e = block * 4u + k;
        y[p.at[1] + e] = put_datum(uniform_of(words[k]) < p.rate ? 0.0 : get_datum(x[p.at[0] + e]) / (1.0 - p.rate));
    }
}
