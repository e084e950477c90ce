/* backends/opencl/gemm.h: the extents and strides of one gemm op, read once for all its variants. */
#ifndef OCL_GEMM_H
#define OCL_GEMM_H

#include "auxo/ops.h"

/* Strides in elements: X_row steps op(X)'s first index, X_column its second. */
typedef struct ocl_gemm_shape {
    int64_t batches, m, n, k;
    int64_t a_batch, a_row, a_column;
    int64_t b_batch, b_row, b_column;
    int64_t c_batch, c_row;
} ocl_gemm_shape;

ocl_gemm_shape ocl_gemm_shape_of(const auxo_op *op);

#endif
