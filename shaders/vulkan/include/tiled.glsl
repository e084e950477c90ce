// tiled.glsl: C = A B by workgroups that share tiles of A and B; the body of gemm and of the implicit-gemm convolutions.
//
//            TILE_N                    A workgroup owns a TILE_M x TILE_N tile of C. Step by step along K it brings
//           +------+                   TILE_K columns of A and rows of B into shared memory, both with k outermost and
//    TILE_K | B    |                   four neighbours along M or N in one vector. Each invocation adds up ROWS x
//   +-----+ +------+                   COLUMNS elements of C: pieces of 4 x 4, (TILE_M / ROWS) and (TILE_N / COLUMNS)
//   | A   | | C    | TILE_M            pieces apart. 32 neighbouring invocations cover 4 pieces along M and 8 along N, so
//   +-----+ +------+                   that a vector of A is read by 8 of them at once and vectors of B are neighbours.
//
// While one tile is multiplied the next is on its way: fetch() leaves it in registers, keep() puts it into the other
// half of the shared memory, and one barrier per step suffices, because a half is written again only two steps later.
//
// The including shader defines start(m0, n0, ..), fetch(k0, k_end) and keep(half), by means of put_a and put_b
// or of whole vectors (tiled_scalars.glsl, tiled_vectors.glsl); store_four(i, m, n, n_end, values), which comes after
// place_four(n, n_end) for the columns and place_row(i, m) for the invocation's i-th row; and HEAVY: storing is more than a
// few instructions.

layout(constant_id = 1) const uint TILE_M = 64;
layout(constant_id = 2) const uint TILE_N = 64;
layout(constant_id = 3) const uint TILE_K = 16;
layout(constant_id = 4) const uint ROWS = 4;
layout(constant_id = 5) const uint COLUMNS = 4;

// Vectors from one k to the next. One of padding spreads what lies along K over the banks when it is stored.
const uint PITCH_A = TILE_M / 4u + 1u;
const uint PITCH_B = TILE_N / 4u + 1u;
const uint LANES_M = TILE_M / ROWS;
const uint LANES_N = TILE_N / COLUMNS;

shared vec4 tile_a[2u * TILE_K * PITCH_A];
shared vec4 tile_b[2u * TILE_K * PITCH_B];

void put_a(uint part, uint k, uint m, float value)
{
    tile_a[(part * TILE_K + k) * PITCH_A + m / 4u][m % 4u] = value;
}

void put_b(uint part, uint k, uint n, float value)
{
    tile_b[(part * TILE_K + k) * PITCH_B + n / 4u][n % 4u] = value;
}

void start(uint m0, uint n0, uint m_end, uint n_end, uint k_begin, uint k_end);
void fetch(uint k0, uint k_end);
void keep(uint part);
void place_row(uint i, uint m);
void place_four(uint n, uint n_end);
void store_four(uint i, uint m, uint n, uint n_end, vec4 values);

vec4 sum[ROWS * COLUMNS / 4u]; // of row i: COLUMNS / 4 vectors

void add_tile(uint part, uint lane_m, uint lane_n)
{
    const uint from_a = part * TILE_K * PITCH_A + lane_m, from_b = part * TILE_K * PITCH_B + lane_n;
    [[unroll]] for (uint k = 0u; k < TILE_K; k++) {
        vec4 a[ROWS / 4u], b[COLUMNS / 4u];
        [[unroll]] for (uint i = 0u; i < ROWS / 4u; i++)
            a[i] = tile_a[from_a + k * PITCH_A + i * LANES_M];
        [[unroll]] for (uint j = 0u; j < COLUMNS / 4u; j++)
            b[j] = tile_b[from_b + k * PITCH_B + j * LANES_N];
        [[unroll]] for (uint i = 0u; i < ROWS; i++) {
            [[unroll]] for (uint j = 0u; j < COLUMNS / 4u; j++)
                sum[i * (COLUMNS / 4u) + j] += a[i / 4u][i % 4u] * b[j];
        }
    }
}

uint row_of(uint m0, uint lane_m, uint i)
{
    return m0 + (i / 4u * LANES_M + lane_m) * 4u + i % 4u;
}

void store_columns(uint m0, uint n0, uint m_end, uint n_end, uint lane_m, uint lane_n)
{
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        place_row(i, min(row_of(m0, lane_m, i), m_end - 1u));
    [[unroll]] for (uint j = 0u; j < COLUMNS / 4u; j++) {
        const uint n = n0 + (j * LANES_N + lane_n) * 4u;
        if (n >= n_end)
            continue;
        place_four(n, n_end);
        [[unroll]] for (uint i = 0u; i < ROWS; i++) {
            const uint m = row_of(m0, lane_m, i);
            if (m < m_end)
                store_four(i, m, n, n_end, sum[i * (COLUMNS / 4u) + j]);
        }
    }
}

// The same with the rows in a loop that stays one, where a compiler would not unroll so much and keep the sums in memory
// instead: each round stores the first row and moves the others up.
void store_rows(uint m0, uint n0, uint m_end, uint n_end, uint lane_m, uint lane_n)
{
    [[dont_unroll]] for (uint i = 0u; i < ROWS; i++) {
        const uint m = row_of(m0, lane_m, i);
        place_row(0u, min(m, m_end - 1u));
        [[unroll]] for (uint j = 0u; j < COLUMNS / 4u; j++) {
            const uint n = n0 + (j * LANES_N + lane_n) * 4u;
            if (m < m_end && n < n_end) {
                place_four(n, n_end);
                store_four(0u, m, n, n_end, sum[j]);
            }
        }
        [[unroll]] for (uint e = COLUMNS / 4u; e < ROWS * COLUMNS / 4u; e++)
            sum[e - COLUMNS / 4u] = sum[e];
    }
}

void multiply_tile(uint m0, uint n0, uint m_end, uint n_end, uint k_begin, uint k_end)
{
    const uint span_m = LANES_M < 4u ? LANES_M : 4u, span_n = LANES_N < 8u ? LANES_N : 8u;
    const uint block = lane_index() / (span_m * span_n), lane = lane_index() % (span_m * span_n);
    const uint lane_m = block / (LANES_N / span_n) * span_m + lane / span_n;
    const uint lane_n = block % (LANES_N / span_n) * span_n + lane % span_n;
    [[unroll]] for (uint i = 0u; i < ROWS * COLUMNS / 4u; i++)
        sum[i] = vec4(0.0);
    start(m0, n0, m_end, n_end, k_begin, k_end);
    if (k_begin < k_end)
        fetch(k_begin, k_end);
    uint part = 0u;
    for (uint k0 = k_begin; k0 < k_end; k0 += TILE_K) {
        keep(part);
        barrier();
        if (k0 + TILE_K < k_end)
            fetch(k0 + TILE_K, k_end);
        add_tile(part, lane_m, lane_n);
        part ^= 1u;
    }
    if (HEAVY)
        store_rows(m0, n0, m_end, n_end, lane_m, lane_n);
    else
        store_columns(m0, n0, m_end, n_end, lane_m, lane_n);
}
