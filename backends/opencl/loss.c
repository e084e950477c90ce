/* backends/opencl/loss.c: softmax, and the losses softmax_cross_entropy and mse.
 *
 * Every loss is two launches: partial sums in pairs of floats, then one group that adds them in a fixed order and
 * writes LOSS, STATS and HISTORY.
 */
#include "kernels.h"

#include "auxo/tensor.h"

/* Work-items that share one row of `classes`: one, unless a GPU would otherwise walk long rows alone. */
static size_t row_group_size(const ocl_builder *b, int64_t classes)
{
    enum { CLASSES_PER_ITEM = 32, ROW_GROUP = 64 };
    return b->device->vector_cpu || classes <= CLASSES_PER_ITEM || b->group_size < ROW_GROUP ? 1 : ROW_GROUP;
}

static void build_rows(ocl_builder *b, int64_t rows, size_t group)
{
    if (group == 1)
        ocl_build_items(b, (uint64_t)rows);
    else
        ocl_build_groups_1d(b, (uint64_t)rows, group);
}

void ocl_arg_loss_outputs(ocl_builder *b, const auxo_op *op, int loss_slot, int stats_slot)
{
    const auxo_tensor *history = &op->tensors[stats_slot + 1];
    ocl_arg_tensor(b, &op->tensors[loss_slot]);
    ocl_arg_tensor(b, &op->tensors[stats_slot]);
    ocl_arg_tensor(b, history);
    ocl_arg_long(b, history->rank > 0 ? history->dims[0] : 0);
    ocl_arg_tensor(b, &op->tensors[stats_slot + 2]);
}

void ocl_softmax_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t *dims = op->tensors[AUXO_SOFTMAX_X].dims;
    const size_t group = row_group_size(b, dims[1]);
    (void)parameters;
    ocl_build_kernel(b, "softmax", "softmax", "-DWG=%zu", group);
    ocl_arg_tensor(b, &op->tensors[AUXO_SOFTMAX_X]);
    ocl_arg_tensor(b, &op->tensors[AUXO_SOFTMAX_Y]);
    ocl_arg_long(b, dims[0]);
    ocl_arg_long(b, dims[1]);
    build_rows(b, dims[0], group);
}

void ocl_softmax_cross_entropy_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t *dims = op->tensors[AUXO_XENT_LOGITS].dims;
    const size_t group = row_group_size(b, dims[1]);
    (void)parameters;
    cl_mem partial = ocl_build_scratch(b, ((uint64_t)dims[0] + 1) * sizeof(cl_float4));
    ocl_build_kernel(b, "softmax_cross_entropy", "xent_rows", "-DWG=%zu -DDATA=%d", group,
                     (int)op->tensors[AUXO_XENT_LOGITS].dtype);
    ocl_arg_tensor(b, &op->tensors[AUXO_XENT_LOGITS]);
    ocl_arg_tensor(b, &op->tensors[AUXO_XENT_LABELS]);
    ocl_arg_tensor(b, &op->tensors[AUXO_XENT_DLOGITS]);
    ocl_arg_memory(b, partial);
    ocl_arg_long(b, dims[0]);
    ocl_arg_long(b, dims[1]);
    build_rows(b, dims[0], group);
    ocl_build_kernel(b, "softmax_cross_entropy", "xent_finish", "-DWG=%zu", b->group_size);
    ocl_arg_memory(b, partial);
    ocl_arg_long(b, dims[0]);
    ocl_arg_loss_outputs(b, op, AUXO_XENT_LOSS, AUXO_XENT_STATS);
    ocl_build_groups_1d(b, 1, b->group_size);
}

void ocl_mse_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    enum { CHUNKS_PER_ITEM = 16 };
    const int64_t count = auxo_tensor_element_count(&op->tensors[AUXO_MSE_PREDICTION]);
    const size_t group = b->group_size;
    const uint64_t most = (b->device->vector_cpu ? 4u : 32u) * (uint64_t)b->device->info.compute_units;
    uint64_t groups = ocl_divide_up((uint64_t)count, group * (uint64_t)b->device->vector_width * CHUNKS_PER_ITEM);
    groups = groups > most ? most : groups;
    (void)parameters;
    cl_mem partial = ocl_build_scratch(b, (groups + 1) * sizeof(cl_float2));
    ocl_build_kernel(b, "mse", "mse_groups", "-DVEC=%d -DWG=%zu", b->device->vector_width, group);
    ocl_arg_tensor(b, &op->tensors[AUXO_MSE_PREDICTION]);
    ocl_arg_tensor(b, &op->tensors[AUXO_MSE_TARGET]);
    ocl_arg_tensor(b, &op->tensors[AUXO_MSE_DPREDICTION]);
    ocl_arg_memory(b, partial);
    ocl_arg_long(b, count);
    ocl_build_groups_1d(b, groups, group);
    ocl_build_kernel(b, "mse", "mse_finish", "-DVEC=%d -DWG=%zu", b->device->vector_width, group);
    ocl_arg_memory(b, partial);
    ocl_arg_uint(b, (uint32_t)groups);
    ocl_arg_long(b, op->tensors[AUXO_MSE_PREDICTION].dims[0]);
    ocl_arg_long(b, count);
    ocl_arg_loss_outputs(b, op, AUXO_MSE_LOSS, AUXO_MSE_STATS);
    ocl_build_groups_1d(b, 1, group);
}
