/* op_optimizer.c: one optimiser step over all parameters, in chunks that fit a binding, and one of a loss scale. */
#include "vk_ops.h"

/* Elements first .. first + count - 1; nothing of an absent tensor. */
static vk_span part_of(const auxo_tensor *tensor, uint64_t first, uint64_t count)
{
    const vk_span span = vk_span_of(tensor);
    return span.buffer ? vk_span_part(span, first, count) : span;
}

VK_PREPARE(optimizer_step)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const auxo_tensor *copy = &op->tensors[AUXO_OPTIMIZER_COPY];
    vk_program_set_format(program, copy->dtype);
    const auxo_optimizer_step_params *params = &op->params.optimizer_step;
    const uint32_t constants[] = {params->kind, params->explicit_euler, params->exponential_friction,
                                  auxo_tensor_is_present(copy)};
    const uint64_t count = (uint64_t)auxo_tensor_element_count(&op->tensors[AUXO_OPTIMIZER_PARAMS]);
    for (uint64_t first = 0; first < count; first += VK_FLAT_CHUNK) {
        const uint64_t part = count - first < VK_FLAT_CHUNK ? count - first : VK_FLAT_CHUNK;
        vk_step *step = vk_program_add(program, VK_SHADER_optimizer_step, 0, constants, 4);
        for (uint32_t slot = AUXO_OPTIMIZER_PARAMS; slot <= AUXO_OPTIMIZER_STATE1; slot++)
            vk_step_bind(program, step, part_of(&op->tensors[slot], first, part),
                         slot == AUXO_OPTIMIZER_GRADS ? VK_READ : VK_READ_WRITE);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_OPTIMIZER_HYPER]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_OPTIMIZER_COUNTER]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_OPTIMIZER_SKIP]), VK_READ);
        vk_step_bind(program, step, part_of(copy, first, part), VK_WRITE);
        const struct {
            OPTIMIZER_STEP_PUSH
        } push = {(uint32_t)part, auxo_tensor_is_present(&op->tensors[AUXO_OPTIMIZER_COUNTER]),
                  auxo_tensor_is_present(&op->tensors[AUXO_OPTIMIZER_SKIP])};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups_flat(program, step, part);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(loss_scale)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const auxo_loss_scale_params *params = &op->params.loss_scale;
    vk_step *step = vk_program_add(program, VK_SHADER_loss_scale, 0, NULL, 0);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_LOSS_SCALE_LARGEST_SLOT]), VK_READ);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_LOSS_SCALE_STATE_SLOT]), VK_READ_WRITE);
    vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_LOSS_SCALE_COUNTER_SLOT]), VK_READ);
    const struct {
        LOSS_SCALE_PUSH
    } push = {(uint32_t)auxo_tensor_element_count(&op->tensors[AUXO_LOSS_SCALE_LARGEST_SLOT]),
              auxo_tensor_is_present(&op->tensors[AUXO_LOSS_SCALE_COUNTER_SLOT]), params->interval, params->least,
              params->most};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, 1);
    return vk_program_finish(program, state, error);
}
