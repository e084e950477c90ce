// tiled.glsl: C = A B by workgroups that share tiles of A and B; the body of gemm and of the implicit-gemm convolutions.
//
//            TILE_N                    A workgroup owns a TILE_M x TILE_N tile of C. Step by step along K it loads
//           +------+                   TILE_K columns of A and rows of B into shared memory; each invocation adds up
//    TILE_K | B    |                   ROWS x COLUMNS elements of C, (TILE_M / ROWS) and (TILE_N / COLUMNS) apart, so
//   +-----+ +------+                   that neighbours read neighbouring words.
//   | A   | | C    | TILE_M
//   +-----+ +------+
//
// The including shader defines load_a(m, k), load_b(k, n) (0 <= indices < problem size), store(m, n, value), the
// macro A_ALONG_K (bool: neighbouring k are neighbours in memory) and B_ALONG_N, and calls multiply_tile.

layout(constant_id = 1) const uint TILE_M = 64;
layout(constant_id = 2) const uint TILE_N = 64;
layout(constant_id = 3) const uint TILE_K = 16;
layout(constant_id = 4) const uint ROWS = 4;
layout(constant_id = 5) const uint COLUMNS = 4;

// One column of padding keeps transposed stores off a single bank.
shared float tile_a[TILE_K * (TILE_M + 1u)];
shared float tile_b[TILE_K * (TILE_N + 1u)];

void load_tiles(uint m0, uint n0, uint k0, uint m_end, uint n_end, uint k_end)
{
    for (uint i = lane_index(); i < TILE_M * TILE_K; i += GROUP_SIZE) {
        const uint k = A_ALONG_K ? i % TILE_K : i / TILE_M;
        const uint m = A_ALONG_K ? i / TILE_K : i % TILE_M;
        const bool inside = m0 + m < m_end && k0 + k < k_end;
        tile_a[k * (TILE_M + 1u) + m] = inside ? load_a(m0 + m, k0 + k) : 0.0;
    }
    for (uint i = lane_index(); i < TILE_N * TILE_K; i += GROUP_SIZE) {
        const uint k = B_ALONG_N ? i / TILE_N : i % TILE_K;
        const uint n = B_ALONG_N ? i % TILE_N : i / TILE_K;
        const bool inside = n0 + n < n_end && k0 + k < k_end;
        tile_b[k * (TILE_N + 1u) + n] = inside ? load_b(k0 + k, n0 + n) : 0.0;
    }
}

void multiply_tile(uint m0, uint n0, uint m_end, uint n_end, uint k_begin, uint k_end)
{
    const uint lanes_n = TILE_N / COLUMNS, lanes_m = TILE_M / ROWS;
    const uint row = lane_index() / lanes_n, column = lane_index() % lanes_n;
    float sum[ROWS * COLUMNS];
    [[unroll]] for (uint i = 0u; i < ROWS * COLUMNS; i++)
        sum[i] = 0.0;
    for (uint k0 = k_begin; k0 < k_end; k0 += TILE_K) {
        load_tiles(m0, n0, k0, m_end, n_end, k_end);
        barrier();
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
