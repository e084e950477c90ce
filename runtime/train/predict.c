/* predict.c: a model's outputs for all rows of a data set, in inference mode.
 */
#include "train_internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct prediction {
    auxo_plan *plan;
    auxo_buffer *counter;
    auxo_tensor output; /* (batch, outputs), kept by the plan */
} prediction;

static void add_softmax(auxo_plan *plan, auxo_tensor *output)
{
    auxo_op op = {.kind = AUXO_OP_SOFTMAX};
    op.tensors[AUXO_SOFTMAX_X] = *output;
    *output = auxo_plan_temp(plan, AUXO_DTYPE_F32, 2, output->dims);
    op.tensors[AUXO_SOFTMAX_Y] = *output;
    auxo_plan_add(plan, &op, "softmax");
}

static auxo_status add_outputs(prediction *predictor, auxo_model *model, const auxo__batch *batch, bool softmax,
                               auxo_error *error)
{
    auxo_forward forward = {0};
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const auxo_layer *last = &desc->layers[desc->layer_count - 1];
    const int64_t dims[2] = {batch->size, last->output_dims[0] * last->output_dims[1] * last->output_dims[2]};
    auxo__batch_add_input(batch, predictor->plan, &forward.input);
    auxo_activations *activations = auxo_model_add_forward(model, predictor->plan, &forward);
    if (!activations)
        return auxo_plan_status(predictor->plan, error);
    predictor->output = auxo_tensor_reshape(auxo_activations_output(activations, desc->layer_count - 1), 2, dims);
    auxo_activations_destroy(activations);
    if (softmax)
        add_softmax(predictor->plan, &predictor->output);
    auxo_op count = {.kind = AUXO_OP_COUNTER_ADD, .params.counter_add = {.increments = {0, 1, 0, 0}}};
    count.tensors[AUXO_COUNTER_ADD_COUNTER] = batch->counter;
    auxo_plan_add(predictor->plan, &count, "counters");
    const auxo_status status = auxo_plan_status(predictor->plan, error);
    return status == AUXO_OK ? auxo_plan_keep(predictor->plan, &predictor->output, error) : status;
}

/* Where the outputs of some rows go. */
typedef struct output_sink {
    auxo_outputs_function *function;
    void *user;
    const auxo_preprocessing *undone; /* NULL: outputs stay in the model's own units */
    float *values;                    /* (batch, outputs) */
} output_sink;

/* From standardised targets back to the units of the data. */
static void undo_target_standardization(const auxo_preprocessing *preprocessing, size_t row_count, size_t width,
                                        float *outputs)
{
    if (preprocessing->target_count != width)
        return;
    for (size_t row = 0; row < row_count; row++)
        for (size_t i = 0; i < width; i++)
            outputs[row * width + i] =
                outputs[row * width + i] / preprocessing->target_inverse_stds[i] + preprocessing->target_means[i];
}

static auxo_status run_batch(const prediction *predictor, auxo_queue *queue, auxo__stream *stream, int64_t row,
                             int64_t count, const output_sink *sink, auxo_error *error)
{
    const int64_t batch = predictor->output.dims[0], width = predictor->output.dims[1];
    const auxo_tensor output = auxo_plan_resolve(predictor->plan, &predictor->output);
    auxo_status status = stream ? auxo__stream_need(stream, 0, (uint64_t)(row / batch), error) : AUXO_OK;
    if (status == AUXO_OK)
        status = auxo_plan_run(predictor->plan, queue, 1, error);
    if (status == AUXO_OK && stream)
        status = auxo__stream_enqueued(stream, (uint64_t)(row / batch), error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, output.buffer, output.offset_bytes, sink->values,
                                  (uint64_t)(count * width) * sizeof *sink->values, error);
    if (status == AUXO_OK && sink->undone)
        undo_target_standardization(sink->undone, (size_t)count, (size_t)width, sink->values);
    return status == AUXO_OK ? sink->function(sink->user, (size_t)row, (size_t)count, sink->values, error) : status;
}

/* The last batch wraps around to other rows, whose outputs are not copied. */
static auxo_status run_batches(const prediction *predictor, auxo_queue *queue, auxo__stream *stream, int64_t rows,
                               const output_sink *sink, auxo_error *error)
{
    static const uint32_t zero[4] = {0, 0, 0, 0};
    int64_t batch = predictor->output.dims[0];
    auxo_status status = auxo_buffer_write(queue, predictor->counter, 0, zero, sizeof zero, error);
    for (int64_t row = 0; status == AUXO_OK && row < rows; row += batch)
        status = run_batch(predictor, queue, stream, row, rows - row < batch ? rows - row : batch, sink, error);
    return status;
}

static auxo_status predict_into(auxo_model *model, const auxo__device_data *data,
                                const auxo__device_preprocessing *preprocessing, int64_t batch, bool softmax,
                                const auxo_plan_options *options, output_sink *sink, auxo_error *error)
{
    int64_t rows = (int64_t)data->dataset->row_count;
    prediction predictor = {0};
    auxo_status status = auxo_buffer_create(auxo_model_device(model), 4 * sizeof(uint32_t), &predictor.counter, error);
    if (status == AUXO_OK)
        status = auxo_plan_create(auxo_model_device(model), &predictor.plan, error);
    if (status == AUXO_OK) {
        auxo__batch part = {.data = data,
                            .preprocessing = preprocessing,
                            .size = batch < rows ? batch : rows,
                            .row_count = data->rows,
                            .counter = auxo_tensor_1d(predictor.counter, 0, AUXO_DTYPE_U32, 4),
                            .precision = auxo_model_precision(model)};
        status = add_outputs(&predictor, model, &part, softmax, error);
    }
    if (status == AUXO_OK)
        status = auxo_plan_compile(predictor.plan, options, error);
    if (status == AUXO_OK) {
        const int64_t *dims = predictor.output.dims;
        sink->values = malloc((size_t)(dims[0] * dims[1]) * sizeof *sink->values);
        if (!sink->values)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the outputs of a batch");
    }
    if (status == AUXO_OK)
        status = run_batches(&predictor, auxo_model_queue(model), data->stream, rows, sink, error);
    free(sink->values);
    auxo_plan_destroy(predictor.plan);
    auxo_buffer_destroy(predictor.counter);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "prediction");
}

typedef struct output_array {
    float *values;
    size_t width;
} output_array;

static auxo_status copy_outputs(void *user, size_t first, size_t count, const float *outputs, auxo_error *error)
{
    const output_array *array = user;
    (void)error;
    memcpy(array->values + first * array->width, outputs, count * array->width * sizeof *outputs);
    return AUXO_OK;
}

static size_t output_width(const auxo_model *model)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const int64_t *out = desc->layers[desc->layer_count - 1].output_dims;
    return (size_t)(out[0] * out[1] * out[2]);
}

auxo_status auxo__predict(auxo_model *model, const auxo__device_data *data,
                          const auxo__device_preprocessing *preprocessing, int64_t batch, bool softmax,
                          const auxo_plan_options *options, float *outputs, auxo_error *error)
{
    output_array array = {outputs, output_width(model)};
    output_sink sink = {.function = copy_outputs, .user = &array};
    return predict_into(model, data, preprocessing, batch, softmax, options, &sink, error);
}

auxo_status auxo_model_predict_each(auxo_model *model, const auxo_dataset *dataset, uint32_t batch, bool softmax,
                                    auxo_outputs_function *function, void *user, auxo_error *error)
{
    auxo__device_data data = {0};
    auxo__device_preprocessing preprocessing = {0};
    const auxo_plan_options options = {0};
    const uint32_t size = batch ? batch : 256;
    auxo_queue *queue = auxo_model_queue(model);
    output_sink sink = {.function = function, .user = user, .undone = softmax ? NULL : auxo_model_preprocessing(model)};
    auxo__stream_options stream = {.batch = size};
    auxo_status status = auxo__check_features(model, dataset, error);
    if (status == AUXO_OK && auxo__device_data_streams(auxo_model_device(model), dataset, AUXO_STREAM_AUTO, 0))
        status = auxo__device_data_stream(&data, queue, dataset, &stream, error);
    else if (status == AUXO_OK)
        status = auxo__device_data_init(&data, queue, dataset, error);
    if (status == AUXO_OK)
        status = auxo__device_preprocessing_init(&preprocessing, model, error);
    if (status == AUXO_OK)
        status = predict_into(model, &data, &preprocessing, size, softmax, &options, &sink, error);
    auxo__device_data_deinit(&data);
    auxo__device_preprocessing_deinit(&preprocessing);
    return status;
}

auxo_status auxo_model_predict(auxo_model *model, const auxo_dataset *dataset, uint32_t batch, bool softmax,
                               float *outputs, auxo_error *error)
{
    output_array array = {outputs, output_width(model)};
    return auxo_model_predict_each(model, dataset, batch, softmax, copy_outputs, &array, error);
}
