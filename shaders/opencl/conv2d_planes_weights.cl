/* conv2d_planes_weights.cl: convolution backward by weights for CPU drivers with wide vectors.
 *
 *     work-item (slot) takes images slot, slot + slots, ..., images_at_once at a time: copies X into planes (planes.clh) and DY
 *     into rows of the same width with zeros between, so that
 *         DW[k, c, r, s] += sum over t of DY[k][t] plane[c][offset[r,s] + t]
 *     is a product of vectors along t: 4 outputs x 4 taps of vector accumulators, added up lane by lane at the end.
 *     partial[slot][k, c, r, s] (and DBIAS behind) are added over slots, in order, by conv2d_planes_weights_finish.
 * Parameters: VEC.
 */
#include "compensated.clh"
#include "planes.clh"
#include "vector.clh"

#define SQUARE(X)                                                                                                      \
    X(0, 0) X(0, 1) X(0, 2) X(0, 3) X(1, 0) X(1, 1) X(1, 2) X(1, 3) X(2, 0) X(2, 1) X(2, 2) X(2, 3) X(3, 0) X(3, 1)    \
        X(3, 2) X(3, 3)
#define FOUR(X) X(0) X(1) X(2) X(3)

/* 4 outputs x 4 taps over all images in hand. Clamped duplicates at the edges are computed and not stored. */
static inline void multiply_tile(global const float *gradients, global const float *planes, global const int *l_offsets,
                          int k, int outputs, int l, int length, int image_count, int row_size,
                          ulong gradient_image, ulong plane_image, global float *sums)
{
#define DECLARE(i, j) floatv a##i##j = (floatv)(0.0f);
    SQUARE(DECLARE)
#define ROW(i) int k##i = min(k + i, outputs - 1), l##i = min(l + i, length - 1);
    FOUR(ROW)
    for (int image = 0; image < image_count; ++image) {
#define POINTERS(i)                                                                                                    \
    global const float *g##i = gradients + image * gradient_image + (ulong)k##i * row_size;                            \
    global const float *p##i = planes + image * plane_image + l_offsets[l##i];
        FOUR(POINTERS)
        for (int t = 0; t < row_size; t += VEC) {
#define LOAD(i) floatv u##i = loadv(g##i + t), v##i = loadv(p##i + t);
            FOUR(LOAD)
#define STEP(i, j) a##i##j = fma(u##i, v##j, a##i##j);
            SQUARE(STEP)
        }
    }
#define STORE(i, j)                                                                                                    \
    if (k + i < outputs && l + j < length)                                                                             \
        sums[(ulong)(k + i) * length + l + j] += sumv(a##i##j);
    SQUARE(STORE)
}

/* l_offsets[l]: where tap l = (channel, r, s) starts, relative to an image's planes. */
kernel LONE_ITEM void
conv2d_planes_weights(global const float *x, ulong x_offset, global const float *dy, ulong dy_offset,
                      global const int *l_offsets, global float *planes, global float *gradients,
                      global float *partial, PLANE_SHAPE, int images, int groups, int inputs, int outputs, int taps,
                      int out_h, int out_w, int row_size, int with_bias, int images_at_once)
{
    const plane_shape shape = PLANE_SHAPE_INIT;
    int length = inputs * taps;
    ulong plane_image = (ulong)inputs * plane_size;
    ulong gradient_image = (ulong)outputs * row_size;
    ulong sum_count = (ulong)groups * outputs * (length + with_bias);
    planes += get_global_id(0) * (ulong)images_at_once * plane_image;
    gradients += get_global_id(0) * (ulong)images_at_once * gradient_image;
    partial += get_global_id(0) * sum_count;
    for (ulong i = 0; i < sum_count; ++i)
        partial[i] = 0.0f;
    for (int i = 0; i < images_at_once; ++i) {
        for (int c = 0; c < inputs; ++c)
            clear_run(planes + i * plane_image + (ulong)c * plane_size, plane_size);
        for (int k = 0; k < outputs; ++k)
            clear_run(gradients + i * gradient_image + (ulong)k * row_size, row_size);
    }
    for (ulong first = get_global_id(0) * (ulong)images_at_once; first < (ulong)images; first += get_global_size(0) * (ulong)images_at_once) {
        int image_count = (int)min((ulong)images_at_once, (ulong)images - first);
        for (int group = 0; group < groups; ++group) {
            for (int i = 0; i < image_count; ++i) {
                for (int c = 0; c < inputs; ++c)
                    copy_plane(x + x_offset +
                                   ((first + i) * (ulong)source_channels + (ulong)(group * inputs + c)) *
                                       (ulong)(source_h * source_w),
                               &shape, planes + i * plane_image + (ulong)c * plane_size);
                for (int k = 0; k < outputs; ++k) {
                    ulong channel = (first + i) * (ulong)(groups * outputs) + (ulong)(group * outputs + k);
                    global float *row = gradients + i * gradient_image + (ulong)k * row_size;
                    global const float *gradient = dy + dy_offset + channel * (ulong)(out_h * out_w);
                    for (int y = 0; y < out_h; ++y)
                        copy_run(gradient + y * out_w, row + y * width, out_w);
                    if (with_bias) {
                        floatv sum = (floatv)(0.0f);
                        for (int t = 0; t < row_size; t += VEC)
                            sum += loadv(row + t);
                        partial[(ulong)groups * outputs * length + (ulong)(group * outputs + k)] += sumv(sum);
                    }
                }
            }
            for (int k = 0; k < outputs; k += 4)
                for (int l = 0; l < length; l += 4)
                    multiply_tile(gradients, planes, l_offsets, k, outputs, l, length, image_count, row_size,
                                  gradient_image, plane_image, partial + (ulong)group * outputs * length);
        }
    }
}

/* Adds the slots in order: item i is one element of DW, or of DBIAS past its end. */
kernel void conv2d_planes_weights_finish(global const float *partial, global float *dw, ulong dw_offset,
                                         global float *dbias, ulong dbias_offset, ulong weight_count, ulong bias_count,
                                         int slots)
{
    ulong i = get_global_id(0);
    ulong sum_count = weight_count + bias_count;
    if (i >= sum_count)
        return;
    float2 total = (float2)(0.0f, 0.0f);
    for (int slot = 0; slot < slots; ++slot)
        total = pair_add_float(total, partial[(ulong)slot * sum_count + i]);
    if (i < weight_count)
        dw[dw_offset + i] = total.x;
    else
        dbias[dbias_offset + i - weight_count] = total.x;
}
