/* op_cox.c: the Cox partial likelihood, over blocks of positions.
 *
 * cox_sums reads the samples in ORDER and scans exponentials within each block, cox_carry scans the blocks, cox_terms
 * makes the terms and scans inverse denominators within each block, cox_carry scans those and writes the loss,
 * cox_gradient the gradient. shaders/vulkan/include/cox.glsl says what is scanned.
 */
#include "vk_ops.h"

enum {
    LANES = 64,  /* of a block: more, and a scan takes more steps */
    RUN_MIN = 4, /* positions of a lane: fewer, and the scans outweigh them */
    RUN_MAX = 32,
    BLOCKS_WANTED = 1024,
    SIDES_WORDS = 16, /* of struct sides in cox.glsl */
    ROW_WORDS = 2,
    INVERSE_WORDS = 4,
    SUM_WORDS = 2,
    SUMS = 3, /* of a block: h, h^2, events */
    TOTALS = 4
};

typedef struct cox_task {
    vk_program *program;
    const auxo_op *op;
    uint32_t efron, gradient;
    uint32_t lanes_per_block, carry_lanes_max;
    uint64_t n, run, blocks;
    vk_span rows, lanes, inverses, totals;
    vk_span blocks_of_sums, sums;   /* that cox_sums leaves */
    vk_span blocks_of_terms, terms; /* that cox_terms leaves */
} cox_task;

static void bind_slot(const cox_task *task, vk_step *step, uint32_t slot, vk_access access)
{
    vk_step_bind(task->program, step, vk_span_of(&task->op->tensors[slot]), access);
}

/* How positions are cut, for the shaders with a lane per run of them. */
static void push_cut(const cox_task *task, vk_step *step)
{
    const struct {
        COX_PUSH
    } push = {(uint32_t)task->n, (uint32_t)task->run, (uint32_t)task->blocks, task->op->params.cox.domain_strength};
    vk_step_push(task->program, step, &push, sizeof push);
    vk_step_groups(task->program, step, task->blocks);
}

static void add_sums(const cox_task *task)
{
    vk_step *step = vk_program_add(task->program, VK_SHADER_cox_sums, task->lanes_per_block, &task->efron, 1);
    for (uint32_t slot = AUXO_COX_RISK; slot <= AUXO_COX_ORDER; slot++)
        bind_slot(task, step, slot, VK_READ);
    const vk_span left[] = {task->rows, task->lanes, task->blocks_of_sums, task->sums};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        vk_step_bind(task->program, step, left[i], VK_WRITE);
    push_cut(task, step);
}

/* inverses: after cox_terms, with the loss; carries: whether the gradient is to follow. */
static void add_carry(const cox_task *task, bool inverses, bool carries)
{
    const auxo_cox_params *params = &task->op->params.cox;
    const uint32_t constants[] = {inverses, carries, params->reduction, params->domain};
    uint32_t lanes = 1;
    while (lanes < task->blocks && lanes < task->carry_lanes_max)
        lanes *= 2;
    vk_step *step = vk_program_add(task->program, VK_SHADER_cox_carry, lanes, constants, 4);
    vk_step_bind(task->program, step, inverses ? task->blocks_of_terms : task->blocks_of_sums, VK_READ_WRITE);
    vk_step_bind(task->program, step, inverses ? task->terms : task->sums, VK_READ);
    vk_step_bind(task->program, step, task->totals, inverses ? VK_READ : VK_WRITE);
    vk_bind_loss(task->program, step, task->op, AUXO_COX_LOSS, AUXO_COX_STATS);
    const struct {
        COX_CARRY_PUSH
        vk_loss_push ending;
    } push = {(uint32_t)task->n, (uint32_t)task->blocks, params->domain_strength,
              vk_loss_push_of(task->op, AUXO_COX_STATS, task->n)};
    vk_step_push(task->program, step, &push, sizeof push);
    vk_step_groups(task->program, step, 1);
}

static void add_terms(const cox_task *task)
{
    const uint32_t constants[] = {task->efron, task->gradient};
    vk_step *step = vk_program_add(task->program, VK_SHADER_cox_terms, task->lanes_per_block, constants, 2);
    vk_step_bind(task->program, step, task->rows, VK_READ);
    vk_step_bind(task->program, step, task->blocks_of_sums, VK_READ);
    vk_step_bind(task->program, step, task->lanes, VK_READ_WRITE);
    vk_step_bind(task->program, step, task->inverses, VK_WRITE);
    vk_step_bind(task->program, step, task->blocks_of_terms, VK_WRITE);
    vk_step_bind(task->program, step, task->terms, VK_WRITE);
    push_cut(task, step);
}

static void add_gradient(const cox_task *task)
{
    const uint32_t constants[] = {task->efron, task->op->params.cox.domain};
    vk_step *step = vk_program_add(task->program, VK_SHADER_cox_gradient, task->lanes_per_block, constants, 2);
    vk_step_bind(task->program, step, task->rows, VK_READ);
    bind_slot(task, step, AUXO_COX_ORDER, VK_READ);
    const vk_span read[] = {task->blocks_of_terms, task->lanes, task->inverses, task->totals};
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++)
        vk_step_bind(task->program, step, read[i], VK_READ);
    bind_slot(task, step, AUXO_COX_DRISK, VK_WRITE);
    push_cut(task, step);
}

static void take_scratch(cox_task *task)
{
    vk_program *program = task->program;
    const uint64_t inverses = task->gradient ? task->n : 0, inverse_blocks = task->gradient ? task->blocks : 0;
    task->rows = vk_program_scratch(program, ROW_WORDS * task->n, 4);
    task->lanes = vk_program_scratch(program, SIDES_WORDS * task->lanes_per_block * task->blocks, 4);
    task->inverses = vk_program_scratch(program, INVERSE_WORDS * inverses, 4);
    task->totals = vk_program_scratch(program, SUM_WORDS * TOTALS, 4);
    task->blocks_of_sums = vk_program_scratch(program, SIDES_WORDS * task->blocks, 4);
    task->sums = vk_program_scratch(program, SUM_WORDS * SUMS * task->blocks, 4);
    task->blocks_of_terms = vk_program_scratch(program, SIDES_WORDS * inverse_blocks, 4);
    task->terms = vk_program_scratch(program, SUM_WORDS * task->blocks, 4);
}

/* Positions of a lane: short runs fill a GPU; a processor would only scan more. */
static uint64_t run_of(const vk_device *device, uint64_t n, uint32_t lanes)
{
    const uint64_t run = vk_ceil_div(n, (uint64_t)lanes * BLOCKS_WANTED);
    if (run > RUN_MAX || device->info.type == AUXO_DEVICE_CPU)
        return RUN_MAX;
    return run < RUN_MIN ? RUN_MIN : run;
}

VK_PREPARE(cox)
{
    (void)parameters;
    const uint32_t group_size = ((vk_device *)device)->group_size;
    cox_task task = {.program = vk_program_begin(device, error),
                     .op = op,
                     .efron = op->params.cox.ties == AUXO_COX_EFRON,
                     .gradient = auxo_tensor_is_present(&op->tensors[AUXO_COX_DRISK]),
                     .lanes_per_block = group_size < LANES ? group_size : LANES,
                     .carry_lanes_max = group_size,
                     .n = (uint64_t)op->tensors[AUXO_COX_RISK].dims[0]};
    task.run = run_of(device, task.n, task.lanes_per_block);
    task.blocks = vk_ceil_div(task.n, task.lanes_per_block * task.run);
    take_scratch(&task);
    if (task.blocks > 0)
        add_sums(&task);
    add_carry(&task, false, task.blocks > 0);
    if (task.blocks > 0)
        add_terms(&task);
    add_carry(&task, true, task.blocks > 0 && task.gradient);
    if (task.blocks > 0 && task.gradient)
        add_gradient(&task);
    return vk_program_finish(task.program, state, error);
}
