/* gemm_narrow.h: products of a tall matrix with a matrix small enough to stay in registers. */
#ifndef AUXO_CPU_GEMM_NARROW_H
#define AUXO_CPU_GEMM_NARROW_H

#include "gemm_block.h"

enum { GEMM_NARROW_DEPTH_MAX = 16, GEMM_NARROW_VECTORS_MAX = 2 };

#define gemm_narrow_run CPU_NAME(cpu_gemm_narrow_run)
CPU_INLINE bool gemm_narrow_fits(const gemm_problem *problem)
{
    return problem->depth >= 1 && problem->depth <= GEMM_NARROW_DEPTH_MAX &&
           problem->columns <= (int64_t)GEMM_NARROW_VECTORS_MAX * VEC_LANES && problem->rows >= 2 * VEC_LANES;
}

/* Rows [rows.begin, rows.end) of C. `packed_b` has room for depth x 2 vectors and is private to the thread. */
void gemm_narrow_run(const gemm_problem *problem, cpu_range rows, float *packed_b);

#define gemm_few_run CPU_NAME(cpu_gemm_few_run)
/* The same for contiguous A and C so narrow that several rows fit one vector. False, and nothing done, where it does
 * not apply. */
bool gemm_few_run(const gemm_problem *problem, cpu_range rows);

#endif
