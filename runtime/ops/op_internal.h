/* runtime/ops/op_internal.h: what the files of the argument checks share.
 *
 * op_check.c drives: presence and memory of every slot, then shapes (op_shapes.c), overlap (op_overlap.c) and the
 * rules of one kind (op_check_<concept>.c). Every failure is one line that starts with the op's noun.
 */
#ifndef AUXO_OP_INTERNAL_H
#define AUXO_OP_INTERNAL_H

#include "auxo/ops.h"

/* The rules of one kind that shapes alone do not express. */
typedef auxo_status auxo__op_rule(const auxo_op *op, auxo_error *error);

auxo__op_rule auxo__op_check_shapes;  /* dtypes, ranks and dims against the patterns of op_shapes.c */
auxo__op_rule auxo__op_check_overlap; /* outputs against every other slot */

/* linear algebra and elementwise */
auxo__op_rule auxo__op_check_gemm, auxo__op_check_activation;
/* windows over images */
auxo__op_rule auxo__op_check_conv2d, auxo__op_check_pool2d_forward, auxo__op_check_pool2d_backward;
/* reductions and normalisation */
auxo__op_rule auxo__op_check_reduce, auxo__op_check_batch_norm_forward, auxo__op_check_batch_norm_backward;
/* losses */
auxo__op_rule auxo__op_check_loss, auxo__op_check_cox;
/* pruning */
auxo__op_rule auxo__op_check_group_norm, auxo__op_check_penalty, auxo__op_check_index_select,
    auxo__op_check_segment_reduce;
/* data movement, random numbers, updates */
auxo__op_rule auxo__op_check_dropout, auxo__op_check_gather_batch, auxo__op_check_augment, auxo__op_check_random_fill,
    auxo__op_check_copy, auxo__op_check_optimizer_step, auxo__op_check_loss_scale;
/* fused narrow networks */
auxo__op_rule auxo__op_check_mlp_forward, auxo__op_check_mlp_gradient, auxo__op_check_mlp_hvp,
    auxo__op_check_theta_eval;

/* INVALID_ARGUMENT with "<noun>: " before the message. */
auxo_status auxo__op_fail(const auxo_op *op, auxo_error *error, const char *format, ...) AUXO_PRINTF(3, 4);
/* The name of a slot, for messages. */
const char *auxo__op_slot_name(const auxo_op *op, uint32_t slot);
/* Fails unless dim `axis` of the slot is `expected`; `because` says where that number comes from. */
auxo_status auxo__op_expect_dim(const auxo_op *op, uint32_t slot, uint32_t axis, int64_t expected, const char *because,
                                auxo_error *error);
/* Fails unless the slot's presence is `wanted`; `because` continues "X must be present ...". */
auxo_status auxo__op_expect_presence(const auxo_op *op, uint32_t slot, bool wanted, const char *because,
                                     auxo_error *error);
auxo_status auxo__op_expect_activation(const auxo_op *op, auxo_activation activation, float slope, auxo_error *error);

/* Elements from the first to the last of the view, both included; 0 if it is empty. */
uint64_t auxo__tensor_span(const auxo_tensor *tensor);

/* Whether the slot of that kind may be f16 or bf16. */
bool auxo__op_takes_half(auxo_op_kind kind, uint32_t slot);

/* Whether the op carries an auxo_mlp. */
bool auxo__op_is_mlp(auxo_op_kind kind);

#endif
