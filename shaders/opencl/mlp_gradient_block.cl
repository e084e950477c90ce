/* mlp_gradient_block.cl: loss and gradient of a narrow network on CPU drivers, before mlp_reduce of mlp_gradient.cl.
 *
 *     mlp_gradient_block: work-item (slot) s takes blocks s, s + slots, ... of samples: forward with every a kept, then
 *                         backward; its gradient sums (parameter, VEC) stay in its own part of `sums`
 *     work: of a slot: kept a_begin .. a_L, then two layers of WIDTH units
 * Parameters: VEC, STRIPS, WIDTH.
 */
#include "mlp_block.clh"

/* What the passes over a block need. */
typedef struct gradient_task {
    global const float *params;
    global const uint *net;
    uint layer_count, train_begin, train_end;
    int has_bias;
    float slope;
} gradient_task;

/* d: the gradient by a_L, at `a`; below: room for another layer. */
static inline void backward_block(const gradient_task *task, global const float *a, global float *d,
                                  global float *below, global float *sums)
{
    global const uint *net = task->net;
    for (uint l = task->layer_count; l-- > task->train_begin;) {
        uint in = NET_IN(l), out = NET_OUT(l);
        bool trained = l < task->train_end;
        global float *layer_sums = sums + (ulong)(NET_PARAM(l) - NET_PARAM(task->train_begin)) * VEC;
        multiply_slope(NET_ACTIVATION(l), task->slope, out, a, d,
                       trained && task->has_bias ? layer_sums + (ulong)in * out * VEC : 0);
        a -= in * BLOCK;
        if (trained)
            outer_product(d, out, a, in, layer_sums);
        if (l > task->train_begin)
            product(task->params + NET_PARAM(l), 1, in, 0, in, out, d, below, false);
        global float *swap = d;
        d = below;
        below = swap;
    }
}

kernel LONE_ITEM void mlp_gradient_block(global const float *x, ulong x_offset, global const float *target,
                                         ulong target_offset, global const float *params, ulong params_offset,
                                         global const uint *net, global float *work, global float *sums,
                                         global float2 *partial, uint begin_layer, uint layer_count, uint train_begin,
                                         uint train_end, ulong rows, uint slots, uint sum_count, ulong kept_units,
                                         float slope, int has_bias)
{
    ulong slot = get_global_id(0);
    if (slot >= slots)
        return;
    const gradient_task task = {params + params_offset, net, layer_count, train_begin, train_end, has_bias, slope};
    work += slot * (kept_units + 2 * WIDTH) * BLOCK;
    sums += slot * sum_count * VEC;
    global float *d = work + kept_units * BLOCK, *below = d + WIDTH * BLOCK;
    for (uint p = 0; p < sum_count; ++p)
        storev((floatv)(0.0f), sums + (ulong)p * VEC);
    uint outputs = NET_OUT(layer_count - 1);
    float factor = 2.0f / ((float)rows * (float)outputs);
    floatv loss = (floatv)(0.0f), loss_low = (floatv)(0.0f);
    for (ulong row = slot * BLOCK; row < rows; row += (ulong)slots * BLOCK) {
        global float *a = work;
        load_block(x + x_offset, row, rows, NET_IN(begin_layer), a);
        for (uint l = begin_layer; l < layer_count; ++l) {
            layer_block(task.params, net, l, has_bias, slope, a, a + NET_IN(l) * BLOCK);
            a += NET_IN(l) * BLOCK;
        }
        load_block(target + target_offset, row, rows, outputs, below);
        error_block(a, below, outputs, row, rows, factor, d, &loss, &loss_low);
        backward_block(&task, a, d, below, sums);
    }
    partial[slot] = fold_lanes(loss, loss_low);
}
