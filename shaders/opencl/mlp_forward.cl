/* mlp_forward.cl: Y = a_end from X = a_begin, all layers of a narrow network in one launch.
 *
 *     work-item = one block of VEC samples: a -> W a + b -> act -> a -> ... in private memory
 * Parameters: VEC, WIDTH.
 */
#include "mlp.clh"

kernel LONE_ITEM void mlp_forward(global const float *x, ulong x_offset, global const float *params, ulong params_offset,
                        global float *y, ulong y_offset, global const uint *net, uint begin_layer, uint end_layer,
                        uint in_width, uint out_width, ulong rows, float slope, int has_bias)
{
    floatv a[WIDTH], z[WIDTH];
    ulong row = get_global_id(0) * VEC;
    if (row >= rows)
        return;
    for (uint i = 0; i < in_width; ++i)
        a[i] = load_rows(x + x_offset, row, rows, in_width, i);
    for (uint l = begin_layer; l < end_layer; ++l) {
        layer_linear(params + params_offset + NET_PARAM(l), NET_IN(l), NET_OUT(l), has_bias, a, z);
        for (uint o = 0; o < NET_OUT(l); ++o)
            a[o] = activate_as(NET_ACTIVATION(l), z[o], slope);
    }
    y += y_offset + row * out_width;
    for (uint o = 0; o < out_width; ++o) {
#if VEC == 1
        y[o] = a[o];
#else
        float lanes[VEC];
        storev(a[o], lanes);
        for (uint j = 0; j < VEC && row + j < rows; ++j)
            y[(ulong)j * out_width + o] = lanes[j];
#endif
    }
}
