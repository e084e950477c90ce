/* backends/opencl/widen.c: see widen.h. */
#include "widen.h"
#include "kernels.h"

static void build_conversion(ocl_builder *b, const auxo_tensor *from, const auxo_tensor *to)
{
    auxo_op copy = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1}};
    copy.tensors[AUXO_COPY_X] = *from;
    copy.tensors[AUXO_COPY_Y] = *to;
    ocl_copy_build(b, &copy, NULL);
}

/* Scratch for the tensor's values in f32, without gaps; `buffer` holds it until the task's arguments are bound. */
static auxo_tensor wide_scratch(ocl_builder *b, const auxo_tensor *tensor, auxo_buffer *buffer)
{
    *buffer =
        (auxo_buffer){.handle = ocl_build_scratch(b, (uint64_t)auxo_tensor_element_count(tensor) * sizeof(float))};
    return auxo_tensor_make(buffer, 0, AUXO_DTYPE_F32, tensor->rank, tensor->dims);
}

static bool has_16_bits(const auxo_tensor *tensor)
{
    return auxo_tensor_is_present(tensor) && (tensor->dtype == AUXO_DTYPE_F16 || tensor->dtype == AUXO_DTYPE_BF16);
}

void ocl_build_widened(ocl_builder *b, const auxo_op *op, const int32_t *parameters, ocl_build_function *build,
                       ocl_widened_output output)
{
    auxo_buffer buffers[AUXO_OP_SLOTS_MAX];
    auxo_op wide = *op;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; ++slot) {
        if (!has_16_bits(&op->tensors[slot]))
            continue;
        wide.tensors[slot] = wide_scratch(b, &op->tensors[slot], &buffers[slot]);
        if (slot != output.slot || output.is_read)
            build_conversion(b, &op->tensors[slot], &wide.tensors[slot]);
    }
    build(b, &wide, parameters);
    if (has_16_bits(&op->tensors[output.slot]))
        build_conversion(b, &wide.tensors[output.slot], &op->tensors[output.slot]);
}
