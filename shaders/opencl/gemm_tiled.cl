/* gemm_tiled.cl: C = act(alpha op(A) op(B) + beta C + bias) through local memory, for GPUs (tile.clh).
 *
 *     group (row tile, column tile, batch); tiles of A and B are read along their contiguous direction
 * Parameters: those of tile.clh; TRANS_A, TRANS_B (0 or 1); INPUT_DTYPE, OUTPUT_DTYPE (auxo_dtype F32 or F16).
 */
#include "activation.clh"
#include "dtype.clh"
#include "tile.clh"

/* op(A)(i0 .., k0 ..) into tile[k][m]; outside of M x K it is 0. */
static inline void load_a(global const void *a, ulong origin, long row, long column, ulong i0, ulong k0, ulong m, ulong k,
                   local float *tile)
{
    FOR_TILE(e, TILE_M)
    {
        uint i = TRANS_A ? e % TILE_M : e / TILE_K;
        uint l = TRANS_A ? e / TILE_M : e % TILE_K;
        bool inside = i0 + i < m && k0 + l < k;
        tile[l * A_PITCH + i] =
            inside ? load_float(INPUT_DTYPE, a, origin + (ulong)((long)(i0 + i) * row + (long)(k0 + l) * column)) : 0.0f;
    }
}

static inline void load_b(global const void *b, ulong origin, long row, long column, ulong k0, ulong j0, ulong k, ulong n,
                   local float *tile)
{
    FOR_TILE(e, TILE_N)
    {
        uint j = TRANS_B ? e / TILE_K : e % TILE_N;
        uint l = TRANS_B ? e % TILE_K : e / TILE_N;
        bool inside = j0 + j < n && k0 + l < k;
        tile[l * B_PITCH + j] =
            inside ? load_float(INPUT_DTYPE, b, origin + (ulong)((long)(k0 + l) * row + (long)(j0 + j) * column)) : 0.0f;
    }
}

kernel TILE_ATTRIBUTE void gemm_tiled(global const void *a, ulong a_offset, global const void *b, ulong b_offset,
                                      global void *c, ulong c_offset, global const float *bias, ulong bias_offset,
                                      ulong m, ulong n, ulong k, ulong batches, long a_batch, long a_row,
                                      long a_column, long b_batch, long b_row, long b_column, long c_batch, long c_row,
                                      float alpha, float beta, int bias_per_row, int activation, float slope)
{
    local float4 a_tile[TILE_K * A_PITCH / 4];
    local float4 b_tile[TILE_K * B_PITCH / 4];
    float4 sums[4 * WORK_M][WORK_N];
    ulong i0 = get_group_id(1) * TILE_M;
    ulong j0 = get_group_id(0) * TILE_N;
    ulong a_origin = a_offset + (ulong)((long)get_group_id(2) * a_batch);
    ulong b_origin = b_offset + (ulong)((long)get_group_id(2) * b_batch);
    ulong c_origin = c_offset + (ulong)((long)get_group_id(2) * c_batch);
    clear_sums(sums);
    if (alpha == 0.0f)
        k = 0;
    for (ulong k0 = 0; k0 < k; k0 += TILE_K) {
        load_a(a, a_origin, a_row, a_column, i0, k0, m, k, (local float *)a_tile);
        load_b(b, b_origin, b_row, b_column, k0, j0, k, n, (local float *)b_tile);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_tiles(a_tile, b_tile, sums);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (uint r = 0; r < 4 * WORK_M; ++r) {
        ulong i = i0 + TILE_ROW(r);
        if (i >= m)
            continue;
        for (uint v = 0; v < WORK_N; ++v) {
            float values[4];
            vstore4(sums[r][v], 0, values);
            for (uint x = 0; x < 4; ++x) {
                ulong j = j0 + TILE_COLUMN(v) + x;
                if (j >= n)
                    break;
                ulong at = c_origin + (ulong)((long)i * c_row) + j;
                float value = alpha * values[x];
                if (beta != 0.0f)
                    value += beta * load_float(OUTPUT_DTYPE, c, at);
                if (bias)
                    value += bias[bias_offset + (bias_per_row ? i : j)];
                store_float(OUTPUT_DTYPE, c, at, activate_as(activation, value, slope));
            }
        }
    }
}
