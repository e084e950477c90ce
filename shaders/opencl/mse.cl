/* mse.cl: mean of squared differences and its gradient.
 *
 *     mse_groups: group g: chunks g, g + groups, ... of WG x VEC elements -> partial[g], DPREDICTION
 *     mse_finish: one group adds partial[] in a fixed order
 * Parameters: VEC, WG.
 */
#include "group.clh"
#include "lanes.clh"
#include "loss.clh"

kernel WG_ATTRIBUTE void mse_groups(global const float *prediction, ulong prediction_offset, global const float *target,
                                    ulong target_offset, global float *gradient, ulong gradient_offset,
                                    global float2 *partial, ulong count)
{
    local float2 scratch[WG];
    floatv sum = (floatv)(0.0f), low = (floatv)(0.0f);
    float factor = 2.0f / (float)count;
    prediction += prediction_offset;
    target += target_offset;
    for (ulong i = get_global_id(0) * VEC; i < count; i += get_global_size(0) * VEC) {
        floatv d = load_chunk(prediction, i, count) - load_chunk(target, i, count);
        add_square_lanes(d, &sum, &low);
        if (gradient)
            store_chunk(d * factor, gradient + gradient_offset, i, count);
    }
    float2 total = group_sum(fold_lanes(sum, low), scratch);
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
