// conv2d.comp: the three convolution ops (one of FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS) as implicit matrix products.
//
// The tiled body shares tiles in a workgroup (tiled.glsl): for GPUs; WIDE is the one for windows of more than 32 elements.
// DIRECT keeps a block of the result per invocation and walks the terms in three nested loops without divisions: for CPU
// drivers and small problems.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "interface.glsl"
#include "datum.glsl"
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
    const uint m_end = uint(row_count()), n_end = uint(column_count());
    const uint m0 = (tile_m * (GROUP_SIZE / LANES_N) + lane_index() / LANES_N) * ROWS;
    const uint n0 = tile_n * LANES_N * COLUMNS + lane_index() % LANES_N;
    float sum[ROWS * COLUMNS];
    row_state rows[ROWS];
    column_state columns[COLUMNS];
    [[unroll]] for (uint i = 0u; i < ROWS * COLUMNS; i++)
        sum[i] = 0.0;
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        rows[i] = row_at(min(m0 + i, m_end - 1u));
    [[unroll]] for (uint j = 0u; j < COLUMNS; j++)
        columns[j] = column_at(min(n0 + j * LANES_N, n_end - 1u));
    ivec3 end = term_end();
#ifdef BACKWARD_WEIGHTS
    int x = split_index * p.split_length;
    end.x = min(x + p.split_length, end.x);
#else
    int x = 0;
#endif
    for (; x < end.x; x++) {
        for (int y = 0; y < end.y; y++) {
            for (int z = 0; z < end.z; z++) {
                const term_state t = term_of(x, y, z);
                float a[ROWS];
                [[unroll]] for (uint i = 0u; i < ROWS; i++)
                    a[i] = load_a(rows[i], t);
                [[unroll]] for (uint j = 0u; j < COLUMNS; j++) {
                    const float b = load_b(t, columns[j]);
                    [[unroll]] for (uint i = 0u; i < ROWS; i++)
                        sum[i * COLUMNS + j] += a[i] * b;
                }
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < ROWS; i++) {
        [[unroll]] for (uint j = 0u; j < COLUMNS; j++) {
            const uint m = m0 + i, n = n0 + j * LANES_N;
            if (m < m_end && n < n_end)
                store(m, n, sum[i * COLUMNS + j]);
        }
    }
}

#else

const bool HEAVY = ACTIVATION > ACTIVATION_LEAKY_RELU;
#include "tiled.glsl"

#ifdef WIDE

term_state term_at(uint k)
{
    const ivec3 end = term_end();
    const int plane = end.y * end.z;
    const int x = int(k) / plane, e = int(k) - x * plane;
    const int y = e / end.z;
    return term_of(x, y, e - y * end.z);
}

// Weights of one filter, and pixels of one image, lie along k; only backward_data reads the weights across.
#ifdef BACKWARD_DATA
const bool A_ALONG_K = false;
#else
const bool A_ALONG_K = true;
#endif
#ifdef BACKWARD_WEIGHTS
const bool B_ALONG_N = false;
#else
const bool B_ALONG_N = true;
#endif
#include "tiled_scalars.glsl"

int tiled_column_count()
{
    return column_count();
}

ivec2 begin_product()
{
    const ivec3 end = term_end();
    return split_terms(end.x * end.y * end.z);
}

void place_row(uint i, uint m)
{
}

void place_four(uint n, uint n_end)
{
}

void store_four(uint i, uint m, uint n, uint n_end, vec4 values)
{
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        if (n + c < n_end)
            store(m, n + c, values[c]);
}

#else
#include "conv2d_tiles.glsl"
#endif

void multiply(uint tile_m, uint tile_n)
{
    const ivec2 k = begin_product();
    const uint n_end = uint(tiled_column_count());
    if (tile_n * TILE_N < n_end)
        multiply_tile(tile_m * TILE_M, tile_n * TILE_N, uint(row_count()), n_end, uint(k.x), uint(k.y));
}

#endif

void main()
{
    run_tiles();
}
