/* op_batch_norm.c: batch normalisation forward and backward, one workgroup per channel; or several ("split"), where
 * channels are long and too few to fill a GPU, in two dispatches. */
#include "vk_ops.h"

static auxo_status build_batch_norm_forward(vk_device *device, const auxo_op *op, vk_program *program, void **state,
                                            auxo_error *error)
{
    (void)device;
    vk_program_set_format(program, op->tensors[AUXO_BATCH_NORM_X].dtype);
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
            BATCH_NORM_FORWARD_PUSH
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

VK_PREPARE_EITHER(batch_norm_forward)

static auxo_status build_batch_norm_backward(vk_device *device, const auxo_op *op, vk_program *program, void **state,
                                             auxo_error *error)
{
    (void)device;
    vk_program_set_format(program, op->tensors[AUXO_BATCH_NORM_B_X].dtype);
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_B_X].dims;
    if (dims[1] > 0) {
        vk_step *step = vk_program_add(program, VK_SHADER_batch_norm_backward, 0, NULL, 0);
        for (uint32_t slot = AUXO_BATCH_NORM_B_X; slot <= AUXO_BATCH_NORM_B_DBETA; slot++)
            vk_step_bind(program, step, vk_span_of(&op->tensors[slot]),
                         slot >= AUXO_BATCH_NORM_B_DX ? VK_WRITE : VK_READ);
        const struct {
            BATCH_NORM_BACKWARD_PUSH
        } push = {(uint32_t)dims[1], vk_divider_of((uint64_t)dims[2]), (uint32_t)(dims[0] * dims[2])};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, push.channels);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE_EITHER(batch_norm_backward)

/* How a channel's terms are divided among workgroups. */
typedef struct split {
    BATCH_NORM_SPLIT_PUSH
} split;

enum {
    SPLIT_TERMS_MIN = 2048, /* of a part: fewer do not pay for the second dispatch */
    SPLIT_GROUPS = 1024     /* that keep a large GPU busy */
};

static split split_of(const vk_device *device, const int64_t *dims)
{
    const uint32_t terms = (uint32_t)(dims[0] * dims[2]);
    uint64_t parts = vk_ceil_div(SPLIT_GROUPS, (uint64_t)dims[1]);
    if (parts > terms / SPLIT_TERMS_MIN)
        parts = terms / SPLIT_TERMS_MIN;
    if (parts > device->group_size) /* each invocation merges one */
        parts = device->group_size;
    const uint64_t part_terms = vk_ceil_div(terms, parts);
    return (split){.channels = (uint32_t)dims[1],
                   .inner = vk_divider_of((uint64_t)dims[2]),
                   .terms = terms,
                   .parts = (uint32_t)vk_ceil_div(terms, part_terms),
                   .part_terms = (uint32_t)part_terms};
}

bool vk_supports_batch_norm_split(void *device, const auxo_op *op)
{
    const int64_t *dims = op->tensors[AUXO_BATCH_NORM_X].dims;
    const bool trains = op->kind == AUXO_OP_BATCH_NORM_BACKWARD || op->params.batch_norm.training;
    return trains && dims[1] > 0 && dims[1] * 2 <= SPLIT_GROUPS && dims[0] * dims[2] >= 2 * SPLIT_TERMS_MIN &&
           vk_fits_bindings(device, op);
}

static vk_span partials_of(vk_program *program, const split *parts)
{
    return vk_program_scratch(program, (uint64_t)parts->channels * parts->parts, 4 * sizeof(float));
}

static void bind_slots(vk_program *program, vk_step *step, const auxo_op *op, const uint32_t *slots, size_t count,
                       vk_access access)
{
    for (size_t i = 0; i < count; i++)
        vk_step_bind(program, step, vk_span_of(&op->tensors[slots[i]]), access);
}

VK_PREPARE(batch_norm_forward_split)
{
    static const uint32_t affine[] = {AUXO_BATCH_NORM_GAMMA, AUXO_BATCH_NORM_BETA};
    static const uint32_t running[] = {AUXO_BATCH_NORM_RUNNING_MEAN, AUXO_BATCH_NORM_RUNNING_VAR};
    static const uint32_t results[] = {AUXO_BATCH_NORM_Y, AUXO_BATCH_NORM_SAVED_MEAN, AUXO_BATCH_NORM_SAVED_INVSTD};
    const auxo_batch_norm_params *params = &op->params.batch_norm;
    const vk_span x = vk_span_of(&op->tensors[AUXO_BATCH_NORM_X]);
    const struct {
        split parts;
        BATCH_NORM_FORWARD_SPLIT_PUSH
    } push = {split_of(device, op->tensors[AUXO_BATCH_NORM_X].dims), params->epsilon, params->momentum, params->slope};
    const uint64_t groups = (uint64_t)push.parts.channels * push.parts.parts;
    const uint32_t constants[] = {params->activation};
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_BATCH_NORM_X].dtype);
    const vk_span moments = partials_of(program, &push.parts);
    vk_step *step = vk_program_add(program, VK_SHADER_batch_norm_forward_moments, 0, constants, 1);
    vk_step_bind(program, step, x, VK_READ);
    vk_step_bind(program, step, moments, VK_WRITE);
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, groups);
    step = vk_program_add(program, VK_SHADER_batch_norm_forward_merged, 0, constants, 1);
    vk_step_bind(program, step, x, VK_READ);
    vk_step_bind(program, step, moments, VK_READ);
    bind_slots(program, step, op, affine, 2, VK_READ);
    bind_slots(program, step, op, running, 2, VK_READ_WRITE);
    bind_slots(program, step, op, results, 3, VK_WRITE);
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, groups);
    return vk_program_finish(program, state, error);
}

VK_PREPARE(batch_norm_backward_split)
{
    static const uint32_t inputs[] = {AUXO_BATCH_NORM_B_X, AUXO_BATCH_NORM_B_SAVED_MEAN, AUXO_BATCH_NORM_B_DY};
    static const uint32_t scales[] = {AUXO_BATCH_NORM_B_GAMMA, AUXO_BATCH_NORM_B_SAVED_INVSTD};
    static const uint32_t results[] = {AUXO_BATCH_NORM_B_DX, AUXO_BATCH_NORM_B_DGAMMA, AUXO_BATCH_NORM_B_DBETA};
    const split push = split_of(device, op->tensors[AUXO_BATCH_NORM_B_X].dims);
    const uint64_t groups = (uint64_t)push.channels * push.parts;
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_BATCH_NORM_B_X].dtype);
    const vk_span sums = partials_of(program, &push);
    vk_step *step = vk_program_add(program, VK_SHADER_batch_norm_backward_sums, 0, NULL, 0);
    bind_slots(program, step, op, inputs, 3, VK_READ);
    vk_step_bind(program, step, sums, VK_WRITE);
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, groups);
    step = vk_program_add(program, VK_SHADER_batch_norm_backward_merged, 0, NULL, 0);
    bind_slots(program, step, op, inputs, 3, VK_READ);
    vk_step_bind(program, step, sums, VK_READ);
    bind_slots(program, step, op, scales, 2, VK_READ);
    bind_slots(program, step, op, results, 3, VK_WRITE);
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, groups);
    return vk_program_finish(program, state, error);
}
