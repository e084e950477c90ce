/* runtime/ops/op_check_window.c: windows that slide over images: convolution, pooling, and their output extents. */
#include "op_internal.h"

int64_t auxo_window_output(int64_t input, int32_t window, int32_t stride, int32_t pad, int32_t dilation)
{
    if (window < 1 || stride < 1 || dilation < 1 || pad < 0)
        return 0;
    int64_t room = input + 2 * (int64_t)pad - (int64_t)dilation * (window - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

/* One axis of a window: its slots, its parameters, and what the output extent must be. */
typedef struct window_axis {
    const char *name; /* "height" */
    uint32_t input_slot, output_slot, axis;
    int64_t window;
    int32_t stride, pad, dilation;
} window_axis;

static auxo_status check_axis(const auxo_op *op, const window_axis *axis, auxo_error *error)
{
    int64_t input = op->tensors[axis->input_slot].dims[axis->axis];
    int64_t output = op->tensors[axis->output_slot].dims[axis->axis];
    if (axis->window < 1 || axis->window > INT32_MAX)
        return auxo__op_fail(op, error, "window %s is %lld, but must be at least 1", axis->name,
                             (long long)axis->window);
    if (axis->stride < 1 || axis->dilation < 1)
        return auxo__op_fail(op, error, "%s has stride %d and dilation %d, but both must be at least 1", axis->name,
                             (int)axis->stride, (int)axis->dilation);
    if (axis->pad < 0)
        return auxo__op_fail(op, error, "%s padding is %d, but must not be negative", axis->name, (int)axis->pad);
    if (input + 2 * (int64_t)axis->pad > INT32_MAX)
        return auxo__op_fail(op, error, "%s %lld with padding %d is %lld, but must be at most 2147483647", axis->name,
                             (long long)input, (int)axis->pad, (long long)(input + 2 * (int64_t)axis->pad));
    int64_t expected = auxo_window_output(input, (int32_t)axis->window, axis->stride, axis->pad, axis->dilation);
    if (output != expected)
        return auxo__op_fail(op, error,
                             "%s dim %u is %lld, but %s %lld with window %lld, stride %d, padding %d, dilation %d "
                             "gives %lld",
                             auxo__op_slot_name(op, axis->output_slot), (unsigned)axis->axis, (long long)output,
                             axis->name, (long long)input, (long long)axis->window, (int)axis->stride, (int)axis->pad,
                             (int)axis->dilation, (long long)expected);
    return AUXO_OK;
}

static auxo_status check_groups(const auxo_op *op, uint32_t x, uint32_t w, auxo_error *error)
{
    int32_t groups = op->params.conv2d.groups;
    int64_t channels = op->tensors[x].dims[1], filters = op->tensors[w].dims[0];
    if (groups < 1)
        return auxo__op_fail(op, error, "groups is %d, but must be at least 1", (int)groups);
    if (channels % groups)
        return auxo__op_fail(op, error, "%s has %lld channels, which %d groups do not divide",
                             auxo__op_slot_name(op, x), (long long)channels, (int)groups);
    if (filters % groups)
        return auxo__op_fail(op, error, "%s has %lld filters, which %d groups do not divide", auxo__op_slot_name(op, w),
                             (long long)filters, (int)groups);
    return auxo__op_expect_dim(op, w, 1, channels / groups, "channels / groups", error);
}

auxo_status auxo__op_check_conv2d(const auxo_op *op, auxo_error *error)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    uint32_t x = AUXO_CONV2D_X, w = AUXO_CONV2D_W, y = AUXO_CONV2D_Y;
    if (op->kind == AUXO_OP_CONV2D_BACKWARD_DATA) {
        x = AUXO_CONV2D_BD_DX;
        w = AUXO_CONV2D_BD_W;
        y = AUXO_CONV2D_BD_DY;
    } else if (op->kind == AUXO_OP_CONV2D_BACKWARD_WEIGHTS) {
        x = AUXO_CONV2D_BW_X;
        w = AUXO_CONV2D_BW_DW;
        y = AUXO_CONV2D_BW_DY;
    }
    const window_axis height = {"height",          x, y, 2, op->tensors[w].dims[2], params->stride_h, params->pad_h,
                                params->dilation_h};
    const window_axis width = {"width",           x, y, 3, op->tensors[w].dims[3], params->stride_w, params->pad_w,
                               params->dilation_w};
    auxo_status status = check_groups(op, x, w, error);
    if (status == AUXO_OK)
        status = check_axis(op, &height, error);
    if (status == AUXO_OK)
        status = check_axis(op, &width, error);
    if (status == AUXO_OK && op->kind == AUXO_OP_CONV2D_FORWARD)
        status = auxo__op_expect_activation(op, params->activation, params->slope, error);
    return status;
}

auxo_dtype auxo_pool2d_index_dtype(const auxo_pool2d_params *params)
{
    return (int64_t)params->window_h * params->window_w <= 256 ? AUXO_DTYPE_U8 : AUXO_DTYPE_U32;
}

/* INDEX, where present, holds every place of the window, and is no wider than that needs. */
static auxo_status check_index(const auxo_op *op, uint32_t slot, auxo_error *error)
{
    const auxo_pool2d_params *params = &op->params.pool2d;
    const auxo_dtype wanted = auxo_pool2d_index_dtype(params);
    if (!auxo_tensor_is_present(&op->tensors[slot]))
        return AUXO_OK;
    if (op->tensors[slot].dtype != wanted)
        return auxo__op_fail(op, error, "%s is %s, but must be %s for a window of %dx%d", auxo__op_slot_name(op, slot),
                             auxo_dtype_text(op->tensors[slot].dtype), auxo_dtype_text(wanted), (int)params->window_h,
                             (int)params->window_w);
    if ((int64_t)params->window_h * params->window_w > UINT32_MAX)
        return auxo__op_fail(op, error,
                             "a window of %dx%d has more than 4294967295 elements, the most that %s can number",
                             (int)params->window_h, (int)params->window_w, auxo__op_slot_name(op, slot));
    return AUXO_OK;
}

static auxo_status check_pool2d(const auxo_op *op, uint32_t x, uint32_t y, auxo_error *error)
{
    const auxo_pool2d_params *params = &op->params.pool2d;
    if (params->kind != AUXO_POOL_MAX && params->kind != AUXO_POOL_AVERAGE)
        return auxo__op_fail(op, error, "pool kind is %d, but must be max or average", (int)params->kind);
    /* A window inside the padding would have no element to take the maximum or the mean of. */
    if (params->pad_h >= params->window_h || params->pad_w >= params->window_w)
        return auxo__op_fail(op, error, "padding %dx%d must be smaller than the window %dx%d", (int)params->pad_h,
                             (int)params->pad_w, (int)params->window_h, (int)params->window_w);
    const int64_t *dims = op->tensors[x].dims;
    if ((dims[2] == 0 || dims[3] == 0) && auxo_tensor_element_count(&op->tensors[y]) > 0)
        return auxo__op_fail(op, error, "%s is of %lld x %lld, so that no window has an element",
                             auxo__op_slot_name(op, x), (long long)dims[2], (long long)dims[3]);
    const window_axis height = {"height", x, y, 2, params->window_h, params->stride_h, params->pad_h, 1};
    const window_axis width = {"width", x, y, 3, params->window_w, params->stride_w, params->pad_w, 1};
    auxo_status status = check_axis(op, &height, error);
    return status == AUXO_OK ? check_axis(op, &width, error) : status;
}

auxo_status auxo__op_check_pool2d_forward(const auxo_op *op, auxo_error *error)
{
    if (op->params.pool2d.kind == AUXO_POOL_AVERAGE) {
        auxo_status status = auxo__op_expect_presence(op, AUXO_POOL2D_INDEX, false, "for average pooling", error);
        if (status != AUXO_OK)
            return status;
    }
    auxo_status status = check_pool2d(op, AUXO_POOL2D_X, AUXO_POOL2D_Y, error);
    return status == AUXO_OK ? check_index(op, AUXO_POOL2D_INDEX, error) : status;
}

auxo_status auxo__op_check_pool2d_backward(const auxo_op *op, auxo_error *error)
{
    if (op->params.pool2d.kind == AUXO_POOL_MAX) {
        auxo_status status = auxo__op_expect_presence(op, AUXO_POOL2D_B_INDEX, true, "for max pooling", error);
        if (status != AUXO_OK)
            return status;
    }
    auxo_status status = check_pool2d(op, AUXO_POOL2D_B_DX, AUXO_POOL2D_B_DY, error);
    return status == AUXO_OK ? check_index(op, AUXO_POOL2D_B_INDEX, error) : status;
}
