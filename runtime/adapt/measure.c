/* measure.c: sensitivities of every unit and layer, gradient energies and norms, from backward passes over a sample.
 *
 * The network is measured as the function that it is: dropout off, batch norm by its running statistics (whose own
 * parameters are left out). One pass gives dL/dtheta of every unit exactly, theta scaling its incoming weights and
 * bias: the sum of weight times gradient over them. Sums over units are those of layers, sums over layers those of
 * blocks. From pass to pass they vary; with batches of m rows, m times their variance (plus the squared mean) is the
 * empirical Fisher information of theta, which stands for the second derivative. The energy of a layer's gradient is
 * the mean product of gradients of neighbouring batches, to which the noise of the sample adds nothing.
 */
#include "adapt_internal.h"
#include "model_internal.h"

#include <Random123/philox.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY = 256, PARTS = 3 };
enum { PART_FIRST, PART_ENERGY, PART_NORM };

/* ---- the sample -------------------------------------------------------------------------------------------------- */

/* `count` different rows, drawn by the seed; ascending order does not matter. */
static auxo_status draw_rows(const auxo_dataset *train, size_t count, uint64_t seed, auxo_dataset **sample,
                             auxo_error *error)
{
    const size_t rows = train->row_count;
    uint32_t *order = malloc(rows * sizeof *order);
    if (!order)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory sampling %zu rows", rows);
    for (size_t i = 0; i < rows; i++)
        order[i] = (uint32_t)i;
    const philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    for (size_t i = 0; i < count; i++) {
        const philox4x32_ctr_t counter = {{(uint32_t)i, 0, 0x6d656173u, 0}};
        const size_t other = i + (size_t)(((uint64_t)philox4x32(counter, key).v[0] * (rows - i)) >> 32);
        const uint32_t taken = order[other];
        order[other] = order[i];
        order[i] = taken;
    }
    const auxo_status status = auxo_dataset_select(train, order, count, sample, error);
    free(order);
    return status;
}

auxo_status auxo__measure_init(auxo__measure *measure, auxo_model *model, const auxo_dataset *train,
                               const auxo_adapt_options *options, auxo_error *error)
{
    *measure = (auxo__measure){.model = model, .options = &options->training, .structure_version = UINT64_MAX};
    if (train->row_count < 2)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%zu training rows: sensitivities need at least 2",
                              train->row_count);
    if (options->measure_batches < 2 || options->measure_batches > HISTORY || options->measure_rows < 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%u batches of %u rows to measure: take 2 to %d of them",
                              options->measure_batches, options->measure_rows, HISTORY);
    const int64_t rows = (int64_t)train->row_count;
    measure->batch_rows = options->measure_rows < rows / 2 ? options->measure_rows : rows / 2;
    measure->batch_count =
        options->measure_batches < rows / measure->batch_rows ? options->measure_batches : rows / measure->batch_rows;
    auxo_queue *queue = auxo_model_queue(model);
    auxo_device *device = auxo_model_device(model);
    auxo_status status =
        draw_rows(train, (size_t)(measure->batch_rows * measure->batch_count), options->seed, &measure->sample, error);
    if (status == AUXO_OK)
        status = auxo__device_data_init(&measure->data, queue, measure->sample, error);
    if (status == AUXO_OK)
        status = auxo__device_preprocessing_init(&measure->preprocessing, model, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, 8 * sizeof(uint32_t), &measure->counter, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, HISTORY * sizeof(float), &measure->history, error);
    return status;
}

static void drop_structure(auxo__measure *measure)
{
    auxo_plan_destroy(measure->plan);
    auxo_buffer_destroy(measure->previous);
    auxo_buffer_destroy(measure->offsets);
    auxo_buffer_destroy(measure->results);
    free(measure->row_segments);
    free(measure->bias_segments);
    free(measure->read);
    free(measure->values);
    free(measure->found.layers);
    measure->plan = NULL;
    measure->previous = measure->offsets = measure->results = NULL;
    measure->row_segments = measure->bias_segments = NULL;
    measure->read = NULL;
    measure->values = NULL;
    measure->found = (auxo_sensitivities){0};
    measure->structure_version = UINT64_MAX;
}

void auxo__measure_deinit(auxo__measure *measure)
{
    if (measure->model)
        auxo_queue_wait(auxo_model_queue(measure->model), NULL); /* its work may still use the buffers */
    drop_structure(measure);
    auxo__device_data_deinit(&measure->data);
    auxo__device_preprocessing_deinit(&measure->preprocessing);
    auxo_buffer_destroy(measure->counter);
    auxo_buffer_destroy(measure->history);
    auxo_dataset_destroy(measure->sample);
    *measure = (auxo__measure){0};
}

/* ---- segments: what is summed up on the device ------------------------------------------------------------------- */

static bool has_rows(const auxo_model_desc *desc, const auxo_param *param)
{
    const auxo_layer_kind kind = desc->layers[param->layer].kind;
    return param->role == AUXO_PARAM_WEIGHT && (kind == AUXO_LAYER_DENSE || kind == AUXO_LAYER_CONV2D);
}

/* Segments of a parameter: rows of a weight, the single values of all else. */
static uint64_t segments_of(const auxo_model_desc *desc, const auxo_param *param)
{
    return has_rows(desc, param) ? (uint64_t)param->dims[0] : auxo__param_element_count(param);
}

static auxo_status count_segments(auxo__measure *measure, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(measure->model);
    const auxo_param *params = auxo_model_params(measure->model);
    uint64_t segments = 0, units = 0;
    for (size_t i = 0; i < auxo_model_param_count(measure->model); i++) {
        segments += params[i].trainable ? segments_of(desc, &params[i]) : 0;
        measure->found.layer_count += has_rows(desc, &params[i]);
        units += has_rows(desc, &params[i]) ? (uint64_t)params[i].dims[0] : 0;
    }
    const uint32_t layers = measure->found.layer_count;
    measure->segment_count = (uint32_t)segments;
    measure->found.layers = calloc(layers + 1, sizeof *measure->found.layers);
    measure->row_segments = malloc((layers + 1) * sizeof *measure->row_segments);
    measure->bias_segments = malloc((layers + 1) * sizeof *measure->bias_segments);
    measure->read = malloc((PARTS * segments + 1) * sizeof *measure->read);
    measure->values = malloc((4 * units + 1) * sizeof *measure->values);
    if (!measure->found.layers || !measure->row_segments || !measure->bias_segments || !measure->read ||
        !measure->values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities: out of memory");
    if (layers == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "model %s has no layer with weights", desc->name);
    return AUXO_OK;
}

/* Fills offsets (segment_count + 1) and says where each weight layer's segments begin. */
static void place_segments(auxo__measure *measure, uint32_t *offsets)
{
    const auxo_model_desc *desc = auxo_model_get_desc(measure->model);
    const auxo_param *params = auxo_model_params(measure->model);
    uint32_t segment = 0, layer = UINT32_MAX;
    uint64_t at = 0;
    double *values = measure->values;
    for (size_t i = 0; i < auxo_model_param_count(measure->model); i++) {
        if (!params[i].trainable)
            continue;
        const uint64_t count = segments_of(desc, &params[i]);
        const uint64_t size = count > 0 ? auxo__param_element_count(&params[i]) / count : 0;
        if (has_rows(desc, &params[i])) {
            layer++;
            measure->row_segments[layer] = segment;
            measure->bias_segments[layer] = UINT32_MAX;
            measure->found.layers[layer] = (auxo_layer_sensitivity){.layer = params[i].layer,
                                                                    .units = (uint32_t)count,
                                                                    .unit_first = values,
                                                                    .unit_second = values + count,
                                                                    .unit_energy = values + 2 * count,
                                                                    .unit_norm = values + 3 * count};
            values += 4 * count;
        } else if (params[i].role == AUXO_PARAM_BIAS && layer != UINT32_MAX &&
                   measure->found.layers[layer].layer == params[i].layer) {
            measure->bias_segments[layer] = segment;
        }
        for (uint64_t s = 0; s < count; s++, at += size)
            offsets[segment++] = (uint32_t)at;
    }
    offsets[segment] = (uint32_t)at;
}

static auxo_status upload_segments(auxo__measure *measure, auxo_error *error)
{
    auxo_device *device = auxo_model_device(measure->model);
    auxo_queue *queue = auxo_model_queue(measure->model);
    const uint64_t list_bytes = (measure->segment_count + 1) * sizeof(uint32_t);
    uint32_t *offsets = malloc(list_bytes);
    if (!offsets)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities: out of memory");
    place_segments(measure, offsets);
    auxo_status status = auxo_buffer_create(device, list_bytes, &measure->offsets, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, measure->offsets, 0, offsets, list_bytes, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, PARTS * measure->segment_count * sizeof(float), &measure->results, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, auxo_model_weight_count(measure->model) * sizeof(float), &measure->previous,
                                    error);
    free(offsets);
    return status;
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static auxo_tensor counter_of(const auxo__measure *measure)
{
    return auxo_tensor_1d(measure->counter, 0, AUXO_DTYPE_U32, 4);
}

static void add_gradient(const auxo__measure *measure, auxo_plan *plan, const bool *train)
{
    const auxo__batch batch = {.data = &measure->data,
                               .preprocessing = &measure->preprocessing,
                               .size = measure->batch_rows,
                               .row_count = measure->data.rows,
                               .counter = counter_of(measure),
                               .precision = auxo_model_precision(measure->model)};
    const uint32_t last = auxo_model_get_desc(measure->model)->layer_count - 1;
    auxo_tensor input, gradient;
    auxo__batch_add_input(&batch, plan, &input);
    const auxo_forward forward = {.input = input, .counter = counter_of(measure), .need_backward = true};
    auxo_activations *activations = auxo_model_add_forward(measure->model, plan, &forward);
    if (!activations)
        return;
    const auxo__loss_outputs outputs = {.history = auxo_tensor_1d(measure->history, 0, AUXO_DTYPE_F32, HISTORY),
                                        .gradient = &gradient};
    const auxo_tensor output = auxo_activations_output(activations, last);
    auxo__batch_add_loss(&batch, measure->options, plan, &output, &outputs);
    gradient = auxo_tensor_reshape(gradient, output.rank, output.dims);
    auxo_model_add_backward(measure->model, plan, activations, &gradient, train);
    auxo_activations_destroy(activations);
}

static void add_sums(const auxo__measure *measure, auxo_plan *plan)
{
    const int64_t weights = (int64_t)auxo_model_weight_count(measure->model), segments = measure->segment_count;
    const auxo_tensor w = auxo_tensor_1d(auxo_model_weights(measure->model), 0, AUXO_DTYPE_F32, weights);
    const auxo_tensor g = auxo_tensor_1d(auxo_model_gradients(measure->model), 0, AUXO_DTYPE_F32, weights);
    const auxo_tensor before = auxo_tensor_1d(measure->previous, 0, AUXO_DTYPE_F32, weights);
    const auxo_tensor factors[PARTS][2] = {{w, g}, {g, before}, {w, auxo_tensor_none()}};
    static const char *const labels[PARTS] = {"sensitivity", "gradient energy", "norm"};
    for (int part = 0; part < PARTS; part++) {
        auxo_op op = {.kind = AUXO_OP_SEGMENT_REDUCE,
                      .params.segment_reduce = {.kind = AUXO_REDUCE_MAX_ABS, .dot = part != PART_NORM}};
        op.tensors[AUXO_SEGMENT_REDUCE_A] = factors[part][0];
        op.tensors[AUXO_SEGMENT_REDUCE_B] = factors[part][1];
        op.tensors[AUXO_SEGMENT_REDUCE_OFFSETS] = auxo_tensor_1d(measure->offsets, 0, AUXO_DTYPE_U32, segments + 1);
        op.tensors[AUXO_SEGMENT_REDUCE_Y] =
            auxo_tensor_1d(measure->results, (uint64_t)(part * segments) * sizeof(float), AUXO_DTYPE_F32, segments);
        auxo_plan_add(plan, &op, labels[part]);
    }
    auxo_op copy = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1.0f}};
    copy.tensors[AUXO_COPY_X] = g;
    copy.tensors[AUXO_COPY_Y] = before;
    auxo_plan_add(plan, &copy, "gradient before");
    auxo_op count = {.kind = AUXO_OP_COUNTER_ADD, .params.counter_add = {.increments = {1, 1, 0, 0}}};
    count.tensors[AUXO_COUNTER_ADD_COUNTER] = counter_of(measure);
    auxo_plan_add(plan, &count, "counters");
}

static auxo_status build_plan(auxo__measure *measure, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(measure->model);
    const auxo_plan_options options = {.allow_host_fallback = measure->options->allow_host_fallback};
    bool *train = calloc(desc->layer_count, sizeof *train);
    if (!train)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities: out of memory");
    for (uint32_t i = 0; i < measure->found.layer_count; i++)
        train[measure->found.layers[i].layer] = true;
    auxo_status status = auxo_plan_create(auxo_model_device(measure->model), &measure->plan, error);
    if (status == AUXO_OK) {
        add_gradient(measure, measure->plan, train);
        add_sums(measure, measure->plan);
        status = auxo_plan_compile(measure->plan, &options, error);
    }
    free(train);
    return status;
}

static auxo_status prepare(auxo__measure *measure, auxo_error *error)
{
    const uint64_t version = auxo_model_structure_version(measure->model);
    if (measure->structure_version == version)
        return AUXO_OK;
    drop_structure(measure);
    auxo_status status = count_segments(measure, error);
    if (status == AUXO_OK)
        status = upload_segments(measure, error);
    if (status == AUXO_OK)
        status = build_plan(measure, error);
    if (status == AUXO_OK)
        measure->structure_version = version;
    return status;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

/* Adds what one pass found; unit_second and the layers' second hold sums of squares until the end. */
static void take_pass(auxo__measure *measure, int64_t pass)
{
    const float *first = measure->read + (size_t)PART_FIRST * measure->segment_count;
    const float *energy = measure->read + (size_t)PART_ENERGY * measure->segment_count;
    const float *norm = measure->read + (size_t)PART_NORM * measure->segment_count;
    for (uint32_t i = 0; i < measure->found.layer_count; i++) {
        auxo_layer_sensitivity *layer = &measure->found.layers[i];
        const uint32_t rows = measure->row_segments[i], biases = measure->bias_segments[i];
        double sum = 0, energies = 0;
        for (uint32_t u = 0; u < layer->units; u++) {
            const bool bias = biases != UINT32_MAX;
            const double s = (double)first[rows + u] + (bias ? (double)first[biases + u] : 0);
            const double e = (double)energy[rows + u] + (bias ? (double)energy[biases + u] : 0);
            energies += e;
            layer->unit_energy[u] += pass > 0 ? e : 0;
            layer->unit_first[u] += s;
            layer->unit_second[u] += s * s;
            layer->unit_norm[u] = fmax((double)norm[rows + u], bias ? (double)norm[biases + u] : 0);
            sum += s;
        }
        layer->first += sum;
        layer->second += sum * sum;
        layer->energy += pass > 0 ? energies : 0;
    }
}

/* From sums over n passes of m rows each to a mean and a second derivative. */
static void finish_sums(double *first, double *second, double n, double m)
{
    const double mean = *first / n, variance = fmax(0, *second / n - mean * mean) * n / (n - 1);
    *first = mean;
    *second = m * variance + mean * mean;
}

static auxo_status finish(auxo__measure *measure, const float *losses, auxo_error *error)
{
    auxo_sensitivities *found = &measure->found;
    const double n = (double)measure->batch_count, m = (double)measure->batch_rows;
    found->loss = found->energy = 0;
    for (int64_t b = 0; b < measure->batch_count; b++)
        found->loss += (double)losses[b] / n;
    for (uint32_t i = 0; i < found->layer_count; i++) {
        auxo_layer_sensitivity *layer = &found->layers[i];
        double norms = 0;
        for (uint32_t u = 0; u < layer->units; u++) {
            finish_sums(&layer->unit_first[u], &layer->unit_second[u], n, m);
            layer->unit_energy[u] /= n - 1;
            norms += layer->unit_norm[u];
        }
        finish_sums(&layer->first, &layer->second, n, m);
        layer->energy = fmax(0, layer->energy / (n - 1));
        layer->norm = layer->units > 0 ? norms / layer->units : 0;
        found->energy += layer->energy;
    }
    if (!isfinite(found->loss) || !isfinite(found->energy))
        return auxo_error_set(error, AUXO_NOT_FINITE, "the loss of the measured rows is %g", found->loss);
    return AUXO_OK;
}

auxo_status auxo__measure_run(auxo__measure *measure, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(measure->model);
    const uint32_t counters[8] = {1, 0, 1, 1};
    float losses[HISTORY];
    auxo_status status = prepare(measure, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, measure->counter, 0, counters, sizeof counters, error);
    for (uint32_t i = 0; status == AUXO_OK && i < measure->found.layer_count; i++) {
        auxo_layer_sensitivity *layer = &measure->found.layers[i];
        layer->first = layer->second = layer->energy = 0;
        memset(layer->unit_first, 0, 4 * (size_t)layer->units * sizeof *layer->unit_first);
    }
    for (int64_t pass = 0; pass < measure->batch_count && status == AUXO_OK; pass++) {
        status = auxo_plan_run(measure->plan, queue, 1, error);
        if (status == AUXO_OK)
            status = auxo_buffer_read(queue, measure->results, 0, measure->read,
                                      PARTS * (uint64_t)measure->segment_count * sizeof(float), error);
        if (status == AUXO_OK)
            take_pass(measure, pass);
    }
    if (status == AUXO_OK)
        status = auxo_buffer_read(queue, measure->history, 0, losses, sizeof losses, error);
    if (status == AUXO_OK)
        status = finish(measure, losses, error);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "measuring");
}

auxo_status auxo__measure_gradient(auxo__measure *measure, const auxo_param *param, double **gradient,
                                   auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(measure->model);
    const uint32_t counters[8] = {1, 0, 1, 1};
    const auxo_tensor view = auxo_model_gradient_tensor(measure->model, param);
    const size_t count = (size_t)auxo_tensor_element_count(&view);
    double *sum = calloc(count + 1, sizeof *sum);
    float *read = malloc((count + 1) * sizeof *read);
    auxo_status status =
        sum && read ? prepare(measure, error) : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "gradient: out of memory");
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, measure->counter, 0, counters, sizeof counters, error);
    for (int64_t pass = 0; pass < measure->batch_count && status == AUXO_OK; pass++) {
        status = auxo_plan_run(measure->plan, queue, 1, error);
        if (status == AUXO_OK)
            status = auxo_buffer_read(queue, view.buffer, view.offset_bytes, read, count * sizeof *read, error);
        for (size_t i = 0; i < count && status == AUXO_OK; i++)
            sum[i] += (double)read[i] / (double)measure->batch_count;
    }
    free(read);
    if (status != AUXO_OK) {
        free(sum);
        return status;
    }
    *gradient = sum;
    return AUXO_OK;
}

auxo_status auxo__measure_outputs(auxo__measure *measure, uint32_t layer, float **outputs, int64_t *rows,
                                  int64_t *values, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(measure->model);
    const auxo_plan_options options = {.allow_host_fallback = measure->options->allow_host_fallback};
    *rows = measure->batch_rows * measure->batch_count;
    *values = auxo__layer_size(&auxo_model_get_desc(measure->model)->layers[layer]);
    const auxo__batch batch = {.data = &measure->data,
                               .preprocessing = &measure->preprocessing,
                               .size = *rows,
                               .row_count = *rows,
                               .precision = AUXO_DTYPE_F32};
    auxo_plan *plan = NULL;
    auxo_forward forward = {.end_layer = layer};
    auxo_tensor output = auxo_tensor_none();
    auxo_status status = auxo_plan_create(auxo_model_device(measure->model), &plan, error);
    if (status != AUXO_OK)
        return status;
    auxo__batch_add_input(&batch, plan, &forward.input);
    auxo_activations *activations = layer > 0 ? auxo_model_add_forward(measure->model, plan, &forward) : NULL;
    output = layer > 0 ? auxo_activations_output(activations, layer) : forward.input;
    auxo_activations_destroy(activations);
    status = auxo_plan_status(plan, error);
    if (status == AUXO_OK)
        status = auxo_plan_keep(plan, &output, error);
    if (status == AUXO_OK)
        status = auxo_plan_compile(plan, &options, error);
    if (status == AUXO_OK)
        status = auxo_plan_run(plan, queue, 1, error);
    *outputs = status == AUXO_OK ? malloc((size_t)(*rows * *values + 1) * sizeof **outputs) : NULL;
    if (status == AUXO_OK && !*outputs)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "outputs of a layer: out of memory");
    if (status == AUXO_OK) {
        const auxo_tensor found = auxo_plan_resolve(plan, &output);
        status = auxo_buffer_read(queue, found.buffer, found.offset_bytes, *outputs,
                                  (uint64_t)(*rows * *values) * sizeof **outputs, error);
    }
    auxo_queue_wait(queue, NULL); /* its work may still use the plan */
    auxo_plan_destroy(plan);
    if (status != AUXO_OK) {
        free(*outputs);
        *outputs = NULL;
    }
    return status;
}
