/* backends/opencl/mlp_gradient.c: loss and gradient of fused narrow networks.
 *
 * One launch leaves sums per slot, a second adds those. On GPUs a slot is a group of samples that sums over them; on
 * CPU drivers an item with blocks of vectors.
 */
#include "mlp.h"

enum { GRADIENT_REGIONS = 3 /* of local memory, as in mlp_gradient.cl */ };

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
    ocl_mlp_build_kernel(b, "mlp_gradient", "mlp_gradient", shape);
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

/* The same on CPU drivers. */
static void build_gradient_blocks(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const gradient_pass *pass)
{
    const auxo_mlp_params *params = &op->params.mlp;
    cl_mem work = ocl_mlp_build_block_scratch(b, shape, pass->slots, shape->kept_units);
    ocl_mlp_build_kernel(b, "mlp_gradient_block", "mlp_gradient_block", shape);
    arg_gradient_inputs(b, op, pass->net);
    ocl_arg_memory(b, work);
    ocl_arg_memory(b, pass->sums);
    ocl_arg_memory(b, pass->partial);
    arg_gradient_range(b, params, shape, pass);
    ocl_arg_uint(b, (uint32_t)pass->sum_count);
    ocl_arg_long(b, shape->kept_units);
    ocl_arg_float(b, params->mlp.slope);
    ocl_arg_int(b, params->mlp.has_bias);
    ocl_mlp_build_slots(b, pass->slots);
}

static void build_gradient_reduction(ocl_builder *b, const auxo_op *op, const mlp_shape *shape,
                                     const gradient_pass *pass)
{
    const uint64_t slots = shape->rows > 0 ? pass->slots : 0;
    const auxo_tensor *history = &op->tensors[AUXO_MLP_GRADIENT_HISTORY];
    auxo_tensor grads = op->tensors[AUXO_MLP_GRADIENT_GRADS];
    ocl_mlp_build_kernel(b, "mlp_gradient", "mlp_reduce", shape);
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
    ocl_build_groups_1d(b, ocl_divide_up(pass->sum_count + 1, (uint64_t)ocl_mlp_params_per_group(b->device)),
                        b->group_size);
}

void ocl_mlp_gradient_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const bool blocks = b->device->vector_cpu;
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_tensor *x = &op->tensors[AUXO_MLP_GRADIENT_X];
    const mlp_shape shape = blocks ? ocl_mlp_block_shape_of(b->device, params, x)
                                   : ocl_mlp_lane_shape_of(b->device, params, x, GRADIENT_REGIONS);
    gradient_pass pass = {.net = ocl_mlp_build_net(b, &params->mlp),
                          .first_param = ocl_mlp_param_offset(&params->mlp, params->train_begin)};
    (void)parameters;
    pass.sum_count = ocl_mlp_param_offset(&params->mlp, params->train_end) - pass.first_param;
    pass.slots = ocl_mlp_choose_slots(b->device, &shape, 1, shape.kept_units * shape.vec + pass.sum_count);
    pass.sum_layout = ocl_mlp_layout_of(b->device, pass.slots, pass.sum_count, (uint64_t)b->device->vector_width);
    pass.partial = ocl_build_scratch(b, pass.slots * shape.lanes * sizeof(cl_float2));
    pass.sums = ocl_build_scratch(b, pass.sum_layout.bytes);
    if (blocks)
        build_gradient_blocks(b, op, &shape, &pass);
    else
        build_gradient_lanes(b, op, &shape, &pass);
    build_gradient_reduction(b, op, &shape, &pass);
}
