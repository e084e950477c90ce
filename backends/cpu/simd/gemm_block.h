/* gemm_block.h: one matrix product by packed blocks, by one thread or by all. */
#ifndef AUXO_CPU_GEMM_BLOCK_H
#define AUXO_CPU_GEMM_BLOCK_H

#include "cpu_kernel.h"
#include "gemm_pack.h"

/* C (rows, columns) = epilogue(A (rows, depth) B (depth, columns)). */
typedef struct gemm_problem {
    int64_t rows, columns, depth;
    gemm_operand_a a;
    gemm_operand_b b;
    gemm_half half_a, half_b; /* data not NULL: operands of 16 bits instead of a and b */
    float *c;
    int64_t c_row_stride;
    gemm_epilogue epilogue;
} gemm_problem;

#define gemm_block_scratch_bytes CPU_NAME(cpu_gemm_block_scratch_bytes)
#define gemm_block_run CPU_NAME(cpu_gemm_block_run)
size_t gemm_block_scratch_bytes(int64_t rows, int64_t columns, int64_t depth);
/* `pool` NULL: the caller's thread alone. */
void gemm_block_run(const gemm_problem *problem, cpu_pool *pool, char *scratch);

#endif
