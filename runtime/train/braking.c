/* braking.c: goal braking of the port-Hamiltonian optimiser, and its kinetic energy.
 *
 * When the watched loss first reaches the goal, friction is multiplied by the brake factor, once and for good (Burghoff
 * et al. 2023). With goal_after the goal then falls and the brake works again at the new one (the adjustable goal of
 * Burghoff's outlook). The state survives checkpoints. Stalls: stall.c.
 */
#include "optimizer_internal.h"

#include <math.h>

bool auxo__optimizer_watches_batches(const auxo_optimizer *optimizer)
{
    const auxo_braking *braking = &optimizer->config.braking;
    const bool waits = !optimizer->brake.fired || optimizer->brake.target > 0;
    return optimizer->config.kind == AUXO_OPTIMIZER_PHS && waits && braking->goal != AUXO_GOAL_NONE &&
           braking->watch != AUXO_WATCH_EPOCH;
}

/* The loss to brake at; NaN: none. */
static double target_of(const auxo_optimizer *optimizer)
{
    const auxo_braking *braking = &optimizer->config.braking;
    const double initial = optimizer->brake.initial_loss;
    if (optimizer->brake.fired)
        return optimizer->brake.target > 0 ? optimizer->brake.target : (double)NAN;
    switch (braking->goal) {
    case AUXO_GOAL_ABSOLUTE:
        return braking->goal_value;
    case AUXO_GOAL_REDUCTION:
        return initial * (1.0 - braking->goal_value);
    case AUXO_GOAL_REMAINING:
        return initial * braking->goal_value;
    default:
        return (double)NAN;
    }
}

/* Whether friction can be multiplied once more. */
static bool can_brake(const auxo_optimizer *optimizer)
{
    auxo_optimizer_config config = optimizer->config;
    config.hyper[AUXO_HYPER_FRICTION] = (float)((double)config.hyper[AUXO_HYPER_FRICTION] * config.braking.brake);
    config.braking = (auxo_braking){.goal = AUXO_GOAL_NONE};
    return auxo__optimizer_config_check(&config, NULL) == AUXO_OK;
}

/* Friction times the brake factor; the goal that was reached falls, if it is to. */
static auxo_status apply_brake(auxo_optimizer *optimizer, double reached, auxo_error *error)
{
    const auxo_braking *braking = &optimizer->config.braking;
    const double friction = (double)optimizer->config.hyper[AUXO_HYPER_FRICTION] * braking->brake;
    optimizer->brake.fired = true;
    auxo_status status = auxo_optimizer_set_hyper(optimizer, AUXO_HYPER_FRICTION, (float)friction, error);
    const bool again = braking->goal_after > 0 && isfinite(reached) && can_brake(optimizer);
    optimizer->brake.target = again ? braking->goal_after * reached : 0;
    return status;
}

/* Takes in a loss; whether it is one that the goal watches, and its watched value. */
static bool update_watched(auxo_optimizer *optimizer, auxo_watch_kind level, double loss, double *watched)
{
    auxo__brake_state *brake = &optimizer->brake;
    const auxo_braking *braking = &optimizer->config.braking;
    if (!brake->has_initial) {
        brake->has_initial = true;
        brake->initial_loss = loss;
    }
    *watched = loss;
    if (level == AUXO_WATCH_EPOCH || braking->watch == AUXO_WATCH_EPOCH)
        return level == AUXO_WATCH_EPOCH && braking->watch == AUXO_WATCH_EPOCH;
    if (braking->watch == AUXO_WATCH_EMA) {
        brake->ema = brake->has_ema ? braking->ema_decay * brake->ema + (1.0 - braking->ema_decay) * loss : loss;
        brake->has_ema = true;
        *watched = brake->ema;
    }
    return true;
}

/* Validation loss rose while training loss fell, against the epoch before. */
static bool overfits(auxo__brake_state *brake, double train_loss, double validation_loss)
{
    bool onset = brake->has_epoch && isfinite(validation_loss) && train_loss < brake->last_train_loss &&
                 validation_loss > brake->last_validation_loss;
    brake->has_epoch = isfinite(validation_loss);
    brake->last_train_loss = train_loss;
    brake->last_validation_loss = validation_loss;
    return onset;
}

auxo_status auxo_optimizer_observe(auxo_optimizer *optimizer, auxo_watch_kind level, double train_loss,
                                   double validation_loss, bool *braked, auxo_error *error)
{
    *braked = false;
    if (optimizer->config.kind != AUXO_OPTIMIZER_PHS)
        return AUXO_OK;
    double watched;
    const bool is_watched = update_watched(optimizer, level, train_loss, &watched);
    const double target = target_of(optimizer);
    bool fire = is_watched && watched <= target;
    if (level == AUXO_WATCH_EPOCH && overfits(&optimizer->brake, train_loss, validation_loss))
        fire = fire || (optimizer->config.braking.brake_on_overfitting && !optimizer->brake.fired);
    auxo_status status = AUXO_OK;
    if (fire) {
        *braked = true;
        status = apply_brake(optimizer, target, error);
    }
    if (status == AUXO_OK && level == AUXO_WATCH_EPOCH)
        status = auxo__stall_observe(optimizer, train_loss, validation_loss, error);
    return status;
}

auxo_brake_memory auxo_optimizer_get_brake(const auxo_optimizer *optimizer)
{
    const auxo__brake_state *brake = &optimizer->brake;
    return (auxo_brake_memory){.fired = brake->fired,
                               .has_initial = brake->has_initial,
                               .has_ema = brake->has_ema,
                               .initial_loss = brake->initial_loss,
                               .ema = brake->ema,
                               .friction = optimizer->config.hyper[AUXO_HYPER_FRICTION],
                               .target = brake->target};
}

auxo_status auxo_optimizer_set_brake(auxo_optimizer *optimizer, const auxo_brake_memory *memory, auxo_error *error)
{
    auxo__brake_state *brake = &optimizer->brake;
    *brake = (auxo__brake_state){.fired = memory->fired,
                                 .has_initial = memory->has_initial,
                                 .has_ema = memory->has_ema,
                                 .initial_loss = memory->initial_loss,
                                 .ema = memory->ema,
                                 .target = memory->target};
    if (optimizer->config.kind != AUXO_OPTIMIZER_PHS)
        return AUXO_OK;
    return auxo_optimizer_set_hyper(optimizer, AUXO_HYPER_FRICTION, memory->friction, error);
}

auxo_status auxo_optimizer_kinetic_energy(auxo_optimizer *optimizer, double *energy, auxo_error *error)
{
    *energy = 0.0;
    int64_t count = (int64_t)auxo_model_weight_count(optimizer->model);
    if (optimizer->config.kind != AUXO_OPTIMIZER_PHS || count == 0)
        return AUXO_OK;
    auxo_buffer *sum = NULL;
    float squares = 0.0f;
    const int64_t dims[3] = {1, 1, count};
    auxo_queue *queue = auxo_model_queue(optimizer->model);
    auxo_status status = auxo_buffer_create(auxo_model_device(optimizer->model), sizeof squares, &sum, error);
    if (status == AUXO_OK) {
        auxo_op op = {.kind = AUXO_OP_REDUCE, .params.reduce = {.kind = AUXO_REDUCE_SUM_SQUARES}};
        op.tensors[AUXO_REDUCE_X] = auxo_tensor_make(optimizer->states[0], 0, AUXO_DTYPE_F32, 3, dims);
        op.tensors[AUXO_REDUCE_Y] = auxo_tensor_1d(sum, 0, AUXO_DTYPE_F32, 1);
        status = auxo_op_run(queue, &op, error);
    }
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, sum, 0, &squares, sizeof squares, error);
    if (status == AUXO_OK)
        *energy = (double)squares / (2.0 * (double)optimizer->config.hyper[AUXO_HYPER_MASS]);
    auxo_buffer_destroy(sum);
    return status;
}
