/* bf16_conv_backward_data.c: the conv2d_backward_data op on bf16 tensors, one sum per phase of DX. */
#include "bf16_conv.h"

static size_t scratch_bytes_conv2d_backward_data(int thread_count, const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    size_t most = 0;
    conv_phase_axis axes[2];
    for (int64_t phase = 0; phase < params->stride_h * params->stride_w; ++phase) {
        const conv_problem problem =
            conv_problem_backward_data(op, phase / params->stride_w, phase % params->stride_w, axes);
        if (conv_problem_is_empty(&problem))
            continue;
        const bf16_conv_layout layout = bf16_conv_layout_of(&problem, thread_count);
        const size_t bytes = layout.packed_bytes + layout.scratch_bytes;
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void run_phase(const cpu_work *work, const auxo_op *op, int64_t phase_h, int64_t phase_w)
{
    const int64_t *wd = op->tensors[AUXO_CONV2D_BD_W].dims;
    conv_phase_axis axes[2];
    const conv_problem problem = conv_problem_backward_data(op, phase_h, phase_w, axes);
    if (conv_problem_is_empty(&problem) || problem.channels * axes[0].taps.count * axes[1].taps.count == 0)
        return;
    const bf16_conv_layout layout = bf16_conv_layout_of(&problem, work->thread_count);
    const int64_t taps = wd[2] * wd[3];
    const uint16_t *data = cpu_data(&op->tensors[AUXO_CONV2D_BD_W]);
    const bf16_conv_weights weights = {.data = data + axes[0].first_tap * wd[3] + axes[1].first_tap,
                                       .group_stride = problem.channels * wd[1] * taps,
                                       .row_stride = taps,
                                       .channel_stride = wd[1] * taps,
                                       .tap_row_stride = axes[0].tap_step * wd[3],
                                       .tap_column_stride = axes[1].tap_step};
    uint16_t *packed = (uint16_t *)work->scratch;
    bf16_conv_pack(work, &problem, &layout, &weights, packed);
    const bf16_conv conv = {.problem = &problem,
                            .layout = &layout,
                            .source = cpu_data(&op->tensors[AUXO_CONV2D_BD_DY]),
                            .packed = packed,
                            .out = cpu_data(&op->tensors[AUXO_CONV2D_BD_DX])};
    bf16_conv_run(work, &conv, work->scratch + layout.packed_bytes);
}

/* Whether some elements of DX meet no tap. */
static bool has_gaps(const auxo_op *op)
{
    conv_phase_axis axes[2];
    for (int64_t phase_h = 0; phase_h < op->params.conv2d.stride_h; ++phase_h)
        for (int64_t phase_w = 0; phase_w < op->params.conv2d.stride_w; ++phase_w) {
            const conv_problem problem = conv_problem_backward_data(op, phase_h, phase_w, axes);
            if (problem.channels * axes[0].taps.count * axes[1].taps.count == 0)
                return true;
        }
    return false;
}

static void zero_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    memset((uint16_t *)context + begin, 0, sizeof(uint16_t) * (size_t)(end - begin));
}

static void run_conv2d_backward_data(const cpu_work *work, const auxo_op *op)
{
    if (has_gaps(op))
        cpu_parallel(work, cpu_count(op, AUXO_CONV2D_BD_DX), 1, zero_part, cpu_data(&op->tensors[AUXO_CONV2D_BD_DX]));
    for (int64_t phase_h = 0; phase_h < op->params.conv2d.stride_h; ++phase_h)
        for (int64_t phase_w = 0; phase_w < op->params.conv2d.stride_w; ++phase_w)
            run_phase(work, op, phase_h, phase_w);
}

CPU_KERNEL(conv2d_backward_data)
