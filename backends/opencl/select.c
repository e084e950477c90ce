/* backends/opencl/select.c: sorting, choosing kept groups, selecting by index. */
#include "kernels.h"

#include <string.h>

void ocl_argsort_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t n = op->tensors[AUXO_ARGSORT_KEYS].dims[0];
    const uint64_t run = b->device->vector_cpu ? 32 : 8;
    const uint64_t items = ocl_divide_up((uint64_t)n, run);
    (void)parameters;
    cl_mem from = ocl_build_scratch(b, (uint64_t)n * sizeof(cl_uint2));
    cl_mem to = (uint64_t)n > run ? ocl_build_scratch(b, (uint64_t)n * sizeof(cl_uint2)) : NULL;
    ocl_build_kernel(b, "argsort", "argsort_runs", "-DRUN=%d", (int)run);
    ocl_arg_tensor(b, &op->tensors[AUXO_ARGSORT_KEYS]);
    ocl_arg_memory(b, from);
    ocl_arg_int(b, n);
    ocl_arg_int(b, op->params.argsort.descending);
    ocl_build_items(b, items);
    for (uint64_t width = run; width < (uint64_t)n; width *= 2) {
        ocl_build_kernel(b, "argsort", "argsort_merge", "-DRUN=%d", (int)run);
        ocl_arg_memory(b, from);
        ocl_arg_memory(b, to);
        ocl_arg_int(b, n);
        ocl_arg_uint(b, (uint32_t)width);
        ocl_build_items(b, items);
        cl_mem swap = from;
        from = to;
        to = swap;
    }
    ocl_build_kernel(b, "argsort", "argsort_write", "-DRUN=%d", (int)run);
    ocl_arg_memory(b, from);
    ocl_arg_tensor(b, &op->tensors[AUXO_ARGSORT_ORDER]);
    ocl_arg_int(b, n);
    ocl_build_items(b, (uint64_t)n);
}

void ocl_kept_scan_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    (void)parameters;
    ocl_build_kernel(b, "kept_scan", "kept_scan", "-DWG=%zu", b->group_size);
    for (int slot = AUXO_KEPT_SCAN_NORM; slot <= AUXO_KEPT_SCAN_COUNT; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_int(b, op->tensors[AUXO_KEPT_SCAN_NORM].dims[0]);
    ocl_arg_float(b, op->params.kept_scan.threshold);
    ocl_arg_uint(b, op->params.kept_scan.min_keep);
    ocl_build_groups_1d(b, 1, b->group_size);
}

void ocl_index_select_build(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const int64_t *x_dims = op->tensors[AUXO_INDEX_SELECT_X].dims;
    const int64_t *y_dims = op->tensors[AUXO_INDEX_SELECT_Y].dims;
    const int per_item = b->device->vector_cpu && y_dims[2] >= 16 ? 64 : 1;
    const float fill = op->params.index_select.fill;
    uint32_t fill_bits = (uint32_t)fill;
    (void)parameters;
    if (op->tensors[AUXO_INDEX_SELECT_Y].dtype == AUXO_DTYPE_F32)
        memcpy(&fill_bits, &fill, sizeof fill_bits);
    ocl_build_kernel(b, "index_select", "index_select", "-DPER_ITEM=%d", per_item);
    for (int slot = AUXO_INDEX_SELECT_X; slot <= AUXO_INDEX_SELECT_Y; ++slot)
        ocl_arg_tensor(b, &op->tensors[slot]);
    ocl_arg_long(b, y_dims[0] * y_dims[1]);
    ocl_arg_long(b, y_dims[1]);
    ocl_arg_long(b, x_dims[1]);
    ocl_arg_long(b, y_dims[2]);
    ocl_arg_uint(b, fill_bits);
    ocl_build_items(b, (uint64_t)(y_dims[0] * y_dims[1]) * ocl_divide_up((uint64_t)y_dims[2], (uint64_t)per_item));
}
