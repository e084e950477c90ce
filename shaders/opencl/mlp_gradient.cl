/* mlp_gradient.cl: loss and gradient of a narrow network, in two launches. CPU drivers run mlp_gradient_block.cl before
 * mlp_reduce.
 *
 *     mlp_gradient: work-item (slot) s takes samples s, s + slots, ...: forward with every a kept, then backward; its
 *                   gradient sums stay in its own part of `sums`
 *     mlp_reduce:   a group adds the sums of PARAMS_PER_GROUP parameters over slots and lanes, in a fixed order; the
 *                   one past the last parameter is the loss
 *     kept, sums:   element (unit or parameter, slot) at [unit * unit_stride + slot * slot_stride], VEC floats of a
 *                   parameter: slot by slot on CPUs (cache), unit by unit on GPUs (coalesced)
 * Parameters: VEC, WIDTH, WG, PARAMS_PER_GROUP.
 */
#include "loss.clh"
#include "group.clh"
#include "mlp.clh"

#ifndef PARAMS_PER_GROUP
#define PARAMS_PER_GROUP 1
#endif

#if VEC == 1
/* Forward from a_begin, keeping every a; returns where a_L starts in `kept`. */
static inline global float *forward_keeping(global const float *x, global const float *params, global const uint *net,
                                            uint begin_layer, uint layer_count, ulong row, global float *kept,
                                            ulong unit_stride, float slope, int has_bias)
{
    float a[WIDTH], z[WIDTH];
    uint in = NET_IN(begin_layer);
    for (uint i = 0; i < in; ++i) {
        a[i] = x[row * in + i];
        kept[i * unit_stride] = a[i];
    }
    for (uint l = begin_layer; l < layer_count; ++l) {
        kept += NET_IN(l) * unit_stride;
        layer_linear(params + NET_PARAM(l), NET_IN(l), NET_OUT(l), has_bias, a, z);
        for (uint o = 0; o < NET_OUT(l); ++o) {
            a[o] = activate_as(NET_ACTIVATION(l), z[o], slope);
            kept[o * unit_stride] = a[o];
        }
    }
    return kept;
}

/* Adds the gradients of one layer to its sums; a points at the layer's kept inputs. */
static inline void add_gradients(const float *dz, global const float *a, uint in, uint out, global float *sums,
                                 ulong unit_stride, ulong sum_stride, int has_bias)
{
    for (uint o = 0; o < out; ++o) {
        for (uint i = 0; i < in; ++i) {
            global float *sum = sums + (o * in + i) * sum_stride;
            *sum = fma(dz[o], a[i * unit_stride], *sum);
        }
        if (has_bias)
            sums[(in * out + o) * sum_stride] += dz[o];
    }
}

/* The gradient by the layer's inputs: W^T dz. */
static inline void layer_transposed(global const float *w, uint in, uint out, const float *dz, float *d)
{
    for (uint i = 0; i < in; ++i) {
        float sum = 0.0f;
        for (uint o = 0; o < out; ++o)
            sum = fma(w[o * in + i], dz[o], sum);
        d[i] = sum;
    }
}

kernel LONE_ITEM void mlp_gradient(global const float *x, ulong x_offset, global const float *target,
                                   ulong target_offset, global const float *params, ulong params_offset,
                                   global const uint *net, global float *kept, global float *sums,
                                   global float2 *partial, uint begin_layer, uint layer_count, uint train_begin,
                                   uint train_end, ulong rows, uint slots, uint sum_count, ulong unit_stride,
                                   ulong kept_slot_stride, ulong sum_stride, ulong sum_slot_stride, float slope,
                                   int has_bias)
{
    float d[WIDTH], dz[WIDTH];
    ulong slot = get_global_id(0);
    if (slot >= slots)
        return;
    params += params_offset;
    kept += slot * kept_slot_stride;
    sums += slot * sum_slot_stride;
    for (uint p = 0; p < sum_count; ++p)
        sums[p * sum_stride] = 0.0f;
    uint outputs = NET_OUT(layer_count - 1);
    float factor = 2.0f / ((float)rows * (float)outputs);
    float loss = 0.0f, loss_low = 0.0f;
    for (ulong row = slot; row < rows; row += slots) {
        global float *a = forward_keeping(x + x_offset, params, net, begin_layer, layer_count, row, kept, unit_stride,
                                          slope, has_bias);
        for (uint o = 0; o < outputs; ++o) {
            float difference = a[o * unit_stride] - target[target_offset + row * outputs + o];
            add_square_lanes(difference, &loss, &loss_low);
            d[o] = factor * difference;
        }
        for (uint l = layer_count; l-- > train_begin;) {
            uint in = NET_IN(l), out = NET_OUT(l);
            for (uint o = 0; o < out; ++o)
                dz[o] = d[o] * gradient_as(NET_ACTIVATION(l), a[o * unit_stride], slope);
            a -= in * unit_stride;
            if (l < train_end)
                add_gradients(dz, a, in, out, sums + (NET_PARAM(l) - NET_PARAM(train_begin)) * sum_stride, unit_stride,
                              sum_stride, has_bias);
            if (l > train_begin)
                layer_transposed(params + NET_PARAM(l), in, out, dz, d);
        }
    }
    partial[slot] = fold_lanes(loss, loss_low);
}
#endif

kernel WG_ATTRIBUTE void mlp_reduce(global const float *sums, global const float2 *partial, global float *grads,
                                    ulong grads_offset, uint sum_count, uint slots, ulong sum_stride,
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
            for (uint slot = get_local_id(0); slot < slots; slot += WG)
                total = pair_add(total, partial[slot]);
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
