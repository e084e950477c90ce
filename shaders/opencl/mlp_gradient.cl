/* mlp_gradient.cl: loss and gradient of a narrow network, in two launches. CPU drivers run mlp_gradient_block.cl before
 * mlp_reduce.
 *
 *     mlp_gradient: a work-group (slot) takes blocks slot, slot + slots, ... of LANES samples, one per work-item, and
 *                   leaves one set of sums: forward with every a kept, then backward, layer by layer: dz = f' d; each
 *                   item sums dz a^T of some parameters over the samples of the block; d = W^T dz
 *     mlp_reduce:   a group adds the sums of PARAMS_PER_GROUP parameters over slots and lanes, in a fixed order; the
 *                   one past the last parameter is the loss
 *     units:        local memory, three regions: a or d in 0 and 1 by turns, a layer's input in 2
 *     kept:         element (unit, item) of a slot at [unit * LANES + item]
 *     sums:         element (parameter, slot) at [parameter * sum_stride + slot * sum_slot_stride], VEC floats: slot by
 *                   slot on CPUs (cache), parameter by parameter on GPUs (coalesced)
 * Parameters: VEC, WIDTH, WG, PARAMS_PER_GROUP, LANES (a power of two).
 */
#include "group.clh"
#include "loss.clh"
#include "mlp_lanes.clh"

#ifndef PARAMS_PER_GROUP
#define PARAMS_PER_GROUP 1
#endif

#if VEC == 1
/* Forward of this item's sample, keeping every a; returns how many units lie before a_L. */
static inline uint forward_keeping(global const float *x, global const float *params, global const uint *net,
                                   uint begin_layer, uint layer_count, ulong row, bool inside, local float *units,
                                   uint *current, global float *kept, float slope, int has_bias)
{
    uint in = NET_IN(begin_layer);
    uint unit = 0;
    *current = 0;
    for (uint i = 0; i < in; ++i) {
        float a = inside ? x[row * in + i] : 0.0f;
        units[UNIT_AT(0, i)] = a;
        kept[i * LANES] = a;
    }
    for (uint l = begin_layer; l < layer_count; ++l) {
        uint out = NET_OUT(l);
        int activation = NET_ACTIVATION(l);
        global const float *w = params + NET_PARAM(l);
        in = NET_IN(l);
        unit += in;
        for (uint o = 0; o < out; o += LANE_ROWS) {
            float z[LANE_ROWS];
            lane_rows(w, in, out, o, has_bias, units + UNIT_AT(*current, 0), z);
#pragma unroll
            for (uint r = 0; r < LANE_ROWS; ++r) {
                if (o + r >= out)
                    continue;
                float a = activate_as(activation, z[r], slope);
                units[UNIT_AT(1 - *current, o + r)] = a;
                kept[(unit + o + r) * LANES] = a;
            }
        }
        *current = 1 - *current;
    }
    return unit;
}

/* The block's share of dW and db of one layer, from dz in region `current` and the layer's input in region 2. */
static inline void add_gradients(local const float *units, uint current, uint in, uint out, global float *sums,
                                 ulong sum_stride, int has_bias, bool first_block)
{
    uint item = (uint)get_local_id(0);
    uint weights = in * out;
    uint count = weights + (has_bias ? out : 0);
    for (uint e = item; e < count; e += LANES) {
        bool is_bias = e >= weights;
        local const float *dz = units + (current * WIDTH + (is_bias ? e - weights : e / in)) * LANES;
        local const float *a = units + (2 * WIDTH + (is_bias ? 0 : e % in)) * LANES;
        float sum = 0.0f;
        for (uint s = 0; s < LANES; ++s) {
            uint sample = (s + item) % LANES; /* start apart: different banks */
            sum = fma(dz[sample], is_bias ? 1.0f : a[sample], sum);
        }
        sums[e * sum_stride] = first_block ? sum : sums[e * sum_stride] + sum;
    }
}

kernel LANES_ATTRIBUTE void mlp_gradient(global const float *x, ulong x_offset, global const float *target,
                                         ulong target_offset, global const float *params, ulong params_offset,
                                         global const uint *net, global float *kept, global float *sums,
                                         global float2 *partial, uint begin_layer, uint layer_count, uint train_begin,
                                         uint train_end, ulong rows, uint slots, uint kept_units, ulong sum_stride,
                                         ulong sum_slot_stride, float slope, int has_bias)
{
    local float units[3 * WIDTH * LANES];
    ulong slot = get_group_id(0);
    uint item = (uint)get_local_id(0);
    uint outputs = NET_OUT(layer_count - 1);
    float factor = 2.0f / ((float)rows * (float)outputs);
    float loss = 0.0f, loss_low = 0.0f;
    params += params_offset;
    kept += slot * kept_units * LANES + item;
    sums += slot * sum_slot_stride;
    for (ulong first = slot * LANES; first < rows; first += (ulong)slots * LANES) {
        ulong row = first + item;
        bool inside = row < rows;
        uint current;
        uint unit = forward_keeping(x + x_offset, params, net, begin_layer, layer_count, row, inside, units, &current,
                                    kept, slope, has_bias);
        for (uint o = 0; o < outputs; ++o) {
            float difference = inside ? units[UNIT_AT(current, o)] - target[target_offset + row * outputs + o] : 0.0f;
            add_square_lanes(difference, &loss, &loss_low);
            units[UNIT_AT(current, o)] = factor * difference;
        }
        for (uint l = layer_count; l-- > train_begin;) {
            uint in = NET_IN(l), out = NET_OUT(l), param = NET_PARAM(l);
            int activation = NET_ACTIVATION(l);
            for (uint o = 0; o < out; ++o)
                units[UNIT_AT(current, o)] *= gradient_as(activation, kept[(unit + o) * LANES], slope);
            unit -= in;
            if (l < train_end) {
                for (uint i = 0; i < in; ++i)
                    units[UNIT_AT(2, i)] = kept[(unit + i) * LANES];
                barrier(CLK_LOCAL_MEM_FENCE);
                add_gradients(units, current, in, out, sums + (param - NET_PARAM(train_begin)) * sum_stride, sum_stride,
                              has_bias, first == slot * LANES);
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            if (l == train_begin)
                break;
            for (uint i = 0; i < in; i += LANE_ROWS) {
                float d[LANE_ROWS];
                lane_columns(params + param, in, out, i, units + UNIT_AT(current, 0), d);
#pragma unroll
                for (uint r = 0; r < LANE_ROWS; ++r)
                    if (i + r < in)
                        units[UNIT_AT(1 - current, i + r)] = d[r];
            }
            current = 1 - current;
        }
    }
    partial[slot * LANES + item] = fold_lanes(loss, loss_low);
}
#endif

kernel WG_ATTRIBUTE void mlp_reduce(global const float *sums, global const float2 *partial, global float *grads,
                                    ulong grads_offset, uint sum_count, uint slots, uint losses, ulong sum_stride,
                                    ulong sum_slot_stride, ulong rows, float count, global float *loss,
                                    ulong loss_offset, global float *stats, ulong stats_offset, global float *history,
                                    ulong history_offset, ulong history_length, global const uint *counter,
                                    ulong counter_offset)
{
    local float2 scratch[WG];
    uint first = (uint)get_group_id(0) * PARAMS_PER_GROUP;
    for (uint p = first; p < first + PARAMS_PER_GROUP && p <= sum_count; ++p) {
        float2 total = (float2)(0.0f, 0.0f);
        if (p < sum_count) {
            for (uint slot = get_local_id(0); slot < slots; slot += WG)
                total = pair_add_float(total, sumv(loadv(sums + p * sum_stride + slot * sum_slot_stride)));
        } else {
            for (uint i = get_local_id(0); i < losses; i += WG)
                total = pair_add(total, partial[i]);
        }
        total = group_sum(total, scratch);
        if (get_local_id(0) == 0 && p < sum_count)
            grads[grads_offset + p] = total.x;
        if (get_local_id(0) == 0 && p == sum_count) {
            float2 mean = count > 0.0f ? pair_divide(total, count) : (float2)(0.0f, 0.0f);
            write_loss(mean, pair_scale(mean, (float)rows), 0.0f, (float)rows, loss, loss_offset, stats, stats_offset,
                       history, history_offset, history_length, counter, counter_offset);
        }
    }
}
