/* reduce.c: reductions per channel and per segment, and norms of groups.
 *
 * Sums are taken in double; maxima in f32. Long reductions are cut into chunks whatever the number of threads, and the
 * chunks are combined in order.
 */
#include "cpu_kernels.h"
#include "half.h"
#include "vec.h"

#include <math.h>

enum { CHUNK = 1 << 13 };

static double neutral(auxo_reduce_kind kind)
{
    if (kind == AUXO_REDUCE_MAX)
        return -INFINITY;
    return kind == AUXO_REDUCE_MIN ? INFINITY : 0;
}

/* Two partial results in one; a NaN stays. */
static double combine(auxo_reduce_kind kind, double a, double b)
{
    switch (kind) {
    case AUXO_REDUCE_MAX:
    case AUXO_REDUCE_MAX_ABS:
        return b > a || isnan(b) ? b : a;
    case AUXO_REDUCE_MIN:
        return b < a || isnan(b) ? b : a;
    default:
        return a + b;
    }
}

/* What is summed of one element, or of VEC_LANES / 2 of them. */
CPU_INLINE vdouble term_of(auxo_reduce_kind kind, vdouble x)
{
    typedef int64_t bits __attribute__((vector_size(VEC_LANES * 4)));
    if (kind == AUXO_REDUCE_SUM_SQUARES)
        return x * x;
    return kind == AUXO_REDUCE_SUM_ABS ? (vdouble)((bits)x & INT64_MAX) : x;
}

/* Four sums side by side: one alone would wait for itself longer than for memory. */
CPU_INLINE double sum_range(auxo_reduce_kind kind, const float *x, int64_t n)
{
    enum { SUMS = 4, STEP = VEC_LANES / 2 };
    vdouble sums[SUMS] = {{0}};
    int64_t i = 0;
    for (; i + SUMS * STEP <= n; i += SUMS * STEP)
#pragma GCC unroll 4
        for (int s = 0; s < SUMS; ++s)
            sums[s] += term_of(kind, vdouble_load(x + i + s * STEP));
    double sum = vdouble_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; i < n; ++i) {
        double value = (double)x[i];
        sum += kind == AUXO_REDUCE_SUM_SQUARES ? value * value : kind == AUXO_REDUCE_SUM_ABS ? fabs(value) : value;
    }
    return sum;
}

/* NaN where any x is. */
static double max_abs_range(const float *x, int64_t n)
{
    vf most = vf_set1(0);
    vi nans = {0};
    int64_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vf value = vf_load(x + i);
        nans |= ~(value <= INFINITY); /* true of all but NaN */
        most = vf_max(vf_abs(value), most);
    }
    double result = 0;
    for (int lane = 0; lane < VEC_LANES; ++lane)
        result = combine(AUXO_REDUCE_MAX_ABS, result, nans[lane] ? (double)NAN : (double)most[lane]);
    for (; i < n; ++i)
        result = combine(AUXO_REDUCE_MAX_ABS, result, (double)fabsf(x[i]));
    return result;
}

/* Reduction of x[0..n), b NULL, or of the products x[i] b[i] (sums only). */
static double reduce_range(auxo_reduce_kind kind, const float *x, const float *b, int64_t n)
{
    double sum = 0;
    double result = neutral(kind);
    if (b) {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; ++i)
            sum += (double)x[i] * (double)b[i];
        return sum;
    }
    switch (kind) {
    case AUXO_REDUCE_SUM:
    case AUXO_REDUCE_MEAN:
        return sum_range(AUXO_REDUCE_SUM, x, n);
    case AUXO_REDUCE_SUM_ABS:
        return sum_range(AUXO_REDUCE_SUM_ABS, x, n);
    case AUXO_REDUCE_SUM_SQUARES:
        return sum_range(AUXO_REDUCE_SUM_SQUARES, x, n);
    case AUXO_REDUCE_MAX_ABS:
        return max_abs_range(x, n);
    default:
        for (int64_t i = 0; i < n; ++i)
            result = combine(kind, result, (double)x[i]);
        return result;
    }
}

static double finish(auxo_reduce_kind kind, double result, int64_t count)
{
    return kind == AUXO_REDUCE_MEAN && count > 0 ? result / (double)count : result;
}

typedef struct reduce_shape {
    int64_t outer, channels, inner;
    int64_t chunks; /* per channel: of the outer axis, or of inner where outer is 1 */
} reduce_shape;

static reduce_shape reduce_shape_of(const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_REDUCE_X].dims;
    reduce_shape shape = {dims[0], dims[1], dims[2], 1};
    int64_t axis = shape.outer == 1 ? shape.inner : shape.outer;
    shape.chunks = cpu_max(1, cpu_min(axis, cpu_ceil_div(shape.outer * shape.inner, CHUNK)));
    return shape;
}

static size_t scratch_bytes_reduce(int thread_count, const auxo_op *op)
{
    (void)thread_count;
    reduce_shape shape = reduce_shape_of(op);
    return sizeof(double) * (size_t)(shape.channels * shape.chunks);
}

/* Of `count` neighbouring elements of X. */
static double reduce_view(auxo_reduce_kind kind, half_view x, int64_t first, int64_t count)
{
    const int64_t step = half_step(x, x, count);
    float buffer[HALF_BLOCK];
    double result = neutral(kind);
    for (int64_t i = 0; i < count; i += step) {
        const int64_t n = cpu_min(step, count - i);
        result = combine(kind, result, reduce_range(kind, half_read(x, first + i, n, buffer), NULL, n));
    }
    return result;
}

/* One chunk of one channel with inner > 1 or outer = 1. */
static double reduce_rows(auxo_reduce_kind kind, const reduce_shape *shape, half_view x, int64_t c, int64_t chunk)
{
    if (shape->outer == 1) {
        cpu_range range = cpu_split(shape->inner, 1, chunk, shape->chunks);
        return reduce_view(kind, x, c * shape->inner + range.begin, range.end - range.begin);
    }
    cpu_range range = cpu_split(shape->outer, 1, chunk, shape->chunks);
    double result = neutral(kind);
    for (int64_t o = range.begin; o < range.end; ++o)
        result = combine(kind, result, reduce_view(kind, x, (o * shape->channels + c) * shape->inner, shape->inner));
    return result;
}

/* One chunk of all channels of a matrix (outer, channels): the lanes are channels. */
static void reduce_columns(auxo_reduce_kind kind, const reduce_shape *shape, half_view x, int64_t chunk,
                           double *results)
{
    const int64_t step = half_step(x, x, shape->channels);
    float buffer[HALF_BLOCK];
    cpu_range range = cpu_split(shape->outer, 1, chunk, shape->chunks);
    for (int64_t c = 0; c < shape->channels; ++c)
        results[c * shape->chunks + chunk] = neutral(kind);
    for (int64_t o = range.begin; o < range.end; ++o)
        for (int64_t c = 0; c < shape->channels; c += step) {
            const int64_t count = cpu_min(step, shape->channels - c);
            const float *row = half_read(x, o * shape->channels + c, count, buffer);
            for (int64_t i = 0; i < count; ++i) {
                double value = (double)row[i];
                if (kind == AUXO_REDUCE_SUM_SQUARES)
                    value *= value;
                else if (kind == AUXO_REDUCE_SUM_ABS || kind == AUXO_REDUCE_MAX_ABS)
                    value = fabs(value);
                double *result = &results[(c + i) * shape->chunks + chunk];
                *result = combine(kind, *result, value);
            }
        }
}

typedef struct reduce_context {
    const auxo_op *op;
    reduce_shape shape;
    bool by_columns; /* items are chunks of all channels; else pairs (channel,
                        chunk) */
    double *results; /* (channels, chunks) */
} reduce_context;

static void reduce_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const reduce_context *reduce = context;
    const auxo_reduce_kind kind = reduce->op->params.reduce.kind;
    const half_view x = half_view_of(reduce->op, AUXO_REDUCE_X);
    const int64_t chunks = reduce->shape.chunks;
    for (int64_t item = begin; item < end; ++item)
        if (reduce->by_columns)
            reduce_columns(kind, &reduce->shape, x, item, reduce->results);
        else
            reduce->results[item] = reduce_rows(kind, &reduce->shape, x, item / chunks, item % chunks);
}

static void run_reduce(const cpu_work *work, const auxo_op *op)
{
    const auxo_reduce_kind kind = op->params.reduce.kind;
    const reduce_shape shape = reduce_shape_of(op);
    float *y = cpu_f32(op, AUXO_REDUCE_Y);
    double *results = (double *)work->scratch;
    const reduce_context context = {op, shape, shape.inner == 1 && shape.outer > 1, results};
    const int64_t items = context.by_columns ? shape.chunks : shape.channels * shape.chunks;
    const int64_t elements = shape.outer * shape.channels * shape.inner;
    cpu_parallel(work, items, elements / cpu_max(items, 1), reduce_part, &context);
    for (int64_t c = 0; c < shape.channels; ++c) {
        double result = neutral(kind);
        for (int64_t chunk = 0; chunk < shape.chunks; ++chunk)
            result = combine(kind, result, results[c * shape.chunks + chunk]);
        y[c] = (float)finish(kind, result, shape.outer * shape.inner);
    }
}

CPU_KERNEL(reduce)

static void segment_reduce_part(const void *context, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_segment_reduce_params *params = &op->params.segment_reduce;
    const auxo_reduce_kind kind = params->dot ? AUXO_REDUCE_SUM : params->kind;
    const float *a = cpu_f32(op, AUXO_SEGMENT_REDUCE_A);
    const float *b = params->dot ? cpu_f32(op, AUXO_SEGMENT_REDUCE_B) : NULL;
    const uint32_t *offsets = cpu_u32(op, AUXO_SEGMENT_REDUCE_OFFSETS);
    float *y = cpu_f32(op, AUXO_SEGMENT_REDUCE_Y);
    for (int64_t s = first; s < last; ++s) {
        int64_t begin = offsets[s];
        int64_t count = (int64_t)offsets[s + 1] - begin;
        double result = count > 0 ? reduce_range(kind, a + begin, b ? b + begin : NULL, count) : neutral(kind);
        y[s] = (float)finish(kind, result, count);
    }
}

static void run_segment_reduce(const cpu_work *work, const auxo_op *op)
{
    const int64_t segments = cpu_count(op, AUXO_SEGMENT_REDUCE_Y);
    cpu_parallel(work, segments, cpu_count(op, AUXO_SEGMENT_REDUCE_A) / cpu_max(segments, 1), segment_reduce_part, op);
}

#define scratch_bytes_segment_reduce cpu_no_scratch
CPU_KERNEL(segment_reduce)

static auxo_reduce_kind reduction_of(auxo_norm_kind kind)
{
    switch (kind) {
    case AUXO_NORM_L2:
    case AUXO_NORM_RMS:
        return AUXO_REDUCE_SUM_SQUARES;
    case AUXO_NORM_LINF:
        return AUXO_REDUCE_MAX_ABS;
    default:
        return AUXO_REDUCE_SUM_ABS;
    }
}

static double norm_finish(auxo_norm_kind kind, double result, int64_t group, int64_t count)
{
    switch (kind) {
    case AUXO_NORM_L2:
        return sqrt(result);
    case AUXO_NORM_MEAN:
        return count ? result / (double)count : 0;
    case AUXO_NORM_RMS:
        return count ? sqrt(result / (double)count) : 0;
    case AUXO_NORM_WEIGHTED_L1:
        return (double)(group + 1) * result;
    default:
        return result;
    }
}

static void group_norm_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_norm_kind kind = op->params.group_norm.kind;
    const auxo_reduce_kind reduction = reduction_of(kind);
    const int64_t size = op->tensors[AUXO_GROUP_NORM_W].dims[1];
    const float *w = cpu_f32(op, AUXO_GROUP_NORM_W);
    const float *bias = cpu_f32(op, AUXO_GROUP_NORM_BIAS);
    float *norm = cpu_f32(op, AUXO_GROUP_NORM_NORM);
    for (int64_t g = begin; g < end; ++g) {
        double result = size > 0 ? reduce_range(reduction, w + g * size, NULL, size) : 0;
        if (bias)
            result = combine(reduction, result, reduce_range(reduction, bias + g, NULL, 1));
        norm[g] = (float)norm_finish(kind, result, g, size + (bias ? 1 : 0));
    }
}

static void run_group_norm(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_GROUP_NORM_W].dims;
    cpu_parallel(work, dims[0], dims[1], group_norm_part, op);
}

#define scratch_bytes_group_norm cpu_no_scratch
CPU_KERNEL(group_norm)
