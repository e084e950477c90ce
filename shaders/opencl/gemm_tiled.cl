/* gemm_tiled.cl: C = act(alpha op(A) op(B) + beta C + bias) through local memory, for GPUs (tile.clh).
 *
 *     group (tile of C, split of the sum, batch); tiles of A and B are read along their contiguous direction
 * With more than one split the sums of each go to partial[split][batch][i][j], and gemm_tiled_finish adds them in order.
 * Parameters: those of tile.clh; TRANS_A, TRANS_B (0 or 1); A_VEC, B_VEC, C_VEC = 4 where rows, row strides, batch strides
 * and offset are multiples of 4 elements, else 1; INPUT_DTYPE, OUTPUT_DTYPE (auxo_dtype F32, F16 or BF16); SPLIT (0 or 1);
 * TAIL_APART: 1: the last step stands behind the loop, which then has no branch, 0: in it, which is half the code.
 */
#include "contract.clh"
#include "activation.clh"
#include "dtype.clh"
#include "tile.clh"

#define A_ALONG_K (!TRANS_A)
#define B_ALONG_K (TRANS_B != 0)

/* value = alpha sum + beta C + bias of one element, where it is not computed four at a time */
static inline float finish_value(float value, float beta, global const void *c, ulong at, global const float *bias,
                                 ulong bias_at)
{
    if (beta != 0.0f)
        value += beta * load_float(OUTPUT_DTYPE, c, at);
    return bias ? value + bias[bias_at] : value;
}

kernel TILE_ATTRIBUTE void gemm_tiled(global const stored *restrict a, ulong a_offset, global const stored *restrict b,
                                      ulong b_offset, global void *restrict c, ulong c_offset,
                                      global const float *restrict bias, ulong bias_offset, ulong m, ulong n, ulong k,
                                      ulong batches, long a_batch, long a_row, long a_column, long b_batch, long b_row,
                                      long b_column, long c_batch, long c_row, float alpha, float beta,
                                      int bias_per_row, int activation, float slope, uint row_tiles, uint column_tiles,
                                      uint k_per_split, global float *restrict partial)
{
    local float4 a_tile[2][TILE_K * A_PITCH / 4];
    local float4 b_tile[2][TILE_K * B_PITCH / 4];
    float4 sums[4 * WORK_M][WORK_N];
    float a_next[A_FETCHED], b_next[B_FETCHED];
    uint a_at[A_FETCHED / A_VEC], b_at[B_FETCHED / B_VEC];
    const uint2 tile = tile_of_group((uint)get_group_id(0), row_tiles, column_tiles);
    const uint i0 = tile.x * TILE_M, j0 = tile.y * TILE_N;
    const uint rows = (uint)m - i0, columns = (uint)n - j0;
    const uint split = (uint)get_group_id(1);
    const long batch = (long)get_group_id(2);
    const uint a_pitch = (uint)(TRANS_A ? a_column : a_row), b_pitch = (uint)(TRANS_B ? b_column : b_row);
    const uint k0 = split * k_per_split;
    /* terms of the sum that are left; alpha = 0 reads nothing */
    uint left = alpha != 0.0f ? min((uint)k - k0, k_per_split) : 0;
    a += a_offset + (ulong)(batch * a_batch + (long)i0 * a_row + (long)k0 * a_column);
    b += b_offset + (ulong)(batch * b_batch + (long)k0 * b_row + (long)j0 * b_column);
    place_pieces(a_at, TILE_M, A_ALONG_K, A_VEC, A_FETCHED, rows, a_pitch);
    place_pieces(b_at, TILE_N, B_ALONG_K, B_VEC, B_FETCHED, columns, b_pitch);
    clear_sums(sums);

    uint half_in_use = 0;
    fetch_pieces(a_next, TILE_M, A_ALONG_K, A_VEC, A_FETCHED, a, a_at, left);
    fetch_pieces(b_next, TILE_N, B_ALONG_K, B_VEC, B_FETCHED, b, b_at, left);
    put_pieces(a_tile[0], TILE_M, A_ALONG_K, A_VEC, A_FETCHED, a_next);
    put_pieces(b_tile[0], TILE_N, B_ALONG_K, B_VEC, B_FETCHED, b_next);
    barrier(CLK_LOCAL_MEM_FENCE);
#if TAIL_APART
    for (; left > TILE_K; half_in_use ^= 1) {
        left -= TILE_K;
        a += A_ALONG_K ? TILE_K : (long)TILE_K * a_column;
        b += B_ALONG_K ? TILE_K : (long)TILE_K * b_row;
        fetch_pieces(a_next, TILE_M, A_ALONG_K, A_VEC, A_FETCHED, a, a_at, left);
        fetch_pieces(b_next, TILE_N, B_ALONG_K, B_VEC, B_FETCHED, b, b_at, left);
        multiply_tiles(a_tile[half_in_use], b_tile[half_in_use], sums);
        put_pieces(a_tile[half_in_use ^ 1], TILE_M, A_ALONG_K, A_VEC, A_FETCHED, a_next);
        put_pieces(b_tile[half_in_use ^ 1], TILE_N, B_ALONG_K, B_VEC, B_FETCHED, b_next);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (left > 0)
        multiply_tiles(a_tile[half_in_use], b_tile[half_in_use], sums);
#else
    for (;; half_in_use ^= 1) {
        const bool more = left > TILE_K;
        if (more) {
            left -= TILE_K;
            a += A_ALONG_K ? TILE_K : (long)TILE_K * a_column;
            b += B_ALONG_K ? TILE_K : (long)TILE_K * b_row;
            fetch_pieces(a_next, TILE_M, A_ALONG_K, A_VEC, A_FETCHED, a, a_at, left);
            fetch_pieces(b_next, TILE_N, B_ALONG_K, B_VEC, B_FETCHED, b, b_at, left);
        }
        multiply_tiles(a_tile[half_in_use], b_tile[half_in_use], sums);
        if (!more)
            break;
        put_pieces(a_tile[half_in_use ^ 1], TILE_M, A_ALONG_K, A_VEC, A_FETCHED, a_next);
        put_pieces(b_tile[half_in_use ^ 1], TILE_N, B_ALONG_K, B_VEC, B_FETCHED, b_next);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#endif

#if SPLIT
    partial += ((ulong)split * batches + (ulong)batch) * m * n + (ulong)i0 * n + j0;
#else
    c_offset += (ulong)(batch * c_batch + (long)i0 * c_row + j0);
    bias_offset += bias_per_row ? i0 : j0;
#endif
#pragma unroll
    for (uint r = 0; r < 4 * WORK_M; ++r) {
        const uint i = TILE_ROW(r);
#pragma unroll
        for (uint v = 0; v < WORK_N; ++v) {
            const uint j = TILE_COLUMN(v);
#if SPLIT
            float values[4];
            vstore4(sums[r][v], 0, values);
#pragma unroll
            for (uint x = 0; x < 4; ++x)
                if (i < rows && j + x < columns)
                    partial[(ulong)i * n + j + x] = values[x];
#elif C_VEC == 4
            if (i < rows && j < columns) {
                global float4 *target = (global float4 *)((global float *)c + c_offset + (ulong)((long)i * c_row) + j);
                float4 value = alpha * sums[r][v];
                if (beta != 0.0f)
                    value += beta * *target;
                if (bias)
                    value += bias_per_row ? (float4)(bias[bias_offset + i]) : vload4(0, bias + bias_offset + j);
                *target = activation == ACTIVATION_RELU ? select(value, (float4)(0.0f), value < 0.0f) : value;
            }
#else
            float values[4];
            vstore4(sums[r][v], 0, values);
#pragma unroll
            for (uint x = 0; x < 4; ++x)
                if (i < rows && j + x < columns) {
                    const ulong at = c_offset + (ulong)((long)i * c_row) + j + x;
                    float value =
                        finish_value(alpha * values[x], beta, c, at, bias, bias_offset + (bias_per_row ? i : j + x));
                    if (OUTPUT_DTYPE != DTYPE_F32)
                        value = activate_as(activation, value, slope);
                    else if (activation == ACTIVATION_RELU)
                        value = value < 0.0f ? 0.0f : value;
                    store_float(OUTPUT_DTYPE, c, at, value);
                }
#endif
        }
    }
#if !SPLIT && OUTPUT_DTYPE == DTYPE_F32
    /* The long activations go over the stored values in a loop, rather than once per register. */
    if (activation > ACTIVATION_RELU)
        for (uint e = 0; e < 16 * WORK_M * WORK_N; ++e) {
            const uint i = TILE_ROW(e / (4 * WORK_N));
            const uint j = TILE_COLUMN(e / 4 % WORK_N) + e % 4;
            if (i < rows && j < columns) {
                global float *target = (global float *)c + c_offset + (ulong)((long)i * c_row) + j;
                *target = activate_as(activation, *target, slope);
            }
        }
#endif
}

/* Adds the splits in order; work-item: one element of C. */
kernel void gemm_tiled_finish(global void *c, ulong c_offset, global const float *bias, ulong bias_offset, ulong m, ulong n,
                              ulong batches, long c_batch, long c_row, float alpha, float beta, int bias_per_row,
                              int activation, float slope, uint splits, global const float *restrict partial)
{
    const ulong id = get_global_id(0);
    const ulong j = id % n;
    const ulong i = id / n % m;
    const ulong batch = id / n / m;
    if (batch >= batches)
        return;
    const ulong at = c_offset + (ulong)((long)batch * c_batch + (long)i * c_row) + j;
    float sum = 0.0f;
    for (uint split = 0; split < splits; ++split)
        sum += partial[(ulong)split * batches * m * n + id];
    const float value = finish_value(alpha * sum, beta, c, at, bias, bias_offset + (bias_per_row ? i : j));
    store_float(OUTPUT_DTYPE, c, at, activate_as(activation, value, slope));
}
