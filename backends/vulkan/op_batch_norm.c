/* op_batch_norm.c: batch normalisation forward and backward, one workgroup per channel. */
#include "vk_ops.h"

VK_PREPARE(batch_norm_forward)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_X].dims;
    if (dims[1] > 0) {
        const uint32_t constants[] = {params->training, params->activation};
        vk_step *step = vk_program_add(program, VK_SHADER_batch_norm_forward, 0, constants, 2);
        for (uint32_t slot = AUXO_BATCH_NORM_X; slot <= AUXO_BATCH_NORM_SAVED_INVSTD; slot++) {
            vk_access access = slot <= AUXO_BATCH_NORM_BETA ? VK_READ : VK_WRITE;
            if (slot == AUXO_BATCH_NORM_RUNNING_MEAN || slot == AUXO_BATCH_NORM_RUNNING_VAR)
                access = params->training ? VK_READ_WRITE : VK_READ;
            vk_step_bind(program, step, vk_span_of(&op->tensors[slot]), access);
        }
        const struct {
            uint32_t channels;
            vk_divider inner;
            uint32_t terms;
            float epsilon, momentum, slope;
        } push = {(uint32_t)dims[1],
                  vk_divider_of((uint64_t)dims[2]),
                  (uint32_t)(dims[0] * dims[2]),
                  params->epsilon,
                  params->momentum,
                  params->slope};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, push.channels);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(batch_norm_backward)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_B_X].dims;
    if (dims[1] > 0) {
        vk_step *step = vk_program_add(program, VK_SHADER_batch_norm_backward, 0, NULL, 0);
        for (uint32_t slot = AUXO_BATCH_NORM_B_X; slot <= AUXO_BATCH_NORM_B_DBETA; slot++)
            vk_step_bind(program, step, vk_span_of(&op->tensors[slot]),
                         slot >= AUXO_BATCH_NORM_B_DX ? VK_WRITE : VK_READ);
        const struct {
            uint32_t channels;
            vk_divider inner;
            uint32_t terms;
        } push = {(uint32_t)dims[1], vk_divider_of((uint64_t)dims[2]), (uint32_t)(dims[0] * dims[2])};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, push.channels);
    }
    return vk_program_finish(program, state, error);
}
