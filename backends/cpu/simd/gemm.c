/* gemm.c: the gemm op on packed blocks: batches, transposes; operands of 16 bits are widened as they are packed. */
#include "cpu_kernels.h"
#include "gemm_block.h"
#include "half.h"

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
    return auxo_dtype_is_half(op->tensors[slot].dtype);
}

/* A C of 16 bits is computed in f32 and then rounded: over several parts of the depth it is a sum. */
static size_t wide_c_bytes(const auxo_op *op, const gemm_shape *shape)
{
    return is_half(op, AUXO_GEMM_C) ? cpu_align(sizeof(float) * (size_t)(shape->m * shape->n)) : 0;
}

static size_t scratch_bytes_gemm(int thread_count, const auxo_op *op)
{
    gemm_shape shape = shape_of(op);
    return wide_c_bytes(op, &shape) + (size_t)thread_count * gemm_block_scratch_bytes(shape.m, shape.n, shape.k);
}

static int64_t batch_offset(const auxo_tensor *tensor, int64_t batch)
{
    return tensor->rank == 3 ? batch * tensor->strides[0] : 0;
}

static int64_t row_stride(const auxo_op *op, size_t slot)
{
    return op->tensors[slot].strides[op->tensors[slot].rank - 2];
}

/* The operands of one batch: f32 as a and b, 16 bits as half_a and half_b. */
static void set_operands(const auxo_op *op, int64_t batch, gemm_problem *problem)
{
    const auxo_gemm_params *params = &op->params.gemm;
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A], *b = &op->tensors[AUXO_GEMM_B];
    const int64_t lda = row_stride(op, AUXO_GEMM_A), ldb = row_stride(op, AUXO_GEMM_B);
    const int64_t a_strides[2] = {params->trans_a ? 1 : lda, params->trans_a ? lda : 1};
    const int64_t b_strides[2] = {params->trans_b ? 1 : ldb, params->trans_b ? ldb : 1};
    if (is_half(op, AUXO_GEMM_A)) {
        problem->half_a =
            (gemm_half){(const uint16_t *)cpu_data(a) + batch_offset(a, batch), a->dtype, a_strides[0], a_strides[1]};
        problem->half_b =
            (gemm_half){(const uint16_t *)cpu_data(b) + batch_offset(b, batch), b->dtype, b_strides[0], b_strides[1]};
        return;
    }
    problem->a = (gemm_operand_a){(const float *)cpu_data(a) + batch_offset(a, batch), a_strides[0], a_strides[1]};
    problem->b = (gemm_operand_b){(const float *)cpu_data(b) + batch_offset(b, batch), b_strides[0], b_strides[1]};
}

/* One batch; wide_c: memory for its C in f32 where that has 16 bits. */
static gemm_problem problem_at(const auxo_op *op, const gemm_shape *shape, int64_t batch, char *wide_c)
{
    const auxo_gemm_params *params = &op->params.gemm;
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    const bool wide = is_half(op, AUXO_GEMM_C);
    gemm_problem problem = {.rows = shape->m,
                            .columns = shape->n,
                            .depth = shape->k,
                            .c = wide ? (float *)wide_c : (float *)cpu_data(c) + batch_offset(c, batch),
                            .c_row_stride = wide ? shape->n : row_stride(op, AUXO_GEMM_C),
                            .epilogue = {.alpha = params->alpha,
                                         .beta = params->beta,
                                         .bias = cpu_f32(op, AUXO_GEMM_BIAS),
                                         .bias_per_row = params->bias_per_row,
                                         .activation = params->activation,
                                         .slope = params->slope}};
    set_operands(op, batch, &problem);
    return problem;
}

typedef struct wide_context {
    const gemm_problem *problem;
    uint16_t *c; /* of the batch */
    int64_t stride;
    auxo_dtype format;
} wide_context;

/* Items are rows of C. */
static void widen_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const wide_context *wide = context;
    for (int64_t i = begin; i < end; ++i)
        half_widen_row(wide->format, wide->c + i * wide->stride, wide->problem->c + i * wide->problem->c_row_stride,
                       wide->problem->columns);
}

static void narrow_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const wide_context *wide = context;
    for (int64_t i = begin; i < end; ++i)
        half_narrow_row(wide->format, wide->problem->c + i * wide->problem->c_row_stride, wide->c + i * wide->stride,
                        wide->problem->columns);
}

/* Batches one after another, each by all threads. */
static void run_by_team(const cpu_work *work, const auxo_op *op, const gemm_shape *shape)
{
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    for (int64_t batch = 0; batch < shape->batches; ++batch) {
        gemm_problem problem = problem_at(op, shape, batch, work->scratch);
        const wide_context wide = {&problem, (uint16_t *)cpu_data(c) + batch_offset(c, batch),
                                   row_stride(op, AUXO_GEMM_C), c->dtype};
        if (is_half(op, AUXO_GEMM_C) && op->params.gemm.beta != 0)
            cpu_parallel(work, shape->m, shape->n, widen_part, &wide);
        gemm_block_run(&problem, work->pool, work->scratch + wide_c_bytes(op, shape));
        if (is_half(op, AUXO_GEMM_C))
            cpu_parallel(work, shape->m, shape->n, narrow_part, &wide);
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
        gemm_problem problem = problem_at(batches->op, batches->shape, batch, NULL);
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
    if (shape.batches >= 2 * work->thread_count && !is_half(op, AUXO_GEMM_C))
        run_by_batch(work, op, &shape);
    else
        run_by_team(work, op, &shape);
}

CPU_KERNEL(gemm)
