/* evaluate.c: loss and accuracy of a model over a data set, in inference mode.
 *
 * Cross-entropy and mse are means over rows, summed in double from the losses of the batches. The Cox likelihood does
 * not split into batches: all risks are computed first, then one likelihood over the whole set.
 */
#include "train_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EVALUATION_BATCH = 256 };

static int64_t batch_size(const auxo__evaluator *evaluator)
{
    int64_t rows = (int64_t)evaluator->data.dataset->row_count;
    return rows < EVALUATION_BATCH ? rows : EVALUATION_BATCH;
}

static int64_t full_batch_count(const auxo__evaluator *evaluator)
{
    return (int64_t)evaluator->data.dataset->row_count / batch_size(evaluator);
}

static int64_t batch_count(const auxo__evaluator *evaluator)
{
    int64_t rows = (int64_t)evaluator->data.dataset->row_count, size = batch_size(evaluator);
    return (rows + size - 1) / size;
}

/* On the device, or streamed to it. */
static auxo_status place_rows(auxo__evaluator *evaluator, const auxo_dataset *dataset, auxo_error *error)
{
    const auxo_train_options *options = &evaluator->options;
    auxo_queue *queue = auxo_model_queue(evaluator->model);
    const bool streams =
        options->loss != AUXO_LOSS_COX && auxo__device_data_streams(auxo_model_device(evaluator->model), dataset,
                                                                    options->stream, options->stream_limit_bytes);
    auxo__stream_options stream = {.batch = EVALUATION_BATCH, .targets = true};
    return streams ? auxo__device_data_stream(&evaluator->data, queue, dataset, &stream, error)
                   : auxo__device_data_init(&evaluator->data, queue, dataset, error);
}

auxo_status auxo__evaluator_init(auxo__evaluator *evaluator, auxo_model *model, const auxo_dataset *dataset,
                                 const auxo_train_options *options, auxo_error *error)
{
    memset(evaluator, 0, sizeof *evaluator);
    evaluator->model = model;
    evaluator->options = *options;
    auxo_device *device = auxo_model_device(model);
    auxo_status status = auxo__check_data(model, dataset, options->loss, error);
    if (status == AUXO_OK)
        status = place_rows(evaluator, dataset, error);
    if (status == AUXO_OK)
        status = auxo__device_preprocessing_init(&evaluator->preprocessing, model, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, 4 * sizeof(uint32_t), &evaluator->counter, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, 4 * sizeof(float), &evaluator->stats, error);
    if (status == AUXO_OK)
        status =
            auxo_buffer_create(device, (uint64_t)batch_count(evaluator) * sizeof(float), &evaluator->history, error);
    if (status != AUXO_OK)
        auxo__evaluator_deinit(evaluator);
    return status;
}

static void drop_plans(auxo__evaluator *evaluator)
{
    auxo_plan_destroy(evaluator->full);
    auxo_plan_destroy(evaluator->remainder);
    evaluator->full = evaluator->remainder = NULL;
}

void auxo__evaluator_deinit(auxo__evaluator *evaluator)
{
    drop_plans(evaluator);
    auxo__device_data_deinit(&evaluator->data);
    auxo__device_preprocessing_deinit(&evaluator->preprocessing);
    auxo_buffer_destroy(evaluator->counter);
    auxo_buffer_destroy(evaluator->stats);
    auxo_buffer_destroy(evaluator->history);
    memset(evaluator, 0, sizeof *evaluator);
}

static void add_batch_loss(auxo__evaluator *evaluator, const auxo__batch *batch, auxo_plan *plan)
{
    auxo_forward forward = {0};
    auxo__loss_outputs outputs = {.stats = auxo_tensor_1d(evaluator->stats, 0, AUXO_DTYPE_F32, 4),
                                  .history =
                                      auxo_tensor_1d(evaluator->history, 0, AUXO_DTYPE_F32, batch_count(evaluator))};
    auxo__batch_add_input(batch, plan, &forward.input);
    auxo_activations *activations = auxo_model_add_forward(evaluator->model, plan, &forward);
    if (!activations)
        return;
    auxo_tensor output = auxo_activations_output(activations, auxo_model_get_desc(evaluator->model)->layer_count - 1);
    auxo_activations_destroy(activations);
    auxo__batch_add_loss(batch, &evaluator->options, plan, &output, &outputs);
    auxo_op count = {.kind = AUXO_OP_COUNTER_ADD, .params.counter_add = {.increments = {1, 1, 0, 0}}};
    count.tensors[AUXO_COUNTER_ADD_COUNTER] = batch->counter;
    auxo_plan_add(plan, &count, "counters");
}

static auxo_status build_plan(auxo__evaluator *evaluator, int64_t size, int64_t first_row, int64_t row_count,
                              auxo_plan **plan, auxo_error *error)
{
    auxo__batch batch = {.data = &evaluator->data,
                         .preprocessing = &evaluator->preprocessing,
                         .size = size,
                         .first_row = first_row,
                         .row_count = row_count,
                         .counter = auxo_tensor_1d(evaluator->counter, 0, AUXO_DTYPE_U32, 4),
                         .precision = auxo_model_precision(evaluator->model)};
    auxo_plan_options options = {.allow_host_fallback = evaluator->options.allow_host_fallback};
    auxo_status status = auxo_plan_create(auxo_model_device(evaluator->model), plan, error);
    if (status == AUXO_OK) {
        add_batch_loss(evaluator, &batch, *plan);
        status = auxo_plan_compile(*plan, &options, error);
    }
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "evaluation");
}

static auxo_status build_plans(auxo__evaluator *evaluator, auxo_error *error)
{
    drop_plans(evaluator);
    int64_t rows = (int64_t)evaluator->data.dataset->row_count, size = batch_size(evaluator), remainder = rows % size;
    int64_t held = evaluator->data.rows; /* all rows, or the ring that they go through */
    auxo_status status = build_plan(evaluator, size, 0, held, &evaluator->full, error);
    if (status == AUXO_OK && remainder > 0) /* drawn from the last rows alone: the batch number wraps into them */
        status = build_plan(evaluator, remainder, (rows - remainder) % held, remainder, &evaluator->remainder, error);
    if (status != AUXO_OK)
        drop_plans(evaluator);
    evaluator->structure_version = auxo_model_structure_version(evaluator->model);
    return status;
}

/* Batches [first, first + count), which lie on the device together. */
static auxo_status run_some(auxo__evaluator *evaluator, auxo_plan *plan, uint64_t first, uint64_t count,
                            auxo_error *error)
{
    auxo__stream *stream = evaluator->data.stream;
    auxo_status status = stream ? auxo__stream_need(stream, 0, first, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = auxo_plan_run(plan, auxo_model_queue(evaluator->model), (uint32_t)count, error);
    return status == AUXO_OK && stream ? auxo__stream_enqueued(stream, first, error) : status;
}

static auxo_status run_all(auxo__evaluator *evaluator, uint64_t full, auxo_error *error)
{
    auxo__stream *stream = evaluator->data.stream;
    auxo_status status = AUXO_OK;
    for (uint64_t batch = 0, count; batch < full && status == AUXO_OK; batch += count) {
        const uint64_t together = stream ? auxo__stream_run_length(stream, batch) : full;
        count = full - batch < together ? full - batch : together;
        status = run_some(evaluator, evaluator->full, batch, count, error);
    }
    return status == AUXO_OK && evaluator->remainder ? run_some(evaluator, evaluator->remainder, full, 1, error)
                                                     : status;
}

/* Runs all batches and sums their losses and right predictions. */
static auxo_status run_batches(auxo__evaluator *evaluator, auxo_evaluation *evaluation, auxo_error *error)
{
    static const uint32_t first_counter[4] = {1, 0, 0, 0};
    auxo_queue *queue = auxo_model_queue(evaluator->model);
    int64_t count = batch_count(evaluator), full = full_batch_count(evaluator), size = batch_size(evaluator);
    float stats[4] = {0};
    float *losses = malloc((size_t)count * sizeof *losses);
    if (!losses)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %lld batch losses", (long long)count);
    auxo_status status = auxo_buffer_write(queue, evaluator->counter, 0, first_counter, sizeof first_counter, error);
    if (status == AUXO_OK)
        status = auxo_buffer_zero(queue, evaluator->stats, 0, sizeof stats, error);
    if (status == AUXO_OK)
        status = run_all(evaluator, (uint64_t)full, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, evaluator->history, 0, losses, (uint64_t)count * sizeof *losses, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, evaluator->stats, 0, stats, sizeof stats, error);
    double sum = 0.0, rows = (double)evaluator->data.dataset->row_count;
    for (int64_t i = 0; status == AUXO_OK && i < count; i++)
        sum += (double)losses[i] * (i < full ? (double)size : rows - (double)(full * size));
    free(losses);
    evaluation->loss = sum / rows;
    if (evaluator->options.loss == AUXO_LOSS_CROSS_ENTROPY)
        evaluation->accuracy = (double)stats[1] / rows;
    return status;
}

/* One likelihood over all rows, from their risks. */
static auxo_status run_cox(auxo__evaluator *evaluator, auxo_evaluation *evaluation, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(evaluator->model);
    auxo_device *device = auxo_model_device(evaluator->model);
    int64_t rows = (int64_t)evaluator->data.dataset->row_count;
    uint64_t column_bytes = (uint64_t)rows * sizeof(float);
    auxo_plan_options options = {.allow_host_fallback = evaluator->options.allow_host_fallback};
    auxo_buffer *work = NULL; /* risks, order, loss */
    float *risks = malloc(column_bytes), loss[2] = {0};
    auxo_status status = risks ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for risks");
    if (status == AUXO_OK)
        status = auxo__predict(evaluator->model, &evaluator->data, &evaluator->preprocessing, batch_size(evaluator),
                               false, &options, risks, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, 2 * column_bytes + sizeof loss, &work, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, work, 0, risks, column_bytes, error);
    auxo_op sort = {.kind = AUXO_OP_ARGSORT}, cox = {.kind = AUXO_OP_COX, .params.cox = evaluator->options.cox};
    cox.tensors[AUXO_COX_RISK] = auxo_tensor_1d(work, 0, AUXO_DTYPE_F32, rows);
    cox.tensors[AUXO_COX_TIME] = auxo_tensor_1d(evaluator->data.targets, 0, AUXO_DTYPE_F32, rows);
    cox.tensors[AUXO_COX_EVENT] = auxo_tensor_1d(evaluator->data.events, 0, AUXO_DTYPE_U32, rows);
    cox.tensors[AUXO_COX_ORDER] = auxo_tensor_1d(work, column_bytes, AUXO_DTYPE_U32, rows);
    cox.tensors[AUXO_COX_LOSS] = auxo_tensor_1d(work, 2 * column_bytes, AUXO_DTYPE_F32, 2);
    sort.tensors[AUXO_ARGSORT_KEYS] = cox.tensors[AUXO_COX_TIME];
    sort.tensors[AUXO_ARGSORT_ORDER] = cox.tensors[AUXO_COX_ORDER];
    if (status == AUXO_OK)
        status = auxo_op_run(queue, &sort, error);
    if (status == AUXO_OK)
        status = auxo_op_run(queue, &cox, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, work, 2 * column_bytes, loss, sizeof loss, error);
    evaluation->loss = (double)loss[0] + (double)loss[1];
    auxo_buffer_destroy(work);
    free(risks);
    return status;
}

auxo_status auxo__evaluator_run(auxo__evaluator *evaluator, auxo_evaluation *evaluation, auxo_error *error)
{
    *evaluation = (auxo_evaluation){.loss = NAN, .accuracy = NAN, .row_count = evaluator->data.dataset->row_count};
    if (evaluator->options.loss == AUXO_LOSS_COX)
        return run_cox(evaluator, evaluation, error);
    auxo_status status = AUXO_OK;
    if (!evaluator->full || evaluator->structure_version != auxo_model_structure_version(evaluator->model))
        status = build_plans(evaluator, error);
    return status == AUXO_OK ? run_batches(evaluator, evaluation, error) : status;
}
