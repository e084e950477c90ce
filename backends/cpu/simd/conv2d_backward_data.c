/* conv2d_backward_data.c: the conv2d_backward_data op as gathered products of DY with W turned round.
 *
 * Element h of DX meets DY at p = (h + pad - r dilation) / stride for those r that divide without remainder. The h of
 * equal remainder by the stride have the same such r, in steps of stride / gcd(stride, dilation): one gathered
 * product per remainder (phase) along each axis, over the taps it has.
 */
#include "conv2d_gather.h"

/* The taps that reach one phase of DX along one axis. */
typedef struct phase_axis {
    int64_t positions;           /* elements of DX in the phase */
    int64_t first_tap, tap_step; /* in W */
    conv_axis taps;              /* in DY */
} phase_axis;

static phase_axis phase_of(int64_t phase, int64_t extent, int64_t taps, int64_t stride, int64_t pad, int64_t dilation)
{
    phase_axis axis = {.positions = phase < extent ? cpu_ceil_div(extent - phase, stride) : 0, .tap_step = 1};
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

static conv_problem problem_of(const auxo_op *op, int64_t phase_h, int64_t phase_w, phase_axis axes[2])
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *dyd = op->tensors[AUXO_CONV2D_BD_DY].dims;
    const int64_t *wd = op->tensors[AUXO_CONV2D_BD_W].dims;
    const int64_t *dxd = op->tensors[AUXO_CONV2D_BD_DX].dims;
    axes[0] = phase_of(phase_h, dxd[2], wd[2], params->stride_h, params->pad_h, params->dilation_h);
    axes[1] = phase_of(phase_w, dxd[3], wd[3], params->stride_w, params->pad_w, params->dilation_w);
    return (conv_problem){.images = dxd[0],
                          .groups = params->groups,
                          .source = cpu_f32(op, AUXO_CONV2D_BD_DY),
                          .channels = dyd[1] / params->groups,
                          .source_h = dyd[2],
                          .source_w = dyd[3],
                          .step_h = 1,
                          .step_w = 1,
                          .tap_rows = axes[0].taps,
                          .tap_columns = axes[1].taps,
                          .positions_h = axes[0].positions,
                          .positions_w = axes[1].positions,
                          .out = cpu_f32(op, AUXO_CONV2D_BD_DX),
                          .out_channels = wd[1],
                          .out_h = dxd[2],
                          .out_w = dxd[3],
                          .out_row = phase_h,
                          .out_row_step = params->stride_h,
                          .out_column = phase_w,
                          .out_column_step = params->stride_w,
                          .epilogue = {.alpha = 1}};
}

/* One phase never uses more weights than there are. */
static size_t weights_bytes(const auxo_op *op)
{
    return cpu_align(sizeof(float) * (size_t)cpu_count(op, AUXO_CONV2D_BD_W));
}

static size_t scratch_bytes_conv2d_backward_data(int thread_count, const auxo_op *op)
{
    size_t most = 0;
    phase_axis axes[2];
    for (int64_t phase_h = 0; phase_h < op->params.conv2d.stride_h; ++phase_h)
        for (int64_t phase_w = 0; phase_w < op->params.conv2d.stride_w; ++phase_w) {
            conv_problem problem = problem_of(op, phase_h, phase_w, axes);
            size_t bytes = conv_gather_scratch_bytes(&problem, thread_count);
            most = bytes > most ? bytes : most;
        }
    return weights_bytes(op) + most;
}

/* turned (groups * C/G, K/G, taps of the phase) from W (K, C/G, R, S). */
static void turn_weights(const auxo_op *op, const conv_problem *problem, const phase_axis axes[2], float *turned)
{
    const int64_t *wd = op->tensors[AUXO_CONV2D_BD_W].dims;
    const float *w = cpu_f32(op, AUXO_CONV2D_BD_W);
    for (int64_t group = 0; group < problem->groups; ++group)
        for (int64_t c = 0; c < wd[1]; ++c)
            for (int64_t k = group * problem->channels; k < (group + 1) * problem->channels; ++k)
                for (int64_t r = 0; r < axes[0].taps.count; ++r)
                    for (int64_t s = 0; s < axes[1].taps.count; ++s) {
                        int64_t row = axes[0].first_tap + r * axes[0].tap_step;
                        int64_t column = axes[1].first_tap + s * axes[1].tap_step;
                        *turned++ = w[((k * wd[1] + c) * wd[2] + row) * wd[3] + column];
                    }
}

static void run_conv2d_backward_data(const cpu_work *work, const auxo_op *op)
{
    phase_axis axes[2];
    for (int64_t phase_h = 0; phase_h < op->params.conv2d.stride_h; ++phase_h)
        for (int64_t phase_w = 0; phase_w < op->params.conv2d.stride_w; ++phase_w) {
            conv_problem problem = problem_of(op, phase_h, phase_w, axes);
            float *turned = (float *)work->scratch;
            turn_weights(op, &problem, axes, turned);
            problem.weights = turned;
            conv_gather_run(&problem, work, work->scratch + weights_bytes(op));
        }
}

CPU_KERNEL(conv2d_backward_data)
