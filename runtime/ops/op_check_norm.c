/* runtime/ops/op_check_norm.c: rules of reductions over channels and of batch normalisation. */
#include "op_internal.h"

#include <math.h>

auxo_status auxo__op_check_reduce(const auxo_op *op, auxo_error *error)
{
    if ((unsigned)op->params.reduce.kind > AUXO_REDUCE_MAX_ABS)
        return auxo__op_fail(op, error, "reduce kind is %d, but the last is %d", (int)op->params.reduce.kind,
                             (int)AUXO_REDUCE_MAX_ABS);
    return AUXO_OK;
}

static auxo_status check_epsilon(const auxo_op *op, auxo_error *error)
{
    float epsilon = op->params.batch_norm.epsilon;
    if (!(epsilon >= 0) || !isfinite(epsilon))
        return auxo__op_fail(op, error, "epsilon is %g, but must be at least 0", (double)epsilon);
    return AUXO_OK;
}

auxo_status auxo__op_check_batch_norm_forward(const auxo_op *op, auxo_error *error)
{
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const auxo_tensor *x = &op->tensors[AUXO_BATCH_NORM_X];
    const char *because = params->training ? "in training" : "in inference";
    auxo_status status = check_epsilon(op, error);
    if (status == AUXO_OK)
        status = auxo__op_expect_presence(op, AUXO_BATCH_NORM_SAVED_MEAN, params->training, because, error);
    if (status == AUXO_OK)
        status = auxo__op_expect_presence(op, AUXO_BATCH_NORM_SAVED_INVSTD, params->training, because, error);
    if (status == AUXO_OK)
        status = auxo__op_expect_activation(op, params->activation, params->slope, error);
    if (status != AUXO_OK || !params->training)
        return status;
    if (!(params->momentum >= 0 && params->momentum <= 1))
        return auxo__op_fail(op, error, "momentum is %g, but must lie between 0 and 1", (double)params->momentum);
    if (x->dims[1] > 0 && x->dims[0] * x->dims[2] < 2)
        return auxo__op_fail(op, error, "X has %lld element(s) per channel, but the variance in training needs 2",
                             (long long)(x->dims[0] * x->dims[2]));
    return AUXO_OK;
}

auxo_status auxo__op_check_batch_norm_backward(const auxo_op *op, auxo_error *error)
{
    return check_epsilon(op, error);
}
