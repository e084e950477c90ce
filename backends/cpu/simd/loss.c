/* loss.c: softmax, softmax cross-entropy and mean squared error.
 *
 * Rows are cut into blocks of ROW_BLOCK, whatever the number of threads; each block has its own sums in double, and
 * the blocks are added in order.
 */
#include "cpu_kernels.h"
#include "half.h"
#include "ref.h"
#include "vec_math.h"

#include <math.h>

enum { ROW_BLOCK = 64, ELEMENT_BLOCK = 4096, EXP_COST = 4 };

/* Sums of one block. */
typedef struct block_sums {
    double loss;
    int64_t right_count;
} block_sums;

static float row_max(const float *z, int64_t classes)
{
    vf max = vf_set1(-INFINITY);
    for (int64_t c = 0; c < classes; c += VEC_LANES) {
        int64_t count = cpu_min(VEC_LANES, classes - c);
        vf x = vf_load_partial(z + c, count);
        if (count < VEC_LANES)
            for (int64_t lane = count; lane < VEC_LANES; ++lane)
                x[lane] = -INFINITY;
        max = vf_max(max, x); /* a NaN of x passes */
    }
    float result = max[0];
    for (int lane = 1; lane < VEC_LANES; ++lane)
        if (max[lane] > result || max[lane] != max[lane])
            result = max[lane];
    return result;
}

/* y = exp(z - max), or nothing where y is NULL; returns the sum. */
static float row_exp(const float *z, int64_t classes, float max, float *y)
{
    vf sum = vf_set1(0);
    for (int64_t c = 0; c < classes; c += VEC_LANES) {
        int64_t count = cpu_min(VEC_LANES, classes - c);
        vf e = vf_exp(vf_load_partial(z + c, count) - max);
        if (y)
            vf_store_partial(y + c, e, count);
        if (count < VEC_LANES)
            for (int64_t lane = count; lane < VEC_LANES; ++lane)
                e[lane] = 0;
        sum += e;
    }
    return vf_sum(sum);
}

static void scale_row(float *y, int64_t count, float factor)
{
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
        y[i] *= factor;
}

static void softmax_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const int64_t classes = op->tensors[AUXO_SOFTMAX_X].dims[1];
    for (int64_t r = begin; r < end; ++r) {
        const float *x = cpu_f32(op, AUXO_SOFTMAX_X) + r * classes;
        float *y = cpu_f32(op, AUXO_SOFTMAX_Y) + r * classes;
        float max = row_max(x, classes);
        float sum = row_exp(x, classes, max, y);
        scale_row(y, classes, 1 / sum);
    }
}

static void run_softmax(const cpu_work *work, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_SOFTMAX_X].dims;
    cpu_parallel(work, dims[0], EXP_COST * dims[1], softmax_part, op);
}

#define scratch_bytes_softmax cpu_no_scratch
CPU_KERNEL(softmax)

/* Whether z[label] is the first maximum. */
static bool is_right(const float *z, int64_t classes, uint32_t label)
{
    bool right = true;
    for (int64_t c = 0; c < classes; ++c)
        right &= c < (int64_t)label ? z[c] < z[label] : z[c] <= z[label];
    return right;
}

/* One row; dlogits NULL: not asked for. */
static void row_cross_entropy(const float *z, int64_t classes, uint32_t label, float *dlogits, float scale,
                              block_sums *sums)
{
    float max = row_max(z, classes);
    float sum = row_exp(z, classes, max, dlogits);
    bool valid = (int64_t)label < classes;
    sums->loss += valid ? log((double)sum) + ((double)max - (double)z[label]) : NAN;
    sums->right_count += valid && is_right(z, classes, label);
    if (!dlogits)
        return;
    scale_row(dlogits, classes, scale / sum);
    if (valid)
        dlogits[label] -= scale;
}

static size_t block_sums_bytes(const auxo_op *op)
{
    return cpu_align(sizeof(block_sums) * (size_t)cpu_ceil_div(op->tensors[AUXO_XENT_LOGITS].dims[0], ROW_BLOCK));
}

/* A row of logits and one of gradients in f32, where they have 16 bits. */
static size_t row_bytes(const auxo_op *op)
{
    const auxo_tensor *logits = &op->tensors[AUXO_XENT_LOGITS];
    return logits->dtype == AUXO_DTYPE_F32 ? 0 : cpu_align(sizeof(float) * (size_t)logits->dims[1]);
}

static size_t scratch_bytes_softmax_cross_entropy(int thread_count, const auxo_op *op)
{
    return block_sums_bytes(op) + 2 * (size_t)thread_count * row_bytes(op);
}

/* What the parts of a loss share. */
typedef struct loss_context {
    const auxo_op *op;
    void *sums; /* of each block */
    char *rows; /* two of each thread */
} loss_context;

static void cross_entropy_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const loss_context *loss = context;
    const auxo_op *op = loss->op;
    const int64_t rows = op->tensors[AUXO_XENT_LOGITS].dims[0];
    const int64_t classes = op->tensors[AUXO_XENT_LOGITS].dims[1];
    const half_view logits = half_view_of(op, AUXO_XENT_LOGITS);
    const half_view dlogits = half_view_of(op, AUXO_XENT_DLOGITS);
    const bool wanted = auxo_tensor_is_present(&op->tensors[AUXO_XENT_DLOGITS]);
    const uint32_t *labels = cpu_u32(op, AUXO_XENT_LABELS);
    char *rows_memory = loss->rows + 2 * (size_t)thread * row_bytes(op);
    float *row = (float *)rows_memory;
    float *gradient = (float *)(rows_memory + row_bytes(op));
    for (int64_t block = begin; block < end; ++block) {
        block_sums sum = {0};
        for (int64_t r = block * ROW_BLOCK; r < cpu_min((block + 1) * ROW_BLOCK, rows); ++r) {
            row_cross_entropy(half_read(logits, r * classes, classes, row), classes, labels[r],
                              wanted ? half_target(dlogits, r * classes, gradient) : NULL, 1 / (float)rows, &sum);
            if (wanted)
                half_write(dlogits, r * classes, classes, gradient);
        }
        ((block_sums *)loss->sums)[block] = sum;
    }
}

static void run_softmax_cross_entropy(const cpu_work *work, const auxo_op *op)
{
    const int64_t rows = op->tensors[AUXO_XENT_LOGITS].dims[0];
    const int64_t classes = op->tensors[AUXO_XENT_LOGITS].dims[1];
    const int64_t blocks = cpu_ceil_div(rows, ROW_BLOCK);
    const block_sums *sums = (const block_sums *)work->scratch;
    cpu_parallel(work, blocks, ROW_BLOCK * EXP_COST * classes, cross_entropy_part,
                 &(loss_context){op, work->scratch, work->scratch + block_sums_bytes(op)});
    block_sums total = {0};
    for (int64_t block = 0; block < blocks; ++block) {
        total.loss += sums[block].loss;
        total.right_count += sums[block].right_count;
    }
    ref_write_loss(op, AUXO_XENT_LOSS, AUXO_XENT_STATS, rows ? total.loss / (double)rows : 0, rows, total.right_count);
}

CPU_KERNEL(softmax_cross_entropy)

static size_t scratch_bytes_mse(int thread_count, const auxo_op *op)
{
    (void)thread_count;
    return sizeof(double) * (size_t)cpu_ceil_div(cpu_count(op, AUXO_MSE_PREDICTION), ELEMENT_BLOCK);
}

static void mse_part(const void *context, int64_t first_block, int64_t last_block, int thread)
{
    (void)thread;
    const loss_context *loss = context;
    const int64_t n = cpu_count(loss->op, AUXO_MSE_PREDICTION);
    const float *prediction = cpu_f32(loss->op, AUXO_MSE_PREDICTION);
    const float *target = cpu_f32(loss->op, AUXO_MSE_TARGET);
    float *dprediction = cpu_f32(loss->op, AUXO_MSE_DPREDICTION);
    const float scale = 2 / (float)n;
    for (int64_t block = first_block; block < last_block; ++block) {
        const int64_t begin = block * ELEMENT_BLOCK;
        const int64_t end = cpu_min(begin + ELEMENT_BLOCK, n);
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = begin; i < end; ++i) {
            double difference = (double)prediction[i] - (double)target[i];
            sum += difference * difference;
        }
        ((double *)loss->sums)[block] = sum;
        if (dprediction) {
#pragma omp simd
            for (int64_t i = begin; i < end; ++i)
                dprediction[i] = scale * (prediction[i] - target[i]);
        }
    }
}

static void run_mse(const cpu_work *work, const auxo_op *op)
{
    const int64_t n = cpu_count(op, AUXO_MSE_PREDICTION);
    const int64_t blocks = cpu_ceil_div(n, ELEMENT_BLOCK);
    cpu_parallel(work, blocks, ELEMENT_BLOCK, mse_part, &(loss_context){op, work->scratch, NULL});
    double total = 0;
    for (int64_t block = 0; block < blocks; ++block)
        total += ((const double *)work->scratch)[block];
    ref_write_loss(op, AUXO_MSE_LOSS, AUXO_MSE_STATS, n ? total / (double)n : 0,
                   op->tensors[AUXO_MSE_PREDICTION].dims[0], 0);
}

CPU_KERNEL(mse)
