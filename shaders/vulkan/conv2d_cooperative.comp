// conv2d_cooperative.comp: the three convolution ops (one of FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS) as implicit products
// of 16-bit matrices by cooperative matrices with f32 sums (cooperative.glsl); f16, or bf16 if BF16 is defined.
//
// Windows of up to 32 elements; what rows, columns and terms stand for, and how the padding is found, is said in
// conv2d.glsl and conv2d_places.glsl. A run of A is eight terms of a row: as stored where planes or filters of A start and
// end at multiples of eight (A_RUNS), else gathered. A run of B is eight terms of a column, and neighbouring invocations
// take neighbouring columns, which are neighbours in memory; in backward_weights neighbouring terms are, so there a run is
// eight columns of a term. The terms of a step are worked out by its first TILE_K invocations two steps ahead.
//
// What SPIR-V the build embeds where its compiler does not know the extensions: conv2d_*_cooperative*.spv.inc.
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
#define HALF
#include "interface.glsl"
#include "datum.glsl"
#include "math.glsl"

layout(constant_id = 6) const uint ACTIVATION = 0;
layout(constant_id = 7) const bool HAS_BIAS = false;
layout(constant_id = 8) const bool UNIT_STRIDE = false;
layout(constant_id = 9) const bool A_RUNS = false;
layout(constant_id = 10) const bool RESULT_VECTORS = false; // planes of the result start and end at multiples of four

#include "conv2d.glsl"
#include "conv2d_places.glsl"

const bool A_ALONG_K = true;
#ifdef BACKWARD_WEIGHTS
const bool B_ALONG_K = false;
#else
const bool B_ALONG_K = true;
#endif
#include "cooperative.glsl"

layout(std430, set = 0, binding = 0) readonly buffer runs_a_block
{
    uvec4 runs_a[];
};

const uint TERM_LOADS = (TILE_K + GROUP_SIZE - 1u) / GROUP_SIZE;

// Of a term: elements from the first of B; mask or bit, 0 past the end; elements from the row's first of A.
shared ivec4 terms[TILE_K];
shared ivec2 column_places[TILE_N]; // elements from the first of B, mask or bit; in the end, of the result in row 0

int row_a[LOADS_A];
ivec4 coming_terms[TERM_LOADS]; // of the step after the one that is fetched

// Row and first term in the tile of the run of A that a load brings.
uvec2 place_a(uint load)
{
    const uint run = lane_index() + load * GROUP_SIZE;
    return uvec2(run / LINE_RUNS_A, run % LINE_RUNS_A * 8u);
}

// Column and term in the tile of the first element of a run of B.
uvec2 place_b(uint load)
{
    const uint run = lane_index() + load * GROUP_SIZE;
    return B_ALONG_K ? uvec2(run % TILE_N, run / TILE_N * 8u) : uvec2(run / TILE_K * 8u, run % TILE_K);
}

bool is_in_b(uvec2 at)
{
    return TILE_N * TILE_K / 8u % GROUP_SIZE == 0u || (at.x < TILE_N && at.y < TILE_K);
}

void work_out_terms(uint k0, uint k_end)
{
    [[unroll]] for (uint l = 0u; l < TERM_LOADS; l++) {
        const uint k = k0 + lane_index() + l * GROUP_SIZE;
        coming_terms[l] = ivec4(0);
        if (k < k_end && k < k0 + TILE_K)
            coming_terms[l] = term_place(int(k));
    }
}

void keep_terms()
{
    [[unroll]] for (uint l = 0u; l < TERM_LOADS; l++)
        if (lane_index() + l * GROUP_SIZE < TILE_K)
            terms[lane_index() + l * GROUP_SIZE] = coming_terms[l];
}

void start(uint m0, uint n0, uint m_end, uint n_end, uint k_begin, uint k_end)
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++)
        row_a[l] = int(p.at[0]) + row_at(min(m0 + place_a(l).x, m_end - 1u));
    for (uint n = lane_index(); n < TILE_N; n += GROUP_SIZE)
        column_places[n] = column_place(int(min(n0 + n, n_end - 1u))) + ivec2(p.at[1], 0);
#ifdef BACKWARD_WEIGHTS
    if (has_masks())
        put_masks();
    barrier();
#endif
    work_out_terms(k_begin, k_end);
    keep_terms();
    barrier();
}

void fetch_a(uint k0, uint k_end)
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        const uvec2 at = place_a(l);
        next_a[l] = uvec4(0u);
        if (at.x >= TILE_M || k0 + at.y >= k_end)
            continue;
        if (A_RUNS) {
            next_a[l] = runs_a[uint(row_a[l] + terms[at.y].z) / 8u];
        } else {
            [[unroll]] for (uint i = 0u; i < 8u; i++)
                if (k0 + at.y + i < k_end)
                    next_a[l][i / 2u] |= uint(operand_a[row_a[l] + terms[at.y + i].z]) << (i % 2u * 16u);
        }
    }
}

void fetch_b()
{
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const uvec2 at = place_b(l);
        next_b[l] = uvec4(0u);
        if (!is_in_b(at))
            continue;
        [[unroll]] for (uint i = 0u; i < 8u; i++) {
            const ivec2 column = column_places[B_ALONG_K ? at.x : at.x + i];
            const ivec2 term = terms[B_ALONG_K ? at.y + i : at.y].xy;
            if ((column.y & term.y) != 0)
                next_b[l][i / 2u] |= uint(operand_b[column.x + term.x]) << (i % 2u * 16u);
        }
    }
}

void fetch(uint k0, uint k_end)
{
    fetch_a(k0, k_end);
    fetch_b();
    work_out_terms(k0 + TILE_K, k_end);
}

void keep()
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        const uvec2 at = place_a(l);
        if (at.x < TILE_M)
            tile_a[at.x * PITCH_A + at.y / 8u] = next_a[l];
    }
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const uvec2 at = place_b(l);
        if (is_in_b(at))
            tile_b[B_ALONG_K ? at.x * PITCH_B + at.y / 8u : at.y * PITCH_B + at.x / 8u] = next_b[l];
    }
    keep_terms();
}

void store_quad_of_sums(uint m, uint n, uint tile_n, vec4 values)
{
    const float bias_value = bias_of(m);
    const uint row = m * result_row(), n_end = uint(tiled_column_count());
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        values[c] = finish(values[c], bias_value);
    if (RESULT_VECTORS) {
        put_vector((uint(column_places[tile_n].x) + row) / 4u, values);
        return;
    }
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        if (n + c < n_end)
            result[uint(column_places[tile_n + c].x) + row] = put_result(values[c]);
}

void multiply(uint tile_m, uint tile_n)
{
    const ivec2 k = begin_product();
    const uint m0 = tile_m * TILE_M, m_end = uint(row_count());
    const uint n0 = tile_n * TILE_N, n_end = uint(tiled_column_count());
    const uint k_begin = uint(k.x), k_end = uint(k.y);
    if (n0 >= n_end)
        return;
    clear_sums();
    start(m0, n0, m_end, n_end, k_begin, k_end);
    if (k_begin < k_end)
        fetch(k_begin, k_end);
    for (uint k0 = k_begin; k0 < k_end; k0 += TILE_K) {
        barrier();
        keep();
        barrier();
        if (k0 + TILE_K < k_end)
            fetch(k0 + TILE_K, k_end);
        add_tile();
    }
    barrier();
    for (uint n = lane_index(); n < TILE_N; n += GROUP_SIZE)
        column_places[n].x = int(first_result_element(min(n0 + n, n_end - 1u)));
    barrier();
    store_sums(m0, n0, m_end, n_end);
}

void main()
{
    run_tiles();
}
