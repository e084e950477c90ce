// cooperative.glsl: C = A B by workgroups that share tiles of 16-bit A and B and multiply them by cooperative matrices
// (VK_KHR_cooperative_matrix) with f32 sums: the body of gemm_cooperative.comp and conv2d_cooperative.comp.
//
// A workgroup owns a TILE_M x TILE_N tile of C, a subgroup a SUB_M x SUB_N part of it, held in cooperative matrices of
// MATRIX_M x MATRIX_N. Step by step along K, TILE_K terms of A and B are brought into shared memory in runs of eight
// halves (16 bytes); lines are one run longer than the tile, which spreads them over the banks. While one tile is
// multiplied, the next is on its way in registers. Two tiles in shared memory, with one barrier per step instead of two,
// were slower by half where it was measured (NVIDIA H100): the driver then waits for the next tile early. Finished sums go
// through shared memory, a matrix at a time, to where an invocation knows their row and column.
//
// The including shader says before what neighbours of a line in shared memory are, terms or not (A_ALONG_K, B_ALONG_K),
// and defines fetch(k0, ..) and keep(); store_quad_of_sums(m, n, tile_n, values): four neighbours of row m, the first being
// column tile_n of the tile. BF16 makes it of bf16 instead of f16: the type of a matrix is no specialisation constant.

#ifdef BF16
#define half_element bfloat16_t
#else
#define half_element float16_t
#endif

layout(constant_id = 1) const uint TILE_M = 128;
layout(constant_id = 2) const uint TILE_N = 128;
layout(constant_id = 3) const uint TILE_K = 32;
layout(constant_id = 4) const uint SUB_M = 64;
layout(constant_id = 5) const uint SUB_N = 64;
layout(constant_id = 15) const uint MATRIX_M = 16;
layout(constant_id = 16) const uint MATRIX_N = 16;
layout(constant_id = 17) const uint MATRIX_K = 16;

// Lines of a tile, and runs from one to the next.
const uint LINES_A = A_ALONG_K ? TILE_M : TILE_K, LINE_RUNS_A = (A_ALONG_K ? TILE_K : TILE_M) / 8u;
const uint LINES_B = B_ALONG_K ? TILE_N : TILE_K, LINE_RUNS_B = (B_ALONG_K ? TILE_K : TILE_N) / 8u;
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

coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator> sums[COUNT_M * COUNT_N];

// The subgroup's first row and column in the tile.
uint sub_row()
{
    return gl_SubgroupID / (TILE_N / SUB_N) * SUB_M;
}

uint sub_column()
{
    return gl_SubgroupID % (TILE_N / SUB_N) * SUB_N;
}

void clear_sums()
{
    [[unroll]] for (uint i = 0u; i < COUNT_M * COUNT_N; i++)
        sums[i] = coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator>(0.0);
}

// The subgroup's part of the product of one tile.
void add_tile()
{
    const uint m = sub_row(), n = sub_column();
    [[unroll]] for (uint k = 0u; k < TILE_K; k += MATRIX_K) {
        coopmat<half_element, gl_ScopeSubgroup, MATRIX_M, MATRIX_K, gl_MatrixUseA> a[COUNT_M];
        [[unroll]] for (uint i = 0u; i < COUNT_M; i++) {
            const uint row = m + i * MATRIX_M;
            if (A_ALONG_K)
                coopMatLoad(a[i], tile_a, row * PITCH_A + k / 8u, PITCH_A, gl_CooperativeMatrixLayoutRowMajor);
            else
                coopMatLoad(a[i], tile_a, k * PITCH_A + row / 8u, PITCH_A, gl_CooperativeMatrixLayoutColumnMajor);
        }
        coopmat<half_element, gl_ScopeSubgroup, MATRIX_K, MATRIX_N, gl_MatrixUseB> b[COUNT_N];
        [[unroll]] for (uint j = 0u; j < COUNT_N; j++) {
            const uint column = n + j * MATRIX_N;
            if (B_ALONG_K)
                coopMatLoad(b[j], tile_b, column * PITCH_B + k / 8u, PITCH_B, gl_CooperativeMatrixLayoutColumnMajor);
            else
                coopMatLoad(b[j], tile_b, k * PITCH_B + column / 8u, PITCH_B, gl_CooperativeMatrixLayoutRowMajor);
        }
        [[unroll]] for (uint j = 0u; j < COUNT_N; j++)
            [[unroll]] for (uint i = 0u; i < COUNT_M; i++)
                sums[i * COUNT_N + j] = coopMatMulAdd(a[i], b[j], sums[i * COUNT_N + j]);
    }
}

void store_quad_of_sums(uint m, uint n, uint tile_n, vec4 values);

// The subgroup's sums, matrix by matrix through its own place in shared memory; m0 and n0 are the tile's first in C. One
// loop that stays one: each round stores the first matrix and moves the others up, so that all of them stay in registers.
void store_sums(uint m0, uint n0, uint m_end, uint n_end)
{
    const uint first = gl_SubgroupID * STAGE_VECTORS;
    [[dont_unroll]] for (uint x = 0u; x < COUNT_M * COUNT_N; x++) {
        coopMatStore(sums[0], stage, first, MATRIX_N / 4u, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        for (uint v = gl_SubgroupInvocationID; v < STAGE_VECTORS; v += gl_SubgroupSize) {
            const uint m = m0 + sub_row() + x / COUNT_N * MATRIX_M + v / (MATRIX_N / 4u);
            const uint tile_n = sub_column() + x % COUNT_N * MATRIX_N + v % (MATRIX_N / 4u) * 4u;
            if (m < m_end && n0 + tile_n < n_end)
                store_quad_of_sums(m, n0 + tile_n, tile_n, stage[first + v]);
        }
        subgroupBarrier();
        [[unroll]] for (uint y = 1u; y < COUNT_M * COUNT_N; y++)
            sums[y - 1u] = sums[y];
    }
}
