/* conv2d_forward.cl: Y = act(cross-correlation of X and W + BIAS); the plain variant.
 *
 *     work-item: one output (n, k, p, q), a sum over (c, r, s)
 */
#include "activation.clh"
#include "conv2d.clh"
#include "datum.clh"

kernel void conv2d_forward_direct(global const datum *x, ulong x_offset, global const datum *weights,
                                  ulong weights_offset, global datum *y, ulong y_offset, global const float *bias,
                                  ulong bias_offset, CONV2D_SHAPE, int activation, float slope)
{
    ulong id = get_global_id(0);
    int q = (int)(id % (ulong)q_count);
    ulong rest = id / (ulong)q_count;
    int p = (int)(rest % (ulong)p_count);
    rest /= (ulong)p_count;
    int k = (int)(rest % (ulong)k_count);
    ulong n = rest / (ulong)k_count;
    if (n >= (ulong)n_count)
        return;
    int group_channels = c_count / groups;
    int first_channel = k / (k_count / groups) * group_channels;
    float sum = 0.0f;
    for (int c = 0; c < group_channels; ++c) {
        global const datum *image = x + x_offset + (n * (ulong)c_count + (ulong)(first_channel + c)) * (ulong)(h * w);
        global const datum *window = weights + weights_offset + ((ulong)k * group_channels + c) * (r_count * s_count);
        for (int r = 0; r < r_count; ++r) {
            int row = p * stride_h - pad_h + r * dilation_h;
            if (row < 0 || row >= h)
                continue;
            for (int s = 0; s < s_count; ++s) {
                int column = q * stride_w - pad_w + s * dilation_w;
                if (column >= 0 && column < w)
                    sum = fma(get_datum(image, row * w + column), get_datum(window, r * s_count + s), sum);
            }
        }
    }
    if (bias)
        sum += bias[bias_offset + k];
    put_datum(activate_as(activation, sum, slope), y, y_offset + id);
}
