/* conv2d_backward_data.cl: DX from DY and W; the plain variant.
 *
 *     work-item: one element DX (n, c, row, column), a sum over the (k, r, s) whose output window covers it
 */
#include "conv2d.clh"
#include "datum.clh"

kernel void conv2d_backward_data_direct(global const datum *dy, ulong dy_offset, global const datum *weights,
                                        ulong weights_offset, global datum *dx, ulong dx_offset, CONV2D_SHAPE)
{
    ulong id = get_global_id(0);
    int column = (int)(id % (ulong)w);
    ulong rest = id / (ulong)w;
    int row = (int)(rest % (ulong)h);
    rest /= (ulong)h;
    int c = (int)(rest % (ulong)c_count);
    ulong n = rest / (ulong)c_count;
    if (n >= (ulong)n_count)
        return;
    int group_channels = c_count / groups;
    int group_outputs = k_count / groups;
    int group = c / group_channels;
    float sum = 0.0f;
    for (int k = group * group_outputs; k < (group + 1) * group_outputs; ++k) {
        global const datum *image = dy + dy_offset + (n * (ulong)k_count + (ulong)k) * (ulong)(p_count * q_count);
        global const datum *window =
            weights + weights_offset + ((ulong)k * group_channels + (c - group * group_channels)) * (r_count * s_count);
        for (int r = 0; r < r_count; ++r) {
            int p = row + pad_h - r * dilation_h;
            if (p < 0 || p % stride_h != 0 || p / stride_h >= p_count)
                continue;
            for (int s = 0; s < s_count; ++s) {
                int q = column + pad_w - s * dilation_w;
                if (q >= 0 && q % stride_w == 0 && q / stride_w < q_count)
                    sum = fma(get_datum(image, p / stride_h * q_count + q / stride_w), get_datum(window, r * s_count + s), sum);
            }
        }
    }
    put_datum(sum, dx, dx_offset + id);
}
