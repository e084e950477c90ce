/* op_loss.c: softmax, and the losses softmax_cross_entropy and mse with the ending that they share with cox.
 *
 * Workgroups leave partial sums (hi, lo, rows predicted right, 0); loss_finish adds them up in a fixed order, divides
 * and writes LOSS, STATS and HISTORY.
 */
#include "vk_ops.h"

vk_loss_push vk_loss_push_of(const auxo_op *op, uint32_t stats_slot, uint64_t rows)
{
    const auxo_tensor *history = &op->tensors[stats_slot + 1];
    return (vk_loss_push){.has_stats = auxo_tensor_is_present(&op->tensors[stats_slot]),
                          .history_length = auxo_tensor_is_present(history) ? (uint32_t)history->dims[0] : 0,
                          .has_counter = auxo_tensor_is_present(&op->tensors[stats_slot + 2]),
                          .rows = (float)rows};
}

void vk_bind_loss(vk_program *program, vk_step *step, const auxo_op *op, uint32_t loss_slot, uint32_t stats_slot)
{
    vk_step_bind(program, step, vk_span_of(&op->tensors[loss_slot]), VK_WRITE);
    vk_step_bind(program, step, vk_span_of(&op->tensors[stats_slot]), VK_READ_WRITE);
    vk_step_bind(program, step, vk_span_of(&op->tensors[stats_slot + 1]), VK_WRITE);
    vk_step_bind(program, step, vk_span_of(&op->tensors[stats_slot + 2]), VK_READ);
}

void vk_add_loss_finish(vk_program *program, const auxo_op *op, const vk_loss_finish *finish)
{
    vk_step *step = vk_program_add(program, VK_SHADER_loss_finish, 0, NULL, 0);
    vk_step_bind(program, step, finish->partial, VK_READ);
    vk_loss_push ending = {0};
    if (finish->stats_slot < AUXO_OP_SLOTS_MAX) {
        vk_bind_loss(program, step, op, finish->loss_slot, finish->stats_slot);
        ending = vk_loss_push_of(op, finish->stats_slot, finish->rows);
    } else {
        vk_step_bind(program, step, vk_span_of(&op->tensors[finish->loss_slot]), VK_WRITE);
        for (int i = 0; i < 3; i++)
            vk_step_bind(program, step, vk_span_none(), VK_READ);
    }
    const double divisor = (double)finish->divisor;
    const struct {
        LOSS_FINISH_PUSH
        vk_loss_push ending;
    } push = {(uint32_t)finish->losses, (uint32_t)finish->parts, (float)divisor,
              (float)(divisor - (double)(float)divisor), ending};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups(program, step, finish->losses);
}

static auxo_status build_softmax(vk_device *device, const auxo_op *op, vk_program *program, void **state,
                                 auxo_error *error)
{
    const int64_t *dims = op->tensors[AUXO_SOFTMAX_X].dims;
    if (dims[0] * dims[1] > 0) {
        const uint32_t lanes = vk_lanes_for(device, (uint64_t)dims[1]);
        vk_step *step = vk_program_add(program, VK_SHADER_softmax, 0, &lanes, 1);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_SOFTMAX_X]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_SOFTMAX_Y]), VK_WRITE);
        const struct {
            SOFTMAX_PUSH
        } push = {(uint32_t)dims[0], (uint32_t)dims[1]};
        vk_step_push(program, step, &push, sizeof push);
        if (step)
            vk_step_groups(program, step, vk_ceil_div(push.rows, step->key.constants[0] / lanes));
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE_EITHER(softmax)

static auxo_status build_softmax_cross_entropy(vk_device *device, const auxo_op *op, vk_program *program, void **state,
                                               auxo_error *error)
{
    const int64_t *dims = op->tensors[AUXO_XENT_LOGITS].dims;
    const uint32_t lanes = vk_lanes_for(device, (uint64_t)dims[1]);
    const uint64_t rows_per_group = device->group_size / lanes;
    vk_program_set_format(program, op->tensors[AUXO_XENT_LOGITS].dtype);
    const uint64_t parts = vk_ceil_div((uint64_t)dims[0], rows_per_group);
    const vk_span partial = vk_program_scratch(program, 4 * parts, 4);
    if (parts > 0) {
        const uint32_t constants[] = {lanes, auxo_tensor_is_present(&op->tensors[AUXO_XENT_DLOGITS])};
        vk_step *step = vk_program_add(program, VK_SHADER_softmax_cross_entropy, 0, constants, 2);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_XENT_LOGITS]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_XENT_LABELS]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_XENT_DLOGITS]), VK_WRITE);
        vk_step_bind(program, step, partial, VK_WRITE);
        const struct {
            SOFTMAX_PUSH
        } push = {(uint32_t)dims[0], (uint32_t)dims[1]};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, parts);
    }
    const vk_loss_finish finish = {.partial = partial,
                                   .losses = 1,
                                   .parts = parts,
                                   .divisor = (uint64_t)dims[0],
                                   .rows = (uint64_t)dims[0],
                                   .loss_slot = AUXO_XENT_LOSS,
                                   .stats_slot = AUXO_XENT_STATS};
    vk_add_loss_finish(program, op, &finish);
    return vk_program_finish(program, state, error);
}

VK_PREPARE_EITHER(softmax_cross_entropy)

VK_PREPARE(mse)
{
    (void)parameters;
    enum { PARTS_MAX = 256 };
    vk_program *program = vk_program_begin(device, error);
    const uint64_t count = (uint64_t)auxo_tensor_element_count(&op->tensors[AUXO_MSE_PREDICTION]);
    const uint64_t group_size = ((vk_device *)device)->group_size;
    uint64_t parts = vk_ceil_div(count, group_size);
    parts = parts < PARTS_MAX ? parts : PARTS_MAX;
    const vk_span partial = vk_program_scratch(program, 4 * parts, 4);
    if (parts > 0) {
        const uint32_t gradient = auxo_tensor_is_present(&op->tensors[AUXO_MSE_DPREDICTION]);
        vk_step *step = vk_program_add(program, VK_SHADER_mse, 0, &gradient, 1);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_MSE_PREDICTION]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_MSE_TARGET]), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_MSE_DPREDICTION]), VK_WRITE);
        vk_step_bind(program, step, partial, VK_WRITE);
        const struct {
            MSE_PUSH
        } push = {(uint32_t)count, (uint32_t)(parts * group_size)};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups(program, step, parts);
    }
    const vk_loss_finish finish = {.partial = partial,
                                   .losses = 1,
                                   .parts = parts,
                                   .divisor = count,
                                   .rows = (uint64_t)op->tensors[AUXO_MSE_PREDICTION].dims[0],
                                   .loss_slot = AUXO_MSE_LOSS,
                                   .stats_slot = AUXO_MSE_STATS};
    vk_add_loss_finish(program, op, &finish);
    return vk_program_finish(program, state, error);
}
