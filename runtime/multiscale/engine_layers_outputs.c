/* runtime/multiscale/engine_layers_outputs.c: theta on outputs in the layer engine.
 *
 * A second model is the first with one more layer after every layer that has units: a 1x1 convolution with one group
 * per channel, whose weights are the thetas (eq. 2). Their gradients are the exact sensitivities, writing them is a
 * perturbation. theta multiplies what the layer itself puts out, its fused activation included. Invariant: the second
 * model holds the first one's weights as of the last auxo__engine_layers_outputs.
 */
#include "engine_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The description with thetas. copies[l]: where layer l went; thetas[w]: the theta layer of weight layer w. */
static auxo_status describe(const engine_layers *engine, auxo_model_desc *desc, uint32_t *copies, uint32_t *thetas,
                            uint32_t *ends, auxo_error *error)
{
    const auxo_model_desc *source = auxo_model_get_desc(engine->model);
    auxo_status status = AUXO_OK;
    for (uint32_t l = 0, w = 0; l < source->layer_count && status == AUXO_OK; l++) {
        auxo_layer layer = source->layers[l];
        for (uint32_t k = 0; k < layer.input_count; k++)
            layer.inputs[k] = ends[layer.inputs[k]];
        status = auxo_model_desc_add(desc, &layer, &copies[l], error);
        ends[l] = copies[l];
        if (status != AUXO_OK || w == engine->tree->layer_count || engine->weight_layers[w] != l)
            continue;
        auxo_layer theta = {.kind = AUXO_LAYER_CONV2D,
                            .input_count = 1,
                            .inputs = {copies[l]},
                            .units = layer.units,
                            .groups = (int32_t)layer.units,
                            .kernel_h = 1,
                            .kernel_w = 1};
        snprintf(theta.name, sizeof theta.name, "theta_of_weight_layer_%u", w);
        status = auxo_model_desc_add(desc, &theta, &thetas[w], error);
        ends[l] = thetas[w++];
    }
    return status == AUXO_OK ? auxo_model_desc_finish(desc, error) : status;
}

static auxo_status create_second_model(engine_layers *engine, engine_layers *outputs, auxo_error *error)
{
    const auxo_model_desc *source = auxo_model_get_desc(engine->model);
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    uint32_t *ends = malloc(source->layer_count * sizeof *ends);
    engine->copies = malloc(source->layer_count * sizeof *engine->copies);
    outputs->weight_layers = malloc(source->layer_count * sizeof *outputs->weight_layers);
    auxo_status status = AUXO_OK;
    if (!ends || !engine->copies || !outputs->weight_layers)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "theta on outputs: out of memory");
    if (status == AUXO_OK)
        status = describe(engine, &desc, engine->copies, outputs->weight_layers, ends, error);
    if (status == AUXO_OK)
        status = auxo_model_create(engine->device, &desc, 0, &outputs->model, error);
    auxo_model_desc_deinit(&desc);
    free(ends);
    return status;
}

static auxo_status create_outputs(engine_layers *engine, auxo_error *error)
{
    engine_layers *outputs = calloc(1, sizeof *outputs);
    if (!outputs)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "theta on outputs: out of memory");
    engine->outputs = outputs;
    outputs->borrows_data = true;
    outputs->tree = engine->tree;
    outputs->device = engine->device;
    outputs->classes = engine->classes;
    outputs->output_count = engine->output_count;
    outputs->train = engine->train;
    auxo_status status = create_second_model(engine, outputs, error);
    if (status != AUXO_OK)
        return status;
    outputs->queue = auxo_model_queue(outputs->model);
    outputs->weight_count = auxo_model_weight_count(outputs->model);
    outputs->scratch = malloc(outputs->weight_count * sizeof *outputs->scratch);
    if (!outputs->scratch)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "theta on outputs: out of memory");
    status = auxo_buffer_create(engine->device, outputs->weight_count * sizeof(float), &outputs->total, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, 3 * sizeof(float), &outputs->results, error);
    return status;
}

/* Writes the thetas of one mask. values: scratch (units of the widest layer). */
static auxo_status write_thetas(engine_layers *outputs, const theta_mask *mask, float *values, auxo_error *error)
{
    const auxo_tree *tree = outputs->tree;
    auxo_status status = AUXO_OK;
    for (uint32_t l = 0; l < tree->layer_count && status == AUXO_OK; l++) {
        for (uint32_t u = 0; u < tree->unit_counts[l]; u++)
            values[u] = 1;
        for (uint32_t i = 0; i < mask->node_count; i++) {
            const auxo_tree_node *node = mask->nodes[i];
            if (l < node->layer_begin || l >= node->layer_end)
                continue;
            bool single = node->layer_end - node->layer_begin == 1;
            for (uint32_t u = single ? node->unit_begin : 0; u < (single ? node->unit_end : tree->unit_counts[l]); u++)
                values[u] = (float)mask->factors[i];
        }
        uint64_t offset, count;
        auxo_model_layer_range(outputs->model, outputs->weight_layers[l], &offset, &count);
        status = auxo_buffer_write(outputs->queue, auxo_model_weights(outputs->model), offset * sizeof(float), values,
                                   count * sizeof(float), error);
    }
    return status;
}

static float *allocate_units(const auxo_tree *tree, auxo_error *error)
{
    float *values = malloc(tree->unit_offsets[tree->layer_count] * sizeof *values);
    if (!values)
        auxo_error_set(error, AUXO_OUT_OF_MEMORY, "theta on outputs: out of memory");
    return values;
}

/* The second model with the first one's present weights and all thetas 1. */
static auxo_status refresh(engine_layers *engine, auxo_error *error)
{
    auxo_status status = engine->outputs ? AUXO_OK : create_outputs(engine, error);
    if (status != AUXO_OK)
        return status;
    engine_layers *outputs = engine->outputs;
    uint32_t layer_count = auxo_model_get_desc(engine->model)->layer_count;
    status = auxo_queue_wait(engine->queue, error); /* the models have a queue each */
    for (uint32_t l = 0; l < layer_count && status == AUXO_OK; l++) {
        uint64_t from, to, count;
        auxo_model_layer_range(outputs->model, engine->copies[l], &to, &count);
        auxo_model_layer_range(engine->model, l, &from, &count);
        if (count > 0)
            status =
                auxo_buffer_copy(outputs->queue, auxo_model_weights(engine->model), from * sizeof(float),
                                 auxo_model_weights(outputs->model), to * sizeof(float), count * sizeof(float), error);
    }
    uint64_t statistics_bytes = auxo_buffer_size_bytes(auxo_model_statistics(engine->model));
    if (status == AUXO_OK && statistics_bytes > 0)
        status = auxo_buffer_copy(outputs->queue, auxo_model_statistics(engine->model), 0,
                                  auxo_model_statistics(outputs->model), 0, statistics_bytes, error);
    float *ones = status == AUXO_OK ? allocate_units(engine->tree, error) : NULL;
    if (status == AUXO_OK && !ones)
        return AUXO_OUT_OF_MEMORY;
    const theta_mask none = {0, {NULL, NULL}, {1, 1}};
    if (status == AUXO_OK)
        status = write_thetas(outputs, &none, ones, error);
    free(ones);
    return status;
}

/* dL/dtheta of every unit at the thetas as they are. */
static auxo_status theta_gradient(engine_layers *outputs, double *values, auxo_error *error)
{
    const auxo_tree *tree = outputs->tree;
    double loss, gradient_max;
    auxo_status status = auxo__engine_layers_full_gradient(&outputs->base, &loss, &gradient_max, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(outputs->queue, auxo_model_gradients(outputs->model), 0, outputs->scratch,
                                  outputs->weight_count * sizeof(float), error);
    for (uint32_t l = 0; l < tree->layer_count && status == AUXO_OK; l++) {
        uint64_t offset, count;
        auxo_model_layer_range(outputs->model, outputs->weight_layers[l], &offset, &count);
        for (uint32_t u = 0; u < tree->unit_counts[l]; u++)
            values[tree->unit_offsets[l] + u] = (double)outputs->scratch[offset + u];
    }
    return status;
}

auxo_status auxo__engine_layers_output_sensitivities(engine_layers *engine, double *values, auxo_error *error)
{
    auxo_status status = refresh(engine, error);
    return status == AUXO_OK ? theta_gradient(engine->outputs, values, error) : status;
}

auxo_status auxo__engine_layers_output_losses(engine_layers *engine, const theta_mask *masks, uint32_t mask_count,
                                              double *losses, auxo_error *error)
{
    auxo_status status = refresh(engine, error);
    float *thetas = status == AUXO_OK ? allocate_units(engine->tree, error) : NULL;
    if (status == AUXO_OK && !thetas)
        return AUXO_OUT_OF_MEMORY;
    for (uint32_t p = 0; p < mask_count && status == AUXO_OK; p++) {
        status = write_thetas(engine->outputs, &masks[p], thetas, error);
        if (status == AUXO_OK)
            status = auxo__engine_layers_train_loss(engine->outputs, &losses[p], error);
    }
    free(thetas);
    return status;
}

auxo_status auxo__engine_layers_output_second(engine_layers *engine, const auxo_tree_node *const *nodes, uint32_t count,
                                              double step, double *matrix, auxo_error *error)
{
    const auxo_tree *tree = engine->tree;
    uint32_t units = tree->unit_offsets[tree->layer_count];
    double *plus = malloc(units * sizeof *plus), *minus = malloc(units * sizeof *minus);
    float *thetas = allocate_units(tree, error);
    auxo_status status = plus && minus && thetas
                             ? refresh(engine, error)
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "second derivatives: out of memory");
    for (uint32_t j = 0; j < count && status == AUXO_OK; j++) {
        for (int side = 0; side < 2 && status == AUXO_OK; side++) {
            const theta_mask mask = {1, {nodes[j], NULL}, {side ? 1 - step : 1 + step, 1}};
            status = write_thetas(engine->outputs, &mask, thetas, error);
            if (status == AUXO_OK)
                status = theta_gradient(engine->outputs, side ? minus : plus, error);
        }
        for (uint32_t u = 0; u < units && status == AUXO_OK; u++)
            plus[u] = (plus[u] - minus[u]) / (2 * step);
        for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
            matrix[i * count + j] = auxo__node_sum(tree, nodes[i], plus);
    }
    free(plus);
    free(minus);
    free(thetas);
    return status;
}
