/* backends/opencl/mlp.c: fused narrow networks: what mlp.h declares, forward, theta evaluation. */
#include "mlp.h"

#include <stdlib.h>

enum {
    NET_WORDS = 5,
    BLOCK_VECTORS = 8, /* shaders/opencl/mlp_block.clh */
    CPU_SLOTS_PER_UNIT = 2,
    GPU_GROUP = 64,
    GPU_ITEMS_PER_UNIT = 1024,
    GPU_GROUPS_PER_UNIT = 32,
    GPU_LANES = 32,
    GPU_LANES_MAX = 64,
    LANES_LOCAL_BYTES = 24 << 10,
    CPU_PARAMS_PER_GROUP = 32
};
static const uint64_t scratch_budget_bytes = OCL_MLP_SCRATCH_BYTES;

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* As many as the accumulators of a few units fit the registers. */
static int strips_of(const ocl_device *device)
{
    return device->vector_width >= 16 ? 4 : device->vector_width >= 8 ? 2 : 1;
}

mlp_shape ocl_mlp_shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x, int strips)
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

mlp_shape ocl_mlp_block_shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x)
{
    mlp_shape shape = ocl_mlp_shape_of(device, params, x, strips_of(device));
    shape.vec = (uint64_t)device->vector_width * BLOCK_VECTORS;
    shape.blocks = ocl_divide_up(shape.rows, shape.vec);
    return shape;
}

mlp_shape ocl_mlp_lane_shape_of(const ocl_device *device, const auxo_mlp_params *params, const auxo_tensor *x,
                                uint32_t regions)
{
    const uint64_t room = least(device->info.local_memory_bytes, LANES_LOCAL_BYTES);
    mlp_shape shape = ocl_mlp_shape_of(device, params, x, 1);
    /* One subgroup: barriers cost nothing, and layers of a few parameters leave fewest items idle. */
    shape.lanes = device->info.subgroup_size >= GPU_LANES_MAX ? GPU_LANES_MAX : GPU_LANES;
    shape.lanes = (uint32_t)least(shape.lanes, device->group_size);
    while (shape.lanes > 1 && regions * shape.width_bound * shape.lanes * sizeof(float) > room)
        shape.lanes /= 2;
    shape.vec = shape.lanes;
    shape.blocks = ocl_divide_up(shape.rows, shape.vec);
    return shape;
}

uint64_t ocl_mlp_param_offset(const auxo_mlp *mlp, uint32_t layer)
{
    uint64_t offset = 0;
    for (uint32_t l = 0; l < layer; ++l)
        offset += (uint64_t)mlp->widths[l + 1] * (mlp->widths[l] + (mlp->has_bias ? 1u : 0u));
    return offset;
}

cl_mem ocl_mlp_build_net(ocl_builder *b, const auxo_mlp *mlp)
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
        layer[3] = (uint32_t)ocl_mlp_param_offset(mlp, l);
        layer[4] = unit;
        unit += mlp->widths[l + 1];
    }
    cl_mem memory = ocl_build_table(b, table, (uint64_t)mlp->layer_count * NET_WORDS * sizeof *table);
    free(table);
    return memory;
}

uint64_t ocl_mlp_choose_slots(const ocl_device *device, const mlp_shape *shape, uint64_t streams,
                              uint64_t floats_per_slot)
{
    uint64_t slots = shape->blocks;
    if (device->vector_cpu) {
        const uint64_t wanted = ocl_divide_up(CPU_SLOTS_PER_UNIT * (uint64_t)device->info.compute_units, streams);
        slots = slots < wanted ? slots : wanted;
    } else {
        slots = least(slots, scratch_budget_bytes / (sizeof(float) * (floats_per_slot + 1)));
        if (shape->lanes > 1)
            slots = least(slots, ocl_divide_up(GPU_GROUPS_PER_UNIT * (uint64_t)device->info.compute_units, streams));
    }
    return slots > 0 ? slots : 1;
}

slot_layout ocl_mlp_layout_of(const ocl_device *device, uint64_t slots, uint64_t rows, uint64_t vec)
{
    if (device->vector_cpu)
        return (slot_layout){.row_stride = vec, .slot_stride = rows * vec, .bytes = slots * rows * vec * sizeof(float)};
    return (slot_layout){.row_stride = slots, .slot_stride = 1, .bytes = slots * rows * sizeof(float)};
}

void ocl_mlp_build_slots(ocl_builder *b, uint64_t count)
{
    ocl_build_items_in_groups(b, count, b->device->vector_cpu ? 1 : GPU_GROUP);
}

int ocl_mlp_params_per_group(const ocl_device *device)
{
    return device->vector_cpu ? CPU_PARAMS_PER_GROUP : 1;
}

void ocl_mlp_build_kernel(ocl_builder *b, const char *noun, const char *kernel, const mlp_shape *shape)
{
    ocl_build_kernel(b, noun, kernel, "-DVEC=%d -DSTRIPS=%d -DWIDTH=%u -DLANES=%u -DWG=%zu -DPARAMS_PER_GROUP=%d",
                     b->device->vector_width, shape->strips, (unsigned)shape->width_bound, (unsigned)shape->lanes,
                     b->group_size, ocl_mlp_params_per_group(b->device));
}

cl_mem ocl_mlp_build_block_scratch(ocl_builder *b, const mlp_shape *shape, uint64_t slots, uint64_t units)
{
    return ocl_build_scratch(b, slots * (units + 2 * (uint64_t)shape->width_bound) * shape->vec * sizeof(float));
}

void ocl_mlp_forward_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const mlp_shape shape = ocl_mlp_shape_of(b->device, params, &op->tensors[AUXO_MLP_FORWARD_X], strips_of(b->device));
    (void)parameters;
    cl_mem net = ocl_mlp_build_net(b, &params->mlp);
    ocl_mlp_build_kernel(b, "mlp_forward", "mlp_forward", &shape);
    for (int slot = AUXO_MLP_FORWARD_X; slot <= AUXO_MLP_FORWARD_Y; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_memory(b, net);
    ocl_arg_uint(b, params->begin_layer);
    ocl_arg_uint(b, params->end_layer);
    ocl_arg_uint(b, params->mlp.widths[params->begin_layer]);
    ocl_arg_uint(b, params->mlp.widths[params->end_layer]);
    ocl_arg_long(b, (int64_t)shape.rows);
    ocl_arg_float(b, params->mlp.slope);
    ocl_arg_int(b, params->mlp.has_bias);
    ocl_mlp_build_slots(b, shape.blocks);
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
    ocl_mlp_build_kernel(b, "theta_eval", "theta_prefix", shape);
    ocl_arg_tensor(b, &op->tensors[AUXO_THETA_EVAL_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_THETA_EVAL_PARAMS]);
    ocl_arg_memory(b, net);
    ocl_arg_memory(b, base);
    ocl_arg_uint(b, shape->begin_layer);
    ocl_arg_uint(b, shape->layer_count - 1);
    ocl_arg_long(b, (int64_t)shape->rows);
    ocl_arg_float(b, shape->mlp->slope);
    ocl_arg_int(b, shape->mlp->has_bias);
    ocl_mlp_build_slots(b, shape->blocks);
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
    ocl_mlp_build_kernel(b, "theta_eval", "theta_eval", shape);
    arg_theta_inputs(b, op, pass->net);
    ocl_arg_memory(b, base);
    ocl_arg_memory(b, pass->partial);
    ocl_arg_uint(b, shape->begin_layer);
    ocl_arg_uint(b, shape->layer_count);
    ocl_arg_long(b, (int64_t)shape->rows);
    arg_theta_masks(b, op, pass);
    ocl_mlp_build_slots(b, pass->masks * pass->slots);
}

/* On CPU drivers an item takes all masks of its blocks, whose unperturbed values then stay in the cache. */
static void build_theta_blocks(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const theta_pass *pass)
{
    const uint64_t outputs = shape->mlp->widths[shape->layer_count];
    cl_mem work = ocl_mlp_build_block_scratch(b, shape, pass->slots, shape->kept_units + outputs);
    cl_mem sums =
        ocl_build_scratch(b, pass->masks * pass->slots * 2 * (uint64_t)b->device->vector_width * sizeof(float));
    ocl_mlp_build_kernel(b, "theta_eval_block", "theta_eval_block", shape);
    arg_theta_inputs(b, op, pass->net);
    ocl_arg_memory(b, work);
    ocl_arg_memory(b, sums);
    ocl_arg_memory(b, pass->partial);
    ocl_arg_uint(b, shape->begin_layer);
    ocl_arg_uint(b, shape->layer_count);
    ocl_arg_long(b, (int64_t)shape->rows);
    ocl_arg_long(b, shape->kept_units);
    arg_theta_masks(b, op, pass);
    ocl_mlp_build_slots(b, pass->slots);
}

void ocl_theta_eval_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const bool blocks = b->device->vector_cpu;
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_tensor *x = &op->tensors[AUXO_THETA_EVAL_X];
    const mlp_shape shape =
        blocks ? ocl_mlp_block_shape_of(b->device, params, x) : ocl_mlp_shape_of(b->device, params, x, 1);
    theta_pass pass = {.masks = (uint64_t)op->tensors[AUXO_THETA_EVAL_THETA].dims[0]};
    (void)parameters;
    if (pass.masks == 0)
        return;
    pass.slots = ocl_mlp_choose_slots(b->device, &shape, blocks ? 1 : pass.masks, 2);
    const uint64_t gpu_slots = ocl_divide_up(GPU_ITEMS_PER_UNIT * (uint64_t)b->device->info.compute_units, pass.masks);
    if (!blocks && pass.slots > gpu_slots)
        pass.slots = gpu_slots;
    pass.net = ocl_mlp_build_net(b, &params->mlp);
    pass.partial = ocl_build_scratch(b, pass.masks * pass.slots * sizeof(cl_float2));
    if (blocks)
        build_theta_blocks(b, op, &shape, &pass);
    else
        build_theta_items(b, op, &shape, &pass);
    ocl_mlp_build_kernel(b, "theta_eval", "theta_reduce", &shape);
    ocl_arg_memory(b, pass.partial);
    ocl_arg_tensor(b, &op->tensors[AUXO_THETA_EVAL_LOSS]);
    ocl_arg_uint(b, (uint32_t)pass.slots);
    ocl_arg_float(b, (float)shape.rows * (float)params->mlp.widths[shape.layer_count]);
    ocl_build_groups_1d(b, pass.masks, b->group_size);
}
