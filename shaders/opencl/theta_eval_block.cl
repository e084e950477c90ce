/* theta_eval_block.cl: the loss of a narrow network under each of P scalings of its units, on CPU drivers, before
 * theta_reduce of theta_eval.cl.
 *
 *     theta_eval_block: work-item (slot) s takes blocks s, s + slots, ... of samples under all masks: once through the
 *                       unperturbed network, then each mask from its first perturbed layer on -> partial[mask, slot]
 *     work: of a slot: a_begin .. a_L unperturbed, the targets, then two layers of WIDTH units
 *     sums: of a slot: per mask VEC running sums and their rounding errors
 * A factor t on weights gives act(t z), on outputs t act(z). Parameters: VEC, STRIPS, WIDTH.
 */
#include "mlp_block.clh"

/* What one block needs of the network. */
typedef struct theta_task {
    global const float *params;
    global const uint *net, *unit_group;
    uint begin_layer, layer_count;
    int has_bias, on_outputs;
    float slope;
} theta_task;

static inline bool has_factors(global const float *theta, global const uint *groups, uint width)
{
    for (uint i = 0; i < width; ++i)
        if (theta[groups[i]] != 1.0f)
            return true;
    return false;
}

static inline void multiply_factors(global const float *theta, global const uint *groups, uint width,
                                    global float *values)
{
    for (uint i = 0; i < width; ++i) {
        float factor = theta[groups[i]];
        for (uint v = 0; v < BLOCK; v += VEC)
            storev(factor * loadv(values + i * BLOCK + v), values + i * BLOCK + v);
    }
}

/* From in = a_l to out = a_{l+1}; theta 0: unperturbed. */
static inline void theta_layer(const theta_task *task, uint l, global const float *theta, global const float *in,
                               global float *out)
{
    global const uint *net = task->net;
    global const uint *groups = task->unit_group + NET_UNIT(l);
    uint width = NET_OUT(l);
    bool perturbed = theta && has_factors(theta, groups, width);
    if (perturbed && !task->on_outputs) {
        linear_block(task->params, net, l, task->has_bias, in, out, false);
        multiply_factors(theta, groups, width, out);
        activate_block(NET_ACTIVATION(l), task->slope, width, out);
        return;
    }
    layer_block(task->params, net, l, task->has_bias, task->slope, in, out);
    if (perturbed)
        multiply_factors(theta, groups, width, out);
}

/* a_L under one mask from layer `start` on, whose input is `in`. */
static inline global const float *run_mask(const theta_task *task, global const float *theta, uint start,
                                           global const float *in, global float *here, global float *there)
{
    for (uint l = start; l < task->layer_count; ++l) {
        theta_layer(task, l, theta, in, here);
        in = here;
        here = there;
        there = (global float *)in;
    }
    return in;
}

kernel LONE_ITEM void theta_eval_block(global const float *x, ulong x_offset, global const float *target,
                                       ulong target_offset, global const float *params, ulong params_offset,
                                       global const float *theta, ulong theta_offset, global const uint *unit_group,
                                       ulong unit_group_offset, global const uint *first_layer,
                                       ulong first_layer_offset, global const uint *net, global float *work,
                                       global float *sums, global float2 *partial, uint begin_layer, uint layer_count,
                                       ulong rows, ulong kept_units, uint masks, uint groups, uint slots, float slope,
                                       int has_bias, int on_outputs)
{
    uint slot = (uint)get_global_id(0);
    if (slot >= slots)
        return;
    const theta_task task = {params + params_offset, net,      unit_group + unit_group_offset,
                             begin_layer,            layer_count, has_bias,
                             on_outputs,             slope};
    uint outputs = NET_OUT(layer_count - 1);
    work += slot * (kept_units + outputs + 2 * WIDTH) * BLOCK;
    sums += (ulong)slot * masks * 2 * VEC;
    global float *wanted = work + kept_units * BLOCK, *here = wanted + outputs * BLOCK, *there = here + WIDTH * BLOCK;
    for (uint e = 0; e < 2 * masks; ++e)
        storev((floatv)(0.0f), sums + (ulong)e * VEC);
    for (ulong row = (ulong)slot * BLOCK; row < rows; row += (ulong)slots * BLOCK) {
        global float *a = work;
        load_block(x + x_offset, row, rows, NET_IN(begin_layer), a);
        load_block(target + target_offset, row, rows, outputs, wanted);
        for (uint l = begin_layer; l < layer_count; ++l) {
            theta_layer(&task, l, 0, a, a + NET_IN(l) * BLOCK);
            a += NET_IN(l) * BLOCK;
        }
        for (uint mask = 0; mask < masks; ++mask) {
            global float *sum = sums + (ulong)mask * 2 * VEC;
            uint start = clamp(first_layer[first_layer_offset + mask], begin_layer, layer_count);
            global const float *in = start == begin_layer
                                         ? work
                                         : work + (NET_IN(begin_layer) + NET_UNIT(start - 1) - NET_UNIT(begin_layer)) *
                                                      BLOCK;
            in = run_mask(&task, theta + theta_offset + (ulong)mask * groups, start, in, here, there);
            floatv loss = loadv(sum), loss_low = loadv(sum + VEC);
            error_block(in, wanted, outputs, row, rows, 0.0f, 0, &loss, &loss_low);
            storev(loss, sum);
            storev(loss_low, sum + VEC);
        }
    }
    for (uint mask = 0; mask < masks; ++mask)
        partial[(ulong)mask * slots + slot] =
            fold_lanes(loadv(sums + (ulong)mask * 2 * VEC), loadv(sums + (ulong)mask * 2 * VEC + VEC));
}
