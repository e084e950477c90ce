/* conv2d_problem.c: the shapes of the sums of both directions, from their ops. */
#include "conv2d_problem.h"

conv_problem conv_problem_forward(const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *xd = op->tensors[AUXO_CONV2D_X].dims;
    const int64_t *wd = op->tensors[AUXO_CONV2D_W].dims;
    const int64_t *yd = op->tensors[AUXO_CONV2D_Y].dims;
    return (conv_problem){.images = xd[0],
                          .groups = params->groups,
                          .channels = wd[1],
                          .source_h = xd[2],
                          .source_w = xd[3],
                          .step_h = params->stride_h,
                          .step_w = params->stride_w,
                          .tap_rows = {wd[2], -params->pad_h, params->dilation_h},
                          .tap_columns = {wd[3], -params->pad_w, params->dilation_w},
                          .positions_h = yd[2],
                          .positions_w = yd[3],
                          .out_channels = yd[1] / params->groups,
                          .out_h = yd[2],
                          .out_w = yd[3],
                          .out_row_step = 1,
                          .out_column_step = 1,
                          .epilogue = {.alpha = 1,
                                       .bias = cpu_f32(op, AUXO_CONV2D_BIAS),
                                       .bias_per_row = true,
                                       .activation = params->activation,
                                       .slope = params->slope}};
}

static conv_phase_axis phase_of(int64_t phase, int64_t extent, int64_t taps, int64_t stride, int64_t pad,
                                int64_t dilation)
{
    conv_phase_axis axis = {.positions = phase < extent ? cpu_ceil_div(extent - phase, stride) : 0, .tap_step = 1};
    while (axis.tap_step * dilation % stride != 0)
        ++axis.tap_step;
    while (axis.first_tap < taps && (phase + pad - axis.first_tap * dilation) % stride != 0 &&
           axis.first_tap < axis.tap_step)
        ++axis.first_tap;
    if (axis.first_tap >= taps || axis.first_tap >= axis.tap_step)
        return axis; /* no taps: these elements of DX are 0 */
    axis.taps = (conv_axis){.count = cpu_ceil_div(taps - axis.first_tap, axis.tap_step),
                            .first = (phase + pad - axis.first_tap * dilation) / stride,
                            .step = -(axis.tap_step * dilation / stride)};
    return axis;
}

conv_problem conv_problem_backward_data(const auxo_op *op, int64_t phase_h, int64_t phase_w, conv_phase_axis axes[2])
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *dyd = op->tensors[AUXO_CONV2D_BD_DY].dims;
    const int64_t *wd = op->tensors[AUXO_CONV2D_BD_W].dims;
    const int64_t *dxd = op->tensors[AUXO_CONV2D_BD_DX].dims;
    axes[0] = phase_of(phase_h, dxd[2], wd[2], params->stride_h, params->pad_h, params->dilation_h);
    axes[1] = phase_of(phase_w, dxd[3], wd[3], params->stride_w, params->pad_w, params->dilation_w);
    return (conv_problem){.images = dxd[0],
                          .groups = params->groups,
                          .channels = dyd[1] / params->groups,
                          .source_h = dyd[2],
                          .source_w = dyd[3],
                          .step_h = 1,
                          .step_w = 1,
                          .tap_rows = axes[0].taps,
                          .tap_columns = axes[1].taps,
                          .positions_h = axes[0].positions,
                          .positions_w = axes[1].positions,
                          .out_channels = wd[1],
                          .out_h = dxd[2],
                          .out_w = dxd[3],
                          .out_row = phase_h,
                          .out_row_step = params->stride_h,
                          .out_column = phase_w,
                          .out_column_step = params->stride_w,
                          .epilogue = {.alpha = 1}};
}
