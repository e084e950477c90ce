/* runtime/multiscale/loop.c: the outer loop of hierarchical multi-scale training, and the object that carries it.
 *
 * Algorithm 1 with the criteria (44) and (45): take sensitivities, walk the tree, train the selected layer for E
 * epochs, check the whole gradient. Invariant: only the weights of the selected layer change during an iteration. The
 * draws of iteration i are Philox words of (seed, stream, i), so that a resumed run draws the same ones.
 */
#include "multiscale_internal.h"

#include "clock.h"
#include "train_internal.h"

#include <Random123/philox.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SELECTION_STREAM = 0x4d53 };

void auxo_multiscale_options_init(auxo_multiscale_options *options)
{
    *options = (auxo_multiscale_options){.order = AUXO_MULTISCALE_FIRST,
                                         .theta_on = AUXO_THETA_ON_WEIGHTS,
                                         .difference = AUXO_DIFFERENCE_EXACT,
                                         .epsilon = 1e-3,
                                         .epochs = 1000,
                                         .iterations = 100,
                                         .check_every = 1,
                                         .standardize = true};
    auxo_optimizer_config_parse("sgd:lr=0.01", &options->optimizer, NULL);
}

uint32_t auxo__weight_layers(const auxo_model_desc *desc, uint32_t *layers)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < desc->layer_count; i++)
        if (desc->layers[i].kind == AUXO_LAYER_DENSE || desc->layers[i].kind == AUXO_LAYER_CONV2D)
            layers[count++] = i;
    return count;
}

static bool is_homogeneous(auxo_activation activation)
{
    return activation == AUXO_ACTIVATION_IDENTITY || activation == AUXO_ACTIVATION_RELU ||
           activation == AUXO_ACTIVATION_LEAKY_RELU;
}

static bool find_degenerate(const auxo_model_desc *desc)
{
    for (uint32_t i = 0; i < desc->layer_count; i++) {
        const auxo_layer *layer = &desc->layers[i];
        bool weights = layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D;
        if ((weights && layer->bias) || layer->kind == AUXO_LAYER_BATCH_NORM)
            return false;
        if ((weights || layer->kind == AUXO_LAYER_ACTIVATION) && !is_homogeneous(layer->activation))
            return false;
    }
    return true;
}

static int64_t output_size(const auxo_layer *layer)
{
    return layer->output_dims[0] * layer->output_dims[1] * layer->output_dims[2];
}

static auxo_status check_shapes(const auxo_model_desc *desc, const auxo_dataset *dataset, auxo_error *error)
{
    int64_t inputs = dataset->channels * dataset->height * dataset->width;
    int64_t outputs = dataset->target_type == AUXO_TARGET_CLASS ? dataset->class_count : dataset->target_count;
    int64_t model_inputs = output_size(&desc->layers[0]);
    int64_t model_outputs = output_size(&desc->layers[desc->layer_count - 1]);
    if (inputs == model_inputs && outputs == model_outputs)
        return AUXO_OK;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "model %s takes %lld inputs and gives %lld outputs, but %s has %lld and %lld", desc->name,
                          (long long)model_inputs, (long long)model_outputs, dataset->name, (long long)inputs,
                          (long long)outputs);
}

static auxo_status check_options(const auxo_multiscale_options *options, const auxo_dataset *train, auxo_error *error)
{
    if (!(options->epsilon > 0) || !isfinite(options->epsilon))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "epsilon is %g; it must be greater than 0",
                              options->epsilon);
    if (!(options->second_step >= 0) || !isfinite(options->second_step))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the second-order step is %g; it must not be negative",
                              options->second_step);
    if (options->epochs == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "epochs per iteration must be at least 1");
    if (!(options->tolerance >= 0) || !(options->inner_tolerance >= 0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "tolerances must not be negative");
    if (!(options->theta_bound >= 0) || !(options->theta_bound < 1))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the bound of theta's step is %g; it must lie below 1",
                              options->theta_bound);
    if (options->theta_bound > 0 &&
        (options->order != AUXO_MULTISCALE_SECOND || options->theta_on != AUXO_THETA_ON_WEIGHTS))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "a step of theta needs second order and theta on weights, into which it is put");
    if (options->pattern_step != 0 && (!(options->pattern_step > 0) || !isfinite(options->pattern_step) ||
                                       !(options->pattern_least > 0) || options->pattern_least > options->pattern_step))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "pattern search from a step of %g down to %g: both must be above 0, the first one larger",
                              options->pattern_step, options->pattern_least);
    if (train->row_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the training set has no rows");
    return AUXO_OK;
}

static auxo_status build_tree(auxo_multiscale *ms, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(ms->model);
    ms->weight_layers = malloc(desc->layer_count * sizeof *ms->weight_layers);
    uint32_t *units = malloc(desc->layer_count * sizeof *units);
    if (!ms->weight_layers || !units) {
        free(units);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale training: out of memory");
    }
    uint32_t count = auxo__weight_layers(desc, ms->weight_layers);
    for (uint32_t l = 0; l < count; l++)
        units[l] = desc->layers[ms->weight_layers[l]].units;
    auxo_status status = auxo_tree_create(count, units, ms->options.split_units || ms->options.train_units,
                                          ms->options.level_limit, &ms->tree, error);
    free(units);
    if (status == AUXO_OK) {
        ms->unit_values = malloc(ms->tree->unit_offsets[count] * sizeof *ms->unit_values);
        if (ms->options.theta_bound > 0)
            ms->layer_factors = malloc(count * sizeof *ms->layer_factors);
        if (!ms->unit_values || (ms->options.theta_bound > 0 && !ms->layer_factors))
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale training: out of memory");
    }
    return status;
}

static auxo_status create_engine(auxo_multiscale *ms, const auxo_dataset *train, const auxo_dataset *test,
                                 auxo_error *error)
{
    engine_inputs inputs = {ms->model, ms->optimizer, train, test, ms->tree};
    uint32_t layer_count = auxo_model_get_desc(ms->model)->layer_count;
    uint32_t *widths = calloc(layer_count + 1, sizeof *widths);
    auxo_activation *activations = calloc(layer_count, sizeof *activations);
    if (!widths || !activations) {
        free(widths);
        free(activations);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale training: out of memory");
    }
    auxo_mlp mlp;
    bool narrow = train->target_type == AUXO_TARGET_REAL &&
                  auxo__mlp_from_model(ms->model, widths, activations, &mlp) &&
                  auxo_mlp_param_count(&mlp) == auxo_model_weight_count(ms->model);
    free(widths);
    free(activations);
    return narrow ? auxo__engine_mlp_create(&inputs, &ms->engine, error)
                  : auxo__engine_layers_create(&inputs, &ms->engine, error);
}

auxo_status auxo_multiscale_create(auxo_model *model, const auxo_dataset *train, const auxo_dataset *test,
                                   const auxo_multiscale_options *options, auxo_multiscale **out, auxo_error *error)
{
    auxo_status status = check_options(options, train, error);
    if (status == AUXO_OK)
        status = check_shapes(auxo_model_get_desc(model), train, error);
    if (status == AUXO_OK && test)
        status = check_shapes(auxo_model_get_desc(model), test, error);
    if (status != AUXO_OK)
        return status;
    auxo_multiscale *ms = calloc(1, sizeof *ms);
    if (!ms)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale training: out of memory");
    ms->model = model;
    ms->options = *options;
    if (ms->options.check_every == 0)
        ms->options.check_every = 1;
    ms->degenerate = find_degenerate(auxo_model_get_desc(model));
    status = build_tree(ms, error);
    /* What is done to the rows belongs to the model: whoever measures it or predicts with it does the same. */
    if (status == AUXO_OK && options->standardize && auxo_model_preprocessing(model)->channel_count == 0)
        status = auxo__model_standardize(model, train, train->target_type == AUXO_TARGET_REAL, error);
    if (status == AUXO_OK)
        status = auxo_optimizer_create(model, &options->optimizer, &ms->optimizer, error);
    if (status == AUXO_OK)
        status = create_engine(ms, train, test, error);
    if (status != AUXO_OK) {
        auxo_multiscale_destroy(ms);
        return status;
    }
    *out = ms;
    return AUXO_OK;
}

void auxo_multiscale_destroy(auxo_multiscale *ms)
{
    if (!ms)
        return;
    if (ms->engine)
        ms->engine->ops->destroy(ms->engine);
    auxo_optimizer_destroy(ms->optimizer);
    auxo_tree_destroy(ms->tree);
    free(ms->weight_layers);
    free(ms->unit_values);
    free(ms->layer_factors);
    free(ms);
}

const auxo_tree *auxo_multiscale_tree(const auxo_multiscale *ms)
{
    return ms->tree;
}

const char *auxo_multiscale_engine(const auxo_multiscale *ms)
{
    return ms->engine->ops->name;
}

bool auxo_multiscale_is_degenerate(const auxo_multiscale *ms)
{
    return ms->degenerate;
}

uint32_t auxo_multiscale_iteration_count(const auxo_multiscale *ms)
{
    return ms->iteration;
}

void auxo_multiscale_set_iteration_count(auxo_multiscale *ms, uint32_t count)
{
    ms->iteration = count;
}

auxo_status auxo_multiscale_get_time(auxo_multiscale *ms, uint32_t *time, auxo_error *error)
{
    return auxo__range_trainer_get_time(ms->engine->ops->trainer(ms->engine), time, error);
}

auxo_status auxo_multiscale_set_time(auxo_multiscale *ms, uint32_t time, auxo_error *error)
{
    return auxo__range_trainer_set_time(ms->engine->ops->trainer(ms->engine), time, error);
}

auxo_optimizer *auxo_multiscale_optimizer(auxo_multiscale *ms)
{
    return ms->optimizer;
}

auxo_status auxo_multiscale_gradient_norm(auxo_multiscale *ms, double *loss, double *gradient_max, auxo_error *error)
{
    return ms->engine->ops->full_gradient(ms->engine, loss, gradient_max, error);
}

auxo_status auxo_multiscale_evaluate(auxo_multiscale *ms, double *train_loss, double *test_loss, auxo_error *error)
{
    return ms->engine->ops->evaluate(ms->engine, train_loss, test_loss, error);
}

/* ---- selection ------------------------------------------------------------------------------------------------------
 */
double auxo__selection_draw(uint64_t seed, uint32_t iteration, uint32_t k)
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{k / 4, 0, SELECTION_STREAM, iteration}};
    philox4x32_ctr_t words = philox4x32(counter, key);
    return (words.v[k % 4] >> 8) * 0x1p-24;
}

static double philox_draw(void *user, uint32_t k)
{
    const auxo_multiscale *ms = user;
    return auxo__selection_draw(ms->options.seed, ms->iteration, k);
}

/* Values of a node's children: sums of exact unit values, or differences, taken for the path only. */
static auxo_status branch_values(void *user, uint32_t index, double *left, double *right, auxo_error *error)
{
    auxo_multiscale *ms = user;
    const auxo_multiscale_options *options = &ms->options;
    const auxo_tree_node *node = &ms->tree->nodes[index];
    const auxo_tree_node *pair[2] = {&ms->tree->nodes[node->left], &ms->tree->nodes[node->right]};
    double first[2] = {0, 0};
    bool exact = options->difference == AUXO_DIFFERENCE_EXACT;
    for (int side = 0; side < 2 && exact; side++)
        first[side] = auxo__node_sum(ms->tree, pair[side], ms->unit_values);
    if (options->order == AUXO_MULTISCALE_SECOND) {
        double step = options->second_step > 0 ? options->second_step : auxo__default_second_step();
        pair_second_order second;
        auxo_status status = auxo__pair_second_order(ms->engine, options->theta_on, options->difference, options->means,
                                                     step, pair, exact ? first : NULL, &second, error);
        if (status != AUXO_OK)
            return status;
        auxo__theta_step_note(ms, pair, &second);
        *left = second.mean[0];
        *right = second.mean[1];
        return AUXO_OK;
    }
    auxo_status status = AUXO_OK;
    if (!exact)
        status = auxo__first_differences(ms->engine, options->theta_on, options->difference, options->epsilon, pair, 2,
                                         first, error);
    *left = first[0];
    *right = first[1];
    return status;
}

/* How far a walk goes inside a layer: a block of units that is trained as part of its layer need not be known. */
static uint32_t unit_levels_of(const auxo_multiscale_options *options)
{
    if (!options->train_units)
        return 0;
    return options->unit_levels > 0 ? options->unit_levels : UINT32_MAX;
}

static auxo_status select_block(auxo_multiscale *ms, auxo_multiscale_iteration *result, auxo_error *error)
{
    result->layer_begin = 0;
    result->layer_end = ms->tree->layer_count;
    if (ms->options.order == AUXO_MULTISCALE_BACKPROPAGATION)
        return AUXO_OK;
    auxo_status status = AUXO_OK;
    if (ms->options.difference == AUXO_DIFFERENCE_EXACT) {
        double loss, gradient_max;
        status = ms->engine->ops->full_gradient(ms->engine, &loss, &gradient_max, error);
        if (status == AUXO_OK)
            status = ms->engine->ops->unit_sensitivities(ms->engine, ms->options.theta_on, ms->unit_values, error);
    }
    for (uint32_t l = 0; ms->layer_factors && l < ms->tree->layer_count; l++)
        ms->layer_factors[l] = 1;
    uint32_t node = 0;
    const tree_walk walk = {branch_values, philox_draw, ms, unit_levels_of(&ms->options)};
    if (status == AUXO_OK)
        status = auxo__tree_walk(ms->tree, ms->options.greedy, &walk, &node, error);
    if (status == AUXO_OK && ms->layer_factors)
        status = auxo__theta_step_apply(ms, &result->theta_change, error);
    if (status != AUXO_OK)
        return status;
    const auxo_tree_node *chosen = &ms->tree->nodes[node];
    result->layer_begin = chosen->layer_begin;
    result->layer_end = chosen->layer_end;
    if (ms->options.train_units && chosen->unit_end - chosen->unit_begin < ms->tree->unit_counts[chosen->layer_begin]) {
        result->unit_begin = chosen->unit_begin;
        result->unit_end = chosen->unit_end;
    }
    return AUXO_OK;
}

/* Tells the optimiser a loss, which drives goal braking: with full batches it is a batch's and an epoch's at once. */
static auxo_status observe(auxo_multiscale *ms, double loss, auxo_error *error)
{
    bool braked = false;
    auxo_status status = auxo_optimizer_observe(ms->optimizer, AUXO_WATCH_BATCH, loss, NAN, &braked, error);
    if (status == AUXO_OK)
        status = auxo_optimizer_observe(ms->optimizer, AUXO_WATCH_EPOCH, loss, NAN, &braked, error);
    return status;
}

/* The loss before any training, of which relative goals are a part. */
static auxo_status observe_start(auxo_multiscale *ms, auxo_error *error)
{
    double loss, gradient_max;
    if (ms->iteration > 0 || ms->options.optimizer.braking.goal == AUXO_GOAL_NONE)
        return AUXO_OK;
    auxo_status status = ms->engine->ops->full_gradient(ms->engine, &loss, &gradient_max, error);
    return status == AUXO_OK ? observe(ms, loss, error) : status;
}

static auxo_status train_layers(auxo_multiscale *ms, auxo_multiscale_iteration *result, auxo_error *error)
{
    const auxo_multiscale_options *options = &ms->options;
    const train_request request = {.layer_begin = result->layer_begin,
                                   .layer_end = result->layer_end,
                                   .unit_begin = result->unit_begin,
                                   .unit_end = result->unit_end,
                                   .epochs = options->epochs,
                                   .tolerance = options->inner_tolerance,
                                   .stop = options->stop};
    train_outcome outcome;
    auxo_status status = options->pattern_step > 0 ? auxo__pattern_search(ms, &request, &outcome, error)
                                                   : ms->engine->ops->train(ms->engine, &request, &outcome, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "iteration %u, layers %u to %u", result->iteration, result->layer_begin,
                               result->layer_end - 1);
    result->epochs = outcome.epochs;
    result->layer_gradient_max = outcome.gradient_max;
    result->loss = outcome.loss;
    return observe(ms, outcome.loss, error);
}

auxo_status auxo_multiscale_train_layers(auxo_multiscale *ms, uint32_t layer_begin, uint32_t layer_end,
                                         auxo_multiscale_iteration *result, auxo_error *error)
{
    if (layer_begin >= layer_end || layer_end > ms->tree->layer_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "weight layers %u to %u of %u cannot be trained",
                              layer_begin, layer_end, ms->tree->layer_count);
    *result = (auxo_multiscale_iteration){.iteration = ms->iteration,
                                          .layer_begin = layer_begin,
                                          .layer_end = layer_end,
                                          .network_gradient_max = NAN,
                                          .theta_change = NAN};
    double start = auxo__now_seconds();
    auxo_status status = train_layers(ms, result, error);
    result->training_seconds = auxo__now_seconds() - start;
    return status;
}

/* What (45) is checked on: the largest |gradient|, or their sum as Algorithm 1's Norm. */
static auxo_status network_gradient(auxo_multiscale *ms, double *loss, double *measure, auxo_error *error)
{
    if (!ms->options.stop_on_sum)
        return ms->engine->ops->full_gradient(ms->engine, loss, measure, error);
    const uint64_t count = auxo_model_weight_count(ms->model);
    float *gradients = NULL;
    auxo_status status = auxo__multiscale_read_gradients(ms, &gradients, loss, measure, error);
    *measure = 0;
    for (uint64_t i = 0; i < count && status == AUXO_OK; i++)
        *measure += fabs((double)gradients[i]);
    free(gradients);
    return status;
}

auxo_status auxo_multiscale_iterate(auxo_multiscale *ms, auxo_multiscale_iteration *result, auxo_error *error)
{
    const auxo_multiscale_options *options = &ms->options;
    *result =
        (auxo_multiscale_iteration){.iteration = ms->iteration + 1, .network_gradient_max = NAN, .theta_change = NAN};
    double start = auxo__now_seconds();
    auxo_status status = observe_start(ms, error);
    if (status == AUXO_OK)
        status = select_block(ms, result, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "iteration %u, selection", result->iteration);
    result->selection_seconds = auxo__now_seconds() - start;
    start = auxo__now_seconds();
    status = train_layers(ms, result, error);
    if (status != AUXO_OK)
        return status;
    if (result->iteration % options->check_every == 0) {
        status = network_gradient(ms, &result->loss, &result->network_gradient_max, error);
        if (status != AUXO_OK)
            return auxo_error_wrap(error, status, "iteration %u", result->iteration);
        result->converged = options->tolerance > 0 && result->network_gradient_max < options->tolerance;
    }
    result->training_seconds = auxo__now_seconds() - start;
    ms->iteration++;
    return AUXO_OK;
}
