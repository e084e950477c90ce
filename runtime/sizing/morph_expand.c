/* runtime/sizing/morph_expand.c: MorphNet's expansion: the largest kappa whose network stays within the budget.
 *
 * Widths are max(1, round(kappa width)), so the cost is a step function of kappa that never falls; bisection over
 * kappa finds the step at which the budget is passed, and the description just below it is the answer.
 */
#include "morph_channels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static double product_cost(const morph_graph *graph, const morph_product *product)
{
    double inputs = 0, outputs = graph->units[product->output_group];
    for (uint32_t r = 0; r < product->input_run_count; r++)
        inputs += (double)graph->units[product->input_runs[r].group] * product->input_runs[r].repeat;
    return product->depthwise ? product->constant * outputs : product->constant * inputs * outputs;
}

auxo_status auxo_morph_desc_cost(const auxo_model_desc *desc, auxo_resource resource, double *cost, auxo_error *error)
{
    morph_graph graph;
    auxo_status status = auxo__morph_graph_init(desc, resource, &graph, error);
    if (status != AUXO_OK)
        return status;
    *cost = 0;
    for (uint32_t p = 0; p < graph.product_count; p++)
        *cost += product_cost(&graph, &graph.products[p]);
    auxo__morph_graph_deinit(&graph);
    return AUXO_OK;
}

static uint32_t scaled_width(double kappa, double width)
{
    double scaled = floor(kappa * width + 0.5);
    return scaled < 1 ? 1 : scaled > 1e6 ? 1000000 : (uint32_t)scaled;
}

/* Cost with the widths of resizable groups scaled; graph->units is scratch. */
static double cost_at(morph_graph *graph, const uint32_t *original, const double *widths, double kappa)
{
    for (uint32_t l = 0; l < graph->layer_count; l++)
        graph->units[l] = graph->resizable[l] && widths[graph->groups[l]] > 0
                              ? scaled_width(kappa, widths[graph->groups[l]])
                              : original[l];
    double cost = 0;
    for (uint32_t p = 0; p < graph->product_count; p++)
        cost += product_cost(graph, &graph->products[p]);
    return cost;
}

static auxo_status apply_widths(const auxo_model_desc *desc, const morph_graph *graph, const double *widths,
                                double kappa, auxo_model_desc *expanded, auxo_error *error)
{
    auxo_model_desc_init(expanded);
    auxo_status status = auxo_model_desc_copy(desc, expanded, error);
    if (status != AUXO_OK)
        return status;
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        auxo_layer *layer = &expanded->layers[l];
        bool makes_units = layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D;
        if (!makes_units || !graph->resizable[l] || !(widths[graph->groups[l]] > 0))
            continue;
        layer->units = scaled_width(kappa, widths[graph->groups[l]]);
        if (layer->groups > 1)
            layer->groups = (int32_t)layer->units; /* depthwise */
    }
    status = auxo_model_desc_finish(expanded, error);
    if (status != AUXO_OK)
        auxo_model_desc_deinit(expanded);
    return status;
}

auxo_status auxo_morph_expand(const auxo_model_desc *desc, const double *widths, auxo_resource resource, double budget,
                              double *kappa, auxo_model_desc *expanded, auxo_error *error)
{
    morph_graph graph;
    auxo_status status = auxo__morph_graph_init(desc, resource, &graph, error);
    if (status != AUXO_OK)
        return status;
    uint32_t *original = malloc(desc->layer_count * sizeof *original);
    double *group_widths = calloc(desc->layer_count, sizeof *group_widths);
    if (!original || !group_widths)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "expansion: out of memory");
    /* A group takes the widest of its layers' widths. */
    for (uint32_t l = 0; l < desc->layer_count && status == AUXO_OK; l++) {
        original[l] = graph.units[l];
        group_widths[graph.groups[l]] = fmax(group_widths[graph.groups[l]], widths[l]);
    }
    double low = 0, high = 1;
    if (status == AUXO_OK && cost_at(&graph, original, group_widths, 0) > budget)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "the budget of %.6g is below the cost of one unit in every layer, %.6g", budget,
                                cost_at(&graph, original, group_widths, 0));
    while (status == AUXO_OK && high < 1e6 && cost_at(&graph, original, group_widths, high) <= budget)
        high *= 2;
    for (int i = 0; i < 200 && status == AUXO_OK && high - low > DBL_EPSILON * high; i++) {
        double middle = low + 0.5 * (high - low);
        if (cost_at(&graph, original, group_widths, middle) <= budget)
            low = middle;
        else
            high = middle;
    }
    if (status == AUXO_OK) {
        *kappa = low;
        status = apply_widths(desc, &graph, group_widths, low, expanded, error);
    }
    free(original);
    free(group_widths);
    auxo__morph_graph_deinit(&graph);
    return status;
}
