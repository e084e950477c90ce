/* random.c: dropout, random fill and augmentation, from vectors of Philox words. */
#include "cpu_kernels.h"
#include "half.h"
#include "philox.h"
#include "ref.h"

#include <math.h>

enum { PHILOX_COST = 4 };

static float uniform(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

static int64_t chunk_count(int64_t n)
{
    return cpu_ceil_div(n, PHILOX_CHUNK);
}

/* Items are chunks of PHILOX_CHUNK elements. */
static void dropout_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_dropout_params *params = &op->params.dropout;
    const philox_stream stream = {params->seed, params->stream, ref_counter(op, AUXO_DROPOUT_COUNTER, 0)};
    const int64_t n = cpu_count(op, AUXO_DROPOUT_Y);
    const half_view x = half_view_of(op, AUXO_DROPOUT_X);
    const half_view y = half_view_of(op, AUXO_DROPOUT_Y);
    const float scale = (float)(1 / (1 - (double)params->rate));
    for (int64_t chunk = begin; chunk < end; ++chunk) {
        uint32_t words[PHILOX_CHUNK];
        float buffers[2][PHILOX_CHUNK];
        int64_t first = chunk * PHILOX_CHUNK;
        philox_chunk(stream, first, words);
        int64_t count = cpu_min(PHILOX_CHUNK, n - first);
        const float *from = half_read(x, first, count, buffers[0]);
        float *to = half_target(y, first, buffers[1]);
        for (int64_t i = 0; i < count; ++i)
            to[i] = uniform(words[i]) < params->rate ? 0 : from[i] * scale;
        half_write(y, first, count, buffers[1]);
    }
}

static void run_dropout(const cpu_work *work, const auxo_op *op)
{
    cpu_parallel(work, chunk_count(cpu_count(op, AUXO_DROPOUT_Y)), PHILOX_COST * PHILOX_CHUNK, dropout_part, op);
}

#define scratch_bytes_dropout cpu_no_scratch
CPU_KERNEL(dropout)

/* One pair of Box-Muller: elements 2k (cosine) and 2k + 1 (sine). */
static void normal_pair(const uint32_t words[2], double a, double b, float *out, int64_t count)
{
    const double two_pi = 6.283185307179586477;
    float u1 = (float)(((double)words[0] + 1) * 0x1p-32);
    double radius = sqrt(-2 * log((double)u1));
    double angle = two_pi * (double)uniform(words[1]);
    out[0] = (float)(a + b * (radius * cos(angle)));
    if (count > 1)
        out[1] = (float)(a + b * (radius * sin(angle)));
}

static void fill_chunk(const auxo_random_fill_params *params, const uint32_t words[PHILOX_CHUNK], void *target,
                       int64_t count)
{
    const float a = params->a;
    const float b = params->b;
    float *y = target;
    switch (params->kind) {
    case AUXO_RANDOM_BITS:
        memcpy(target, words, sizeof(uint32_t) * (size_t)count);
        break;
    case AUXO_RANDOM_NORMAL:
        for (int64_t i = 0; i < count; i += 2)
            normal_pair(words + i, (double)a, (double)b, y + i, count - i);
        break;
    case AUXO_RANDOM_BERNOULLI:
        for (int64_t i = 0; i < count; ++i)
            y[i] = uniform(words[i]) < a ? 1 : 0;
        break;
    default:
        for (int64_t i = 0; i < count; ++i)
            y[i] = a + (b - a) * uniform(words[i]);
    }
}

static void random_fill_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_random_fill_params *params = &op->params.random_fill;
    const philox_stream stream = {params->seed, params->stream, ref_counter(op, AUXO_RANDOM_FILL_COUNTER, 0)};
    const int64_t n = cpu_count(op, AUXO_RANDOM_FILL_Y);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
        uint32_t words[PHILOX_CHUNK];
        int64_t first = chunk * PHILOX_CHUNK;
        philox_chunk(stream, first, words);
        fill_chunk(params, words, cpu_f32(op, AUXO_RANDOM_FILL_Y) + first, cpu_min(PHILOX_CHUNK, n - first));
    }
}

static void run_random_fill(const cpu_work *work, const auxo_op *op)
{
    cpu_parallel(work, chunk_count(cpu_count(op, AUXO_RANDOM_FILL_Y)), PHILOX_COST * PHILOX_CHUNK, random_fill_part,
                 op);
}

#define scratch_bytes_random_fill cpu_no_scratch
CPU_KERNEL(random_fill)

static int64_t shift_of(uint32_t word, int32_t max_shift)
{
    return (int64_t)((uint64_t)word * (2 * (uint64_t)max_shift + 1) >> 32) - max_shift;
}

/* One row of w columns, shifted by dx with zero fill, then perhaps turned round; x NULL: all zeros. */
#define AUGMENT_ROW(name, type)                                                                                        \
    static void name(const type *x, type *y, int64_t w, int64_t dx, bool flip)                                         \
    {                                                                                                                  \
        int64_t begin = cpu_min(cpu_max(dx, 0), w); /* shifted columns that lie inside: [begin, end) */                \
        int64_t end = cpu_max(begin, cpu_min(w + dx, w));                                                              \
        if (!x)                                                                                                        \
            end = begin;                                                                                               \
        if (!flip) {                                                                                                   \
            memset(y, 0, sizeof(type) * (size_t)begin);                                                                \
            if (end > begin)                                                                                           \
                memcpy(y + begin, x + begin - dx, sizeof(type) * (size_t)(end - begin));                               \
            memset(y + end, 0, sizeof(type) * (size_t)(w - end));                                                      \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t column = 0; column < w; ++column) {                                                               \
            int64_t shifted = w - 1 - column;                                                                          \
            y[column] = shifted >= begin && shifted < end ? x[shifted - dx] : 0;                                       \
        }                                                                                                              \
    }
AUGMENT_ROW(augment_row, float)
AUGMENT_ROW(augment_row_half, uint16_t)

static void augment_image(const auxo_op *op, int64_t n, const uint32_t words[4])
{
    const auxo_augment_params *params = &op->params.augment;
    const int64_t *dims = op->tensors[AUXO_AUGMENT_X].dims;
    const int64_t h = dims[2];
    const int64_t w = dims[3];
    int64_t dy = shift_of(words[0], params->max_shift_h);
    int64_t dx = shift_of(words[1], params->max_shift_w);
    bool flip = params->flip && words[2] >> 31;
    for (int64_t plane = n * dims[1]; plane < (n + 1) * dims[1]; ++plane)
        for (int64_t row = 0; row < h; ++row) {
            const int64_t from = row - dy;
            const bool inside = from >= 0 && from < h;
            const void *x = cpu_data(&op->tensors[AUXO_AUGMENT_X]);
            void *y = cpu_data(&op->tensors[AUXO_AUGMENT_Y]);
            if (op->tensors[AUXO_AUGMENT_X].dtype == AUXO_DTYPE_F32)
                augment_row(inside ? (const float *)x + (plane * h + from) * w : NULL,
                            (float *)y + (plane * h + row) * w, w, dx, flip);
            else
                augment_row_half(inside ? (const uint16_t *)x + (plane * h + from) * w : NULL,
                                 (uint16_t *)y + (plane * h + row) * w, w, dx, flip);
        }
}

/* Items are groups of VEC_LANES images, one chunk of words each. */
static void augment_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const auxo_augment_params *params = &op->params.augment;
    const philox_stream stream = {params->seed, params->stream, ref_counter(op, AUXO_AUGMENT_COUNTER, 0)};
    const int64_t images = op->tensors[AUXO_AUGMENT_X].dims[0];
    for (int64_t n = begin * VEC_LANES; n < end * VEC_LANES; n += VEC_LANES) {
        uint32_t words[PHILOX_CHUNK];
        philox_chunk(stream, 4 * n, words);
        for (int64_t i = 0; i < cpu_min(VEC_LANES, images - n); ++i)
            augment_image(op, n + i, words + 4 * i);
    }
}

static void run_augment(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_AUGMENT_X].dims;
    cpu_parallel(work, cpu_ceil_div(dims[0], VEC_LANES), VEC_LANES * dims[1] * dims[2] * dims[3], augment_part, op);
}

#define scratch_bytes_augment cpu_no_scratch
CPU_KERNEL(augment)
