/* elementwise.c: activations, add, bias and scale per channel, fill and copy. */
#include "cpu_kernels.h"
#include "ref.h"
#include "vec_math.h"

/* Below this many elements, starting threads costs more than it saves. */
enum { PARALLEL_MIN_ELEMENTS = 1 << 15 };

/* The part of n elements that this thread of a parallel region does. */
static cpu_range my_part(int64_t n)
{
    return cpu_split(n, 4 * VEC_LANES, cpu_thread_index(), cpu_thread_total());
}

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

static void run_activation_forward(const cpu_work *work, const auxo_op *op)
{
    const auxo_activation_params *params = &op->params.activation;
    int64_t n = cpu_count(op, AUXO_ACTIVATION_Y);
    const float *x = cpu_f32(op, AUXO_ACTIVATION_X);
    float *y = cpu_f32(op, AUXO_ACTIVATION_Y);
#pragma omp parallel num_threads(work->thread_count) if (n >= PARALLEL_MIN_ELEMENTS)
    activate_any(params->activation, params->slope, x, y, my_part(n));
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

static void run_activation_backward(const cpu_work *work, const auxo_op *op)
{
    const auxo_activation_params *params = &op->params.activation;
    int64_t n = cpu_count(op, AUXO_ACTIVATION_B_DX);
    const float *y = cpu_f32(op, AUXO_ACTIVATION_B_Y);
    const float *dy = cpu_f32(op, AUXO_ACTIVATION_B_DY);
    float *dx = cpu_f32(op, AUXO_ACTIVATION_B_DX);
#pragma omp parallel num_threads(work->thread_count) if (n >= PARALLEL_MIN_ELEMENTS)
    slope_any(params->activation, params->slope, y, dy, dx, my_part(n));
}

#define scratch_bytes_activation_backward cpu_no_scratch
CPU_KERNEL(activation_backward)

static void run_add(const cpu_work *work, const auxo_op *op)
{
    const float alpha = op->params.add.alpha;
    const float beta = op->params.add.beta;
    int64_t n = cpu_count(op, AUXO_ADD_Y);
    const float *a = cpu_f32(op, AUXO_ADD_A);
    const float *b = cpu_f32(op, AUXO_ADD_B);
    float *y = cpu_f32(op, AUXO_ADD_Y);
#pragma omp parallel num_threads(work->thread_count) if (n >= PARALLEL_MIN_ELEMENTS)
    {
        cpu_range range = my_part(n);
#pragma omp simd
        for (int64_t i = range.begin; i < range.end; ++i)
            y[i] = alpha * a[i] + beta * b[i];
    }
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

static void run_bias_add(const cpu_work *work, const auxo_op *op)
{
    const auxo_activation_params params = op->params.activation;
    const int64_t *dims = op->tensors[AUXO_BIAS_ADD_X].dims;
    const int64_t channels = dims[1];
    const int64_t inner = dims[2];
    const float *x = cpu_f32(op, AUXO_BIAS_ADD_X);
    const float *bias = cpu_f32(op, AUXO_BIAS_ADD_BIAS);
    float *y = cpu_f32(op, AUXO_BIAS_ADD_Y);
    const bool by_row = inner == 1;
    const int64_t parts = by_row ? dims[0] : dims[0] * channels;
#pragma omp parallel for schedule(static) num_threads(work->thread_count) if (parts * inner >= PARALLEL_MIN_ELEMENTS)
    for (int64_t part = 0; part < parts; ++part)
        if (by_row)
            bias_row(params.activation, params.slope, x + part * channels, bias, y + part * channels, channels);
        else
            bias_plane(params.activation, params.slope, x + part * inner, bias[part % channels], y + part * inner,
                       inner);
}

#define scratch_bytes_bias_add cpu_no_scratch
CPU_KERNEL(bias_add)

static void run_scale(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_SCALE_X].dims;
    const int64_t channels = dims[1];
    const int64_t inner = dims[2];
    const float *x = cpu_f32(op, AUXO_SCALE_X);
    const float *scale = cpu_f32(op, AUXO_SCALE_SCALE);
    float *y = cpu_f32(op, AUXO_SCALE_Y);
    const int64_t outer = dims[0];
#pragma omp parallel for schedule(static)                                                                              \
    num_threads(work->thread_count) if (outer * channels * inner >= PARALLEL_MIN_ELEMENTS)
    for (int64_t o = 0; o < outer; ++o)
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

static void run_fill(const cpu_work *work, const auxo_op *op)
{
    const auxo_tensor *tensor = &op->tensors[AUXO_FILL_Y];
    int64_t n = cpu_count(op, AUXO_FILL_Y);
    if (n == 0)
        return;
    if (tensor->dtype != AUXO_DTYPE_F32 || !has_rows(tensor)) {
        (void)ref_fill(op, NULL); /* needs no memory, so it cannot fail */
        return;
    }
    const float value = op->params.fill.value;
    float *y = cpu_data(tensor);
    const int64_t length = row_length(tensor);
#pragma omp parallel for schedule(static) num_threads(work->thread_count) if (n >= PARALLEL_MIN_ELEMENTS)
    for (int64_t row = 0; row < n / length; ++row) {
        float *target = y + row_offset(tensor, row);
        for (int64_t i = 0; i < length; ++i)
            target[i] = value;
    }
}

#define scratch_bytes_fill cpu_no_scratch
CPU_KERNEL(fill)

static void copy_row_f32(const auxo_copy_params *params, const float *x, float *y, int64_t count)
{
    const float scale = params->scale;
    if (params->accumulate) {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i)
            y[i] += scale * x[i];
    } else {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i)
            y[i] = scale * x[i];
    }
}

static void run_copy(const cpu_work *work, const auxo_op *op)
{
    const auxo_copy_params *params = &op->params.copy;
    const auxo_tensor *x = &op->tensors[AUXO_COPY_X];
    const auxo_tensor *y = &op->tensors[AUXO_COPY_Y];
    int64_t n = cpu_count(op, AUXO_COPY_Y);
    if (n == 0)
        return;
    bool verbatim = x->dtype == y->dtype && params->scale == 1 && !params->accumulate;
    bool scaled = x->dtype == AUXO_DTYPE_F32 && y->dtype == AUXO_DTYPE_F32;
    if (!has_rows(x) || !has_rows(y) || (!verbatim && !scaled)) {
        (void)ref_copy(op, NULL); /* needs no memory, so it cannot fail */
        return;
    }
    const int64_t length = row_length(y);
    const int64_t size = (int64_t)auxo_dtype_size_bytes(y->dtype);
#pragma omp parallel for schedule(static) num_threads(work->thread_count) if (n >= PARALLEL_MIN_ELEMENTS)
    for (int64_t row = 0; row < n / length; ++row) {
        const char *source = (const char *)cpu_data(x) + row_offset(x, row) * size;
        char *target = (char *)cpu_data(y) + row_offset(y, row) * size;
        if (verbatim)
            memcpy(target, source, (size_t)(length * size));
        else
            copy_row_f32(params, (const float *)source, (float *)target, length);
    }
}

#define scratch_bytes_copy cpu_no_scratch
CPU_KERNEL(copy)
