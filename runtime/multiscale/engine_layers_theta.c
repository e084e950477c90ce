/* runtime/multiscale/engine_layers_theta.c: derivatives of the layer engine's loss with respect to theta.
 *
 * With theta on weights a perturbed network is the same plan with scaled rows of weights, which are put back
 * afterwards (all masks that perturb the same layer first share what comes before it), and dL/dtheta of a unit is <W,
 * dL/dW> + <b, dL/db> over its row; theta on outputs is engine_layers_outputs.c. There are no Hessian-vector products
 * of layer plans: second derivatives are central differences of exact gradients. Invariant: outside a call, the model's
 * weights are the unperturbed ones.
 */
#include "engine_layers.h"

#include <stdlib.h>
#include <string.h>

#define DONE UINT32_MAX /* no layer's index */

/* Calls visit for the weight row and the bias element of every unit of a node. */
typedef void visit_range(void *user, uint32_t layer, uint32_t unit, uint64_t offset, uint64_t count);

static void for_each_unit(const engine_layers *engine, const auxo_tree_node *node, visit_range *visit, void *user)
{
    for (uint32_t l = node->layer_begin; l < node->layer_end; l++) {
        uint64_t offset, count;
        auxo_model_layer_range(engine->model, engine->weight_layers[l], &offset, &count);
        uint32_t units = engine->tree->unit_counts[l];
        bool bias = auxo_model_get_desc(engine->model)->layers[engine->weight_layers[l]].bias;
        uint64_t row = (count - (bias ? units : 0)) / units;
        bool single = node->layer_end - node->layer_begin == 1;
        for (uint32_t u = single ? node->unit_begin : 0; u < (single ? node->unit_end : units); u++) {
            visit(user, l, u, offset + u * row, row);
            if (bias)
                visit(user, l, u, offset + units * row + u, 1);
        }
    }
}

static auxo_tree_node whole_network(const engine_layers *engine)
{
    uint32_t layers = engine->tree->layer_count;
    return (auxo_tree_node){0, layers, 0, layers == 1 ? engine->tree->unit_counts[0] : 0, -1, -1, -1, 0};
}

typedef struct product_sums {
    const engine_layers *engine;
    double *values;
} product_sums;

static void add_product(void *user, uint32_t layer, uint32_t unit, uint64_t offset, uint64_t count)
{
    product_sums *sums = user;
    double sum = 0;
    for (uint64_t e = offset; e < offset + count; e++)
        sum += (double)sums->engine->weights[e] * (double)sums->engine->scratch[e];
    sums->values[sums->engine->tree->unit_offsets[layer] + unit] += sum;
}

auxo_status auxo__engine_layers_unit_sensitivities(multiscale_engine *base, auxo_theta_placement theta_on,
                                                   double *values, auxo_error *error)
{
    engine_layers *engine = (engine_layers *)base;
    uint64_t size_bytes = engine->weight_count * sizeof(float);
    if (theta_on == AUXO_THETA_ON_OUTPUTS)
        return auxo__engine_layers_output_sensitivities(engine, values, error);
    auxo_status status =
        auxo_buffer_read(engine->queue, auxo_model_weights(engine->model), 0, engine->weights, size_bytes, error);
    if (status == AUXO_OK)
        status =
            auxo_buffer_read(engine->queue, auxo_model_gradients(engine->model), 0, engine->scratch, size_bytes, error);
    if (status != AUXO_OK)
        return status;
    memset(values, 0, engine->tree->unit_offsets[engine->tree->layer_count] * sizeof *values);
    product_sums sums = {engine, values};
    auxo_tree_node all = whole_network(engine);
    for_each_unit(engine, &all, add_product, &sums);
    return AUXO_OK;
}

typedef struct scaling {
    float *weights;
    float factor;
} scaling;

static void scale_range(void *user, uint32_t layer, uint32_t unit, uint64_t offset, uint64_t count)
{
    scaling *s = user;
    (void)layer;
    (void)unit;
    for (uint64_t e = offset; e < offset + count; e++)
        s->weights[e] *= s->factor;
}

/* Writes the perturbed weights of one mask; engine->weights holds the unperturbed ones. */
static auxo_status write_perturbed(engine_layers *engine, const theta_mask *mask, auxo_error *error)
{
    memcpy(engine->scratch, engine->weights, engine->weight_count * sizeof(float));
    for (uint32_t i = 0; i < mask->node_count; i++) {
        scaling s = {engine->scratch, (float)mask->factors[i]};
        for_each_unit(engine, mask->nodes[i], scale_range, &s);
    }
    return auxo_buffer_write(engine->queue, auxo_model_weights(engine->model), 0, engine->scratch,
                             engine->weight_count * sizeof(float), error);
}

/* Keeps a copy of the weights on host and device. */
static auxo_status save_weights(engine_layers *engine, auxo_error *error)
{
    uint64_t size_bytes = engine->weight_count * sizeof(float);
    auxo_buffer *live = auxo_model_weights(engine->model);
    auxo_status status = auxo_buffer_read(engine->queue, live, 0, engine->weights, size_bytes, error);
    if (status == AUXO_OK)
        status = auxo_buffer_copy(engine->queue, live, 0, engine->saved, 0, size_bytes, error);
    return status;
}

static auxo_status restore_weights(engine_layers *engine, auxo_status status, auxo_error *error)
{
    auxo_status restored = auxo_buffer_copy(engine->queue, engine->saved, 0, auxo_model_weights(engine->model), 0,
                                            engine->weight_count * sizeof(float), status == AUXO_OK ? error : NULL);
    return status == AUXO_OK ? restored : status;
}

/* What all of the mask's perturbed layers have before them. */
static uint32_t first_cut(const engine_layers *engine, const theta_mask *mask)
{
    uint32_t first = mask->node_count ? engine->tree->layer_count - 1 : 0;
    for (uint32_t i = 0; i < mask->node_count; i++)
        if (mask->nodes[i]->layer_begin < first)
            first = mask->nodes[i]->layer_begin;
    return auxo__engine_layers_cut(engine, first);
}

/* The losses of all masks with that cut, from one unperturbed prefix; marks them DONE. */
static auxo_status losses_after_cut(engine_layers *engine, uint32_t cut, const theta_mask *masks, uint32_t mask_count,
                                    uint32_t *cuts, double *losses, auxo_error *error)
{
    auxo_status status = restore_weights(engine, AUXO_OK, error);
    if (status == AUXO_OK)
        status = auxo__engine_layers_keep_prefix(engine, cut, error);
    for (uint32_t p = 0; p < mask_count && status == AUXO_OK; p++) {
        if (cuts[p] != cut)
            continue;
        cuts[p] = DONE;
        status = write_perturbed(engine, &masks[p], error);
        if (status == AUXO_OK)
            status = auxo__engine_layers_loss_after(engine, cut, &losses[p], error);
    }
    return status;
}

auxo_status auxo__engine_layers_theta_losses(multiscale_engine *base, auxo_theta_placement theta_on,
                                             const theta_mask *masks, uint32_t mask_count, double *losses,
                                             auxo_error *error)
{
    engine_layers *engine = (engine_layers *)base;
    if (theta_on == AUXO_THETA_ON_OUTPUTS)
        return auxo__engine_layers_output_losses(engine, masks, mask_count, losses, error);
    uint32_t *cuts = malloc((mask_count + 1) * sizeof *cuts);
    if (!cuts)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "theta evaluation of %u masks: out of memory", mask_count);
    for (uint32_t p = 0; p < mask_count; p++)
        cuts[p] = first_cut(engine, &masks[p]);
    auxo_status status = save_weights(engine, error);
    bool saved = status == AUXO_OK;
    for (uint32_t p = 0; p < mask_count && status == AUXO_OK; p++)
        if (cuts[p] != DONE)
            status = losses_after_cut(engine, cuts[p], masks, mask_count, cuts, losses, error);
    free(cuts);
    return saved ? restore_weights(engine, status, error) : status;
}

/* gradient(theta_node = factor), read to `gradient`. */
static auxo_status gradient_at(engine_layers *engine, const auxo_tree_node *node, double factor, float *gradient,
                               auxo_error *error)
{
    const theta_mask mask = {1, {node, NULL}, {factor, 1}};
    double loss, gradient_max;
    auxo_status status = write_perturbed(engine, &mask, error);
    if (status == AUXO_OK)
        status = auxo__engine_layers_full_gradient(&engine->base, &loss, &gradient_max, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(engine->queue, auxo_model_gradients(engine->model), 0, gradient,
                                  engine->weight_count * sizeof(float), error);
    return status;
}

auxo_status auxo__engine_layers_second_derivatives(multiscale_engine *base, auxo_theta_placement theta_on,
                                                   const auxo_tree_node *const *nodes, uint32_t count, double *matrix,
                                                   auxo_error *error)
{
    engine_layers *engine = (engine_layers *)base;
    const double h = 1e-2; /* gradients in f32 are good to about 1e-6: error h^2 + 1e-6 / h */
    if (theta_on == AUXO_THETA_ON_OUTPUTS)
        return auxo__engine_layers_output_second(engine, nodes, count, h, matrix, error);
    uint32_t units = engine->tree->unit_offsets[engine->tree->layer_count];
    float *plus = malloc(engine->weight_count * sizeof *plus), *minus = malloc(engine->weight_count * sizeof *minus);
    double *values = malloc(units * sizeof *values);
    auxo_status status = AUXO_OK;
    if (!plus || !minus || !values)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "second derivatives: out of memory");
    if (status == AUXO_OK)
        status = save_weights(engine, error);
    for (uint32_t j = 0; j < count && status == AUXO_OK; j++) {
        status = gradient_at(engine, nodes[j], 1 + h, plus, error);
        if (status == AUXO_OK)
            status = gradient_at(engine, nodes[j], 1 - h, minus, error);
        if (status == AUXO_OK) {
            for (uint64_t e = 0; e < engine->weight_count; e++)
                engine->scratch[e] = (float)(((double)plus[e] - (double)minus[e]) / (2 * h));
            memset(values, 0, units * sizeof *values);
            product_sums sums = {engine, values};
            auxo_tree_node all = whole_network(engine);
            for_each_unit(engine, &all, add_product, &sums);
            for (uint32_t i = 0; i < count; i++)
                matrix[i * count + j] = auxo__node_sum(engine->tree, nodes[i], values);
        }
        status = restore_weights(engine, status, error);
    }
    free(plus);
    free(minus);
    free(values);
    return status;
}
