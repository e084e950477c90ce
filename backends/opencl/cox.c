/* backends/opencl/cox.c: the Cox partial likelihood, over blocks of positions ("blocks") or by one work-group
 * ("group").
 *
 * Blocks: launches scan within blocks, then one group scans the blocks: once for exponentials, once for the inverse
 * denominators that the gradient asks for. shaders/opencl/cox.cl says what each leaves. The one group is for drivers
 * whose self-test refuses the blocks: NVIDIA's (580.159.04) computes them wrongly.
 */
#include "kernels.h"

enum {
    GPU_GROUP = 64, /* more items, and a scan takes more steps */
    GPU_RUN_MIN = 4,
    GPU_RUN_MAX = 32,
    GPU_GROUPS_PER_UNIT = 8,
    CPU_RUN = 1024, /* a group is one item there, which scans nothing */
    SIDES_BYTES = 64,
    ROW_BYTES = 8,
    INVERSE_BYTES = 16,
    TOTALS = 3
};

typedef struct cox_task {
    ocl_builder *b;
    const auxo_op *op;
    size_t group, carry_group;
    uint64_t n, run, blocks;
    cl_mem rows, items, inverses, totals;
    cl_mem blocks_of_sums, sums;   /* that cox_sums leaves */
    cl_mem blocks_of_terms, terms; /* that cox_terms leaves */
} cox_task;

static void build_cox_kernel(const cox_task *t, const char *kernel, size_t group)
{
    ocl_build_kernel(t->b, "cox", kernel, "-DWG=%zu -DEFRON=%d", group, t->op->params.cox.ties == AUXO_COX_EFRON);
}

static void build_sums(const cox_task *t)
{
    build_cox_kernel(t, "cox_sums", t->group);
    for (int slot = AUXO_COX_RISK; slot <= AUXO_COX_ORDER; ++slot)
        ocl_arg_tensor(t->b, &t->op->tensors[slot]);
    ocl_arg_uint(t->b, (uint32_t)t->n);
    ocl_arg_uint(t->b, (uint32_t)t->run);
    ocl_arg_memory(t->b, t->rows);
    ocl_arg_memory(t->b, t->items);
    ocl_arg_memory(t->b, t->blocks_of_sums);
    ocl_arg_memory(t->b, t->sums);
    ocl_build_groups_1d(t->b, t->blocks, t->group);
}

static void build_carry(const cox_task *t)
{
    build_cox_kernel(t, "cox_carry", t->carry_group);
    ocl_arg_memory(t->b, t->blocks_of_sums);
    ocl_arg_memory(t->b, t->sums);
    ocl_arg_uint(t->b, (uint32_t)t->blocks);
    ocl_arg_memory(t->b, t->totals);
    ocl_build_groups_1d(t->b, 1, t->carry_group);
}

static void build_terms(const cox_task *t)
{
    build_cox_kernel(t, "cox_terms", t->group);
    ocl_arg_memory(t->b, t->rows);
    ocl_arg_memory(t->b, t->blocks_of_sums);
    ocl_arg_uint(t->b, (uint32_t)t->n);
    ocl_arg_uint(t->b, (uint32_t)t->run);
    ocl_arg_memory(t->b, t->items);
    ocl_arg_memory(t->b, t->inverses);
    ocl_arg_memory(t->b, t->blocks_of_terms);
    ocl_arg_memory(t->b, t->terms);
    ocl_build_groups_1d(t->b, t->blocks, t->group);
}

static void arg_options(ocl_builder *b, const auxo_op *op)
{
    const auxo_cox_params *params = &op->params.cox;
    ocl_arg_int(b, params->reduction);
    ocl_arg_int(b, params->domain);
    ocl_arg_float(b, params->domain_strength);
}

static void build_finish(const cox_task *t)
{
    build_cox_kernel(t, "cox_finish", t->carry_group);
    ocl_arg_memory(t->b, t->blocks_of_terms);
    ocl_arg_memory(t->b, t->terms);
    ocl_arg_uint(t->b, (uint32_t)t->blocks);
    ocl_arg_memory(t->b, t->totals);
    ocl_arg_uint(t->b, (uint32_t)t->n);
    arg_options(t->b, t->op);
    ocl_arg_loss_outputs(t->b, t->op, AUXO_COX_LOSS, AUXO_COX_STATS);
    ocl_build_groups_1d(t->b, 1, t->carry_group);
}

static void build_gradient(const cox_task *t)
{
    build_cox_kernel(t, "cox_gradient", t->group);
    ocl_arg_memory(t->b, t->rows);
    ocl_arg_tensor(t->b, &t->op->tensors[AUXO_COX_ORDER]);
    ocl_arg_memory(t->b, t->blocks_of_terms);
    ocl_arg_memory(t->b, t->items);
    ocl_arg_memory(t->b, t->inverses);
    ocl_arg_memory(t->b, t->totals);
    ocl_arg_uint(t->b, (uint32_t)t->n);
    ocl_arg_uint(t->b, (uint32_t)t->run);
    arg_options(t->b, t->op);
    ocl_arg_tensor(t->b, &t->op->tensors[AUXO_COX_DRISK]);
    ocl_build_groups_1d(t->b, t->blocks, t->group);
}

/* Positions of an item and of a block, and how many items scan the blocks. */
static void choose_cut(cox_task *t)
{
    const ocl_device *device = t->b->device;
    t->group = t->b->group_size < GPU_GROUP ? t->b->group_size : GPU_GROUP;
    t->run = CPU_RUN;
    if (!device->vector_cpu) {
        const uint64_t wanted = GPU_GROUPS_PER_UNIT * (uint64_t)device->info.compute_units * t->group;
        t->run = ocl_divide_up(t->n, wanted ? wanted : 1);
        t->run = t->run < GPU_RUN_MIN ? GPU_RUN_MIN : t->run > GPU_RUN_MAX ? GPU_RUN_MAX : t->run;
    }
    t->blocks = ocl_divide_up(t->n, t->group * t->run);
    t->carry_group = t->blocks <= t->group ? t->group : t->b->group_size; /* one program more, not one per size */
}

static void take_scratch(cox_task *t)
{
    const bool gradient = auxo_tensor_is_present(&t->op->tensors[AUXO_COX_DRISK]);
    t->rows = ocl_build_scratch(t->b, t->n * ROW_BYTES);
    t->items = ocl_build_scratch(t->b, t->blocks * t->group * SIDES_BYTES);
    t->inverses = ocl_build_scratch(t->b, gradient ? t->n * INVERSE_BYTES : 0);
    t->totals = ocl_build_scratch(t->b, TOTALS * sizeof(cl_float2));
    t->blocks_of_sums = ocl_build_scratch(t->b, t->blocks * SIDES_BYTES);
    t->sums = ocl_build_scratch(t->b, t->blocks * TOTALS * sizeof(cl_float2));
    t->blocks_of_terms = ocl_build_scratch(t->b, gradient ? t->blocks * SIDES_BYTES : 0);
    t->terms = ocl_build_scratch(t->b, t->blocks * sizeof(cl_float2));
}

static void build_blocks(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    cox_task t = {.b = b, .op = op, .n = (uint64_t)op->tensors[AUXO_COX_RISK].dims[0]};
    (void)parameters;
    if (t.n > INT32_MAX)
        ocl_build_fail(b, AUXO_UNSUPPORTED, "cox of more than 2^31 subjects");
    choose_cut(&t);
    take_scratch(&t);
    build_sums(&t);
    build_carry(&t);
    build_terms(&t);
    build_finish(&t);
    if (t.inverses)
        build_gradient(&t);
}

static OCL_PREPARE(prepare_blocks, build_blocks);

static void build_group(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    enum { SUMS = 3 };
    const uint64_t n = (uint64_t)op->tensors[AUXO_COX_RISK].dims[0];
    cl_mem sums[SUMS];
    (void)parameters;
    for (int i = 0; i < SUMS; ++i)
        sums[i] = ocl_build_scratch(b, (n + 1) * sizeof(cl_float4));
    ocl_build_kernel(b, "cox_group", "cox_group", "-DWG=%zu", b->group_size);
    for (int slot = AUXO_COX_RISK; slot <= AUXO_COX_ORDER; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_tensor(b, &op->tensors[AUXO_COX_DRISK]);
    for (int i = 0; i < SUMS; ++i)
        ocl_arg_memory(b, sums[i]);
    ocl_arg_int(b, (int64_t)n);
    ocl_arg_int(b, op->params.cox.ties == AUXO_COX_EFRON);
    arg_options(b, op);
    ocl_arg_loss_outputs(b, op, AUXO_COX_LOSS, AUXO_COX_STATS);
    ocl_build_groups_1d(b, 1, b->group_size);
}

static OCL_PREPARE(prepare_group, build_group);

#define VARIANT(name, prepare_function)                                                                                \
    {                                                                                                                  \
        .variant = name, .prepare = prepare_function, .release = ocl_task_release, .enqueue = ocl_task_enqueue         \
    }
const auxo_kernel ocl_cox_kernels[OCL_COX_KERNEL_COUNT] = {
    VARIANT("blocks", prepare_blocks),
    VARIANT("group", prepare_group),
};
