/* op_pool2d.c: pooling forward and backward, one invocation per output element of either. */
#include "vk_ops.h"

typedef struct pool_push {
    POOL2D_PUSH
} pool_push;

static pool_push push_of(const auxo_pool2d_params *params, const auxo_tensor *image, const auxo_tensor *pooled)
{
    return (pool_push){.height = vk_divider_of((uint64_t)image->dims[2]),
                       .width = vk_divider_of((uint64_t)image->dims[3]),
                       .out_height = vk_divider_of((uint64_t)pooled->dims[2]),
                       .out_width = vk_divider_of((uint64_t)pooled->dims[3]),
                       .window_h = params->window_h,
                       .window_w = params->window_w,
                       .stride_h = vk_divider_of((uint64_t)params->stride_h),
                       .stride_w = vk_divider_of((uint64_t)params->stride_w),
                       .pad_h = params->pad_h,
                       .pad_w = params->pad_w};
}

VK_PREPARE(pool2d_forward)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_POOL2D_Y].dtype);
    const auxo_pool2d_params *params = &op->params.pool2d;
    const auxo_tensor *y = &op->tensors[AUXO_POOL2D_Y];
    pool_push push = push_of(params, &op->tensors[AUXO_POOL2D_X], y);
    push.count = (uint32_t)auxo_tensor_element_count(y);
    if (push.count > 0) {
        const auxo_tensor *index = &op->tensors[AUXO_POOL2D_INDEX];
        const uint32_t place_bytes = auxo_tensor_is_present(index) ? (uint32_t)auxo_dtype_size_bytes(index->dtype) : 0;
        const uint32_t constants[] = {params->kind == AUXO_POOL_AVERAGE, place_bytes};
        vk_step *step = vk_program_add(program, VK_SHADER_pool2d_forward, 0, constants, 2);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_POOL2D_X]), VK_READ);
        vk_step_bind(program, step, vk_span_of(y), VK_WRITE);
        vk_step_bind(program, step, vk_span_of(index), place_bytes == 1 ? VK_READ_WRITE : VK_WRITE);
        vk_step_push(program, step, &push, sizeof push);
        /* bytes: a word for each invocation, and those that the first and the last byte may begin and end in */
        vk_step_groups_flat(program, step, place_bytes == 1 ? (uint64_t)push.count + 2 * FLAT_ELEMENTS : push.count);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(pool2d_backward)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_POOL2D_B_DX].dtype);
    const auxo_pool2d_params *params = &op->params.pool2d;
    const auxo_tensor *dx = &op->tensors[AUXO_POOL2D_B_DX];
    pool_push push = push_of(params, dx, &op->tensors[AUXO_POOL2D_B_DY]);
    push.count = (uint32_t)auxo_tensor_element_count(dx);
    if (push.count > 0) {
        const uint32_t constants[] = {params->kind == AUXO_POOL_AVERAGE, op->tensors[AUXO_POOL2D_B_INDEX].dtype};
        vk_step *step = vk_program_add(program, VK_SHADER_pool2d_backward, 0, constants, 2);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_POOL2D_B_DY]), VK_READ);
        vk_step_bind(program, step, vk_span_of(dx), VK_WRITE);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_POOL2D_B_INDEX]), VK_READ);
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups_flat(program, step, push.count);
    }
    return vk_program_finish(program, state, error);
}
