/* conv2d_backward_data.c: the conv2d_backward_data op as gathered products of DY with W turned round, one per
 * phase of conv2d_problem.h. */
#include "conv2d_gather.h"
#include "conv2d_half.h"

static conv_problem problem_of(const auxo_op *op, int64_t phase_h, int64_t phase_w, conv_phase_axis axes[2])
{
    conv_problem problem = conv_problem_backward_data(op, phase_h, phase_w, axes);
    problem.source = cpu_f32(op, AUXO_CONV2D_BD_DY);
    problem.out = cpu_f32(op, AUXO_CONV2D_BD_DX);
    return problem;
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
    conv_phase_axis axes[2];
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
    const conv_phase_axis *axes;
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
    conv_phase_axis axes[2];
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
