/* pool2d.cl: maximum and average pooling of (planes, H, W), and their gradients.
 *
 *     forward:  work-item = one output (plane, p, q): its window, clipped to the image
 *     backward: work-item = one element of DX: adds, in window order, what every window that covers it gives it
 * Parameters: MAXIMUM (1: max, 0: average).
 */
kernel void pool2d_forward(global const float *x, ulong x_offset, global float *y, ulong y_offset, global uint *index,
                           ulong index_offset, ulong count, int h, int w, int p_count, int q_count, int window_h,
                           int window_w, int stride_h, int stride_w, int pad_h, int pad_w)
{
    ulong out = get_global_id(0);
    if (out >= count)
        return;
    int q = (int)(out % (ulong)q_count);
    ulong rest = out / (ulong)q_count;
    int p = (int)(rest % (ulong)p_count);
    ulong plane = rest / (ulong)p_count;
    int row_begin = max(p * stride_h - pad_h, 0);
    int row_end = min(p * stride_h - pad_h + window_h, h);
    int column_begin = max(q * stride_w - pad_w, 0);
    int column_end = min(q * stride_w - pad_w + window_w, w);
    global const float *image = x + x_offset + plane * (ulong)h * (ulong)w;
#if MAXIMUM
    int best = row_begin * w + column_begin;
    float value = image[best];
    for (int row = row_begin; row < row_end; ++row)
        for (int column = column_begin; column < column_end; ++column) {
            float candidate = image[row * w + column];
            if (candidate > value || (isnan(candidate) && !isnan(value))) {
                value = candidate;
                best = row * w + column;
            }
        }
    y[y_offset + out] = value;
    if (index)
        index[index_offset + out] = (uint)best;
#else
    float sum = 0.0f;
    for (int row = row_begin; row < row_end; ++row)
        for (int column = column_begin; column < column_end; ++column)
            sum += image[row * w + column];
    int area = max(row_end - row_begin, 0) * max(column_end - column_begin, 0);
    y[y_offset + out] = area > 0 ? sum / (float)area : 0.0f;
#endif
}

/* The first and last output whose window covers input position `at`, along one axis. */
inline int2 covering_windows(int at, int window, int stride, int pad, int outputs)
{
    int first = at + pad - window + 1;
    first = first > 0 ? (first + stride - 1) / stride : 0;
    return (int2)(first, min((at + pad) / stride, outputs - 1));
}

kernel void pool2d_backward(global const float *dy, ulong dy_offset, global float *dx, ulong dx_offset,
                            global const uint *index, ulong index_offset, ulong count, int h, int w, int p_count,
                            int q_count, int window_h, int window_w, int stride_h, int stride_w, int pad_h, int pad_w)
{
    ulong in = get_global_id(0);
    if (in >= count)
        return;
    int column = (int)(in % (ulong)w);
    ulong rest = in / (ulong)w;
    int row = (int)(rest % (ulong)h);
    ulong plane = rest / (ulong)h;
    int2 ps = covering_windows(row, window_h, stride_h, pad_h, p_count);
    int2 qs = covering_windows(column, window_w, stride_w, pad_w, q_count);
    ulong base = plane * (ulong)p_count * (ulong)q_count;
    float sum = 0.0f;
    for (int p = ps.x; p <= ps.y; ++p)
        for (int q = qs.x; q <= qs.y; ++q) {
            ulong out = base + (ulong)(p * q_count + q);
#if MAXIMUM
            sum += index[index_offset + out] == (uint)(row * w + column) ? dy[dy_offset + out] : 0.0f;
#else
            int rows = min(p * stride_h - pad_h + window_h, h) - max(p * stride_h - pad_h, 0);
            int columns = min(q * stride_w - pad_w + window_w, w) - max(q * stride_w - pad_w, 0);
            sum += dy[dy_offset + out] / (float)(rows * columns);
#endif
        }
    dx[dx_offset + in] = sum;
}
