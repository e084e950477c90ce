/* gemm_pack.h: matrices copied into the order in which the tile product reads them. */
#ifndef AUXO_CPU_GEMM_PACK_H
#define AUXO_CPU_GEMM_PACK_H

#include "gemm_tile.h"

typedef struct gemm_operand_b {
    const float *data;
    int64_t depth_stride, column_stride; /* in elements; one of them is 1 */
} gemm_operand_b;

/* The same matrices with elements of 16 bits. */
typedef struct gemm_half {
    const uint16_t *data;
    auxo_dtype format;
    int64_t row_stride, column_stride; /* in elements; one of them is 1 */
} gemm_half;

#define gemm_pack_half_b CPU_NAME(cpu_gemm_pack_half_b)
#define gemm_pack_half_a CPU_NAME(cpu_gemm_pack_half_a)
#define gemm_pack_b CPU_NAME(cpu_gemm_pack_b)
#define gemm_pack_a CPU_NAME(cpu_gemm_pack_a)
/* B (depth, columns) into out (depth, vectors * VEC_LANES), zeros to the right. */
void gemm_pack_b(gemm_operand_b b, int64_t depth, int64_t columns, int64_t vectors, float *out);
/* A (rows, depth) into out (depth, rows). */
void gemm_pack_a(gemm_operand_a a, int64_t rows, int64_t depth, float *out);
/* B (depth, columns) and A (rows, depth) of 16 bits, widened. */
void gemm_pack_half_b(gemm_half b, int64_t depth, int64_t columns, int64_t vectors, float *out);
void gemm_pack_half_a(gemm_half a, int64_t rows, int64_t depth, float *out);

#endif
