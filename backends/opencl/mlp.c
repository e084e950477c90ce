/* backends/opencl/mlp.c: fused narrow networks: forward, gradient, Hessian products, theta evaluation.
 *
 * A slot walks over blocks of samples. Slots are few on CPU drivers, so that what a slot keeps stays in its core's
 * cache. On GPUs a slot is a group with a sample per work-item where sums over samples are asked for, else a work-item,
 * one per sample as far as the scratch budget goes. The layout of scratch follows: slot by slot on CPUs, unit by unit
 * on GPUs.
 */
#include "kernels.h"

#include <stdlib.h>

enum {
    NET_WORDS = 5,
    BLOCK_VECTORS = 8, /* shaders/opencl/mlp_block.clh */
    CPU_SLOTS_PER_UNIT = 2,
    GPU_GROUP = 64,
    HVP_KEPT_PER_UNIT = 3,
    GPU_ITEMS_PER_UNIT = 1024,
    GPU_GROUPS_PER_UNIT = 16,
    LANES_LOCAL_BYTES = 24 << 10,
    GRADIENT_REGIONS = 3, /* of local memory, as in mlp_gradient.cl */
    CPU_PARAMS_PER_GROUP = 32
};
static const uint64_t scratch_budget_bytes = 256u << 20;

/* One network and range of layers, and how its work is cut up. */
typedef struct mlp_shape {
    const auxo_mlp *mlp;
    uint32_t begin_layer, layer_count;
    uint64_t rows, blocks;
    uint32_t width_bound; /* of private arrays: 8, 16, 32 or 64; on CPU drivers always 64 */
    uint32_t kept_units;  /* inputs of the first layer and all outputs after it */
    int strips;           /* vectors of samples that a work-item takes side by side */
    uint32_t lanes;       /* items of a group, a sample each, of the kernels of mlp_lanes.clh; else 1 */
    uint64_t vec;         /* samples of a block: strips x the vector width, or lanes */
} mlp_shape;

/* Strides of scratch indexed by (row, slot), in floats. */
typedef struct slot_layout {
    uint64_t row_stride, slot_stride, bytes;
} slot_layout;

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* As many as the accumulators of a few units fit the registers. */
static int strips_of(const ocl_device *device)
{
    return device->vector_width >= 16 ? 4 : device->vector_width >= 8 ? 2 : 1;
}

static mlp_shape shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x, int strips)
{
    mlp_shape shape = {.mlp = &params->mlp,
                       .begin_layer = params->begin_layer,
                       .layer_count = params->mlp.layer_count,
                       .rows = (uint64_t)x->dims[0],
                       .strips = strips,
                       .lanes = 1,
                       .vec = (uint64_t)device->vector_width * (uint64_t)strips,
                       .width_bound = device->vector_cpu ? AUXO_MLP_WIDTH_MAX : 8};
    shape.blocks = ocl_divide_up(shape.rows, shape.vec);
    for (uint32_t l = params->begin_layer; l <= shape.layer_count; ++l) {
        shape.kept_units += params->mlp.widths[l];
        while (shape.width_bound < params->mlp.widths[l])
            shape.width_bound *= 2;
    }
    return shape;
}

/* Of the kernels of shaders/opencl/mlp_block.clh on CPU drivers: blocks of BLOCK_VECTORS vectors. */
static mlp_shape block_shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x)
{
    mlp_shape shape = shape_of(device, params, x, strips_of(device));
    shape.vec = (uint64_t)device->vector_width * BLOCK_VECTORS;
    shape.blocks = ocl_divide_up(shape.rows, shape.vec);
    return shape;
}

/* Of the kernels of shaders/opencl/mlp_lanes.clh on GPUs: as many samples as keep several groups on a compute unit. */
static mlp_shape lane_shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x,
                               uint32_t regions)
{
    const uint64_t room = least(device->info.local_memory_bytes, LANES_LOCAL_BYTES);
    mlp_shape shape = shape_of(device, params, x, 1);
    shape.lanes = (uint32_t)least(device->group_size, GPU_GROUP);
    while (shape.lanes > 1 && regions * shape.width_bound * shape.lanes * sizeof(float) > room)
        shape.lanes /= 2;
    shape.vec = shape.lanes;
    shape.blocks = ocl_divide_up(shape.rows, shape.vec);
    return shape;
}

static uint64_t param_offset(const auxo_mlp *mlp, uint32_t layer)
{
    uint64_t offset = 0;
    for (uint32_t l = 0; l < layer; ++l)
        offset += (uint64_t)mlp->widths[l + 1] * (mlp->widths[l] + (mlp->has_bias ? 1u : 0u));
    return offset;
}

/* The table `net` of shaders/opencl/mlp.clh. */
static cl_mem build_net(ocl_builder *b, const auxo_mlp *mlp)
{
    uint32_t unit = 0;
    uint32_t *table = malloc((size_t)mlp->layer_count * NET_WORDS * sizeof *table);
    if (!table) {
        ocl_build_fail(b, AUXO_OUT_OF_MEMORY, "the layer table of a network");
        return NULL;
    }
    for (uint32_t l = 0; l < mlp->layer_count; ++l) {
        uint32_t *layer = table + (size_t)NET_WORDS * l;
        layer[0] = mlp->widths[l];
        layer[1] = mlp->widths[l + 1];
        layer[2] = (uint32_t)mlp->activations[l];
        layer[3] = (uint32_t)param_offset(mlp, l);
        layer[4] = unit;
        unit += mlp->widths[l + 1];
    }
    cl_mem memory = ocl_build_table(b, table, (uint64_t)mlp->layer_count * NET_WORDS * sizeof *table);
    free(table);
    return memory;
}

/* How many slots share the blocks of one of `streams` independent passes (directions, masks), `floats_per_slot` of
 * scratch each. */
static uint64_t choose_slots(const ocl_device *device, const mlp_shape *shape, uint64_t streams,
                             uint64_t floats_per_slot)
{
    uint64_t slots = shape->blocks;
    if (device->vector_cpu) {
        const uint64_t wanted = ocl_divide_up(CPU_SLOTS_PER_UNIT * (uint64_t)device->info.compute_units, streams);
        slots = slots < wanted ? slots : wanted;
    } else {
        const uint64_t most = scratch_budget_bytes / (sizeof(float) * (floats_per_slot + 1));
        slots = slots < most ? slots : most;
    }
    return slots > 0 ? slots : 1;
}

/* `rows` scratch rows of `vec` floats for `slots` slots: slot by slot on CPU drivers, row by row elsewhere. */
static slot_layout layout_of(const ocl_device *device, uint64_t slots, uint64_t rows, uint64_t vec)
{
    if (device->vector_cpu)
        return (slot_layout){.row_stride = vec, .slot_stride = rows * vec, .bytes = slots * rows * vec * sizeof(float)};
    return (slot_layout){.row_stride = slots, .slot_stride = 1, .bytes = slots * rows * sizeof(float)};
}

static void build_slots(ocl_builder *b, uint64_t count)
{
    ocl_build_items_in_groups(b, count, b->device->vector_cpu ? 1 : GPU_GROUP);
}

/* Of the reduction: a group is a single item on CPU drivers, and starting one costs more than a sum. */
static int params_per_group(const ocl_device *device)
{
    return device->vector_cpu ? CPU_PARAMS_PER_GROUP : 1;
}

static void build_mlp_kernel(ocl_builder *b, const char *noun, const char *kernel, const mlp_shape *shape)
{
    ocl_build_kernel(b, noun, kernel, "-DVEC=%d -DSTRIPS=%d -DWIDTH=%u -DLANES=%u -DWG=%zu -DPARAMS_PER_GROUP=%d",
                     b->device->vector_width, shape->strips, (unsigned)shape->width_bound, (unsigned)shape->lanes,
                     b->device->group_size, params_per_group(b->device));
}

auxo_status ocl_mlp_forward_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                    auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const auxo_mlp_params *params = &op->params.mlp;
    const mlp_shape shape = shape_of(b.device, params, &op->tensors[AUXO_MLP_FORWARD_X], strips_of(b.device));
    (void)parameters;
    cl_mem net = build_net(&b, &params->mlp);
    build_mlp_kernel(&b, "mlp_forward", "mlp_forward", &shape);
    for (int slot = AUXO_MLP_FORWARD_X; slot <= AUXO_MLP_FORWARD_Y; ++slot)
        ocl_arg_tensor(&b, &op->tensors[slot]);
    ocl_arg_memory(&b, net);
    ocl_arg_uint(&b, params->begin_layer);
    ocl_arg_uint(&b, params->end_layer);
    ocl_arg_uint(&b, params->mlp.widths[params->begin_layer]);
    ocl_arg_uint(&b, params->mlp.widths[params->end_layer]);
    ocl_arg_long(&b, (int64_t)shape.rows);
    ocl_arg_float(&b, params->mlp.slope);
    ocl_arg_int(&b, params->mlp.has_bias);
    build_slots(&b, shape.blocks);
    return ocl_build_end(&b, state);
}

/* What both launches of a gradient share. */
typedef struct gradient_pass {
    cl_mem net, partial, sums;
    slot_layout sum_layout;
    uint64_t slots, first_param, sum_count;
} gradient_pass;

static void arg_gradient_inputs(ocl_builder *b, const auxo_op *op, cl_mem net)
{
    for (int slot = AUXO_MLP_GRADIENT_X; slot <= AUXO_MLP_GRADIENT_PARAMS; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_memory(b, net);
}

static void arg_gradient_range(ocl_builder *b, const auxo_mlp_params *params, const mlp_shape *shape,
                               const gradient_pass *pass)
{
    ocl_arg_uint(b, params->begin_layer);
    ocl_arg_uint(b, shape->layer_count);
    ocl_arg_uint(b, params->train_begin);
    ocl_arg_uint(b, params->train_end);
    ocl_arg_long(b, (int64_t)shape->rows);
    ocl_arg_uint(b, (uint32_t)pass->slots);
}

/* On GPUs: a slot is a group, with an item per sample. */
static void build_gradient_lanes(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const gradient_pass *pass)
{
    const auxo_mlp_params *params = &op->params.mlp;
    cl_mem kept = ocl_build_scratch(b, pass->slots * shape->kept_units * shape->vec * sizeof(float));
    build_mlp_kernel(b, "mlp_gradient", "mlp_gradient", shape);
    arg_gradient_inputs(b, op, pass->net);
    ocl_arg_memory(b, kept);
    ocl_arg_memory(b, pass->sums);
    ocl_arg_memory(b, pass->partial);
    arg_gradient_range(b, params, shape, pass);
    ocl_arg_uint(b, shape->kept_units);
    ocl_arg_long(b, (int64_t)pass->sum_layout.row_stride);
    ocl_arg_long(b, (int64_t)pass->sum_layout.slot_stride);
    ocl_arg_float(b, params->mlp.slope);
    ocl_arg_int(b, params->mlp.has_bias);
    ocl_build_groups_1d(b, shape->rows > 0 ? pass->slots : 0, shape->lanes);
}

/* Scratch of the block kernels: `units` rows of a slot and two layers to work in. */
static cl_mem build_block_scratch(ocl_builder *b, const mlp_shape *shape, uint64_t slots, uint64_t units)
{
    return ocl_build_scratch(b, slots * (units + 2 * (uint64_t)shape->width_bound) * shape->vec * sizeof(float));
}

/* The same on CPU drivers. */
static void build_gradient_blocks(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const gradient_pass *pass)
{
    const auxo_mlp_params *params = &op->params.mlp;
    cl_mem work = build_block_scratch(b, shape, pass->slots, shape->kept_units);
    build_mlp_kernel(b, "mlp_gradient_block", "mlp_gradient_block", shape);
    arg_gradient_inputs(b, op, pass->net);
    ocl_arg_memory(b, work);
    ocl_arg_memory(b, pass->sums);
    ocl_arg_memory(b, pass->partial);
    arg_gradient_range(b, params, shape, pass);
    ocl_arg_uint(b, (uint32_t)pass->sum_count);
    ocl_arg_long(b, shape->kept_units);
    ocl_arg_float(b, params->mlp.slope);
    ocl_arg_int(b, params->mlp.has_bias);
    build_slots(b, pass->slots);
}

static void build_gradient_reduction(ocl_builder *b, const auxo_op *op, const mlp_shape *shape,
                                     const gradient_pass *pass)
{
    const uint64_t slots = shape->rows > 0 ? pass->slots : 0;
    const auxo_tensor *history = &op->tensors[AUXO_MLP_GRADIENT_HISTORY];
    auxo_tensor grads = op->tensors[AUXO_MLP_GRADIENT_GRADS];
    build_mlp_kernel(b, "mlp_gradient", "mlp_reduce", shape);
    ocl_arg_memory(b, pass->sums);
    ocl_arg_memory(b, pass->partial);
    grads.offset_bytes += pass->first_param * sizeof(float);
    ocl_arg_tensor(b, &grads);
    ocl_arg_uint(b, (uint32_t)pass->sum_count);
    ocl_arg_uint(b, (uint32_t)slots);
    ocl_arg_uint(b, (uint32_t)slots * shape->lanes);
    ocl_arg_long(b, (int64_t)pass->sum_layout.row_stride);
    ocl_arg_long(b, (int64_t)pass->sum_layout.slot_stride);
    ocl_arg_long(b, (int64_t)shape->rows);
    ocl_arg_float(b, (float)shape->rows * (float)op->params.mlp.mlp.widths[shape->layer_count]);
    ocl_arg_tensor(b, &op->tensors[AUXO_MLP_GRADIENT_LOSS]);
    ocl_arg_tensor(b, &op->tensors[AUXO_MLP_GRADIENT_STATS]);
    ocl_arg_tensor(b, history);
    ocl_arg_long(b, history->rank > 0 ? history->dims[0] : 0);
    ocl_arg_tensor(b, &op->tensors[AUXO_MLP_GRADIENT_COUNTER]);
    ocl_build_groups_1d(b, ocl_divide_up(pass->sum_count + 1, (uint64_t)params_per_group(b->device)),
                        b->device->group_size);
}

auxo_status ocl_mlp_gradient_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                     auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const bool blocks = b.device->vector_cpu;
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_tensor *x = &op->tensors[AUXO_MLP_GRADIENT_X];
    const mlp_shape shape =
        blocks ? block_shape_of(b.device, params, x) : lane_shape_of(b.device, params, x, GRADIENT_REGIONS);
    gradient_pass pass = {.net = build_net(&b, &params->mlp),
                          .first_param = param_offset(&params->mlp, params->train_begin)};
    (void)parameters;
    pass.sum_count = param_offset(&params->mlp, params->train_end) - pass.first_param;
    pass.slots = choose_slots(b.device, &shape, 1, shape.kept_units * shape.vec + pass.sum_count);
    if (!blocks)
        pass.slots = least(pass.slots, GPU_GROUPS_PER_UNIT * (uint64_t)b.device->info.compute_units);
    pass.sum_layout = layout_of(b.device, pass.slots, pass.sum_count, (uint64_t)b.device->vector_width);
    pass.partial = ocl_build_scratch(&b, pass.slots * shape.lanes * sizeof(cl_float2));
    pass.sums = ocl_build_scratch(&b, pass.sum_layout.bytes);
    if (blocks)
        build_gradient_blocks(&b, op, &shape, &pass);
    else
        build_gradient_lanes(&b, op, &shape, &pass);
    build_gradient_reduction(&b, op, &shape, &pass);
    return ocl_build_end(&b, state);
}

/* Memory and cut of a pass over some directions at once. */
typedef struct hvp_pass {
    cl_mem net, kept, sums;
    slot_layout kept_layout, sum_layout;
    uint64_t slots, first_param, param_count;
    uint32_t first_direction, direction_count;
} hvp_pass;

static void build_hvp_pass(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const hvp_pass *pass)
{
    build_mlp_kernel(b, "mlp_hvp", "mlp_hvp", shape);
    for (int slot = AUXO_MLP_HVP_X; slot <= AUXO_MLP_HVP_V; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_memory(b, pass->net);
    ocl_arg_memory(b, pass->kept);
    ocl_arg_memory(b, pass->sums);
    ocl_arg_uint(b, shape->begin_layer);
    ocl_arg_uint(b, shape->layer_count);
    ocl_arg_long(b, (int64_t)shape->rows);
    ocl_arg_uint(b, pass->first_direction);
    ocl_arg_uint(b, pass->direction_count);
    ocl_arg_uint(b, (uint32_t)pass->param_count);
    ocl_arg_uint(b, (uint32_t)pass->slots);
    ocl_arg_uint(b, (uint32_t)(pass->param_count - pass->first_param));
    ocl_arg_long(b, (int64_t)pass->kept_layout.row_stride);
    ocl_arg_long(b, (int64_t)pass->kept_layout.slot_stride);
    ocl_arg_long(b, (int64_t)pass->sum_layout.row_stride);
    ocl_arg_long(b, (int64_t)pass->sum_layout.slot_stride);
    ocl_arg_float(b, shape->mlp->slope);
    ocl_arg_int(b, shape->mlp->has_bias);
    build_slots(b, pass->slots * pass->direction_count);
    build_mlp_kernel(b, "mlp_hvp", "hvp_reduce", shape);
    ocl_arg_memory(b, pass->sums);
    ocl_arg_tensor(b, &op->tensors[AUXO_MLP_HVP_HV]);
    ocl_arg_uint(b, pass->first_direction);
    ocl_arg_uint(b, (uint32_t)pass->param_count);
    ocl_arg_uint(b, (uint32_t)pass->first_param);
    ocl_arg_uint(b, (uint32_t)pass->slots);
    ocl_arg_long(b, (int64_t)pass->sum_layout.row_stride);
    ocl_arg_long(b, (int64_t)pass->sum_layout.slot_stride);
    ocl_build_groups_1d(b, pass->direction_count * pass->param_count, b->device->group_size);
}

auxo_status ocl_mlp_hvp_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const auxo_mlp_params *params = &op->params.mlp;
    const mlp_shape shape = shape_of(b.device, params, &op->tensors[AUXO_MLP_HVP_X], 1);
    const uint64_t directions = (uint64_t)op->tensors[AUXO_MLP_HVP_V].dims[0];
    (void)parameters;
    if (directions == 0)
        return ocl_build_end(&b, state);
    hvp_pass pass = {.net = build_net(&b, &params->mlp),
                     .first_param = param_offset(&params->mlp, params->begin_layer),
                     .param_count = param_offset(&params->mlp, shape.layer_count)};
    const uint64_t rows_per_slot = HVP_KEPT_PER_UNIT * (uint64_t)shape.kept_units + pass.param_count - pass.first_param;
    pass.slots = choose_slots(b.device, &shape, directions, rows_per_slot);
    uint64_t chunk = scratch_budget_bytes / (sizeof(float) * shape.vec * pass.slots * rows_per_slot);
    chunk = chunk < 1 ? 1 : chunk > directions ? directions : chunk;
    pass.kept_layout =
        layout_of(b.device, chunk * pass.slots, HVP_KEPT_PER_UNIT * (uint64_t)shape.kept_units, shape.vec);
    pass.sum_layout = layout_of(b.device, chunk * pass.slots, pass.param_count - pass.first_param, shape.vec);
    pass.kept = ocl_build_scratch(&b, pass.kept_layout.bytes);
    pass.sums = ocl_build_scratch(&b, pass.sum_layout.bytes);
    for (uint64_t first = 0; first < directions; first += chunk) {
        pass.first_direction = (uint32_t)first;
        pass.direction_count = (uint32_t)(directions - first < chunk ? directions - first : chunk);
        build_hvp_pass(&b, op, &shape, &pass);
    }
    return ocl_build_end(&b, state);
}

/* theta_eval: unperturbed activations of all samples, shared by the masks; NULL where they would not pay or not fit. */
static cl_mem build_theta_prefix(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, cl_mem net,
                                 uint64_t unit_count)
{
    const uint64_t masks = (uint64_t)op->tensors[AUXO_THETA_EVAL_THETA].dims[0];
    const uint64_t bytes = unit_count * shape->blocks * shape->vec * sizeof(float);
    if (masks < 2 || bytes == 0 || bytes > scratch_budget_bytes)
        return NULL;
    cl_mem base = ocl_build_scratch(b, bytes);
    build_mlp_kernel(b, "theta_eval", "theta_prefix", shape);
    ocl_arg_tensor(b, &op->tensors[AUXO_THETA_EVAL_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_THETA_EVAL_PARAMS]);
    ocl_arg_memory(b, net);
    ocl_arg_memory(b, base);
    ocl_arg_uint(b, shape->begin_layer);
    ocl_arg_uint(b, shape->layer_count - 1);
    ocl_arg_long(b, (int64_t)shape->rows);
    ocl_arg_float(b, shape->mlp->slope);
    ocl_arg_int(b, shape->mlp->has_bias);
    build_slots(b, shape->blocks);
    return base;
}

/* What both launches of theta_eval share. */
typedef struct theta_pass {
    cl_mem net, partial;
    uint64_t masks, slots;
} theta_pass;

static void arg_theta_inputs(ocl_builder *b, const auxo_op *op, cl_mem net)
{
    for (int slot = AUXO_THETA_EVAL_X; slot <= AUXO_THETA_EVAL_FIRST_LAYER; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_memory(b, net);
}

static void arg_theta_masks(ocl_builder *b, const auxo_op *op, const theta_pass *pass)
{
    ocl_arg_uint(b, (uint32_t)pass->masks);
    ocl_arg_uint(b, (uint32_t)op->tensors[AUXO_THETA_EVAL_THETA].dims[1]);
    ocl_arg_uint(b, (uint32_t)pass->slots);
    ocl_arg_float(b, op->params.mlp.mlp.slope);
    ocl_arg_int(b, op->params.mlp.mlp.has_bias);
    ocl_arg_int(b, op->params.mlp.theta_on_outputs);
}

static void build_theta_items(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const theta_pass *pass)
{
    const uint64_t unit_count = shape->kept_units - shape->mlp->widths[shape->begin_layer] -
                                shape->mlp->widths[shape->layer_count]; /* kept by prefix */
    cl_mem base = build_theta_prefix(b, op, shape, pass->net, unit_count);
    build_mlp_kernel(b, "theta_eval", "theta_eval", shape);
    arg_theta_inputs(b, op, pass->net);
    ocl_arg_memory(b, base);
    ocl_arg_memory(b, pass->partial);
    ocl_arg_uint(b, shape->begin_layer);
    ocl_arg_uint(b, shape->layer_count);
    ocl_arg_long(b, (int64_t)shape->rows);
    arg_theta_masks(b, op, pass);
    build_slots(b, pass->masks * pass->slots);
}

/* On CPU drivers an item takes all masks of its blocks, whose unperturbed values then stay in the cache. */
static void build_theta_blocks(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const theta_pass *pass)
{
    const uint64_t outputs = shape->mlp->widths[shape->layer_count];
    cl_mem work = build_block_scratch(b, shape, pass->slots, shape->kept_units + outputs);
    cl_mem sums =
        ocl_build_scratch(b, pass->masks * pass->slots * 2 * (uint64_t)b->device->vector_width * sizeof(float));
    build_mlp_kernel(b, "theta_eval_block", "theta_eval_block", shape);
    arg_theta_inputs(b, op, pass->net);
    ocl_arg_memory(b, work);
    ocl_arg_memory(b, sums);
    ocl_arg_memory(b, pass->partial);
    ocl_arg_uint(b, shape->begin_layer);
    ocl_arg_uint(b, shape->layer_count);
    ocl_arg_long(b, (int64_t)shape->rows);
    ocl_arg_long(b, shape->kept_units);
    arg_theta_masks(b, op, pass);
    build_slots(b, pass->slots);
}

auxo_status ocl_theta_eval_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                   auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const bool blocks = b.device->vector_cpu;
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_tensor *x = &op->tensors[AUXO_THETA_EVAL_X];
    const mlp_shape shape = blocks ? block_shape_of(b.device, params, x) : shape_of(b.device, params, x, 1);
    theta_pass pass = {.masks = (uint64_t)op->tensors[AUXO_THETA_EVAL_THETA].dims[0]};
    (void)parameters;
    if (pass.masks == 0)
        return ocl_build_end(&b, state);
    pass.slots = choose_slots(b.device, &shape, blocks ? 1 : pass.masks, 2);
    const uint64_t gpu_slots = ocl_divide_up(GPU_ITEMS_PER_UNIT * (uint64_t)b.device->info.compute_units, pass.masks);
    if (!blocks && pass.slots > gpu_slots)
        pass.slots = gpu_slots;
    pass.net = build_net(&b, &params->mlp);
    pass.partial = ocl_build_scratch(&b, pass.masks * pass.slots * sizeof(cl_float2));
    if (blocks)
        build_theta_blocks(&b, op, &shape, &pass);
    else
        build_theta_items(&b, op, &shape, &pass);
    build_mlp_kernel(&b, "theta_eval", "theta_reduce", &shape);
    ocl_arg_memory(&b, pass.partial);
    ocl_arg_tensor(&b, &op->tensors[AUXO_THETA_EVAL_LOSS]);
    ocl_arg_uint(&b, (uint32_t)pass.slots);
    ocl_arg_float(&b, (float)shape.rows * (float)params->mlp.widths[shape.layer_count]);
    ocl_build_groups_1d(&b, pass.masks, b.device->group_size);
    return ocl_build_end(&b, state);
}
