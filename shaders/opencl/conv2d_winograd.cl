/* conv2d_winograd.cl: the three transforms around the products of a convolution by Winograd (winograd.clh), for GPUs.
 *
 *     weights -> u[point][k][c]                       work-item: one pair (k, c)
 *     source  -> v[point][source channel][tile]       work-item: one channel of one tile, neighbours along the tiles
 *     m[point][target channel][tile] -> target        the same
 * The product between, m = u v at each point, is gemm_tiled.cl. Tiles are numbered (image, row, column); a launch covers
 * `pitch` of them from number `first` on, of which those from `end` on are there to fill vectors: they repeat the last.
 * Parameters: TILE (winograd.clh); TARGET_VEC: TILE where rows of the target are aligned vectors, else 1.
 */
#include "contract.clh"
#include "activation.clh"
#include "winograd.clh"

/* turned: the window turned round, for the gradient by the source. */
kernel void conv2d_winograd_weights(global const float *restrict weights, ulong weights_offset, global float *restrict u,
                                    uint pairs, int turned)
{
    const uint pair = (uint)get_global_id(0);
    if (pair >= pairs)
        return;
    weights += weights_offset + 9 * (ulong)pair;
    float rows[3][PATCH]; /* w G^T, row by row */
#pragma unroll
    for (uint r = 0; r < 3; ++r) {
        float taps[3];
#pragma unroll
        for (uint s = 0; s < 3; ++s)
            taps[s] = weights[turned ? 8 - 3 * r - s : 3 * r + s];
        winograd_weights(taps, rows[r]);
    }
#pragma unroll
    for (uint j = 0; j < PATCH; ++j) {
        const float taps[3] = {rows[0][j], rows[1][j], rows[2][j]};
        float column[PATCH];
        winograd_weights(taps, column);
#pragma unroll
        for (uint i = 0; i < PATCH; ++i)
            u[(i * PATCH + j) * (ulong)pairs + pair] = column[i];
    }
}

/* Where a tile lies. */
typedef struct winograd_place {
    uint image;
    int y, x; /* of its first output */
} winograd_place;

WINOGRAD_INLINE winograd_place place_of(const uint tile, const uint tiles_h, const uint tiles_w)
{
    const uint row = tile / tiles_w, image = row / tiles_h;
    const winograd_place place = {image, (int)((row - image * tiles_h) * TILE), (int)((tile - row * tiles_w) * TILE)};
    return place;
}

kernel void conv2d_winograd_source(global const float *restrict source, ulong source_offset, global float *restrict v,
                                   uint channels, int height, int width, uint tiles_h, uint tiles_w, uint first,
                                   uint end, uint pitch, int pad_h, int pad_w)
{
    const uint id = (uint)get_global_id(0);
    const uint channel = id / pitch;
    if (channel >= channels)
        return;
    const winograd_place place = place_of(min(first + (id - channel * pitch), end - 1), tiles_h, tiles_w);
    const int y = place.y - pad_h, x = place.x - pad_w;
    source += source_offset + (place.image * (ulong)channels + channel) * (ulong)(height * width);
    float rows[PATCH][PATCH]; /* d B, row by row */
#pragma unroll
    for (int i = 0; i < PATCH; ++i) {
        float d[PATCH];
#pragma unroll
        for (int j = 0; j < PATCH; ++j) {
            const bool inside = (uint)(y + i) < (uint)height && (uint)(x + j) < (uint)width;
            d[j] = inside ? source[(y + i) * width + x + j] : 0.0f;
        }
        winograd_source(d, rows[i]);
    }
#pragma unroll
    for (int j = 0; j < PATCH; ++j) {
        float d[PATCH], column[PATCH];
#pragma unroll
        for (int i = 0; i < PATCH; ++i)
            d[i] = rows[i][j];
        winograd_source(d, column);
#pragma unroll
        for (int i = 0; i < PATCH; ++i)
            v[(uint)(i * PATCH + j) * (channels * pitch) + id] = column[i];
    }
}

kernel void conv2d_winograd_target(global const float *restrict m, global float *restrict target, ulong target_offset,
                                   global const float *restrict bias, ulong bias_offset, uint channels, int height,
                                   int width, uint tiles_h, uint tiles_w, uint first, uint end, uint pitch,
                                   int activation, float slope)
{
    const uint id = (uint)get_global_id(0);
    const uint channel = id / pitch;
    const uint tile = first + (id - channel * pitch);
    if (channel >= channels || tile >= end)
        return;
    const winograd_place place = place_of(tile, tiles_h, tiles_w);
    const float add = bias ? bias[bias_offset + channel] : 0.0f;
    float rows[PATCH][TILE]; /* m A, row by row */
#pragma unroll
    for (uint i = 0; i < PATCH; ++i) {
        float d[PATCH];
#pragma unroll
        for (uint j = 0; j < PATCH; ++j)
            d[j] = m[(i * PATCH + j) * (channels * pitch) + id];
        winograd_target(d, rows[i]);
    }
    float out[TILE][TILE]; /* [column][row] */
#pragma unroll
    for (uint j = 0; j < TILE; ++j) {
        float d[PATCH];
#pragma unroll
        for (uint i = 0; i < PATCH; ++i)
            d[i] = rows[i][j];
        winograd_target(d, out[j]);
    }
    target += target_offset + (place.image * (ulong)channels + channel) * (ulong)(height * width) +
              (ulong)(place.y * width + place.x);
#pragma unroll
    for (int i = 0; i < TILE; ++i) {
        float line[TILE];
#pragma unroll
        for (int j = 0; j < TILE; ++j) {
            const float value = out[j][i] + add;
            line[j] = activation == ACTIVATION_RELU && value < 0.0f ? 0.0f : value;
        }
        if (place.y + i >= height)
            continue;
#if TARGET_VEC == 4
        *(global float4 *)(target + i * width) = vload4(0, line);
#elif TARGET_VEC == 2
        *(global float2 *)(target + i * width) = vload2(0, line);
#else
#pragma unroll
        for (int j = 0; j < TILE; ++j)
            if (place.x + j < width)
                target[i * width + j] = line[j];
#endif
    }
    /* The long activations go over the stored values in a loop, rather than once per register. */
    if (activation > ACTIVATION_RELU) {
        const int columns = min(TILE, width - place.x), count = columns * min(TILE, height - place.y);
#pragma unroll 1
        for (int e = 0; e < count; ++e) {
            global float *value = target + e / columns * width + e % columns;
            *value = activate_as(activation, *value, slope);
        }
    }
}
