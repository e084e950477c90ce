/* runtime/multiscale/sensitivity.c: first and second order sensitivities of tree nodes.
 *
 * Exact first order: one backward pass gives dL/dtheta of every unit, and a block is the sum of its members. Finite
 * differences (7), (38), (39) and second differences (40)-(42) go through the engine's theta losses, all masks in one
 * call. Exact second order comes from the engine's Hessian forms. Mean gradients (35)-(36) at theta = 1.
 */
#include "multiscale_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

double auxo__default_second_step(void)
{
    return 100.0 * sqrt((double)FLT_EPSILON); /* (43) at x = 1, in the precision of the forward pass */
}

double auxo__node_sum(const auxo_tree *tree, const auxo_tree_node *node, const double *unit_values)
{
    uint32_t begin = tree->unit_offsets[node->layer_begin], end = tree->unit_offsets[node->layer_end];
    if (node->layer_end - node->layer_begin == 1) {
        end = begin + node->unit_end;
        begin += node->unit_begin;
    }
    double sum = 0;
    for (uint32_t u = begin; u < end; u++)
        sum += unit_values[u];
    return sum;
}

static theta_mask single_mask(const auxo_tree_node *node, double factor)
{
    return (theta_mask){1, {node, NULL}, {factor, 1}};
}

static bool is_central(auxo_difference difference)
{
    return difference == AUXO_DIFFERENCE_CENTRAL || difference == AUXO_DIFFERENCE_CENTRAL_AS_PRINTED;
}

difference_points auxo__difference_points(auxo_difference difference, double epsilon)
{
    const double h = difference == AUXO_DIFFERENCE_CENTRAL_AS_PRINTED ? epsilon / 2 : epsilon;
    const double up = difference == AUXO_DIFFERENCE_BACKWARD_AS_PRINTED ? 1 - h : 1 + h;
    return is_central(difference) ? (difference_points){up, 1 - h, 2 * h, true} : (difference_points){up, 1, h, false};
}

auxo_status auxo__first_differences(multiscale_engine *engine, auxo_theta_placement theta_on,
                                    auxo_difference difference, double epsilon, const auxo_tree_node *const *nodes,
                                    uint32_t count, double *values, auxo_error *error)
{
    theta_mask *masks = calloc(2 * (size_t)count + 1, sizeof *masks);
    double *losses = malloc((2 * (size_t)count + 1) * sizeof *losses);
    auxo_status status = AUXO_OK;
    if (!masks || !losses) {
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "finite differences of %u nodes: out of memory", count);
        goto done;
    }
    const difference_points points = auxo__difference_points(difference, epsilon);
    uint32_t mask_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        masks[mask_count++] = single_mask(nodes[i], points.up);
        if (points.central)
            masks[mask_count++] = single_mask(nodes[i], points.down);
    }
    if (!points.central)
        masks[mask_count++] = (theta_mask){0, {NULL, NULL}, {1, 1}};
    status = engine->ops->theta_losses(engine, theta_on, masks, mask_count, losses, error);
    if (status != AUXO_OK)
        goto done;
    for (uint32_t i = 0; i < count; i++)
        values[i] = (points.central ? losses[2 * i] - losses[2 * i + 1] : losses[i] - losses[count]) / points.span;
done:
    free(masks);
    free(losses);
    return status;
}

/* (39), (40), (42) from nine losses. Coefficient e of (26) is half the second derivative. */
static auxo_status pair_by_differences(multiscale_engine *engine, auxo_theta_placement theta_on,
                                       auxo_difference difference, double h, const auxo_tree_node *const pair[2],
                                       pair_second_order *result, auxo_error *error)
{
    enum { CENTRE, PLUS_0, MINUS_0, PLUS_1, MINUS_1, PLUS_PLUS, MINUS_PLUS, PLUS_MINUS, MINUS_MINUS, MASK_COUNT };
    const double up = 1 + h, down = 1 - h;
    const theta_mask masks[MASK_COUNT] = {
        [CENTRE] = {0, {NULL, NULL}, {1, 1}},
        [PLUS_0] = single_mask(pair[0], up),
        [MINUS_0] = single_mask(pair[0], down),
        [PLUS_1] = single_mask(pair[1], up),
        [MINUS_1] = single_mask(pair[1], down),
        [PLUS_PLUS] = {2, {pair[0], pair[1]}, {up, up}},
        [MINUS_PLUS] = {2, {pair[0], pair[1]}, {down, up}},
        [PLUS_MINUS] = {2, {pair[0], pair[1]}, {up, down}},
        [MINUS_MINUS] = {2, {pair[0], pair[1]}, {down, down}},
    };
    double f[MASK_COUNT];
    auxo_status status = engine->ops->theta_losses(engine, theta_on, masks, MASK_COUNT, f, error);
    if (status != AUXO_OK)
        return status;
    if (is_central(difference)) {
        result->first[0] = (f[PLUS_0] - f[MINUS_0]) / (2 * h);
        result->first[1] = (f[PLUS_1] - f[MINUS_1]) / (2 * h);
    } else if (difference == AUXO_DIFFERENCE_BACKWARD_AS_PRINTED) {
        result->first[0] = (f[MINUS_0] - f[CENTRE]) / h;
        result->first[1] = (f[MINUS_1] - f[CENTRE]) / h;
    } else {
        result->first[0] = (f[PLUS_0] - f[CENTRE]) / h;
        result->first[1] = (f[PLUS_1] - f[CENTRE]) / h;
    }
    result->own[0] = (f[PLUS_0] - 2 * f[CENTRE] + f[MINUS_0]) / (h * h);
    result->own[1] = (f[PLUS_1] - 2 * f[CENTRE] + f[MINUS_1]) / (h * h);
    result->mixed = (f[PLUS_PLUS] - f[MINUS_PLUS] - f[PLUS_MINUS] + f[MINUS_MINUS]) / (4 * h * h);
    return AUXO_OK;
}

auxo_status auxo__pair_second_order(multiscale_engine *engine, auxo_theta_placement theta_on,
                                    auxo_difference difference, auxo_mean_gradients means, double step,
                                    const auxo_tree_node *const pair[2], const double *first, pair_second_order *result,
                                    auxo_error *error)
{
    auxo_status status;
    if (difference == AUXO_DIFFERENCE_EXACT) {
        double matrix[4];
        status = engine->ops->second_derivatives(engine, theta_on, pair, 2, matrix, error);
        if (status != AUXO_OK)
            return status;
        result->first[0] = first[0];
        result->first[1] = first[1];
        result->own[0] = matrix[0];
        result->own[1] = matrix[3];
        result->mixed = 0.5 * (matrix[1] + matrix[2]);
    } else {
        status = pair_by_differences(engine, theta_on, difference, step, pair, result, error);
        if (status != AUXO_OK)
            return status;
    }
    result->mean[0] = result->first[0] + result->mixed + result->own[0];
    const int of = means == AUXO_MEANS_CORRECTED, own = means != AUXO_MEANS_EQ33;
    result->mean[1] = result->first[of] + result->mixed + result->own[own];
    return AUXO_OK;
}

auxo_status auxo_multiscale_sensitivities(auxo_multiscale *ms, auxo_difference difference, double epsilon,
                                          double *values, auxo_error *error)
{
    const auxo_tree *tree = ms->tree;
    if (difference != AUXO_DIFFERENCE_EXACT) {
        if (!(epsilon > 0))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "epsilon is %g; it must be greater than 0", epsilon);
        const auxo_tree_node **nodes = malloc(tree->node_count * sizeof *nodes);
        if (!nodes)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities: out of memory");
        for (uint32_t i = 0; i < tree->node_count; i++)
            nodes[i] = &tree->nodes[i];
        auxo_status status = auxo__first_differences(ms->engine, ms->options.theta_on, difference, epsilon, nodes,
                                                     tree->node_count, values, error);
        free(nodes);
        return status;
    }
    double loss, gradient_max;
    auxo_status status = ms->engine->ops->full_gradient(ms->engine, &loss, &gradient_max, error);
    if (status == AUXO_OK)
        status = ms->engine->ops->unit_sensitivities(ms->engine, ms->options.theta_on, ms->unit_values, error);
    if (status != AUXO_OK)
        return status;
    for (uint32_t i = 0; i < tree->node_count; i++)
        values[i] = auxo__node_sum(tree, &tree->nodes[i], ms->unit_values);
    return AUXO_OK;
}

auxo_status auxo_multiscale_second_order(auxo_multiscale *ms, auxo_difference difference, double step, double *values,
                                         double *own, double *mixed, auxo_error *error)
{
    const auxo_tree *tree = ms->tree;
    double *first = malloc(tree->node_count * sizeof *first);
    if (!first)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "second-order sensitivities: out of memory");
    auxo_status status = AUXO_OK;
    if (difference == AUXO_DIFFERENCE_EXACT)
        status = auxo_multiscale_sensitivities(ms, difference, 0, first, error);
    if (step == 0)
        step = auxo__default_second_step();
    values[0] = NAN;
    for (uint32_t i = 0; i < tree->node_count && status == AUXO_OK; i++) {
        const auxo_tree_node *node = &tree->nodes[i];
        if (node->left < 0)
            continue;
        const auxo_tree_node *pair[2] = {&tree->nodes[node->left], &tree->nodes[node->right]};
        double known[2] = {first[node->left], first[node->right]};
        pair_second_order result;
        status = auxo__pair_second_order(ms->engine, ms->options.theta_on, difference, ms->options.means, step, pair,
                                         difference == AUXO_DIFFERENCE_EXACT ? known : NULL, &result, error);
        for (int side = 0; side < 2 && status == AUXO_OK; side++) {
            int32_t child = side ? node->right : node->left;
            values[child] = result.mean[side];
            if (own)
                own[child] = result.own[side];
            if (mixed)
                mixed[child] = result.mixed;
        }
    }
    if (own)
        own[0] = NAN;
    if (mixed)
        mixed[0] = NAN;
    free(first);
    return status;
}

auxo_status auxo__multiscale_loss(auxo_multiscale *ms, double *loss, auxo_error *error)
{
    const theta_mask none = {0, {NULL, NULL}, {1, 1}};
    return ms->engine->ops->theta_losses(ms->engine, AUXO_THETA_ON_WEIGHTS, &none, 1, loss, error);
}

auxo_status auxo_multiscale_coupling(auxo_multiscale *ms, double *matrix, auxo_error *error)
{
    const uint32_t count = ms->tree->layer_count;
    auxo_tree_node *nodes = calloc(count, sizeof *nodes);
    const auxo_tree_node **all = malloc(count * sizeof *all);
    double loss, gradient_max;
    auxo_status status = nodes && all ? ms->engine->ops->full_gradient(ms->engine, &loss, &gradient_max, error)
                                      : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "coupling: out of memory");
    for (uint32_t l = 0; l < count && status == AUXO_OK; l++) {
        nodes[l] = (auxo_tree_node){.layer_begin = l, .layer_end = l + 1, .unit_end = ms->tree->unit_counts[l]};
        all[l] = &nodes[l];
    }
    if (status == AUXO_OK)
        status = ms->engine->ops->second_derivatives(ms->engine, ms->options.theta_on, all, count, matrix, error);
    /* Both halves are the same but for rounding. */
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        for (uint32_t j = 0; j < i; j++)
            matrix[i * count + j] = matrix[j * count + i] = (matrix[i * count + j] + matrix[j * count + i]) / 2;
    free(nodes);
    free((void *)all);
    return status;
}

auxo_status auxo__multiscale_read_gradients(auxo_multiscale *ms, float **gradients, double *loss, double *gradient_max,
                                            auxo_error *error)
{
    const uint64_t count = auxo_model_weight_count(ms->model);
    *gradients = malloc((count + 1) * sizeof **gradients);
    if (!*gradients)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "multi-scale training: out of memory");
    auxo_status status = ms->engine->ops->full_gradient(ms->engine, loss, gradient_max, error);
    return status == AUXO_OK ? auxo_buffer_read(auxo_model_queue(ms->model), auxo_model_gradients(ms->model), 0,
                                                *gradients, count * sizeof **gradients, error)
                             : status;
}

auxo_status auxo_multiscale_layer_gradients(auxo_multiscale *ms, double *values, auxo_error *error)
{
    float *gradients = NULL;
    double loss, gradient_max;
    auxo_status status = auxo__multiscale_read_gradients(ms, &gradients, &loss, &gradient_max, error);
    for (uint32_t l = 0; l < ms->tree->layer_count && status == AUXO_OK; l++) {
        uint64_t offset, count;
        auxo_model_layer_range(ms->model, ms->weight_layers[l], &offset, &count);
        values[l] = 0;
        for (uint64_t i = 0; i < count; i++)
            values[l] = fmax(values[l], fabs((double)gradients[offset + i]));
    }
    free(gradients);
    return status;
}
