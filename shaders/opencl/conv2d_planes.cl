/* conv2d_planes.cl: convolution forward and backward by data for CPU drivers with wide vectors.
 *
 *     pack:  weights of T outputs side by side: packed[output / T][input channel, r, s][T], T = TILE_ROWS
 *     main:  work-item (slot) takes images slot, slot + slots, ... (where images are few, a range of the outputs of
 *            one): copies the image's planes (planes.clh), then
 *                            t, 2 VEC positions
 *                  T outputs [ T x 2 VEC accumulators ] += packed[l][T] x plane[channel][offset[r,s] + t ..]
 *            over all l = (channel, r, s), and stores rows of valid positions with bias and activation
 * The 2 VEC positions are neighbours (rows_at_once 0), or two rows of at most VEC outputs, or the beginning and the end of
 * one row of at most 2 VEC outputs. For whole rows, window rows that lie in the padding are left out.
 * Backward by data is the same sum with inputs and outputs of W exchanged and its window turned around.
 * Parameters: VEC; TILE_ROWS 6 or 8.
 */
#include "activation.clh"
#include "planes.clh"

#define PANEL (2 * VEC)

/* outputs, inputs: channels of one group. Forward: W (output, input, r, s); backward: W (input, output, r, s). */
kernel void conv2d_pack(global const float *weights, ulong weights_offset, global float *packed, int outputs,
                        int inputs, int taps, int groups, int backward)
{
    int tiles = (outputs + TILE_ROWS - 1) / TILE_ROWS;
    int length = inputs * taps;
    int id = (int)get_global_id(0);
    int lane = id % TILE_ROWS;
    int l = id / TILE_ROWS % length;
    int tile = id / TILE_ROWS / length;
    if (tile >= tiles * groups)
        return;
    int group = tile / tiles;
    int output = tile % tiles * TILE_ROWS + lane;
    int input = l / taps;
    int tap = l % taps;
    ulong from = backward ? ((ulong)(group * inputs + input) * outputs + output) * taps + (taps - 1 - tap)
                          : ((ulong)(group * outputs + output) * inputs + input) * taps + tap;
    packed[id] = output < outputs ? weights[weights_offset + from] : 0.0f;
}

/* Stores the valid ones of positions t .. t + PANEL of one output channel. */
static inline void store_positions(floatv v0, floatv v1, global float *image, int t, int out_h, int out_w, int width,
                            float bias, int activation, float slope)
{
    float values[PANEL];
    storev(activate_as(activation, v0 + bias, slope), values);
    storev(activate_as(activation, v1 + bias, slope), values + VEC);
    int y = t / width;
    int x = t - y * width;
    for (int i = 0; i < PANEL && y < out_h;) {
        int run = min(PANEL - i, width - x);
        int valid = min(run, out_w - x);
        global float *row = image + y * out_w + x;
        int j = 0;
        for (; j + 8 <= valid; j += 8)
            vstore8(vload8(0, values + i + j), 0, row + j);
        if (valid >= 8 && j < valid)
            vstore8(vload8(0, values + i + valid - 8), 0, row + valid - 8);
        else
            for (; j < valid; ++j)
                row[j] = values[i + j];
        i += run;
        x = 0;
        ++y;
    }
}

/* Stores the first `count` of a vector. */
static inline void store_begin(floatv v, global float *row, int count, float bias, int activation, float slope)
{
    float values[VEC];
    v = activate_as(activation, v + bias, slope);
    if (count == VEC) {
        storev(v, row);
        return;
    }
    storev(v, values);
    int j = 0;
    if (count >= 8) {
        vstore8(vload8(0, values), 0, row);
        vstore8(vload8(0, values + count - 8), 0, row + count - 8);
        return;
    }
    for (; j < count; ++j)
        row[j] = values[j];
}

#if TILE_ROWS == 6
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#else
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#endif

kernel LONE_ITEM void
conv2d_planes(global const float *source, ulong source_offset, global const float *packed, global const int *offsets,
              global float *target, ulong target_offset, global const float *bias, ulong bias_offset,
              global float *planes, PLANE_SHAPE, int images, int groups, int inputs, int outputs, int taps, int out_h,
              int out_w, int activation, float slope, int tile_ranges, int rows_at_once, int window_w, int dilation_h)
{
    const plane_shape shape = PLANE_SHAPE_INIT;
    int tiles = (outputs + TILE_ROWS - 1) / TILE_ROWS;
    int length = inputs * taps;
    int panels = rows_at_once ? (out_h + rows_at_once - 1) / rows_at_once
                              : ((out_h - 1) * width + out_w + PANEL - 1) / PANEL;
    planes += get_global_id(0) * (ulong)inputs * (ulong)plane_size;
    for (int c = 0; c < inputs; ++c)
        clear_run(planes + (ulong)c * plane_size, plane_size);
    ulong units = (ulong)images * (ulong)groups * (ulong)tile_ranges;
    for (ulong unit = get_global_id(0); unit < units; unit += get_global_size(0)) {
        int range = (int)(unit % (ulong)tile_ranges);
        int group = (int)(unit / (ulong)tile_ranges % (ulong)groups);
        ulong image = unit / (ulong)tile_ranges / (ulong)groups;
        for (int c = 0; c < inputs; ++c)
            copy_plane(source + source_offset +
                           (image * (ulong)source_channels + (ulong)(group * inputs + c)) * (ulong)(source_h * source_w),
                       &shape, planes + (ulong)c * plane_size);
        for (int tile = range * tiles / tile_ranges; tile < (range + 1) * tiles / tile_ranges; ++tile) {
            global const float *a = packed + (ulong)(group * tiles + tile) * (ulong)length * TILE_ROWS;
            int first = group * outputs + tile * TILE_ROWS;
            int valid = min(TILE_ROWS, outputs - tile * TILE_ROWS);
            for (int panel = 0; panel < panels; ++panel) {
                int y = rows_at_once * panel;
                int t = rows_at_once ? y * width : panel * PANEL;
                int second = VEC; /* where the second vector starts after t */
                int tap_begin = 0;
                int tap_end = taps;
                if (rows_at_once) {
                    int ahead = pad_h - (y + rows_at_once - 1) + dilation_h - 1;
                    int last = source_h - 1 + pad_h - y;
                    tap_begin = max(0, ahead / dilation_h) * window_w;
                    tap_end = last < 0 ? 0 : min(taps, (last / dilation_h + 1) * window_w);
                    second = rows_at_once == 1 ? out_w - VEC : y + 1 < out_h ? width : 0;
                }
#define DECLARE(r) floatv x##r = (floatv)(0.0f), y##r = (floatv)(0.0f);
                ROWS(DECLARE)
                for (int c = 0; c < inputs; ++c) {
                    global const float *plane = planes + (ulong)c * plane_size + t;
                    global const float *w = a + (c * taps + tap_begin) * TILE_ROWS;
                    for (int tap = tap_begin; tap < tap_end; ++tap, w += TILE_ROWS) {
                        global const float *p = plane + offsets[tap];
                        floatv b0 = loadv(p);
                        floatv b1 = loadv(p + second);
#define STEP(r)                                                                                                        \
    x##r = fma((floatv)(w[r]), b0, x##r);                                                                              \
    y##r = fma((floatv)(w[r]), b1, y##r);
                        ROWS(STEP)
                    }
                }
                global float *channel =
                    target + target_offset + (image * (ulong)(groups * outputs) + (ulong)first) * (ulong)(out_h * out_w);
                if (rows_at_once) {
                    int count = min(out_w, VEC);
                    bool has_second = rows_at_once == 1 || y + 1 < out_h;
                    int second_at = rows_at_once == 1 ? second : out_w;
#define STORE_ROWS(r)                                                                                                  \
    if (r < valid) {                                                                                                   \
        global float *row = channel + (r * out_h + y) * out_w;                                                         \
        float shift = bias ? bias[bias_offset + first + r] : 0.0f;                                                     \
        store_begin(x##r, row, count, shift, activation, slope);                                                       \
        if (has_second)                                                                                                \
            store_begin(y##r, row + second_at, count, shift, activation, slope);                                       \
    }
                    ROWS(STORE_ROWS)
                } else {
#define STORE(r)                                                                                                       \
    if (r < valid)                                                                                                     \
        store_positions(x##r, y##r, channel + (ulong)r * (ulong)(out_h * out_w), t, out_h, out_w, width,               \
                        bias ? bias[bias_offset + first + r] : 0.0f, activation, slope);
                    ROWS(STORE)
                }
            }
        }
    }
}
