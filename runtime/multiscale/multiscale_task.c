/* multiscale_task.c: records and sums of iterations, and optimisers in checkpoints.
 */
#include "multiscale_task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

auxo__iteration_record auxo__iteration_record_of(const auxo_multiscale_iteration *iteration)
{
    return (auxo__iteration_record){.iteration = iteration->iteration,
                                    .layer_begin = iteration->layer_begin,
                                    .layer_end = iteration->layer_end,
                                    .unit_begin = iteration->unit_end > 0 ? iteration->unit_begin : (double)NAN,
                                    .unit_end = iteration->unit_end > 0 ? iteration->unit_end : (double)NAN,
                                    .layer = iteration->layer_begin + 1,
                                    .epochs = iteration->epochs,
                                    .loss = iteration->loss,
                                    .layer_gradient_max = iteration->layer_gradient_max,
                                    .network_gradient_max = iteration->network_gradient_max,
                                    .theta_change = iteration->theta_change,
                                    .selection_seconds = iteration->selection_seconds,
                                    .training_seconds = iteration->training_seconds,
                                    .start = (double)NAN,
                                    .method = (double)NAN};
}

double auxo__iteration_sum(const auxo_run *run, const char *event, const char *field, auxo__iteration_range range)
{
    const auxo__column *column = auxo__history_column(&run->history, event, field);
    double sum = 0;
    for (size_t i = range.begin; column && i < range.end && i < column->count; i++)
        sum += column->values[i];
    return sum;
}

/* ---- optimisers in checkpoints ----------------------------------------------------------------------------------- */

enum { BRAKE_NUMBERS = 7 };

auxo_status auxo__archive_put_optimizer(auxo__archive *archive, const char *prefix, auxo_model *model,
                                        auxo_optimizer *optimizer, auxo_error *error)
{
    auxo_carried_state carried = auxo_optimizer_carried_state(optimizer);
    const auxo_brake_memory memory = auxo_optimizer_get_brake(optimizer);
    const double brake[BRAKE_NUMBERS] = {memory.fired, memory.has_initial,      memory.has_ema, memory.initial_loss,
                                         memory.ema,   (double)memory.friction, memory.target};
    char name[32];
    auxo_status status = auxo__archive_put_doubles(archive, prefix, "brake", brake, BRAKE_NUMBERS, error);
    for (size_t i = 0; i < carried.count && status == AUXO_OK; i++) {
        snprintf(name, sizeof name, "state%zu", i);
        status = auxo__archive_put_buffer(archive, prefix, name, auxo_model_queue(model), carried.buffers[i],
                                          auxo_model_weight_count(model), error);
    }
    return status;
}

static auxo_status get_brake(const auxo__archive *archive, const char *prefix, auxo_optimizer *optimizer,
                             auxo_error *error)
{
    double *brake = NULL;
    size_t count = 0;
    auxo_status status = auxo__archive_get_doubles(archive, prefix, "brake", &brake, &count, error);
    if (status == AUXO_OK && count != BRAKE_NUMBERS && count != BRAKE_NUMBERS - 1) /* before there was a target */
        status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint's %sbrake has %zu values", prefix, count);
    if (status == AUXO_OK) {
        const auxo_brake_memory memory = {.fired = brake[0] != 0,
                                          .has_initial = brake[1] != 0,
                                          .has_ema = brake[2] != 0,
                                          .initial_loss = brake[3],
                                          .ema = brake[4],
                                          .friction = (float)brake[5],
                                          .target = count == BRAKE_NUMBERS ? brake[6] : 0};
        status = auxo_optimizer_set_brake(optimizer, &memory, error);
    }
    free(brake);
    return status;
}

auxo_status auxo__archive_get_optimizer(const auxo__archive *archive, const char *prefix, auxo_model *model,
                                        auxo_optimizer *optimizer, auxo_error *error)
{
    auxo_carried_state carried = auxo_optimizer_carried_state(optimizer);
    char name[32];
    auxo_status status = get_brake(archive, prefix, optimizer, error);
    for (size_t i = 0; i < carried.count && status == AUXO_OK; i++) {
        snprintf(name, sizeof name, "state%zu", i);
        status = auxo__archive_get_buffer(archive, prefix, name, auxo_model_queue(model), carried.buffers[i],
                                          auxo_model_weight_count(model), error);
    }
    return status;
}
