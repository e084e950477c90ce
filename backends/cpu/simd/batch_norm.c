/* batch_norm.c: batch normalisation forward and backward (Ioffe and Szegedy 2015).
 *
 * Sums over n and inner are taken in double, channel by channel; a channel belongs to one thread, so the order of every
 * sum depends on the shape alone.
 */
#include "cpu_kernels.h"
#include "half.h"
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

CPU_INLINE double row_sum(const float *row, int64_t count, double shift, const bool squares)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; ++i) {
        double value = (double)row[i] - shift;
        sum += squares ? value * value : value;
    }
    return sum;
}

/* Sum of (x - shift) and, if squares, of its square instead. */
CPU_INLINE double channel_sum(const norm_shape *shape, half_view x, int64_t c, double shift, const bool squares)
{
    const int64_t step = half_step(x, x, shape->inner);
    float buffer[HALF_BLOCK];
    double total = 0;
    for (int64_t o = 0; o < shape->outer; ++o)
        for (int64_t i = 0; i < shape->inner; i += step) {
            const int64_t count = cpu_min(step, shape->inner - i);
            const float *row = half_read(x, (o * shape->channels + c) * shape->inner + i, count, buffer);
            total += row_sum(row, count, shift, squares);
        }
    return total;
}

/* y = act((x - mean) scale + beta) over one channel. The mean goes off in two parts: rounded to f32, its error would be
 * that of every y where the mean is far above the deviation. */
static void normalise_channel(const norm_shape *shape, const auxo_batch_norm_params *params, int64_t c, half_view x,
                              double exact_mean, float scale, float beta, half_view y)
{
    const float mean = (float)exact_mean;
    const float rest = (float)(exact_mean - (double)mean);
    const int64_t step = half_step(x, y, shape->inner);
    float buffers[2][HALF_BLOCK];
    for (int64_t o = 0; o < shape->outer; ++o)
        for (int64_t first = 0; first < shape->inner; first += step) {
            const int64_t start = (o * shape->channels + c) * shape->inner + first;
            const int64_t length = cpu_min(step, shape->inner - first);
            const float *from = half_read(x, start, length, buffers[0]);
            float *to = half_target(y, start, buffers[1]);
            for (int64_t i = 0; i < length; i += VEC_LANES) {
                int64_t count = cpu_min(VEC_LANES, length - i);
                vf value = ((vf_load_partial(from + i, count) - mean) - rest) * scale + beta;
                vf_store_partial(to + i, vf_activate(params->activation, params->slope, value), count);
            }
            half_write(y, start, length, buffers[1]);
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
    const half_view x = half_view_of(op, AUXO_BATCH_NORM_X);
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
                      cpu_f32(op, AUXO_BATCH_NORM_BETA)[c], half_view_of(op, AUXO_BATCH_NORM_Y));
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

/* Sums of dy (x - mean) and, returned, of dy. */
static double gradient_sums(const float *x, const float *dy, int64_t count, double mean, double *product)
{
    double products = 0;
    double sum = 0;
#pragma omp simd reduction(+ : products, sum)
    for (int64_t i = 0; i < count; ++i) {
        products += (double)dy[i] * ((double)x[i] - mean);
        sum += (double)dy[i];
    }
    *product = products;
    return sum;
}

/* What DX is made of, besides X and DY. */
typedef struct gradient_terms {
    double scale, mean, mean_dy, by_x;
} gradient_terms;

static void gradient_row(const float *x, const float *dy, float *dx, int64_t count, gradient_terms terms)
{
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
        dx[i] = (float)(terms.scale * ((double)dy[i] - terms.mean_dy - ((double)x[i] - terms.mean) * terms.by_x));
}

static void backward_channel(const auxo_op *op, const norm_shape *shape, int64_t c)
{
    const half_view x = half_view_of(op, AUXO_BATCH_NORM_B_X);
    const half_view dy = half_view_of(op, AUXO_BATCH_NORM_B_DY);
    const half_view dx = half_view_of(op, AUXO_BATCH_NORM_B_DX);
    const int64_t step = half_step(x, dy, shape->inner);
    float buffers[3][HALF_BLOCK];
    const double mean = (double)cpu_f32(op, AUXO_BATCH_NORM_B_SAVED_MEAN)[c];
    const double invstd = (double)cpu_f32(op, AUXO_BATCH_NORM_B_SAVED_INVSTD)[c];
    double dgamma = 0;
    double dbeta = 0;
    for (int64_t o = 0; o < shape->outer; ++o)
        for (int64_t first = 0; first < shape->inner; first += step) {
            const int64_t start = (o * shape->channels + c) * shape->inner + first;
            const int64_t count = cpu_min(step, shape->inner - first);
            double product;
            const double sum = gradient_sums(half_read(x, start, count, buffers[0]),
                                             half_read(dy, start, count, buffers[1]), count, mean, &product);
            dgamma += product * invstd;
            dbeta += sum;
        }
    cpu_f32(op, AUXO_BATCH_NORM_B_DGAMMA)[c] = (float)dgamma;
    cpu_f32(op, AUXO_BATCH_NORM_B_DBETA)[c] = (float)dbeta;
    const double count = (double)(shape->outer * shape->inner);
    const gradient_terms terms = {(double)cpu_f32(op, AUXO_BATCH_NORM_B_GAMMA)[c] * invstd, mean, dbeta / count,
                                  invstd * dgamma / count};
    for (int64_t o = 0; o < shape->outer; ++o)
        for (int64_t first = 0; first < shape->inner; first += step) {
            const int64_t start = (o * shape->channels + c) * shape->inner + first;
            const int64_t length = cpu_min(step, shape->inner - first);
            gradient_row(half_read(x, start, length, buffers[0]), half_read(dy, start, length, buffers[1]),
                         half_target(dx, start, buffers[2]), length, terms);
            half_write(dx, start, length, buffers[2]);
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
