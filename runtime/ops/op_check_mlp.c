/* runtime/ops/op_check_mlp.c: rules of the fused narrow networks, and the layout of their flat parameters.
 *
 * Layout (ops.h): per layer W_l (widths[l+1], widths[l]), then b_l (widths[l+1]) if has_bias.
 */
#include "op_internal.h"

uint64_t auxo_mlp_layer_offset(const auxo_mlp *mlp, uint32_t layer)
{
    uint64_t offset = 0;
    for (uint32_t l = 0; l < layer; l++)
        offset += (uint64_t)mlp->widths[l + 1] * (mlp->widths[l] + (mlp->has_bias ? 1u : 0u));
    return offset;
}

uint64_t auxo_mlp_param_count(const auxo_mlp *mlp)
{
    return auxo_mlp_layer_offset(mlp, mlp->layer_count);
}

static auxo_status check_network(const auxo_op *op, auxo_error *error)
{
    const auxo_mlp *mlp = &op->params.mlp.mlp;
    if (mlp->layer_count < 1 || !mlp->widths || !mlp->activations)
        return auxo__op_fail(op, error, "the network has %u layers%s, but needs widths and activations for at least 1",
                             (unsigned)mlp->layer_count, mlp->widths && mlp->activations ? "" : " and no table");
    for (uint32_t l = 0; l <= mlp->layer_count; l++)
        if (mlp->widths[l] < 1 || mlp->widths[l] > AUXO_MLP_WIDTH_MAX)
            return auxo__op_fail(op, error, "widths[%u] is %u, but must lie between 1 and %d", (unsigned)l,
                                 (unsigned)mlp->widths[l], AUXO_MLP_WIDTH_MAX);
    for (uint32_t l = 0; l < mlp->layer_count; l++) {
        auxo_status status = auxo__op_expect_activation(op, mlp->activations[l], mlp->slope, error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

/* begin <= end <= layer_count, in words. */
static auxo_status check_range(const auxo_op *op, const char *begin_name, uint32_t begin, const char *end_name,
                               uint32_t end, auxo_error *error)
{
    uint32_t layer_count = op->params.mlp.mlp.layer_count;
    if (begin > end)
        return auxo__op_fail(op, error, "%s is %u, but %s is %u", begin_name, (unsigned)begin, end_name, (unsigned)end);
    if (end > layer_count)
        return auxo__op_fail(op, error, "%s is %u, but the network has %u layers", end_name, (unsigned)end,
                             (unsigned)layer_count);
    return AUXO_OK;
}

/* The slots that every fused op has: X, PARAMS and the rows of the last layer asked for. */
static auxo_status check_tensors(const auxo_op *op, uint32_t x, uint32_t params_slot, uint32_t last,
                                 uint32_t last_layer, auxo_error *error)
{
    const auxo_mlp *mlp = &op->params.mlp.mlp;
    auxo_status status =
        auxo__op_expect_dim(op, x, 1, mlp->widths[op->params.mlp.begin_layer], "the width of begin_layer", error);
    if (status == AUXO_OK)
        status = auxo__op_expect_dim(op, last, 1, mlp->widths[last_layer], "the width of the last layer", error);
    if (status == AUXO_OK)
        status = auxo__op_expect_dim(op, params_slot, 0, (int64_t)auxo_mlp_param_count(mlp),
                                     "the network's parameter count", error);
    return status;
}

auxo_status auxo__op_check_mlp_forward(const auxo_op *op, auxo_error *error)
{
    const auxo_mlp_params *params = &op->params.mlp;
    auxo_status status = check_network(op, error);
    if (status == AUXO_OK)
        status = check_range(op, "begin_layer", params->begin_layer, "end_layer", params->end_layer, error);
    if (status != AUXO_OK)
        return status;
    if (params->begin_layer == params->end_layer)
        return auxo__op_fail(op, error, "begin_layer and end_layer are both %u, so there is no layer to run",
                             (unsigned)params->begin_layer);
    return check_tensors(op, AUXO_MLP_FORWARD_X, AUXO_MLP_FORWARD_PARAMS, AUXO_MLP_FORWARD_Y, params->end_layer, error);
}

auxo_status auxo__op_check_mlp_gradient(const auxo_op *op, auxo_error *error)
{
    const auxo_mlp_params *params = &op->params.mlp;
    uint32_t layer_count = params->mlp.layer_count;
    auxo_status status = check_network(op, error);
    if (status == AUXO_OK)
        status = check_range(op, "begin_layer", params->begin_layer, "train_begin", params->train_begin, error);
    if (status == AUXO_OK)
        status = check_range(op, "train_begin", params->train_begin, "train_end", params->train_end, error);
    if (status == AUXO_OK)
        status = check_tensors(op, AUXO_MLP_GRADIENT_X, AUXO_MLP_GRADIENT_PARAMS, AUXO_MLP_GRADIENT_TARGET, layer_count,
                               error);
    return status == AUXO_OK ? auxo__op_check_loss(op, error) : status;
}

auxo_status auxo__op_check_mlp_hvp(const auxo_op *op, auxo_error *error)
{
    auxo_status status = check_network(op, error);
    if (status != AUXO_OK)
        return status;
    if (op->params.mlp.begin_layer != 0)
        return auxo__op_fail(op, error, "begin_layer is %u, but the Hessian is of the whole network (0)",
                             (unsigned)op->params.mlp.begin_layer);
    return check_tensors(op, AUXO_MLP_HVP_X, AUXO_MLP_HVP_PARAMS, AUXO_MLP_HVP_TARGET, op->params.mlp.mlp.layer_count,
                         error);
}

auxo_status auxo__op_check_theta_eval(const auxo_op *op, auxo_error *error)
{
    const auxo_mlp *mlp = &op->params.mlp.mlp;
    auxo_status status = check_network(op, error);
    if (status == AUXO_OK)
        status = check_range(op, "begin_layer", op->params.mlp.begin_layer, "the last layer", mlp->layer_count, error);
    if (status == AUXO_OK)
        status = check_tensors(op, AUXO_THETA_EVAL_X, AUXO_THETA_EVAL_PARAMS, AUXO_THETA_EVAL_TARGET, mlp->layer_count,
                               error);
    if (status != AUXO_OK)
        return status;
    int64_t units = 0;
    for (uint32_t l = 1; l <= mlp->layer_count; l++)
        units += mlp->widths[l];
    return auxo__op_expect_dim(op, AUXO_THETA_EVAL_UNIT_GROUP, 0, units, "the unit count of layers 1 and up", error);
}
