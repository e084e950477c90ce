/* batch_norm_split.cl: training's batch normalisation with several groups per channel, in two launches each way.
 *
 *     group (part, channel): the terms part * part_terms .. of channel's outer * inner
 *     forward:   batch_norm_moments -> batch_norm_merged        (merging: Chan, Golub and LeVeque 1979)
 *     backward:  batch_norm_sums    -> batch_norm_sums_merged   (formula: batch_norm.cl)
 * partial[channel][part] is what the first launch leaves; every group of the second merges all parts of its channel, one
 * per work-item and round, and part 0 writes what there is once per channel. Parameter: WG.
 */
#include "activation.clh"
#include "group.clh"

typedef struct part {
    uint channel, outer_step, inner, begin, end;
} part;

static inline part own_part(uint channels, uint inner, uint terms, uint part_terms)
{
    uint begin = (uint)get_group_id(0) * part_terms;
    return (part){(uint)get_group_id(1), channels * inner, inner, begin, min(begin + part_terms, terms)};
}

/* Position of term t of the part's channel in X (outer, channels, inner). */
static inline ulong term_position(const part *p, uint t)
{
    uint row = t / p->inner;
    return (ulong)row * p->outer_step + (ulong)p->channel * p->inner + (t - row * p->inner);
}

/* partial: (mean, what its rounding left, sum of squares around it, 0) */
kernel WG_ATTRIBUTE void batch_norm_moments(global const float *x, ulong x_offset, global float4 *partial,
                                            uint channels, uint inner, uint terms, uint part_terms)
{
    local float2 scratch[WG];
    part p = own_part(channels, inner, terms, part_terms);
    float2 mean = (float2)(0.0f), squares = (float2)(0.0f);
    for (uint t = p.begin + (uint)get_local_id(0); t < p.end; t += WG)
        mean = pair_add_float(mean, x[x_offset + term_position(&p, t)]);
    mean = pair_divide(group_sum(mean, scratch), (float)(p.end - p.begin));
    for (uint t = p.begin + (uint)get_local_id(0); t < p.end; t += WG)
        squares = pair_add_square(squares, (x[x_offset + term_position(&p, t)] - mean.x) - mean.y);
    squares = group_sum(squares, scratch);
    if (get_local_id(0) == 0)
        partial[p.channel * get_num_groups(0) + get_group_id(0)] = (float4)(mean, squares.x, 0.0f);
}

static inline float terms_of(uint index, uint terms, uint part_terms)
{
    return (float)(min((index + 1) * part_terms, terms) - index * part_terms);
}

/* Mean of the channel, as a pair; *variance around it. */
static inline float2 merge_moments(global const float4 *moments, uint parts, uint terms, uint part_terms,
                                   local float2 *scratch, float *variance)
{
    float2 mean = (float2)(0.0f), squares = (float2)(0.0f);
    for (uint i = (uint)get_local_id(0); i < parts; i += WG)
        mean = pair_add(mean, pair_scale(moments[i].xy, terms_of(i, terms, part_terms)));
    mean = pair_divide(group_sum(mean, scratch), (float)terms);
    for (uint i = (uint)get_local_id(0); i < parts; i += WG) {
        float between = (moments[i].x - mean.x) + (moments[i].y - mean.y);
        squares = pair_add_float(squares, moments[i].z);
        squares = pair_add(squares, pair_scale(two_product(between, between), terms_of(i, terms, part_terms)));
    }
    *variance = group_sum(squares, scratch).x / (float)terms;
    return mean;
}

kernel WG_ATTRIBUTE void batch_norm_merged(global const float *x, ulong x_offset, global const float *gamma,
                                           ulong gamma_offset, global const float *beta, ulong beta_offset,
                                           global float *running_mean, ulong running_mean_offset,
                                           global float *running_var, ulong running_var_offset, global float *y,
                                           ulong y_offset, global float *saved_mean, ulong saved_mean_offset,
                                           global float *saved_invstd, ulong saved_invstd_offset,
                                           global const float4 *partial, uint channels, uint inner, uint terms,
                                           uint part_terms, float epsilon, float momentum, int activation, float slope)
{
    local float2 scratch[WG];
    part p = own_part(channels, inner, terms, part_terms);
    float variance;
    uint parts = (uint)get_num_groups(0);
    float2 mean = merge_moments(partial + p.channel * parts, parts, terms, part_terms, scratch, &variance);
    float invstd = 1.0f / sqrt(variance + epsilon);
    float g = gamma[gamma_offset + p.channel];
    float b = beta[beta_offset + p.channel];
    for (uint t = p.begin + (uint)get_local_id(0); t < p.end; t += WG) {
        ulong at = term_position(&p, t);
        y[y_offset + at] = activate_as(activation, g * ((x[x_offset + at] - mean.x) - mean.y) * invstd + b, slope);
    }
    if (get_group_id(0) != 0 || get_local_id(0) != 0)
        return;
    saved_mean[saved_mean_offset + p.channel] = mean.x;
    saved_invstd[saved_invstd_offset + p.channel] = invstd;
    ulong m = running_mean_offset + p.channel, v = running_var_offset + p.channel;
    float unbiased = variance * ((float)terms / (float)(terms - 1));
    running_mean[m] = (1.0f - momentum) * running_mean[m] + momentum * mean.x;
    running_var[v] = (1.0f - momentum) * running_var[v] + momentum * unbiased;
}

/* partial: sums of DY and of DY (x - mean), each as a pair */
kernel WG_ATTRIBUTE void batch_norm_sums(global const float *x, ulong x_offset, global const float *saved_mean,
                                         ulong saved_mean_offset, global const float *dy, ulong dy_offset,
                                         global float4 *partial, uint channels, uint inner, uint terms, uint part_terms)
{
    local float2 scratch[WG];
    part p = own_part(channels, inner, terms, part_terms);
    float mean = saved_mean[saved_mean_offset + p.channel];
    float2 sum = (float2)(0.0f), weighted = (float2)(0.0f);
    for (uint t = p.begin + (uint)get_local_id(0); t < p.end; t += WG) {
        ulong at = term_position(&p, t);
        float d = dy[dy_offset + at];
        sum = pair_add_float(sum, d);
        weighted = pair_add(weighted, two_product(d, x[x_offset + at] - mean));
    }
    sum = group_sum(sum, scratch);
    weighted = group_sum(weighted, scratch);
    if (get_local_id(0) == 0)
        partial[p.channel * get_num_groups(0) + get_group_id(0)] = (float4)(sum, weighted);
}

kernel WG_ATTRIBUTE void batch_norm_sums_merged(global const float *x, ulong x_offset, global const float *gamma,
                                                ulong gamma_offset, global const float *saved_mean,
                                                ulong saved_mean_offset, global const float *saved_invstd,
                                                ulong saved_invstd_offset, global const float *dy, ulong dy_offset,
                                                global float *dx, ulong dx_offset, global float *dgamma,
                                                ulong dgamma_offset, global float *dbeta, ulong dbeta_offset,
                                                global const float4 *partial, uint channels, uint inner, uint terms,
                                                uint part_terms)
{
    local float2 scratch[WG];
    part p = own_part(channels, inner, terms, part_terms);
    uint parts = (uint)get_num_groups(0);
    float2 sum = (float2)(0.0f), weighted = (float2)(0.0f);
    for (uint i = (uint)get_local_id(0); i < parts; i += WG) {
        sum = pair_add(sum, partial[p.channel * parts + i].xy);
        weighted = pair_add(weighted, partial[p.channel * parts + i].zw);
    }
    float mean = saved_mean[saved_mean_offset + p.channel];
    float invstd = saved_invstd[saved_invstd_offset + p.channel];
    float total = group_sum(sum, scratch).x;
    float total_product = pair_scale(group_sum(weighted, scratch), invstd).x;
    float count = (float)terms;
    float factor = gamma[gamma_offset + p.channel] * invstd;
    for (uint t = p.begin + (uint)get_local_id(0); t < p.end; t += WG) {
        ulong at = term_position(&p, t);
        float normalised = (x[x_offset + at] - mean) * invstd;
        dx[dx_offset + at] = factor * (dy[dy_offset + at] - total / count - normalised * (total_product / count));
    }
    if (get_group_id(0) != 0 || get_local_id(0) != 0)
        return;
    dgamma[dgamma_offset + p.channel] = total_product;
    dbeta[dbeta_offset + p.channel] = total;
}
