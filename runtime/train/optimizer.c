/* optimizer.c: optimisers: their state buffers, hyperparameters on the device, and the update op in a plan.
 *
 * The update itself is one operation over a contiguous range of weights (auxo/ops.h: optimizer_step). Goal braking is
 * in braking.c, settings as text in optimizer_config.c.
 */
#include "model_internal.h"
#include "optimizer_internal.h"

#include <stdlib.h>

static void destroy_states(auxo_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->state_count; i++) {
        auxo_buffer_destroy(optimizer->states[i]);
        optimizer->states[i] = NULL;
    }
}

/* Fresh zeroed states in place of the old ones, which stay if this fails. */
static auxo_status create_states(auxo_optimizer *optimizer, auxo_error *error)
{
    uint64_t size_bytes = auxo_model_weight_count(optimizer->model) * sizeof(float);
    auxo_buffer *created[AUXO__OPTIMIZER_STATES_MAX] = {NULL, NULL};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; status == AUXO_OK && i < optimizer->state_count; i++) {
        status = auxo_buffer_create(auxo_model_device(optimizer->model), size_bytes, &created[i], error);
        if (status == AUXO_OK && size_bytes > 0)
            status = auxo_buffer_zero(auxo_model_queue(optimizer->model), created[i], 0, size_bytes, error);
    }
    if (status != AUXO_OK) {
        for (size_t i = 0; i < optimizer->state_count; i++)
            auxo_buffer_destroy(created[i]);
        return status;
    }
    destroy_states(optimizer);
    for (size_t i = 0; i < optimizer->state_count; i++)
        optimizer->states[i] = created[i];
    return AUXO_OK;
}

auxo_status auxo_optimizer_create(auxo_model *model, const auxo_optimizer_config *config, auxo_optimizer **optimizer,
                                  auxo_error *error)
{
    *optimizer = NULL;
    auxo_status status = auxo__optimizer_config_check(config, error);
    if (status != AUXO_OK)
        return status;
    auxo_optimizer *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating an optimiser");
    created->model = model;
    created->config = *config;
    created->state_count = auxo_optimizer_state_count(config->kind);
    status = auxo_buffer_create(auxo_model_device(model), sizeof config->hyper, &created->hyper, error);
    if (status == AUXO_OK)
        status =
            auxo_buffer_write(auxo_model_queue(model), created->hyper, 0, config->hyper, sizeof config->hyper, error);
    if (status == AUXO_OK)
        status = create_states(created, error);
    if (status == AUXO_OK)
        *optimizer = created;
    else
        auxo_optimizer_destroy(created);
    return status;
}

void auxo_optimizer_destroy(auxo_optimizer *optimizer)
{
    if (!optimizer)
        return;
    auxo_queue_wait(auxo_model_queue(optimizer->model), NULL); /* its work may still use the buffers */
    destroy_states(optimizer);
    auxo__best_point_deinit(&optimizer->best);
    auxo_buffer_destroy(optimizer->hyper);
    free(optimizer);
}

const auxo_optimizer_config *auxo_optimizer_get_config(const auxo_optimizer *optimizer)
{
    return &optimizer->config;
}

static void add_step(auxo_optimizer *optimizer, auxo_plan *plan, uint64_t offset, uint64_t count,
                     const auxo_tensor *counter, auxo_tensor copy)
{
    uint64_t offset_bytes = offset * sizeof(float);
    auxo_op op = {.kind = AUXO_OP_OPTIMIZER_STEP,
                  .params.optimizer_step = {.kind = optimizer->config.kind,
                                            .explicit_euler = optimizer->config.explicit_euler,
                                            .exponential_friction = optimizer->config.exponential_friction}};
    op.tensors[AUXO_OPTIMIZER_PARAMS] =
        auxo_tensor_1d(auxo_model_weights(optimizer->model), offset_bytes, AUXO_DTYPE_F32, (int64_t)count);
    op.tensors[AUXO_OPTIMIZER_GRADS] =
        auxo_tensor_1d(auxo_model_gradients(optimizer->model), offset_bytes, AUXO_DTYPE_F32, (int64_t)count);
    for (size_t i = 0; i < optimizer->state_count; i++)
        op.tensors[AUXO_OPTIMIZER_STATE0 + i] =
            auxo_tensor_1d(optimizer->states[i], offset_bytes, AUXO_DTYPE_F32, (int64_t)count);
    op.tensors[AUXO_OPTIMIZER_HYPER] = auxo_optimizer_hyper_tensor(optimizer);
    if (counter)
        op.tensors[AUXO_OPTIMIZER_COUNTER] = *counter;
    op.tensors[AUXO_OPTIMIZER_SKIP] = optimizer->skip;
    op.tensors[AUXO_OPTIMIZER_COPY] = copy;
    auxo_plan_add(plan, &op, "optimizer.step");
}

void auxo_optimizer_add_step(auxo_optimizer *optimizer, auxo_plan *plan, uint64_t offset, uint64_t count,
                             const auxo_tensor *counter)
{
    add_step(optimizer, plan, offset, count, counter, auxo_tensor_none());
}

void auxo__optimizer_add_step_and_copies(auxo_optimizer *optimizer, auxo_plan *plan, uint64_t offset, uint64_t count,
                                         const auxo_tensor *counter)
{
    add_step(optimizer, plan, offset, count, counter, auxo__model_narrow_weights(optimizer->model, offset, count));
}

auxo_status auxo_optimizer_set_hyper(auxo_optimizer *optimizer, int hyper, float value, auxo_error *error)
{
    if (hyper < 0 || hyper >= AUXO_HYPER_COUNT)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "an optimiser has no hyperparameter %d", hyper);
    auxo_optimizer_config changed = optimizer->config;
    changed.hyper[hyper] = value;
    if (optimizer->brake.fired) /* the friction in force already contains the brake */
        changed.braking.goal = AUXO_GOAL_NONE, changed.braking.brake_on_overfitting = false;
    auxo_status status = auxo__optimizer_config_check(&changed, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(auxo_model_queue(optimizer->model), optimizer->hyper,
                                   (uint64_t)hyper * sizeof(float), &value, sizeof value, error);
    if (status == AUXO_OK)
        optimizer->config.hyper[hyper] = value;
    return status;
}

float auxo_optimizer_get_hyper(const auxo_optimizer *optimizer, int hyper)
{
    return hyper >= 0 && hyper < AUXO_HYPER_COUNT ? optimizer->config.hyper[hyper] : 0.0f;
}

auxo_tensor auxo_optimizer_hyper_tensor(const auxo_optimizer *optimizer)
{
    return auxo_tensor_1d(optimizer->hyper, 0, AUXO_DTYPE_F32, AUXO_HYPER_COUNT);
}

auxo_carried_state auxo_optimizer_carried_state(auxo_optimizer *optimizer)
{
    return (auxo_carried_state){.buffers = optimizer->states, .count = optimizer->state_count};
}

auxo_status auxo_optimizer_reset(auxo_optimizer *optimizer, auxo_error *error)
{
    auxo_status status = create_states(optimizer, error);
    if (status == AUXO_OK)
        optimizer->reset_count++;
    return status;
}
