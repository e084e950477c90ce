// gemm.comp: C = act(alpha op(A) op(B) + beta C + bias), strided batches, f32 or f16 storage, f32 sums.
//
// Two bodies. The tiled one shares tiles of A and B in a workgroup (tiled.glsl): for GPUs. DIRECT keeps a ROWS x
// COLUMNS block of C per invocation and reads A and B straight from memory: for devices whose caches are as near as
// their shared memory (CPU drivers), and for small matrices. VECTORS: either of them, reading four neighbours at once
// where rows start at multiples of four elements.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "interface.glsl"
#include "math.glsl"
#include "matrix.glsl"

layout(constant_id = 6) const bool TRANS_A = false;
layout(constant_id = 7) const bool TRANS_B = false;
layout(constant_id = 8) const uint FROM = DTYPE_F32; // of A and B
layout(constant_id = 9) const uint TO = DTYPE_F32;   // of C
layout(constant_id = 10) const uint BIAS = 0u;       // 0 none, 1 per column, 2 per row
layout(constant_id = 11) const uint ACTIVATION = 0;
layout(constant_id = 12) const bool BETA = false;
layout(constant_id = 13) const bool K_EDGES = true;    // tiled VECTORS: K is no multiple of TILE_K
layout(constant_id = 14) const bool C_VECTORS = false; // tiled VECTORS: rows of C start and end at multiples of four

BUFFER(0, readonly, uint, matrix_a);
BUFFER(1, readonly, uint, matrix_b);
BUFFER(2, , uint, matrix_c);
BUFFER(3, readonly, float, bias);
layout(push_constant) uniform parameters
{
    uint at[4];
    uint m, n, k;
    uint a_stride, b_stride, c_stride;                   // of rows
    uint a_batch_stride, b_batch_stride, c_batch_stride; // of matrices
    uint batches, tiles_m, tiles_n;
    float alpha, beta, slope;
} p;

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

uint batch;

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

// What becomes of a sum: column n of row m, whose element of C was `before`.
float finish(uint m, uint n, float value, float before)
{
    value *= p.alpha;
    if (BETA)
        value += p.beta * before;
    if (BIAS == 1u)
        value += bias[p.at[3] + n];
    else if (BIAS == 2u)
        value += bias[p.at[3] + m];
    return activate(ACTIVATION, value, p.slope);
}

uint c_element(uint m, uint n)
{
    return p.at[2] + batch * p.c_batch_stride + m * p.c_stride + n;
}

void store(uint m, uint n, float value)
{
    const uint e = c_element(m, n);
    const uint word = word_of(TO, e);
    value = finish(m, n, value, BETA ? matrix_value(TO, matrix_c[word], e) : 0.0);
    if (TO == DTYPE_F32) {
        matrix_c[word] = floatBitsToUint(value);
    } else {
        const uint shift = part_shift(TO, e);
        const uint old = (matrix_c[word] >> shift) & 0xffffu;
        atomicXor(matrix_c[word], (old ^ half_from_float(value)) << shift);
    }
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
                store(m, n, sum[i * COLUMNS + j]);
        }
    }
}

#else

const bool A_ALONG_K = !TRANS_A;
const bool B_ALONG_N = !TRANS_B;
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
layout(std430, set = 0, binding = 2) buffer vectors_c_block
{
    vec4 vectors_c[];
};
layout(std430, set = 0, binding = 2) buffer halves_c_block
{
    uvec2 halves_c[];
};

vec4 from_halves(uvec2 four)
{
    return vec4(unpackHalf2x16(four.x), unpackHalf2x16(four.y));
}

vec4 vector_a(uint v)
{
    return FROM == DTYPE_F16 ? from_halves(halves_a[v]) : vectors_a[v];
}

vec4 vector_b(uint v)
{
    return FROM == DTYPE_F16 ? from_halves(halves_b[v]) : vectors_b[v];
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

void store_vector(uint m, uint n, vec4 values)
{
    const uint v = c_element(m, n) / 4u;
    vec4 before = vec4(0.0);
    if (BETA)
        before = TO == DTYPE_F16 ? from_halves(halves_c[v]) : vectors_c[v];
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        values[c] = finish(m, n + c, values[c], before[c]);
    if (TO == DTYPE_F16)
        halves_c[v] = uvec2(half_from_float(values.x) | half_from_float(values.y) << 16,
                            half_from_float(values.z) | half_from_float(values.w) << 16);
    else
        vectors_c[v] = values;
}

#else

#define row_state uint
#define column_state uint
#define term_state uint
#define row_at(m) (m)
#define column_at(n) (n)
#define term_at(k) (k)
#include "tiled_scalars.glsl"

#endif

void place_four(uint n, uint n_end)
{
}

void store_four(uint m, uint n, uint n_end, vec4 values)
{
#ifdef VECTORS
    if (C_VECTORS) {
        store_vector(m, n, values);
        return;
    }
#endif
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        if (n + c < n_end)
            store(m, n + c, values[c]);
}

void multiply(uint tile_m, uint tile_n)
{
    multiply_tile(tile_m * TILE_M, tile_n * TILE_N, p.m, p.n, 0u, p.k);
}

#endif

// Tiles in bands of BAND rows, column after column: those in flight together share rows of A and columns of B in caches.
const uint BAND = 8u;

void main()
{
    const uint group = group_index(), tiles = p.tiles_m * p.tiles_n;
    batch = group / tiles;
    const uint tile = group - batch * tiles, band = tile / (BAND * p.tiles_n);
    const uint in_band = tile - band * BAND * p.tiles_n, height = min(BAND, p.tiles_m - band * BAND);
    if (batch < p.batches)
        multiply(band * BAND + in_band % height, in_band / height);
}
