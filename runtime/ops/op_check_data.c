/* runtime/ops/op_check_data.c: rules of batches, random numbers, copies and the optimiser's update. */
#include "op_internal.h"

#include <math.h>

auxo_status auxo__op_check_dropout(const auxo_op *op, auxo_error *error)
{
    float rate = op->params.dropout.rate;
    if (!(rate >= 0 && rate < 1))
        return auxo__op_fail(op, error, "rate is %g, but must be at least 0 and below 1", (double)rate);
    return AUXO_OK;
}

/* Indices of a shuffle, a label or a pixel are u32 on the device. */
static auxo_status check_u32_count(const auxo_op *op, uint32_t slot, int64_t count, auxo_error *error)
{
    if (count > UINT32_MAX)
        return auxo__op_fail(op, error, "%s has %lld rows, but at most %lu can be indexed",
                             auxo__op_slot_name(op, slot), (long long)count, (unsigned long)UINT32_MAX);
    return AUXO_OK;
}

auxo_status auxo__op_check_gather_batch(const auxo_op *op, auxo_error *error)
{
    const auxo_tensor *data = &op->tensors[AUXO_GATHER_BATCH_DATA], *y = &op->tensors[AUXO_GATHER_BATCH_Y];
    const auxo_tensor *order = &op->tensors[AUXO_GATHER_BATCH_ORDER];
    bool has_mean = auxo_tensor_is_present(&op->tensors[AUXO_GATHER_BATCH_MEAN]);
    bool labels = y->dtype == AUXO_DTYPE_U32;
    int64_t source_rows = auxo_tensor_is_present(order) ? order->dims[0] : data->dims[0];
    if (labels && data->dtype == AUXO_DTYPE_F32)
        return auxo__op_fail(op, error, "Y is u32, but DATA is f32; u32 rows come from u32 or u8 data");
    if (!labels && data->dtype == AUXO_DTYPE_U32)
        return auxo__op_fail(op, error, "DATA is u32, but Y is %s; u32 data is gathered as u32",
                             auxo_dtype_text(y->dtype));
    auxo_status status = auxo__op_expect_presence(op, AUXO_GATHER_BATCH_INVSTD, has_mean,
                                                  has_mean ? "because MEAN is" : "because MEAN is absent", error);
    if (status == AUXO_OK && labels)
        status = auxo__op_expect_presence(op, AUXO_GATHER_BATCH_MEAN, false, "because Y is u32", error);
    if (status == AUXO_OK)
        status = check_u32_count(op, AUXO_GATHER_BATCH_DATA, data->dims[0], error);
    if (status != AUXO_OK)
        return status;
    if (auxo_tensor_element_count(y) > 0 && (source_rows == 0 || data->dims[0] == 0))
        return auxo__op_fail(op, error, "Y has %lld rows, but there are 0 to gather from", (long long)y->dims[0]);
    return AUXO_OK;
}

auxo_status auxo__op_check_augment(const auxo_op *op, auxo_error *error)
{
    const auxo_augment_params *params = &op->params.augment;
    if (params->max_shift_h < 0 || params->max_shift_w < 0)
        return auxo__op_fail(op, error, "max_shift_h is %d and max_shift_w is %d, but neither may be negative",
                             (int)params->max_shift_h, (int)params->max_shift_w);
    return AUXO_OK;
}

auxo_status auxo__op_check_random_fill(const auxo_op *op, auxo_error *error)
{
    const auxo_random_fill_params *params = &op->params.random_fill;
    auxo_dtype wanted = params->kind == AUXO_RANDOM_BITS ? AUXO_DTYPE_U32 : AUXO_DTYPE_F32;
    auxo_dtype dtype = op->tensors[AUXO_RANDOM_FILL_Y].dtype;
    if ((unsigned)params->kind > AUXO_RANDOM_BITS)
        return auxo__op_fail(op, error, "random kind is %d, but the last is %d", (int)params->kind,
                             (int)AUXO_RANDOM_BITS);
    if (dtype != wanted)
        return auxo__op_fail(op, error, "Y is %s, but this kind of numbers is %s", auxo_dtype_text(dtype),
                             auxo_dtype_text(wanted));
    if (params->kind != AUXO_RANDOM_BITS && !(isfinite(params->a) && isfinite(params->b)))
        return auxo__op_fail(op, error, "a is %g and b is %g, but both must be finite", (double)params->a,
                             (double)params->b);
    return AUXO_OK;
}

/* An output view must not hold the same element twice: sorted by stride, each axis clears those inside it. */
static auxo_status check_distinct_elements(const auxo_op *op, uint32_t slot, auxo_error *error)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    bool done[AUXO_RANK_MAX] = {false};
    int64_t reach = 0; /* the farthest element of the axes taken so far */
    if (auxo_tensor_element_count(tensor) == 0)
        return AUXO_OK;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        uint32_t next = AUXO_RANK_MAX;
        for (uint32_t axis = 0; axis < tensor->rank; axis++)
            if (!done[axis] && (next == AUXO_RANK_MAX || tensor->strides[axis] < tensor->strides[next]))
                next = axis;
        done[next] = true;
        if (tensor->dims[next] > 1 && tensor->strides[next] <= reach)
            return auxo__op_fail(op, error, "%s dim %u has stride %lld, but the dims inside it span %lld elements",
                                 auxo__op_slot_name(op, slot), (unsigned)next, (long long)tensor->strides[next],
                                 (long long)reach + 1);
        reach += (tensor->dims[next] - 1) * tensor->strides[next];
    }
    return AUXO_OK;
}

auxo_status auxo__op_check_copy(const auxo_op *op, auxo_error *error)
{
    const auxo_tensor *x = &op->tensors[AUXO_COPY_X], *y = &op->tensors[AUXO_COPY_Y];
    if (op->params.copy.accumulate && (x->dtype != AUXO_DTYPE_F32 || y->dtype != AUXO_DTYPE_F32))
        return auxo__op_fail(op, error, "accumulate needs f32, but X is %s and Y is %s", auxo_dtype_text(x->dtype),
                             auxo_dtype_text(y->dtype));
    return check_distinct_elements(op, AUXO_COPY_Y, error);
}

auxo_status auxo__op_check_optimizer_step(const auxo_op *op, auxo_error *error)
{
    auxo_optimizer_kind kind = op->params.optimizer_step.kind;
    if ((unsigned)kind >= AUXO_OPTIMIZER_KIND_COUNT)
        return auxo__op_fail(op, error, "optimizer kind is %d, but there are %d", (int)kind, AUXO_OPTIMIZER_KIND_COUNT);
    const unsigned needed = auxo_optimizer_state_count(kind);
    if (needed >= 1) {
        auxo_status status =
            auxo__op_expect_presence(op, AUXO_OPTIMIZER_STATE0, true, "for this kind of update", error);
        if (status != AUXO_OK)
            return status;
    }
    if (needed >= 2)
        return auxo__op_expect_presence(op, AUXO_OPTIMIZER_STATE1, true, "for this kind of update", error);
    return AUXO_OK;
}

auxo_status auxo__op_check_loss_scale(const auxo_op *op, auxo_error *error)
{
    const auxo_loss_scale_params *params = &op->params.loss_scale;
    if (params->interval == 0)
        return auxo__op_fail(op, error, "interval is 0, but must be at least 1");
    if (!(params->least > 0 && params->least <= params->most && isfinite(params->most)))
        return auxo__op_fail(op, error, "least is %g and most is %g, but 0 < least <= most must hold",
                             (double)params->least, (double)params->most);
    return AUXO_OK;
}
