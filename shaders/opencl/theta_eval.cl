/* theta_eval.cl: the loss of a narrow network under each of P scalings of its units.
 *
 *     theta_prefix: work-item = block of VEC samples: the unperturbed a of every layer -> base
 *     theta_eval:   work-item (mask, slot) takes blocks slot, slot + slots, ...: starts from base at the mask's first
 *                   perturbed layer -> partial[mask, slot]
 *     theta_reduce: group = mask: adds partial[] in a fixed order -> LOSS
 *     base: element (unit, block) at [(block * unit_count + unit) * VEC], or [unit * block_count + block] on GPUs
 * A factor t on weights gives act(t z), on outputs t act(z). Parameters: VEC, WIDTH, WG.
 */
#include "group.clh"
#include "mlp.clh"

#if VEC == 1
#define BASE(unit) (base + (ulong)(unit) * block_count + block)
#else
#define BASE(unit) (base + (block * unit_count + (unit)) * VEC)
#endif

kernel LONE_ITEM void theta_prefix(global const float *x, ulong x_offset, global const float *params, ulong params_offset,
                         global const uint *net, global float *base, uint begin_layer, uint end_layer, ulong rows,
                         ulong block_count, ulong unit_count, float slope, int has_bias)
{
    floatv a[WIDTH], z[WIDTH];
    ulong block = get_global_id(0);
    if (block >= block_count)
        return;
    uint in = NET_IN(begin_layer);
    for (uint i = 0; i < in; ++i)
        a[i] = load_rows(x + x_offset, block * VEC, rows, in, i);
    for (uint l = begin_layer; l < end_layer; ++l) {
        layer_linear(params + params_offset + NET_PARAM(l), NET_IN(l), NET_OUT(l), has_bias, a, z);
        for (uint o = 0; o < NET_OUT(l); ++o) {
            a[o] = activate_as(NET_ACTIVATION(l), z[o], slope);
            storev(a[o], BASE(NET_UNIT(l) - NET_UNIT(begin_layer) + o));
        }
    }
}

kernel LONE_ITEM void theta_eval(global const float *x, ulong x_offset, global const float *target, ulong target_offset,
                       global const float *params, ulong params_offset, global const float *theta, ulong theta_offset,
                       global const uint *unit_group, ulong unit_group_offset, global const uint *first_layer,
                       ulong first_layer_offset, global const uint *net, global const float *base,
                       global float2 *partial, uint begin_layer, uint layer_count, ulong rows, ulong block_count,
                       ulong unit_count, uint masks, uint groups, uint slots, float slope, int has_bias, int on_outputs)
{
    floatv a[WIDTH], z[WIDTH];
    uint slot = (uint)(get_global_id(0) % slots);
    uint mask = (uint)(get_global_id(0) / slots);
    if (mask >= masks)
        return;
    theta += theta_offset + (ulong)mask * groups;
    unit_group += unit_group_offset;
    uint start = begin_layer;
    if (base)
        start = clamp(first_layer[first_layer_offset + mask], begin_layer, layer_count - 1);
    uint outputs = NET_OUT(layer_count - 1);
    floatv loss = (floatv)(0.0f), loss_low = (floatv)(0.0f);
    for (ulong block = slot; block < block_count; block += slots) {
        uint in = NET_IN(start);
        for (uint i = 0; i < in; ++i)
            a[i] = start == begin_layer ? load_rows(x + x_offset, block * VEC, rows, in, i)
                                        : loadv(BASE(NET_UNIT(start - 1) - NET_UNIT(begin_layer) + i));
        for (uint l = start; l < layer_count; ++l) {
            layer_linear(params + params_offset + NET_PARAM(l), NET_IN(l), NET_OUT(l), has_bias, a, z);
            for (uint o = 0; o < NET_OUT(l); ++o) {
                float factor = theta[unit_group[NET_UNIT(l) + o]];
                floatv y = activate_as(NET_ACTIVATION(l), on_outputs ? z[o] : factor * z[o], slope);
                a[o] = on_outputs ? factor * y : y;
            }
        }
        floatv exists = row_mask(block * VEC, rows);
        for (uint o = 0; o < outputs; ++o)
            add_square_lanes(exists * (a[o] - load_rows(target + target_offset, block * VEC, rows, outputs, o)), &loss,
                       &loss_low);
    }
    partial[(ulong)mask * slots + slot] = fold_lanes(loss, loss_low);
}

kernel WG_ATTRIBUTE void theta_reduce(global const float2 *partial, global float *loss, ulong loss_offset, uint slots,
                                      float count)
{
    local float2 scratch[WG];
    ulong mask = get_group_id(0);
    float2 total = (float2)(0.0f, 0.0f);
    for (uint slot = get_local_id(0); slot < slots; slot += WG)
        total = pair_add(total, partial[mask * slots + slot]);
    total = group_sum(total, scratch);
    if (get_local_id(0) == 0) {
        float2 mean = count > 0.0f ? pair_divide(total, count) : (float2)(0.0f, 0.0f);
        loss[loss_offset + 2 * mask] = mean.x;
        loss[loss_offset + 2 * mask + 1] = mean.y;
    }
}
