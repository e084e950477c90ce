/* bf16_pack.h: matrices copied into the layouts of bf16_block.h, with zeros beyond their edges. */
#ifndef AUXO_CPU_BF16_PACK_H
#define AUXO_CPU_BF16_PACK_H

#include "bf16_block.h"

typedef struct bf16_matrix {
    const uint16_t *data;
    int64_t row_stride, column_stride; /* in elements; one of them is 1 */
} bf16_matrix;

/* `count` elements of one row of a packed block from `position` of the depth on; from NULL: zeros. */
CPU_INLINE void bf16_put_row(uint16_t *block, int64_t row, int64_t position, const uint16_t *from, int64_t count)
{
    while (count > 0) {
        const int64_t within = position % BF16_STEP, part = cpu_min(BF16_STEP - within, count);
        const __mmask32 lanes = (__mmask32)(part == BF16_STEP ? ~0u : (1u << part) - 1);
        uint16_t *to = block + position / BF16_STEP * BF16_A_STEP + row * BF16_STEP + within;
        _mm512_mask_storeu_epi16(to, lanes, from ? _mm512_maskz_loadu_epi16(lanes, from) : _mm512_setzero_si512());
        from = from ? from + part : NULL;
        position += part;
        count -= part;
    }
}

#define bf16_pack_a CPU_NAME(cpu_bf16_pack_a)
#define bf16_pack_b CPU_NAME(cpu_bf16_pack_b)
/* The first `rows` <= 32 rows of A, all `depth` of them, into ceil(depth / 32) steps. */
void bf16_pack_a(bf16_matrix a, int64_t rows, int64_t depth, uint16_t *out);
/* The first `columns` <= 32 columns of B (depth, columns) into a panel of as many steps, whose rows are 32 pairs. */
void bf16_pack_b(bf16_matrix b, int64_t depth, int64_t columns, uint32_t *out);

#endif
