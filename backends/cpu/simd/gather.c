/* gather.c: a batch of rows of the data set, normalised, and rows selected by index. */
#include "cpu_kernels.h"
#include "ref.h"
#include "vec.h"

enum { PARALLEL_MIN_ELEMENTS = 1 << 14 };

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
    for (int64_t c = 0; c < channels; ++c) {
        channel_scale by = {op->params.gather_batch.scale, mean ? mean[c] : 0, invstd ? invstd[c] : 1};
        int64_t from = (row * channels + c) * inner;
        float *target = (float *)cpu_data(y) + (b * channels + c) * inner;
        if (data->dtype == AUXO_DTYPE_U8)
            convert_u8((const uint8_t *)cpu_data(data) + from, target, inner, by);
        else if (data->dtype == AUXO_DTYPE_U32)
            convert_u32((const uint32_t *)cpu_data(data) + from, target, inner, by);
        else
            convert_f32((const float *)cpu_data(data) + from, target, inner, by);
    }
}

static void run_gather_batch(const cpu_work *work, const auxo_op *op)
{
    const auxo_tensor *data = &op->tensors[AUXO_GATHER_BATCH_DATA];
    const uint32_t *order = cpu_u32(op, AUXO_GATHER_BATCH_ORDER);
    const int64_t batch_size = op->tensors[AUXO_GATHER_BATCH_Y].dims[0];
    const int64_t n = order ? cpu_count(op, AUXO_GATHER_BATCH_ORDER) : data->dims[0];
    if (n == 0)
        return;
    const uint64_t first = (uint64_t)ref_counter(op, AUXO_GATHER_BATCH_COUNTER, 1) * (uint64_t)batch_size;
#pragma omp parallel for schedule(static)                                                                              \
    num_threads(work->thread_count) if (cpu_count(op, AUXO_GATHER_BATCH_Y) >= PARALLEL_MIN_ELEMENTS)
    for (int64_t b = 0; b < batch_size; ++b) {
        uint64_t position = (first + (uint64_t)b) % (uint64_t)n;
        gather_row(op, order ? (int64_t)order[position] : (int64_t)position, b);
    }
}

#define scratch_bytes_gather_batch cpu_no_scratch
CPU_KERNEL(gather_batch)

/* Y[o, j, :] for all o and one j. f32 and u32 have the same size, so rows are moved as bytes. */
static void select_one(const auxo_op *op, int64_t o, int64_t j)
{
    const int64_t *xd = op->tensors[AUXO_INDEX_SELECT_X].dims;
    const int64_t *yd = op->tensors[AUXO_INDEX_SELECT_Y].dims;
    const int64_t inner = yd[2];
    const uint32_t index = cpu_u32(op, AUXO_INDEX_SELECT_INDEX)[j];
    uint32_t *target = cpu_u32(op, AUXO_INDEX_SELECT_Y) + (o * yd[1] + j) * inner;
    if ((int64_t)index < xd[1]) {
        memcpy(target, cpu_u32(op, AUXO_INDEX_SELECT_X) + (o * xd[1] + index) * inner, sizeof(float) * (size_t)inner);
        return;
    }
    float fill = op->params.index_select.fill;
    uint32_t bits = (uint32_t)fill;
    if (op->tensors[AUXO_INDEX_SELECT_Y].dtype == AUXO_DTYPE_F32)
        memcpy(&bits, &fill, sizeof bits);
    for (int64_t i = 0; i < inner; ++i)
        target[i] = bits;
}

static void run_index_select(const cpu_work *work, const auxo_op *op)
{
    const int64_t *yd = op->tensors[AUXO_INDEX_SELECT_Y].dims;
    const int64_t outer = yd[0];
    const int64_t selected = yd[1];
#pragma omp parallel for collapse(2) schedule(static)                                                                  \
    num_threads(work->thread_count) if (outer * selected * yd[2] >= PARALLEL_MIN_ELEMENTS)
    for (int64_t o = 0; o < outer; ++o)
        for (int64_t j = 0; j < selected; ++j)
            select_one(op, o, j);
}

#define scratch_bytes_index_select cpu_no_scratch
CPU_KERNEL(index_select)
