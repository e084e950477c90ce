/* conv2d_backward_data.c: the conv2d_backward_data op as gathered products of DY with W turned round.
 *
 * Element h of DX meets DY at p = (h + pad - r dilation) / stride for those r that divide without remainder. The h of
 * equal remainder by the stride have the same such r, in steps of stride / gcd(stride, dilation): one gathered
 * product per remainder (phase) along each axis, over the taps it has.
 */
#include "conv2d_gather.h"
#include "conv2d_half.h"

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

/* Every tap belongs to one phase. */
static size_t weights_bytes(const auxo_op *op)
{
    return cpu_align(sizeof(float) * (size_t)cpu_count(op, AUXO_CONV2D_BD_W));
}

/* Images that are done phase by phase before the next ones: each phase writes a part of every line of DX, which should
 * still be in a cache when the next phase comes. Enough of them that threads need not share images. */
static int64_t near_images(const auxo_op *op, int thread_count)
{
    const int64_t thread_bytes = 2 << 20;
    const int64_t thread_images_min = 4;
    const int64_t *dims = op->tensors[AUXO_CONV2D_BD_DX].dims;
    const int64_t image_bytes = cpu_max(dims[1] * dims[2] * dims[3] * (int64_t)sizeof(float), 1);
    const bool one_phase = op->params.conv2d.stride_h == 1 && op->params.conv2d.stride_w == 1;
    return one_phase ? cpu_max(dims[0], 1) : thread_count * cpu_max(thread_bytes / image_bytes, thread_images_min);
}

static size_t scratch_bytes_conv2d_backward_data_f32(int thread_count, const auxo_op *op)
{
    const int64_t images = op->tensors[AUXO_CONV2D_BD_DX].dims[0];
    const int64_t step = near_images(op, thread_count);
    size_t most = 0;
    phase_axis axes[2];
    for (int64_t phase_h = 0; phase_h < op->params.conv2d.stride_h; ++phase_h)
        for (int64_t phase_w = 0; phase_w < op->params.conv2d.stride_w; ++phase_w)
            for (int last = 0; last < 2; ++last) {
                conv_problem problem = problem_of(op, phase_h, phase_w, axes);
                problem.images = last ? images % step : cpu_min(images, step);
                size_t bytes = conv_gather_scratch_bytes(&problem, thread_count);
                most = bytes > most ? bytes : most;
            }
    return weights_bytes(op) + most;
}

typedef struct turn_context {
    const auxo_op *op;
    const conv_problem *problem;
    const phase_axis *axes;
    float *turned; /* (groups * C/G, K/G, taps of the phase) from W (K, C/G, R, S) */
} turn_context;

/* Items are channels of DX, of all groups. */
static void turn_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const turn_context *turn = context;
    const int64_t channels = turn->problem->channels;
    const int64_t rows = turn->axes[0].taps.count;
    const int64_t columns = turn->axes[1].taps.count;
    const int64_t *wd = turn->op->tensors[AUXO_CONV2D_BD_W].dims;
    const int64_t row_step = turn->axes[0].tap_step * wd[3];
    const int64_t column_step = turn->axes[1].tap_step;
    const float *restrict w =
        cpu_f32(turn->op, AUXO_CONV2D_BD_W) + turn->axes[0].first_tap * wd[3] + turn->axes[1].first_tap;
    float *restrict turned = turn->turned + begin * channels * rows * columns;
    for (int64_t item = begin; item < end; ++item) {
        const float *window = w + (item / wd[1] * channels * wd[1] + item % wd[1]) * wd[2] * wd[3];
        for (int64_t k = 0; k < channels; ++k, window += wd[1] * wd[2] * wd[3])
            for (int64_t r = 0; r < rows; ++r)
                for (int64_t s = 0; s < columns; ++s)
                    *turned++ = window[r * row_step + s * column_step];
    }
}

/* Turns the weights of all phases, or adds up the phases of some images. */
static void run_phases(const cpu_work *work, const auxo_op *op, bool turn_weights, cpu_range images)
{
    phase_axis axes[2];
    float *turned = (float *)work->scratch;
    for (int64_t phase_h = 0; phase_h < op->params.conv2d.stride_h; ++phase_h)
        for (int64_t phase_w = 0; phase_w < op->params.conv2d.stride_w; ++phase_w) {
            conv_problem problem = problem_of(op, phase_h, phase_w, axes);
            const int64_t taps = axes[0].taps.count * axes[1].taps.count;
            if (turn_weights) {
                const turn_context turn = {op, &problem, axes, turned};
                cpu_parallel(work, problem.groups * problem.out_channels, problem.channels * taps, turn_part, &turn);
            } else {
                problem.weights = turned;
                problem.images = images.end - images.begin;
                problem.source +=
                    images.begin * problem.groups * problem.channels * problem.source_h * problem.source_w;
                problem.out += images.begin * problem.groups * problem.out_channels * problem.out_h * problem.out_w;
                conv_gather_run(&problem, work, work->scratch + weights_bytes(op));
            }
            turned += problem.groups * problem.out_channels * problem.channels * taps;
        }
}

static void run_conv2d_backward_data_f32(const cpu_work *work, const auxo_op *op)
{
    const int64_t images = op->tensors[AUXO_CONV2D_BD_DX].dims[0];
    const int64_t step = near_images(op, work->thread_count);
    run_phases(work, op, true, (cpu_range){0, 0});
    for (int64_t first = 0; first < images; first += step)
        run_phases(work, op, false, (cpu_range){first, cpu_min(first + step, images)});
}

CONV_HALF_KERNEL(conv2d_backward_data)
