/* conv2d_forward.c: the conv2d_forward op as the gathered product of X with W. */
#include "conv2d_gather.h"
#include "conv2d_half.h"

static conv_problem problem_of(const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *xd = op->tensors[AUXO_CONV2D_X].dims;
    const int64_t *wd = op->tensors[AUXO_CONV2D_W].dims;
    const int64_t *yd = op->tensors[AUXO_CONV2D_Y].dims;
    return (conv_problem){.images = xd[0],
                          .groups = params->groups,
                          .source = cpu_f32(op, AUXO_CONV2D_X),
                          .channels = wd[1],
                          .source_h = xd[2],
                          .source_w = xd[3],
                          .step_h = params->stride_h,
                          .step_w = params->stride_w,
                          .tap_rows = {wd[2], -params->pad_h, params->dilation_h},
                          .tap_columns = {wd[3], -params->pad_w, params->dilation_w},
                          .weights = cpu_f32(op, AUXO_CONV2D_W),
                          .positions_h = yd[2],
                          .positions_w = yd[3],
                          .out = cpu_f32(op, AUXO_CONV2D_Y),
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

static size_t scratch_bytes_conv2d_forward_f32(int thread_count, const auxo_op *op)
{
    conv_problem problem = problem_of(op);
    return conv_gather_scratch_bytes(&problem, thread_count);
}

static void run_conv2d_forward_f32(const cpu_work *work, const auxo_op *op)
{
    conv_problem problem = problem_of(op);
    conv_gather_run(&problem, work, work->scratch);
}

CONV_HALF_KERNEL(conv2d_forward)
