/* elementwise.c: activations, add, bias and scale per channel, fill and copy. */
#include "cpu_kernels.h"
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
    activate_any(params->activation, params->slope, cpu_f32(op, AUXO_ACTIVATION_X), cpu_f32(op, AUXO_ACTIVATION_Y),
                 (cpu_range){begin, end});
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
    slope_any(params->activation, params->slope, cpu_f32(op, AUXO_ACTIVATION_B_Y), cpu_f32(op, AUXO_ACTIVATION_B_DY),
              cpu_f32(op, AUXO_ACTIVATION_B_DX), (cpu_range){begin, end});
}

static void run_activation_backward(const cpu_work *work, const auxo_op *op)
{
    cpu_parallel(work, cpu_count(op, AUXO_ACTIVATION_B_DX), 1, activation_backward_part, op);
}

#define scratch_bytes_activation_backward cpu_no_scratch
CPU_KERNEL(activation_backward)

static void add_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const float alpha = op->params.add.alpha;
    const float beta = op->params.add.beta;
    const float *a = cpu_f32(op, AUXO_ADD_A);
    const float *b = cpu_f32(op, AUXO_ADD_B);
    float *y = cpu_f32(op, AUXO_ADD_Y);
#pragma omp simd
    for (int64_t i = begin; i < end; ++i)
        y[i] = alpha * a[i] + beta * b[i];
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
    const float *x = cpu_f32(op, AUXO_BIAS_ADD_X);
    const float *bias = cpu_f32(op, AUXO_BIAS_ADD_BIAS);
    float *y = cpu_f32(op, AUXO_BIAS_ADD_Y);
    for (int64_t item = begin; item < end; ++item)
        if (inner == 1)
            bias_row(params.activation, params.slope, x + item * channels, bias, y + item * channels, channels);
        else
            bias_plane(params.activation, params.slope, x + item * inner, bias[item % channels], y + item * inner,
                       inner);
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

/* Items are the outer ones. */
static void scale_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const int64_t channels = op->tensors[AUXO_SCALE_X].dims[1];
    const int64_t inner = op->tensors[AUXO_SCALE_X].dims[2];
    const float *x = cpu_f32(op, AUXO_SCALE_X);
    const float *scale = cpu_f32(op, AUXO_SCALE_SCALE);
    float *y = cpu_f32(op, AUXO_SCALE_Y);
    for (int64_t o = begin; o < end; ++o)
        if (inner == 1) {
#pragma omp simd
            for (int64_t c = 0; c < channels; ++c)
                y[o * channels + c] = x[o * channels + c] * scale[c];
        } else {
            for (int64_t c = 0; c < channels; ++c) {
                int64_t start = (o * channels + c) * inner;
#pragma omp simd
                for (int64_t i = start; i < start + inner; ++i)
                    y[i] = x[i] * scale[c];
            }
        }
}

static void run_scale(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_SCALE_X].dims;
    cpu_parallel(work, dims[0], dims[1] * dims[2], scale_part, op);
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
    for (int64_t row = begin; row < end; ++row) {
        float *target = (float *)cpu_data(y) + row_offset(y, row);
        for (int64_t i = 0; i < length; ++i)
            target[i] = value;
    }
}

static void run_fill(const cpu_work *work, const auxo_op *op)
{
    const auxo_tensor *y = &op->tensors[AUXO_FILL_Y];
    int64_t n = cpu_count(op, AUXO_FILL_Y);
    if (n == 0)
        return;
    if (y->dtype == AUXO_DTYPE_F32 && has_rows(y))
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

static void copy_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_tensor *x = &op->tensors[AUXO_COPY_X];
    const auxo_tensor *y = &op->tensors[AUXO_COPY_Y];
    const int64_t length = row_length(y);
    const int64_t size = (int64_t)auxo_dtype_size_bytes(y->dtype);
    for (int64_t row = begin; row < end; ++row) {
        const char *source = (const char *)cpu_data(x) + row_offset(x, row) * size;
        char *target = (char *)cpu_data(y) + row_offset(y, row) * size;
        if (is_verbatim(op))
            memcpy(target, source, (size_t)(length * size));
        else
            copy_row_f32(&op->params.copy, (const float *)source, (float *)target, length);
    }
}

static void run_copy(const cpu_work *work, const auxo_op *op)
{
    const auxo_tensor *x = &op->tensors[AUXO_COPY_X];
    const auxo_tensor *y = &op->tensors[AUXO_COPY_Y];
    int64_t n = cpu_count(op, AUXO_COPY_Y);
    if (n == 0)
        return;
    bool scaled = x->dtype == AUXO_DTYPE_F32 && y->dtype == AUXO_DTYPE_F32;
    if (has_rows(x) && has_rows(y) && (is_verbatim(op) || scaled))
        cpu_parallel(work, n / row_length(y), row_length(y), copy_part, op);
    else
        (void)ref_copy(op, NULL); /* needs no memory, so it cannot fail */
}

#define scratch_bytes_copy cpu_no_scratch
CPU_KERNEL(copy)
