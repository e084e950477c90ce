// tiled.glsl: C = A B by workgroups that share tiles of A and B; the body of gemm and of the implicit-gemm convolutions.
//
//            TILE_N                    A workgroup owns a TILE_M x TILE_N tile of C. Step by step along K it loads
//           +------+                   TILE_K columns of A and rows of B into shared memory; each invocation adds up
//    TILE_K | B    |                   ROWS x COLUMNS elements of C, (TILE_M / ROWS) and (TILE_N / COLUMNS) apart, so
//   +-----+ +------+                   that neighbours read neighbouring words.
//   | A   | | C    | TILE_M
//   +-----+ +------+
//
// The including shader defines the types row_state, column_state and term_state with row_at(m), column_at(n) and
// term_at(k), which do the divisions once for many elements; load_a(row, term), load_b(term, column); store(m, n,
// value); and the constants A_ALONG_K and B_ALONG_N (neighbours in memory lie along k, along n). GROUP_SIZE must be a
// multiple of each tile extent that it walks along.

layout(constant_id = 1) const uint TILE_M = 64;
layout(constant_id = 2) const uint TILE_N = 64;
layout(constant_id = 3) const uint TILE_K = 16;
layout(constant_id = 4) const uint ROWS = 4;
layout(constant_id = 5) const uint COLUMNS = 4;

const uint A_LOADS = TILE_M * TILE_K / GROUP_SIZE; // per invocation and step
const uint B_LOADS = TILE_N * TILE_K / GROUP_SIZE;

// One column of padding keeps transposed stores off a single bank.
shared float tile_a[TILE_K * (TILE_M + 1u)];
shared float tile_b[TILE_K * (TILE_N + 1u)];

uint a_row(uint load)
{
    return A_ALONG_K ? lane_index() / TILE_K + load * (GROUP_SIZE / TILE_K) : lane_index() % TILE_M;
}

uint a_term(uint load)
{
    return A_ALONG_K ? lane_index() % TILE_K : lane_index() / TILE_M + load * (GROUP_SIZE / TILE_M);
}

uint b_column(uint load)
{
    return B_ALONG_N ? lane_index() % TILE_N : lane_index() / TILE_K + load * (GROUP_SIZE / TILE_K);
}

uint b_term(uint load)
{
    return B_ALONG_N ? lane_index() / TILE_N + load * (GROUP_SIZE / TILE_N) : lane_index() % TILE_K;
}

float sum[ROWS * COLUMNS];

void add_tile(uint row, uint column)
{
    const uint lanes_n = TILE_N / COLUMNS, lanes_m = TILE_M / ROWS;
    for (uint k = 0u; k < TILE_K; k++) {
        float a[ROWS];
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            a[i] = tile_a[k * (TILE_M + 1u) + row + i * lanes_m];
        [[unroll]] for (uint j = 0u; j < COLUMNS; j++) {
            const float b = tile_b[k * (TILE_N + 1u) + column + j * lanes_n];
            [[unroll]] for (uint i = 0u; i < ROWS; i++)
                sum[i * COLUMNS + j] += a[i] * b;
        }
    }
}

void multiply_tile(uint m0, uint n0, uint m_end, uint n_end, uint k_begin, uint k_end)
{
    row_state rows[A_LOADS];
    column_state columns[B_LOADS];
    [[unroll]] for (uint l = 0u; l < A_LOADS; l++)
        rows[l] = row_at(min(m0 + a_row(l), m_end - 1u));
    [[unroll]] for (uint l = 0u; l < B_LOADS; l++)
        columns[l] = column_at(min(n0 + b_column(l), n_end - 1u));
    [[unroll]] for (uint i = 0u; i < ROWS * COLUMNS; i++)
        sum[i] = 0.0;
    const uint lanes_n = TILE_N / COLUMNS, lanes_m = TILE_M / ROWS;
    const uint row = lane_index() / lanes_n, column = lane_index() % lanes_n;
    for (uint k0 = k_begin; k0 < k_end; k0 += TILE_K) {
        [[unroll]] for (uint l = 0u; l < A_LOADS; l++) {
            const uint k = k0 + a_term(l);
            const float a = load_a(rows[l], term_at(min(k, k_end - 1u)));
            tile_a[a_term(l) * (TILE_M + 1u) + a_row(l)] = k < k_end ? a : 0.0;
        }
        [[unroll]] for (uint l = 0u; l < B_LOADS; l++) {
            const uint k = k0 + b_term(l);
            const float b = load_b(term_at(min(k, k_end - 1u)), columns[l]);
            tile_b[b_term(l) * (TILE_N + 1u) + b_column(l)] = k < k_end ? b : 0.0;
        }
        barrier();
        add_tile(row, column);
        barrier();
    }
    [[unroll]] for (uint i = 0u; i < ROWS; i++) {
        [[unroll]] for (uint j = 0u; j < COLUMNS; j++) {
            const uint m = m0 + row + i * lanes_m, n = n0 + column + j * lanes_n;
            if (m < m_end && n < n_end)
                store(m, n, sum[i * COLUMNS + j]);
        }
    }
}
