// gemm_cooperative.comp: gemm of 16-bit matrices by cooperative matrices with f32 sums (cooperative.glsl); f16, or bf16 if
// BF16 is defined.
//
// Tiles lie in shared memory as the matrices are stored. What lies outside of A and B along K is 0 there; rows and columns
// outside repeat the last, and their sums are not stored. Where all tiles lie within whole matrices and nothing becomes of
// the sums but alpha (WHOLE), nothing is checked.
//
// What SPIR-V the build embeds where its compiler does not know the extensions: gemm_cooperative*.spv.inc.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_cooperative_matrix : require
#ifdef BF16
#extension GL_EXT_bfloat16 : require
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#include "interface.glsl"
#include "gemm.glsl"

const bool A_ALONG_K = !TRANS_A;
const bool B_ALONG_K = TRANS_B;
#include "cooperative.glsl"

layout(constant_id = 13) const bool RUNS = false; // rows of A and B start and end at multiples of eight
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

void store_quad_of_sums(uint m, uint n, uint tile_n, vec4 values)
{
    vec4 biases = vec4(0.0);
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        biases[c] = bias_of(m, min(n + c, p.n - 1u));
    store_quad(m, n, p.n, values, biases);
}

// The same for whole tiles, straight to C; not of bf16, to which drivers may convert as they like.
void store_whole(uint m0, uint n0)
{
    [[unroll]] for (uint x = 0u; x < COUNT_M * COUNT_N; x++) {
        const uint at = c_element(m0 + x / COUNT_N * MATRIX_M, n0 + x % COUNT_N * MATRIX_N) / 4u;
        const coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator> values = sums[x] * p.alpha;
#ifndef BF16
        if (TO == DTYPE_F16) {
            coopMatStore(coopmat<float16_t, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator>(values),
                         halves_c, at, p.c_stride / 4u, gl_CooperativeMatrixLayoutRowMajor);
            continue;
        }
#endif
        coopMatStore(values, vectors_c, at, p.c_stride / 4u, gl_CooperativeMatrixLayoutRowMajor);
    }
}

void multiply(uint tile_m, uint tile_n)
{
    const uint m0 = tile_m * TILE_M, n0 = tile_n * TILE_N;
    clear_sums();
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
        add_tile();
    }
    if (WHOLE && TO != DTYPE_BF16)
        store_whole(m0 + sub_row(), n0 + sub_column());
    else
        store_sums(m0, n0, p.m, p.n);
}

void main()
{
    run_tiles();
}
