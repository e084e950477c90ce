/* bf16_conv_forward.c: the conv2d_forward op on bf16 images and weights. */
#include "bf16_conv.h"

static size_t scratch_bytes_conv2d_forward(int thread_count, const auxo_op *op)
{
    const conv_problem problem = conv_problem_forward(op);
    if (conv_problem_is_empty(&problem))
        return 0;
    const bf16_conv_layout layout = bf16_conv_layout_of(&problem, thread_count);
    return layout.packed_bytes + layout.scratch_bytes;
}

static void run_conv2d_forward(const cpu_work *work, const auxo_op *op)
{
    const conv_problem problem = conv_problem_forward(op);
    if (conv_problem_is_empty(&problem))
        return;
    const bf16_conv_layout layout = bf16_conv_layout_of(&problem, work->thread_count);
    const int64_t taps = layout.tap_count, columns = problem.tap_columns.count;
    const bf16_conv_weights weights = {.data = cpu_data(&op->tensors[AUXO_CONV2D_W]),
                                       .group_stride = problem.out_channels * problem.channels * taps,
                                       .row_stride = problem.channels * taps,
                                       .channel_stride = taps,
                                       .tap_row_stride = columns,
                                       .tap_column_stride = 1};
    uint16_t *packed = (uint16_t *)work->scratch;
    bf16_conv_pack(work, &problem, &layout, &weights, packed);
    const bf16_conv conv = {.problem = &problem,
                            .layout = &layout,
                            .source = cpu_data(&op->tensors[AUXO_CONV2D_X]),
                            .packed = packed,
                            .out = cpu_data(&op->tensors[AUXO_CONV2D_Y])};
    bf16_conv_run(work, &conv, work->scratch + layout.packed_bytes);
}

CPU_KERNEL(conv2d_forward)
