/* theta_eval.cl: the loss of a narrow network under each of P scalings of its units, a sample per work-item. CPU drivers
 * run theta_eval_block.cl before theta_reduce.
 *
 *     theta_prefix: work-item = sample: the unperturbed a of every layer -> base
 *     theta_eval:   work-item (mask, slot) takes samples slot, slot + slots, ...: starts from base at the mask's first
 *                   perturbed layer -> partial[mask, slot]
 *     theta_reduce: group = mask: adds partial[] in a fixed order -> LOSS
 *     base: element (unit, sample) at [unit * rows + sample]
 * A factor t on weights gives act(t z), on outputs t act(z). Parameters: WIDTH, WG.
 */
#include "group.clh"
#include "mlp.clh"

#if VEC == 1
kernel LONE_ITEM void theta_prefix(global const float *x, ulong x_offset, global const float *params,
                                   ulong params_offset, global const uint *net, global float *base, uint begin_layer,
                                   uint end_layer, ulong rows, float slope, int has_bias)
{
    float a[WIDTH], z[WIDTH];
    ulong row = get_global_id(0);
    if (row >= rows)
        return;
    uint in = NET_IN(begin_layer);
    for (uint i = 0; i < in; ++i)
        a[i] = x[x_offset + row * in + i];
    for (uint l = begin_layer; l < end_layer; ++l) {
        layer_linear(params + params_offset + NET_PARAM(l), NET_IN(l), NET_OUT(l), has_bias, a, z);
        for (uint o = 0; o < NET_OUT(l); ++o) {
            a[o] = activate_as(NET_ACTIVATION(l), z[o], slope);
            base[(ulong)(NET_UNIT(l) - NET_UNIT(begin_layer) + o) * rows + row] = a[o];
        }
    }
}

/* What one sample needs of the network and of the data. */
typedef struct theta_sample {
    global const float *x, *target, *params, *base;
    global const uint *net, *unit_group;
    uint begin_layer, layer_count, on_outputs;
    ulong rows, row;
    float slope;
    int has_bias;
} theta_sample;

/* Adds the squared errors of one sample under one mask. */
static inline void add_loss(const theta_sample *b, global const float *theta, uint start, float *loss, float *loss_low)
{
    float a[WIDTH], z[WIDTH];
    global const uint *net = b->net;
    const uint begin_layer = b->begin_layer;
    uint in = NET_IN(start);
    for (uint i = 0; i < in; ++i)
        a[i] = start == begin_layer
                   ? b->x[b->row * in + i]
                   : b->base[(ulong)(NET_UNIT(start - 1) - NET_UNIT(begin_layer) + i) * b->rows + b->row];
    for (uint l = start; l < b->layer_count; ++l) {
        layer_linear(b->params + NET_PARAM(l), NET_IN(l), NET_OUT(l), b->has_bias, a, z);
        for (uint o = 0; o < NET_OUT(l); ++o) {
            float factor = theta[b->unit_group[NET_UNIT(l) + o]];
            float before = b->on_outputs ? 1.0f : factor, after = b->on_outputs ? factor : 1.0f;
            a[o] = after * activate_as(NET_ACTIVATION(l), before * z[o], b->slope);
        }
    }
    uint outputs = NET_OUT(b->layer_count - 1);
    for (uint o = 0; o < outputs; ++o)
        add_square_lanes(a[o] - b->target[b->row * outputs + o], loss, loss_low);
}

kernel LONE_ITEM void theta_eval(global const float *x, ulong x_offset, global const float *target, ulong target_offset,
                                 global const float *params, ulong params_offset, global const float *theta,
                                 ulong theta_offset, global const uint *unit_group, ulong unit_group_offset,
                                 global const uint *first_layer, ulong first_layer_offset, global const uint *net,
                                 global const float *base, global float2 *partial, uint begin_layer, uint layer_count,
                                 ulong rows, uint masks, uint groups, uint slots, float slope, int has_bias,
                                 int on_outputs)
{
    uint slot = (uint)(get_global_id(0) % slots);
    uint mask = (uint)(get_global_id(0) / slots);
    if (mask >= masks)
        return;
    theta_sample b = {x + x_offset, target + target_offset, params + params_offset, base, net,
                      unit_group + unit_group_offset, begin_layer, layer_count, on_outputs, rows, 0, slope, has_bias};
    uint start =
        base ? clamp(first_layer[first_layer_offset + mask], begin_layer, layer_count - 1) : begin_layer;
    float loss = 0.0f, loss_low = 0.0f;
    for (b.row = slot; b.row < rows; b.row += slots)
        add_loss(&b, theta + theta_offset + (ulong)mask * groups, start, &loss, &loss_low);
    partial[(ulong)mask * slots + slot] = fold_lanes(loss, loss_low);
}
#endif

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
