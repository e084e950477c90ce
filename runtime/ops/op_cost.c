/* runtime/ops/op_cost.c: floating-point operations and least memory traffic of an operation.
 *
 * FLOPs count a multiply-add as 2 and, in elementwise work, every element once per operation named in the formula; an
 * exponential counts as 1. Sorting, copying and random numbers count 0. These are the numbers of budgets, MorphNet's
 * targets and GFLOP/s, so they follow the formula, not what a kernel happens to do.
 */
#include "op_internal.h"

static uint64_t count_of(const auxo_op *op, uint32_t slot)
{
    return auxo_tensor_is_present(&op->tensors[slot]) ? (uint64_t)auxo_tensor_element_count(&op->tensors[slot]) : 0;
}

/* 2 rows sum of in x out over layers [begin, end). */
static uint64_t mlp_layers_flops(const auxo_mlp *mlp, uint32_t begin, uint32_t end, uint64_t rows)
{
    uint64_t products = 0;
    for (uint32_t l = begin; l < end; l++)
        products += (uint64_t)mlp->widths[l] * mlp->widths[l + 1];
    return 2 * rows * products;
}

/* Forward from begin_layer, weight gradients of the trained layers, and the error carried down to train_begin. */
static uint64_t mlp_gradient_flops(const auxo_mlp_params *params, uint64_t rows)
{
    const auxo_mlp *mlp = &params->mlp;
    uint64_t flops = mlp_layers_flops(mlp, params->begin_layer, mlp->layer_count, rows);
    if (params->train_begin == params->train_end)
        return flops;
    return flops + mlp_layers_flops(mlp, params->train_begin, params->train_end, rows) +
           mlp_layers_flops(mlp, params->train_begin + 1, mlp->layer_count, rows);
}

static uint64_t mlp_flops(const auxo_op *op)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_mlp *mlp = &params->mlp;
    uint64_t rows = (uint64_t)op->tensors[0].dims[0], layer_count = mlp->layer_count;
    switch (op->kind) {
    case AUXO_OP_MLP_FORWARD:
        return mlp_layers_flops(mlp, params->begin_layer, params->end_layer, rows);
    case AUXO_OP_MLP_GRADIENT:
        return mlp_gradient_flops(params, rows);
    case AUXO_OP_MLP_HVP: {
        /* per direction, forward and reverse each with their tangents: twice a gradient of all layers */
        uint64_t gradient = 2 * mlp_layers_flops(mlp, 0, (uint32_t)layer_count, rows) +
                            mlp_layers_flops(mlp, 1, (uint32_t)layer_count, rows);
        return 2 * gradient * (uint64_t)op->tensors[AUXO_MLP_HVP_V].dims[0];
    }
    default:
        return mlp_layers_flops(mlp, params->begin_layer, (uint32_t)layer_count, rows) *
               (uint64_t)op->tensors[AUXO_THETA_EVAL_THETA].dims[0];
    }
}

static uint64_t conv2d_flops(const auxo_op *op, uint32_t w, uint32_t y)
{
    const auxo_tensor *weights = &op->tensors[w];
    return 2 * count_of(op, y) * (uint64_t)(weights->dims[1] * weights->dims[2] * weights->dims[3]);
}

static uint64_t gemm_flops(const auxo_op *op)
{
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A];
    int64_t depth = a->dims[op->params.gemm.trans_a ? a->rank - 2 : a->rank - 1];
    return 2 * count_of(op, AUXO_GEMM_C) * (uint64_t)depth;
}

static uint64_t optimizer_flops(const auxo_op *op)
{
#define FLOPS(name, noun, states, flops) flops,
    static const uint8_t per_element[] = {AUXO_OPTIMIZER_TABLE(FLOPS)};
#undef FLOPS
    auxo_optimizer_kind kind = op->params.optimizer_step.kind;
    uint64_t weight_decay = kind == AUXO_OPTIMIZER_ADAMW ? 0 : 2;
    return (per_element[kind] + weight_decay) * count_of(op, AUXO_OPTIMIZER_PARAMS);
}

uint64_t auxo_op_flops(const auxo_op *op)
{
    if (auxo__op_is_mlp(op->kind))
        return mlp_flops(op);
    switch (op->kind) {
    case AUXO_OP_GEMM:
        return gemm_flops(op);
    case AUXO_OP_CONV2D_FORWARD:
        return conv2d_flops(op, AUXO_CONV2D_W, AUXO_CONV2D_Y);
    case AUXO_OP_CONV2D_BACKWARD_DATA:
        return conv2d_flops(op, AUXO_CONV2D_BD_W, AUXO_CONV2D_BD_DY);
    case AUXO_OP_CONV2D_BACKWARD_WEIGHTS:
        return conv2d_flops(op, AUXO_CONV2D_BW_DW, AUXO_CONV2D_BW_DY);
    case AUXO_OP_POOL2D_FORWARD:
        return count_of(op, AUXO_POOL2D_Y) * (uint64_t)op->params.pool2d.window_h *
               (uint64_t)op->params.pool2d.window_w;
    case AUXO_OP_POOL2D_BACKWARD:
        return count_of(op, AUXO_POOL2D_B_DY);
    case AUXO_OP_ACTIVATION_FORWARD:
    case AUXO_OP_SCALE:
    case AUXO_OP_REDUCE:
        return count_of(op, 0);
    case AUXO_OP_ACTIVATION_BACKWARD:
    case AUXO_OP_BIAS_ADD:
    case AUXO_OP_DROPOUT:
        return 2 * count_of(op, 0);
    case AUXO_OP_MULTIPLY_ADD:
        return 2 * count_of(op, 0) * op->params.multiply_add.count;
    case AUXO_OP_ADD:
    case AUXO_OP_SOFTMAX_CROSS_ENTROPY:
    case AUXO_OP_SOFTMAX:
    case AUXO_OP_MSE:
        return 3 * count_of(op, 0);
    case AUXO_OP_BATCH_NORM_FORWARD:
        return (op->params.batch_norm.training ? 8 : 2) * count_of(op, AUXO_BATCH_NORM_X);
    case AUXO_OP_BATCH_NORM_BACKWARD:
        return 11 * count_of(op, AUXO_BATCH_NORM_B_X);
    case AUXO_OP_COX:
        return 8 * count_of(op, AUXO_COX_RISK);
    case AUXO_OP_GROUP_NORM:
    case AUXO_OP_SEGMENT_REDUCE:
        return 2 * (count_of(op, 0) + count_of(op, 1));
    case AUXO_OP_PENALTY:
        return 3 * (count_of(op, AUXO_PENALTY_W) + count_of(op, AUXO_PENALTY_BIAS));
    case AUXO_OP_OPTIMIZER_STEP:
        return optimizer_flops(op);
    default:
        return 0;
    }
}

/* Distinct elements of a view: an axis of stride 0 repeats the same ones. */
static uint64_t distinct_elements(const auxo_tensor *tensor)
{
    uint64_t count = 1;
    for (uint32_t axis = 0; axis < tensor->rank; axis++)
        if (tensor->strides[axis] != 0 || tensor->dims[axis] == 0)
            count *= (uint64_t)tensor->dims[axis];
    return count;
}

/* Elements of a slot that the op reads and writes, where that differs from the whole view. */
static void slot_traffic(const auxo_op *op, uint32_t slot, auxo_slot_access access, uint64_t *read, uint64_t *written)
{
    uint64_t count = distinct_elements(&op->tensors[slot]);
    *read = access & AUXO_SLOT_READ ? count : 0;
    *written = access & AUXO_SLOT_WRITE ? count : 0;
    switch (op->kind) {
    case AUXO_OP_GEMM:
        if ((slot == AUXO_GEMM_C && op->params.gemm.beta == 0) || (slot <= AUXO_GEMM_B && op->params.gemm.alpha == 0))
            *read = 0;
        break;
    case AUXO_OP_COPY:
        if (slot == AUXO_COPY_Y && !op->params.copy.accumulate)
            *read = 0;
        break;
    case AUXO_OP_OPTIMIZER_STEP:
        if (slot == AUXO_OPTIMIZER_COPY) /* it keeps its values where the step is skipped, which reads nothing */
            *read = 0;
        break;
    case AUXO_OP_BATCH_NORM_FORWARD:
        if (!op->params.batch_norm.training)
            *written = slot == AUXO_BATCH_NORM_Y ? count : 0;
        break;
    case AUXO_OP_PENALTY:
        if (!op->params.penalty.proximal && (slot == AUXO_PENALTY_W || slot == AUXO_PENALTY_BIAS))
            *written = 0;
        break;
    case AUXO_OP_GATHER_BATCH:
        if (slot == AUXO_GATHER_BATCH_DATA)
            *read = count_of(op, AUXO_GATHER_BATCH_Y);
        if (slot == AUXO_GATHER_BATCH_ORDER)
            *read = (uint64_t)op->tensors[AUXO_GATHER_BATCH_Y].dims[0];
        break;
    case AUXO_OP_INDEX_SELECT:
        if (slot == AUXO_INDEX_SELECT_X)
            *read = count_of(op, AUXO_INDEX_SELECT_Y);
        break;
    case AUXO_OP_MLP_GRADIENT:
        if (slot == AUXO_MLP_GRADIENT_GRADS) {
            const auxo_mlp_params *params = &op->params.mlp;
            *read = 0;
            *written = auxo_mlp_layer_offset(&params->mlp, params->train_end) -
                       auxo_mlp_layer_offset(&params->mlp, params->train_begin);
        }
        break;
    default:
        break;
    }
}

uint64_t auxo_op_bytes(const auxo_op *op)
{
    size_t count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &count);
    uint64_t bytes = 0;
    for (uint32_t slot = 0; slot < count; slot++) {
        if (!auxo_tensor_is_present(&op->tensors[slot]))
            continue;
        uint64_t read = 0, written = 0;
        slot_traffic(op, slot, slots[slot].access, &read, &written);
        bytes += (read + written) * auxo_dtype_size_bytes(op->tensors[slot].dtype);
    }
    return bytes;
}
