/* batch_norm.cl: batch normalisation per channel of X (N, C, inner), forward and backward (Ioffe and Szegedy 2015).
 *
 *     group c: its WG items walk the channel's N rows of `inner` elements, VEC at a time:
 *              mean -> variance around it -> Y           (forward, training)
 *              sums of DY and DY xhat -> DX              (backward)
 * Inference is one pass of work-items over all elements. Parameters: VEC, WG, DATA.
 */
#include "activation.clh"
#include "datum.clh"
#include "group.clh"
#include "lanes.clh"

/* Position of chunk number `chunk` of channel `channel`; *left is how many of its elements remain in the row. */
static inline ulong chunk_position(ulong chunk, ulong channel, ulong channels, ulong inner, ulong *left)
{
    ulong row_chunks = (inner + VEC - 1) / VEC;
    ulong row = chunk / row_chunks;
    ulong i = (chunk - row * row_chunks) * VEC;
    *left = inner - i;
    return (row * channels + channel) * inner + i;
}

/* v where the lane exists, else 0. */
static inline floatv mask_lanes(floatv v, ulong left)
{
#if VEC > 1
    if (left < VEC) {
        float lanes[VEC];
        storev(v, lanes);
        for (uint i = 0; i < VEC; ++i)
            lanes[i] = i < left ? lanes[i] : 0.0f;
        return loadv(lanes);
    }
#endif
    return v;
}

static inline float fold(floatv sum, floatv low, local float2 *scratch)
{
    return group_sum(fold_lanes(sum, low), scratch).x;
}

kernel WG_ATTRIBUTE void batch_norm_forward(global const datum *x, ulong x_offset, global const float *gamma,
                                            ulong gamma_offset, global const float *beta, ulong beta_offset,
                                            global float *running_mean, ulong running_mean_offset,
                                            global float *running_var, ulong running_var_offset, global datum *y,
                                            ulong y_offset, global float *saved_mean, ulong saved_mean_offset,
                                            global float *saved_invstd, ulong saved_invstd_offset, ulong outer,
                                            ulong channels, ulong inner, float epsilon, float momentum, int activation,
                                            float slope)
{
    local float2 scratch[WG];
    ulong c = get_group_id(0);
    ulong item = get_local_id(0);
    ulong chunks = outer * ((inner + VEC - 1) / VEC);
    ulong left;
    float count = (float)(outer * inner);
    floatv sum = (floatv)(0.0f), low = (floatv)(0.0f);
    for (ulong chunk = item; chunk < chunks; chunk += WG) {
        ulong at = chunk_position(chunk, c, channels, inner, &left);
        add_lanes(get_chunk(x + x_offset + at, 0, left), &sum, &low);
    }
    float mean = count > 0.0f ? fold(sum, low, scratch) / count : 0.0f;
    sum = (floatv)(0.0f);
    low = (floatv)(0.0f);
    floatv drift = (floatv)(0.0f); /* sum of deviations: what the rounded mean leaves */
    for (ulong chunk = item; chunk < chunks; chunk += WG) {
        ulong at = chunk_position(chunk, c, channels, inner, &left);
        floatv d = mask_lanes(get_chunk(x + x_offset + at, 0, left) - mean, left);
        add_lanes(d * d, &sum, &low);
        drift += d;
    }
    float squares = fold(sum, low, scratch);
    float correction = group_sum((float2)(sumv(drift), 0.0f), scratch).x / fmax(count, 1.0f);
    float variance = count > 0.0f ? squares / count - correction * correction : 0.0f;
    variance = variance < 0.0f ? 0.0f : variance; /* NaN stays */
    float invstd = 1.0f / sqrt(variance + epsilon);
    float g = gamma[gamma_offset + c];
    float b = beta[beta_offset + c];
    for (ulong chunk = item; chunk < chunks; chunk += WG) {
        ulong at = chunk_position(chunk, c, channels, inner, &left);
        floatv v = g * ((get_chunk(x + x_offset + at, 0, left) - mean) - correction) * invstd + b;
        put_chunk(activate_as(activation, v, slope), y + y_offset + at, 0, left);
    }
    if (item != 0)
        return;
    saved_mean[saved_mean_offset + c] = mean + correction;
    saved_invstd[saved_invstd_offset + c] = invstd;
    if (count > 0.0f) {
        float unbiased = count > 1.0f ? variance * (count / (count - 1.0f)) : variance;
        running_mean[running_mean_offset + c] =
            (1.0f - momentum) * running_mean[running_mean_offset + c] + momentum * (mean + correction);
        running_var[running_var_offset + c] =
            (1.0f - momentum) * running_var[running_var_offset + c] + momentum * unbiased;
    }
}

kernel void batch_norm_inference(global const datum *x, ulong x_offset, global const float *gamma, ulong gamma_offset,
                                 global const float *beta, ulong beta_offset, global const float *running_mean,
                                 ulong running_mean_offset, global const float *running_var, ulong running_var_offset,
                                 global datum *y, ulong y_offset, ulong rows, ulong channels, ulong inner,
                                 float epsilon, int activation, float slope)
{
    ulong row_chunks = (inner + VEC - 1) / VEC;
    ulong row = get_global_id(0) / row_chunks; /* n * channels + c */
    if (row >= rows)
        return;
    ulong i = (get_global_id(0) - row * row_chunks) * VEC;
    ulong c = row % channels;
    float g = gamma[gamma_offset + c] / sqrt(running_var[running_var_offset + c] + epsilon);
    floatv v = get_chunk(x + x_offset + row * inner, i, inner) - running_mean[running_mean_offset + c];
    put_chunk(activate_as(activation, g * v + beta[beta_offset + c], slope), y + y_offset + row * inner, i, inner);
}

kernel WG_ATTRIBUTE void batch_norm_backward(global const datum *x, ulong x_offset, global const float *gamma,
                                             ulong gamma_offset, global const float *saved_mean,
                                             ulong saved_mean_offset, global const float *saved_invstd,
                                             ulong saved_invstd_offset, global const datum *dy, ulong dy_offset,
                                             global datum *dx, ulong dx_offset, global float *dgamma,
                                             ulong dgamma_offset, global float *dbeta, ulong dbeta_offset, ulong outer,
                                             ulong channels, ulong inner)
{
    local float2 scratch[WG];
    ulong c = get_group_id(0);
    ulong item = get_local_id(0);
    ulong chunks = outer * ((inner + VEC - 1) / VEC);
    ulong left;
    float count = fmax((float)(outer * inner), 1.0f);
    float mean = saved_mean[saved_mean_offset + c];
    float invstd = saved_invstd[saved_invstd_offset + c];
    floatv sum = (floatv)(0.0f), sum_low = (floatv)(0.0f);
    floatv product = (floatv)(0.0f), product_low = (floatv)(0.0f);
    for (ulong chunk = item; chunk < chunks; chunk += WG) {
        ulong at = chunk_position(chunk, c, channels, inner, &left);
        floatv d = get_chunk(dy + dy_offset + at, 0, left);
        floatv normalised = (get_chunk(x + x_offset + at, 0, left) - mean) * invstd;
        add_lanes(d, &sum, &sum_low);
        add_lanes(d * normalised, &product, &product_low);
    }
    float total = fold(sum, sum_low, scratch);
    float total_product = fold(product, product_low, scratch);
    float factor = gamma[gamma_offset + c] * invstd;
    for (ulong chunk = item; chunk < chunks; chunk += WG) {
        ulong at = chunk_position(chunk, c, channels, inner, &left);
        floatv d = get_chunk(dy + dy_offset + at, 0, left);
        floatv normalised = (get_chunk(x + x_offset + at, 0, left) - mean) * invstd;
        put_chunk(factor * (d - total / count - normalised * (total_product / count)), dx + dx_offset + at, 0, left);
    }
    if (item == 0) {
        dgamma[dgamma_offset + c] = total_product;
        dbeta[dbeta_offset + c] = total;
    }
}
