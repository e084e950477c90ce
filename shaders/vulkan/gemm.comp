// gemm.comp: C = act(alpha op(A) op(B) + beta C + bias), strided batches, f32, f16 or bf16 storage, f32 sums.
//
// Two bodies. The tiled one shares tiles of A and B in a workgroup (tiled.glsl): for GPUs. DIRECT keeps a ROWS x
// COLUMNS block of C per invocation and reads A and B straight from memory: for devices whose caches are as near as
// their shared memory (CPU drivers), and for small matrices. VECTORS: either of them, reading four neighbours at once
// where rows start at multiples of four elements.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "interface.glsl"
#include "gemm.glsl"

layout(constant_id = 13) const bool K_EDGES = true; // tiled VECTORS: K is no multiple of TILE_K

#ifdef VECTORS
layout(std430, set = 0, binding = 0) readonly buffer vectors_a_block
{
    vec4 vectors_a[];
};
layout(std430, set = 0, binding = 1) readonly buffer vectors_b_block
{
    vec4 vectors_b[];
};
#endif

float load_a(uint m, uint k)
{
    const uint e = p.at[0] + batch * p.a_batch_stride + (TRANS_A ? k * p.a_stride + m : m * p.a_stride + k);
    return matrix_value(FROM, matrix_a[word_of(FROM, e)], e);
}

float load_b(uint k, uint n)
{
    const uint e = p.at[1] + batch * p.b_batch_stride + (TRANS_B ? n * p.b_stride + k : k * p.b_stride + n);
    return matrix_value(FROM, matrix_b[word_of(FROM, e)], e);
}

#ifdef DIRECT

layout(constant_id = 1) const uint LANES_N = 8; // invocations along N; the rest of the workgroup goes along M
layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint COLUMNS = 4;

#ifdef VECTORS
#define RUN 4u
#else
#define RUN 1u
#endif

float sum[ROWS * COLUMNS];

// The column of C that element j of a block stands for: runs of four neighbours, LANES_N runs apart.
uint column_at(uint tile_n, uint j)
{
    return tile_n * LANES_N * COLUMNS + (j / RUN * LANES_N + lane_index() % LANES_N) * RUN + j % RUN;
}

void add_terms(uint m0, uint tile_n, uint k_begin)
{
    for (uint k = k_begin; k < p.k; k++) {
        float a[ROWS];
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            a[i] = load_a(min(m0 + i, p.m - 1u), k);
        [[unroll]] for (uint j = 0u; j < COLUMNS; j++) {
            const float b = load_b(k, min(column_at(tile_n, j), p.n - 1u));
            [[unroll]] for (uint i = 0u; i < ROWS; i++)
                sum[i * COLUMNS + j] += a[i] * b;
        }
    }
}

#ifdef VECTORS

// Four terms at a time from vectors: rows, columns and strides are multiples of four where they lie along a vector.
void add_four_terms(uint m0, uint tile_n, uint k)
{
    vec4 a[ROWS]; // of row i: terms k..k+3; TRANS_A: of term i % 4: rows i..
    [[unroll]] for (uint i = 0u; i < ROWS; i++) {
        const uint e = p.at[0] + batch * p.a_batch_stride +
                       (TRANS_A ? (k + i % 4u) * p.a_stride + min(m0 + i / 4u * 4u, p.m - 4u)
                                : min(m0 + i, p.m - 1u) * p.a_stride + k);
        a[i] = vectors_a[e / 4u];
    }
    [[unroll]] for (uint j = 0u; j < COLUMNS; j += 4u) {
        vec4 b[4]; // of term l: columns j..j+3; TRANS_B: of column l: terms k..k+3
        [[unroll]] for (uint l = 0u; l < 4u; l++) {
            const uint e = p.at[1] + batch * p.b_batch_stride +
                           (TRANS_B ? min(column_at(tile_n, j + l), p.n - 1u) * p.b_stride + k
                                    : (k + l) * p.b_stride + min(column_at(tile_n, j), p.n - 4u));
            b[l] = vectors_b[e / 4u];
        }
        [[unroll]] for (uint l = 0u; l < 4u; l++) {
            [[unroll]] for (uint i = 0u; i < ROWS; i++) {
                const float one = TRANS_A ? a[i / 4u * 4u + l][i % 4u] : a[i][l];
                [[unroll]] for (uint c = 0u; c < 4u; c++)
                    sum[i * COLUMNS + j + c] += one * (TRANS_B ? b[c][l] : b[l][c]);
            }
        }
    }
}

#endif

void multiply(uint tile_m, uint tile_n)
{
    const uint m0 = (tile_m * (GROUP_SIZE / LANES_N) + lane_index() / LANES_N) * ROWS;
    [[unroll]] for (uint i = 0u; i < ROWS * COLUMNS; i++)
        sum[i] = 0.0;
    uint k = 0u;
#ifdef VECTORS
    for (; k + 4u <= p.k; k += 4u)
        add_four_terms(m0, tile_n, k);
#endif
    add_terms(m0, tile_n, k);
    [[unroll]] for (uint i = 0u; i < ROWS; i++) {
        [[unroll]] for (uint j = 0u; j < COLUMNS; j++) {
            const uint m = m0 + i, n = column_at(tile_n, j);
            if (m < p.m && n < p.n)
                store(m, n, sum[i * COLUMNS + j], bias_of(m, n));
        }
    }
}

#else

const bool A_ALONG_K = !TRANS_A;
const bool B_ALONG_N = !TRANS_B;
const bool HEAVY = TO != DTYPE_F32 || ACTIVATION > ACTIVATION_LEAKY_RELU;
#include "tiled.glsl"

#ifdef VECTORS

layout(std430, set = 0, binding = 0) readonly buffer halves_a_block
{
    uvec2 halves_a[];
};
layout(std430, set = 0, binding = 1) readonly buffer halves_b_block
{
    uvec2 halves_b[];
};
vec4 vector_a(uint v)
{
    return is_half(FROM) ? from_halves(FROM, halves_a[v]) : vectors_a[v];
}

vec4 vector_b(uint v)
{
    return is_half(FROM) ? from_halves(FROM, halves_b[v]) : vectors_b[v];
}

uint first_a()
{
    return (p.at[0] + batch * p.a_batch_stride) / 4u;
}

uint first_b()
{
    return (p.at[1] + batch * p.b_batch_stride) / 4u;
}

uint stride_a()
{
    return p.a_stride / 4u;
}

uint stride_b()
{
    return p.b_stride / 4u;
}

#include "tiled_vectors.glsl"

#else

#define row_state uint
#define column_state uint
#define term_state uint
#define row_at(m) (m)
#define column_at(n) (n)
#define term_at(k) (k)
#include "tiled_scalars.glsl"

#endif

float row_bias[ROWS];
vec4 column_bias;

void place_row(uint i, uint m)
{
    row_bias[i] = BIAS == 2u ? bias_of(m, 0u) : 0.0;
}

void place_four(uint n, uint n_end)
{
    if (BIAS == 1u) {
        [[unroll]] for (uint c = 0u; c < 4u; c++)
            column_bias[c] = bias_of(0u, min(n + c, n_end - 1u));
    }
}

void store_four(uint i, uint m, uint n, uint n_end, vec4 values)
{
    store_quad(m, n, n_end, values, BIAS == 1u ? column_bias : vec4(row_bias[i]));
}

void multiply(uint tile_m, uint tile_n)
{
    multiply_tile(tile_m * TILE_M, tile_n * TILE_N, p.m, p.n, 0u, p.k);
}

#endif

void main()
{
    run_tiles();
}
