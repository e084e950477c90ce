/* pool2d.c: maximum and average pooling and their gradients, plane by plane.
 *
 * The window 2 x 2 with step 2 and no border, which nearly all networks use, has loops of its own that vectorise.
 */
#include "cpu_kernels.h"
#include "half.h"
#include "vec_transpose.h"

#include <math.h>

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

typedef uint8_t vec_bytes __attribute__((vector_size(VEC_LANES)));

/* The greater of two, the first where they are equal; NaN is the greatest. */
#define TAKE_GREATER(best, best_index, value, value_index)                                                             \
    do {                                                                                                               \
        bool take = ((value) > (best)) | (((value) != (value)) & ((best) == (best)));                                  \
        (best) = take ? (value) : (best);                                                                              \
        (best_index) = take ? (value_index) : (best_index);                                                            \
    } while (0)

/* Takes `value` where it is greater than a best that is a number, or is not a number itself. */
CPU_INLINE void take_greater(vf *best, vi *best_offset, vf value, vi offset)
{
    vi take = ~(value <= *best) & (*best == *best); /* NOLINT(misc-redundant-expression): false for NaN */
    *best = vf_select(take, value, *best);
    *best_offset = (offset & take) | (*best_offset & ~take);
}

static void store_places(uint8_t *index, vi place, int64_t count)
{
    const vec_bytes places = __builtin_convertvector(place, vec_bytes);
    if (count == VEC_LANES)
        memcpy(index, &places, sizeof places);
    else
        memcpy(index, &places, (size_t)count);
}

static vi load_places(const uint8_t *index, int64_t count)
{
    vec_bytes places = {0};
    if (count == VEC_LANES)
        memcpy(&places, index, sizeof places);
    else
        memcpy(&places, index, (size_t)count);
    return __builtin_convertvector(places, vi);
}

static void halve_max(const pool_shape *shape, const float *x, float *y, uint8_t *index)
{
    const vi zero = {0};
    for (int64_t p = 0; p < shape->p; ++p)
        for (int64_t q = 0; q < shape->q; q += VEC_LANES) {
            const int64_t corner = 2 * p * shape->w + 2 * q;
            const int64_t count = cpu_min(VEC_LANES, shape->q - q);
            vf best;
            vf right;
            vf bottom;
            vf bottom_right;
            vf_load_pairs(x + corner, 2 * count, &best, &right);
            vf_load_pairs(x + corner + shape->w, 2 * count, &bottom, &bottom_right);
            vi place = zero;
            take_greater(&best, &place, right, zero + 1);
            take_greater(&best, &place, bottom, zero + 2);
            take_greater(&best, &place, bottom_right, zero + 3);
            vf_store_partial(y + p * shape->q + q, best, count);
            store_places(index + p * shape->q + q, place, count);
        }
}

/* *index: h*W + w of the maximum. */
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
    const int64_t count = columns.end - columns.begin;
    const int64_t area = (rows.end - rows.begin) * count;
    const int64_t whole = count - count % (VEC_LANES / 2);
    double sum = 0;
    vdouble lanes = {0};
    for (int64_t row = rows.begin; row < rows.end; ++row) {
        const float *line = x + row * shape->w + columns.begin;
        for (int64_t i = 0; i < whole; i += VEC_LANES / 2)
            lanes += vdouble_load(line + i);
        for (int64_t i = whole; i < count; ++i)
            sum += (double)line[i];
    }
    if (whole > 0)
        sum += vdouble_sum(lanes);
    return area > 0 ? (float)(sum / (double)area) : 0;
}

/* INDEX of one plane: u8 or u32, by auxo_pool2d_index_dtype. NULL: absent. */
static void set_place(void *index, bool bytes, int64_t out, uint32_t place)
{
    if (bytes)
        ((uint8_t *)index)[out] = (uint8_t)place;
    else
        ((uint32_t *)index)[out] = place;
}

/* The place within the window of output (p, q) of image element h*W + w. */
static uint32_t place_of(const pool_shape *shape, int64_t p, int64_t q, uint32_t element)
{
    const auxo_pool2d_params *params = shape->params;
    const uint32_t row = element / (uint32_t)shape->w;
    const uint32_t first_row = (uint32_t)(p * params->stride_h - params->pad_h);
    const uint32_t first_column = (uint32_t)(q * params->stride_w - params->pad_w);
    return (row - first_row) * (uint32_t)params->window_w + element - row * (uint32_t)shape->w - first_column;
}

static void pool_plane(const pool_shape *shape, const float *x, float *y, void *index)
{
    const auxo_pool2d_params *params = shape->params;
    const bool bytes = auxo_pool2d_index_dtype(params) == AUXO_DTYPE_U8;
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
                set_place(index, bytes, out, place_of(shape, p, q, best_index));
        }
    }
}

/* What the parts of one op share. */
typedef struct pool_context {
    const auxo_op *op;
    char *scratch; /* of each thread: a plane of X and one of Y, where they have 16 bits */
} pool_context;

static size_t plane_bytes(const auxo_op *op, size_t slot)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    return tensor->dtype == AUXO_DTYPE_F32 ? 0 : cpu_align(sizeof(float) * (size_t)(tensor->dims[2] * tensor->dims[3]));
}

static float *plane_buffer(const pool_context *pool, int thread, size_t slot)
{
    const size_t first_bytes = plane_bytes(pool->op, 0), thread_bytes = first_bytes + plane_bytes(pool->op, 1);
    return (float *)(pool->scratch + (size_t)thread * thread_bytes + (slot == 0 ? 0 : first_bytes));
}

/* X and Y, or DY and DX, are slots 0 and 1. */
static size_t two_planes(int thread_count, const auxo_op *op)
{
    return (size_t)thread_count * (plane_bytes(op, 0) + plane_bytes(op, 1));
}

/* Items are planes (n, c). */
static void forward_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const pool_context *pool = context;
    const auxo_op *op = pool->op;
    const pool_shape shape = shape_of(op, AUXO_POOL2D_X, AUXO_POOL2D_Y);
    const half_view x = half_view_of(op, AUXO_POOL2D_X);
    const half_view y = half_view_of(op, AUXO_POOL2D_Y);
    char *index = cpu_data(&op->tensors[AUXO_POOL2D_INDEX]);
    const int64_t place_bytes = (int64_t)auxo_dtype_size_bytes(op->tensors[AUXO_POOL2D_INDEX].dtype);
    const bool halve = is_halving(&shape) && shape.params->kind == AUXO_POOL_MAX && index;
    const int64_t in = shape.h * shape.w;
    const int64_t out = shape.p * shape.q;
    for (int64_t plane = begin; plane < end; ++plane) {
        float *buffer = plane_buffer(pool, thread, AUXO_POOL2D_Y);
        const float *from = half_read(x, plane * in, in, plane_buffer(pool, thread, AUXO_POOL2D_X));
        float *to = half_target(y, plane * out, buffer);
        if (halve)
            halve_max(&shape, from, to, (uint8_t *)index + plane * out);
        else
            pool_plane(&shape, from, to, index ? index + plane * out * place_bytes : NULL);
        half_write(y, plane * out, out, buffer);
    }
}

static void run_pool2d_forward(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_POOL2D_X].dims;
    cpu_parallel(work, dims[0] * dims[1], dims[2] * dims[3], forward_part, &(pool_context){op, work->scratch});
}

#define scratch_bytes_pool2d_forward two_planes
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

/* The element h*W + w at each place of a window of at most 256, less that of its first. */
static void place_offsets(const pool_shape *shape, int64_t offsets[256])
{
    const auxo_pool2d_params *params = shape->params;
    for (int64_t row = 0, place = 0; row < params->window_h; ++row)
        for (int64_t column = 0; column < params->window_w; ++column)
            offsets[place++] = row * shape->w + column;
}

/* Adds one plane's gradients to the elements that were the maxima; `offsets` where INDEX is u8. */
static void scatter_plane(const pool_shape *shape, const float *dy, const char *index, const int64_t *offsets,
                          float *dx)
{
    const auxo_pool2d_params *params = shape->params;
    for (int64_t p = 0; p < shape->p; ++p) {
        int64_t first = (p * params->stride_h - params->pad_h) * shape->w - params->pad_w;
        const int64_t out = p * shape->q;
        for (int64_t q = 0; offsets && q < shape->q; ++q, first += params->stride_w)
            dx[first + offsets[((const uint8_t *)index)[out + q]]] += dy[out + q];
        for (int64_t q = 0; !offsets && q < shape->q; ++q, first += params->stride_w) {
            const uint32_t place = ((const uint32_t *)index)[out + q];
            dx[first + place / params->window_w * shape->w + place % params->window_w] += dy[out + q];
        }
    }
}

/* The gradients of a halving to its maxima, and 0 to all other elements: each is written once. */
static void double_max(const pool_shape *shape, const float *dy, const uint8_t *index, float *dx)
{
    for (int64_t p = 0; p < shape->p; ++p) {
        float *top = dx + 2 * p * shape->w;
        float *bottom = top + shape->w;
        for (int64_t q = 0; q < shape->q; q += VEC_LANES) {
            const int64_t count = cpu_min(VEC_LANES, shape->q - q);
            const vi value = (vi)vf_load_partial(dy + p * shape->q + q, count);
            const vi place = load_places(index + p * shape->q + q, count);
            vf_store_pairs(top + 2 * q, 2 * count, (vf)(value & (place == 0)), (vf)(value & (place == 1)));
            vf_store_pairs(bottom + 2 * q, 2 * count, (vf)(value & (place == 2)), (vf)(value & (place == 3)));
        }
        for (int64_t column = 2 * shape->q; column < shape->w; ++column)
            top[column] = bottom[column] = 0;
    }
    const int64_t done = 2 * shape->p * shape->w;
    memset(dx + done, 0, sizeof(float) * (size_t)(shape->h * shape->w - done));
}

static void backward_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const pool_context *pool = context;
    const auxo_op *op = pool->op;
    const pool_shape shape = shape_of(op, AUXO_POOL2D_B_DX, AUXO_POOL2D_B_DY);
    const half_view dy = half_view_of(op, AUXO_POOL2D_B_DY);
    const half_view dx = half_view_of(op, AUXO_POOL2D_B_DX);
    const char *index = cpu_data(&op->tensors[AUXO_POOL2D_B_INDEX]);
    const auxo_dtype index_dtype = op->tensors[AUXO_POOL2D_B_INDEX].dtype;
    int64_t offsets[256];
    const bool max = shape.params->kind == AUXO_POOL_MAX;
    const bool halved = max && is_halving(&shape) && index_dtype == AUXO_DTYPE_U8;
    const int64_t in = shape.h * shape.w;
    const int64_t out = shape.p * shape.q;
    if (max && index_dtype == AUXO_DTYPE_U8)
        place_offsets(&shape, offsets);
    for (int64_t plane = begin; plane < end; ++plane) {
        float *buffer = plane_buffer(pool, thread, AUXO_POOL2D_B_DX);
        const float *from = half_read(dy, plane * out, out, plane_buffer(pool, thread, AUXO_POOL2D_B_DY));
        float *target = half_target(dx, plane * in, buffer);
        if (!halved)
            memset(target, 0, sizeof(float) * (size_t)in);
        if (halved)
            double_max(&shape, from, (const uint8_t *)index + plane * out, target);
        else if (max)
            scatter_plane(&shape, from, index + plane * out * (int64_t)auxo_dtype_size_bytes(index_dtype),
                          index_dtype == AUXO_DTYPE_U8 ? offsets : NULL, target);
        else
            spread_plane(&shape, from, target);
        half_write(dx, plane * in, in, buffer);
    }
}

static void run_pool2d_backward(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_POOL2D_B_DX].dims;
    cpu_parallel(work, dims[0] * dims[1], dims[2] * dims[3], backward_part, &(pool_context){op, work->scratch});
}

#define scratch_bytes_pool2d_backward two_planes
CPU_KERNEL(pool2d_backward)
