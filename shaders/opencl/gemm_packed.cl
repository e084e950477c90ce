/* gemm_packed.cl: C = act(alpha op(A) op(B) + beta C + bias) for CPU drivers with wide vectors; f32.
 *
 *               <- panels_per_item x 2 VEC ->
 *            K  [ B panel ][ B panel ] ...        packed once per block of TILE_K
 *     <-K->     +---------+---------+
 *     [ A ]  8  | 8x2 VEC |         |             2 x 8 vector accumulators, one scalar of A per row and step
 *     [ A ]  8  |         |         |             BLOCK_ROWS rows of A stay in the nearest caches
 *               +---------+---------+
 *     work-item = panels_per_item panels of 2 VEC columns x rows_per_item rows of one batch
 * A is read in place; TRANS_A = 1, where its rows would be strided, packs BLOCK_ROWS of it as [tile][k][8].
 * Blocks of K after the first add to C, so C holds the running sum; bias and activation come with the last block.
 * Parameters: VEC, TILE_K, PANELS (most panels per item), TRANS_A.
 */
#include "activation.clh"

#define PANEL (2 * VEC)
#define BLOCK_ROWS 64

/* B(k0 .. k0 + depth, j0 .. j0 + PANEL) into panel[depth][PANEL]; columns past n are 0. */
static inline void pack_panel(global const float *b, long b_row, long b_column, uint depth, ulong columns, local float *panel)
{
    if (b_column == 1 && columns >= PANEL) {
        for (uint k = 0; k < depth; ++k) {
            storev(loadv(b + k * b_row), panel + k * PANEL);
            storev(loadv(b + k * b_row + VEC), panel + k * PANEL + VEC);
        }
        return;
    }
    for (uint j = 0; j < PANEL; ++j)
        for (uint k = 0; k < depth; ++k)
            panel[k * PANEL + j] = j < columns ? b[k * b_row + j * b_column] : 0.0f;
}

/* Rows i0 .. i0 + 8 of op(A), whose rows are neighbours in memory, into tile[depth][8]; rows past the end are 0. */
static inline void pack_rows(global const float *a, long a_column, uint depth, ulong rows, local float *tile)
{
    for (uint k = 0; k < depth; ++k) {
        if (rows >= 8)
            vstore8(vload8(0, a + k * a_column), 0, tile + 8 * k);
        else
            for (uint r = 0; r < 8; ++r)
                tile[8 * k + r] = r < rows ? a[k * a_column + r] : 0.0f;
    }
}

/* One row of a tile: adds what C holds already, finishes if `last`, stores `columns` elements. */
static inline void store_row(floatv v0, floatv v1, global float *c, float beta, ulong columns, bool last, float row_bias,
                      global const float *column_bias, int activation, float slope)
{
    for (uint part = 0; part < 2; ++part) {
        ulong begin = part * VEC;
        if (columns <= begin)
            return;
        bool whole = columns - begin >= VEC;
        ulong left = columns - begin;
        floatv v = part ? v1 : v0;
        if (beta != 0.0f)
            v = fma((floatv)(beta), whole ? loadv(c + begin) : loadv_part(c + begin, left), v);
        if (last) {
            v += row_bias;
            if (column_bias)
                v += whole ? loadv(column_bias + begin) : loadv_part(column_bias + begin, left);
            v = activate_as(activation, v, slope);
        }
        if (whole)
            storev(v, c + begin);
        else
            storev_part(v, c + begin, left);
    }
}

#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#if TRANS_A
#define A_ROW(r) const local float *a##r = packed_a + (i - block) * depth + r;
#define A_STEP 8
#else
#define A_ROW(r) global const float *a##r = a + (long)min(i + r, row_end - 1) * a_row + (long)k0;
#define A_STEP 1
#endif

kernel LONE_ITEM void
gemm_packed(global const float *a, ulong a_offset, global const float *b, ulong b_offset, global float *c,
            ulong c_offset, global const float *bias, ulong bias_offset, ulong m, ulong n, ulong k, ulong batches,
            long a_batch, long a_row, long a_column, long b_batch, long b_row, long b_column, long c_batch, long c_row,
            float alpha, float beta, int bias_per_row, int activation, float slope, ulong rows_per_item,
            ulong panels_per_item)
{
    local float panels[PANELS * TILE_K * PANEL];
#if TRANS_A
    local float packed_a[BLOCK_ROWS * TILE_K];
#endif
    ulong row_begin = get_global_id(0) * rows_per_item;
    ulong row_end = min(row_begin + rows_per_item, m);
    ulong j_begin = get_global_id(1) * panels_per_item * PANEL;
    ulong j_end = min(j_begin + panels_per_item * PANEL, n);
    a += a_offset + (ulong)((long)get_global_id(2) * a_batch);
    b += b_offset + (ulong)((long)get_global_id(2) * b_batch);
    c += c_offset + (ulong)((long)get_global_id(2) * c_batch);
    bias = bias ? bias + bias_offset : bias;
    if (alpha == 0.0f)
        k = 0;
    ulong k0 = 0;
    do {
        uint depth = (uint)min(k - k0, (ulong)TILE_K);
        bool last = k0 + depth >= k;
        float c_factor = k0 == 0 ? beta : 1.0f;
        for (ulong j = j_begin; j < j_end; j += PANEL)
            pack_panel(b + (long)k0 * b_row + (long)j * b_column, b_row, b_column, depth, n - j,
                       panels + (j - j_begin) * depth);
        for (ulong block = row_begin; block < row_end; block += BLOCK_ROWS) {
            ulong block_end = min(block + BLOCK_ROWS, row_end);
#if TRANS_A
            for (ulong i = block; i < block_end; i += 8)
                pack_rows(a + (long)k0 * a_column + (long)i, a_column, depth, row_end - i,
                          packed_a + (i - block) * depth);
#endif
            for (ulong j = j_begin; j < j_end; j += PANEL) {
                const local float *panel = panels + (j - j_begin) * depth;
                for (ulong i = block; i < block_end; i += 8) {
#define DECLARE(r)                                                                                                     \
    floatv x##r = (floatv)(0.0f), y##r = (floatv)(0.0f);                                                               \
    A_ROW(r)
                    ROWS(DECLARE)
                    for (uint l = 0; l < depth; ++l) {
                        floatv b0 = loadv(panel + l * PANEL);
                        floatv b1 = loadv(panel + l * PANEL + VEC);
#define STEP(r)                                                                                                        \
    {                                                                                                                  \
        floatv s = (floatv)(a##r[l * A_STEP]);                                                                         \
        x##r = fma(s, b0, x##r);                                                                                       \
        y##r = fma(s, b1, y##r);                                                                                       \
    }
                        ROWS(STEP)
                    }
#define STORE(r)                                                                                                       \
    if (i + r < row_end)                                                                                               \
        store_row(alpha * x##r, alpha * y##r, c + (long)(i + r) * c_row + (long)j, c_factor, n - j, last,              \
                  bias && bias_per_row ? bias[i + r] : 0.0f, bias && !bias_per_row ? bias + j : 0, activation, slope);
                    ROWS(STORE)
                }
            }
        }
        k0 += depth;
    } while (k0 < k);
}
