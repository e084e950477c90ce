// conv2d_tiles.glsl: tiles of the operands of the convolutions, for windows of up to 32 elements; start, fetch and keep of
// tiled.glsl.
//
// The terms of a step are worked out by its first TILE_K invocations two steps ahead, in registers, and put into shared
// memory one step ahead: no division holds anybody up.
#include "conv2d_places.glsl"

layout(constant_id = 9) const bool A_VECTORS = false; // planes or filters of A start and end at multiples of four
layout(constant_id = 10) const bool RESULT_VECTORS = false; // planes of the result do
layout(constant_id = 11) const bool A_ALONG_K = true;       // neighbours in A are terms, not rows

#ifdef HALF
layout(std430, set = 0, binding = 0) readonly buffer vectors_a_block
{
    uvec2 vectors_a[];
};

vec4 vector_a(uint v)
{
    const uvec2 four = vectors_a[v];
    return vec4(widened(FORMAT, four.x & 0xffffu), widened(FORMAT, four.x >> 16), widened(FORMAT, four.y & 0xffffu),
                widened(FORMAT, four.y >> 16));
}
#else
layout(std430, set = 0, binding = 0) readonly buffer vectors_a_block
{
    vec4 vectors_a[];
};

vec4 vector_a(uint v)
{
    return vectors_a[v];
}
#endif

// Of a term: elements from the first of B; mask or bit; elements from the row's first of A.
shared ivec4 terms[2u * TILE_K];
#ifdef BACKWARD_WEIGHTS
shared ivec2 column_places[TILE_N]; // elements from the first of B, bit
const bool B_ALONG_N = false;
#else
const bool B_ALONG_N = true;
#endif

const uint ELEMENTS_A = TILE_M * TILE_K, ELEMENTS_B = TILE_N * TILE_K;
const uint LOADS_A = ELEMENTS_A / GROUP_SIZE, LOADS_B = ELEMENTS_B / GROUP_SIZE; // per invocation and step
const uint LOADS_A4 = (ELEMENTS_A / 4u + GROUP_SIZE - 1u) / GROUP_SIZE;          // of vectors

#include "tile_places.glsl"

// Of a vector of A: row and first term in the tile.
uvec2 a_vector(uint load)
{
    const uint v = lane_index() + load * GROUP_SIZE;
    return uvec2(v / (TILE_K / 4u), v % (TILE_K / 4u) * 4u);
}

int row_a[LOADS_A], row_a4[LOADS_A4];
float next_a[LOADS_A], next_b[LOADS_B];
vec4 next_a4[LOADS_A4];
ivec2 column;      // B_ALONG_N: of this invocation
ivec4 coming_term; // of the step after the one that is fetched
uint term_part;    // where the terms of the step that is fetched next lie

void start(uint m0, uint n0, uint m_end, uint n_end, uint k_begin, uint k_end)
{
    if (A_VECTORS) {
        [[unroll]] for (uint l = 0u; l < LOADS_A4; l++)
            row_a4[l] = int(p.at[0]) + row_at(min(m0 + a_vector(l).x, m_end - 1u));
    } else {
        [[unroll]] for (uint l = 0u; l < LOADS_A; l++)
            row_a[l] = int(p.at[0]) + row_at(min(m0 + a_row(l), m_end - 1u));
    }
#ifdef BACKWARD_WEIGHTS
    for (uint n = lane_index(); n < TILE_N; n += GROUP_SIZE)
        column_places[n] = column_place(int(min(n0 + n, n_end - 1u))) + ivec2(p.at[1], 0);
    if (has_masks())
        put_masks();
    barrier();
#else
    column = column_place(int(min(n0 + b_column(0u), n_end - 1u))) + ivec2(p.at[1], 0);
#endif
    term_part = 0u;
    if (k_begin < k_end && lane_index() < TILE_K) {
        terms[lane_index()] = term_place(int(min(k_begin + lane_index(), k_end - 1u)));
    }
    barrier();
}

void fetch_a(uint k0, uint k_end)
{
    if (A_VECTORS) {
        [[unroll]] for (uint l = 0u; l < LOADS_A4; l++) {
            const uvec2 at = a_vector(l);
            const bool wanted = ELEMENTS_A / 4u % GROUP_SIZE == 0u || at.x < TILE_M;
            next_a4[l] = vec4(0.0);
            if (wanted && k0 + at.y < k_end)
                next_a4[l] = vector_a(uint(row_a4[l] + terms[term_part * TILE_K + at.y].z) / 4u);
        }
    } else {
        [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
            next_a[l] = 0.0;
            if (k0 + a_term(l) < k_end)
                next_a[l] = get_datum(operand_a[row_a[l] + terms[term_part * TILE_K + a_term(l)].z]);
        }
    }
}

void fetch(uint k0, uint k_end)
{
    fetch_a(k0, k_end);
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const ivec2 term = terms[term_part * TILE_K + b_term(l)].xy;
#ifdef BACKWARD_WEIGHTS
        const ivec2 column = column_places[b_column(l)];
#endif
        next_b[l] = 0.0;
        if (k0 + b_term(l) < k_end && (column.y & term.y) != 0)
            next_b[l] = get_datum(operand_b[column.x + term.x]);
    }
    term_part ^= 1u;
    if (lane_index() < TILE_K)
        coming_term = term_place(int(min(k0 + TILE_K + lane_index(), k_end - 1u)));
}

void keep(uint part)
{
    if (A_VECTORS) {
        [[unroll]] for (uint l = 0u; l < LOADS_A4; l++) {
            const uvec2 at = a_vector(l);
            if (ELEMENTS_A / 4u % GROUP_SIZE != 0u && at.x >= TILE_M)
                continue;
            [[unroll]] for (uint c = 0u; c < 4u; c++)
                put_a(part, at.y + c, at.x, next_a4[l][c]);
        }
    } else {
        [[unroll]] for (uint l = 0u; l < LOADS_A; l++)
            put_a(part, a_term(l), a_row(l), next_a[l]);
    }
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++)
        put_b(part, b_term(l), b_column(l), next_b[l]);
    if (lane_index() < TILE_K)
        terms[term_part * TILE_K + lane_index()] = coming_term;
}

uint first_of_column[4];

void place_four(uint n, uint n_end)
{
    [[unroll]] for (uint c = 0u; c < (RESULT_VECTORS ? 1u : 4u); c++)
        first_of_column[c] = first_result_element(min(n + c, n_end - 1u));
}

float row_bias[ROWS];

void place_row(uint i, uint m)
{
    row_bias[i] = bias_of(m);
}

void store_four(uint i, uint m, uint n, uint n_end, vec4 values)
{
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        values[c] = finish(values[c], row_bias[i]);
    const uint row = m * result_row();
    if (RESULT_VECTORS) {
        put_vector((first_of_column[0] + row) / 4u, values);
        return;
    }
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        if (n + c < n_end)
            result[first_of_column[c] + row] = put_result(values[c]);
}
