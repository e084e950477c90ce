/* conv2d_forward.c: the conv2d_forward op as the gathered product of X with W. */
#include "conv2d_gather.h"
#include "conv2d_half.h"

static conv_problem problem_of(const auxo_op *op)
{
    conv_problem problem = conv_problem_forward(op);
    problem.source = cpu_f32(op, AUXO_CONV2D_X);
    problem.weights = cpu_f32(op, AUXO_CONV2D_W);
    problem.out = cpu_f32(op, AUXO_CONV2D_Y);
    return problem;
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
