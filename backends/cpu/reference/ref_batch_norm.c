/* ref_batch_norm.c: batch normalisation forward and backward (Ioffe and Szegedy 2015), channel by channel. */
#include "ref.h"

#include <math.h>

/* X, Y (outer, channels, inner). */
typedef struct channel_view {
    int64_t outer, channels, inner, channel;
} channel_view;

static int64_t element(const channel_view *view, int64_t o, int64_t i)
{
    return (o * view->channels + view->channel) * view->inner + i;
}

static double mean_of(const channel_view *view, const float *x)
{
    double sum = 0;
    for (int64_t o = 0; o < view->outer; ++o)
        for (int64_t i = 0; i < view->inner; ++i)
            sum += (double)x[element(view, o, i)];
    int64_t count = view->outer * view->inner;
    return count ? sum / (double)count : 0;
}

/* Biased. */
static double variance_of(const channel_view *view, const float *x, double mean)
{
    double sum = 0;
    for (int64_t o = 0; o < view->outer; ++o)
        for (int64_t i = 0; i < view->inner; ++i) {
            double deviation = (double)x[element(view, o, i)] - mean;
            sum += deviation * deviation;
        }
    int64_t count = view->outer * view->inner;
    return count ? sum / (double)count : 0;
}

auxo_status ref_batch_norm_forward(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_X].dims;
    const float *x = cpu_f32(op, AUXO_BATCH_NORM_X);
    const float *gamma = cpu_f32(op, AUXO_BATCH_NORM_GAMMA);
    const float *beta = cpu_f32(op, AUXO_BATCH_NORM_BETA);
    float *running_mean = cpu_f32(op, AUXO_BATCH_NORM_RUNNING_MEAN);
    float *running_var = cpu_f32(op, AUXO_BATCH_NORM_RUNNING_VAR);
    float *y = cpu_f32(op, AUXO_BATCH_NORM_Y);
    int64_t count = dims[0] * dims[2];
    for (int64_t c = 0; c < dims[1]; ++c) {
        channel_view view = {dims[0], dims[1], dims[2], c};
        double mean = params->training ? mean_of(&view, x) : (double)running_mean[c];
        double variance = params->training ? variance_of(&view, x, mean) : (double)running_var[c];
        double invstd = 1 / sqrt(variance + (double)params->epsilon);
        for (int64_t o = 0; o < view.outer; ++o)
            for (int64_t i = 0; i < view.inner; ++i) {
                int64_t e = element(&view, o, i);
                double value = (double)gamma[c] * ((double)x[e] - mean) * invstd + (double)beta[c];
                y[e] = (float)ref_activate(params->activation, params->slope, value);
            }
        if (!params->training)
            continue;
        cpu_f32(op, AUXO_BATCH_NORM_SAVED_MEAN)[c] = (float)mean;
        cpu_f32(op, AUXO_BATCH_NORM_SAVED_INVSTD)[c] = (float)invstd;
        double momentum = count ? (double)params->momentum : 0;
        double unbiased = count > 1 ? variance * (double)count / (double)(count - 1) : variance;
        running_mean[c] = (float)((1 - momentum) * (double)running_mean[c] + momentum * mean);
        running_var[c] = (float)((1 - momentum) * (double)running_var[c] + momentum * unbiased);
    }
    return AUXO_OK;
}

auxo_status ref_batch_norm_backward(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_B_X].dims;
    const float *x = cpu_f32(op, AUXO_BATCH_NORM_B_X);
    const float *gamma = cpu_f32(op, AUXO_BATCH_NORM_B_GAMMA);
    const float *saved_mean = cpu_f32(op, AUXO_BATCH_NORM_B_SAVED_MEAN);
    const float *saved_invstd = cpu_f32(op, AUXO_BATCH_NORM_B_SAVED_INVSTD);
    const float *dy = cpu_f32(op, AUXO_BATCH_NORM_B_DY);
    float *dx = cpu_f32(op, AUXO_BATCH_NORM_B_DX);
    double count = (double)(dims[0] * dims[2]);
    for (int64_t c = 0; c < dims[1]; ++c) {
        channel_view view = {dims[0], dims[1], dims[2], c};
        double mean = (double)saved_mean[c];
        double invstd = (double)saved_invstd[c];
        double dgamma = 0;
        double dbeta = 0;
        for (int64_t o = 0; o < view.outer; ++o)
            for (int64_t i = 0; i < view.inner; ++i) {
                int64_t e = element(&view, o, i);
                dgamma += (double)dy[e] * ((double)x[e] - mean) * invstd;
                dbeta += (double)dy[e];
            }
        for (int64_t o = 0; o < view.outer; ++o)
            for (int64_t i = 0; i < view.inner; ++i) {
                int64_t e = element(&view, o, i);
                double normalised = ((double)x[e] - mean) * invstd;
                dx[e] =
                    (float)((double)gamma[c] * invstd * ((double)dy[e] - dbeta / count - normalised * dgamma / count));
            }
        cpu_f32(op, AUXO_BATCH_NORM_B_DGAMMA)[c] = (float)dgamma;
        cpu_f32(op, AUXO_BATCH_NORM_B_DBETA)[c] = (float)dbeta;
    }
    return AUXO_OK;
}
