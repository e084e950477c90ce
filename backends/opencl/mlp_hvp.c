/* backends/opencl/mlp_hvp.c: Hessian-vector products of fused narrow networks.
 *
 * As many directions at once as scratch holds: one launch leaves sums per direction and slot, a second adds those. On
 * GPUs a slot is a group of samples that sums over them; on CPU drivers an item with vectors of samples.
 */
#include "mlp.h"

enum { CPU_KEPT_PER_UNIT = 3, LANES_KEPT_PER_UNIT = 2, LANES_REGIONS = 6 /* as in mlp_hvp_lanes.cl */ };

/* Memory and cut of a pass over some directions at once. */
typedef struct hvp_pass {
    cl_mem net, kept, sums;
    slot_layout kept_layout, sum_layout;
    uint64_t slots, first_param, param_count;
    uint32_t first_direction, direction_count;
    bool by_lanes;
} hvp_pass;

static void build_products(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const hvp_pass *pass)
{
    const char *kernel = pass->by_lanes ? "mlp_hvp_lanes" : "mlp_hvp";
    ocl_mlp_build_kernel(b, kernel, kernel, shape);
    for (int slot = AUXO_MLP_HVP_X; slot <= AUXO_MLP_HVP_V; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_memory(b, pass->net);
    ocl_arg_memory(b, pass->kept);
    ocl_arg_memory(b, pass->sums);
    ocl_arg_uint(b, shape->begin_layer);
    ocl_arg_uint(b, shape->layer_count);
    ocl_arg_long(b, (int64_t)shape->rows);
    ocl_arg_uint(b, pass->first_direction);
    if (!pass->by_lanes)
        ocl_arg_uint(b, pass->direction_count);
    ocl_arg_uint(b, (uint32_t)pass->param_count);
    ocl_arg_uint(b, (uint32_t)pass->slots);
    if (pass->by_lanes) {
        ocl_arg_uint(b, shape->kept_units);
    } else {
        ocl_arg_uint(b, (uint32_t)(pass->param_count - pass->first_param));
        ocl_arg_long(b, (int64_t)pass->kept_layout.row_stride);
        ocl_arg_long(b, (int64_t)pass->kept_layout.slot_stride);
    }
    ocl_arg_long(b, (int64_t)pass->sum_layout.row_stride);
    ocl_arg_long(b, (int64_t)pass->sum_layout.slot_stride);
    ocl_arg_float(b, shape->mlp->slope);
    ocl_arg_int(b, shape->mlp->has_bias);
    if (pass->by_lanes)
        ocl_build_groups_1d(b, shape->rows > 0 ? pass->slots * pass->direction_count : 0, shape->lanes);
    else
        ocl_mlp_build_slots(b, pass->slots * pass->direction_count);
}

static void build_reduction(ocl_builder *b, const auxo_op *op, const mlp_shape *shape, const hvp_pass *pass)
{
    ocl_mlp_build_kernel(b, "mlp_hvp", "hvp_reduce", shape);
    ocl_arg_memory(b, pass->sums);
    ocl_arg_tensor(b, &op->tensors[AUXO_MLP_HVP_HV]);
    ocl_arg_uint(b, pass->first_direction);
    ocl_arg_uint(b, (uint32_t)pass->param_count);
    ocl_arg_uint(b, (uint32_t)pass->first_param);
    ocl_arg_uint(b, shape->rows > 0 ? (uint32_t)pass->slots : 0);
    ocl_arg_long(b, (int64_t)pass->sum_layout.row_stride);
    ocl_arg_long(b, (int64_t)pass->sum_layout.slot_stride);
    ocl_build_groups_1d(b, pass->direction_count * pass->param_count, b->group_size);
}

void ocl_mlp_hvp_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const bool by_lanes = !b->device->vector_cpu;
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_tensor *x = &op->tensors[AUXO_MLP_HVP_X];
    const mlp_shape shape = by_lanes ? ocl_mlp_lane_shape_of(b->device, params, x, LANES_REGIONS)
                                     : ocl_mlp_shape_of(b->device, params, x, 1);
    const uint64_t directions = (uint64_t)op->tensors[AUXO_MLP_HVP_V].dims[0];
    (void)parameters;
    if (directions == 0)
        return;
    hvp_pass pass = {.net = ocl_mlp_build_net(b, &params->mlp),
                     .first_param = ocl_mlp_param_offset(&params->mlp, params->begin_layer),
                     .param_count = ocl_mlp_param_offset(&params->mlp, shape.layer_count),
                     .by_lanes = by_lanes};
    const uint64_t kept = (by_lanes ? LANES_KEPT_PER_UNIT : CPU_KEPT_PER_UNIT) * (uint64_t)shape.kept_units;
    const uint64_t sums = pass.param_count - pass.first_param;
    const uint64_t sum_vec = by_lanes ? 1 : shape.vec;
    const uint64_t floats_per_slot = kept * shape.vec + sums * sum_vec;
    pass.slots = ocl_mlp_choose_slots(b->device, &shape, directions, floats_per_slot);
    uint64_t chunk = OCL_MLP_SCRATCH_BYTES / (sizeof(float) * pass.slots * floats_per_slot);
    chunk = chunk < 1 ? 1 : chunk > directions ? directions : chunk;
    pass.kept_layout = ocl_mlp_layout_of(b->device, chunk * pass.slots, kept, shape.vec);
    pass.sum_layout = ocl_mlp_layout_of(b->device, chunk * pass.slots, sums, sum_vec);
    pass.kept =
        ocl_build_scratch(b, by_lanes ? chunk * pass.slots * kept * shape.vec * sizeof(float) : pass.kept_layout.bytes);
    pass.sums = ocl_build_scratch(b, pass.sum_layout.bytes);
    for (uint64_t first = 0; first < directions; first += chunk) {
        pass.first_direction = (uint32_t)first;
        pass.direction_count = (uint32_t)(directions - first < chunk ? directions - first : chunk);
        build_products(b, op, &shape, &pass);
        build_reduction(b, op, &shape, &pass);
    }
}
