/* auxo/ops.h: every operation a backend can execute, as const descriptors.
 *
 * For each op: the formula, the slots with their shapes, aliasing, edge cases and the error bound. The checks of
 * these contracts live once, in runtime/ops/, for all backends; a backend's kernel may rely on them.
 *
 * Conventions. Tensors are contiguous, row-major, NCHW for images unless a slot says "strided". f32 unless said.
 * A slot marked (opt) may be absent. Any dim may be 0: the op then writes nothing (reductions over nothing give
 * their neutral element). Inputs and outputs do not overlap unless the op allows "in place". Every output element
 * is written; outputs are never read unless said. Results do not depend on timing: same device, same bits.
 * u = 2^-24. A bound "k u S" means |error| <= k u S with S the sum of absolute values of the summed terms.
 *
 * 16 bits: the slots that an op lists after "half:" may be f16 or bf16 instead, all of one op in the same format unless
 * it says otherwise; the others stay f32. Arithmetic is that of f32 on the widened values, sums and statistics
 * included; an output is rounded to its format once, at the end. To an op's bound comes then v |y|, with v = 2^-11 for
 * f16 (and 2^-25 where y is subnormal there; beyond 65504 it is infinite) and v = 2^-8 for bf16. A device that cannot
 * do an op in 16 bits refuses it.
 *
 * NaN: an output element that depends on a NaN is NaN, on every device: a reduction of any kind, the loss and the row
 * of its gradient, the row of a softmax, the channel of a batch norm, the maximum of a window, the parameter and the
 * state of an optimizer step. A penalty keeps a NaN weight NaN (its gradient in the subgradient step too), and where
 * the step depends on the whole group (l21, linf1 proximal) makes all of the group NaN: what diverged never looks
 * pruned. f'(NaN) is NaN for all activations but the identity. Exceptions, where the formula chooses: dropout writes 0
 * over what it drops; linf1's subgradient touches the first NaN of a group only; a convolution computed by tiles
 * (Winograd) may spread a NaN over its tile; argsort and kept_scan say where NaN goes (auto-sizing and MorphNet refuse
 * such norms before).
 * Infinities follow IEEE arithmetic as the formula is written; where that gives infinity minus infinity, in the
 * statistics of a batch norm too, the outputs that depend on it are not finite.
 *
 * Range: sums, losses, batch norms and penalties may be taken in pairs of f32. They keep their bounds while the sizes
 * of all terms add up to less than 2^127 and, where squares are summed, the squares are 0 or above 2^-100 (so |x| is up
 * to 2^63 / sqrt(terms) and from 2^-50 on). Past that range a device without doubles may give infinity or 0.
 * group_norm's l2 and rms, softmax, and each row of softmax_cross_entropy keep theirs for all of f32.
 *
 * COUNTER is u32[4] in device memory, advanced by AUXO_OP_COUNTER_ADD, so that many steps can run without the
 * host: [0] training step (1 for the first), [1] batch within the epoch, [2] epoch, [3] free.
 *
 * Random numbers: Philox4x32-10 (Salmon et al. 2011; Random123), key = (seed low, seed high),
 * counter = (e / 4, e / 4 / 2^32, stream, COUNTER[0] or 0), word e % 4 for element e.
 * Uniform in [0,1): (word >> 8) * 2^-24, so integers and uniforms are bit-identical on all backends.
 */
#ifndef AUXO_OPS_H
#define AUXO_OPS_H

#include "auxo/kinds.h"
#include "auxo/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(KIND, noun): the noun names the op everywhere: files, shaders, tests, `auxo bench <noun>`. */
#define AUXO_OP_TABLE(X)                                                                                               \
    X(GEMM, gemm)                                                                                                      \
    X(CONV2D_FORWARD, conv2d_forward)                                                                                  \
    X(CONV2D_BACKWARD_DATA, conv2d_backward_data)                                                                      \
    X(CONV2D_BACKWARD_WEIGHTS, conv2d_backward_weights)                                                                \
    X(POOL2D_FORWARD, pool2d_forward)                                                                                  \
    X(POOL2D_BACKWARD, pool2d_backward)                                                                                \
    X(ACTIVATION_FORWARD, activation_forward)                                                                          \
    X(ACTIVATION_BACKWARD, activation_backward)                                                                        \
    X(ADD, add)                                                                                                        \
    X(BIAS_ADD, bias_add)                                                                                              \
    X(SCALE, scale)                                                                                                    \
    X(REDUCE, reduce)                                                                                                  \
    X(BATCH_NORM_FORWARD, batch_norm_forward)                                                                          \
    X(BATCH_NORM_BACKWARD, batch_norm_backward)                                                                        \
    X(DROPOUT, dropout)                                                                                                \
    X(SOFTMAX, softmax)                                                                                                \
    X(SOFTMAX_CROSS_ENTROPY, softmax_cross_entropy)                                                                    \
    X(MSE, mse)                                                                                                        \
    X(COX, cox)                                                                                                        \
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
    X(MLP_FORWARD, mlp_forward)                                                                                        \
    X(MLP_GRADIENT, mlp_gradient)                                                                                      \
    X(MLP_HVP, mlp_hvp)                                                                                                \
    X(THETA_EVAL, theta_eval)                                                                                          \
    X(LOSS_SCALE, loss_scale)

typedef enum auxo_op_kind {
#define AUXO_OP_ENUM(kind, noun) AUXO_OP_##kind,
    AUXO_OP_TABLE(AUXO_OP_ENUM)
#undef AUXO_OP_ENUM
        AUXO_OP_COUNT
} auxo_op_kind;

/* ---- gemm: C = act(alpha op(A) op(B) + beta C + bias) ------------------------------------------------------------
 * A (M,K) or (K,M) if trans_a; B (K,N) or (N,K) if trans_b; C (M,N), read only if beta != 0; BIAS(opt) (N) if
 * bias_per_row is false, else (M). Rank 3 adds a leading batch dim; a batch stride of 0 broadcasts A or B.
 * A, B, C strided: innermost stride 1, row stride >= row length. K = 0: C = act(beta C + bias). alpha = 0 does not
 * read A or B. half: A, B, and C if they are (C may also be f32). FLOPs 2MNK. Bound (K + 4) u S. */
enum { AUXO_GEMM_A, AUXO_GEMM_B, AUXO_GEMM_C, AUXO_GEMM_BIAS };
typedef struct auxo_gemm_params {
    bool trans_a, trans_b, bias_per_row;
    float alpha, beta;
    auxo_activation activation;
    float slope;
} auxo_gemm_params;

/* ---- conv2d: cross-correlation with zero padding -----------------------------------------------------------------
 * forward: Y[n,k,p,q] = act(BIAS[k] + sum_{c,r,s} X[n, g C/G + c, p sh - ph + r dh, q sw - pw + s dw] W[k,c,r,s]),
 * X (N,C,H,W), W (K,C/G,R,S), BIAS(opt) (K), Y (N,K,P,Q), P = (H + 2ph - dh(R-1) - 1) / sh + 1 rounded down.
 * backward_data: DX from DY, W. backward_weights: DW, and DBIAS(opt) (K) = sum of DY over n,p,q; both overwrite.
 * half: X, W, Y; DY, W, DX; X, DY (DW and DBIAS are f32). The backward ops ignore `activation`. FLOPs 2 N K P Q (C/G) R
 * S each. Bound (terms + 4) u S; where a fast algorithm computes a tile of outputs at once (Winograd), S is the
 * greatest of those of the windows under its tile. */
enum { AUXO_CONV2D_X, AUXO_CONV2D_W, AUXO_CONV2D_Y, AUXO_CONV2D_BIAS };                /* forward */
enum { AUXO_CONV2D_BD_DY, AUXO_CONV2D_BD_W, AUXO_CONV2D_BD_DX };                       /* backward_data */
enum { AUXO_CONV2D_BW_X, AUXO_CONV2D_BW_DY, AUXO_CONV2D_BW_DW, AUXO_CONV2D_BW_DBIAS }; /* backward_weights */
typedef struct auxo_conv2d_params {
    int32_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
    auxo_activation activation; /* forward only */
    float slope;
} auxo_conv2d_params;

/* ---- pool2d: X (N,C,H,W) -> Y (N,C,P,Q) --------------------------------------------------------------------------
 * Padding is smaller than the window and never wins. max: ties go to the lowest (h,w); NaN wins; INDEX(opt) (N,C,P,Q)
 * receives the place within the window, r S + s for the element (p sh - ph + r, q sw - pw + s) of a window R x S
 * (absent for average): u8 where the window has at most 256 elements, else u32 (auxo_pool2d_index_dtype). average:
 * divides by the number of elements inside the image. backward: DX from DY and (max) INDEX; overlapping windows add up
 * in window order. pool2d_backward of max does not need X. half: X, Y; DY, DX. The maximum is exact; averages and sums
 * of a gradient have the bound (window elements + 4) u S. */
enum { AUXO_POOL2D_X, AUXO_POOL2D_Y, AUXO_POOL2D_INDEX };         /* forward */
enum { AUXO_POOL2D_B_DY, AUXO_POOL2D_B_DX, AUXO_POOL2D_B_INDEX }; /* backward */
typedef struct auxo_pool2d_params {
    auxo_pool_kind kind;
    int32_t window_h, window_w, stride_h, stride_w, pad_h, pad_w;
} auxo_pool2d_params;

/* ---- activation: Y = f(X); DX = DY f'(x) computed from Y. Any rank. In place allowed (X=Y, DY=DX). half: all slots.
 * Bound 16 u (1 + |y|), where the function is not exact; backward 8 u |DY|. ------------------------------------------
 */
enum { AUXO_ACTIVATION_X, AUXO_ACTIVATION_Y };                            /* forward */
enum { AUXO_ACTIVATION_B_Y, AUXO_ACTIVATION_B_DY, AUXO_ACTIVATION_B_DX }; /* backward */
typedef struct auxo_activation_params {
    auxo_activation activation;
    float slope;
} auxo_activation_params;

/* ---- add: Y = alpha A + beta B. Same shapes, any rank. In place allowed (Y = A or Y = B). half: all slots. Bound 4 u
 * S.
 * -------------------------------------------------------------------------------------------------------------------
 */
enum { AUXO_ADD_A, AUXO_ADD_B, AUXO_ADD_Y };
typedef struct auxo_add_params {
    float alpha, beta;
} auxo_add_params;

/* ---- bias_add: Y[o,c,i] = act(X[o,c,i] + BIAS[c]); scale: Y[o,c,i] = X[o,c,i] SCALE[c]. X, Y rank 3. In place
 * allowed where X and Y have one dtype. half: X and Y, of scale each for itself. Bounds 2 u S before the activation,
 * 4 u S. ----------------------------------------------------------------------------------------------------------
 */
enum { AUXO_BIAS_ADD_X, AUXO_BIAS_ADD_BIAS, AUXO_BIAS_ADD_Y };
enum { AUXO_SCALE_X, AUXO_SCALE_SCALE, AUXO_SCALE_Y };

/* ---- reduce: Y[c] = reduction of X[o,c,i] over o and i; X (outer, channels, inner), Y (channels). -----------------
 * Neutral elements: sum-like 0, max -inf, min +inf; mean of nothing is 0. Bound (8 + log2 terms) u S, that is,
 * pairwise or compensated. half: X. */
enum { AUXO_REDUCE_X, AUXO_REDUCE_Y };
typedef struct auxo_reduce_params {
    auxo_reduce_kind kind;
} auxo_reduce_params;

/* ---- batch_norm over X (N,C,inner) ------------------------------------------------------------------------------
 * training: mean and biased variance v per channel over n and inner; Y = GAMMA (X - mean) / sqrt(v + epsilon) + BETA;
 * SAVED_MEAN, SAVED_INVSTD (C) written; RUNNING_* <- (1 - momentum) RUNNING_* + momentum (mean | unbiased variance).
 * training needs at least 2 elements per channel. inference: uses RUNNING_*, SAVED_* absent. activation is applied to Y
 * last.
 * backward: DX, DGAMMA, DBETA from X, GAMMA, SAVED_*, DY (gradient after the activation has been undone).
 * half: X, Y; X, DY, DX. Bounds 64 u of gamma / sqrt(v + epsilon) |X - mean| and beta; backward 128 u (1 + max |X|) of
 * DX's terms, sums as for reduce. */
enum {
    AUXO_BATCH_NORM_X,
    AUXO_BATCH_NORM_GAMMA,
    AUXO_BATCH_NORM_BETA,
    AUXO_BATCH_NORM_RUNNING_MEAN,
    AUXO_BATCH_NORM_RUNNING_VAR,
    AUXO_BATCH_NORM_Y,
    AUXO_BATCH_NORM_SAVED_MEAN,
    AUXO_BATCH_NORM_SAVED_INVSTD
};
enum {
    AUXO_BATCH_NORM_B_X,
    AUXO_BATCH_NORM_B_GAMMA,
    AUXO_BATCH_NORM_B_SAVED_MEAN,
    AUXO_BATCH_NORM_B_SAVED_INVSTD,
    AUXO_BATCH_NORM_B_DY,
    AUXO_BATCH_NORM_B_DX,
    AUXO_BATCH_NORM_B_DGAMMA,
    AUXO_BATCH_NORM_B_DBETA
};
typedef struct auxo_batch_norm_params {
    bool training;
    float epsilon, momentum;
    auxo_activation activation; /* forward only */
    float slope;
} auxo_batch_norm_params;

/* ---- dropout: Y[e] = uniform(e) < rate ? 0 : X[e] / (1 - rate); any rank; in place allowed. -----------------------
 * COUNTER(opt): [0] enters the stream, so forward and backward of one step drop the same elements. half: X, Y. Bound
 * 4 u |y|; what is dropped is 0. */
enum { AUXO_DROPOUT_X, AUXO_DROPOUT_Y, AUXO_DROPOUT_COUNTER };
typedef struct auxo_dropout_params {
    float rate; /* in [0, 1) */
    uint64_t seed;
    uint32_t stream;
} auxo_dropout_params;

/* ---- softmax: Y[r,:] = softmax(X[r,:]), X, Y (rows, classes), max subtracted first. In place allowed. -------------
 */
enum { AUXO_SOFTMAX_X, AUXO_SOFTMAX_Y };

/* ---- losses -------------------------------------------------------------------------------------------------------
 * Common slots: LOSS f32[2]: the loss as an unevaluated sum hi + lo (hi alone is the f32 value).
 * STATS(opt) f32[4], read and added to: [0] += sum of row losses, [1] += rows predicted right (classification),
 * [2] += rows, [3] += 1. HISTORY(opt) f32[H] with COUNTER: HISTORY[(COUNTER[0] - 1) mod H] = loss.
 * softmax_cross_entropy: LOGITS (rows, classes), LABELS u32 (rows); loss = mean over rows of
 *   log sum_c exp(z_c) - z_label; DLOGITS(opt) = (softmax - onehot) / rows. A label >= classes gives loss NaN.
 *   A row counts as right if its label's logit is the first maximum. half: LOGITS, DLOGITS. Bound of DLOGITS
 *   u (16 / rows + 64 |y|), of the loss 16 u (1 + max |z|).
 * mse: PREDICTION, TARGET (rows, outputs); loss = mean of squared differences over all elements;
 *   DPREDICTION(opt) = 2 (p - t) / (rows outputs). Accumulated compensated or in double. rows = 0: loss 0. */
enum {
    AUXO_XENT_LOGITS,
    AUXO_XENT_LABELS,
    AUXO_XENT_LOSS,
    AUXO_XENT_DLOGITS,
    AUXO_XENT_STATS,
    AUXO_XENT_HISTORY,
    AUXO_XENT_COUNTER
};
enum {
    AUXO_MSE_PREDICTION,
    AUXO_MSE_TARGET,
    AUXO_MSE_LOSS,
    AUXO_MSE_DPREDICTION,
    AUXO_MSE_STATS,
    AUXO_MSE_HISTORY,
    AUXO_MSE_COUNTER
};

/* ---- cox: negative log partial likelihood (Cox 1972; the domain term: Burghoff et al. 2023) ------------------------
 * RISK h (n), TIME (n), EVENT u32 (n, 0 or 1), ORDER u32 (n): indices by ascending TIME (argsort).
 * Loss = sum over events i of (log sum_{j: t_j >= t_i} exp h_j - h_i), Breslow, or Efron's correction within ties;
 * divided by 1 | n | number of events; plus domain_strength times (n mean(h)^2 | mean(h)^2 | mean(h^2)).
 * DRISK(opt) (n). A NaN among the risks makes LOSS and all of DRISK NaN. No event: the likelihood term and its gradient
 * are 0. Stable for |h| up to 1e4. O(n log n). */
enum {
    AUXO_COX_RISK,
    AUXO_COX_TIME,
    AUXO_COX_EVENT,
    AUXO_COX_ORDER,
    AUXO_COX_LOSS,
    AUXO_COX_DRISK,
    AUXO_COX_STATS,
    AUXO_COX_HISTORY,
    AUXO_COX_COUNTER
};
typedef struct auxo_cox_params {
    auxo_cox_ties ties;
    auxo_cox_reduction reduction;
    auxo_cox_domain domain;
    float domain_strength;
} auxo_cox_params;

/* ---- argsort: ORDER u32 (n) so that KEYS[ORDER] ascends (descends); stable; NaN keys last. ------------------------
 */
enum { AUXO_ARGSORT_KEYS, AUXO_ARGSORT_ORDER };
typedef struct auxo_argsort_params {
    bool descending;
} auxo_argsort_params;

/* ---- group_norm: NORM[g] over the elements w of row g of W (groups, size) and BIAS[g](opt, counts as one more) -----
 * l1: sum|w|; l2: sqrt(sum w^2); linf: max|w|; mean: sum|w| / count; rms: sqrt(sum w^2 / count);
 * weighted_l1: (g + 1) sum|w| (dynamic auto-sizing, eq. 4.2). Empty row: 0. */
enum { AUXO_GROUP_NORM_W, AUXO_GROUP_NORM_BIAS, AUXO_GROUP_NORM_NORM };
typedef struct auxo_group_norm_params {
    auxo_norm_kind kind;
} auxo_group_norm_params;

/* ---- penalty: regulariser on W (groups, size) and BIAS(opt) (groups), with COEF(opt) f32 (groups) factors ----------
 * c_g = strength COEF[g] (weighted_l1: (g + 1) strength COEF[g]); COEF absent counts as 1.
 * step subgradient: DW += c_g d/dw of the penalty (sign(0) = 0; linf: on the first element of largest |w|), DBIAS too.
 * step proximal: W, BIAS <- prox with threshold HYPER[0] c_g (HYPER[0] = learning rate); DW, DBIAS absent.
 * kinds: l1, weighted_l1: sum|w|; l2_squared: sum w^2; l21: sqrt(sum w^2) per group; linf1: max|w| per group.
 * VALUE(opt) f32[1]: the penalty's value before the step, overwritten. */
enum {
    AUXO_PENALTY_W,
    AUXO_PENALTY_BIAS,
    AUXO_PENALTY_DW,
    AUXO_PENALTY_DBIAS,
    AUXO_PENALTY_COEF,
    AUXO_PENALTY_HYPER,
    AUXO_PENALTY_VALUE
};
typedef struct auxo_penalty_params {
    auxo_penalty_kind kind;
    bool proximal;
    float strength;
} auxo_penalty_params;

/* ---- kept_scan: KEPT u32 (n) receives, ascending, the g with NORM[g] >= threshold; COUNT u32[1] how many. ----------
 * Entries of KEPT past COUNT are 0xffffffff. A NaN is below every threshold. If fewer than min_keep pass, the min_keep
 * largest are kept (ties: lowest index), still ascending. */
enum { AUXO_KEPT_SCAN_NORM, AUXO_KEPT_SCAN_KEPT, AUXO_KEPT_SCAN_COUNT };
typedef struct auxo_kept_scan_params {
    float threshold;
    uint32_t min_keep;
} auxo_kept_scan_params;

/* ---- index_select: Y[o,j,i] = X[o,INDEX[j],i], X (outer, axis, inner), INDEX u32 (m), Y (outer, m, inner) ----------
 * An index >= axis gives `fill`. f32 or u32. Compaction, growth and reordering of weights and optimiser state. */
enum { AUXO_INDEX_SELECT_X, AUXO_INDEX_SELECT_INDEX, AUXO_INDEX_SELECT_Y };
typedef struct auxo_index_select_params {
    float fill; /* cast to the dtype */
} auxo_index_select_params;

/* ---- segment_reduce: Y[s] = reduction over e in [OFFSETS[s], OFFSETS[s+1]) of A[e] (or A[e] B[e] for dot). ---------
 * A, B (n) flat; OFFSETS u32 (S + 1) ascending; Y f32 (S). Kinds of auxo_reduce_kind, or dot. */
enum { AUXO_SEGMENT_REDUCE_A, AUXO_SEGMENT_REDUCE_B, AUXO_SEGMENT_REDUCE_OFFSETS, AUXO_SEGMENT_REDUCE_Y };
typedef struct auxo_segment_reduce_params {
    auxo_reduce_kind kind; /* of |.| etc. on A; ignored if dot */
    bool dot;
} auxo_segment_reduce_params;

/* ---- gather_batch: Y[b, :] = (scale DATA[row(b), :] - MEAN[c]) INVSTD[c]; row(b) = ORDER[(COUNTER[1] B + b) mod n] --
 * DATA (rows, C, inner) u8, f32 or u32; Y (B, C, inner) f32, or u32 when DATA is u32 or u8 and Y u32 (labels; no
 * scaling). ORDER(opt) u32 (n), absent: row = position, n = rows. COUNTER(opt): absent counts as 0.
 * MEAN, INVSTD(opt) (C), both or neither. half: Y. Bound 4 u S. */
enum {
    AUXO_GATHER_BATCH_DATA,
    AUXO_GATHER_BATCH_ORDER,
    AUXO_GATHER_BATCH_COUNTER,
    AUXO_GATHER_BATCH_MEAN,
    AUXO_GATHER_BATCH_INVSTD,
    AUXO_GATHER_BATCH_Y
};
typedef struct auxo_gather_batch_params {
    float scale;
} auxo_gather_batch_params;

/* ---- augment: per image, a shift by (dy, dx), uniform integers in [-max_shift, max_shift], zero fill, then a flip
 * with probability 1/2. X, Y (N,C,H,W). Philox words of element 4 n + k: k = 0 dy, 1 dx, 2 flip (word >> 31);
 * dy = (int)(((uint64)word * (2 max_shift_h + 1)) >> 32) - max_shift_h. half: X, Y, moved exactly. ------------------
 */
enum { AUXO_AUGMENT_X, AUXO_AUGMENT_Y, AUXO_AUGMENT_COUNTER };
typedef struct auxo_augment_params {
    int32_t max_shift_h, max_shift_w;
    bool flip;
    uint64_t seed;
    uint32_t stream;
} auxo_augment_params;

/* ---- random_fill: uniform: a + (b - a) u; normal: a + b z (Box-Muller of words e%4 = {0,1} and {2,3}: element 2k
 * uses cos, 2k + 1 sin, u1 = (word + 1) 2^-32 rounded to f32); bernoulli: u < a ? 1 : 0; bits: u32 Y, the word. -----
 */
enum { AUXO_RANDOM_FILL_Y, AUXO_RANDOM_FILL_COUNTER };
typedef struct auxo_random_fill_params {
    auxo_random_kind kind;
    float a, b;
    uint64_t seed;
    uint32_t stream;
} auxo_random_fill_params;

/* ---- fill: Y[e] = value (cast). copy: Y = scale X (+ Y if accumulate), both strided, same dims, any dtypes;
 * to integers it truncates and stays in the range of the dtype, NaN becomes 0; accumulate only f32. ------------------
 */
enum { AUXO_FILL_Y };
typedef struct auxo_fill_params {
    float value;
} auxo_fill_params;
enum { AUXO_COPY_X, AUXO_COPY_Y };
typedef struct auxo_copy_params {
    float scale; /* 1 copies integers exactly */
    bool accumulate;
} auxo_copy_params;

/* ---- multiply_add: Y = X, then `count` times Y = a Y + b, elementwise; X, Y any shape. In place allowed. What a
 * device can do where no memory stands in the way: the roof of benchmarks. Bound, for |a| < 1: 2 u (|a| M + |b|) / (1 -
 * |a|), M = max(|X|, |b| / (1 - |a|)). */
enum { AUXO_MULTIPLY_ADD_X, AUXO_MULTIPLY_ADD_Y };
typedef struct auxo_multiply_add_params {
    float a, b;
    uint32_t count;
} auxo_multiply_add_params;

/* ---- counter_add: COUNTER[i] += increments[i], i = 0..3 (mod 2^32). -----------------------------------------------
 */
enum { AUXO_COUNTER_ADD_COUNTER };
typedef struct auxo_counter_add_params {
    uint32_t increments[4];
} auxo_counter_add_params;

/* ---- optimizer_step: all parameters in one launch. PARAMS w, GRADS g, STATE0, STATE1 (n, as the kind needs) flat;
 * HYPER f32[AUXO_HYPER_COUNT] in device memory; COUNTER(opt): t = COUNTER[0] for Adam's bias correction (absent: 1).
 * g' = g + weight_decay w first (not adamw). sgd: w -= lr g'. momentum: m = mu m + g'; w -= lr m.
 * nesterov: m = mu m + g'; w -= lr (g' + mu m). rmsprop: v = rho v + (1 - rho) g'^2; w -= lr g' / (sqrt v + eps).
 * adagrad: v += g'^2; w -= lr g' / (sqrt v + eps). adam: m, v moments, w -= lr mhat / (sqrt vhat + eps).
 * adamw: w -= lr weight_decay w, then adam on g. phs (port-Hamiltonian; a = lr, m = mass, gm = friction):
 * momentum_first: p -= a (gm/m) p + a g'; w += a p / m with the new p; exponential friction: p = p exp(-a gm/m) - a g'.
 * explicit_euler: w += a p / m with the old p, p updated with the same g'. STATE0 = m or v (rmsprop, adagrad) or p,
 * STATE1 = v (adam). SKIP(opt) f32[1]: where it is not 0, nothing changes. COPY(opt) (n) receives the new w.
 * half: COPY, rounded from the f32 that PARAMS receives. */
enum {
    AUXO_OPTIMIZER_PARAMS,
    AUXO_OPTIMIZER_GRADS,
    AUXO_OPTIMIZER_STATE0,
    AUXO_OPTIMIZER_STATE1,
    AUXO_OPTIMIZER_HYPER,
    AUXO_OPTIMIZER_COUNTER,
    AUXO_OPTIMIZER_SKIP,
    AUXO_OPTIMIZER_COPY
};
typedef struct auxo_optimizer_step_params {
    auxo_optimizer_kind kind;
    bool explicit_euler;       /* phs only */
    bool exponential_friction; /* phs only */
} auxo_optimizer_step_params;

/* ---- fused narrow networks: whole fully connected networks, width by width, in few launches -------------------------
 * Flat PARAMS: for each layer l = 0..L-1 in order W_l (widths[l+1], widths[l]) row-major, then b_l (widths[l+1]) if
 * has_bias. a_0 = X; a_{l+1} = act_l(W_l a_l + b_l). The loss is mse over all rows and outputs, accumulated compensated
 * or in double, deterministic. The kernels take any L and widths up to AUXO_MLP_WIDTH_MAX.
 * mlp_forward: Y = a_{end_layer} from X = a_{begin_layer}.
 * mlp_gradient: X = a_{begin_layer}; TARGET (rows, widths[L]); GRADS has the layout of PARAMS; gradients of layers
 *   train_begin <= l < train_end are overwritten, the rest stay untouched; begin_layer <= train_begin. LOSS f32[2].
 *   STATS, HISTORY, COUNTER as for the losses.
 * mlp_hvp: for each direction v of V (P, params): HV (P, params) = H v restricted to rows where anything is asked
 *   (all), H = Hessian of the loss; exact (forward-over-reverse, Pearlmutter 1994).
 * theta_eval: LOSS (P, 2) hi, lo for P masks. THETA (P, G) factors; UNIT_GROUP u32 (sum of widths[1..L]) maps each unit
 *   to its column of THETA; FIRST_LAYER u32 (P): no factor of mask p differs from 1 before that layer (a hint that must
 *   be true; allows sharing the unperturbed prefix). Factor t on weights: z = t (W a + b); on outputs: a = t act(z).
 *   X = a_{begin_layer} (units of earlier layers are unperturbed). Losses are good to about 1e-12 relative of the f32
 *   forward values: sums over rows compensated. */
enum { AUXO_MLP_WIDTH_MAX = 64 };
typedef struct auxo_mlp {
    uint32_t layer_count;               /* L >= 1 */
    const uint32_t *widths;             /* L + 1; borrowed: must outlive the op or plan */
    const auxo_activation *activations; /* L; borrowed */
    float slope;
    bool has_bias;
} auxo_mlp;
typedef struct auxo_mlp_params {
    auxo_mlp mlp;
    uint32_t begin_layer;            /* X holds a_{begin_layer} */
    uint32_t end_layer;              /* mlp_forward */
    uint32_t train_begin, train_end; /* mlp_gradient */
    bool theta_on_outputs;           /* theta_eval */
} auxo_mlp_params;
enum { AUXO_MLP_FORWARD_X, AUXO_MLP_FORWARD_PARAMS, AUXO_MLP_FORWARD_Y };
enum {
    AUXO_MLP_GRADIENT_X,
    AUXO_MLP_GRADIENT_TARGET,
    AUXO_MLP_GRADIENT_PARAMS,
    AUXO_MLP_GRADIENT_GRADS,
    AUXO_MLP_GRADIENT_LOSS,
    AUXO_MLP_GRADIENT_STATS,
    AUXO_MLP_GRADIENT_HISTORY,
    AUXO_MLP_GRADIENT_COUNTER
};
enum { AUXO_MLP_HVP_X, AUXO_MLP_HVP_TARGET, AUXO_MLP_HVP_PARAMS, AUXO_MLP_HVP_V, AUXO_MLP_HVP_HV };
enum {
    AUXO_THETA_EVAL_X,
    AUXO_THETA_EVAL_TARGET,
    AUXO_THETA_EVAL_PARAMS,
    AUXO_THETA_EVAL_THETA,
    AUXO_THETA_EVAL_UNIT_GROUP,
    AUXO_THETA_EVAL_FIRST_LAYER,
    AUXO_THETA_EVAL_LOSS
};

/* ---- loss_scale: dynamic loss scaling (Micikevicius et al. 2018, section 3.2), one step of it ----------------------
 * STATE f32[8], positions AUXO_LOSS_SCALE_*; LARGEST (n): the largest |gradient| of each part. INVERSE = 1 / FACTOR
 * first. All of LARGEST finite: SKIP = 0, GOOD += 1; when GOOD reaches `interval`, GOOD = 0 and FACTOR doubles unless
 * it would pass `most`. Else SKIP = 1, SKIPPED += 1, GOOD = 0, and FACTOR halves; if it would fall below `least` it is
 * `least`, and EXHAUSTED, where 0, is COUNTER[0] (absent: 1). Exact for powers of 2. */
enum { AUXO_LOSS_SCALE_LARGEST_SLOT, AUXO_LOSS_SCALE_STATE_SLOT, AUXO_LOSS_SCALE_COUNTER_SLOT };
typedef struct auxo_loss_scale_params {
    uint32_t interval;
    float least, most;
} auxo_loss_scale_params;

/* ---- the descriptor ------------------------------------------------------------------------------------------------
 */
enum { AUXO_OP_SLOTS_MAX = 10 };
typedef struct auxo_op {
    auxo_op_kind kind;
    auxo_tensor tensors[AUXO_OP_SLOTS_MAX]; /* by the slot enums above; rank 0 where absent */
    union {
        auxo_gemm_params gemm;
        auxo_conv2d_params conv2d;
        auxo_pool2d_params pool2d;
        auxo_activation_params activation; /* activation_*, bias_add */
        auxo_add_params add;
        auxo_reduce_params reduce;
        auxo_batch_norm_params batch_norm;
        auxo_dropout_params dropout;
        auxo_cox_params cox;
        auxo_argsort_params argsort;
        auxo_group_norm_params group_norm;
        auxo_penalty_params penalty;
        auxo_kept_scan_params kept_scan;
        auxo_index_select_params index_select;
        auxo_segment_reduce_params segment_reduce;
        auxo_gather_batch_params gather_batch;
        auxo_augment_params augment;
        auxo_random_fill_params random_fill;
        auxo_fill_params fill;
        auxo_copy_params copy;
        auxo_multiply_add_params multiply_add;
        auxo_counter_add_params counter_add;
        auxo_optimizer_step_params optimizer_step;
        auxo_loss_scale_params loss_scale;
        auxo_mlp_params mlp;
    } params;
} auxo_op;

typedef enum auxo_slot_access { AUXO_SLOT_READ = 1, AUXO_SLOT_WRITE = 2, AUXO_SLOT_READ_WRITE = 3 } auxo_slot_access;
typedef struct auxo_slot_info {
    const char *name; /* "DY" */
    auxo_slot_access access;
    bool optional;
    bool strided; /* may be non-contiguous */
} auxo_slot_info;

AUXO_API const char *auxo_op_noun(auxo_op_kind kind);
/* Finds a kind by noun. Errors: NOT_FOUND with the nearest noun. */
AUXO_API auxo_status auxo_op_find(const char *noun, auxo_op_kind *kind, auxo_error *error);
AUXO_API const char *auxo_activation_noun(auxo_activation activation);
AUXO_API auxo_status auxo_activation_find(const char *noun, auxo_activation *activation, auxo_error *error);
/* The slots of a kind: *count entries in slot order. */
AUXO_API const auxo_slot_info *auxo_op_slots(auxo_op_kind kind, size_t *count);
/* Checks every contract above. The message names op, slot and the two values that disagree. */
AUXO_API auxo_status auxo_op_check(const auxo_op *op, auxo_error *error);
AUXO_API uint64_t auxo_op_flops(const auxo_op *op);
/* Bytes that the op must move at least: each input read once, each output written once. */
AUXO_API uint64_t auxo_op_bytes(const auxo_op *op);
/* Flat length of PARAMS of a fully connected network, and the offset of layer l in it. */
AUXO_API uint64_t auxo_mlp_param_count(const auxo_mlp *mlp);
AUXO_API uint64_t auxo_mlp_layer_offset(const auxo_mlp *mlp, uint32_t layer);
/* What INDEX of a max pooling has to be: u8, or u32 where its window has more than 256 elements. */
AUXO_API auxo_dtype auxo_pool2d_index_dtype(const auxo_pool2d_params *params);
/* Output extent of a convolution or pooling along one axis; 0 if the window does not fit. */
AUXO_API int64_t auxo_window_output(int64_t input, int32_t window, int32_t stride, int32_t pad, int32_t dilation);

#ifdef __cplusplus
}
#endif
#endif
