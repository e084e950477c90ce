// tiled_vectors.glsl: tiles of A and B by vectors of four elements, where both are matrices whose rows start at multiples
// of four elements and are as long; start, fetch and keep of tiled.glsl.
//
// The including shader defines vector_a(v) and vector_b(v), the v-th four elements of an operand; first_a() and first_b(),
// the first vector of the matrix; stride_a() and stride_b(), vectors from one stored row to the next; and the constants
// A_ALONG_K, B_ALONG_N (rows as stored lie along k, along n) and K_EDGES (K is no multiple of TILE_K). A vector lies
// inside the matrix or outside: rows and columns outside are replaced by the last inside, terms outside by 0.

const uint VECTORS_A = TILE_M * TILE_K / 4u;
const uint VECTORS_B = TILE_N * TILE_K / 4u;
const uint LOADS_A = (VECTORS_A + GROUP_SIZE - 1u) / GROUP_SIZE; // per invocation and step
const uint LOADS_B = (VECTORS_B + GROUP_SIZE - 1u) / GROUP_SIZE;

uint from_a[LOADS_A], from_b[LOADS_B]; // vectors, at k = 0
vec4 next_a[LOADS_A], next_b[LOADS_B];

// Which of the tile's vectors a load brings.
uint vector_of(uint load)
{
    return lane_index() + load * GROUP_SIZE;
}

// Row or column, and term, of a tile's vector: the first of four along the other or along this one.
uvec2 place(uint v, bool along_k, uint extent)
{
    return along_k ? uvec2(v / (TILE_K / 4u), v % (TILE_K / 4u) * 4u) : uvec2(v % (extent / 4u) * 4u, v / (extent / 4u));
}

void start(uint m0, uint n0, uint m_end, uint n_end, uint k_begin, uint k_end)
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        const uvec2 at = place(vector_of(l), A_ALONG_K, TILE_M);
        from_a[l] = first_a() + (A_ALONG_K ? min(m0 + at.x, m_end - 1u) * stride_a() + at.y / 4u
                                           : at.y * stride_a() + min(m0 + at.x, m_end - 4u) / 4u);
    }
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const uvec2 at = place(vector_of(l), !B_ALONG_N, TILE_N);
        from_b[l] = first_b() + (B_ALONG_N ? at.y * stride_b() + min(n0 + at.x, n_end - 4u) / 4u
                                           : min(n0 + at.x, n_end - 1u) * stride_b() + at.y / 4u);
    }
}

void fetch(uint k0, uint k_end)
{
    const uint step_a = A_ALONG_K ? k0 / 4u : k0 * stride_a();
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        const bool inside = VECTORS_A % GROUP_SIZE == 0u || vector_of(l) < VECTORS_A;
        next_a[l] = vec4(0.0);
        if (inside && (!K_EDGES || k0 + place(vector_of(l), A_ALONG_K, TILE_M).y < k_end))
            next_a[l] = vector_a(from_a[l] + step_a);
    }
    const uint step_b = B_ALONG_N ? k0 * stride_b() : k0 / 4u;
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const bool inside = VECTORS_B % GROUP_SIZE == 0u || vector_of(l) < VECTORS_B;
        next_b[l] = vec4(0.0);
        if (inside && (!K_EDGES || k0 + place(vector_of(l), !B_ALONG_N, TILE_N).y < k_end))
            next_b[l] = vector_b(from_b[l] + step_b);
    }
}

void keep(uint part)
{
    [[unroll]] for (uint l = 0u; l < LOADS_A; l++) {
        const uvec2 at = place(vector_of(l), A_ALONG_K, TILE_M);
        if (VECTORS_A % GROUP_SIZE != 0u && vector_of(l) >= VECTORS_A)
            continue;
        if (A_ALONG_K) {
            [[unroll]] for (uint c = 0u; c < 4u; c++)
                put_a(part, at.y + c, at.x, next_a[l][c]);
        } else {
            tile_a[(part * TILE_K + at.y) * PITCH_A + at.x / 4u] = next_a[l];
        }
    }
    [[unroll]] for (uint l = 0u; l < LOADS_B; l++) {
        const uvec2 at = place(vector_of(l), !B_ALONG_N, TILE_N);
        if (VECTORS_B % GROUP_SIZE != 0u && vector_of(l) >= VECTORS_B)
            continue;
        if (B_ALONG_N) {
            tile_b[(part * TILE_K + at.y) * PITCH_B + at.x / 4u] = next_b[l];
        } else {
            [[unroll]] for (uint c = 0u; c < 4u; c++)
                put_b(part, at.y + c, at.x, next_b[l][c]);
        }
    }
}
