/* mse.cl: mean of squared differences and its gradient.
 *
 *     mse_groups: group g: chunks g, g + groups, ... of WG x VEC elements -> partial[g], DPREDICTION
 *     mse_finish: one group adds partial[] in a fixed order
 * Parameters: VEC, WG.
 */
#include "vector.clh"
#include "group.clh"
#include "loss.clh"

kernel WG_ATTRIBUTE void mse_groups(global const float *prediction, ulong prediction_offset, global const float *target,
                                    ulong target_offset, global float *gradient, ulong gradient_offset,
                                    global float2 *partial, ulong count)
{
    local float2 scratch[WG];
    floatv high = (floatv)(0.0f);
    floatv low = (floatv)(0.0f);
    float factor = 2.0f / (float)count;
    for (ulong i = get_global_id(0) * VEC; i < count; i += get_global_size(0) * VEC) {
        ulong left = count - i;
        floatv p, t;
        if (left >= VEC) {
            p = loadv(prediction + prediction_offset + i);
            t = loadv(target + target_offset + i);
        } else {
            p = loadv_part(prediction + prediction_offset + i, left);
            t = loadv_part(target + target_offset + i, left);
        }
        floatv d = p - t;
        floatv square = d * d;
        floatv s = high + square;
        floatv back = s - high;
        low += ((high - (s - back)) + (square - back)) + fma(d, d, -square);
        high = s;
        if (gradient && left >= VEC)
            storev(d * factor, gradient + gradient_offset + i);
        else if (gradient)
            storev_part(d * factor, gradient + gradient_offset + i, left);
    }
    float2 total = (float2)(0.0f, 0.0f);
#if VEC == 1
    total = pair_add(total, (float2)(high, isfinite(high) ? low : 0.0f));
#else
    float highs[VEC], lows[VEC];
    storev(high, highs);
    storev(low, lows);
    for (uint lane = 0; lane < VEC; ++lane)
        total = pair_add(total, (float2)(highs[lane], isfinite(highs[lane]) ? lows[lane] : 0.0f));
#endif
    total = group_sum(total, scratch);
    if (get_local_id(0) == 0)
        partial[get_group_id(0)] = total;
}

kernel WG_ATTRIBUTE void mse_finish(global const float2 *partial, uint partial_count, ulong rows, ulong count,
                                    global float *loss, ulong loss_offset, global float *stats, ulong stats_offset,
                                    global float *history, ulong history_offset, ulong history_length,
                                    global const uint *counter, ulong counter_offset)
{
    local float2 scratch[WG];
    float2 total = (float2)(0.0f, 0.0f);
    for (uint i = get_local_id(0); i < partial_count; i += WG)
        total = pair_add(total, partial[i]);
    total = group_sum(total, scratch);
    if (get_local_id(0) != 0)
        return;
    float2 mean = count > 0 ? pair_divide(total, (float)count) : (float2)(0.0f, 0.0f);
    write_loss(mean, pair_scale(mean, (float)rows), 0.0f, (float)rows, loss, loss_offset, stats, stats_offset, history,
               history_offset, history_length, counter, counter_offset);
}
