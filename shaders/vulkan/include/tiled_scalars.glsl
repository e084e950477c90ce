// tiled_scalars.glsl: tiles of A and B element by element, for operands of any shape and alignment; start, fetch and keep
// of tiled.glsl.
//
// The including shader defines the types row_state, column_state and term_state with row_at(m), column_at(n) and
// term_at(k), which do the divisions once for many elements; load_a(row, term), load_b(term, column); and the constants
// A_ALONG_K and B_ALONG_N (neighbours in memory lie along k, along n). GROUP_SIZE must be a multiple of each tile extent
// that it walks along, and no larger than a tile. Rows and columns beyond the end repeat the last; terms count as 0.

const uint LOADS_A = TILE_M * TILE_K / GROUP_SIZE; // per invocation and step
const uint LOADS_B = TILE_N * TILE_K / GROUP_SIZE;

#include "tile_places.glsl"

row_state rows[LOADS_A];
column_state columns[LOADS_B];
float next_a[LOADS_A], next_b[LOADS_B];

void start(uint m0, uint n0, uint m_end, uint n_end, uint k_begin, uint k_end)
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++)
        rows[l] = row_at(min(m0 + a_row(l), m_end - 1u));
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++)
        columns[l] = column_at(min(n0 + b_column(l), n_end - 1u));
}

void fetch(uint k0, uint k_end)
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        const uint k = k0 + a_term(l);
        const float a = load_a(rows[l], term_at(min(k, k_end - 1u)));
        next_a[l] = k < k_end ? a : 0.0;
    }
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const uint k = k0 + b_term(l);
        const float b = load_b(term_at(min(k, k_end - 1u)), columns[l]);
        next_b[l] = k < k_end ? b : 0.0;
    }
}

void keep(uint part)
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++)
        put_a(part, a_term(l), a_row(l), next_a[l]);
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++)
        put_b(part, b_term(l), b_column(l), next_b[l]);
}
