/* op_mlp.c: whole narrow networks in few launches: mlp_forward, mlp_gradient, mlp_hvp and theta_eval.
 *
 * Owns the table of layers that the shaders read, the choice of samples per workgroup (their activations must fit
 * shared memory) and of how many workgroups walk the blocks of samples (their scratch memory is bounded).
 */
#include "vk_ops.h"

#include <stdlib.h>

enum { LANES_MAX = 64, WALKS_MAX = 512, SCRATCH_BYTES_MAX = 64 << 20 };

typedef struct mlp_shape {
    uint32_t lanes;      /* samples per workgroup */
    uint32_t width;      /* of the widest layer */
    uint64_t unit_count; /* from begin_layer on, its input included */
    uint64_t param_count;
    vk_span layers;
} mlp_shape;

/* As many samples as shared memory holds: `regions` x width units each, and a pair for the sum of the loss. */
static uint32_t lanes_for(const vk_device *device, uint32_t width, uint32_t regions)
{
    uint32_t lanes = LANES_MAX;
    const uint64_t limit = device->limits.maxComputeSharedMemorySize;
    while (lanes > 1 && (uint64_t)lanes * (regions * width * 4 + 8) > limit)
        lanes /= 2;
    return lanes;
}

static mlp_shape shape_of(vk_program *program, const auxo_mlp_params *params, uint32_t regions)
{
    const auxo_mlp *mlp = &params->mlp;
    mlp_shape shape = {.param_count = auxo_mlp_param_count(mlp)};
    if (!program)
        return shape;
    uint32_t *table = calloc(mlp->layer_count, 4 * sizeof *table);
    if (!table) {
        vk_program_fail(program, AUXO_OUT_OF_MEMORY, "no host memory for a table of layers");
        return shape;
    }
    for (uint32_t l = 0; l <= mlp->layer_count; l++) {
        shape.width = mlp->widths[l] > shape.width ? mlp->widths[l] : shape.width;
        shape.unit_count += l >= params->begin_layer ? mlp->widths[l] : 0;
        if (l == mlp->layer_count)
            break;
        table[4 * l] = mlp->widths[l];
        table[4 * l + 1] = mlp->widths[l + 1];
        table[4 * l + 2] = (uint32_t)auxo_mlp_layer_offset(mlp, l);
        table[4 * l + 3] = mlp->activations[l];
    }
    shape.layers = vk_program_constants(program, table, mlp->layer_count * 4 * sizeof *table);
    free(table);
    shape.lanes = lanes_for(program->device, shape.width, regions);
    return shape;
}

/* Workgroups that share the blocks of rows, each with so many bytes of scratch memory. */
static uint64_t walks_for(const mlp_shape *shape, uint64_t rows, uint64_t bytes_each)
{
    const uint64_t blocks = vk_ceil_div(rows, shape->lanes ? shape->lanes : 1);
    uint64_t walks = SCRATCH_BYTES_MAX / (bytes_each ? bytes_each : 1);
    walks = walks > WALKS_MAX ? WALKS_MAX : walks;
    walks = walks > blocks ? blocks : walks;
    return walks ? walks : 1;
}

static void bind_slots(vk_program *program, vk_step *step, const auxo_op *op, uint32_t first, uint32_t last)
{
    for (uint32_t slot = first; slot <= last; slot++)
        vk_step_bind(program, step, vk_span_of(&op->tensors[slot]), VK_READ);
}

static void add_forward(vk_program *program, const auxo_op *op, const mlp_shape *shape, vk_span x, vk_span weights,
                        vk_span y, uint32_t end_layer, bool all)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const uint32_t rows = (uint32_t)op->tensors[AUXO_MLP_FORWARD_X].dims[0];
    const uint32_t constants[] = {shape->width, all};
    vk_step *step = vk_program_add(program, VK_SHADER_mlp_forward, shape->lanes, constants, 2);
    vk_step_bind(program, step, x, VK_READ);
    vk_step_bind(program, step, weights, VK_READ);
    vk_step_bind(program, step, y, VK_WRITE);
    vk_step_bind(program, step, shape->layers, VK_READ);
    const struct {
        MLP_FORWARD_PUSH
    } push = {rows, params->begin_layer, end_layer, params->mlp.has_bias, params->mlp.slope};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, vk_ceil_div(rows, shape->lanes ? shape->lanes : 1));
}

VK_PREPARE(mlp_forward)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const mlp_shape shape = shape_of(program, &op->params.mlp, 2);
    if (op->tensors[AUXO_MLP_FORWARD_X].dims[0] > 0)
        add_forward(program, op, &shape, vk_span_of(&op->tensors[AUXO_MLP_FORWARD_X]),
                    vk_span_of(&op->tensors[AUXO_MLP_FORWARD_PARAMS]), vk_span_of(&op->tensors[AUXO_MLP_FORWARD_Y]),
                    op->params.mlp.end_layer, false);
    return vk_program_finish(program, state, error);
}

/* ---- mlp_gradient ---- */

typedef struct gradient_task {
    mlp_shape shape;
    uint64_t rows, walks, trained_first, trained_count;
    vk_span partial, partial_loss;
} gradient_task;

static void add_gradient(vk_program *program, const auxo_op *op, const gradient_task *task)
{
    const auxo_mlp_params *params = &op->params.mlp;
    vk_step *step = vk_program_add(program, VK_SHADER_mlp_gradient, task->shape.lanes, &task->shape.width, 1);
    bind_slots(program, step, op, AUXO_MLP_GRADIENT_X, AUXO_MLP_GRADIENT_PARAMS);
    vk_step_bind(program, step, task->shape.layers, VK_READ);
    vk_step_bind(program, step,
                 vk_program_scratch(program, task->walks * task->shape.unit_count * task->shape.lanes, 4),
                 VK_READ_WRITE);
    vk_step_bind(program, step, task->partial, VK_READ_WRITE);
    vk_step_bind(program, step, task->partial_loss, VK_WRITE);
    const struct {
        MLP_GRADIENT_PUSH
    } push = {(uint32_t)task->rows,
              (uint32_t)task->walks,
              params->begin_layer,
              params->mlp.layer_count,
              params->train_begin,
              params->train_end,
              params->mlp.has_bias,
              (uint32_t)task->shape.unit_count,
              (uint32_t)task->trained_first,
              (uint32_t)task->trained_count,
              params->mlp.slope};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, task->walks);
}

VK_PREPARE(mlp_gradient)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_mlp *mlp = &params->mlp;
    gradient_task task = {.shape = shape_of(program, params, 3),
                          .rows = (uint64_t)op->tensors[AUXO_MLP_GRADIENT_X].dims[0],
                          .trained_first = auxo_mlp_layer_offset(mlp, params->train_begin)};
    task.trained_count = auxo_mlp_layer_offset(mlp, params->train_end) - task.trained_first;
    task.walks = walks_for(&task.shape, task.rows, (task.shape.unit_count * task.shape.lanes + task.trained_count) * 4);
    task.partial = vk_program_scratch(program, task.walks * task.trained_count, 4);
    task.partial_loss = vk_program_scratch(program, task.walks * 4, 4);
    if (task.rows > 0)
        add_gradient(program, op, &task);
    const vk_reduction sum = {
        .kind = AUXO_REDUCE_SUM,
        .x = task.partial,
        .y = vk_span_part(vk_span_of(&op->tensors[AUXO_MLP_GRADIENT_GRADS]), task.trained_first, task.trained_count),
        .outer = task.rows > 0 ? task.walks : 0,
        .channels = task.trained_count,
        .inner = 1};
    vk_add_reduction(program, &sum);
    const vk_loss_finish finish = {.partial = task.partial_loss,
                                   .losses = 1,
                                   .parts = task.rows > 0 ? task.walks : 0,
                                   .divisor = task.rows * mlp->widths[mlp->layer_count],
                                   .rows = task.rows,
                                   .loss_slot = AUXO_MLP_GRADIENT_LOSS,
                                   .stats_slot = AUXO_MLP_GRADIENT_STATS};
    vk_add_loss_finish(program, op, &finish);
    return vk_program_finish(program, state, error);
}

/* ---- mlp_hvp ---- */

typedef struct hvp_task {
    mlp_shape shape;
    uint64_t rows, walks;
    uint64_t first, count; /* directions at hand */
    vk_span kept, partial;
} hvp_task;

static void add_directions(vk_program *program, const auxo_op *op, const hvp_task *task)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const uint64_t first = task->first * task->shape.param_count, count = task->count * task->shape.param_count;
    if (task->rows > 0) {
        vk_step *step = vk_program_add(program, VK_SHADER_mlp_hvp, task->shape.lanes, &task->shape.width, 1);
        bind_slots(program, step, op, AUXO_MLP_HVP_X, AUXO_MLP_HVP_PARAMS);
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[AUXO_MLP_HVP_V]), first, count), VK_READ);
        vk_step_bind(program, step, task->shape.layers, VK_READ);
        vk_step_bind(program, step, task->kept, VK_READ_WRITE);
        vk_step_bind(program, step, task->partial, VK_READ_WRITE);
        const struct {
            MLP_HVP_PUSH
        } push = {(uint32_t)task->rows,
                  (uint32_t)task->walks,
                  (uint32_t)task->count,
                  params->begin_layer,
                  params->mlp.layer_count,
                  params->mlp.has_bias,
                  (uint32_t)task->shape.unit_count,
                  (uint32_t)task->shape.param_count,
                  params->mlp.slope};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, task->walks * task->count);
    }
    const vk_reduction sum = {.kind = AUXO_REDUCE_SUM,
                              .x = task->partial,
                              .y = vk_span_part(vk_span_of(&op->tensors[AUXO_MLP_HVP_HV]), first, count),
                              .outer = task->rows > 0 ? task->walks : 0,
                              .channels = count,
                              .inner = 1};
    vk_add_reduction(program, &sum);
}

VK_PREPARE(mlp_hvp)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    hvp_task task = {.shape = shape_of(program, &op->params.mlp, 6),
                     .rows = (uint64_t)op->tensors[AUXO_MLP_HVP_X].dims[0]};
    const uint64_t directions = (uint64_t)op->tensors[AUXO_MLP_HVP_V].dims[0];
    const uint64_t kept_count = 2 * task.shape.unit_count * task.shape.lanes;
    const uint64_t bytes_each = (kept_count + task.shape.param_count) * 4;
    uint64_t at_once = SCRATCH_BYTES_MAX / (bytes_each ? bytes_each : 1); /* directions of one dispatch */
    at_once = at_once < 1 ? 1 : at_once > directions ? directions : at_once;
    task.walks = walks_for(&task.shape, task.rows, at_once * bytes_each);
    if (directions > 0 && task.shape.param_count > 0) {
        task.kept = vk_program_scratch(program, task.walks * at_once * kept_count, 4);
        task.partial = vk_program_scratch(program, task.walks * at_once * task.shape.param_count, 4);
    }
    for (; task.first < directions && task.partial.size_bytes > 0; task.first += task.count) {
        task.count = directions - task.first < at_once ? directions - task.first : at_once;
        add_directions(program, op, &task);
    }
    return vk_program_finish(program, state, error);
}

/* ---- theta_eval ---- */

static uint64_t units_from(const auxo_mlp_params *params)
{
    uint64_t count = 0;
    for (uint32_t l = params->begin_layer; l <= params->mlp.layer_count; l++)
        count += params->mlp.widths[l];
    return count;
}

bool vk_supports_theta_prefix(void *device, const auxo_op *op)
{
    const uint64_t rows = (uint64_t)op->tensors[AUXO_THETA_EVAL_X].dims[0];
    return vk_fits_bindings(device, op) && units_from(&op->params.mlp) * rows * 4 <= SCRATCH_BYTES_MAX;
}

static void add_masks(vk_program *program, const auxo_op *op, const mlp_shape *shape, vk_span prefix, bool has_prefix,
                      vk_span partial, uint64_t walks)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_tensor *theta = &op->tensors[AUXO_THETA_EVAL_THETA];
    uint32_t begin_units = 0;
    for (uint32_t l = 1; l <= params->begin_layer; l++)
        begin_units += params->mlp.widths[l];
    const uint32_t constants[] = {shape->width, has_prefix, params->theta_on_outputs};
    vk_step *step = vk_program_add(program, VK_SHADER_theta_eval, shape->lanes, constants, 3);
    bind_slots(program, step, op, AUXO_THETA_EVAL_X, AUXO_THETA_EVAL_FIRST_LAYER);
    vk_step_bind(program, step, shape->layers, VK_READ);
    vk_step_bind(program, step, prefix, VK_READ);
    vk_step_bind(program, step, partial, VK_WRITE);
    const struct {
        THETA_EVAL_PUSH
    } push = {(uint32_t)op->tensors[AUXO_THETA_EVAL_X].dims[0],
              (uint32_t)theta->dims[0],
              (uint32_t)walks,
              params->begin_layer,
              params->mlp.layer_count,
              params->mlp.has_bias,
              (uint32_t)theta->dims[1],
              begin_units,
              params->mlp.slope};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, (uint64_t)push.masks * walks);
}

static auxo_status prepare_theta(void *device, const auxo_op *op, bool has_prefix, void **state, auxo_error *error)
{
    vk_program *program = vk_program_begin(device, error);
    const auxo_mlp_params *params = &op->params.mlp;
    const mlp_shape shape = shape_of(program, params, 2);
    const uint64_t rows = (uint64_t)op->tensors[AUXO_THETA_EVAL_X].dims[0];
    const uint64_t masks = (uint64_t)op->tensors[AUXO_THETA_EVAL_THETA].dims[0];
    const uint64_t walks = walks_for(&shape, rows, 16 * masks);
    const vk_span partial = vk_program_scratch(program, 4 * walks * masks, 4);
    if (rows > 0 && masks > 0) {
        vk_span prefix = vk_span_none();
        if (has_prefix) {
            prefix = vk_program_scratch(program, shape.unit_count * rows, 4);
            add_forward(program, op, &shape, vk_span_of(&op->tensors[AUXO_THETA_EVAL_X]),
                        vk_span_of(&op->tensors[AUXO_THETA_EVAL_PARAMS]), prefix, params->mlp.layer_count, true);
        }
        add_masks(program, op, &shape, prefix, has_prefix, partial, walks);
    }
    if (masks > 0) {
        const vk_loss_finish finish = {.partial = partial,
                                       .losses = masks,
                                       .parts = rows > 0 ? walks : 0,
                                       .divisor = rows * params->mlp.widths[params->mlp.layer_count],
                                       .rows = rows,
                                       .loss_slot = AUXO_THETA_EVAL_LOSS,
                                       .stats_slot = AUXO_OP_SLOTS_MAX};
        vk_add_loss_finish(program, op, &finish);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(theta_prefix)
{
    (void)parameters;
    return prepare_theta(device, op, true, state, error);
}

VK_PREPARE(theta_direct)
{
    (void)parameters;
    return prepare_theta(device, op, false, state, error);
}
