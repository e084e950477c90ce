/* conv2d_backward_weights.cl: DW from X and DY, and DBIAS; the plain variant.
 *
 *     group: one element DW (k, c, r, s), or one DBIAS (k) past the end of DW; its WG items stride over (n, p)
 * Parameters: WG.
 */
#include "conv2d.clh"
#include "datum.clh"
#include "group.clh"

kernel WG_ATTRIBUTE void conv2d_backward_weights_direct(global const datum *x, ulong x_offset, global const datum *dy,
                                                        ulong dy_offset, global float *dw, ulong dw_offset,
                                                        global float *dbias, ulong dbias_offset, CONV2D_SHAPE,
                                                        ulong weight_count)
{
    local float2 scratch[WG];
    ulong id = get_group_id(0);
    bool is_bias = id >= weight_count;
    int group_channels = max(c_count / groups, 1); /* without channels there is still DBIAS */
    int s = (int)(id % (ulong)s_count);
    ulong rest = id / (ulong)s_count;
    int r = (int)(rest % (ulong)r_count);
    rest /= (ulong)r_count;
    int c = (int)(rest % (ulong)group_channels);
    int k = is_bias ? (int)(id - weight_count) : (int)(rest / (ulong)group_channels);
    c += k / (k_count / groups) * group_channels;
    float2 total = (float2)(0.0f, 0.0f);
    for (ulong np = get_local_id(0); np < (ulong)n_count * (ulong)p_count; np += WG) {
        ulong n = np / (ulong)p_count;
        int p = (int)(np - n * (ulong)p_count);
        int row = p * stride_h - pad_h + r * dilation_h;
        global const datum *out = dy + dy_offset + ((n * (ulong)k_count + (ulong)k) * (ulong)p_count + p) * q_count;
        float sum = 0.0f;
        if (is_bias) {
            for (int q = 0; q < q_count; ++q)
                sum += get_datum(out, q);
        } else if (row >= 0 && row < h) {
            global const datum *image =
                x + x_offset + ((n * (ulong)c_count + (ulong)c) * (ulong)h + (ulong)row) * (ulong)w;
            for (int q = 0; q < q_count; ++q) {
                int column = q * stride_w - pad_w + s * dilation_w;
                if (column >= 0 && column < w)
                    sum = fma(get_datum(out, q), get_datum(image, column), sum);
            }
        }
        total = pair_add_float(total, sum);
    }
    total = group_sum(total, scratch);
    if (get_local_id(0) != 0)
        return;
    if (is_bias)
        dbias[dbias_offset + k] = total.x;
    else
        dw[dw_offset + id] = total.x;
}
