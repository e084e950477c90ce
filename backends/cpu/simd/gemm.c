/* gemm.c: the gemm op on packed blocks: batches, transposes, and half precision by conversion. */
#include "cpu_half.h"
#include "cpu_kernels.h"
#include "gemm_block.h"

/* Multiply-adds that are worth a thread. */
static const double part_products = 2e5;

typedef struct gemm_shape {
    int64_t batches, m, n, k;
} gemm_shape;

static gemm_shape shape_of(const auxo_op *op)
{
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A];
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    bool reads = op->params.gemm.alpha != 0;
    return (gemm_shape){.batches = c->rank == 3 ? c->dims[0] : 1,
                        .m = c->dims[c->rank - 2],
                        .n = c->dims[c->rank - 1],
                        .k = reads ? a->dims[op->params.gemm.trans_a ? a->rank - 2 : a->rank - 1] : 0};
}

static bool is_half(const auxo_op *op, size_t slot)
{
    return op->tensors[slot].dtype == AUXO_DTYPE_F16;
}

/* Elements of one matrix when it is converted to contiguous f32. */
static int64_t matrix_count(const auxo_op *op, size_t slot)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    return tensor->dims[tensor->rank - 2] * tensor->dims[tensor->rank - 1];
}

static size_t converted_bytes(const auxo_op *op, size_t slot)
{
    return is_half(op, slot) ? cpu_align(sizeof(float) * (size_t)matrix_count(op, slot)) : 0;
}

static size_t scratch_bytes_gemm(int thread_count, const auxo_op *op)
{
    gemm_shape shape = shape_of(op);
    return converted_bytes(op, AUXO_GEMM_A) + converted_bytes(op, AUXO_GEMM_B) + converted_bytes(op, AUXO_GEMM_C) +
           (size_t)thread_count * gemm_block_scratch_bytes(shape.m, shape.n, shape.k);
}

static int64_t batch_offset(const auxo_tensor *tensor, int64_t batch)
{
    return tensor->rank == 3 ? batch * tensor->strides[0] : 0;
}

/* The matrix of one batch and its row stride, as f32; *scratch supplies and loses the memory of a conversion. */
static float *matrix_at(const auxo_op *op, size_t slot, int64_t batch, bool read, char **scratch, int64_t *row_stride)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    int64_t rows = tensor->dims[tensor->rank - 2];
    int64_t columns = tensor->dims[tensor->rank - 1];
    int64_t stride = tensor->strides[tensor->rank - 2];
    if (!is_half(op, slot)) {
        *row_stride = stride;
        return (float *)cpu_data(tensor) + batch_offset(tensor, batch);
    }
    const uint16_t *source = (const uint16_t *)cpu_data(tensor) + batch_offset(tensor, batch);
    float *converted = (float *)*scratch;
    *scratch += converted_bytes(op, slot);
    *row_stride = columns;
    for (int64_t i = 0; read && i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
            converted[i * columns + j] = cpu_half_to_f32(source[i * stride + j]);
    return converted;
}

/* One batch, as f32 matrices. *scratch supplies and loses the memory of conversions. */
static gemm_problem problem_at(const auxo_op *op, const gemm_shape *shape, int64_t batch, char **scratch)
{
    const auxo_gemm_params *params = &op->params.gemm;
    gemm_problem problem = {.rows = shape->m, .columns = shape->n, .depth = shape->k};
    int64_t lda;
    int64_t ldb;
    problem.a.data = matrix_at(op, AUXO_GEMM_A, batch, shape->k > 0, scratch, &lda);
    problem.a.row_stride = params->trans_a ? 1 : lda;
    problem.a.depth_stride = params->trans_a ? lda : 1;
    problem.b.data = matrix_at(op, AUXO_GEMM_B, batch, shape->k > 0, scratch, &ldb);
    problem.b.depth_stride = params->trans_b ? 1 : ldb;
    problem.b.column_stride = params->trans_b ? ldb : 1;
    problem.c = matrix_at(op, AUXO_GEMM_C, batch, params->beta != 0, scratch, &problem.c_row_stride);
    problem.epilogue = (gemm_epilogue){.alpha = params->alpha,
                                       .beta = params->beta,
                                       .bias = cpu_f32(op, AUXO_GEMM_BIAS),
                                       .bias_per_row = params->bias_per_row,
                                       .activation = params->activation,
                                       .slope = params->slope};
    return problem;
}

static void store_half(const auxo_op *op, int64_t batch, const gemm_problem *problem)
{
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    uint16_t *target = (uint16_t *)cpu_data(c) + batch_offset(c, batch);
    for (int64_t i = 0; i < problem->rows; ++i)
        for (int64_t j = 0; j < problem->columns; ++j)
            target[i * c->strides[c->rank - 2] + j] = cpu_half_from_f32(problem->c[i * problem->c_row_stride + j]);
}

/* Batches one after another, each by all threads. */
static void run_by_team(const cpu_work *work, const auxo_op *op, const gemm_shape *shape)
{
    for (int64_t batch = 0; batch < shape->batches; ++batch) {
        char *scratch = work->scratch;
        gemm_problem problem = problem_at(op, shape, batch, &scratch);
        gemm_block_run(&problem, work->pool, scratch);
        if (is_half(op, AUXO_GEMM_C))
            store_half(op, batch, &problem);
    }
}

typedef struct batch_context {
    const auxo_op *op;
    const gemm_shape *shape;
    char *scratch; /* of the threads */
    size_t thread_bytes;
} batch_context;

static void batch_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const batch_context *batches = context;
    for (int64_t batch = begin; batch < end; ++batch) {
        char *scratch = batches->scratch + (size_t)thread * batches->thread_bytes;
        gemm_problem problem = problem_at(batches->op, batches->shape, batch, &scratch);
        gemm_block_run(&problem, NULL, scratch);
    }
}

/* Each batch by one thread; for many small matrices. */
static void run_by_batch(const cpu_work *work, const auxo_op *op, const gemm_shape *shape)
{
    const batch_context context = {op, shape, work->scratch, gemm_block_scratch_bytes(shape->m, shape->n, shape->k)};
    double products = (double)shape->m * (double)shape->n * (double)shape->k;
    int64_t grain = products >= part_products ? 1 : (int64_t)(part_products / (products + 1)) + 1;
    cpu_pool_run(work->pool, shape->batches, grain, batch_part, &context);
}

static void run_gemm(const cpu_work *work, const auxo_op *op)
{
    gemm_shape shape = shape_of(op);
    bool any_half = is_half(op, AUXO_GEMM_A) || is_half(op, AUXO_GEMM_B) || is_half(op, AUXO_GEMM_C);
    if (shape.batches >= 2 * work->thread_count && !any_half)
        run_by_batch(work, op, &shape);
    else
        run_by_team(work, op, &shape);
}

CPU_KERNEL(gemm)
