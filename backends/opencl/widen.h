/* backends/opencl/widen.h: ops on 16 bits by kernels of f32, on copies: for CPU drivers, whose kernels live on vectors
 * that 16 bits do not fill, and on which a copy costs little beside the op.
 */
#ifndef OCL_WIDEN_H
#define OCL_WIDEN_H

#include "task.h"

/* What one slot of an op is to it. */
typedef struct ocl_widened_output {
    uint32_t slot;
    bool is_read; /* before it is written */
} ocl_widened_output;

/* `build` on the op whose 16-bit tensors are f32 scratch: widened before, and `output` rounded after, once. An op in
 * f32 is built as it is. */
void ocl_build_widened(ocl_builder *builder, const auxo_op *op, const int32_t *parameters, ocl_build_function *build,
                       ocl_widened_output output);

#endif
