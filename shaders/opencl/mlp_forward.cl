/* mlp_forward.cl: Y = a_end from X = a_begin, all layers of a narrow network in one launch.
 *
 *     work-item = one block of samples: a -> W a + b -> act -> a -> ... in private memory
 * Parameters: VEC, STRIPS, WIDTH.
 */
#include "mlp.clh"

kernel LONE_ITEM void mlp_forward(global const float *x, ulong x_offset, global const float *params, ulong params_offset,
                        global float *y, ulong y_offset, global const uint *net, uint begin_layer, uint end_layer,
                        uint in_width, uint out_width, ulong rows, float slope, int has_bias)
{
    floatv a[WIDTH * STRIPS], z[WIDTH * STRIPS];
    ulong row = get_global_id(0) * SAMPLES;
    if (row >= rows)
        return;
    for (uint i = 0; i < in_width; ++i)
        for (uint s = 0; s < STRIPS; ++s)
            a[i * STRIPS + s] = load_rows(x + x_offset, row + s * VEC, rows, in_width, i);
    for (uint l = begin_layer; l < end_layer; ++l) {
        layer_linear(params + params_offset + NET_PARAM(l), NET_IN(l), NET_OUT(l), has_bias, a, z);
        for (uint e = 0; e < NET_OUT(l) * STRIPS; ++e)
            a[e] = activate_as(NET_ACTIVATION(l), z[e], slope);
    }
    y += y_offset + row * out_width;
    for (uint e = 0; e < out_width * STRIPS; ++e) {
#if VEC == 1
        y[e] = a[e];
#else
        float lanes[VEC];
        uint o = e / STRIPS, first = e % STRIPS * VEC;
        storev(a[e], lanes);
        for (uint j = 0; j < VEC && row + first + j < rows; ++j)
            y[(ulong)(first + j) * out_width + o] = lanes[j];
#endif
    }
}
