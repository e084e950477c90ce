/* backends/opencl/kernels.h: the kernels of every op.
 *
 * Owns the two lists from which backend.c builds its table: ops with one kernel (a build function each) and ops with
 * alternatives (an array each, the preferred variant first).
 */
#ifndef OCL_KERNELS_H
#define OCL_KERNELS_H

#include "task.h"
#include "tile.h"

/* X(KIND, noun): ops with the single variant "native". */
#define OCL_SINGLE_TABLE(X)                                                                                            \
    X(ACTIVATION_FORWARD, activation_forward)                                                                          \
    X(ACTIVATION_BACKWARD, activation_backward)                                                                        \
    X(ADD, add)                                                                                                        \
    X(BIAS_ADD, bias_add)                                                                                              \
    X(SCALE, scale)                                                                                                    \
    X(REDUCE, reduce)                                                                                                  \
    X(DROPOUT, dropout)                                                                                                \
    X(SOFTMAX, softmax)                                                                                                \
    X(SOFTMAX_CROSS_ENTROPY, softmax_cross_entropy)                                                                    \
    X(MSE, mse)                                                                                                        \
    X(ARGSORT, argsort)                                                                                                \
    X(GROUP_NORM, group_norm)                                                                                          \
    X(PENALTY, penalty)                                                                                                \
    X(KEPT_SCAN, kept_scan)                                                                                            \
    X(INDEX_SELECT, index_select)                                                                                      \
    X(SEGMENT_REDUCE, segment_reduce)                                                                                  \
    X(GATHER_BATCH, gather_batch)                                                                                      \
    X(AUGMENT, augment)                                                                                                \
    X(RANDOM_FILL, random_fill)                                                                                        \
    X(FILL, fill)                                                                                                      \
    X(COPY, copy)                                                                                                      \
    X(MULTIPLY_ADD, multiply_add)                                                                                      \
    X(COUNTER_ADD, counter_add)                                                                                        \
    X(OPTIMIZER_STEP, optimizer_step)                                                                                  \
    X(LOSS_SCALE, loss_scale)                                                                                          \
    X(MLP_FORWARD, mlp_forward)                                                                                        \
    X(MLP_GRADIENT, mlp_gradient)                                                                                      \
    X(MLP_HVP, mlp_hvp)                                                                                                \
    X(THETA_EVAL, theta_eval)

/* X(KIND, noun, variant count): ops with alternatives. */
#define OCL_VARIANT_TABLE(X)                                                                                           \
    X(GEMM, gemm, 5)                                                                                                   \
    X(CONV2D_FORWARD, conv2d_forward, 4)                                                                               \
    X(CONV2D_BACKWARD_DATA, conv2d_backward_data, 4)                                                                   \
    X(CONV2D_BACKWARD_WEIGHTS, conv2d_backward_weights, 3)                                                             \
    X(BATCH_NORM_FORWARD, batch_norm_forward, 3)                                                                       \
    X(BATCH_NORM_BACKWARD, batch_norm_backward, 3)                                                                     \
    X(COX, cox, 2)                                                                                                     \
    X(POOL2D_FORWARD, pool2d_forward, 2)                                                                               \
    X(POOL2D_BACKWARD, pool2d_backward, 2)

#define OCL_DECLARE_BUILD(kind, noun) ocl_build_function ocl_##noun##_build;
OCL_SINGLE_TABLE(OCL_DECLARE_BUILD)
#undef OCL_DECLARE_BUILD

enum {
#define OCL_VARIANT_COUNT(kind, noun, count) OCL_##kind##_KERNEL_COUNT = (count),
    OCL_VARIANT_TABLE(OCL_VARIANT_COUNT)
#undef OCL_VARIANT_COUNT
};
#define OCL_DECLARE_VARIANTS(kind, noun, count)                                                                        \
    extern const auxo_kernel ocl_##noun##_kernels[OCL_##kind##_KERNEL_COUNT];
OCL_VARIANT_TABLE(OCL_DECLARE_VARIANTS)
#undef OCL_DECLARE_VARIANTS

/* loss.c: LOSS, STATS, HISTORY with its length and COUNTER as the last arguments of a kernel that ends with a loss. */
void ocl_arg_loss_outputs(ocl_builder *b, const auxo_op *op, int loss_slot, int stats_slot);

/* conv2d_planes.c: the variants "planes" of the three convolutions. */
bool ocl_conv2d_forward_planes_supports(void *device, const auxo_op *op);
bool ocl_conv2d_backward_data_planes_supports(void *device, const auxo_op *op);
bool ocl_conv2d_backward_weights_planes_supports(void *device, const auxo_op *op);
ocl_prepare_function ocl_conv2d_forward_planes_prepare;
ocl_prepare_function ocl_conv2d_backward_data_planes_prepare;
ocl_prepare_function ocl_conv2d_backward_weights_planes_prepare;

/* conv2d_tiled.c: the variants "tiled" of the three convolutions, with the tunables of tile.h. */
bool ocl_conv2d_forward_tiled_supports(void *device, const auxo_op *op);
bool ocl_conv2d_backward_data_tiled_supports(void *device, const auxo_op *op);
bool ocl_conv2d_backward_weights_tiled_supports(void *device, const auxo_op *op);
ocl_prepare_function ocl_conv2d_forward_tiled_prepare;
ocl_prepare_function ocl_conv2d_backward_data_tiled_prepare;
ocl_prepare_function ocl_conv2d_backward_weights_tiled_prepare;

/* conv2d_winograd.c: the variants "winograd" of two convolutions, with the tunables of gemm's "tiled" and two of their
 * own.
 */
enum { OCL_CONV2D_WINOGRAD_TUNABLE_COUNT = OCL_GEMM_TILED_TUNABLE_COUNT + 2 };
extern const auxo_tunable ocl_conv2d_winograd_tunables[OCL_CONV2D_WINOGRAD_TUNABLE_COUNT];
bool ocl_conv2d_winograd_supports(void *device, const auxo_op *op);
ocl_prepare_function ocl_conv2d_winograd_prepare;

/* gemm_tiled.c: the variant "tiled" of gemm, with the tunables of tile.h. */
bool ocl_gemm_tiled_supports(void *device, const auxo_op *op);
ocl_prepare_function ocl_gemm_tiled_prepare;

/* gemm_matrix.c: the variant "matrix" of gemm. */
enum { OCL_GEMM_MATRIX_TUNABLE_COUNT = 2 };
extern const auxo_tunable ocl_gemm_matrix_tunables[OCL_GEMM_MATRIX_TUNABLE_COUNT];
bool ocl_gemm_matrix_supports(void *device, const auxo_op *op);
ocl_prepare_function ocl_gemm_matrix_prepare;

/* gemm_clblast.c: the variant "clblast" of gemm. */
enum { OCL_GEMM_CLBLAST_TUNABLE_COUNT = 7 };
extern const auxo_tunable ocl_gemm_clblast_tunables[OCL_GEMM_CLBLAST_TUNABLE_COUNT];
bool ocl_gemm_clblast_supports(void *device, const auxo_op *op);
ocl_prepare_function ocl_gemm_clblast_prepare;
void ocl_gemm_clblast_release(void *device, void *state);
auxo_status ocl_gemm_clblast_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error);

#endif
