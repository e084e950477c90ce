/* mlp_hvp_lanes.cl: products of the Hessian with directions as mlp_hvp.cl has them, on GPUs: one sample per work-item.
 *
 *     A work-group (direction, slot) takes blocks slot, slot + slots, ... of LANES samples: forward of a and R{a}, then
 *     backward, layer by layer; each item sums the products of some parameters over the samples of the block.
 *     units: regions 0, 1 and 2, 3 hold a, R{a} (forward) or g, R{g} (backward) by turns; 4, 5 a layer's input
 *     kept:  (a, R{z}) of element (unit, item) of a group at [unit * LANES + item]
 * Parameters: WIDTH, LANES.
 */
#include "mlp_lanes.clh"

/* Forward of this item's sample; returns how many units lie before a_L. */
static inline uint forward_pair(global const float *x, global const float *params, global const float *direction,
                                global const uint *net, uint begin_layer, uint layer_count, ulong row, bool inside,
                                local float *units, uint *current, global float2 *kept, float slope, int has_bias)
{
    uint in = NET_IN(begin_layer);
    uint unit = 0;
    *current = 0;
    for (uint i = 0; i < in; ++i) {
        float a = inside ? x[row * in + i] : 0.0f;
        units[UNIT_AT(0, i)] = a;
        units[UNIT_AT(1, i)] = 0.0f;
        kept[i * LANES] = (float2)(a, 0.0f);
    }
    for (uint l = begin_layer; l < layer_count; ++l) {
        uint out = NET_OUT(l), param = NET_PARAM(l);
        int activation = NET_ACTIVATION(l);
        in = NET_IN(l);
        unit += in;
        for (uint o = 0; o < out; ++o) {
            global const float *w = params + param + o * in;
            global const float *v = direction + param + o * in;
            float z = has_bias ? params[param + in * out + o] : 0.0f;
            float rz = has_bias ? direction[param + in * out + o] : 0.0f;
            for (uint i = 0; i < in; ++i) {
                float a = units[UNIT_AT(2 * *current, i)];
                z = fma(w[i], a, z);
                rz = fma(v[i], a, fma(w[i], units[UNIT_AT(2 * *current + 1, i)], rz));
            }
            float y = activate_as(activation, z, slope);
            units[UNIT_AT(2 - 2 * *current, o)] = y;
            units[UNIT_AT(3 - 2 * *current, o)] = rz * gradient_as(activation, y, slope);
            kept[(unit + o) * LANES] = (float2)(y, rz);
        }
        *current = 1 - *current;
    }
    return unit;
}

/* From g, R{g} to d, R{d} of one layer, in place; y points at its kept outputs. */
static inline void multiply_slopes(local float *units, uint current, uint out, int activation, global const float2 *y,
                                   float slope)
{
    for (uint o = 0; o < out; ++o) {
        float first = gradient_as(activation, y[o * LANES].x, slope);
        float second = curvature_as(activation, y[o * LANES].x, slope);
        float g = units[UNIT_AT(2 * current, o)];
        units[UNIT_AT(2 * current, o)] = first * g;
        units[UNIT_AT(2 * current + 1, o)] =
            fma(second * y[o * LANES].y, g, first * units[UNIT_AT(2 * current + 1, o)]);
    }
}

/* The block's share of H v of one layer. */
static inline void add_products(local const float *units, uint current, uint in, uint out, global float *sums,
                                ulong sum_stride, int has_bias, bool first_block)
{
    uint item = (uint)get_local_id(0);
    uint weights = in * out;
    uint count = weights + (has_bias ? out : 0);
    for (uint e = item; e < count; e += LANES) {
        bool is_bias = e >= weights;
        local const float *d = units + (2 * current * WIDTH + (is_bias ? e - weights : e / in)) * LANES;
        local const float *rd = d + WIDTH * LANES;
        local const float *a = units + (4 * WIDTH + (is_bias ? 0 : e % in)) * LANES;
        local const float *ra = a + WIDTH * LANES;
        float sum = 0.0f;
        for (uint s = 0; s < LANES; ++s) {
            uint sample = (s + item) % LANES; /* start apart: different banks */
            sum += is_bias ? rd[sample] : fma(rd[sample], a[sample], d[sample] * ra[sample]);
        }
        sums[e * sum_stride] = first_block ? sum : sums[e * sum_stride] + sum;
    }
}

/* g = W^T d, R{g} = V^T d + W^T R{d}. */
static inline void below_pair(local float *units, uint current, uint in, uint out, global const float *w,
                              global const float *v)
{
    for (uint i = 0; i < in; ++i) {
        float g = 0.0f, rg = 0.0f;
        for (uint o = 0; o < out; ++o) {
            float d = units[UNIT_AT(2 * current, o)];
            g = fma(w[o * in + i], d, g);
            rg = fma(v[o * in + i], d, fma(w[o * in + i], units[UNIT_AT(2 * current + 1, o)], rg));
        }
        units[UNIT_AT(2 - 2 * current, i)] = g;
        units[UNIT_AT(3 - 2 * current, i)] = rg;
    }
}

/* A layer's input a and R{a}, from what was kept of it. */
static inline void load_input(local float *units, global const float2 *kept, uint in, bool is_first, int activation,
                              float slope)
{
    for (uint i = 0; i < in; ++i) {
        float2 a = kept[i * LANES];
        units[UNIT_AT(4, i)] = a.x;
        units[UNIT_AT(5, i)] = is_first ? 0.0f : a.y * gradient_as(activation, a.x, slope);
    }
}

kernel LANES_ATTRIBUTE void mlp_hvp_lanes(global const float *x, ulong x_offset, global const float *target,
                                          ulong target_offset, global const float *params, ulong params_offset,
                                          global const float *directions, ulong directions_offset,
                                          global const uint *net, global float2 *kept, global float *sums,
                                          uint begin_layer, uint layer_count, ulong rows, uint first_direction,
                                          uint param_count, uint slots, uint kept_units, ulong sum_stride,
                                          ulong sum_slot_stride, float slope, int has_bias)
{
    local float units[6 * WIDTH * LANES];
    ulong group = get_group_id(0);
    uint slot = (uint)(group % slots);
    uint item = (uint)get_local_id(0);
    uint outputs = NET_OUT(layer_count - 1);
    float factor = 2.0f / ((float)rows * (float)outputs);
    params += params_offset;
    directions += directions_offset + (first_direction + group / slots) * param_count;
    kept += group * kept_units * LANES + item;
    sums += group * sum_slot_stride;
    for (ulong first = (ulong)slot * LANES; first < rows; first += (ulong)slots * LANES) {
        ulong row = first + item;
        bool inside = row < rows;
        uint current;
        uint unit = forward_pair(x + x_offset, params, directions, net, begin_layer, layer_count, row, inside, units,
                                 &current, kept, slope, has_bias);
        for (uint o = 0; o < outputs; ++o) {
            local float *g = units + UNIT_AT(2 * current, o), *rg = units + UNIT_AT(2 * current + 1, o);
            *g = inside ? factor * (*g - target[target_offset + row * outputs + o]) : 0.0f;
            *rg = inside ? factor * *rg : 0.0f;
        }
        for (uint l = layer_count; l-- > begin_layer;) {
            uint in = NET_IN(l), out = NET_OUT(l), param = NET_PARAM(l);
            multiply_slopes(units, current, out, NET_ACTIVATION(l), kept + unit * LANES, slope);
            unit -= in;
            load_input(units, kept + unit * LANES, in, l == begin_layer, l > 0 ? NET_ACTIVATION(l - 1) : 0, slope);
            barrier(CLK_LOCAL_MEM_FENCE);
            add_products(units, current, in, out, sums + (param - NET_PARAM(begin_layer)) * sum_stride, sum_stride,
                         has_bias, first == (ulong)slot * LANES);
            barrier(CLK_LOCAL_MEM_FENCE);
            if (l == begin_layer)
                break;
            below_pair(units, current, in, out, params + param, directions + param);
            current = 1 - current;
        }
    }
}
