/* theta_eval.cl: the loss of a narrow network under each of P scalings of its units.
 *
 *     theta_prefix: work-item = block of samples: the unperturbed a of every layer -> base
 *     theta_eval:   work-item (mask, slot) on GPUs, slot with all masks on CPUs, takes blocks slot, slot + slots, ...:
 *                   starts from base at the mask's first perturbed layer -> partial[mask, slot]
 *     theta_reduce: group = mask: adds partial[] in a fixed order -> LOSS
 *     base: element (unit, block) at [(block * unit_count + unit) * SAMPLES], or [unit * block_count + block] on GPUs
 * A factor t on weights gives act(t z), on outputs t act(z). Parameters: VEC, STRIPS, WIDTH,
 * WG.
 */
#include "group.clh"
#include "mlp.clh"

#if SAMPLES == 1
#define BASE(unit) (base + (ulong)(unit) * block_count + block)
#else
#define BASE(unit) (base + (block * unit_count + (unit)) * SAMPLES)
#endif

kernel LONE_ITEM void theta_prefix(global const float *x, ulong x_offset, global const float *params, ulong params_offset,
                         global const uint *net, global float *base, uint begin_layer, uint end_layer, ulong rows,
                         ulong block_count, ulong unit_count, float slope, int has_bias)
{
    floatv a[WIDTH * STRIPS], z[WIDTH * STRIPS];
    ulong block = get_global_id(0);
    if (block >= block_count)
        return;
    uint in = NET_IN(begin_layer);
    for (uint i = 0; i < in; ++i)
        for (uint s = 0; s < STRIPS; ++s)
            a[i * STRIPS + s] = load_rows(x + x_offset, block * SAMPLES + s * VEC, rows, in, i);
    for (uint l = begin_layer; l < end_layer; ++l) {
        layer_linear(params + params_offset + NET_PARAM(l), NET_IN(l), NET_OUT(l), has_bias, a, z);
        for (uint o = 0; o < NET_OUT(l); ++o)
            for (uint s = 0; s < STRIPS; ++s) {
                a[o * STRIPS + s] = activate_as(NET_ACTIVATION(l), z[o * STRIPS + s], slope);
                storev(a[o * STRIPS + s], BASE(NET_UNIT(l) - NET_UNIT(begin_layer) + o) + s * VEC);
            }
    }
}

/* What one block needs of the network and of the data. */
typedef struct theta_block {
    global const float *x, *target, *params, *base;
    global const uint *net, *unit_group;
    uint begin_layer, layer_count, on_outputs;
    ulong rows, block_count, unit_count, block;
    float slope;
    int has_bias;
} theta_block;

/* Adds the squared errors of one block under one mask. */
static inline void add_block_loss(const theta_block *b, global const float *theta, uint start, floatv *loss,
                                  floatv *loss_low)
{
    floatv a[WIDTH * STRIPS], z[WIDTH * STRIPS];
    global const uint *net = b->net;
    global const float *base = b->base;
    const ulong block = b->block, block_count = b->block_count, unit_count = b->unit_count;
    const uint begin_layer = b->begin_layer;
    uint in = NET_IN(start);
    for (uint i = 0; i < in; ++i)
        for (uint s = 0; s < STRIPS; ++s)
            a[i * STRIPS + s] = start == begin_layer
                                    ? load_rows(b->x, block * SAMPLES + s * VEC, b->rows, in, i)
                                    : loadv(BASE(NET_UNIT(start - 1) - NET_UNIT(begin_layer) + i) + s * VEC);
    for (uint l = start; l < b->layer_count; ++l) {
        layer_linear(b->params + NET_PARAM(l), NET_IN(l), NET_OUT(l), b->has_bias, a, z);
        for (uint o = 0; o < NET_OUT(l); ++o) {
            float factor = theta[b->unit_group[NET_UNIT(l) + o]];
            float before = b->on_outputs ? 1.0f : factor, after = b->on_outputs ? factor : 1.0f;
            for (uint s = 0; s < STRIPS; ++s)
                a[o * STRIPS + s] = after * activate_as(NET_ACTIVATION(l), before * z[o * STRIPS + s], b->slope);
        }
    }
    uint outputs = NET_OUT(b->layer_count - 1);
    for (uint s = 0; s < STRIPS; ++s) {
        ulong row = block * SAMPLES + s * VEC;
        floatv exists = row_mask(row, b->rows);
        for (uint o = 0; o < outputs; ++o)
            add_square_lanes(exists * (a[o * STRIPS + s] - load_rows(b->target, row, b->rows, outputs, o)), loss,
                             loss_low);
    }
}

kernel LONE_ITEM void theta_eval(global const float *x, ulong x_offset, global const float *target, ulong target_offset,
                       global const float *params, ulong params_offset, global const float *theta, ulong theta_offset,
                       global const uint *unit_group, ulong unit_group_offset, global const uint *first_layer,
                       ulong first_layer_offset, global const uint *net, global const float *base, global float *sums,
                       global float2 *partial, uint begin_layer, uint layer_count, ulong rows, ulong block_count,
                       ulong unit_count, uint masks, uint groups, uint slots, float slope, int has_bias, int on_outputs)
{
    theta_block b = {x + x_offset, target + target_offset, params + params_offset, base, net,
                     unit_group + unit_group_offset, begin_layer, layer_count, on_outputs, rows, block_count,
                     unit_count, 0, slope, has_bias};
    theta += theta_offset;
    first_layer += first_layer_offset;
#if VEC == 1
    uint slot = (uint)(get_global_id(0) % slots);
    uint mask = (uint)(get_global_id(0) / slots);
    if (mask >= masks)
        return;
    uint start = base ? clamp(first_layer[mask], begin_layer, layer_count - 1) : begin_layer;
    floatv loss = (floatv)(0.0f), loss_low = (floatv)(0.0f);
    for (b.block = slot; b.block < block_count; b.block += slots)
        add_block_loss(&b, theta + (ulong)mask * groups, start, &loss, &loss_low);
    partial[(ulong)mask * slots + slot] = fold_lanes(loss, loss_low);
#else
    uint slot = (uint)get_global_id(0);
    if (slot >= slots)
        return;
    sums += (ulong)slot * masks * 2 * VEC;
    for (uint e = 0; e < 2 * masks; ++e)
        storev((floatv)(0.0f), sums + e * VEC);
    for (b.block = slot; b.block < block_count; b.block += slots)
        for (uint mask = 0; mask < masks; ++mask) {
            global float *sum = sums + (ulong)mask * 2 * VEC;
            uint start = base ? clamp(first_layer[mask], begin_layer, layer_count - 1) : begin_layer;
            floatv loss = loadv(sum), loss_low = loadv(sum + VEC);
            add_block_loss(&b, theta + (ulong)mask * groups, start, &loss, &loss_low);
            storev(loss, sum);
            storev(loss_low, sum + VEC);
        }
    for (uint mask = 0; mask < masks; ++mask)
        partial[(ulong)mask * slots + slot] =
            fold_lanes(loadv(sums + (ulong)mask * 2 * VEC), loadv(sums + (ulong)mask * 2 * VEC + VEC));
#endif
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
