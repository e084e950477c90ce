/* runtime/multiscale/engine_mlp.c: the multi-scale engine on the fused narrow-network operators: creation, gradients,
 * training of layer ranges with the frozen prefix computed once, evaluation.
 *
 * Invariant: the model's flat weights have exactly the layout of the fused operators (auxo_mlp), checked at creation.
 */
#include "engine_mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

auxo_tensor auxo__engine_mlp_rows(const auxo_buffer *buffer, int64_t rows, uint32_t width)
{
    /* Tensors carry a mutable buffer; what is read only stays so by its slot's access. */
    return auxo_tensor_2d((auxo_buffer *)buffer, 0, AUXO_DTYPE_F32, rows, width);
}

static auxo_tensor weights_tensor(const engine_mlp *engine)
{
    return auxo_tensor_1d(auxo_model_weights(engine->model), 0, AUXO_DTYPE_F32, (int64_t)engine->weight_count);
}

bool auxo__mlp_from_model(const auxo_model *model, uint32_t *widths, auxo_activation *activations, auxo_mlp *mlp)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    uint32_t layers = 0;
    bool have_slope = false, bias = false;
    float slope = 0;
    for (uint32_t i = 0; i < desc->layer_count; i++) {
        const auxo_layer *layer = &desc->layers[i];
        if (i > 0 && (layer->input_count != 1 || layer->inputs[0] != i - 1))
            return false;
        bool fused = layer->activation != AUXO_ACTIVATION_IDENTITY && layer->kind != AUXO_LAYER_INPUT;
        if (layer->kind == AUXO_LAYER_INPUT || layer->kind == AUXO_LAYER_FLATTEN) {
            if (layers > 0)
                return false;
            widths[0] = (uint32_t)(layer->output_dims[0] * layer->output_dims[1] * layer->output_dims[2]);
            if (widths[0] > AUXO_MLP_WIDTH_MAX)
                return false;
            continue;
        }
        if (layer->kind == AUXO_LAYER_DENSE) {
            if (layer->units > AUXO_MLP_WIDTH_MAX || (layers > 0 && layer->bias != bias))
                return false;
            bias = layer->bias;
            widths[layers + 1] = layer->units;
            activations[layers++] = AUXO_ACTIVATION_IDENTITY;
        } else if (layer->kind != AUXO_LAYER_ACTIVATION || layers == 0 ||
                   activations[layers - 1] != AUXO_ACTIVATION_IDENTITY) {
            return false;
        }
        if (fused) {
            activations[layers - 1] = layer->activation;
            if (have_slope && layer->slope != slope)
                return false;
            have_slope = true;
            slope = layer->slope;
        }
    }
    *mlp = (auxo_mlp){layers, widths, activations, slope, bias};
    return layers > 0;
}

static void add_gradient(const engine_mlp *engine, auxo_plan *plan, uint32_t layer_begin, uint32_t layer_end,
                         const auxo_tensor *grads, const auxo_tensor *loss)
{
    uint32_t outputs = engine->widths[engine->mlp.layer_count];
    auxo_op op = {.kind = AUXO_OP_MLP_GRADIENT};
    op.params.mlp = (auxo_mlp_params){.mlp = engine->mlp,
                                      .begin_layer = layer_begin,
                                      .end_layer = engine->mlp.layer_count,
                                      .train_begin = layer_begin,
                                      .train_end = layer_end};
    const auxo_buffer *input = layer_begin == 0 ? engine->train.features : engine->prefix;
    int64_t rows = engine->train.row_count;
    op.tensors[AUXO_MLP_GRADIENT_X] = auxo__engine_mlp_rows(input, rows, engine->widths[layer_begin]);
    op.tensors[AUXO_MLP_GRADIENT_TARGET] = auxo__engine_mlp_rows(engine->train.targets, rows, outputs);
    op.tensors[AUXO_MLP_GRADIENT_PARAMS] = weights_tensor(engine);
    op.tensors[AUXO_MLP_GRADIENT_GRADS] = *grads;
    op.tensors[AUXO_MLP_GRADIENT_LOSS] = *loss;
    auxo_plan_add(plan, &op, "gradient");
}

static void append_gradient_ops(void *user, auxo_plan *plan, uint32_t layer_begin, uint32_t layer_end,
                                const auxo_tensor *loss)
{
    const engine_mlp *engine = user;
    auxo_tensor grads =
        auxo_tensor_1d(auxo_model_gradients(engine->model), 0, AUXO_DTYPE_F32, (int64_t)engine->weight_count);
    add_gradient(engine, plan, layer_begin, layer_end, &grads, loss);
}

/* `count` floats of the device's report from `offset` on. */
static auxo_tensor report_tensor(const engine_mlp *engine, uint64_t offset, uint64_t count)
{
    return auxo_tensor_1d(engine->report, offset * sizeof(float), AUXO_DTYPE_F32, (int64_t)count);
}

static auxo_status build_gradient_plan(engine_mlp *engine, auxo_error *error)
{
    auxo_status status = auxo_plan_create(engine->device, &engine->gradient_plan, error);
    if (status != AUXO_OK)
        return status;
    const uint64_t count = engine->weight_count;
    auxo_tensor grads = report_tensor(engine, 0, count), loss = report_tensor(engine, 2 * count, 2);
    auxo_op copy = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1.0f}};
    copy.tensors[AUXO_COPY_X] = weights_tensor(engine);
    copy.tensors[AUXO_COPY_Y] = report_tensor(engine, count, count);
    auxo_plan_add(engine->gradient_plan, &copy, "weights");
    add_gradient(engine, engine->gradient_plan, 0, engine->mlp.layer_count, &grads, &loss);
    return auxo_plan_compile(engine->gradient_plan, &(auxo_plan_options){0}, error);
}

/* The greatest magnitude; NaN where there is one. */
static double largest_magnitude(const float *values, uint64_t count)
{
    float largest = 0;
    for (uint64_t i = 0; i < count && !isnan(largest); i++)
        if (!(fabsf(values[i]) <= largest))
            largest = fabsf(values[i]);
    return largest;
}

/* One read brings all that sensitivities are made of: on a device behind a queue each costs more than a launch. The
 * model's own gradients follow while the host computes. */
static auxo_status full_gradient(multiscale_engine *base, double *loss, double *gradient_max, auxo_error *error)
{
    engine_mlp *engine = (engine_mlp *)base;
    const uint64_t count = engine->weight_count;
    auxo_status status = engine->gradient_plan ? AUXO_OK : build_gradient_plan(engine, error);
    if (status == AUXO_OK)
        status = auxo_plan_run(engine->gradient_plan, engine->queue, 1, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(engine->queue, engine->report, 0, engine->gradients, (2 * count + 2) * sizeof(float),
                                  error);
    if (status == AUXO_OK)
        status = auxo_buffer_copy(engine->queue, engine->report, 0, auxo_model_gradients(engine->model), 0,
                                  count * sizeof(float), error);
    if (status != AUXO_OK)
        return status;
    *loss = (double)engine->gradients[2 * count] + (double)engine->gradients[2 * count + 1];
    *gradient_max = largest_magnitude(engine->gradients, count);
    if (!isfinite(*loss) || !isfinite(*gradient_max))
        return auxo_error_set(error, AUXO_NOT_FINITE, "the training loss is %g", *loss);
    return AUXO_OK;
}

/* Activations before the first trained layer: they do not change while the layers before it are frozen. */
static auxo_status compute_prefix(engine_mlp *engine, uint32_t layer, auxo_error *error)
{
    int64_t rows = engine->train.row_count;
    if (!engine->prefix) {
        uint32_t widest = 0;
        for (uint32_t l = 0; l <= engine->mlp.layer_count; l++)
            if (engine->widths[l] > widest)
                widest = engine->widths[l];
        auxo_status status =
            auxo_buffer_create(engine->device, (uint64_t)rows * widest * sizeof(float), &engine->prefix, error);
        if (status != AUXO_OK)
            return status;
    }
    auxo_op op = {.kind = AUXO_OP_MLP_FORWARD};
    op.params.mlp = (auxo_mlp_params){.mlp = engine->mlp, .begin_layer = 0, .end_layer = layer};
    op.tensors[AUXO_MLP_FORWARD_X] = auxo__engine_mlp_rows(engine->train.features, rows, engine->widths[0]);
    op.tensors[AUXO_MLP_FORWARD_PARAMS] = weights_tensor(engine);
    op.tensors[AUXO_MLP_FORWARD_Y] = auxo__engine_mlp_rows(engine->prefix, rows, engine->widths[layer]);
    return auxo_op_run(engine->queue, &op, error);
}

static auxo_status train(multiscale_engine *base, const train_request *request, train_outcome *outcome,
                         auxo_error *error)
{
    engine_mlp *engine = (engine_mlp *)base;
    if (request->layer_begin > 0) {
        auxo_status status = compute_prefix(engine, request->layer_begin, error);
        if (status != AUXO_OK)
            return status;
    }
    uint64_t offset = auxo_mlp_layer_offset(&engine->mlp, request->layer_begin);
    uint64_t end = request->layer_end == engine->mlp.layer_count
                       ? engine->weight_count
                       : auxo_mlp_layer_offset(&engine->mlp, request->layer_end);
    return auxo__range_trainer_run(engine->trainer, request, offset, end - offset, outcome, error);
}

static auxo_status evaluate(multiscale_engine *base, double *train_loss, double *test_loss, auxo_error *error)
{
    engine_mlp *engine = (engine_mlp *)base;
    auxo_status status = auxo__engine_mlp_loss(engine, &engine->train, train_loss, error);
    *test_loss = NAN;
    if (status == AUXO_OK && engine->test.row_count > 0)
        status = auxo__engine_mlp_loss(engine, &engine->test, test_loss, error);
    return status;
}

static void destroy(multiscale_engine *base)
{
    engine_mlp *engine = (engine_mlp *)base;
    if (!engine)
        return;
    auxo__range_trainer_destroy(engine->trainer);
    auxo_plan_destroy(engine->gradient_plan);
    auxo_buffer *buffers[] = {engine->train.features, engine->train.targets, engine->test.features,
                              engine->test.targets,   engine->prefix,        engine->report,
                              engine->layer_of_unit,  engine->unit_of_unit,  engine->first_layers,
                              engine->theta,          engine->losses};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        auxo_buffer_destroy(buffers[i]);
    free(engine->widths);
    free(engine->activations);
    free(engine->gradients);
    free(engine);
}

static range_trainer *trainer(multiscale_engine *base)
{
    return ((engine_mlp *)base)->trainer;
}

static const multiscale_engine_ops engine_mlp_ops = {"fused",
                                                     destroy,
                                                     full_gradient,
                                                     auxo__engine_mlp_unit_sensitivities,
                                                     auxo__engine_mlp_theta_losses,
                                                     auxo__engine_mlp_second_derivatives,
                                                     train,
                                                     evaluate,
                                                     trainer};

/* UNIT_GROUP tables: every unit's layer, and every unit itself. */
static auxo_status create_unit_groups(engine_mlp *engine, auxo_error *error)
{
    const auxo_tree *tree = engine->tree;
    uint32_t units = tree->unit_offsets[tree->layer_count];
    uint32_t *groups = malloc(units * sizeof *groups);
    if (!groups)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "unit groups: out of memory");
    uint64_t size_bytes = units * sizeof *groups;
    auxo_status status = auxo_buffer_create(engine->device, size_bytes, &engine->layer_of_unit, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, size_bytes, &engine->unit_of_unit, error);
    for (uint32_t l = 0; l < tree->layer_count; l++)
        for (uint32_t u = tree->unit_offsets[l]; u < tree->unit_offsets[l + 1]; u++)
            groups[u] = l;
    if (status == AUXO_OK)
        status = auxo_buffer_write(engine->queue, engine->layer_of_unit, 0, groups, size_bytes, error);
    for (uint32_t u = 0; u < units; u++)
        groups[u] = u;
    if (status == AUXO_OK)
        status = auxo_buffer_write(engine->queue, engine->unit_of_unit, 0, groups, size_bytes, error);
    free(groups);
    return status;
}

static auxo_status upload(engine_mlp *engine, const engine_inputs *inputs, const auxo_dataset *dataset,
                          regression_set *set, auxo_error *error)
{
    set->row_count = (int64_t)dataset->row_count;
    return auxo__upload_regression(engine->queue, dataset, inputs->train, auxo_model_preprocessing(inputs->model),
                                   &set->features, &set->targets, error);
}

auxo_status auxo__engine_mlp_create(const engine_inputs *inputs, multiscale_engine **out, auxo_error *error)
{
    engine_mlp *engine = calloc(1, sizeof *engine);
    if (!engine)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale engine: out of memory");
    engine->base.ops = &engine_mlp_ops;
    engine->model = inputs->model;
    engine->tree = inputs->tree;
    engine->device = auxo_model_device(inputs->model);
    engine->queue = auxo_model_queue(inputs->model);
    engine->weight_count = auxo_model_weight_count(inputs->model);
    uint32_t layer_count = auxo_model_get_desc(inputs->model)->layer_count;
    engine->widths = calloc(layer_count + 1, sizeof *engine->widths);
    engine->activations = calloc(layer_count, sizeof *engine->activations);
    engine->gradients = malloc((2 * engine->weight_count + 2) * sizeof *engine->gradients);
    engine->weights = engine->gradients ? engine->gradients + engine->weight_count : NULL;
    auxo_status status = AUXO_OK;
    if (!engine->widths || !engine->activations || !engine->gradients)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale engine: out of memory");
    else if (!auxo__mlp_from_model(inputs->model, engine->widths, engine->activations, &engine->mlp) ||
             auxo_mlp_param_count(&engine->mlp) != engine->weight_count)
        status = auxo_error_set(error, AUXO_INTERNAL, "the model is not a narrow fully connected chain");
    if (status == AUXO_OK)
        status = upload(engine, inputs, inputs->train, &engine->train, error);
    if (status == AUXO_OK && inputs->test)
        status = upload(engine, inputs, inputs->test, &engine->test, error);
    if (status == AUXO_OK)
        status =
            auxo_buffer_create(engine->device, (2 * engine->weight_count + 2) * sizeof(float), &engine->report, error);
    if (status == AUXO_OK)
        status = create_unit_groups(engine, error);
    if (status == AUXO_OK)
        status = auxo__range_trainer_create(engine->model, inputs->optimizer, append_gradient_ops, engine,
                                            &engine->trainer, error);
    if (status != AUXO_OK) {
        destroy(&engine->base);
        return status;
    }
    *out = &engine->base;
    return AUXO_OK;
}
