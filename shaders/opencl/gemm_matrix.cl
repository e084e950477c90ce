/* gemm_matrix.cl: C = act(alpha op(A) op(B) + beta C + bias) of f16 or bf16 operands on matrix units (matrix_unit.clh).
 *
 *         TILE_N              group (tile of C, batch): SUBGROUPS_M x SUBGROUPS_N subgroups of LANES work-items
 *       +--------+            local memory: both tiles in pairs of neighbouring terms, [line][k / 2] of A and
 *       |B tile  | TILE_K     [k / 2][line] of B, filled along what lies side by side in memory, zeros beyond the edges;
 *   +---+--------+            after the last step the sums, so that C is read and written row by row
 *   | A |        | TILE_M     subgroup: BLOCKS_M x BLOCKS_N blocks of 8 x LANES sums in registers
 *   +---+--------+
 *
 * Parameters: those of matrix_unit.clh; SUBGROUPS_M, SUBGROUPS_N; BLOCKS_M, BLOCKS_N; TRANS_A, TRANS_B (0 or 1); A_VEC,
 * B_VEC = 8 where rows, row strides, batch strides and offset are multiples of 8 elements, else 1; INPUT_DTYPE (F16 or
 * BF16), OUTPUT_DTYPE.
 */
#define SUBGROUPS (SUBGROUPS_M * SUBGROUPS_N)
#include "activation.clh"
#include "dtype.clh"
#include "matrix_unit.clh"

#define THREADS (SUBGROUPS * LANES)
#define TILE_M (SUBGROUPS_M * BLOCKS_M * 8)
#define TILE_N (SUBGROUPS_N * BLOCKS_N * LANES)
#define TILE_K 32
#define PAIRS (TILE_K / 2)
#define A_PITCH (PAIRS + 1) /* one more: rows begin in other banks */

static inline uint8 pair_up8(ushort8 low, ushort8 high)
{
    return convert_uint8(low) | convert_uint8(high) << 16;
}

/* Fills the pairs (line, k / 2) at tile[line * line_pitch + k / 2 * pair_pitch] of `extent` lines, of which `lines` are in
 * the matrix and `left` terms are left. `pitch`: from one contiguous run of the matrix to the next. */
static inline void fill_pairs(local uint *tile, const uint line_pitch, const uint pair_pitch, const uint extent,
                              const bool along_k, const uint vec, global const ushort *corner, ulong pitch, uint lines,
                              uint left)
{
    const uint run = along_k ? (vec == 8 ? PAIRS / 4 : PAIRS) : extent / vec; /* pieces side by side */
    const uint count = along_k ? extent * run : PAIRS * run;
    for (uint piece = (uint)get_local_id(0); piece < count; piece += THREADS) {
        const uint other = piece / run, place = piece % run;
        if (along_k && vec == 8) {
            const bool inside = other < lines && 8 * place < left;
            const uint4 pairs = inside ? as_uint4(vload8(0, corner + other * pitch + 8 * place)) : (uint4)(0);
            local uint *to = tile + other * line_pitch + 4 * place * pair_pitch;
            to[0] = pairs.x;
            to[pair_pitch] = pairs.y;
            to[2 * pair_pitch] = pairs.z;
            to[3 * pair_pitch] = pairs.w;
        } else if (along_k) {
            global const ushort *from = corner + other * pitch + 2 * place;
            const uint low = other < lines && 2 * place < left ? from[0] : 0;
            const uint high = other < lines && 2 * place + 1 < left ? from[1] : 0;
            tile[other * line_pitch + place * pair_pitch] = low | high << 16;
        } else if (vec == 8) {
            global const ushort *from = corner + 2 * other * pitch + 8 * place;
            const bool inside = 8 * place < lines;
            const ushort8 low = inside && 2 * other < left ? vload8(0, from) : (ushort8)(0);
            const ushort8 high = inside && 2 * other + 1 < left ? vload8(0, from + pitch) : (ushort8)(0);
            uint pairs[8];
            vstore8(pair_up8(low, high), 0, pairs);
MATRIX_UNROLL
            for (uint x = 0; x < 8; ++x)
                tile[(8 * place + x) * line_pitch + other * pair_pitch] = pairs[x];
        } else {
            global const ushort *from = corner + 2 * other * pitch + place;
            const uint low = place < lines && 2 * other < left ? from[0] : 0;
            const uint high = place < lines && 2 * other + 1 < left ? from[pitch] : 0;
            tile[place * line_pitch + other * pair_pitch] = low | high << 16;
        }
    }
}

/* This lane's part of an 8 x 16 block of A whose first row and pair `from` is at. */
static inline a_block a_block_at(const local uint *from)
{
    int part[8];
MATRIX_UNROLL
    for (uint i = 0; i < 8; ++i)
        part[i] = LANES == 8 ? (int)from[i * A_PITCH + MATRIX_LANE]
                             : (int)((const local short *)(from + i * A_PITCH))[MATRIX_LANE];
    return convert_a_block(vload8(0, part));
}

static inline int8 b_block_at(const local uint *from)
{
    int part[8];
MATRIX_UNROLL
    for (uint j = 0; j < 8; ++j)
        part[j] = (int)from[j * TILE_N + MATRIX_LANE];
    return vload8(0, part);
}

kernel MATRIX_ATTRIBUTE void gemm_matrix(global const ushort *restrict a, ulong a_offset,
                                         global const ushort *restrict b, ulong b_offset, global void *restrict c,
                                         ulong c_offset, global const float *restrict bias, ulong bias_offset, ulong m,
                                         ulong n, ulong k, ulong batches, long a_batch, long a_row, long a_column,
                                         long b_batch, long b_row, long b_column, long c_batch, long c_row, float alpha,
                                         float beta, int bias_per_row, int activation, float slope, uint column_tiles)
{
    local uint a_pairs[TILE_M * A_PITCH];
    local uint b_pairs[PAIRS * TILE_N];
    local float sums[TILE_M * TILE_N];
    MATRIX_SCRATCH;
    float8 block[BLOCKS_M][BLOCKS_N];
    const uint i0 = (uint)get_group_id(0) / column_tiles * TILE_M, j0 = (uint)get_group_id(0) % column_tiles * TILE_N;
    const uint rows = min((uint)m - i0, (uint)TILE_M), columns = min((uint)n - j0, (uint)TILE_N);
    const long batch = (long)get_group_id(1);
    const uint row = MATRIX_SUBGROUP / SUBGROUPS_N * BLOCKS_M * 8, column = MATRIX_SUBGROUP % SUBGROUPS_N * BLOCKS_N * LANES;
    a += a_offset + (ulong)(batch * a_batch + (long)i0 * a_row);
    b += b_offset + (ulong)(batch * b_batch + (long)j0 * b_column);
MATRIX_UNROLL
    for (uint u = 0; u < BLOCKS_M; ++u)
MATRIX_UNROLL
        for (uint v = 0; v < BLOCKS_N; ++v)
            block[u][v] = (float8)(0.0f);
    for (uint left = alpha != 0.0f ? (uint)k : 0; left > 0; left -= min(left, (uint)TILE_K)) {
        const long done = (long)((uint)k - left);
        fill_pairs(a_pairs, A_PITCH, 1, TILE_M, !TRANS_A, A_VEC, a + done * a_column, (ulong)(TRANS_A ? a_column : a_row),
                   rows, left);
        fill_pairs(b_pairs, 1, TILE_N, TILE_N, TRANS_B != 0, B_VEC, b + done * b_row,
                   (ulong)(TRANS_B ? b_column : b_row), columns, left);
        barrier(CLK_LOCAL_MEM_FENCE);
MATRIX_UNROLL
        for (uint step = 0; step < TILE_K / 16; ++step) {
            int8 right[BLOCKS_N];
MATRIX_UNROLL
            for (uint v = 0; v < BLOCKS_N; ++v)
                right[v] = b_block_at(b_pairs + 8 * step * TILE_N + column + v * LANES);
MATRIX_UNROLL
            for (uint u = 0; u < BLOCKS_M; ++u) {
                const a_block left_block = a_block_at(a_pairs + (row + 8 * u) * A_PITCH + 8 * step);
MATRIX_UNROLL
                for (uint v = 0; v < BLOCKS_N; ++v)
                    block[u][v] = multiply_blocks(left_block, right[v], block[u][v]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
MATRIX_UNROLL
    for (uint u = 0; u < BLOCKS_M; ++u)
MATRIX_UNROLL
        for (uint v = 0; v < BLOCKS_N; ++v) {
            float part[8];
            vstore8(block[u][v], 0, part);
MATRIX_UNROLL
            for (uint i = 0; i < 8; ++i)
                sums[(row + 8 * u + i) * TILE_N + column + v * LANES + MATRIX_LANE] = part[i];
        }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint e = (uint)get_local_id(0); e < TILE_M * TILE_N; e += THREADS) {
        const uint i = e / TILE_N, j = e % TILE_N;
        if (i >= rows || j >= columns)
            continue;
        const ulong at = c_offset + (ulong)(batch * c_batch + (long)(i0 + i) * c_row) + j0 + j;
        float value = alpha * sums[e];
        if (beta != 0.0f)
            value += beta * load_float(OUTPUT_DTYPE, c, at);
        if (bias)
            value += bias[bias_offset + (bias_per_row ? i0 + i : j0 + j)];
        store_float(OUTPUT_DTYPE, c, at, activate_as(activation, value, slope));
    }
}
