/* snapshot.c: a moment of a training in device memory, and the way back to it.
 *
 * It holds what a checkpoint holds, so that the way back is a resume without a file: the counters as the text that a
 * checkpoint has, and a copy of every device part. The permutation of an epoch is a function of (seed, epoch) and is
 * written again.
 */
#include "resize_internal.h"
#include "train_internal.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

struct auxo_snapshot {
    auxo_model_desc desc;
    uint64_t structure_version;
    auxo_buffer *weights, *statistics;
    auxo_buffer *parts[AUXO__PARTS_MAX];
    size_t part_count, state_count; /* the first state_count parts are the optimiser's */
    uint64_t size_bytes;
    char *counters;     /* as text */
    bool *train_layers; /* desc.layer_count entries, or NULL */
    uint32_t unit_layer, unit_begin, unit_end;
};

/* A copy of the first `count` floats; *copy stays NULL for none. */
static auxo_status copy_floats(auxo_snapshot *snapshot, auxo_queue *queue, auxo_device *device,
                               const auxo_buffer *source, uint64_t count, auxo_buffer **copy, auxo_error *error)
{
    const uint64_t size_bytes = count * sizeof(float);
    if (size_bytes == 0)
        return AUXO_OK;
    auxo_status status = auxo_buffer_create(device, size_bytes, copy, error);
    if (status == AUXO_OK)
        status = auxo_buffer_copy(queue, source, 0, *copy, 0, size_bytes, error);
    if (status == AUXO_OK)
        snapshot->size_bytes += size_bytes;
    return status;
}

static auxo_status copy_device_state(auxo_snapshot *snapshot, auxo_trainer *trainer, auxo_error *error)
{
    auxo_model *model = trainer->model;
    auxo_queue *queue = auxo_model_queue(model);
    auxo_device *device = auxo_model_device(model);
    auxo__device_part parts[AUXO__PARTS_MAX];
    snapshot->part_count = auxo__trainer_parts(trainer, parts);
    snapshot->state_count = trainer->optimizer->state_count;
    auxo_status status = copy_floats(snapshot, queue, device, auxo_model_weights(model), auxo_model_weight_count(model),
                                     &snapshot->weights, error);
    if (status == AUXO_OK)
        status = copy_floats(snapshot, queue, device, auxo_model_statistics(model), auxo_model_statistic_count(model),
                             &snapshot->statistics, error);
    for (size_t i = 0; status == AUXO_OK && i < snapshot->part_count; i++)
        status =
            copy_floats(snapshot, queue, device, parts[i].buffer, (uint64_t)parts[i].count, &snapshot->parts[i], error);
    return status;
}

static auxo_status copy_host_state(auxo_snapshot *snapshot, auxo_trainer *trainer, auxo_error *error)
{
    auxo_status status = auxo_model_desc_copy(auxo_model_get_desc(trainer->model), &snapshot->desc, error);
    if (status != AUXO_OK)
        return status;
    snapshot->structure_version = auxo_model_structure_version(trainer->model);
    snapshot->counters = auxo__trainer_print_state(trainer);
    snapshot->unit_layer = trainer->unit_layer;
    snapshot->unit_begin = trainer->unit_begin;
    snapshot->unit_end = trainer->unit_end;
    const size_t layers_bytes = trainer->train_layer_count * sizeof *snapshot->train_layers;
    if (trainer->train_layers && trainer->train_layer_count == snapshot->desc.layer_count) {
        snapshot->train_layers = malloc(layers_bytes + 1);
        if (snapshot->train_layers)
            memcpy(snapshot->train_layers, trainer->train_layers, layers_bytes);
    }
    if (!snapshot->counters || (trainer->train_layers && !snapshot->train_layers))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for a snapshot of a training");
    return AUXO_OK;
}

auxo_status auxo_snapshot_take(auxo_trainer *trainer, auxo_snapshot **snapshot, auxo_error *error)
{
    *snapshot = NULL;
    if (trainer->team)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "a training on several devices has no snapshots; use one");
    auxo_snapshot *taken = calloc(1, sizeof *taken);
    if (!taken)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for a snapshot of a training");
    auxo_status status = copy_device_state(taken, trainer, error);
    if (status == AUXO_OK)
        status = copy_host_state(taken, trainer, error);
    if (status != AUXO_OK) {
        auxo_queue_wait(auxo_model_queue(trainer->model), NULL); /* copies may still be under way */
        auxo_snapshot_destroy(taken);
        return status;
    }
    *snapshot = taken;
    return AUXO_OK;
}

/* Weights, statistics and the optimiser's states, with their structure where the model has another one by now. */
static auxo_status restore_model(const auxo_snapshot *snapshot, auxo_trainer *trainer, auxo_error *error)
{
    auxo_model *model = trainer->model;
    auxo_queue *queue = auxo_model_queue(model);
    if (auxo_model_structure_version(model) != snapshot->structure_version) {
        const auxo_carried_state state = auxo_optimizer_carried_state(trainer->optimizer);
        return auxo__model_replace(model, &snapshot->desc, snapshot->weights, snapshot->statistics, snapshot->parts,
                                   &state, error);
    }
    auxo_status status = AUXO_OK;
    if (snapshot->weights)
        status = auxo_buffer_copy(queue, snapshot->weights, 0, auxo_model_weights(model), 0,
                                  auxo_model_weight_count(model) * sizeof(float), error);
    if (status == AUXO_OK && snapshot->statistics)
        status = auxo_buffer_copy(queue, snapshot->statistics, 0, auxo_model_statistics(model), 0,
                                  auxo_model_statistic_count(model) * sizeof(float), error);
    return status;
}

static bool same_layers(const auxo_snapshot *snapshot, const auxo_trainer *trainer)
{
    const uint32_t count = snapshot->desc.layer_count;
    if (!snapshot->train_layers || !trainer->train_layers)
        return snapshot->train_layers == trainer->train_layers;
    return trainer->train_layer_count == count &&
           memcmp(snapshot->train_layers, trainer->train_layers, count * sizeof(bool)) == 0;
}

static auxo_status restore_parts(const auxo_snapshot *snapshot, auxo_trainer *trainer, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(trainer->model);
    auxo_optimizer *optimizer = trainer->optimizer;
    auxo__device_part parts[AUXO__PARTS_MAX];
    const size_t count = auxo__trainer_parts(trainer, parts);
    if (count != snapshot->part_count)
        return auxo_error_set(error, AUXO_INTERNAL, "a snapshot of %zu parts does not fit a training of %zu",
                              snapshot->part_count, count);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; status == AUXO_OK && i < count; i++)
        if (snapshot->parts[i])
            status = auxo_buffer_copy(queue, snapshot->parts[i], 0, parts[i].buffer, 0,
                                      (uint64_t)parts[i].count * sizeof(float), error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, optimizer->hyper, 0, optimizer->config.hyper, sizeof optimizer->config.hyper,
                                   error);
    return status;
}

auxo_status auxo_snapshot_restore(const auxo_snapshot *snapshot, auxo_trainer *trainer, auxo_error *error)
{
    auxo_status status = restore_model(snapshot, trainer, error);
    if (status == AUXO_OK)
        status = auxo__trainer_apply_state(trainer, snapshot->counters, error);
    if (status == AUXO_OK)
        status = auxo__best_point_keep(trainer->optimizer, error);
    if (status == AUXO_OK)
        status = restore_parts(snapshot, trainer, error);
    if (status == AUXO_OK && !same_layers(snapshot, trainer))
        status = auxo_trainer_set_train_layers(trainer, snapshot->train_layers, error);
    if (status == AUXO_OK)
        status = auxo_trainer_set_train_units(trainer, snapshot->unit_layer, snapshot->unit_begin, snapshot->unit_end,
                                              error);
    trainer->order_epoch = 0;
    trainer->prefix.filled = false;
    trainer->reset_count = trainer->optimizer->reset_count;
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "snapshot");
}

uint64_t auxo_snapshot_bytes(const auxo_snapshot *snapshot)
{
    return snapshot->size_bytes;
}

void auxo_snapshot_destroy(auxo_snapshot *snapshot)
{
    if (!snapshot)
        return;
    auxo_buffer_destroy(snapshot->weights);
    auxo_buffer_destroy(snapshot->statistics);
    for (size_t i = 0; i < AUXO__PARTS_MAX; i++)
        auxo_buffer_destroy(snapshot->parts[i]);
    auxo_model_desc_deinit(&snapshot->desc);
    cJSON_free(snapshot->counters);
    free(snapshot->train_layers);
    free(snapshot);
}
