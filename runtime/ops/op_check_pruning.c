/* runtime/ops/op_check_pruning.c: rules of group norms, penalties, compaction and segment reductions. */
#include "op_internal.h"

#include <math.h>

auxo_status auxo__op_check_group_norm(const auxo_op *op, auxo_error *error)
{
    if ((unsigned)op->params.group_norm.kind > AUXO_NORM_WEIGHTED_L1)
        return auxo__op_fail(op, error, "norm kind is %d, but the last is %d", (int)op->params.group_norm.kind,
                             (int)AUXO_NORM_WEIGHTED_L1);
    return AUXO_OK;
}

auxo_status auxo__op_check_penalty(const auxo_op *op, auxo_error *error)
{
    const auxo_penalty_params *params = &op->params.penalty;
    bool has_bias = auxo_tensor_is_present(&op->tensors[AUXO_PENALTY_BIAS]);
    if ((unsigned)params->kind > AUXO_PENALTY_LINF1)
        return auxo__op_fail(op, error, "penalty kind is %d, but the last is %d", (int)params->kind,
                             (int)AUXO_PENALTY_LINF1);
    if (!(params->strength >= 0 && isfinite(params->strength)))
        return auxo__op_fail(op, error, "strength is %g, but must be at least 0", (double)params->strength);
    if (params->proximal) {
        auxo_status status = auxo__op_expect_presence(op, AUXO_PENALTY_HYPER, true, "for a proximal step", error);
        if (status == AUXO_OK)
            status = auxo__op_expect_presence(op, AUXO_PENALTY_DW, false, "for a proximal step", error);
        if (status == AUXO_OK)
            status = auxo__op_expect_presence(op, AUXO_PENALTY_DBIAS, false, "for a proximal step", error);
        return status;
    }
    auxo_status status = auxo__op_expect_presence(op, AUXO_PENALTY_DW, true, "for a subgradient step", error);
    if (status == AUXO_OK)
        status = auxo__op_expect_presence(op, AUXO_PENALTY_DBIAS, has_bias,
                                          has_bias ? "because BIAS is" : "because BIAS is absent", error);
    return status;
}

auxo_status auxo__op_check_index_select(const auxo_op *op, auxo_error *error)
{
    auxo_dtype x = op->tensors[AUXO_INDEX_SELECT_X].dtype, y = op->tensors[AUXO_INDEX_SELECT_Y].dtype;
    if (x != y)
        return auxo__op_fail(op, error, "X is %s, but Y is %s", auxo_dtype_text(x), auxo_dtype_text(y));
    return AUXO_OK;
}

auxo_status auxo__op_check_segment_reduce(const auxo_op *op, auxo_error *error)
{
    const auxo_segment_reduce_params *params = &op->params.segment_reduce;
    int64_t segments = op->tensors[AUXO_SEGMENT_REDUCE_Y].dims[0];
    if (!params->dot && (unsigned)params->kind > AUXO_REDUCE_MAX_ABS)
        return auxo__op_fail(op, error, "reduce kind is %d, but the last is %d", (int)params->kind,
                             (int)AUXO_REDUCE_MAX_ABS);
    auxo_status status = auxo__op_expect_presence(op, AUXO_SEGMENT_REDUCE_B, params->dot,
                                                  params->dot ? "for dot" : "unless dot is asked for", error);
    if (status == AUXO_OK)
        status = auxo__op_expect_dim(op, AUXO_SEGMENT_REDUCE_OFFSETS, 0, segments + 1, "the length of Y plus 1", error);
    return status;
}
