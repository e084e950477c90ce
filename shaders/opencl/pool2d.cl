/* pool2d.cl: maximum and average pooling of (planes, H, W), and their gradients.
 *
 *     forward:  output (plane, p, q) takes its window, clipped to the image
 *     backward: an element of DX adds, in window order, what every window that covers it gives it
 * Variant "elements": one element per work-item. Variant "rows", for CPU drivers: one row of outputs (forward) or of
 * DX (backward) per work-item. `maximum`: 1 max, 0 average. Parameters: DATA; rows are of f32. PLACE_BYTES, 1 or 4: what
 * INDEX has for the place of a maximum within its window.
 */
#include "datum.clh"

#if PLACE_BYTES == 1
typedef uchar place_type;
#define convert_places convert_uchar4
#else
typedef uint place_type;
#define convert_places
#endif

#define POOL_SHAPE                                                                                                     \
    int h, int w, int p_count, int q_count, int window_h, int window_w, int stride_h, int stride_w, int pad_h, int pad_w,           \
        int maximum
/* One output: its value; *where receives h * W + w of the maximum, which `place_of` turns into the place in a window
 * that begins, clipped or not, at (row, column). */
static inline float pool_window(int maximum, global const datum *image, int w, int row_begin, int row_end,
                                int column_begin, int column_end, int *where)
{
    if (maximum) {
        int best = row_begin * w + column_begin;
        float value = get_datum(image, best);
        for (int row = row_begin; row < row_end; ++row)
            for (int column = column_begin; column < column_end; ++column) {
                float candidate = get_datum(image, row * w + column);
                if (candidate > value || (isnan(candidate) && !isnan(value))) {
                    value = candidate;
                    best = row * w + column;
                }
            }
        *where = best;
        return value;
    }
    float sum = 0.0f;
    for (int row = row_begin; row < row_end; ++row)
        for (int column = column_begin; column < column_end; ++column)
            sum += get_datum(image, row * w + column);
    int area = max(row_end - row_begin, 0) * max(column_end - column_begin, 0);
    return area > 0 ? sum / (float)area : 0.0f;
}

static inline uint place_of(int where, int w, int row, int column, int window_w)
{
    int at_row = where / w;
    return (uint)(at_row - row) * (uint)window_w + (uint)(where - at_row * w - column);
}

kernel void pool2d_forward_elements(global const datum *x, ulong x_offset, global datum *y, ulong y_offset,
                                    global place_type *index, ulong index_offset, ulong count, POOL_SHAPE)
{
    ulong out = get_global_id(0);
    if (out >= count)
        return;
    int q = (int)(out % (ulong)q_count);
    ulong rest = out / (ulong)q_count;
    int p = (int)(rest % (ulong)p_count);
    ulong plane = rest / (ulong)p_count;
    int where = 0;
    float value = pool_window(maximum, x + x_offset + plane * (ulong)h * (ulong)w, w, max(p * stride_h - pad_h, 0),
                              min(p * stride_h - pad_h + window_h, h), max(q * stride_w - pad_w, 0),
                              min(q * stride_w - pad_w + window_w, w), &where);
    put_datum(value, y, y_offset + out);
    if (maximum && index)
        index[index_offset + out] =
            (place_type)place_of(where, w, p * stride_h - pad_h, q * stride_w - pad_w, window_w);
}

#if DATA == DTYPE_F32
/* Four neighbouring outputs of windows two wide, side by side: columns 2 q .. 2 q + 8 of rows row_begin .. row_end.
 * *where: their places; `row` is the first of the windows, clipped or not. */
static inline float4 pool_four(global const float *image, int w, int row_begin, int row_end, int row, int q,
                               int4 *where)
{
    int4 place = (int4)(2 * (row_begin - row));
    float8 both = vload8(0, image + row_begin * w + 2 * q);
    float4 value = both.even;
    int4 best = place;
    for (int r = row_begin; r < row_end; ++r, place += 2) {
        both = vload8(0, image + r * w + 2 * q);
        int4 take = both.even > value || (isnan(both.even) && !isnan(value));
        value = take ? both.even : value;
        best = take ? place : best;
        take = both.odd > value || (isnan(both.odd) && !isnan(value));
        value = take ? both.odd : value;
        best = take ? place + 1 : best;
    }
    *where = best;
    return value;
}

kernel void pool2d_forward_rows(global const float *x, ulong x_offset, global float *y, ulong y_offset,
                                global place_type *index, ulong index_offset, ulong count, POOL_SHAPE)
{
    ulong out_row = get_global_id(0);
    if (out_row >= count)
        return;
    ulong plane = out_row / (ulong)p_count;
    int p = (int)(out_row - plane * (ulong)p_count);
    int row_begin = max(p * stride_h - pad_h, 0);
    int row_end = min(p * stride_h - pad_h + window_h, h);
    x += x_offset + plane * (ulong)h * (ulong)w;
    y += y_offset + out_row * (ulong)q_count;
    index = index ? index + index_offset + out_row * (ulong)q_count : index;
    int q = 0;
    if (maximum && window_w == 2 && stride_w == 2 && pad_w == 0)
        for (; q + 4 <= q_count; q += 4) {
            int4 where;
            vstore4(pool_four(x, w, row_begin, row_end, p * stride_h - pad_h, q, &where), 0, y + q);
            if (index)
                vstore4(convert_places(as_uint4(where)), 0, index + q);
        }
    for (; q < q_count; ++q) {
        int where = 0;
        y[q] = pool_window(maximum, x, w, row_begin, row_end, max(q * stride_w - pad_w, 0),
                           min(q * stride_w - pad_w + window_w, w), &where);
        if (maximum && index)
            index[q] = (place_type)place_of(where, w, p * stride_h - pad_h, q * stride_w - pad_w, window_w);
    }
}

#endif

/* The first and last output whose window covers input position `at`, along one axis. */
static inline int2 covering_windows(int at, int window, int stride, int pad, int outputs)
{
    int first = at + pad - window + 1;
    first = first > 0 ? (first + stride - 1) / stride : 0;
    return (int2)(first, min((at + pad) / stride, outputs - 1));
}

kernel void pool2d_backward_elements(global const datum *dy, ulong dy_offset, global datum *dx, ulong dx_offset,
                                     global const place_type *index, ulong index_offset, ulong count, POOL_SHAPE)
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
            if (maximum) {
                int place = (row - (p * stride_h - pad_h)) * window_w + column - (q * stride_w - pad_w);
                sum += index[index_offset + out] == (uint)place ? get_datum(dy, dy_offset + out) : 0.0f;
                continue;
            }
            int rows = min(p * stride_h - pad_h + window_h, h) - max(p * stride_h - pad_h, 0);
            int columns = min(q * stride_w - pad_w + window_w, w) - max(q * stride_w - pad_w, 0);
            sum += get_datum(dy, dy_offset + out) / (float)(rows * columns);
        }
    put_datum(sum, dx, dx_offset + in);
}

#if DATA == DTYPE_F32
/* Adds one row of output gradients to the elements of a row of DX that were their maxima: those whose place in the
 * window begins a row of it, `first_place`, or follows in that. */
static inline void spread_maxima(global const float *gradient, global const place_type *places, int q_count,
                                 int first_place, int window_w, int stride_w, int pad_w, global float *dx)
{
    int q = 0;
    if (window_w == 2 && stride_w == 2 && pad_w == 0)
        for (; q + 4 <= q_count; q += 4) {
            uint4 column = convert_uint4(vload4(0, places + q)) - (uint)first_place;
            float4 four = vload4(0, gradient + q);
            float8 sum = vload8(0, dx + 2 * q);
            sum.even += column == 0u ? four : (float4)(0.0f);
            sum.odd += column == 1u ? four : (float4)(0.0f);
            vstore8(sum, 0, dx + 2 * q);
        }
    for (; q < q_count; ++q) {
        uint column = (uint)places[q] - (uint)first_place;
        if (column < (uint)window_w)
            dx[q * stride_w - pad_w + (int)column] += gradient[q];
    }
}

kernel void pool2d_backward_rows(global const float *dy, ulong dy_offset, global float *dx, ulong dx_offset,
                                 global const place_type *index, ulong index_offset, ulong count, POOL_SHAPE)
{
    ulong in_row = get_global_id(0);
    if (in_row >= count)
        return;
    ulong plane = in_row / (ulong)h;
    int row = (int)(in_row - plane * (ulong)h);
    int2 ps = covering_windows(row, window_h, stride_h, pad_h, p_count);
    dx += dx_offset + in_row * (ulong)w;
    for (int column = 0; column < w; ++column)
        dx[column] = 0.0f;
    for (int p = ps.x; p <= ps.y; ++p) {
        ulong out = (plane * (ulong)p_count + (ulong)p) * (ulong)q_count;
        global const float *gradient = dy + dy_offset + out;
        if (maximum) {
            spread_maxima(gradient, index + index_offset + out, q_count, (row - (p * stride_h - pad_h)) * window_w,
                          window_w, stride_w, pad_w, dx);
            continue;
        }
        int rows = min(p * stride_h - pad_h + window_h, h) - max(p * stride_h - pad_h, 0);
        for (int q = 0; q < q_count; ++q) {
            int begin = max(q * stride_w - pad_w, 0);
            int end = min(q * stride_w - pad_w + window_w, w);
            float share = gradient[q] / (float)(rows * (end - begin));
            for (int column = begin; column < end; ++column)
                dx[column] += share;
        }
    }
}
#endif
