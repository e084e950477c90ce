/* gather.c: a batch of rows of the data set, normalised, and rows selected by index. */
#include "cpu_kernels.h"
#include "half.h"
#include "ref.h"
#include "vec.h"

/* One channel of one row: y = (scale x - mean) invstd. */
typedef struct channel_scale {
    float scale, mean, invstd;
} channel_scale;

static void convert_u8(const uint8_t *restrict x, float *restrict y, int64_t count, channel_scale by)
{
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
        y[i] = (by.scale * (float)x[i] - by.mean) * by.invstd;
}

static void convert_f32(const float *restrict x, float *restrict y, int64_t count, channel_scale by)
{
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
        y[i] = (by.scale * x[i] - by.mean) * by.invstd;
}

static void convert_u32(const uint32_t *restrict x, float *restrict y, int64_t count, channel_scale by)
{
    for (int64_t i = 0; i < count; ++i)
        y[i] = (by.scale * (float)x[i] - by.mean) * by.invstd;
}

static void gather_labels(const auxo_tensor *data, int64_t from, uint32_t *y, int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        y[i] = data->dtype == AUXO_DTYPE_U8 ? ((const uint8_t *)cpu_data(data))[from + i]
                                            : ((const uint32_t *)cpu_data(data))[from + i];
}

static void gather_row(const auxo_op *op, int64_t row, int64_t b)
{
    const auxo_tensor *data = &op->tensors[AUXO_GATHER_BATCH_DATA];
    const auxo_tensor *y = &op->tensors[AUXO_GATHER_BATCH_Y];
    const float *mean = cpu_f32(op, AUXO_GATHER_BATCH_MEAN);
    const float *invstd = cpu_f32(op, AUXO_GATHER_BATCH_INVSTD);
    const int64_t channels = y->dims[1];
    const int64_t inner = y->dims[2];
    if (y->dtype == AUXO_DTYPE_U32) {
        gather_labels(data, row * channels * inner, (uint32_t *)cpu_data(y) + b * channels * inner, channels * inner);
        return;
    }
    const half_view view = half_view_of(op, AUXO_GATHER_BATCH_Y);
    const int64_t step = half_step(view, view, inner);
    float buffer[HALF_BLOCK];
    for (int64_t c = 0; c < channels; ++c) {
        channel_scale by = {op->params.gather_batch.scale, mean ? mean[c] : 0, invstd ? invstd[c] : 1};
        for (int64_t i = 0; i < inner; i += step) {
            const int64_t count = cpu_min(step, inner - i);
            const int64_t from = (row * channels + c) * inner + i;
            const int64_t to = (b * channels + c) * inner + i;
            float *target = half_target(view, to, buffer);
            if (data->dtype == AUXO_DTYPE_U8)
                convert_u8((const uint8_t *)cpu_data(data) + from, target, count, by);
            else if (data->dtype == AUXO_DTYPE_U32)
                convert_u32((const uint32_t *)cpu_data(data) + from, target, count, by);
            else
                convert_f32((const float *)cpu_data(data) + from, target, count, by);
            half_write(view, to, count, buffer);
        }
    }
}

static void gather_batch_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const uint32_t *order = cpu_u32(op, AUXO_GATHER_BATCH_ORDER);
    const int64_t batch_size = op->tensors[AUXO_GATHER_BATCH_Y].dims[0];
    const int64_t n = order ? cpu_count(op, AUXO_GATHER_BATCH_ORDER) : op->tensors[AUXO_GATHER_BATCH_DATA].dims[0];
    const uint64_t first = (uint64_t)ref_counter(op, AUXO_GATHER_BATCH_COUNTER, 1) * (uint64_t)batch_size;
    for (int64_t b = begin; b < end && n > 0; ++b) {
        uint64_t position = (first + (uint64_t)b) % (uint64_t)n;
        gather_row(op, order ? (int64_t)order[position] : (int64_t)position, b);
    }
}

static void run_gather_batch(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_GATHER_BATCH_Y].dims;
    cpu_parallel(work, dims[0], dims[1] * dims[2], gather_batch_part, op);
}

#define scratch_bytes_gather_batch cpu_no_scratch
CPU_KERNEL(gather_batch)

/* Outputs of which the nearer caches hold but a small part are written past them: no line is read to be overwritten. */
enum { STREAM_BYTES_MIN = 8 << 20 };

typedef struct select_context {
    const auxo_op *op;
    bool stream;
} select_context;

static void stream_row(float *restrict target, const float *restrict source, int64_t count)
{
    const int64_t ahead = (int64_t)(-(uintptr_t)target % sizeof(vf) / sizeof(float)); /* to the first whole vector */
    int64_t i = cpu_min(ahead, count);
    memcpy(target, source, sizeof(float) * (size_t)i);
    for (; i + VEC_LANES <= count; i += VEC_LANES)
        vf_stream(target + i, vf_load(source + i));
    memcpy(target + i, source + i, sizeof(float) * (size_t)(count - i));
}

/* Y[o, j, :] for all o and one j. f32 and u32 have the same size, so rows are moved as bytes. */
static void select_one(const select_context *select, int64_t o, int64_t j)
{
    const auxo_op *op = select->op;
    const int64_t *xd = op->tensors[AUXO_INDEX_SELECT_X].dims;
    const int64_t *yd = op->tensors[AUXO_INDEX_SELECT_Y].dims;
    const int64_t inner = yd[2];
    const uint32_t index = cpu_u32(op, AUXO_INDEX_SELECT_INDEX)[j];
    float *target = (float *)cpu_data(&op->tensors[AUXO_INDEX_SELECT_Y]) + (o * yd[1] + j) * inner;
    if ((int64_t)index < xd[1]) {
        const float *source = (const float *)cpu_data(&op->tensors[AUXO_INDEX_SELECT_X]) + (o * xd[1] + index) * inner;
        if (select->stream)
            stream_row(target, source, inner);
        else
            memcpy(target, source, sizeof(float) * (size_t)inner);
        return;
    }
    float fill = op->params.index_select.fill;
    uint32_t bits = (uint32_t)fill;
    if (op->tensors[AUXO_INDEX_SELECT_Y].dtype == AUXO_DTYPE_F32)
        memcpy(&bits, &fill, sizeof bits);
    for (int64_t i = 0; i < inner; ++i)
        memcpy(target + i, &bits, sizeof bits);
}

/* Items are pairs (o, j). */
static void index_select_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const select_context *select = context;
    const int64_t selected = select->op->tensors[AUXO_INDEX_SELECT_Y].dims[1];
    for (int64_t item = begin; item < end; ++item)
        select_one(select, item / selected, item % selected);
    if (select->stream)
        vec_stream_end();
}

static void run_index_select(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_INDEX_SELECT_Y].dims;
    const bool stream =
        dims[0] * dims[1] * dims[2] * (int64_t)sizeof(float) >= STREAM_BYTES_MIN && dims[2] >= 4 * (int64_t)VEC_LANES;
    cpu_parallel(work, dims[0] * dims[1], dims[2] + 4, index_select_part, &(select_context){op, stream});
}

#define scratch_bytes_index_select cpu_no_scratch
CPU_KERNEL(index_select)
