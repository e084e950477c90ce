/* elementwise.c: activations, add, bias and scale per channel, fill and copy. */
#include "cpu_kernels.h"
#include "half.h"
#include "ref.h"
#include "vec_math.h"

CPU_INLINE void activate_range(auxo_activation activation, float slope, const float *x, float *y, cpu_range range)
{
    int64_t i = range.begin;
    for (; i + VEC_LANES <= range.end; i += VEC_LANES)
        vf_store(y + i, vf_activate(activation, slope, vf_load(x + i)));
    if (i < range.end)
        vf_store_partial(y + i, vf_activate(activation, slope, vf_load_partial(x + i, range.end - i)), range.end - i);
}

#define FORWARD_CASE(kind, noun)                                                                                       \
    case AUXO_ACTIVATION_##kind:                                                                                       \
        activate_range(AUXO_ACTIVATION_##kind, slope, x, y, range);                                                    \
        break;

/* The switch stands outside the loop, so that each loop is for one activation. */
static void activate_any(auxo_activation activation, float slope, const float *x, float *y, cpu_range range)
{
    switch (activation) {
        AUXO_ACTIVATION_TABLE(FORWARD_CASE)
    default:
        break;
    }
}

static void activation_forward_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_activation_params *params = &op->params.activation;
    const half_view x = half_view_of(op, AUXO_ACTIVATION_X);
    const half_view y = half_view_of(op, AUXO_ACTIVATION_Y);
    const int64_t step = half_step(x, y, end - begin);
    float buffers[2][HALF_BLOCK];
    for (int64_t i = begin; i < end; i += step) {
        const int64_t count = cpu_min(step, end - i);
        activate_any(params->activation, params->slope, half_read(x, i, count, buffers[0]),
                     half_target(y, i, buffers[1]), (cpu_range){0, count});
        half_write(y, i, count, buffers[1]);
    }
}

static void run_activation_forward(const cpu_work *work, const auxo_op *op)
{
    cpu_parallel(work, cpu_count(op, AUXO_ACTIVATION_Y), 1, activation_forward_part, op);
}

#define scratch_bytes_activation_forward cpu_no_scratch
CPU_KERNEL(activation_forward)

CPU_INLINE void slope_range(auxo_activation activation, float slope, const float *y, const float *dy, float *dx,
                            cpu_range range)
{
    int64_t i = range.begin;
    for (; i + VEC_LANES <= range.end; i += VEC_LANES)
        vf_store(dx + i, vf_load(dy + i) * vf_activate_slope(activation, slope, vf_load(y + i)));
    int64_t rest = range.end - i;
    if (rest > 0)
        vf_store_partial(
            dx + i, vf_load_partial(dy + i, rest) * vf_activate_slope(activation, slope, vf_load_partial(y + i, rest)),
            rest);
}

#define BACKWARD_CASE(kind, noun)                                                                                      \
    case AUXO_ACTIVATION_##kind:                                                                                       \
        slope_range(AUXO_ACTIVATION_##kind, slope, y, dy, dx, range);                                                  \
        break;

static void slope_any(auxo_activation activation, float slope, const float *y, const float *dy, float *dx,
                      cpu_range range)
{
    switch (activation) {
        AUXO_ACTIVATION_TABLE(BACKWARD_CASE)
    default:
        break;
    }
}

static void activation_backward_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_activation_params *params = &op->params.activation;
    const half_view y = half_view_of(op, AUXO_ACTIVATION_B_Y);
    const half_view dy = half_view_of(op, AUXO_ACTIVATION_B_DY);
    const half_view dx = half_view_of(op, AUXO_ACTIVATION_B_DX);
    const int64_t step = half_step(y, dy, end - begin);
    float buffers[3][HALF_BLOCK];
    for (int64_t i = begin; i < end; i += step) {
        const int64_t count = cpu_min(step, end - i);
        slope_any(params->activation, params->slope, half_read(y, i, count, buffers[0]),
                  half_read(dy, i, count, buffers[1]), half_target(dx, i, buffers[2]), (cpu_range){0, count});
        half_write(dx, i, count, buffers[2]);
    }
}

static void run_activation_backward(const cpu_work *work, const auxo_op *op)
{
    cpu_parallel(work, cpu_count(op, AUXO_ACTIVATION_B_DX), 1, activation_backward_part, op);
}

#define scratch_bytes_activation_backward cpu_no_scratch
CPU_KERNEL(activation_backward)

static void add_range(const auxo_add_params *params, const float *a, const float *b, float *y, int64_t count)
{
    const float alpha = params->alpha;
    const float beta = params->beta;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
        y[i] = alpha * a[i] + beta * b[i];
}

static void add_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const half_view a = half_view_of(op, AUXO_ADD_A);
    const half_view b = half_view_of(op, AUXO_ADD_B);
    const half_view y = half_view_of(op, AUXO_ADD_Y);
    const int64_t step = half_step(a, b, end - begin);
    float buffers[3][HALF_BLOCK];
    for (int64_t i = begin; i < end; i += step) {
        const int64_t count = cpu_min(step, end - i);
        add_range(&op->params.add, half_read(a, i, count, buffers[0]), half_read(b, i, count, buffers[1]),
                  half_target(y, i, buffers[2]), count);
        half_write(y, i, count, buffers[2]);
    }
}

static void run_add(const cpu_work *work, const auxo_op *op)
{
    cpu_parallel(work, cpu_count(op, AUXO_ADD_Y), 1, add_part, op);
}

#define scratch_bytes_add cpu_no_scratch
CPU_KERNEL(add)

/* act(x + bias) over one row of `count` channels (inner = 1). */
CPU_INLINE void bias_row(auxo_activation activation, float slope, const float *x, const float *bias, float *y,
                         int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC_LANES) {
        int64_t lanes = cpu_min(VEC_LANES, count - i);
        vf value = vf_load_partial(x + i, lanes) + vf_load_partial(bias + i, lanes);
        vf_store_partial(y + i, vf_activate(activation, slope, value), lanes);
    }
}

/* act(x + bias) over `count` elements of one channel. */
CPU_INLINE void bias_plane(auxo_activation activation, float slope, const float *x, float bias, float *y, int64_t count)
{
    for (int64_t i = 0; i < count; i += VEC_LANES) {
        int64_t lanes = cpu_min(VEC_LANES, count - i);
        vf_store_partial(y + i, vf_activate(activation, slope, vf_load_partial(x + i, lanes) + bias), lanes);
    }
}

/* Items are rows of channels where inner is 1, else planes (outer, channel). */
static void bias_add_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_activation_params params = op->params.activation;
    const int64_t channels = op->tensors[AUXO_BIAS_ADD_X].dims[1];
    const int64_t inner = op->tensors[AUXO_BIAS_ADD_X].dims[2];
    const half_view x = half_view_of(op, AUXO_BIAS_ADD_X);
    const half_view y = half_view_of(op, AUXO_BIAS_ADD_Y);
    const float *bias = cpu_f32(op, AUXO_BIAS_ADD_BIAS);
    const int64_t length = inner == 1 ? channels : inner;
    const int64_t step = half_step(x, y, length);
    float buffers[2][HALF_BLOCK];
    for (int64_t item = begin; item < end; ++item)
        for (int64_t i = 0; i < length; i += step) {
            const int64_t count = cpu_min(step, length - i);
            const float *from = half_read(x, item * length + i, count, buffers[0]);
            float *to = half_target(y, item * length + i, buffers[1]);
            if (inner == 1)
                bias_row(params.activation, params.slope, from, bias + i, to, count);
            else
                bias_plane(params.activation, params.slope, from, bias[item % channels], to, count);
            half_write(y, item * length + i, count, buffers[1]);
        }
}

static void run_bias_add(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_BIAS_ADD_X].dims;
    if (dims[2] == 1)
        cpu_parallel(work, dims[0], dims[1], bias_add_part, op);
    else
        cpu_parallel(work, dims[0] * dims[1], dims[2], bias_add_part, op);
}

#define scratch_bytes_bias_add cpu_no_scratch
CPU_KERNEL(bias_add)

/* y = x times one factor, or (factor NULL) times `factors` one by one. */
static void scale_range(const float *x, const float *factor, const float *factors, float *y, int64_t count)
{
    if (factor) {
        const float by = *factor;
#pragma omp simd
        for (int64_t i = 0; i < count; ++i)
            y[i] = x[i] * by;
    } else {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i)
            y[i] = x[i] * factors[i];
    }
}

/* Items are rows of channels where inner is 1, else planes (outer, channel). */
static void scale_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const int64_t channels = op->tensors[AUXO_SCALE_X].dims[1];
    const int64_t inner = op->tensors[AUXO_SCALE_X].dims[2];
    const half_view x = half_view_of(op, AUXO_SCALE_X);
    const half_view y = half_view_of(op, AUXO_SCALE_Y);
    const float *scale = cpu_f32(op, AUXO_SCALE_SCALE);
    const int64_t length = inner == 1 ? channels : inner;
    const int64_t step = half_step(x, y, length);
    float buffers[2][HALF_BLOCK];
    for (int64_t item = begin; item < end; ++item)
        for (int64_t i = 0; i < length; i += step) {
            const int64_t count = cpu_min(step, length - i);
            scale_range(half_read(x, item * length + i, count, buffers[0]), inner == 1 ? NULL : &scale[item % channels],
                        scale + i, half_target(y, item * length + i, buffers[1]), count);
            half_write(y, item * length + i, count, buffers[1]);
        }
}

static void run_scale(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_SCALE_X].dims;
    if (dims[2] == 1)
        cpu_parallel(work, dims[0], dims[1], scale_part, op);
    else
        cpu_parallel(work, dims[0] * dims[1], dims[2], scale_part, op);
}

#define scratch_bytes_scale cpu_no_scratch
CPU_KERNEL(scale)

/* Whether the innermost axis is contiguous, so that a tensor is a set of rows. */
static bool has_rows(const auxo_tensor *tensor)
{
    return tensor->rank > 0 && (tensor->strides[tensor->rank - 1] == 1 || tensor->dims[tensor->rank - 1] == 1);
}

static int64_t row_length(const auxo_tensor *tensor)
{
    return tensor->dims[tensor->rank - 1];
}

/* Offset of row number `row`, counted over all axes but the last. */
static int64_t row_offset(const auxo_tensor *tensor, int64_t row)
{
    int64_t offset = 0;
    for (uint32_t axis = tensor->rank - 1; axis-- > 0;) {
        offset += row % tensor->dims[axis] * tensor->strides[axis];
        row /= tensor->dims[axis];
    }
    return offset;
}

static void fill_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_tensor *y = &op->tensors[AUXO_FILL_Y];
    const float value = op->params.fill.value;
    const int64_t length = row_length(y);
    const uint16_t half = auxo_dtype_is_half(y->dtype) ? cpu_half_narrow(y->dtype, value) : 0;
    for (int64_t row = begin; row < end; ++row) {
        const int64_t offset = row_offset(y, row);
        for (int64_t i = offset; y->dtype == AUXO_DTYPE_F32 && i < offset + length; ++i)
            ((float *)cpu_data(y))[i] = value;
        for (int64_t i = offset; y->dtype != AUXO_DTYPE_F32 && i < offset + length; ++i)
            ((uint16_t *)cpu_data(y))[i] = half;
    }
}

static void run_fill(const cpu_work *work, const auxo_op *op)
{
    const auxo_tensor *y = &op->tensors[AUXO_FILL_Y];
    int64_t n = cpu_count(op, AUXO_FILL_Y);
    if (n == 0)
        return;
    if (auxo_dtype_is_float(y->dtype) && has_rows(y))
        cpu_parallel(work, n / row_length(y), row_length(y), fill_part, op);
    else
        (void)ref_fill(op, NULL); /* needs no memory, so it cannot fail */
}

#define scratch_bytes_fill cpu_no_scratch
CPU_KERNEL(fill)

static void copy_row_f32(const auxo_copy_params *params, const float *x, float *y, int64_t count)
{
    const float scale = params->scale;
    if (params->accumulate) { /* NOLINT(bugprone-branch-clone): the loops differ */
#pragma omp simd
        for (int64_t i = 0; i < count; ++i)
            y[i] += scale * x[i];
    } else {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i)
            y[i] = scale * x[i];
    }
}

static bool is_verbatim(const auxo_op *op)
{
    const auxo_copy_params *params = &op->params.copy;
    return op->tensors[AUXO_COPY_X].dtype == op->tensors[AUXO_COPY_Y].dtype && params->scale == 1 &&
           !params->accumulate;
}

/* `count` elements from one place to another, through f32; not to accumulate. */
static void copy_row_half(const auxo_op *op, int64_t from, int64_t to, int64_t count)
{
    const half_view x = half_view_of(op, AUXO_COPY_X);
    const half_view y = half_view_of(op, AUXO_COPY_Y);
    const float scale = op->params.copy.scale;
    float buffers[2][HALF_BLOCK];
    for (int64_t i = 0; i < count; i += HALF_BLOCK) {
        const int64_t n = cpu_min(HALF_BLOCK, count - i);
        scale_range(half_read(x, from + i, n, buffers[0]), &scale, NULL, half_target(y, to + i, buffers[1]), n);
        half_write(y, to + i, n, buffers[1]);
    }
}

static void copy_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_tensor *x = &op->tensors[AUXO_COPY_X];
    const auxo_tensor *y = &op->tensors[AUXO_COPY_Y];
    const int64_t length = row_length(y);
    const int64_t size = (int64_t)auxo_dtype_size_bytes(y->dtype);
    for (int64_t row = begin; row < end; ++row) {
        const int64_t from = row_offset(x, row);
        const int64_t to = row_offset(y, row);
        if (is_verbatim(op))
            memcpy((char *)cpu_data(y) + to * size, (const char *)cpu_data(x) + from * size, (size_t)(length * size));
        else if (x->dtype == AUXO_DTYPE_F32 && y->dtype == AUXO_DTYPE_F32)
            copy_row_f32(&op->params.copy, (const float *)cpu_data(x) + from, (float *)cpu_data(y) + to, length);
        else
            copy_row_half(op, from, to, length);
    }
}

static void run_copy(const cpu_work *work, const auxo_op *op)
{
    const auxo_tensor *x = &op->tensors[AUXO_COPY_X];
    const auxo_tensor *y = &op->tensors[AUXO_COPY_Y];
    int64_t n = cpu_count(op, AUXO_COPY_Y);
    if (n == 0)
        return;
    const bool floats = auxo_dtype_is_float(x->dtype) && auxo_dtype_is_float(y->dtype);
    if (has_rows(x) && has_rows(y) && (is_verbatim(op) || floats))
        cpu_parallel(work, n / row_length(y), row_length(y), copy_part, op);
    else
        (void)ref_copy(op, NULL); /* needs no memory, so it cannot fail */
}

#define scratch_bytes_copy cpu_no_scratch
CPU_KERNEL(copy)
