// augment.comp: per image a random shift with zero fill, then a random flip.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "divide.glsl"
#include "philox.glsl"

BUFFER(0, readonly, datum, x);
BUFFER(1, writeonly, datum, y);
BUFFER(2, readonly, uint, counter);
layout(push_constant) uniform parameters
{
    uint at[3];
    AUGMENT_PUSH
} p;

int shift_of(uint word, uint max_shift)
{
    uint high, low;
    umulExtended(word, 2u * max_shift + 1u, high, low);
    return int(high) - int(max_shift);
}

void main()
{
    const uint step = p.has_counter != 0u ? counter[p.at[2]] : 0u;
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        const uint rest = quotient(e, p.width), plane = quotient(rest, p.height);
        const uint column = e - rest * p.width.divisor, row = rest - plane * p.height.divisor;
        const uvec4 words = philox(uvec4(quotient(plane, p.channels), 0u, p.stream, step), uvec2(p.seed_low, p.seed_high));
        const bool flip = p.flip != 0u && (words.z >> 31) != 0u;
        const int from_row = int(row) - shift_of(words.x, p.max_shift_h);
        const int from_column = int(flip ? p.width.divisor - 1u - column : column) - shift_of(words.y, p.max_shift_w);
        const int height = int(p.height.divisor), width = int(p.width.divisor);
        const bool inside = from_row >= 0 && from_row < height && from_column >= 0 && from_column < width;
        const int from = inside ? (int(plane) * height + from_row) * width + from_column : 0;
        y[p.at[1] + e] = put_datum(inside ? get_datum(x[p.at[0] + uint(from)]) : 0.0);
    }
}
