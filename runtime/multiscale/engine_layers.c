/* runtime/multiscale/engine_layers.c: the multi-scale engine for any model, through its layer plans.
 *
 * Gradients are those of the mean loss over the whole training set: batches of at most BATCH_ROWS rows run one after
 * the other inside one plan and are added up. Classes use cross-entropy, real targets the mean squared error. The
 * output of the last frozen layer is computed once per training request where every later layer reads it or what
 * follows it. So that the loss is a function of the weights alone, dropout is off and batch norm is the fixed affine
 * function of its running statistics; its gamma and beta are not trained.
 */
#include "engine_layers.h"

#include "model_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_ROWS = 1024 };
static const uint64_t PREFIX_BYTES_MAX = 512u << 20;

static auxo_tensor flat(auxo_buffer *buffer, uint64_t offset, uint64_t count)
{
    return auxo_tensor_1d(buffer, offset * sizeof(float), AUXO_DTYPE_F32, (int64_t)count);
}

static void add_scaled(auxo_plan *plan, auxo_tensor x, auxo_tensor y, float scale, bool accumulate)
{
    auxo_op op = {.kind = AUXO_OP_COPY, .params.copy = {scale, accumulate}};
    op.tensors[AUXO_COPY_X] = x;
    op.tensors[AUXO_COPY_Y] = y;
    auxo_plan_add(plan, &op, "accumulate");
}

static uint64_t layer_row_bytes(const engine_layers *engine, uint32_t layer)
{
    const int64_t *dims = auxo_model_get_desc(engine->model)->layers[layer].output_dims;
    return (uint64_t)(dims[0] * dims[1] * dims[2]) * sizeof(float);
}

/* The last layer before `layer` after which the network can be cut, if its output may be kept for all training rows;
 * else 0, the features. */
static uint32_t cut_before(const engine_layers *engine, uint32_t layer)
{
    const uint64_t rows = engine->train.row_count > 0 ? (uint64_t)engine->train.row_count : 1;
    return auxo__model_desc_cut(auxo_model_get_desc(engine->model), layer, PREFIX_BYTES_MAX / rows);
}

/* Rows [start, start + count) of what layer `layer` puts out (layer 0: the features). */
static auxo_tensor input_rows(const engine_layers *engine, const sample_set *set, uint32_t layer, int64_t start,
                              int64_t count)
{
    const int64_t *dims = auxo_model_get_desc(engine->model)->layers[layer].output_dims;
    auxo_buffer *buffer = layer == 0 ? set->features : engine->prefix;
    return auxo_tensor_make(buffer, (uint64_t)start * layer_row_bytes(engine, layer), AUXO_DTYPE_F32, 4,
                            (int64_t[]){count, dims[0], dims[1], dims[2]});
}

static void append_loss(engine_layers *engine, auxo_plan *plan, const sample_set *set, int64_t start, int64_t count,
                        auxo_tensor output, auxo_tensor loss, auxo_tensor gradient)
{
    int64_t outputs = engine->output_count, dims[2] = {count, outputs};
    auxo_op op = {.kind = engine->classes ? AUXO_OP_SOFTMAX_CROSS_ENTROPY : AUXO_OP_MSE};
    uint64_t offset_bytes = (uint64_t)start * sizeof(float) * (engine->classes ? 1 : (uint64_t)outputs);
    output = auxo_tensor_reshape(output, 2, dims);
    if (engine->classes) {
        op.tensors[AUXO_XENT_LOGITS] = output;
        op.tensors[AUXO_XENT_LABELS] = auxo_tensor_1d(set->targets, offset_bytes, AUXO_DTYPE_U32, count);
        op.tensors[AUXO_XENT_LOSS] = loss;
        op.tensors[AUXO_XENT_DLOGITS] = gradient;
    } else {
        op.tensors[AUXO_MSE_PREDICTION] = output;
        op.tensors[AUXO_MSE_TARGET] = auxo_tensor_make(set->targets, offset_bytes, AUXO_DTYPE_F32, 2, dims);
        op.tensors[AUXO_MSE_LOSS] = loss;
        op.tensors[AUXO_MSE_DPREDICTION] = gradient;
    }
    auxo_plan_add(plan, &op, "loss");
}

typedef struct batch_pass {
    const sample_set *set;
    uint32_t input_layer; /* whose output the pass starts from */
    const bool *train;    /* per model layer; NULL: forward only */
    uint32_t stop;        /* lowest trained layer */
} batch_pass;

/* Forward, loss and, if asked, backward of one batch; its loss goes to `loss`. */
static void append_batch(engine_layers *engine, auxo_plan *plan, const batch_pass *pass, int64_t start, int64_t count,
                         auxo_tensor loss)
{
    uint32_t last = auxo_model_get_desc(engine->model)->layer_count - 1;
    auxo_forward forward = {.input = input_rows(engine, pass->set, pass->input_layer, start, count),
                            .begin_layer = pass->input_layer,
                            .need_backward = pass->train != NULL,
                            .backward_stop = pass->stop};
    auxo_activations *activations = auxo_model_add_forward(engine->model, plan, &forward);
    if (!activations)
        return;
    auxo_tensor gradient = auxo_tensor_none();
    if (pass->train)
        gradient = auxo_plan_temp(plan, AUXO_DTYPE_F32, 2, (int64_t[]){count, engine->output_count});
    auxo_tensor output = auxo_activations_output(activations, last);
    append_loss(engine, plan, pass->set, start, count, output, loss, gradient);
    if (pass->train) {
        gradient = auxo_tensor_reshape(gradient, output.rank, output.dims);
        auxo_model_add_backward(engine->model, plan, activations, &gradient, pass->train);
    }
    auxo_activations_destroy(activations);
}

/* All batches: mean loss into `loss`, and the mean gradient of weights [offset, offset + count) into the model. */
static void append_pass(engine_layers *engine, auxo_plan *plan, const batch_pass *pass, uint64_t offset, uint64_t count,
                        const auxo_tensor *loss)
{
    int64_t rows = pass->set->row_count;
    if (rows <= BATCH_ROWS) {
        if (rows > 0)
            append_batch(engine, plan, pass, 0, rows, *loss);
        return;
    }
    const auxo_tensor gradients = flat(auxo_model_gradients(engine->model), offset, count);
    for (int64_t start = 0; start < rows; start += BATCH_ROWS) {
        int64_t batch = rows - start < BATCH_ROWS ? rows - start : BATCH_ROWS;
        float share = (float)batch / (float)rows;
        auxo_tensor batch_loss = auxo_plan_temp(plan, AUXO_DTYPE_F32, 1, (int64_t[]){2});
        append_batch(engine, plan, pass, start, batch, batch_loss);
        add_scaled(plan, batch_loss, *loss, share, start > 0);
        if (pass->train)
            add_scaled(plan, gradients, flat(engine->total, offset, count), share, start > 0);
    }
    if (pass->train)
        add_scaled(plan, flat(engine->total, offset, count), gradients, 1, false);
}

static void weight_range(const engine_layers *engine, uint32_t layer_begin, uint32_t layer_end, uint64_t *offset,
                         uint64_t *count)
{
    uint64_t last_offset, last_count;
    auxo_model_layer_range(engine->model, engine->weight_layers[layer_begin], offset, count);
    auxo_model_layer_range(engine->model, engine->weight_layers[layer_end - 1], &last_offset, &last_count);
    *count = last_offset + last_count - *offset;
}

/* Which of the model's layers are weight layers [layer_begin, layer_end); NULL if out of memory. */
static bool *mark_layers(const engine_layers *engine, uint32_t layer_begin, uint32_t layer_end)
{
    bool *train = calloc(auxo_model_get_desc(engine->model)->layer_count, sizeof *train);
    for (uint32_t l = layer_begin; train && l < layer_end; l++)
        train[engine->weight_layers[l]] = true;
    return train;
}

/* range_trainer's callback: the gradient of a range of weight layers. */
static void append_range(void *user, auxo_plan *plan, uint32_t layer_begin, uint32_t layer_end, const auxo_tensor *loss)
{
    engine_layers *engine = user;
    bool *train = mark_layers(engine, layer_begin, layer_end);
    if (!train) {
        auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "training layers: out of memory");
        return;
    }
    uint32_t first = engine->weight_layers[layer_begin];
    uint64_t offset, count;
    weight_range(engine, layer_begin, layer_end, &offset, &count);
    batch_pass pass = {&engine->train, cut_before(engine, first), train, first};
    append_pass(engine, plan, &pass, offset, count, loss);
    free(train);
}

static auxo_status build_gradient_plan(engine_layers *engine, auxo_error *error)
{
    auxo_status status = auxo_plan_create(engine->device, &engine->gradient_plan, error);
    if (status != AUXO_OK)
        return status;
    bool *all = mark_layers(engine, 0, engine->tree->layer_count);
    if (!all)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "gradient plan: out of memory");
    auxo_tensor loss = flat(engine->results, 0, 2);
    batch_pass pass = {&engine->train, 0, all, engine->weight_layers[0]};
    append_pass(engine, engine->gradient_plan, &pass, 0, engine->weight_count, &loss);
    auxo_op norm = {.kind = AUXO_OP_REDUCE, .params.reduce = {AUXO_REDUCE_MAX_ABS}};
    norm.tensors[AUXO_REDUCE_X] = auxo_tensor_make(auxo_model_gradients(engine->model), 0, AUXO_DTYPE_F32, 3,
                                                   (int64_t[]){1, 1, (int64_t)engine->weight_count});
    norm.tensors[AUXO_REDUCE_Y] = flat(engine->results, 2, 1);
    auxo_plan_add(engine->gradient_plan, &norm, "gradient norm");
    status = auxo_plan_compile(engine->gradient_plan, &(auxo_plan_options){0}, error);
    free(all);
    return status;
}

auxo_status auxo__engine_layers_full_gradient(multiscale_engine *base, double *loss, double *gradient_max,
                                              auxo_error *error)
{
    engine_layers *engine = (engine_layers *)base;
    auxo_status status = engine->gradient_plan ? AUXO_OK : build_gradient_plan(engine, error);
    float results[3];
    if (status == AUXO_OK)
        status = auxo_plan_run(engine->gradient_plan, engine->queue, 1, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(engine->queue, engine->results, 0, results, sizeof results, error);
    if (status != AUXO_OK)
        return status;
    *loss = (double)results[0] + (double)results[1];
    *gradient_max = results[2];
    if (!isfinite(*loss) || !isfinite(*gradient_max))
        return auxo_error_set(error, AUXO_NOT_FINITE, "the training loss is %g", *loss);
    return AUXO_OK;
}

/* Mean loss on a set from the output of layer `cut` on (0: the features). */
static auxo_status run_loss(engine_layers *engine, auxo_plan **plan, const sample_set *set, uint32_t cut, double *loss,
                            auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (!*plan) {
        status = auxo_plan_create(engine->device, plan, error);
        auxo_tensor total = flat(engine->results, 0, 2);
        batch_pass pass = {set, cut, NULL, 0};
        if (status == AUXO_OK) {
            append_pass(engine, *plan, &pass, 0, engine->weight_count, &total);
            status = auxo_plan_compile(*plan, &(auxo_plan_options){0}, error);
        }
    }
    float results[2];
    if (status == AUXO_OK)
        status = auxo_plan_run(*plan, engine->queue, 1, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(engine->queue, engine->results, 0, results, sizeof results, error);
    if (status == AUXO_OK)
        *loss = (double)results[0] + (double)results[1];
    return status;
}

auxo_status auxo__engine_layers_train_loss(engine_layers *engine, double *loss, auxo_error *error)
{
    return run_loss(engine, &engine->train_loss_plan, &engine->train, 0, loss, error);
}

/* Output of layer `layer` for all training rows, into engine->prefix. */
static auxo_status compute_prefix(engine_layers *engine, uint32_t layer, auxo_error *error)
{
    auxo_plan *plan = NULL;
    auxo_status status = auxo_plan_create(engine->device, &plan, error);
    int64_t rows = engine->train.row_count;
    for (int64_t start = 0; start < rows && status == AUXO_OK; start += BATCH_ROWS) {
        int64_t batch = rows - start < BATCH_ROWS ? rows - start : BATCH_ROWS;
        auxo_forward forward = {.input = input_rows(engine, &engine->train, 0, start, batch), .end_layer = layer};
        auxo_activations *activations = auxo_model_add_forward(engine->model, plan, &forward);
        if (!activations)
            break;
        auxo_tensor output = auxo_activations_output(activations, layer);
        auxo_activations_destroy(activations);
        auxo_tensor kept = input_rows(engine, &engine->train, layer, start, batch);
        add_scaled(plan, output, auxo_tensor_reshape(kept, output.rank, output.dims), 1, false);
    }
    if (status == AUXO_OK)
        status = auxo_plan_compile(plan, &(auxo_plan_options){0}, error);
    if (status == AUXO_OK)
        status = auxo_plan_run(plan, engine->queue, 1, error);
    if (status == AUXO_OK)
        status = auxo_queue_wait(engine->queue, error);
    auxo_plan_destroy(plan);
    return status;
}

uint32_t auxo__engine_layers_cut(const engine_layers *engine, uint32_t weight_layer)
{
    return cut_before(engine, engine->weight_layers[weight_layer]);
}

auxo_status auxo__engine_layers_keep_prefix(engine_layers *engine, uint32_t cut, auxo_error *error)
{
    return cut > 0 ? compute_prefix(engine, cut, error) : AUXO_OK;
}

auxo_status auxo__engine_layers_loss_after(engine_layers *engine, uint32_t cut, double *loss, auxo_error *error)
{
    if (cut == 0)
        return auxo__engine_layers_train_loss(engine, loss, error);
    if (!engine->loss_plans_after) {
        engine->loss_plans_after =
            calloc(auxo_model_get_desc(engine->model)->layer_count, sizeof(*engine->loss_plans_after));
        if (!engine->loss_plans_after)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "theta evaluation: out of memory");
    }
    return run_loss(engine, &engine->loss_plans_after[cut], &engine->train, cut, loss, error);
}

static auxo_status train(multiscale_engine *base, const train_request *request, train_outcome *outcome,
                         auxo_error *error)
{
    engine_layers *engine = (engine_layers *)base;
    uint32_t cut = cut_before(engine, engine->weight_layers[request->layer_begin]);
    if (cut > 0) {
        auxo_status status = compute_prefix(engine, cut, error);
        if (status != AUXO_OK)
            return status;
    }
    uint64_t offset, count;
    weight_range(engine, request->layer_begin, request->layer_end, &offset, &count);
    return auxo__range_trainer_run(engine->trainer, request, offset, count, outcome, error);
}

static auxo_status evaluate(multiscale_engine *base, double *train_loss, double *test_loss, auxo_error *error)
{
    engine_layers *engine = (engine_layers *)base;
    auxo_status status = auxo__engine_layers_train_loss(engine, train_loss, error);
    *test_loss = NAN;
    if (status == AUXO_OK && engine->test.row_count > 0)
        status = run_loss(engine, &engine->test_loss_plan, &engine->test, 0, test_loss, error);
    return status;
}

static void destroy(multiscale_engine *base)
{
    engine_layers *engine = (engine_layers *)base;
    if (!engine)
        return;
    auxo__range_trainer_destroy(engine->trainer);
    auxo_plan_destroy(engine->gradient_plan);
    auxo_plan_destroy(engine->train_loss_plan);
    auxo_plan_destroy(engine->test_loss_plan);
    for (uint32_t l = 0; engine->loss_plans_after && l < auxo_model_get_desc(engine->model)->layer_count; l++)
        auxo_plan_destroy(engine->loss_plans_after[l]);
    free(engine->loss_plans_after);
    auxo_buffer *data[] = {engine->train.features, engine->train.targets, engine->test.features, engine->test.targets};
    auxo_buffer *buffers[] = {engine->prefix, engine->total, engine->saved, engine->results};
    for (size_t i = 0; i < sizeof data / sizeof data[0] && !engine->borrows_data; i++)
        auxo_buffer_destroy(data[i]);
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        auxo_buffer_destroy(buffers[i]);
    if (engine->outputs) {
        auxo_model *second = engine->outputs->model;
        destroy(&engine->outputs->base);
        auxo_model_destroy(second);
    }
    free(engine->copies);
    free(engine->weight_layers);
    free(engine->weights);
    free(engine->scratch);
    free(engine);
}

static range_trainer *trainer(multiscale_engine *base)
{
    return ((engine_layers *)base)->trainer;
}

static const multiscale_engine_ops engine_layers_ops = {"layers",
                                                        destroy,
                                                        auxo__engine_layers_full_gradient,
                                                        auxo__engine_layers_unit_sensitivities,
                                                        auxo__engine_layers_theta_losses,
                                                        auxo__engine_layers_second_derivatives,
                                                        train,
                                                        evaluate,
                                                        trainer};

static auxo_status upload(engine_layers *engine, const engine_inputs *inputs, const auxo_dataset *dataset,
                          sample_set *set, auxo_error *error)
{
    set->row_count = (int64_t)dataset->row_count;
    auxo_status status =
        auxo__upload_regression(engine->queue, dataset, inputs->train, auxo_model_preprocessing(inputs->model),
                                &set->features, &set->targets, error);
    if (status != AUXO_OK || !engine->classes)
        return status;
    auxo_buffer_destroy(set->targets);
    set->targets = NULL;
    uint64_t size_bytes = dataset->row_count * sizeof(uint32_t);
    status = auxo_buffer_create(engine->device, size_bytes, &set->targets, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(engine->queue, set->targets, 0, dataset->labels, size_bytes, error);
    return status;
}

static auxo_status create_buffers(engine_layers *engine, auxo_error *error)
{
    uint64_t weight_bytes = engine->weight_count * sizeof(float), prefix_bytes = 0;
    for (uint32_t l = 0; l < engine->tree->layer_count; l++) {
        uint32_t cut = cut_before(engine, engine->weight_layers[l]);
        uint64_t size_bytes = cut ? layer_row_bytes(engine, cut) * (uint64_t)engine->train.row_count : 0;
        if (size_bytes > prefix_bytes)
            prefix_bytes = size_bytes;
    }
    auxo_status status = auxo_buffer_create(engine->device, prefix_bytes, &engine->prefix, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, weight_bytes, &engine->total, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, weight_bytes, &engine->saved, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, 3 * sizeof(float), &engine->results, error);
    /* The gradients of what is never trained stay 0: |dMSE/dW| and the optimiser run over whole ranges. */
    if (status == AUXO_OK)
        status = auxo_buffer_zero(engine->queue, auxo_model_gradients(engine->model), 0, weight_bytes, error);
    return status;
}

auxo_status auxo__engine_layers_create(const engine_inputs *inputs, multiscale_engine **out, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(inputs->model);
    auxo_status status = AUXO_OK;
    if (auxo_model_precision(inputs->model) == AUXO_DTYPE_F16)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "multi-scale training does not scale its gradients for f16; take bf16 or f32");
    engine_layers *engine = calloc(1, sizeof *engine);
    if (!engine)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale engine: out of memory");
    engine->base.ops = &engine_layers_ops;
    engine->model = inputs->model;
    engine->tree = inputs->tree;
    engine->device = auxo_model_device(inputs->model);
    engine->queue = auxo_model_queue(inputs->model);
    engine->classes = inputs->train->target_type == AUXO_TARGET_CLASS;
    engine->output_count = engine->classes ? inputs->train->class_count : inputs->train->target_count;
    engine->weight_count = auxo_model_weight_count(inputs->model);
    engine->weight_layers = malloc(desc->layer_count * sizeof *engine->weight_layers);
    engine->weights = malloc(engine->weight_count * sizeof *engine->weights);
    engine->scratch = malloc(engine->weight_count * sizeof *engine->scratch);
    if (!engine->weight_layers || !engine->weights || !engine->scratch)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale engine: out of memory");
    else
        auxo__weight_layers(desc, engine->weight_layers);
    if (status == AUXO_OK)
        status = upload(engine, inputs, inputs->train, &engine->train, error);
    if (status == AUXO_OK && inputs->test)
        status = upload(engine, inputs, inputs->test, &engine->test, error);
    if (status == AUXO_OK)
        status = create_buffers(engine, error);
    if (status == AUXO_OK)
        status =
            auxo__range_trainer_create(engine->model, inputs->optimizer, append_range, engine, &engine->trainer, error);
    if (status != AUXO_OK) {
        destroy(&engine->base);
        return status;
    }
    *out = &engine->base;
    return AUXO_OK;
}
