/* bf16_pack.h: matrices copied into the layouts of bf16_block.h, with zeros beyond their edges. */
#ifndef AUXO_CPU_BF16_PACK_H
#define AUXO_CPU_BF16_PACK_H

#include "bf16_block.h"

typedef struct bf16_matrix {
    const uint16_t *data;
    int64_t row_stride, column_stride; /* in elements; one of them is 1 */
} bf16_matrix;

#define bf16_pack_a CPU_NAME(cpu_bf16_pack_a)
#define bf16_pack_b CPU_NAME(cpu_bf16_pack_b)
/* The first `rows` <= 32 rows of A, all `depth` of them, into ceil(depth / 32) steps. */
void bf16_pack_a(bf16_matrix a, int64_t rows, int64_t depth, uint16_t *out);
/* The first `columns` <= 32 columns of B (depth, columns) into a panel of as many steps, whose rows are 32 pairs. */
void bf16_pack_b(bf16_matrix b, int64_t depth, int64_t columns, uint32_t *out);

#endif
