/* runtime/ops/op_check.c: auxo_op_check, the one place where the contracts of ops.h are enforced.
 *
 * Owns what holds for every op: known kind, slots present or absent, dims, strides, alignment, extent within the
 * buffer, one device. Then come shapes, overlap and the rules of the kind. A tensor without buffer but with temp_id is
 * a plan's temporary: its extent is the plan's business.
 */
#include "op_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

auxo_status auxo__op_fail(const auxo_op *op, auxo_error *error, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %s", auxo_op_noun(op->kind), text);
}

const char *auxo__op_slot_name(const auxo_op *op, uint32_t slot)
{
    size_t count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &count);
    return slot < count ? slots[slot].name : "unknown slot";
}

auxo_status auxo__op_expect_dim(const auxo_op *op, uint32_t slot, uint32_t axis, int64_t expected, const char *because,
                                auxo_error *error)
{
    int64_t dim = op->tensors[slot].dims[axis];
    if (dim == expected)
        return AUXO_OK;
    return auxo__op_fail(op, error, "%s dim %u is %lld, but %s is %lld", auxo__op_slot_name(op, slot), (unsigned)axis,
                         (long long)dim, because, (long long)expected);
}

auxo_status auxo__op_expect_presence(const auxo_op *op, uint32_t slot, bool wanted, const char *because,
                                     auxo_error *error)
{
    if (auxo_tensor_is_present(&op->tensors[slot]) == wanted)
        return AUXO_OK;
    return auxo__op_fail(op, error, "%s must be %s %s", auxo__op_slot_name(op, slot), wanted ? "present" : "absent",
                         because);
}

auxo_status auxo__op_expect_activation(const auxo_op *op, auxo_activation activation, float slope, auxo_error *error)
{
    if ((unsigned)activation >= AUXO_ACTIVATION_COUNT)
        return auxo__op_fail(op, error, "activation is %d, but there are %d", (int)activation, AUXO_ACTIVATION_COUNT);
    if (activation == AUXO_ACTIVATION_LEAKY_RELU && !(slope >= 0 && slope < 1))
        return auxo__op_fail(op, error, "slope of leaky_relu is %g, but must be at least 0 and below 1", (double)slope);
    if (activation == AUXO_ACTIVATION_ELU && !(slope >= 0 && isfinite(slope)))
        return auxo__op_fail(op, error, "slope of elu is %g, but must not be negative", (double)slope);
    return AUXO_OK;
}

uint64_t auxo__tensor_span(const auxo_tensor *tensor)
{
    uint64_t span = 1;
    for (uint32_t axis = 0; axis < tensor->rank; axis++) {
        if (tensor->dims[axis] == 0)
            return 0;
        span += (uint64_t)(tensor->dims[axis] - 1) * (uint64_t)tensor->strides[axis];
    }
    return span;
}

bool auxo__op_is_mlp(auxo_op_kind kind)
{
    return kind == AUXO_OP_MLP_FORWARD || kind == AUXO_OP_MLP_GRADIENT || kind == AUXO_OP_MLP_HVP ||
           kind == AUXO_OP_THETA_EVAL;
}

/* Dims and strides are sane and the last byte is representable, so that spans may be computed without care. */
static auxo_status check_extents(const auxo_op *op, uint32_t slot, auxo_error *error)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    const char *name = auxo__op_slot_name(op, slot);
    if (tensor->rank > AUXO_RANK_MAX)
        return auxo__op_fail(op, error, "%s has rank %u, but at most %d is possible", name, (unsigned)tensor->rank,
                             AUXO_RANK_MAX);
    if ((unsigned)tensor->dtype >= AUXO_DTYPE_COUNT)
        return auxo__op_fail(op, error, "%s has dtype %d, but there are %d", name, (int)tensor->dtype,
                             AUXO_DTYPE_COUNT);
    int64_t elements = 1, last = 0;
    bool overflow = false;
    for (uint32_t axis = 0; axis < tensor->rank; axis++) {
        int64_t reach = 0, dim = tensor->dims[axis], stride = tensor->strides[axis];
        if (dim < 0 || stride < 0)
            return auxo__op_fail(op, error, "%s dim %u is %lld with stride %lld, but neither may be negative", name,
                                 (unsigned)axis, (long long)dim, (long long)stride);
        overflow |= __builtin_mul_overflow(elements, dim, &elements);
        overflow |= dim > 0 && __builtin_mul_overflow(dim - 1, stride, &reach);
        overflow |= __builtin_add_overflow(last, reach, &last);
    }
    if (overflow || last > INT64_MAX / 16 || elements > INT64_MAX / 16 || tensor->offset_bytes > INT64_MAX / 16)
        return auxo__op_fail(op, error, "%s has more elements than a 64-bit size can address", name);
    return AUXO_OK;
}

static auxo_status check_memory(const auxo_op *op, uint32_t slot, bool strided, auxo_error *error)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    const char *name = auxo__op_slot_name(op, slot);
    uint64_t element_bytes = auxo_dtype_size_bytes(tensor->dtype);
    uint64_t span_bytes = auxo__tensor_span(tensor) * element_bytes;
    if (!strided && !auxo_tensor_is_contiguous(tensor))
        return auxo__op_fail(op, error, "%s is strided, but must be contiguous", name);
    if (tensor->offset_bytes % element_bytes)
        return auxo__op_fail(op, error, "%s starts at byte %llu, which is not a multiple of its %llu-byte elements",
                             name, (unsigned long long)tensor->offset_bytes, (unsigned long long)element_bytes);
    if (!tensor->buffer && !tensor->temp_id && span_bytes)
        return auxo__op_fail(op, error, "%s has neither a buffer nor a plan's temporary", name);
    if (tensor->buffer && span_bytes) {
        uint64_t size_bytes = auxo_buffer_size_bytes(tensor->buffer), end = tensor->offset_bytes + span_bytes;
        if (end > size_bytes)
            return auxo__op_fail(op, error, "%s ends at byte %llu, but its buffer has %llu bytes", name,
                                 (unsigned long long)end, (unsigned long long)size_bytes);
    }
    return AUXO_OK;
}

static auxo_status check_slots(const auxo_op *op, auxo_error *error)
{
    size_t count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &count);
    const auxo_device *device = NULL;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        const auxo_tensor *tensor = &op->tensors[slot];
        bool present = auxo_tensor_is_present(tensor);
        if (slot >= count) {
            if (present)
                return auxo__op_fail(op, error, "tensor %u is given, but the op has %u slots", (unsigned)slot,
                                     (unsigned)count);
            continue;
        }
        if (!present) {
            if (!slots[slot].optional)
                return auxo__op_fail(op, error, "%s is absent, but required", slots[slot].name);
            continue;
        }
        auxo_status status = check_extents(op, slot, error);
        if (status == AUXO_OK)
            status = check_memory(op, slot, slots[slot].strided, error);
        if (status != AUXO_OK)
            return status;
        if (!tensor->buffer)
            continue;
        if (device && auxo_buffer_device(tensor->buffer) != device)
            return auxo__op_fail(op, error, "%s is on another device than the slots before it", slots[slot].name);
        device = auxo_buffer_device(tensor->buffer);
    }
    return AUXO_OK;
}

/* NULL: shapes and overlap say everything. */
static auxo__op_rule *const rules[AUXO_OP_COUNT] = {
    [AUXO_OP_GEMM] = auxo__op_check_gemm,
    [AUXO_OP_CONV2D_FORWARD] = auxo__op_check_conv2d,
    [AUXO_OP_CONV2D_BACKWARD_DATA] = auxo__op_check_conv2d,
    [AUXO_OP_CONV2D_BACKWARD_WEIGHTS] = auxo__op_check_conv2d,
    [AUXO_OP_POOL2D_FORWARD] = auxo__op_check_pool2d_forward,
    [AUXO_OP_POOL2D_BACKWARD] = auxo__op_check_pool2d_backward,
    [AUXO_OP_ACTIVATION_FORWARD] = auxo__op_check_activation,
    [AUXO_OP_ACTIVATION_BACKWARD] = auxo__op_check_activation,
    [AUXO_OP_BIAS_ADD] = auxo__op_check_activation,
    [AUXO_OP_REDUCE] = auxo__op_check_reduce,
    [AUXO_OP_BATCH_NORM_FORWARD] = auxo__op_check_batch_norm_forward,
    [AUXO_OP_BATCH_NORM_BACKWARD] = auxo__op_check_batch_norm_backward,
    [AUXO_OP_DROPOUT] = auxo__op_check_dropout,
    [AUXO_OP_SOFTMAX_CROSS_ENTROPY] = auxo__op_check_loss,
    [AUXO_OP_MSE] = auxo__op_check_loss,
    [AUXO_OP_COX] = auxo__op_check_cox,
    [AUXO_OP_GROUP_NORM] = auxo__op_check_group_norm,
    [AUXO_OP_PENALTY] = auxo__op_check_penalty,
    [AUXO_OP_INDEX_SELECT] = auxo__op_check_index_select,
    [AUXO_OP_SEGMENT_REDUCE] = auxo__op_check_segment_reduce,
    [AUXO_OP_GATHER_BATCH] = auxo__op_check_gather_batch,
    [AUXO_OP_AUGMENT] = auxo__op_check_augment,
    [AUXO_OP_RANDOM_FILL] = auxo__op_check_random_fill,
    [AUXO_OP_COPY] = auxo__op_check_copy,
    [AUXO_OP_OPTIMIZER_STEP] = auxo__op_check_optimizer_step,
    [AUXO_OP_LOSS_SCALE] = auxo__op_check_loss_scale,
    [AUXO_OP_MLP_FORWARD] = auxo__op_check_mlp_forward,
    [AUXO_OP_MLP_GRADIENT] = auxo__op_check_mlp_gradient,
    [AUXO_OP_MLP_HVP] = auxo__op_check_mlp_hvp,
    [AUXO_OP_THETA_EVAL] = auxo__op_check_theta_eval,
};

auxo_status auxo_op_check(const auxo_op *op, auxo_error *error)
{
    if ((unsigned)op->kind >= AUXO_OP_COUNT)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "op kind is %d, but there are %d", (int)op->kind,
                              AUXO_OP_COUNT);
    auxo_status status = check_slots(op, error);
    if (status == AUXO_OK)
        status = auxo__op_check_shapes(op, error);
    if (status == AUXO_OK && rules[op->kind])
        status = rules[op->kind](op, error);
    if (status == AUXO_OK)
        status = auxo__op_check_overlap(op, error);
    return status;
}
