// conv2d.comp: the three convolution ops (one of FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS) as implicit matrix products.
//
// The tiled body shares tiles in a workgroup (tiled.glsl): for GPUs. DIRECT keeps a block of the result per invocation
// and walks the terms in three nested loops without divisions: for CPU drivers and small problems.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "interface.glsl"
#include "math.glsl"

layout(constant_id = 6) const uint ACTIVATION = 0;
layout(constant_id = 7) const bool HAS_BIAS = false;
layout(constant_id = 8) const bool UNIT_STRIDE = false;

#include "conv2d.glsl"

#ifdef DIRECT

layout(constant_id = 1) const uint LANES_N = 8;
layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint COLUMNS = 4;

void multiply(uint tile_m, uint tile_n)
{
    const int rows = row_count(), columns_end = column_count();
    const int m0 = int((tile_m * (GROUP_SIZE / LANES_N) + lane_index() / LANES_N) * ROWS);
    const int n0 = int(tile_n * LANES_N * COLUMNS + lane_index() % LANES_N);
    float sum[ROWS * COLUMNS];
    place columns[COLUMNS];
    [[unroll]] for (uint i = 0u; i < ROWS * COLUMNS; i++)
        sum[i] = 0.0;
    [[unroll]] for (uint j = 0u; j < COLUMNS; j++)
        columns[j] = column_at(min(n0 + int(j * LANES_N), columns_end - 1));
    const ivec3 begin = term_begin(), end = term_end();
    for (int x = begin.x; x < end.x; x++) {
        for (int y = 0; y < end.y; y++) {
            for (int z = 0; z < end.z; z++) {
                const ivec3 t = ivec3(x, y, z);
                float a[ROWS];
                [[unroll]] for (uint i = 0u; i < ROWS; i++)
                    a[i] = value_a(min(m0 + int(i), rows - 1), t);
                [[unroll]] for (uint j = 0u; j < COLUMNS; j++) {
                    const float b = value_b(columns[j], t);
                    [[unroll]] for (uint i = 0u; i < ROWS; i++)
                        sum[i * COLUMNS + j] += a[i] * b;
                }
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < ROWS; i++) {
        [[unroll]] for (uint j = 0u; j < COLUMNS; j++) {
            const int m = m0 + int(i), n = n0 + int(j * LANES_N);
            if (m < rows && n < columns_end)
                store_value(m, n, sum[i * COLUMNS + j]);
        }
    }
}

#else

ivec3 term_at(uint k)
{
    const ivec3 end = term_end();
    const int plane = end.y * end.z;
    const int x = int(k) / plane, e = int(k) - x * plane;
    const int y = e / end.z;
    return ivec3(x, y, e - y * end.z);
}

float load_a(uint m, uint k)
{
    return value_a(int(m), term_at(k));
}

float load_b(uint k, uint n)
{
    return value_b(column_at(int(n)), term_at(k));
}

void store(uint m, uint n, float value)
{
    store_value(int(m), int(n), value);
}

// Weights of one filter lie along k; of W and DY only backward_data reads across.
#ifdef BACKWARD_DATA
#define A_ALONG_K false
#else
#define A_ALONG_K true
#endif
#ifdef BACKWARD_WEIGHTS
#define B_ALONG_N false
#else
#define B_ALONG_N true
#endif
#include "tiled.glsl"

void multiply(uint tile_m, uint tile_n)
{
    const ivec3 begin = term_begin(), end = term_end();
    const int plane = end.y * end.z;
    multiply_tile(tile_m * TILE_M, tile_n * TILE_N, uint(row_count()), uint(column_count()), uint(begin.x * plane),
                  uint(end.x * plane));
}

#endif

void main()
{
    const uint index = group_index();
    const uint tile_n = index % p.tiles_n, rest = index / p.tiles_n;
    const uint tile_m = rest % p.tiles_m, batch = rest / p.tiles_m;
    split_index = int(batch / uint(p.groups));
    group = int(batch) - split_index * p.groups;
    if (split_index < int(p.splits))
        multiply(tile_m, tile_n);
}
