// gemm_cooperative.comp: gemm of f16 matrices by cooperative matrices (VK_KHR_cooperative_matrix), f32 sums.
//
// A workgroup owns a TILE_M x TILE_N tile of C, a subgroup a SUB_M x SUB_N part of it, held in cooperative matrices of
// MATRIX_M x MATRIX_N. Step by step along K, TILE_K terms of A and B are brought into shared memory as they are stored,
// in runs of eight halves (16 bytes); rows are one run longer than the tile, which spreads them over the banks. What lies
// outside of A and B along K is 0 there; rows and columns outside repeat the last, and their sums are not stored. While
// one tile is multiplied, the next is on its way in registers. Two tiles in shared memory, with one barrier per step
// instead of two, were slower by half where it was measured (NVIDIA H100): the driver then waits for the next tile early.
// Where all tiles lie within whole matrices and nothing becomes of the sums but alpha (WHOLE), nothing is checked.
// Finished sums go through shared memory, a matrix at a time, to where an invocation knows their row and column.
//
// What SPIR-V the build embeds where its compiler does not know the extension: gemm_cooperative.spv.inc.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_cooperative_matrix : require
#include "interface.glsl"
#include "gemm.glsl"

layout(constant_id = 1) const uint TILE_M = 128;
layout(constant_id = 2) const uint TILE_N = 128;
layout(constant_id = 3) const uint TILE_K = 32;
layout(constant_id = 4) const uint SUB_M = 64;
layout(constant_id = 5) const uint SUB_N = 64;
layout(constant_id = 13) const bool RUNS = false; // rows of A and B start and end at multiples of eight
layout(constant_id = 15) const uint MATRIX_M = 16;
layout(constant_id = 16) const uint MATRIX_N = 16;
layout(constant_id = 17) const uint MATRIX_K = 16;
// Whole tiles, RUNS, C in runs of 16 bytes, no beta, bias or activation; each load a fixed number of lines further.
layout(constant_id = 18) const bool WHOLE = false;

layout(std430, set = 0, binding = 0) readonly buffer runs_a_block
{
    uvec4 runs_a[];
};
layout(std430, set = 0, binding = 1) readonly buffer runs_b_block
{
    uvec4 runs_b[];
};

// Rows of a tile as stored, and runs from one to the next. A: (M, K), or (K, M) if TRANS_A. B: (K, N) or (N, K).
const uint LINES_A = TRANS_A ? TILE_K : TILE_M, LINE_RUNS_A = (TRANS_A ? TILE_M : TILE_K) / 8u;
const uint LINES_B = TRANS_B ? TILE_N : TILE_K, LINE_RUNS_B = (TRANS_B ? TILE_K : TILE_N) / 8u;
const uint PITCH_A = LINE_RUNS_A + 1u, PITCH_B = LINE_RUNS_B + 1u;
const uint LOADS_A = (TILE_M * TILE_K / 8u + GROUP_SIZE - 1u) / GROUP_SIZE; // runs per invocation and step
const uint LOADS_B = (TILE_N * TILE_K / 8u + GROUP_SIZE - 1u) / GROUP_SIZE;
const uint COUNT_M = SUB_M / MATRIX_M, COUNT_N = SUB_N / MATRIX_N; // matrices of a subgroup
const uint SUBGROUPS = TILE_M / SUB_M * (TILE_N / SUB_N);
const uint STAGE_VECTORS = MATRIX_M * MATRIX_N / 4u;

shared uvec4 tile_a[LINES_A * PITCH_A];
shared uvec4 tile_b[LINES_B * PITCH_B];
shared vec4 stage[SUBGROUPS * STAGE_VECTORS];

uvec4 next_a[LOADS_A], next_b[LOADS_B];
uint from_a[LOADS_A], from_b[LOADS_B]; // elements, at k = 0, of each run

// Line and first element in it of the run that a load brings.
uvec2 place_a(uint load)
{
    const uint run = lane_index() + load * GROUP_SIZE;
    return uvec2(run / LINE_RUNS_A, run % LINE_RUNS_A * 8u);
}

uvec2 place_b(uint load)
{
    const uint run = lane_index() + load * GROUP_SIZE;
    return uvec2(run / LINE_RUNS_B, run % LINE_RUNS_B * 8u);
}

uint half_a(uint e)
{
    return (matrix_a[e / 2u] >> (e % 2u * 16u)) & 0xffffu;
}

uint half_b(uint e)
{
    return (matrix_b[e / 2u] >> (e % 2u * 16u)) & 0xffffu;
}

// Where each run begins. A run lies along one line, whose number is clamped; so is its place along M or N if RUNS.
void start(uint m0, uint n0)
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        const uvec2 at = place_a(l);
        from_a[l] = p.at[0] + batch * p.a_batch_stride +
                    (TRANS_A ? at.x * p.a_stride + (RUNS ? min(m0 + at.y, p.m - 8u) : m0 + at.y)
                             : min(m0 + at.x, p.m - 1u) * p.a_stride + at.y);
    }
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const uvec2 at = place_b(l);
        from_b[l] = p.at[1] + batch * p.b_batch_stride +
                    (TRANS_B ? min(n0 + at.x, p.n - 1u) * p.b_stride + at.y
                             : at.x * p.b_stride + (RUNS ? min(n0 + at.y, p.n - 8u) : n0 + at.y));
    }
}

// Elements of a run that lie inside, `first` being the number of its first along a line of `extent` elements.
uint inside(uint first, uint extent)
{
    return first < extent ? min(extent - first, 8u) : 0u;
}

void fetch_a(uint k0, uint m0)
{
    const uint step = k0 * (TRANS_A ? p.a_stride : 1u);
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        if (WHOLE) {
            next_a[l] = runs_a[(from_a[0] + step) / 8u + l * (GROUP_SIZE / LINE_RUNS_A) * (p.a_stride / 8u)];
            continue;
        }
        const uvec2 at = place_a(l);
        next_a[l] = uvec4(0u);
        if (at.x >= LINES_A || k0 + (TRANS_A ? at.x : at.y) >= p.k)
            continue;
        const uint e = from_a[l] + step;
        if (RUNS) {
            next_a[l] = runs_a[e / 8u];
        } else {
            const uint count = TRANS_A ? inside(m0 + at.y, p.m) : inside(k0 + at.y, p.k);
            for (uint i = 0u; i < count; i++)
                next_a[l][i / 2u] |= half_a(e + i) << (i % 2u * 16u);
        }
    }
}

void fetch_b(uint k0, uint n0)
{
    const uint step = k0 * (TRANS_B ? 1u : p.b_stride);
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        if (WHOLE) {
            next_b[l] = runs_b[(from_b[0] + step) / 8u + l * (GROUP_SIZE / LINE_RUNS_B) * (p.b_stride / 8u)];
            continue;
        }
        const uvec2 at = place_b(l);
        next_b[l] = uvec4(0u);
        if (at.x >= LINES_B || k0 + (TRANS_B ? at.y : at.x) >= p.k)
            continue;
        const uint e = from_b[l] + step;
        if (RUNS) {
            next_b[l] = runs_b[e / 8u];
        } else {
            const uint count = TRANS_B ? inside(k0 + at.y, p.k) : inside(n0 + at.y, p.n);
            for (uint i = 0u; i < count; i++)
                next_b[l][i / 2u] |= half_b(e + i) << (i % 2u * 16u);
        }
    }
}

void keep()
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        const uvec2 at = place_a(l);
        if (WHOLE || at.x < LINES_A)
            tile_a[at.x * PITCH_A + at.y / 8u] = next_a[l];
    }
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const uvec2 at = place_b(l);
        if (WHOLE || at.x < LINES_B)
            tile_b[at.x * PITCH_B + at.y / 8u] = next_b[l];
    }
}

coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator> sums[COUNT_M * COUNT_N];

// The subgroup's part of the product of one tile; its first row and column in the tile are m and n.
void add_tile(uint m, uint n)
{
    [[unroll]] for (uint k = 0u; k < TILE_K; k += MATRIX_K) {
        coopmat<float16_t, gl_ScopeSubgroup, MATRIX_M, MATRIX_K, gl_MatrixUseA> a[COUNT_M];
        [[unroll]] for (uint i = 0u; i < COUNT_M; i++) {
            const uint row = m + i * MATRIX_M;
            if (TRANS_A)
                coopMatLoad(a[i], tile_a, k * PITCH_A + row / 8u, PITCH_A,
                            gl_CooperativeMatrixLayoutColumnMajor);
            else
                coopMatLoad(a[i], tile_a, row * PITCH_A + k / 8u, PITCH_A,
                            gl_CooperativeMatrixLayoutRowMajor);
        }
        coopmat<float16_t, gl_ScopeSubgroup, MATRIX_K, MATRIX_N, gl_MatrixUseB> b[COUNT_N];
        [[unroll]] for (uint j = 0u; j < COUNT_N; j++) {
            const uint column = n + j * MATRIX_N;
            if (TRANS_B)
                coopMatLoad(b[j], tile_b, column * PITCH_B + k / 8u, PITCH_B, gl_CooperativeMatrixLayoutColumnMajor);
            else
                coopMatLoad(b[j], tile_b, k * PITCH_B + column / 8u, PITCH_B, gl_CooperativeMatrixLayoutRowMajor);
        }
        [[unroll]] for (uint j = 0u; j < COUNT_N; j++)
            [[unroll]] for (uint i = 0u; i < COUNT_M; i++)
                sums[i * COUNT_N + j] = coopMatMulAdd(a[i], b[j], sums[i * COUNT_N + j]);
    }
}

// The subgroup's sums, matrix by matrix through its own place in shared memory; m0 and n0 are their first in C. One loop
// that stays one: each round stores the first matrix and moves the others up, so that all of them stay in registers.
void store_sums(uint m0, uint n0)
{
    const uint first = gl_SubgroupID * STAGE_VECTORS;
    [[dont_unroll]] for (uint x = 0u; x < COUNT_M * COUNT_N; x++) {
        coopMatStore(sums[0], stage, first, MATRIX_N / 4u, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        for (uint v = gl_SubgroupInvocationID; v < STAGE_VECTORS; v += gl_SubgroupSize) {
            const uint m = m0 + x / COUNT_N * MATRIX_M + v / (MATRIX_N / 4u);
            const uint n = n0 + x % COUNT_N * MATRIX_N + v % (MATRIX_N / 4u) * 4u;
            if (m >= p.m || n >= p.n)
                continue;
            vec4 biases = vec4(0.0);
            [[unroll]] for (uint c = 0u; c < 4u; c++)
                biases[c] = bias_of(m, min(n + c, p.n - 1u));
            store_quad(m, n, p.n, stage[first + v], biases);
        }
        subgroupBarrier();
        [[unroll]] for (uint y = 1u; y < COUNT_M * COUNT_N; y++)
            sums[y - 1u] = sums[y];
    }
}

// The same for whole tiles, straight to C.
void store_whole(uint m0, uint n0)
{
    [[unroll]] for (uint x = 0u; x < COUNT_M * COUNT_N; x++) {
        const uint at = c_element(m0 + x / COUNT_N * MATRIX_M, n0 + x % COUNT_N * MATRIX_N) / 4u;
        const coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator> values = sums[x] * p.alpha;
        if (TO == DTYPE_F16)
            coopMatStore(coopmat<float16_t, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator>(values),
                         halves_c, at, p.c_stride / 4u, gl_CooperativeMatrixLayoutRowMajor);
        else
            coopMatStore(values, vectors_c, at, p.c_stride / 4u, gl_CooperativeMatrixLayoutRowMajor);
    }
}

void multiply(uint tile_m, uint tile_n)
{
    const uint m0 = tile_m * TILE_M, n0 = tile_n * TILE_N;
    const uint sub_m = gl_SubgroupID / (TILE_N / SUB_N) * SUB_M, sub_n = gl_SubgroupID % (TILE_N / SUB_N) * SUB_N;
    [[unroll]] for (uint i = 0u; i < COUNT_M * COUNT_N; i++)
        sums[i] = coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator>(0.0);
    start(m0, n0);
    fetch_a(0u, m0);
    fetch_b(0u, n0);
    for (uint k0 = 0u; k0 < p.k; k0 += TILE_K) {
        barrier();
        keep();
        barrier();
        const uint next_k = WHOLE ? min(k0 + TILE_K, p.k - TILE_K) : k0 + TILE_K;
        fetch_a(next_k, m0);
        fetch_b(next_k, n0);
        add_tile(sub_m, sub_n);
    }
    if (WHOLE)
        store_whole(m0 + sub_m, n0 + sub_n);
    else
        store_sums(m0 + sub_m, n0 + sub_n);
}

void main()
{
    run_tiles();
}
