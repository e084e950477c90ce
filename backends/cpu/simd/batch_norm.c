/* batch_norm.c: batch normalisation forward and backward (Ioffe and Szegedy 2015).
 *
 * Sums over n and inner are taken in double, channel by channel; a channel belongs to one thread, so the order of every
 * sum depends on the shape alone.
 */
#include "cpu_kernels.h"
#include "half.h"
#include "vec_double.h"
#include "vec_half.h"
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

/* Sums of a channel in the making: of the lanes of whole vectors, and of what is left at the ends of rows. */
typedef struct lane_sums {
    vd low, high;
    double rest;
} lane_sums;

CPU_INLINE double total_of(const lane_sums *sums)
{
    double total = sums->rest;
    for (int lane = 0; lane < VD_LANES; ++lane)
        total += sums->low[lane] + sums->high[lane];
    return total;
}

/* Sum of (x - shift) or, if squares, of its square instead. */
CPU_INLINE double sum_as(const auxo_dtype type, const norm_shape *shape, const void *x, int64_t c, double shift,
                         const bool squares)
{
    lane_sums sums = {.rest = 0};
    for (int64_t o = 0; o < shape->outer; ++o) {
        const int64_t row = (o * shape->channels + c) * shape->inner;
        int64_t i = 0;
        for (; i + VEC_LANES <= shape->inner; i += VEC_LANES) {
            const vf values = vf_load_as(type, x, row + i);
            const vd low = vd_low(values) - shift, high = vd_high(values) - shift;
            sums.low += squares ? low * low : low;
            sums.high += squares ? high * high : high;
        }
        const vf values = vf_load_partial_as(type, x, row + i, shape->inner - i);
        for (int lane = 0; lane < shape->inner - i; ++lane) {
            const double value = (double)values[lane] - shift;
            sums.rest += squares ? value * value : value;
        }
    }
    return total_of(&sums);
}

static double channel_sum(const norm_shape *shape, half_view x, int64_t c, double shift, bool squares)
{
    if (x.dtype == AUXO_DTYPE_F32)
        return squares ? sum_as(AUXO_DTYPE_F32, shape, x.data, c, shift, true)
                       : sum_as(AUXO_DTYPE_F32, shape, x.data, c, shift, false);
    if (x.dtype == AUXO_DTYPE_BF16)
        return squares ? sum_as(AUXO_DTYPE_BF16, shape, x.data, c, shift, true)
                       : sum_as(AUXO_DTYPE_BF16, shape, x.data, c, shift, false);
    return squares ? sum_as(AUXO_DTYPE_F16, shape, x.data, c, shift, true)
                   : sum_as(AUXO_DTYPE_F16, shape, x.data, c, shift, false);
}

/* What Y is made of, besides X: y = act((x - mean) scale + beta). The mean goes off in two parts: rounded to f32, its
 * error would be that of every y where the mean is far above the deviation. */
typedef struct normal_terms {
    float mean, rest, scale, beta;
} normal_terms;

CPU_INLINE void normalise_as(const auxo_dtype type, const norm_shape *shape, const auxo_batch_norm_params *params,
                             int64_t c, const void *x, const normal_terms *terms, void *y)
{
    for (int64_t o = 0; o < shape->outer; ++o) {
        const int64_t row = (o * shape->channels + c) * shape->inner;
        for (int64_t i = 0; i < shape->inner; i += VEC_LANES) {
            const int64_t count = cpu_min(VEC_LANES, shape->inner - i);
            const vf from =
                count == VEC_LANES ? vf_load_as(type, x, row + i) : vf_load_partial_as(type, x, row + i, count);
            const vf value = ((from - terms->mean) - terms->rest) * terms->scale + terms->beta;
            const vf to = vf_activate(params->activation, params->slope, value);
            if (count == VEC_LANES)
                vf_store_as(type, y, row + i, to);
            else
                vf_store_partial_as(type, y, row + i, to, count);
        }
    }
}

static void normalise_channel(const auxo_op *op, const norm_shape *shape, int64_t c, const normal_terms *terms)
{
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const half_view x = half_view_of(op, AUXO_BATCH_NORM_X);
    void *y = cpu_data(&op->tensors[AUXO_BATCH_NORM_Y]);
    if (x.dtype == AUXO_DTYPE_F32)
        normalise_as(AUXO_DTYPE_F32, shape, params, c, x.data, terms, y);
    else if (x.dtype == AUXO_DTYPE_BF16)
        normalise_as(AUXO_DTYPE_BF16, shape, params, c, x.data, terms, y);
    else
        normalise_as(AUXO_DTYPE_F16, shape, params, c, x.data, terms, y);
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
    const normal_terms terms = {(float)mean, (float)(mean - (double)(float)mean),
                                (float)(invstd * (double)cpu_f32(op, AUXO_BATCH_NORM_GAMMA)[c]),
                                cpu_f32(op, AUXO_BATCH_NORM_BETA)[c]};
    normalise_channel(op, shape, c, &terms);
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

/* Sums of dy and of dy (x - mean). */
CPU_INLINE double gradient_sums(const auxo_dtype type, const norm_shape *shape, const void *x, const void *dy,
                                int64_t c, double mean, double *product)
{
    lane_sums sums = {.rest = 0}, products = {.rest = 0};
    for (int64_t o = 0; o < shape->outer; ++o) {
        const int64_t row = (o * shape->channels + c) * shape->inner;
        int64_t i = 0;
        for (; i + VEC_LANES <= shape->inner; i += VEC_LANES) {
            const vf values = vf_load_as(type, x, row + i), gradients = vf_load_as(type, dy, row + i);
            sums.low += vd_low(gradients);
            sums.high += vd_high(gradients);
            products.low += vd_low(gradients) * (vd_low(values) - mean);
            products.high += vd_high(gradients) * (vd_high(values) - mean);
        }
        const vf values = vf_load_partial_as(type, x, row + i, shape->inner - i);
        const vf gradients = vf_load_partial_as(type, dy, row + i, shape->inner - i);
        for (int lane = 0; lane < shape->inner - i; ++lane) {
            sums.rest += (double)gradients[lane];
            products.rest += (double)gradients[lane] * ((double)values[lane] - mean);
        }
    }
    *product = total_of(&products);
    return total_of(&sums);
}

/* What DX is made of, besides X and DY. */
typedef struct gradient_terms {
    double scale, mean, mean_dy, by_x;
} gradient_terms;

CPU_INLINE vf gradient_of(vf x, vf dy, const gradient_terms *terms)
{
    return vf_join(terms->scale * (vd_low(dy) - terms->mean_dy - (vd_low(x) - terms->mean) * terms->by_x),
                   terms->scale * (vd_high(dy) - terms->mean_dy - (vd_high(x) - terms->mean) * terms->by_x));
}

CPU_INLINE void gradient_rows(const auxo_dtype type, const norm_shape *shape, const void *x, const void *dy, int64_t c,
                              const gradient_terms *terms, void *dx)
{
    for (int64_t o = 0; o < shape->outer; ++o) {
        const int64_t row = (o * shape->channels + c) * shape->inner;
        int64_t i = 0;
        for (; i + VEC_LANES <= shape->inner; i += VEC_LANES)
            vf_store_as(type, dx, row + i,
                        gradient_of(vf_load_as(type, x, row + i), vf_load_as(type, dy, row + i), terms));
        const int64_t count = shape->inner - i;
        const vf values = vf_load_partial_as(type, x, row + i, count);
        const vf gradients = vf_load_partial_as(type, dy, row + i, count);
        vf_store_partial_as(type, dx, row + i, gradient_of(values, gradients, terms), count);
    }
}

CPU_INLINE void backward_as(const auxo_dtype type, const auxo_op *op, const norm_shape *shape, int64_t c)
{
    const void *x = cpu_data(&op->tensors[AUXO_BATCH_NORM_B_X]), *dy = cpu_data(&op->tensors[AUXO_BATCH_NORM_B_DY]);
    const double mean = (double)cpu_f32(op, AUXO_BATCH_NORM_B_SAVED_MEAN)[c];
    const double invstd = (double)cpu_f32(op, AUXO_BATCH_NORM_B_SAVED_INVSTD)[c];
    double product;
    const double dbeta = gradient_sums(type, shape, x, dy, c, mean, &product);
    const double dgamma = product * invstd;
    cpu_f32(op, AUXO_BATCH_NORM_B_DGAMMA)[c] = (float)dgamma;
    cpu_f32(op, AUXO_BATCH_NORM_B_DBETA)[c] = (float)dbeta;
    const double count = (double)(shape->outer * shape->inner);
    const gradient_terms terms = {(double)cpu_f32(op, AUXO_BATCH_NORM_B_GAMMA)[c] * invstd, mean, dbeta / count,
                                  invstd * dgamma / count};
    gradient_rows(type, shape, x, dy, c, &terms, cpu_data(&op->tensors[AUXO_BATCH_NORM_B_DX]));
}

static void backward_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const norm_shape shape = shape_of(op, AUXO_BATCH_NORM_B_X);
    const auxo_dtype type = op->tensors[AUXO_BATCH_NORM_B_X].dtype;
    for (int64_t c = begin; c < end; ++c) {
        if (type == AUXO_DTYPE_F32)
            backward_as(AUXO_DTYPE_F32, op, &shape, c);
        else if (type == AUXO_DTYPE_BF16)
            backward_as(AUXO_DTYPE_BF16, op, &shape, c);
        else
            backward_as(AUXO_DTYPE_F16, op, &shape, c);
    }
}

static void run_batch_norm_backward(const cpu_work *work, const auxo_op *op)
{
    const norm_shape shape = shape_of(op, AUXO_BATCH_NORM_B_X);
    cpu_parallel(work, shape.channels, shape.outer * shape.inner, backward_part, op);
}

#define scratch_bytes_batch_norm_backward cpu_no_scratch
CPU_KERNEL(batch_norm_backward)
