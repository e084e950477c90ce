/* mlp_hvp.cl: products of the Hessian of the mean squared error with P directions, exactly (Pearlmutter 1994).
 *
 *     R{z} = V a + W R{a} + v_b,  R{a} = f' R{z};   with g the gradient by a:  d = f' g,  R{d} = f'' R{z} g + f' R{g},
 *     below: W^T d and V^T d + W^T R{d};   H v: R{d} a^T + d R{a}^T, bias R{d}
 *
 *     mlp_hvp: work-item (direction, slot) takes blocks slot, slot + slots, ... of VEC samples; on CPU drivers only,
 *              GPUs run mlp_hvp_lanes.cl before hvp_reduce
 *     hvp_reduce: group (direction, p) adds the sums of one parameter over slots and lanes, in a fixed order
 * kept: per unit a, R{a}, R{z}, slot by slot. Parameters: VEC, WIDTH, WG.
 */
#include "group.clh"
#include "mlp.clh"

#if VEC > 1
#define KEPT_A(unit) (kept + (3 * (unit)) * unit_stride)
#define KEPT_RA(unit) (kept + (3 * (unit) + 1) * unit_stride)
#define KEPT_RZ(unit) (kept + (3 * (unit) + 2) * unit_stride)

/* W a (or V a) plus `sum`, for one output. */
static inline floatv dot_row(global const float *w, uint in, const floatv *a, floatv sum)
{
    for (uint i = 0; i < in; ++i)
        sum = fma((floatv)(w[i]), a[i], sum);
    return sum;
}

/* Forward of a and R{a}; returns the unit at which a_L starts. */
static inline uint forward_pair(global const float *x, global const float *params, global const float *direction,
                         global const uint *net, uint begin_layer, uint layer_count, ulong row, ulong rows,
                         global float *kept, ulong unit_stride, float slope, int has_bias)
{
    floatv a[WIDTH], ra[WIDTH];
    uint in = NET_IN(begin_layer);
    uint base = 0;
    for (uint i = 0; i < in; ++i) {
        a[i] = load_rows(x, row, rows, in, i);
        ra[i] = (floatv)(0.0f);
        storev(a[i], KEPT_A(i));
        storev(ra[i], KEPT_RA(i));
    }
    for (uint l = begin_layer; l < layer_count; ++l) {
        uint out = NET_OUT(l);
        in = NET_IN(l);
        base += in;
        global const float *w = params + NET_PARAM(l);
        global const float *v = direction + NET_PARAM(l);
        for (uint o = 0; o < out; ++o) {
            floatv z = dot_row(w + o * in, in, a, (floatv)(has_bias ? w[in * out + o] : 0.0f));
            floatv rz = dot_row(v + o * in, in, a, (floatv)(has_bias ? v[in * out + o] : 0.0f));
            rz = dot_row(w + o * in, in, ra, rz);
            floatv y = activate_as(NET_ACTIVATION(l), z, slope);
            storev(y, KEPT_A(base + o));
            storev(rz * gradient_as(NET_ACTIVATION(l), y, slope), KEPT_RA(base + o));
            storev(rz, KEPT_RZ(base + o));
        }
        for (uint o = 0; o < out; ++o) {
            a[o] = loadv(KEPT_A(base + o));
            ra[o] = loadv(KEPT_RA(base + o));
        }
    }
    return base;
}

kernel LONE_ITEM void mlp_hvp(global const float *x, ulong x_offset, global const float *target, ulong target_offset,
                    global const float *params, ulong params_offset, global const float *directions,
                    ulong directions_offset, global const uint *net, global float *kept, global float *sums,
                    uint begin_layer, uint layer_count, ulong rows, uint first_direction, uint direction_count,
                    uint param_count, uint slots, uint sum_count, ulong unit_stride, ulong kept_slot_stride,
                    ulong sum_stride, ulong sum_slot_stride, float slope, int has_bias)
{
    floatv g[WIDTH], rg[WIDTH], d[WIDTH], rd[WIDTH];
    ulong item = get_global_id(0);
    uint slot = (uint)(item % slots);
    uint direction = (uint)(item / slots);
    if (direction >= direction_count)
        return;
    params += params_offset;
    directions += directions_offset + (ulong)(first_direction + direction) * param_count;
    kept += item * kept_slot_stride;
    sums += item * sum_slot_stride;
    for (uint p = 0; p < sum_count; ++p)
        storev((floatv)(0.0f), sums + p * sum_stride);
    uint outputs = NET_OUT(layer_count - 1);
    float factor = 2.0f / ((float)rows * (float)outputs);
    for (ulong row = (ulong)slot * VEC; row < rows; row += (ulong)slots * VEC) {
        uint base = forward_pair(x + x_offset, params, directions, net, begin_layer, layer_count, row, rows, kept,
                                 unit_stride, slope, has_bias);
        floatv mask = factor * row_mask(row, rows);
        for (uint o = 0; o < outputs; ++o) {
            floatv t = load_rows(target + target_offset, row, rows, outputs, o);
            g[o] = mask * (loadv(KEPT_A(base + o)) - t);
            rg[o] = mask * loadv(KEPT_RA(base + o));
        }
        for (uint l = layer_count; l-- > begin_layer;) {
            uint in = NET_IN(l), out = NET_OUT(l);
            global const float *w = params + NET_PARAM(l);
            global const float *v = directions + NET_PARAM(l);
            global float *sum = sums + (NET_PARAM(l) - NET_PARAM(begin_layer)) * sum_stride;
            for (uint o = 0; o < out; ++o) {
                floatv y = loadv(KEPT_A(base + o));
                floatv first = gradient_as(NET_ACTIVATION(l), y, slope);
                d[o] = first * g[o];
                rd[o] = curvature_as(NET_ACTIVATION(l), y, slope) * loadv(KEPT_RZ(base + o)) * g[o] + first * rg[o];
                if (has_bias) {
                    global float *bias_sum = sum + (in * out + o) * sum_stride;
                    storev(rd[o] + loadv(bias_sum), bias_sum);
                }
            }
            base -= in;
            for (uint i = 0; i < in; ++i) {
                floatv a = loadv(KEPT_A(base + i));
                floatv ra = loadv(KEPT_RA(base + i));
                floatv below = (floatv)(0.0f), rbelow = (floatv)(0.0f);
                for (uint o = 0; o < out; ++o) {
                    global float *s = sum + (o * in + i) * sum_stride;
                    below = fma((floatv)(w[o * in + i]), d[o], below);
                    rbelow = fma((floatv)(v[o * in + i]), d[o], fma((floatv)(w[o * in + i]), rd[o], rbelow));
                    storev(fma(rd[o], a, fma(d[o], ra, loadv(s))), s);
                }
                g[i] = below;
                rg[i] = rbelow;
            }
        }
    }
}

#endif

kernel WG_ATTRIBUTE void hvp_reduce(global const float *sums, global float *products, ulong products_offset,
                                    uint first_direction, uint param_count, uint first_param, uint slots,
                                    ulong sum_stride, ulong sum_slot_stride)
{
    local float2 scratch[WG];
    uint p = (uint)(get_group_id(0) % param_count);
    uint direction = (uint)(get_group_id(0) / param_count);
    float2 total = (float2)(0.0f, 0.0f);
    if (p >= first_param)
        for (uint slot = get_local_id(0); slot < slots; slot += WG)
            total = pair_add_float(total, sumv(loadv(sums + (p - first_param) * sum_stride +
                                                     ((ulong)direction * slots + slot) * sum_slot_stride)));
    total = group_sum(total, scratch);
    if (get_local_id(0) == 0)
        products[products_offset + (ulong)(first_direction + direction) * param_count + p] = total.x;
}
