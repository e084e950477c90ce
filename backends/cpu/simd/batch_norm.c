/* batch_norm.c: batch normalisation forward and backward (Ioffe and Szegedy 2015).
 *
 * Sums over n and inner are taken in double, channel by channel; a channel belongs to one thread, so the order of every
 * sum depends on the shape alone.
 */
#include "cpu_kernels.h"
#include "vec_math.h"

#include <math.h>

/* X, Y (outer, channels, inner). */
typedef struct norm_shape {
    int64_t outer, channels, inner;
} norm_shape;

static norm_shape shape_of(const auxo_op *op, size_t slot)
{
    const int64_t *dims = op->tensors[slot].dims;
    return (norm_shape){dims[0], dims[1], dims[2]};
}

/* Sum of (x - shift) and, if squares, of its square instead. */
CPU_INLINE double channel_sum(const norm_shape *shape, const float *x, int64_t c, double shift, const bool squares)
{
    double total = 0;
    for (int64_t o = 0; o < shape->outer; ++o) {
        const float *row = x + (o * shape->channels + c) * shape->inner;
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < shape->inner; ++i) {
            double value = (double)row[i] - shift;
            sum += squares ? value * value : value;
        }
        total += sum;
    }
    return total;
}

/* y = act((x - mean) scale + beta) over one channel. The mean goes off in two parts: rounded to f32, its error would be
 * that of every y where the mean is far above the deviation. */
static void normalise_channel(const norm_shape *shape, const auxo_batch_norm_params *params, int64_t c, const float *x,
                              double exact_mean, float scale, float beta, float *y)
{
    const float mean = (float)exact_mean;
    const float rest = (float)(exact_mean - (double)mean);
    for (int64_t o = 0; o < shape->outer; ++o) {
        int64_t start = (o * shape->channels + c) * shape->inner;
        for (int64_t i = 0; i < shape->inner; i += VEC_LANES) {
            int64_t count = cpu_min(VEC_LANES, shape->inner - i);
            vf value = ((vf_load_partial(x + start + i, count) - mean) - rest) * scale + beta;
            vf_store_partial(y + start + i, vf_activate(params->activation, params->slope, value), count);
        }
    }
}

static void update_running(const auxo_op *op, int64_t c, double mean, double variance, int64_t count)
{
    float *running_mean = cpu_f32(op, AUXO_BATCH_NORM_RUNNING_MEAN);
    float *running_var = cpu_f32(op, AUXO_BATCH_NORM_RUNNING_VAR);
    double momentum = count ? (double)op->params.batch_norm.momentum : 0;
    double unbiased = count > 1 ? variance * (double)count / (double)(count - 1) : variance;
    running_mean[c] = (float)((1 - momentum) * (double)running_mean[c] + momentum * mean);
    running_var[c] = (float)((1 - momentum) * (double)running_var[c] + momentum * unbiased);
}

static void forward_channel(const auxo_op *op, const norm_shape *shape, int64_t c)
{
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const float *x = cpu_f32(op, AUXO_BATCH_NORM_X);
    int64_t count = shape->outer * shape->inner;
    double mean;
    double variance;
    if (params->training) {
        mean = count ? channel_sum(shape, x, c, 0, false) / (double)count : 0;
        variance = count ? channel_sum(shape, x, c, mean, true) / (double)count : 0;
    } else {
        mean = (double)cpu_f32(op, AUXO_BATCH_NORM_RUNNING_MEAN)[c];
        variance = (double)cpu_f32(op, AUXO_BATCH_NORM_RUNNING_VAR)[c];
    }
    double invstd = 1 / sqrt(variance + (double)params->epsilon);
    normalise_channel(shape, params, c, x, mean, (float)(invstd * (double)cpu_f32(op, AUXO_BATCH_NORM_GAMMA)[c]),
                      cpu_f32(op, AUXO_BATCH_NORM_BETA)[c], cpu_f32(op, AUXO_BATCH_NORM_Y));
    if (!params->training)
        return;
    cpu_f32(op, AUXO_BATCH_NORM_SAVED_MEAN)[c] = (float)mean;
    cpu_f32(op, AUXO_BATCH_NORM_SAVED_INVSTD)[c] = (float)invstd;
    update_running(op, c, mean, variance, count);
}

static void forward_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const norm_shape shape = shape_of(op, AUXO_BATCH_NORM_X);
    for (int64_t c = begin; c < end; ++c)
        forward_channel(op, &shape, c);
}

static void run_batch_norm_forward(const cpu_work *work, const auxo_op *op)
{
    const norm_shape shape = shape_of(op, AUXO_BATCH_NORM_X);
    cpu_parallel(work, shape.channels, shape.outer * shape.inner, forward_part, op);
}

#define scratch_bytes_batch_norm_forward cpu_no_scratch
CPU_KERNEL(batch_norm_forward)

static void backward_channel(const auxo_op *op, const norm_shape *shape, int64_t c)
{
    const float *x = cpu_f32(op, AUXO_BATCH_NORM_B_X);
    const float *dy = cpu_f32(op, AUXO_BATCH_NORM_B_DY);
    float *dx = cpu_f32(op, AUXO_BATCH_NORM_B_DX);
    const double mean = (double)cpu_f32(op, AUXO_BATCH_NORM_B_SAVED_MEAN)[c];
    const double invstd = (double)cpu_f32(op, AUXO_BATCH_NORM_B_SAVED_INVSTD)[c];
    double dgamma = 0;
    double dbeta = 0;
    for (int64_t o = 0; o < shape->outer; ++o) {
        int64_t start = (o * shape->channels + c) * shape->inner;
        double product = 0;
        double sum = 0;
#pragma omp simd reduction(+ : product, sum)
        for (int64_t i = start; i < start + shape->inner; ++i) {
            product += (double)dy[i] * ((double)x[i] - mean);
            sum += (double)dy[i];
        }
        dgamma += product * invstd;
        dbeta += sum;
    }
    cpu_f32(op, AUXO_BATCH_NORM_B_DGAMMA)[c] = (float)dgamma;
    cpu_f32(op, AUXO_BATCH_NORM_B_DBETA)[c] = (float)dbeta;
    const double count = (double)(shape->outer * shape->inner);
    const double scale = (double)cpu_f32(op, AUXO_BATCH_NORM_B_GAMMA)[c] * invstd;
    const double by_x = invstd * dgamma / count;
    for (int64_t o = 0; o < shape->outer; ++o) {
        int64_t start = (o * shape->channels + c) * shape->inner;
#pragma omp simd
        for (int64_t i = start; i < start + shape->inner; ++i)
            dx[i] = (float)(scale * ((double)dy[i] - dbeta / count - ((double)x[i] - mean) * by_x));
    }
}

static void backward_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const norm_shape shape = shape_of(op, AUXO_BATCH_NORM_B_X);
    for (int64_t c = begin; c < end; ++c)
        backward_channel(op, &shape, c);
}

static void run_batch_norm_backward(const cpu_work *work, const auxo_op *op)
{
    const norm_shape shape = shape_of(op, AUXO_BATCH_NORM_B_X);
    cpu_parallel(work, shape.channels, shape.outer * shape.inner, backward_part, op);
}

#define scratch_bytes_batch_norm_backward cpu_no_scratch
CPU_KERNEL(batch_norm_backward)
