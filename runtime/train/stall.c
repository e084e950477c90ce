/* stall.c: the port-Hamiltonian optimiser's way out of a stall: back to the best parameters so far, at rest, with less
 * friction if asked for (the outlook of thesis chapter 3).
 *
 * The loss that counts is the validation loss where there is one, else the training loss. The best point includes batch
 * norm's statistics, belongs to one structure of the model, and is forgotten when that changes.
 */
#include "optimizer_internal.h"

#include <math.h>
#include <string.h>

void auxo__best_point_deinit(auxo__best_point *best)
{
    auxo_buffer_destroy(best->weights);
    auxo_buffer_destroy(best->statistics);
    memset(best, 0, sizeof *best);
}

auxo_status auxo__best_point_prepare(auxo_optimizer *optimizer, auxo_error *error)
{
    auxo__best_point *best = &optimizer->best;
    auxo_model *model = optimizer->model;
    if (best->weights && best->structure_version == auxo_model_structure_version(model))
        return AUXO_OK;
    auxo__best_point_deinit(best);
    auxo_device *device = auxo_model_device(model);
    auxo_status status =
        auxo_buffer_create(device, auxo_model_weight_count(model) * sizeof(float), &best->weights, error);
    if (status == AUXO_OK)
        status =
            auxo_buffer_create(device, auxo_model_statistic_count(model) * sizeof(float), &best->statistics, error);
    best->structure_version = auxo_model_structure_version(model);
    return status;
}

static auxo_status copy_all(auxo_queue *queue, const auxo_buffer *source, auxo_buffer *target, auxo_error *error)
{
    uint64_t size_bytes = auxo_buffer_size_bytes(target);
    return size_bytes > 0 ? auxo_buffer_copy(queue, source, 0, target, 0, size_bytes, error) : AUXO_OK;
}

static auxo_status remember(auxo_optimizer *optimizer, double loss, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(optimizer->model);
    auxo__best_point *best = &optimizer->best;
    auxo_status status = copy_all(queue, auxo_model_weights(optimizer->model), best->weights, error);
    if (status == AUXO_OK)
        status = copy_all(queue, auxo_model_statistics(optimizer->model), best->statistics, error);
    best->known = status == AUXO_OK;
    best->loss = loss;
    best->stalled_epochs = 0;
    return status;
}

static auxo_status fall_back(auxo_optimizer *optimizer, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(optimizer->model);
    auxo__best_point *best = &optimizer->best;
    double reaccelerate = optimizer->config.braking.reaccelerate;
    best->stalled_epochs = 0;
    auxo_status status = copy_all(queue, best->weights, auxo_model_weights(optimizer->model), error);
    if (status == AUXO_OK)
        status = copy_all(queue, best->statistics, auxo_model_statistics(optimizer->model), error);
    uint64_t size_bytes = auxo_model_weight_count(optimizer->model) * sizeof(float);
    for (size_t i = 0; status == AUXO_OK && i < optimizer->state_count && size_bytes > 0; i++)
        status = auxo_buffer_zero(queue, optimizer->states[i], 0, size_bytes, error);
    if (status == AUXO_OK && reaccelerate > 0.0)
        status = auxo_optimizer_set_hyper(optimizer, AUXO_HYPER_FRICTION,
                                          (float)((double)optimizer->config.hyper[AUXO_HYPER_FRICTION] / reaccelerate),
                                          error);
    return status;
}

auxo_status auxo__stall_observe(auxo_optimizer *optimizer, double train_loss, double validation_loss, auxo_error *error)
{
    if (optimizer->config.braking.stall_epochs == 0)
        return AUXO_OK;
    auxo_status status = auxo__best_point_prepare(optimizer, error);
    if (status != AUXO_OK)
        return status;
    auxo__best_point *best = &optimizer->best;
    double loss = isfinite(validation_loss) ? validation_loss : train_loss;
    if (!best->known || loss < best->loss)
        return remember(optimizer, loss, error);
    if (++best->stalled_epochs < optimizer->config.braking.stall_epochs)
        return AUXO_OK;
    return fall_back(optimizer, error);
}
