/* bf16_pack.c: packs by tiles of 16 rows or columns and 16 pairs of the depth.
 *
 * A tile of A has a row of pairs per row of the matrix, a tile of B one per pair of the depth: they are each other
 * transposed. Where the depth is contiguous, pairs are loaded as they lie; where it is not, two rows are interleaved.
 */
#include "bf16_pack.h"

#include "vec_transpose.h"

/* 16 lines of pairs along the contiguous depth: line i is lines + i stride. */
CPU_INLINE void load_lines(const uint16_t *lines, int64_t stride, int64_t line_count, int64_t depth, vf out[BF16_TILE])
{
    const __mmask32 elements = (__mmask32)(depth >= BF16_STEP ? ~0u : (1u << depth) - 1);
    for (int64_t i = 0; i < BF16_TILE; ++i)
        out[i] = (vf)(i < line_count ? _mm512_maskz_loadu_epi16(elements, lines + i * stride) : _mm512_setzero_si512());
}

/* 16 rows of pairs across the lines: row p pairs elements 2p and 2p + 1 of the depth, which lie `stride` apart. */
CPU_INLINE void load_pairs(const uint16_t *lines, int64_t stride, int64_t line_count, int64_t depth, vf out[BF16_TILE])
{
    const __mmask16 lanes = bf16_lanes(line_count);
    for (int64_t pair = 0; pair < BF16_PAIRS; ++pair) {
        const uint16_t *first = lines + 2 * pair * stride;
        if (2 * pair >= depth)
            out[pair] = vf_set1(0);
        else
            out[pair] = (vf)bf16_interleave(first, 2 * pair + 1 < depth ? first + stride : NULL, lanes);
    }
}

CPU_INLINE void store_tile(const vf tile[BF16_TILE], uint32_t *out, int64_t stride)
{
    for (int64_t i = 0; i < BF16_TILE; ++i)
        _mm512_storeu_si512(out + i * stride, (__m512i)tile[i]);
}

void bf16_pack_a(bf16_matrix a, int64_t rows, int64_t depth, uint16_t *out)
{
    for (int64_t l = 0; l < depth; l += BF16_STEP)
        for (int64_t row = 0; row < BF16_BLOCK; row += BF16_TILE, out += BF16_TILE * BF16_STEP) {
            const uint16_t *corner = a.data + row * a.row_stride + l * a.column_stride;
            const int64_t line_count = cpu_max(rows - row, 0);
            vf tile[BF16_TILE];
            if (a.column_stride == 1) {
                load_lines(corner, a.row_stride, line_count, depth - l, tile);
            } else {
                load_pairs(corner, a.column_stride, line_count, depth - l, tile);
                vf_transpose(tile);
            }
            store_tile(tile, (uint32_t *)(void *)out, BF16_PAIRS);
        }
}

void bf16_pack_b(bf16_matrix b, int64_t depth, int64_t columns, uint32_t *out)
{
    for (int64_t l = 0; l < depth; l += BF16_STEP, out += BF16_B_STEP)
        for (int64_t column = 0; column < BF16_BLOCK; column += BF16_TILE) {
            const uint16_t *corner = b.data + l * b.row_stride + column * b.column_stride;
            const int64_t line_count = cpu_max(columns - column, 0);
            vf tile[BF16_TILE];
            if (b.column_stride == 1) {
                load_pairs(corner, b.row_stride, line_count, depth - l, tile);
            } else {
                load_lines(corner, b.column_stride, line_count, depth - l, tile);
                vf_transpose(tile);
            }
            store_tile(tile, out + column, BF16_BLOCK);
        }
}
