// conv2d_winograd.comp: the transforms around the products of a convolution by Winograd (winograd.glsl), one of
//
//     WEIGHTS: weights -> u[point][k][c]                       invocation: one pair (k, c)
//     SOURCE:  source  -> v[point][source channel][tile]       invocation: one channel of one tile, neighbours along the
//     TARGET:  m[point][target channel][tile] -> target        tiles
//
// The product between, m = u v at each point, is gemm.comp. Tiles are numbered (image, row, column); a dispatch covers
// p.pitch.divisor of them from number p.first on, of which those from p.end on are there to fill vectors: they repeat the
// last.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "interface.glsl"
#include "divide.glsl"
#include "math.glsl"
#include "winograd.glsl"

layout(constant_id = 1) const bool TURNED = false; // WEIGHTS: the window turned round, for the gradient by the source
layout(constant_id = 2) const uint ACTIVATION = 0;
layout(constant_id = 3) const bool HAS_BIAS = false;
layout(constant_id = 4) const bool VECTORS = false; // rows of the target are aligned vectors of TILE

#ifdef WEIGHTS

BUFFER(0, readonly, float, weights);
BUFFER(1, writeonly, float, u);
layout(push_constant) uniform parameters
{
    uint at[2];
    CONV2D_WINOGRAD_WEIGHTS_PUSH
} p;

void main()
{
    const uint pair = group_index() * GROUP_SIZE + lane_index();
    if (pair >= p.pairs)
        return;
    float rows[3][PATCH]; // w G^T, row by row
    [[unroll]] for (uint r = 0u; r < 3u; r++) {
        float taps[3];
        [[unroll]] for (uint s = 0u; s < 3u; s++)
            taps[s] = weights[p.at[0] + 9u * pair + (TURNED ? 8u - 3u * r - s : 3u * r + s)];
        rows[r] = winograd_weights(taps);
    }
    [[unroll]] for (uint j = 0u; j < PATCH; j++) {
        const float column[PATCH] = winograd_weights(float[3](rows[0][j], rows[1][j], rows[2][j]));
        [[unroll]] for (uint i = 0u; i < PATCH; i++)
            u[p.at[1] + (i * PATCH + j) * p.pairs + pair] = column[i];
    }
}

#else

#ifdef SOURCE
BUFFER(0, readonly, float, source);
BUFFER(1, writeonly, float, v);
#define BINDINGS 2
#else
BUFFER(0, readonly, float, m);
BUFFER(1, , float, target);
BUFFER(2, readonly, float, bias);
#define BINDINGS 3
#if TILE == 4
#define vector vec4
#else
#define vector vec2
#endif
layout(std430, set = 0, binding = 1) buffer vectors_block
{
    vector vectors[];
};
#endif
layout(push_constant) uniform parameters
{
    uint at[BINDINGS];
    CONV2D_WINOGRAD_TILES_PUSH
} p;

struct place {
    uint image;
    int y, x; // of the tile's first output
};

place place_of(uint tile)
{
    const uint row = quotient(tile, p.tiles_w), image = quotient(row, p.tiles_h);
    return place(image, int((row - image * p.tiles_h.divisor) * TILE), int((tile - row * p.tiles_w.divisor) * TILE));
}

#ifdef SOURCE

void main()
{
    const uint id = group_index() * GROUP_SIZE + lane_index();
    const uint channel = quotient(id, p.pitch);
    if (channel >= p.channels)
        return;
    const place tile = place_of(min(p.first + (id - channel * p.pitch.divisor), p.end - 1u));
    const int y = tile.y - p.pad_h, x = tile.x - p.pad_w;
    const int plane = int(p.at[0] + (tile.image * p.channels + channel) * uint(p.height * p.width));
    float rows[PATCH][PATCH]; // d B, row by row
    [[unroll]] for (int i = 0; i < PATCH; i++) {
        float d[PATCH];
        [[unroll]] for (int j = 0; j < PATCH; j++) {
            const bool inside = uint(y + i) < uint(p.height) && uint(x + j) < uint(p.width);
            const float value = source[plane + (inside ? (y + i) * p.width + x + j : 0)];
            d[j] = inside ? value : 0.0;
        }
        rows[i] = winograd_source(d);
    }
    const uint step = p.channels * p.pitch.divisor;
    [[unroll]] for (int j = 0; j < PATCH; j++) {
        float d[PATCH];
        [[unroll]] for (int i = 0; i < PATCH; i++)
            d[i] = rows[i][j];
        const float column[PATCH] = winograd_source(d);
        [[unroll]] for (int i = 0; i < PATCH; i++)
            v[p.at[1] + uint(i * PATCH + j) * step + id] = column[i];
    }
}

#else

// The long activations go over the stored values in a loop, rather than once per register.
const bool HEAVY = ACTIVATION > ACTIVATION_LEAKY_RELU;

void main()
{
    const uint id = group_index() * GROUP_SIZE + lane_index();
    const uint channel = quotient(id, p.pitch);
    const uint number = p.first + (id - channel * p.pitch.divisor);
    if (channel >= p.channels || number >= p.end)
        return;
    const place tile = place_of(number);
    const uint step = p.channels * p.pitch.divisor;
    float rows[PATCH][TILE]; // m A, row by row
    [[unroll]] for (uint i = 0u; i < PATCH; i++) {
        float d[PATCH];
        [[unroll]] for (uint j = 0u; j < PATCH; j++)
            d[j] = m[p.at[0] + (i * PATCH + j) * step + id];
        rows[i] = winograd_target(d);
    }
    float outs[TILE][TILE]; // [column][row]
    [[unroll]] for (uint j = 0u; j < TILE; j++) {
        float d[PATCH];
        [[unroll]] for (uint i = 0u; i < PATCH; i++)
            d[i] = rows[i][j];
        outs[j] = winograd_target(d);
    }
    const float add = HAS_BIAS ? bias[p.at[2] + channel] : 0.0;
    const uint corner = p.at[1] + (tile.image * p.channels + channel) * uint(p.height * p.width) +
                        uint(tile.y * p.width + tile.x);
    [[unroll]] for (int i = 0; i < TILE; i++) {
        vector line;
        [[unroll]] for (int j = 0; j < TILE; j++)
            line[j] = HEAVY ? outs[j][i] + add : activate(ACTIVATION, outs[j][i] + add, p.slope);
        const uint e = corner + uint(i * p.width);
        if (tile.y + i >= p.height)
            continue;
        if (VECTORS) {
            vectors[e / TILE] = line;
        } else {
            [[unroll]] for (int j = 0; j < TILE; j++)
                if (tile.x + j < p.width)
                    target[e + j] = line[j];
        }
    }
    if (HEAVY) {
        const int columns = min(TILE, p.width - tile.x), count = columns * min(TILE, p.height - tile.y);
        [[dont_unroll]] for (int i = 0; i < count; i++) {
            const uint e = corner + uint(i / columns * p.width + i % columns);
            target[e] = activate(ACTIVATION, target[e], p.slope);
        }
    }
}

#endif
#endif
