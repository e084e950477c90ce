/* trainer.c: the trainer's life: checks, uploads, preprocessing, destruction, and what it tells about itself.
 *
 * The step itself is step_plan.c, the loop over an epoch epoch.c.
 */
#include "team.h"

#include <stdlib.h>
#include <string.h>

bool auxo__model_needs_two_rows(const auxo_model *model)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        const auxo_layer *layer = &desc->layers[l];
        if (layer->kind == AUXO_LAYER_BATCH_NORM && layer->output_dims[1] * layer->output_dims[2] == 1)
            return true;
    }
    return false;
}

static uint64_t remainder_of(const auxo_trainer *trainer, uint64_t rows)
{
    const uint64_t remainder = rows % trainer->options.batch;
    return remainder == 1 && auxo__model_needs_two_rows(trainer->model) ? 0 : remainder;
}

int64_t auxo__trainer_remainder(const auxo_trainer *trainer)
{
    return (int64_t)remainder_of(trainer, trainer->data.dataset->row_count);
}

auxo_status auxo__trainer_slice(const auxo_trainer *trainer, uint64_t rows, auxo__row_slice *slice, auxo_error *error)
{
    const auxo_cluster *cluster = trainer->options.cluster;
    const uint32_t size = auxo_cluster_size(cluster), least = auxo__model_needs_two_rows(trainer->model) ? 2 : 1;
    const uint64_t batch = trainer->options.batch, needed = (least > 1 ? 3 : 1) * (uint64_t)size;
    *slice = (auxo__row_slice){0};
    if (size == 1)
        return AUXO_OK;
    if (batch < needed)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "a batch of %llu rows is too small to be shared by %u ranks (at least %llu)",
                              (unsigned long long)batch, size, (unsigned long long)needed);
    *slice = auxo__team_slice(auxo_cluster_rank(cluster), size, rows, batch, remainder_of(trainer, rows), least);
    return AUXO_OK;
}

uint64_t auxo_trainer_steps_per_epoch(const auxo_trainer *trainer)
{
    return trainer->data.dataset->row_count / trainer->options.batch + (auxo__trainer_remainder(trainer) > 0);
}

auxo_status auxo__model_standardize(auxo_model *model, const auxo_dataset *train, bool targets, auxo_error *error)
{
    uint32_t channels = (uint32_t)train->channels, columns = targets ? train->target_count : 0;
    float *values = malloc(2 * ((size_t)channels + columns) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory standardising data set \"%s\"", train->name);
    auxo_preprocessing preprocessing = {.channel_count = channels,
                                        .target_count = columns,
                                        .means = values,
                                        .inverse_stds = values + channels,
                                        .target_means = values + 2 * channels,
                                        .target_inverse_stds = values + 2 * channels + columns};
    auxo_status status = auxo_dataset_channel_stats(train, preprocessing.means, preprocessing.inverse_stds, error);
    if (status == AUXO_OK && targets)
        status = auxo_dataset_target_stats(train, preprocessing.target_means, preprocessing.target_inverse_stds, error);
    if (status == AUXO_OK)
        status = auxo_model_set_preprocessing(model, &preprocessing, error);
    free(values);
    return status;
}

auxo_status auxo__trainer_copy_train_layers(auxo_trainer *trainer, const bool *train_layers, auxo_error *error)
{
    uint32_t count = auxo_model_get_desc(trainer->model)->layer_count;
    bool *copy = NULL;
    if (train_layers) {
        copy = malloc(count * sizeof *copy);
        if (!copy)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory choosing trained layers");
        memcpy(copy, train_layers, count * sizeof *copy);
    }
    free(trainer->train_layers);
    trainer->train_layers = copy;
    trainer->train_layer_count = count;
    trainer->options.train_layers = copy;
    return AUXO_OK;
}

auxo_status auxo__trainer_create_buffers(auxo_trainer *trainer, auxo_error *error)
{
    const struct {
        auxo_buffer **buffer;
        uint64_t size_bytes;
    } wanted[] = {{&trainer->counter, 8 * sizeof(uint32_t)},
                  {&trainer->order, trainer->data.stream ? 0 : trainer->data.dataset->row_count * sizeof(uint32_t)},
                  {&trainer->history, AUXO__HISTORY_LENGTH * sizeof(float)},
                  {&trainer->stats, 4 * sizeof(float)}};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; status == AUXO_OK && i < sizeof wanted / sizeof *wanted; i++)
        status = auxo_buffer_create(auxo_model_device(trainer->model), wanted[i].size_bytes, wanted[i].buffer, error);
    if (status == AUXO_OK)
        status = auxo_buffer_zero(auxo_model_queue(trainer->model), trainer->counter, 0, 8 * sizeof(uint32_t), error);
    return status;
}

/* The training rows: on the device, or streamed to it. */
static auxo_status place_rows(auxo_trainer *trainer, const auxo_dataset *train, auxo_error *error)
{
    const auxo_train_options *options = &trainer->options;
    auxo_queue *queue = auxo_model_queue(trainer->model);
    auxo_device *device = auxo_model_device(trainer->model);
    const auxo__order_kind order = auxo__order_choose(train, options->shuffle);
    auxo__order_init(&trainer->row_order, order, train, options->seed);
    auxo__row_slice slice;
    const auxo_status sliced = auxo__trainer_slice(trainer, train->row_count, &slice, error);
    if (sliced != AUXO_OK)
        return sliced;
    const bool can = options->loss != AUXO_LOSS_COX && options->helper_count == 0;
    if (options->stream == AUXO_STREAM_ALWAYS && !can)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "rows are streamed to one device, and not for the Cox loss");
    if (!can || !auxo__device_data_streams(device, train, options->stream, options->stream_limit_bytes))
        return auxo__device_data_init(&trainer->data, queue, train, error);
    auxo__stream_options stream = {.order = order,
                                   .seed = options->seed,
                                   .batch = slice.batch ? (int64_t)slice.count : options->batch,
                                   .slice = slice,
                                   .targets = true,
                                   .class_weights = trainer->class_weights,
                                   .repeats = true};
    return auxo__device_data_stream(&trainer->data, queue, train, &stream, error);
}

static auxo_status set_up(auxo_trainer *trainer, const auxo_dataset *train, const auxo_dataset *validation,
                          auxo_error *error)
{
    auxo_model *model = trainer->model;
    auxo_status status = trainer->options.precision == AUXO_PRECISION_DEFAULT
                             ? AUXO_OK
                             : auxo_model_set_precision(model, trainer->options.precision, error);
    if (status == AUXO_OK)
        status = auxo__trainer_init_loss_scale(trainer, error);
    if (status == AUXO_OK && trainer->options.standardize && auxo_model_preprocessing(model)->channel_count == 0)
        status = auxo__model_standardize(model, train, trainer->options.loss == AUXO_LOSS_MSE, error);
    if (status == AUXO_OK)
        status = auxo__class_weights(train, &trainer->options, &trainer->class_weights, error);
    trainer->options.class_weights = NULL; /* the caller's array is not needed any more */
    if (status == AUXO_OK)
        status = place_rows(trainer, train, error);
    if (status == AUXO_OK)
        status = auxo__device_preprocessing_init(&trainer->preprocessing, model, error);
    if (status == AUXO_OK)
        status = auxo__trainer_copy_train_layers(trainer, trainer->options.train_layers, error);
    if (status == AUXO_OK)
        status = auxo__trainer_create_buffers(trainer, error);
    if (status == AUXO_OK)
        status = auxo__trainer_init_row_weights(trainer, train, trainer->class_weights, error);
    if (status == AUXO_OK)
        status = auxo__trainer_init_clip(trainer, error);
    if (status == AUXO_OK)
        status = auxo_optimizer_create(model, &trainer->options.optimizer, &trainer->optimizer, error);
    if (status == AUXO_OK && (trainer->options.helper_count > 0 || auxo_cluster_size(trainer->options.cluster) > 1))
        status = auxo__team_create(trainer, error);
    if (status == AUXO_OK && validation) {
        trainer->validation = calloc(1, sizeof *trainer->validation);
        status = trainer->validation
                     ? auxo__evaluator_init(trainer->validation, model, validation, &trainer->options, error)
                     : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating a trainer");
    }
    return status;
}

auxo_status auxo_trainer_create(auxo_model *model, const auxo_dataset *train, const auxo_dataset *validation,
                                const auxo_train_options *options, auxo_trainer **trainer, auxo_error *error)
{
    *trainer = NULL;
    auxo_status status = auxo__check_data(model, train, options->loss, error);
    if (status == AUXO_OK && validation)
        status = auxo__check_data(model, validation, options->loss, error);
    if (status != AUXO_OK)
        return status;
    auxo_trainer *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating a trainer");
    created->model = model;
    created->options = *options;
    created->part_seed = options->seed + auxo_cluster_rank(options->cluster);
    created->chunk = 1;
    if (created->options.batch == 0)
        created->options.batch = 128;
    if (created->options.batch > train->row_count)
        created->options.batch = (uint32_t)train->row_count;
    status = set_up(created, train, validation, error);
    if (status == AUXO_OK)
        *trainer = created;
    else
        auxo_trainer_destroy(created);
    return status;
}

void auxo_trainer_destroy(auxo_trainer *trainer)
{
    if (!trainer)
        return;
    auxo_queue_wait(auxo_model_queue(trainer->model), NULL); /* its work may still use the buffers */
    auxo__trainer_drop_plans(trainer);
    auxo__prefix_deinit(&trainer->prefix);
    auxo__team_destroy(trainer->team);
    if (trainer->validation)
        auxo__evaluator_deinit(trainer->validation);
    free(trainer->validation);
    auxo_optimizer_destroy(trainer->optimizer);
    auxo__device_data_deinit(&trainer->data);
    auxo__order_deinit(&trainer->row_order);
    auxo__device_preprocessing_deinit(&trainer->preprocessing);
    auxo_buffer_destroy(trainer->counter);
    auxo_buffer_destroy(trainer->order);
    auxo_buffer_destroy(trainer->history);
    auxo_buffer_destroy(trainer->stats);
    auxo_buffer_destroy(trainer->loss_scale);
    auxo__trainer_deinit_shape(trainer);
    auxo__norm_sync_deinit(&trainer->norm_sync[0]);
    auxo__norm_sync_deinit(&trainer->norm_sync[1]);
    free(trainer->train_layers);
    free(trainer->class_weights);
    free(trainer);
}

auxo_optimizer *auxo_trainer_optimizer(auxo_trainer *trainer)
{
    return trainer->optimizer;
}

auxo_model *auxo_trainer_model(auxo_trainer *trainer)
{
    return trainer->model;
}

uint64_t auxo_trainer_step(const auxo_trainer *trainer)
{
    return trainer->step;
}

uint32_t auxo_trainer_epoch(const auxo_trainer *trainer)
{
    return trainer->epoch;
}

auxo_trainer_work auxo_trainer_get_work(const auxo_trainer *trainer)
{
    auxo_trainer_work work = trainer->work;
    work.rows_per_second = work.seconds > 0 ? (double)work.rows / work.seconds : 0;
    return work;
}

const auxo_plan *auxo_trainer_plan(const auxo_trainer *trainer)
{
    return trainer->full;
}

auxo_status auxo_trainer_set_train_layers(auxo_trainer *trainer, const bool *train_layers, auxo_error *error)
{
    auxo_status status = auxo__trainer_copy_train_layers(trainer, train_layers, error);
    if (status == AUXO_OK)
        auxo__trainer_drop_plans(trainer);
    return status;
}

auxo_status auxo_trainer_set_train_units(auxo_trainer *trainer, uint32_t layer, uint32_t begin, uint32_t end,
                                         auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(trainer->model);
    if (end > 0) {
        const bool has_units = layer < desc->layer_count && (desc->layers[layer].kind == AUXO_LAYER_DENSE ||
                                                             desc->layers[layer].kind == AUXO_LAYER_CONV2D);
        if (!has_units || begin >= end || end > desc->layers[layer].units)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "model %s has no units %u to %u of a layer %u",
                                  desc->name, begin, end, layer);
        if (trainer->train_layers && layer < trainer->train_layer_count && !trainer->train_layers[layer])
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "units of layer %s: it is not trained",
                                  desc->layers[layer].name);
    }
    if (trainer->unit_layer == layer && trainer->unit_begin == begin && trainer->unit_end == end)
        return AUXO_OK;
    trainer->unit_layer = layer;
    trainer->unit_begin = begin;
    trainer->unit_end = end;
    auxo__trainer_drop_plans(trainer);
    return AUXO_OK;
}

auxo_status auxo_trainer_evaluate(auxo_trainer *trainer, const auxo_dataset *dataset, auxo_evaluation *evaluation,
                                  auxo_error *error)
{
    if (trainer->validation && trainer->validation->data.dataset == dataset)
        return auxo__evaluator_run(trainer->validation, evaluation, error);
    auxo__evaluator evaluator;
    auxo_status status = auxo__evaluator_init(&evaluator, trainer->model, dataset, &trainer->options, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__evaluator_run(&evaluator, evaluation, error);
    auxo__evaluator_deinit(&evaluator);
    return status;
}

void auxo_trainer_invalidate(auxo_trainer *trainer)
{
    trainer->structure_version = UINT64_MAX;
    trainer->prefix.filled = false;
}
