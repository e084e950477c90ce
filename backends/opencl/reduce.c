/* backends/opencl/reduce.c: reductions per channel, per segment and per group of weights.
 *
 * Large reductions are split over several groups whose partial results a second launch adds in order; the split
 * depends on shapes and device alone, so results repeat bit for bit.
 */
#include "kernels.h"

/* Programs come in two: one for all sums, one for all extremes. */
static int is_sum(auxo_reduce_kind kind)
{
    return kind != AUXO_REDUCE_MAX && kind != AUXO_REDUCE_MIN && kind != AUXO_REDUCE_MAX_ABS;
}

/* Splits of a reduction with `outputs` results and `terms` steps each: enough groups to fill the device, none with
 * fewer than `terms_min` steps. */
static uint64_t choose_splits(const ocl_device *device, uint64_t outputs, uint64_t terms, uint64_t terms_min)
{
    const uint64_t wanted = (device->vector_cpu ? 2u : 8u) * (uint64_t)device->info.compute_units;
    uint64_t splits = outputs > 0 ? ocl_divide_up(wanted, outputs) : 1;
    const uint64_t most = terms / terms_min;
    if (splits > most)
        splits = most;
    return splits > 0 ? splits : 1;
}

static void build_finish(ocl_builder *b, const auxo_op *op, cl_mem partial, int64_t channels, int64_t terms,
                         uint64_t splits)
{
    if (splits < 2)
        return;
    ocl_build_kernel(b, "reduce", "reduce_finish", "-DVEC=%d -DWG=%zu -DSUMS=%d -DDATA=%d", b->device->vector_width,
                     b->group_size, is_sum(op->params.reduce.kind), (int)op->tensors[AUXO_REDUCE_X].dtype);
    ocl_arg_memory(b, partial);
    ocl_arg_tensor(b, &op->tensors[AUXO_REDUCE_Y]);
    ocl_arg_long(b, channels);
    ocl_arg_float(b, (float)terms);
    ocl_arg_uint(b, (uint32_t)splits);
    ocl_arg_int(b, op->params.reduce.kind);
    ocl_build_items(b, (uint64_t)channels);
}

void ocl_reduce_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    enum { ROWS_MIN = 256 };
    const int64_t *dims = op->tensors[AUXO_REDUCE_X].dims; /* outer, channels, inner */
    const uint64_t vec = (uint64_t)b->device->vector_width;
    const uint64_t group = (uint64_t)b->group_size;
    const bool columns = dims[2] == 1;
    const uint64_t terms =
        columns ? (uint64_t)dims[0] : (uint64_t)dims[0] * ocl_divide_up((uint64_t)dims[2], vec); /* rows or chunks */
    const uint64_t outputs =
        columns ? ocl_divide_up((uint64_t)dims[1], vec * (b->device->vector_cpu ? 1 : group)) : (uint64_t)dims[1];
    const uint64_t splits = choose_splits(b->device, outputs, terms, columns ? ROWS_MIN : 4 * group + ROWS_MIN);
    const uint64_t share = ocl_divide_up(terms, splits);
    (void)parameters;
    cl_mem partial = splits > 1 ? ocl_build_scratch(b, splits * (uint64_t)dims[1] * sizeof(cl_float2)) : NULL;
    ocl_build_kernel(b, "reduce", columns ? "reduce_columns" : "reduce_rows", "-DVEC=%d -DWG=%zu -DSUMS=%d -DDATA=%d",
                     (int)vec, b->group_size, is_sum(op->params.reduce.kind), (int)op->tensors[AUXO_REDUCE_X].dtype);
    ocl_arg_tensor(b, &op->tensors[AUXO_REDUCE_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_REDUCE_Y]);
    ocl_arg_memory(b, partial);
    ocl_arg_long(b, dims[0]);
    ocl_arg_long(b, dims[1]);
    if (!columns)
        ocl_arg_long(b, dims[2]);
    ocl_arg_long(b, (int64_t)share);
    ocl_arg_uint(b, (uint32_t)splits);
    ocl_arg_int(b, op->params.reduce.kind);
    if (columns)
        ocl_build_items(b, ocl_divide_up((uint64_t)dims[1], vec) * splits);
    else
        ocl_build_groups_1d(b, (uint64_t)dims[1] * splits, group);
    build_finish(b, op, partial, dims[1], dims[0] * dims[2], splits);
}

void ocl_segment_reduce_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_segment_reduce_params *params = &op->params.segment_reduce;
    (void)parameters;
    const int dot = AUXO_REDUCE_COUNT; /* as segment_reduce.cl numbers it */
    ocl_build_kernel(b, "segment_reduce", "segment_reduce", "-DVEC=%d -DWG=%zu -DSUMS=%d", b->device->vector_width,
                     b->group_size, params->dot || is_sum(params->kind));
    for (int slot = AUXO_SEGMENT_REDUCE_A; slot <= AUXO_SEGMENT_REDUCE_Y; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_int(b, params->dot ? dot : (int)params->kind);
    ocl_build_groups_1d(b, (uint64_t)op->tensors[AUXO_SEGMENT_REDUCE_Y].dims[0], b->group_size);
}

void ocl_group_norm_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t *dims = op->tensors[AUXO_GROUP_NORM_W].dims;
    (void)parameters;
    ocl_build_kernel(b, "group_norm", "group_norm", "-DVEC=%d -DWG=%zu", b->device->vector_width, b->group_size);
    ocl_arg_tensor(b, &op->tensors[AUXO_GROUP_NORM_W]);
    ocl_arg_tensor(b, &op->tensors[AUXO_GROUP_NORM_BIAS]);
    ocl_arg_tensor(b, &op->tensors[AUXO_GROUP_NORM_NORM]);
    ocl_arg_long(b, dims[1]);
    ocl_arg_int(b, op->params.group_norm.kind);
    ocl_build_groups_1d(b, (uint64_t)dims[0], b->group_size);
}

void ocl_penalty_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const auxo_penalty_params *params = &op->params.penalty;
    const int64_t *dims = op->tensors[AUXO_PENALTY_W].dims;
    const auxo_tensor *value = &op->tensors[AUXO_PENALTY_VALUE];
    const size_t group = b->group_size;
    (void)parameters;
    cl_mem partial = ocl_build_scratch(b, ((uint64_t)dims[0] + 1) * sizeof(cl_float2));
    ocl_build_kernel(b, "penalty", "penalty", "-DVEC=%d -DWG=%zu -DPROXIMAL=%d", b->device->vector_width, group,
                     (int)params->proximal);
    for (int slot = AUXO_PENALTY_W; slot <= AUXO_PENALTY_HYPER; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_memory(b, partial);
    ocl_arg_long(b, dims[1]);
    ocl_arg_float(b, params->strength);
    ocl_arg_int(b, params->kind);
    ocl_build_groups_1d(b, (uint64_t)dims[0], group);
    if (value->rank > 0) {
        ocl_build_kernel(b, "penalty", "penalty_finish", "-DVEC=%d -DWG=%zu -DPROXIMAL=%d", b->device->vector_width,
                         group, (int)params->proximal);
        ocl_arg_memory(b, partial);
        ocl_arg_long(b, dims[0]);
        ocl_arg_tensor(b, value);
        ocl_build_groups_1d(b, 1, group);
    }
}
