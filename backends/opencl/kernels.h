/* backends/opencl/kernels.h: the kernels of every op.
 *
 * Owns the two lists from which backend.c builds its table: ops with one kernel (a prepare function each) and ops with
 * alternatives (an array each, the preferred variant first).
 */
#ifndef OCL_KERNELS_H
#define OCL_KERNELS_H

#include "task.h"

/* X(KIND, noun): ops with the single variant "native". */
#define OCL_SINGLE_TABLE(X)                                                                                            \
    X(ACTIVATION_FORWARD, activation_forward)                                                                          \
    X(ACTIVATION_BACKWARD, activation_backward)                                                                        \
    X(ADD, add)                                                                                                        \
    X(FILL, fill)                                                                                                      \
    X(COPY, copy)                                                                                                      \
    X(COUNTER_ADD, counter_add)

#define OCL_DECLARE_PREPARE(kind, noun) ocl_prepare_function ocl_##noun##_prepare;
OCL_SINGLE_TABLE(OCL_DECLARE_PREPARE)
#undef OCL_DECLARE_PREPARE

#endif
