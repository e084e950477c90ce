/* runtime/ops/op_check_loss.c: rules of the losses and of the slots that they share. */
#include "op_internal.h"

#include <math.h>

/* HISTORY is a ring that COUNTER walks through: one without the other has no meaning. */
static auxo_status check_history(const auxo_op *op, uint32_t history, uint32_t counter, auxo_error *error)
{
    if (!auxo_tensor_is_present(&op->tensors[history]))
        return AUXO_OK;
    if (op->tensors[history].dims[0] < 1)
        return auxo__op_fail(op, error, "HISTORY has 0 elements, but needs at least 1");
    return auxo__op_expect_presence(op, counter, true, "because HISTORY is", error);
}

auxo_status auxo__op_check_loss(const auxo_op *op, auxo_error *error)
{
    switch (op->kind) {
    case AUXO_OP_SOFTMAX_CROSS_ENTROPY:
        return check_history(op, AUXO_XENT_HISTORY, AUXO_XENT_COUNTER, error);
    case AUXO_OP_MSE:
        return check_history(op, AUXO_MSE_HISTORY, AUXO_MSE_COUNTER, error);
    case AUXO_OP_COX:
        return check_history(op, AUXO_COX_HISTORY, AUXO_COX_COUNTER, error);
    default:
        return check_history(op, AUXO_MLP_GRADIENT_HISTORY, AUXO_MLP_GRADIENT_COUNTER, error);
    }
}

auxo_status auxo__op_check_cox(const auxo_op *op, auxo_error *error)
{
    const auxo_cox_params *params = &op->params.cox;
    if ((unsigned)params->ties > AUXO_COX_EFRON)
        return auxo__op_fail(op, error, "ties is %d, but must be breslow or efron", (int)params->ties);
    if ((unsigned)params->reduction > AUXO_COX_PER_EVENT)
        return auxo__op_fail(op, error, "reduction is %d, but the last is %d", (int)params->reduction,
                             (int)AUXO_COX_PER_EVENT);
    if ((unsigned)params->domain > AUXO_COX_DOMAIN_MEAN_SQ)
        return auxo__op_fail(op, error, "domain regulariser is %d, but the last is %d", (int)params->domain,
                             (int)AUXO_COX_DOMAIN_MEAN_SQ);
    if (params->domain != AUXO_COX_DOMAIN_NONE && !(params->domain_strength >= 0 && isfinite(params->domain_strength)))
        return auxo__op_fail(op, error, "domain_strength is %g, but must be at least 0",
                             (double)params->domain_strength);
    return auxo__op_check_loss(op, error);
}
