/* gradient_shape.c: what shapes gradients before the update: weights of classes, and clipping by the global norm.
 *
 * Both are made of operations that there are. A class weight is gathered as a value of each row and scales the row's
 * gradient. Clipping takes s = |g|^2 by a reduction, c / (sqrt(s) + 1e-6) as one step of RMSprop with rho = 1 (whose
 * state is s) on a single weight that starts at 0, the smaller of that and 1, and scales all gradients by it.
 */
#include "train_internal.h"

#include <math.h>
#include <stdlib.h>

enum { FACTOR, ONE, NORM_SQUARED, NEGATIVE_LIMIT, VALUE_COUNT };

/* ---- class weights ----------------------------------------------------------------------------------------------- */

/* Weights by class: the given ones, or those that let every class count the same; of mean 1 over the rows. */
static auxo_status find_class_weights(const auxo_dataset *train, const auxo_train_options *options, double *weights,
                                      auxo_error *error)
{
    double sum = 0;
    size_t *counts = calloc(train->class_count + 1, sizeof *counts);
    auxo_status status = counts ? auxo_dataset_count_classes(train, counts, error)
                                : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "class weights: out of memory");
    for (uint32_t c = 0; c < train->class_count && status == AUXO_OK; c++) {
        weights[c] =
            options->balance_classes ? (counts[c] ? 1.0 / (double)counts[c] : 0) : (double)options->class_weights[c];
        if (!(weights[c] >= 0) || !isfinite(weights[c]))
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the weight of class %u is not a number >= 0", c);
        sum += weights[c] * (double)counts[c];
    }
    if (status == AUXO_OK && sum <= 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "all training rows have class weight 0");
    for (uint32_t c = 0; c < train->class_count && status == AUXO_OK; c++)
        weights[c] *= (double)train->row_count / sum;
    free(counts);
    return status;
}

auxo_status auxo__class_weights(const auxo_dataset *train, const auxo_train_options *options, double **weights,
                                auxo_error *error)
{
    *weights = NULL;
    if (!options->balance_classes && !options->class_weights)
        return AUXO_OK;
    if (options->loss != AUXO_LOSS_CROSS_ENTROPY)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "class weights need classes");
    *weights = malloc((train->class_count + 1) * sizeof **weights);
    const auxo_status status = *weights ? find_class_weights(train, options, *weights, error)
                                        : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "class weights: out of memory");
    if (status != AUXO_OK) {
        free(*weights);
        *weights = NULL;
    }
    return status;
}

/* The weight of every row to the device. */
static auxo_status upload_row_weights(auxo_trainer *trainer, const auxo_dataset *train, const double *classes,
                                      auxo_error *error)
{
    const uint64_t size_bytes = train->row_count * sizeof(float);
    uint32_t *labels = malloc(size_bytes + 1);
    float *rows = malloc(size_bytes + 1);
    const auxo_row_block block = {.labels = labels};
    auxo_status status = labels && rows ? auxo_dataset_read(train, NULL, 0, train->row_count, &block, error)
                                        : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "class weights: out of memory");
    for (size_t i = 0; i < train->row_count && status == AUXO_OK; i++)
        rows[i] = (float)classes[labels[i]];
    if (status == AUXO_OK)
        status = auxo_buffer_create(auxo_model_device(trainer->model), size_bytes, &trainer->own_row_weights, error);
    if (status == AUXO_OK)
        status =
            auxo_buffer_write(auxo_model_queue(trainer->model), trainer->own_row_weights, 0, rows, size_bytes, error);
    trainer->row_weights = trainer->own_row_weights;
    free(labels);
    free(rows);
    return status;
}

auxo_status auxo__trainer_init_row_weights(auxo_trainer *trainer, const auxo_dataset *train, const double *weights,
                                           auxo_error *error)
{
    if (trainer->data.stream)
        trainer->row_weights = auxo__stream_get_ring(trainer->data.stream).weights;
    else if (weights)
        return upload_row_weights(trainer, train, weights, error);
    return AUXO_OK;
}

void auxo__trainer_add_row_weights(const auxo_trainer *trainer, const auxo__batch *batch, auxo_plan *plan,
                                   const auxo_tensor *gradient)
{
    if (!trainer->row_weights)
        return;
    const int64_t rows[3] = {batch->data->rows, 1, 1}, part[3] = {batch->size, 1, 1};
    const int64_t shape[3] = {1, batch->size, gradient->dims[1]};
    auxo_op gather = {.kind = AUXO_OP_GATHER_BATCH, .params.gather_batch = {.scale = 1.0f}};
    const auxo_tensor all = auxo_tensor_make(trainer->row_weights, 0, AUXO_DTYPE_F32, 3, rows);
    gather.tensors[AUXO_GATHER_BATCH_DATA] = auxo_tensor_slice(all, 0, batch->first_row, batch->row_count);
    gather.tensors[AUXO_GATHER_BATCH_ORDER] = batch->order;
    gather.tensors[AUXO_GATHER_BATCH_COUNTER] = batch->counter;
    gather.tensors[AUXO_GATHER_BATCH_Y] = auxo_plan_temp(plan, AUXO_DTYPE_F32, 3, part);
    auxo_plan_add(plan, &gather, "batch.weights");
    auxo_op scale = {.kind = AUXO_OP_SCALE};
    scale.tensors[AUXO_SCALE_X] = scale.tensors[AUXO_SCALE_Y] = auxo_tensor_reshape(*gradient, 3, shape);
    scale.tensors[AUXO_SCALE_SCALE] = auxo_tensor_reshape(gather.tensors[AUXO_GATHER_BATCH_Y], 1, &batch->size);
    auxo_plan_add(plan, &scale, "loss.weights");
}

/* ---- clipping ---------------------------------------------------------------------------------------------------- */

auxo_status auxo__trainer_init_clip(auxo_trainer *trainer, auxo_error *error)
{
    const float limit = trainer->options.gradient_clip;
    auxo_device *device = auxo_model_device(trainer->model);
    auxo_queue *queue = auxo_model_queue(trainer->model);
    if (limit == 0)
        return AUXO_OK;
    if (!(limit > 0) || !isfinite(limit) || trainer->train_layers)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "gradients are clipped at a finite norm above 0, and of whole networks only");
    const float hyper[AUXO_HYPER_COUNT] = {
        [AUXO_HYPER_LR] = 1.0f, [AUXO_HYPER_BETA1] = 1.0f, [AUXO_HYPER_EPSILON] = 1e-6f};
    const float values[VALUE_COUNT] = {[ONE] = 1.0f, [NEGATIVE_LIMIT] = -limit};
    auxo_status status = auxo_buffer_create(device, sizeof hyper, &trainer->clip_hyper, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, sizeof values, &trainer->clip_values, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, trainer->clip_hyper, 0, hyper, sizeof hyper, error);
    return status == AUXO_OK ? auxo_buffer_write(queue, trainer->clip_values, 0, values, sizeof values, error) : status;
}

static auxo_tensor value(const auxo_trainer *trainer, int which, int64_t count)
{
    return auxo_tensor_1d(trainer->clip_values, (uint64_t)which * sizeof(float), AUXO_DTYPE_F32, count);
}

/* The factor that PyTorch's clip_grad_norm_ takes, before it is held at 1. */
static void add_factor(const auxo_trainer *trainer, auxo_plan *plan)
{
    auxo_op fill = {.kind = AUXO_OP_FILL, .params.fill = {0.0f}};
    fill.tensors[AUXO_FILL_Y] = value(trainer, FACTOR, 1);
    auxo_plan_add(plan, &fill, "clip.begin");
    auxo_op divide = {.kind = AUXO_OP_OPTIMIZER_STEP, .params.optimizer_step = {.kind = AUXO_OPTIMIZER_RMSPROP}};
    divide.tensors[AUXO_OPTIMIZER_PARAMS] = value(trainer, FACTOR, 1);
    divide.tensors[AUXO_OPTIMIZER_GRADS] = value(trainer, NEGATIVE_LIMIT, 1);
    divide.tensors[AUXO_OPTIMIZER_STATE0] = value(trainer, NORM_SQUARED, 1);
    divide.tensors[AUXO_OPTIMIZER_HYPER] = auxo_tensor_1d(trainer->clip_hyper, 0, AUXO_DTYPE_F32, AUXO_HYPER_COUNT);
    auxo_plan_add(plan, &divide, "clip.factor");
}

void auxo__trainer_add_clip(const auxo_trainer *trainer, auxo_plan *plan)
{
    const int64_t one = 1, pair[3] = {1, 1, 2};
    const int64_t all[3] = {1, 1, (int64_t)auxo_model_weight_count(trainer->model)};
    if (!trainer->clip_values || all[2] == 0)
        return;
    const auxo_tensor gradients = auxo_tensor_make(auxo_model_gradients(trainer->model), 0, AUXO_DTYPE_F32, 3, all);
    auxo_op norm = {.kind = AUXO_OP_REDUCE, .params.reduce = {AUXO_REDUCE_SUM_SQUARES}};
    norm.tensors[AUXO_REDUCE_X] = gradients;
    norm.tensors[AUXO_REDUCE_Y] = value(trainer, NORM_SQUARED, 1);
    auxo_plan_add(plan, &norm, "clip.norm");
    add_factor(trainer, plan);
    auxo_op least = {.kind = AUXO_OP_REDUCE, .params.reduce = {AUXO_REDUCE_MIN}};
    least.tensors[AUXO_REDUCE_X] = auxo_tensor_reshape(value(trainer, FACTOR, 2), 3, pair);
    least.tensors[AUXO_REDUCE_Y] = auxo_plan_temp(plan, AUXO_DTYPE_F32, 1, &one);
    auxo_plan_add(plan, &least, "clip.least");
    auxo_op scale = {.kind = AUXO_OP_SCALE};
    scale.tensors[AUXO_SCALE_X] = scale.tensors[AUXO_SCALE_Y] = gradients;
    scale.tensors[AUXO_SCALE_SCALE] = least.tensors[AUXO_REDUCE_Y];
    auxo_plan_add(plan, &scale, "clip.scale");
}

void auxo__trainer_deinit_shape(auxo_trainer *trainer)
{
    auxo_buffer_destroy(trainer->own_row_weights);
    auxo_buffer_destroy(trainer->clip_hyper);
    auxo_buffer_destroy(trainer->clip_values);
}
