/* backends/opencl/batch_norm.c: batch normalisation. */
#include "kernels.h"

auxo_status ocl_batch_norm_forward_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                           auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_X].dims; /* N, C, inner */
    const int last_slot = params->training ? AUXO_BATCH_NORM_SAVED_INVSTD : AUXO_BATCH_NORM_Y;
    (void)parameters;
    ocl_build_kernel(&b, "batch_norm", params->training ? "batch_norm_forward" : "batch_norm_inference",
                     "-DVEC=%d -DWG=%zu", b.device->vector_width, b.device->group_size);
    for (int slot = AUXO_BATCH_NORM_X; slot <= last_slot; ++slot)
        ocl_arg_tensor(&b, &op->tensors[slot]);
    ocl_arg_long(&b, params->training ? dims[0] : dims[0] * dims[1]);
    ocl_arg_long(&b, dims[1]);
    ocl_arg_long(&b, dims[2]);
    ocl_arg_float(&b, params->epsilon);
    if (params->training)
        ocl_arg_float(&b, params->momentum);
    ocl_arg_int(&b, params->activation);
    ocl_arg_float(&b, params->slope);
    if (params->training)
        ocl_build_groups_1d(&b, (uint64_t)dims[1], b.device->group_size);
    else
        ocl_build_items(&b, (uint64_t)(dims[0] * dims[1]) *
                                ocl_divide_up((uint64_t)dims[2], (uint64_t)b.device->vector_width));
    return ocl_build_end(&b, state);
}

auxo_status ocl_batch_norm_backward_prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                            auxo_error *error)
{
    ocl_builder b = ocl_build_begin(device, error);
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_B_X].dims;
    (void)parameters;
    ocl_build_kernel(&b, "batch_norm", "batch_norm_backward", "-DVEC=%d -DWG=%zu", b.device->vector_width,
                     b.device->group_size);
    for (int slot = AUXO_BATCH_NORM_B_X; slot <= AUXO_BATCH_NORM_B_DBETA; ++slot)
        ocl_arg_tensor(&b, &op->tensors[slot]);
    for (int axis = 0; axis < 3; ++axis)
        ocl_arg_long(&b, dims[axis]);
    ocl_build_groups_1d(&b, (uint64_t)dims[1], b.device->group_size);
    return ocl_build_end(&b, state);
}
