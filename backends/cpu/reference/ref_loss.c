/* ref_loss.c: softmax, softmax cross-entropy and mean squared error, accumulated in double. */
#include "ref.h"

#include <math.h>

void ref_write_loss(const auxo_op *op, size_t loss_slot, size_t stats_slot, double loss, int64_t rows,
                    int64_t right_count)
{
    float *out = cpu_f32(op, loss_slot);
    float *stats = cpu_f32(op, stats_slot);
    float *history = cpu_f32(op, stats_slot + 1);
    out[0] = (float)loss;
    out[1] = isfinite(out[0]) ? (float)(loss - (double)out[0]) : 0;
    if (stats) {
        stats[0] = (float)((double)stats[0] + loss * (double)rows);
        stats[1] = (float)((double)stats[1] + (double)right_count);
        stats[2] = (float)((double)stats[2] + (double)rows);
        stats[3] += 1;
    }
    if (history && cpu_count(op, stats_slot + 1) > 0) {
        uint32_t step = ref_counter(op, stats_slot + 2, 0) - 1;
        history[step % (uint64_t)cpu_count(op, stats_slot + 1)] = (float)loss;
    }
}

static double row_max(const float *row, int64_t classes)
{
    double max = -INFINITY;
    for (int64_t c = 0; c < classes; ++c)
        max = row[c] > max || isnan(row[c]) ? row[c] : max;
    return max;
}

static double row_exp_sum(const float *row, int64_t classes, double max)
{
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c)
        sum += exp((double)row[c] - max);
    return sum;
}

auxo_status ref_softmax(const auxo_op *op, auxo_error *error)
{
    (void)error;
    int64_t rows = op->tensors[AUXO_SOFTMAX_X].dims[0];
    int64_t classes = op->tensors[AUXO_SOFTMAX_X].dims[1];
    for (int64_t r = 0; r < rows; ++r) {
        const float *x = cpu_f32(op, AUXO_SOFTMAX_X) + r * classes;
        float *y = cpu_f32(op, AUXO_SOFTMAX_Y) + r * classes;
        double max = row_max(x, classes);
        double sum = row_exp_sum(x, classes, max);
        for (int64_t c = 0; c < classes; ++c)
            y[c] = (float)(exp((double)x[c] - max) / sum);
    }
    return AUXO_OK;
}

/* Whether z[label] is the first maximum. */
static bool is_right(const float *z, int64_t classes, uint32_t label)
{
    for (int64_t c = 0; c < classes; ++c)
        if (c < (int64_t)label ? !(z[c] < z[label]) : !(z[c] <= z[label]))
            return false;
    return true;
}

auxo_status ref_softmax_cross_entropy(const auxo_op *op, auxo_error *error)
{
    (void)error;
    int64_t rows = op->tensors[AUXO_XENT_LOGITS].dims[0];
    int64_t classes = op->tensors[AUXO_XENT_LOGITS].dims[1];
    const uint32_t *labels = cpu_u32(op, AUXO_XENT_LABELS);
    float *dlogits = cpu_f32(op, AUXO_XENT_DLOGITS);
    double loss = 0;
    int64_t right_count = 0;
    for (int64_t r = 0; r < rows; ++r) {
        const float *z = cpu_f32(op, AUXO_XENT_LOGITS) + r * classes;
        bool valid = labels[r] < classes;
        double max = row_max(z, classes);
        double sum = row_exp_sum(z, classes, max);
        loss += valid ? log(sum) + (max - (double)z[labels[r]]) : NAN;
        right_count += valid && is_right(z, classes, labels[r]);
        for (int64_t c = 0; dlogits && c < classes; ++c) {
            double probability = exp((double)z[c] - max) / sum;
            dlogits[r * classes + c] = (float)((probability - (c == labels[r] ? 1 : 0)) / (double)rows);
        }
    }
    ref_write_loss(op, AUXO_XENT_LOSS, AUXO_XENT_STATS, rows ? loss / (double)rows : 0, rows, right_count);
    return AUXO_OK;
}

auxo_status ref_mse(const auxo_op *op, auxo_error *error)
{
    (void)error;
    int64_t count = cpu_count(op, AUXO_MSE_PREDICTION);
    const float *prediction = cpu_f32(op, AUXO_MSE_PREDICTION);
    const float *target = cpu_f32(op, AUXO_MSE_TARGET);
    float *dprediction = cpu_f32(op, AUXO_MSE_DPREDICTION);
    double loss = 0;
    for (int64_t e = 0; e < count; ++e) {
        double difference = (double)prediction[e] - (double)target[e];
        loss += difference * difference;
        if (dprediction)
            dprediction[e] = (float)(2 * difference / (double)count);
    }
    ref_write_loss(op, AUXO_MSE_LOSS, AUXO_MSE_STATS, count ? loss / (double)count : 0,
                   op->tensors[AUXO_MSE_PREDICTION].dims[0], 0);
    return AUXO_OK;
}
