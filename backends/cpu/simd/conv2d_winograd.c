/* conv2d_winograd.c: conv2d_forward and conv2d_backward_data by winograd.c, where cpu_conv2d_suits_winograd admits it.
 *
 * The gradient by the input is the convolution of DY, padded by 2 - pad, with the weights turned round and their two
 * channel axes swapped.
 */
#include "winograd.h"

#include "conv2d_half.h"

static winograd_problem forward_problem(const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *xd = op->tensors[AUXO_CONV2D_X].dims;
    const int64_t *yd = op->tensors[AUXO_CONV2D_Y].dims;
    return (winograd_problem){.images = xd[0],
                              .source = cpu_f32(op, AUXO_CONV2D_X),
                              .channels = xd[1],
                              .source_h = xd[2],
                              .source_w = xd[3],
                              .pad_h = params->pad_h,
                              .pad_w = params->pad_w,
                              .out = cpu_f32(op, AUXO_CONV2D_Y),
                              .out_channels = yd[1],
                              .out_h = yd[2],
                              .out_w = yd[3],
                              .weights = cpu_f32(op, AUXO_CONV2D_W),
                              .out_step = xd[1] * 9,
                              .channel_step = 9,
                              .bias = cpu_f32(op, AUXO_CONV2D_BIAS),
                              .activation = params->activation,
                              .slope = params->slope};
}

static winograd_problem backward_problem(const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *dyd = op->tensors[AUXO_CONV2D_BD_DY].dims;
    const int64_t *dxd = op->tensors[AUXO_CONV2D_BD_DX].dims;
    return (winograd_problem){.images = dyd[0],
                              .source = cpu_f32(op, AUXO_CONV2D_BD_DY),
                              .channels = dyd[1],
                              .source_h = dyd[2],
                              .source_w = dyd[3],
                              .pad_h = 2 - params->pad_h,
                              .pad_w = 2 - params->pad_w,
                              .out = cpu_f32(op, AUXO_CONV2D_BD_DX),
                              .out_channels = dxd[1],
                              .out_h = dxd[2],
                              .out_w = dxd[3],
                              .weights = cpu_f32(op, AUXO_CONV2D_BD_W),
                              .out_step = 9,
                              .channel_step = dxd[1] * 9,
                              .turned = true};
}

static size_t scratch_bytes_conv2d_forward_winograd_f32(int thread_count, const auxo_op *op)
{
    winograd_problem problem = forward_problem(op);
    return winograd_scratch_bytes(&problem, thread_count);
}

static size_t scratch_bytes_conv2d_backward_data_winograd_f32(int thread_count, const auxo_op *op)
{
    winograd_problem problem = backward_problem(op);
    return winograd_scratch_bytes(&problem, thread_count);
}

static void run_conv2d_forward_winograd_f32(const cpu_work *work, const auxo_op *op)
{
    winograd_problem problem = forward_problem(op);
    winograd_run(&problem, work);
}

static void run_conv2d_backward_data_winograd_f32(const cpu_work *work, const auxo_op *op)
{
    winograd_problem problem = backward_problem(op);
    winograd_run(&problem, work);
}

CONV_HALF_KERNEL(conv2d_forward_winograd)
CONV_HALF_KERNEL(conv2d_backward_data_winograd)
