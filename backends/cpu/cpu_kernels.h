/* cpu_kernels.h: the kernels of the cpu backend: which ops have optimised ones, and the table of all variants.
 *
 * The kernels of simd/ are compiled once per instruction set; each compilation exports cpu_<noun>_prepare_<isa> and
 * cpu_<noun>_enqueue_<isa>, which become the variant <isa>.
 */
#ifndef AUXO_CPU_KERNELS_H
#define AUXO_CPU_KERNELS_H

#include "cpu_kernel.h"

/* X(KIND, noun): ops with kernels in simd/ and no other variants but the reference. */
#define CPU_SIMD_TABLE(X)                                                                                              \
    X(POOL2D_FORWARD, pool2d_forward)                                                                                  \
    X(POOL2D_BACKWARD, pool2d_backward)                                                                                \
    X(ACTIVATION_FORWARD, activation_forward)                                                                          \
    X(ACTIVATION_BACKWARD, activation_backward)                                                                        \
    X(ADD, add)                                                                                                        \
    X(BIAS_ADD, bias_add)                                                                                              \
    X(SCALE, scale)                                                                                                    \
    X(FILL, fill)                                                                                                      \
    X(MULTIPLY_ADD, multiply_add)                                                                                      \
    X(COPY, copy)                                                                                                      \
    X(OPTIMIZER_STEP, optimizer_step)                                                                                  \
    X(SOFTMAX, softmax)                                                                                                \
    X(SOFTMAX_CROSS_ENTROPY, softmax_cross_entropy)                                                                    \
    X(MSE, mse)                                                                                                        \
    X(GATHER_BATCH, gather_batch)                                                                                      \
    X(INDEX_SELECT, index_select)                                                                                      \
    X(MLP_FORWARD, mlp_forward)                                                                                        \
    X(MLP_GRADIENT, mlp_gradient)                                                                                      \
    X(MLP_HVP, mlp_hvp)                                                                                                \
    X(THETA_EVAL, theta_eval)                                                                                          \
    X(REDUCE, reduce)                                                                                                  \
    X(SEGMENT_REDUCE, segment_reduce)                                                                                  \
    X(GROUP_NORM, group_norm)                                                                                          \
    X(PENALTY, penalty)                                                                                                \
    X(BATCH_NORM_FORWARD, batch_norm_forward)                                                                          \
    X(BATCH_NORM_BACKWARD, batch_norm_backward)                                                                        \
    X(DROPOUT, dropout)                                                                                                \
    X(RANDOM_FILL, random_fill)                                                                                        \
    X(AUGMENT, augment)
/* X(KIND, noun): ops with a kernel that no instruction set matters to. */
#define CPU_NATIVE_TABLE(X) X(ARGSORT, argsort) X(KEPT_SCAN, kept_scan)
/* X(KIND, noun): ops that run the reference kernel. */
#define CPU_REFERENCE_TABLE(X) X(COX, cox) X(COUNTER_ADD, counter_add) X(LOSS_SCALE, loss_scale)

#define CPU_DECLARE(noun, isa)                                                                                         \
    auxo_status cpu_##noun##_prepare_##isa(void *device, const auxo_op *op, const int32_t *parameters, void **state,   \
                                           auxo_error *error);                                                         \
    auxo_status cpu_##noun##_enqueue_##isa(void *queue, const auxo_op *op, void *state, auxo_error *error);
#define CPU_SIMD_DECLARE(kind, noun)                                                                                   \
    CPU_DECLARE(noun, simd)                                                                                            \
    CPU_DECLARE(noun, avx2)                                                                                            \
    CPU_DECLARE(noun, avx512)
CPU_SIMD_DECLARE(GEMM, gemm)
CPU_SIMD_DECLARE(CONV2D_FORWARD, conv2d_forward)
CPU_SIMD_DECLARE(CONV2D_BACKWARD_DATA, conv2d_backward_data)
CPU_SIMD_DECLARE(CONV2D_BACKWARD_WEIGHTS, conv2d_backward_weights)
CPU_SIMD_TABLE(CPU_SIMD_DECLARE)
#define CPU_BF16_DECLARE(noun)                                                                                         \
    CPU_DECLARE(noun, amx_bf16)                                                                                        \
    CPU_DECLARE(noun, avx512_bf16)
CPU_BF16_DECLARE(gemm)
CPU_BF16_DECLARE(conv2d_forward)
CPU_BF16_DECLARE(conv2d_backward_data)
CPU_BF16_DECLARE(conv2d_backward_weights)
CPU_SIMD_DECLARE(CONV2D_FORWARD, conv2d_forward_winograd)
CPU_SIMD_DECLARE(CONV2D_BACKWARD_DATA, conv2d_backward_data_winograd)
#define CPU_NATIVE_DECLARE(kind, noun) CPU_DECLARE(noun, native)
CPU_NATIVE_TABLE(CPU_NATIVE_DECLARE)

/* Whether products of bf16 run on matrix units here: the processor has them, the system permits them, and this library
 * was built by a compiler that knows them. */
bool cpu_kernels_have_matrix_units(void);

/* AUXO_OP_COUNT entries. */
extern const auxo_kernel_list cpu_kernel_lists[AUXO_OP_COUNT];

#endif
