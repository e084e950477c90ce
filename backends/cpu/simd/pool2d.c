/* pool2d.c: maximum and average pooling and their gradients, plane by plane.
 *
 * The window 2 x 2 with step 2 and no border, which nearly all networks use, has loops of its own that vectorise.
 */
#include "cpu_kernels.h"
#include "vec.h"

#include <math.h>

enum { PARALLEL_MIN_ELEMENTS = 1 << 14 };

typedef struct pool_shape {
    const auxo_pool2d_params *params;
    int64_t planes, h, w, p, q;
} pool_shape;

static pool_shape shape_of(const auxo_op *op, size_t x_slot, size_t y_slot)
{
    const int64_t *xd = op->tensors[x_slot].dims;
    const int64_t *yd = op->tensors[y_slot].dims;
    return (pool_shape){&op->params.pool2d, yd[0] * yd[1], xd[2], xd[3], yd[2], yd[3]};
}

static bool is_halving(const pool_shape *shape)
{
    const auxo_pool2d_params *params = shape->params;
    return params->window_h == 2 && params->window_w == 2 && params->stride_h == 2 && params->stride_w == 2 &&
           params->pad_h == 0 && params->pad_w == 0;
}

static cpu_range clip(int64_t position, int32_t stride, int32_t pad, int32_t window, int64_t extent)
{
    int64_t begin = position * stride - pad;
    return (cpu_range){cpu_max(begin, 0), cpu_min(begin + window, extent)};
}

/* The greater of two, the first where they are equal; NaN is the greatest. */
#define TAKE_GREATER(best, best_index, value, value_index)                                                             \
    do {                                                                                                               \
        bool take = ((value) > (best)) | (((value) != (value)) & ((best) == (best)));                                  \
        (best) = take ? (value) : (best);                                                                              \
        (best_index) = take ? (value_index) : (best_index);                                                            \
    } while (0)

static void halve_max(const pool_shape *shape, const float *restrict x, float *restrict y, uint32_t *restrict index)
{
    for (int64_t p = 0; p < shape->p; ++p) {
        const float *top = x + 2 * p * shape->w;
        const float *bottom = top + shape->w;
        const uint32_t first = (uint32_t)(2 * p * shape->w);
        const uint32_t width = (uint32_t)shape->w;
#pragma omp simd
        for (int64_t q = 0; q < shape->q; ++q) {
            float best = top[2 * q];
            uint32_t best_index = first + 2 * (uint32_t)q;
            uint32_t corner = best_index;
            TAKE_GREATER(best, best_index, top[2 * q + 1], corner + 1);
            TAKE_GREATER(best, best_index, bottom[2 * q], corner + width);
            TAKE_GREATER(best, best_index, bottom[2 * q + 1], corner + width + 1);
            y[p * shape->q + q] = best;
            index[p * shape->q + q] = best_index;
        }
    }
}

static float window_max(const pool_shape *shape, const float *x, cpu_range rows, cpu_range columns, uint32_t *index)
{
    uint32_t best_index = (uint32_t)(rows.begin * shape->w + columns.begin);
    float best = x[best_index];
    for (int64_t row = rows.begin; row < rows.end; ++row)
        for (int64_t column = columns.begin; column < columns.end; ++column) {
            uint32_t here = (uint32_t)(row * shape->w + column);
            TAKE_GREATER(best, best_index, x[here], here);
        }
    *index = best_index;
    return best;
}

static float window_average(const pool_shape *shape, const float *x, cpu_range rows, cpu_range columns)
{
    double sum = 0;
    for (int64_t row = rows.begin; row < rows.end; ++row)
        for (int64_t column = columns.begin; column < columns.end; ++column)
            sum += (double)x[row * shape->w + column];
    int64_t area = (rows.end - rows.begin) * (columns.end - columns.begin);
    return area > 0 ? (float)(sum / (double)area) : 0;
}

static void pool_plane(const pool_shape *shape, const float *x, float *y, uint32_t *index)
{
    const auxo_pool2d_params *params = shape->params;
    for (int64_t p = 0; p < shape->p; ++p) {
        cpu_range rows = clip(p, params->stride_h, params->pad_h, params->window_h, shape->h);
        for (int64_t q = 0; q < shape->q; ++q) {
            cpu_range columns = clip(q, params->stride_w, params->pad_w, params->window_w, shape->w);
            int64_t out = p * shape->q + q;
            uint32_t best_index;
            if (params->kind == AUXO_POOL_AVERAGE) {
                y[out] = window_average(shape, x, rows, columns);
                continue;
            }
            y[out] = window_max(shape, x, rows, columns, &best_index);
            if (index)
                index[out] = best_index;
        }
    }
}

static void run_pool2d_forward(const cpu_work *work, const auxo_op *op)
{
    const pool_shape shape = shape_of(op, AUXO_POOL2D_X, AUXO_POOL2D_Y);
    const float *x = cpu_f32(op, AUXO_POOL2D_X);
    float *y = cpu_f32(op, AUXO_POOL2D_Y);
    uint32_t *index = cpu_u32(op, AUXO_POOL2D_INDEX);
    const bool halve = is_halving(&shape) && shape.params->kind == AUXO_POOL_MAX && index;
    const int64_t in = shape.h * shape.w;
    const int64_t out = shape.p * shape.q;
#pragma omp parallel for schedule(static)                                                                              \
    num_threads(work->thread_count) if (shape.planes * in >= PARALLEL_MIN_ELEMENTS)
    for (int64_t plane = 0; plane < shape.planes; ++plane)
        if (halve)
            halve_max(&shape, x + plane * in, y + plane * out, index + plane * out);
        else
            pool_plane(&shape, x + plane * in, y + plane * out, index ? index + plane * out : NULL);
}

#define scratch_bytes_pool2d_forward cpu_no_scratch
CPU_KERNEL(pool2d_forward)

static void spread_plane(const pool_shape *shape, const float *dy, float *dx)
{
    const auxo_pool2d_params *params = shape->params;
    for (int64_t p = 0; p < shape->p; ++p) {
        cpu_range rows = clip(p, params->stride_h, params->pad_h, params->window_h, shape->h);
        for (int64_t q = 0; q < shape->q; ++q) {
            cpu_range columns = clip(q, params->stride_w, params->pad_w, params->window_w, shape->w);
            int64_t area = (rows.end - rows.begin) * (columns.end - columns.begin);
            float share = dy[p * shape->q + q] / (float)area;
            for (int64_t row = rows.begin; row < rows.end; ++row)
                for (int64_t column = columns.begin; column < columns.end; ++column)
                    dx[row * shape->w + column] += share;
        }
    }
}

static void run_pool2d_backward(const cpu_work *work, const auxo_op *op)
{
    const pool_shape shape = shape_of(op, AUXO_POOL2D_B_DX, AUXO_POOL2D_B_DY);
    const float *dy = cpu_f32(op, AUXO_POOL2D_B_DY);
    const uint32_t *index = cpu_u32(op, AUXO_POOL2D_B_INDEX);
    float *dx = cpu_f32(op, AUXO_POOL2D_B_DX);
    const bool max = shape.params->kind == AUXO_POOL_MAX;
    const int64_t in = shape.h * shape.w;
    const int64_t out = shape.p * shape.q;
#pragma omp parallel for schedule(static)                                                                              \
    num_threads(work->thread_count) if (shape.planes * in >= PARALLEL_MIN_ELEMENTS)
    for (int64_t plane = 0; plane < shape.planes; ++plane) {
        float *target = dx + plane * in;
        memset(target, 0, sizeof(float) * (size_t)in);
        if (!max)
            spread_plane(&shape, dy + plane * out, target);
        for (int64_t i = plane * out; max && i < (plane + 1) * out; ++i)
            target[index[i]] += dy[i];
    }
}

#define scratch_bytes_pool2d_backward cpu_no_scratch
CPU_KERNEL(pool2d_backward)
