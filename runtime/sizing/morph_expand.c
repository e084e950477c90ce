/* runtime/sizing/morph_expand.c: MorphNet's expansion: the largest kappa whose network stays within the budget.
 *
 * Widths are max(1, round(kappa width)), so the cost is a step function of kappa that never falls; bisection over
 * kappa finds the step at which the budget is passed, and the description just below it is the answer. A latency has no
 * such formula: it is predicted from measured times, the network that comes out is measured, and the prediction's limit
 * is corrected until a measured network keeps the budget.
 */
#include "model_internal.h"
#include "morph_channels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A description whose widths are to be scaled. */
typedef struct expansion {
    const auxo_model_desc *desc;
    morph_graph graph;  /* its `units` are scratch */
    uint32_t *original; /* channels of each layer */
    double *widths;     /* per root layer: what kappa multiplies; 0: the group stays as it is */
} expansion;

static double product_cost(const morph_graph *graph, const morph_product *product)
{
    double inputs = 0, outputs = graph->units[product->output_group];
    for (uint32_t r = 0; r < product->input_run_count; r++)
        inputs += (double)graph->units[product->input_runs[r].group] * product->input_runs[r].repeat;
    return product->depthwise ? product->constant * outputs : product->constant * inputs * outputs;
}

static double graph_cost(const morph_graph *graph)
{
    double cost = 0;
    for (uint32_t p = 0; p < graph->product_count; p++)
        cost += product_cost(graph, &graph->products[p]);
    return cost;
}

auxo_status auxo_morph_desc_cost(const auxo_model_desc *desc, const auxo_budget *budget, double *cost,
                                 auxo_error *error)
{
    if (budget->resource == AUXO_RESOURCE_LATENCY) {
        double *layer_ns = malloc(desc->layer_count * sizeof *layer_ns);
        if (!layer_ns)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "latency: out of memory");
        auxo_status status = auxo_latency_measure(budget->device, desc, budget->batch, layer_ns, cost, error);
        free(layer_ns);
        return status;
    }
    morph_graph graph;
    auxo_status status = auxo__morph_graph_init(desc, budget->resource, &graph, error);
    if (status != AUXO_OK)
        return status;
    *cost = graph_cost(&graph);
    auxo__morph_graph_deinit(&graph);
    return AUXO_OK;
}

static void expansion_deinit(expansion *e)
{
    auxo__morph_graph_deinit(&e->graph);
    free(e->original);
    free(e->widths);
}

static auxo_status expansion_init(const auxo_model_desc *desc, const double *widths, auxo_resource resource,
                                  expansion *e, auxo_error *error)
{
    *e = (expansion){.desc = desc};
    auxo_status status = auxo__morph_graph_init(desc, resource, &e->graph, error);
    if (status != AUXO_OK)
        return status;
    e->original = malloc(desc->layer_count * sizeof *e->original);
    e->widths = calloc(desc->layer_count, sizeof *e->widths);
    if (!e->original || !e->widths) {
        expansion_deinit(e);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "expansion: out of memory");
    }
    /* A group takes the widest of its layers' widths. */
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        e->original[l] = e->graph.units[l];
        e->widths[e->graph.groups[l]] = fmax(e->widths[e->graph.groups[l]], widths[l]);
    }
    return AUXO_OK;
}

static uint32_t scaled_width(double kappa, double width)
{
    double scaled = floor(kappa * width + 0.5);
    return scaled < 1 ? 1 : scaled > 1e6 ? 1000000 : (uint32_t)scaled;
}

static double cost_at(expansion *e, double kappa)
{
    for (uint32_t l = 0; l < e->graph.layer_count; l++) {
        double width = e->widths[e->graph.groups[l]];
        e->graph.units[l] = e->graph.resizable[l] && width > 0 ? scaled_width(kappa, width) : e->original[l];
    }
    return graph_cost(&e->graph);
}

/* The largest kappa with cost_at(kappa) <= limit; the caller has checked that 0 is within. */
static double largest_kappa(expansion *e, double limit)
{
    double low = 0, high = 1;
    while (high < 1e6 && cost_at(e, high) <= limit)
        high *= 2;
    for (int i = 0; i < 200 && high - low > DBL_EPSILON * high; i++) {
        double middle = low + 0.5 * (high - low);
        if (cost_at(e, middle) <= limit)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static auxo_status apply_widths(const expansion *e, double kappa, auxo_model_desc *expanded, auxo_error *error)
{
    auxo_model_desc_init(expanded);
    auxo_status status = auxo_model_desc_copy(e->desc, expanded, error);
    if (status != AUXO_OK)
        return status;
    for (uint32_t l = 0; l < e->desc->layer_count; l++) {
        auxo_layer *layer = &expanded->layers[l];
        bool makes_units = layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D;
        if (!makes_units || !e->graph.resizable[l] || !(e->widths[e->graph.groups[l]] > 0))
            continue;
        layer->units = scaled_width(kappa, e->widths[e->graph.groups[l]]);
        if (auxo__layer_is_depthwise(e->desc, l))
            layer->groups = (int32_t)layer->units;
    }
    status = auxo_model_desc_finish(expanded, error);
    if (status != AUXO_OK)
        auxo_model_desc_deinit(expanded);
    return status;
}

static auxo_status refuse_budget(const auxo_budget *budget, double smallest, auxo_error *error)
{
    static const char *const units[] = {"FLOPs", "weights", "ns"};
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "the budget of %.6g %s is below the cost of one unit in every layer, %.6g", budget->limit,
                          units[budget->resource], smallest);
}

/* Measures the network at kappa; it is kept in *best if it is within the budget and larger than what was there. */
static auxo_status try_kappa(const expansion *e, const auxo_budget *budget, double kappa, double *measured,
                             double *best_kappa, auxo_model_desc *best, auxo_error *error)
{
    auxo_model_desc candidate;
    auxo_status status = apply_widths(e, kappa, &candidate, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_morph_desc_cost(&candidate, budget, measured, error);
    if (status == AUXO_OK && *measured <= budget->limit && kappa > *best_kappa) {
        if (*best_kappa >= 0)
            auxo_model_desc_deinit(best);
        *best = candidate;
        *best_kappa = kappa;
        return AUXO_OK;
    }
    auxo_model_desc_deinit(&candidate);
    return status;
}

static auxo_status expand_to_latency(expansion *e, const auxo_budget *budget, double *kappa, auxo_model_desc *expanded,
                                     auxo_error *error)
{
    enum { TRIES = 8 };
    double *layer_ns = malloc(e->graph.layer_count * sizeof *layer_ns), total, measured = 0, limit = budget->limit;
    if (!layer_ns)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "latency: out of memory");
    auxo_status status = auxo_latency_measure(budget->device, e->desc, budget->batch, layer_ns, &total, error);
    if (status == AUXO_OK) {
        memcpy(e->graph.units, e->original, e->graph.layer_count * sizeof *e->original);
        auxo__morph_graph_use_times(&e->graph, layer_ns);
    }
    free(layer_ns);
    *kappa = -1;
    for (int t = 0; t < TRIES && status == AUXO_OK; t++) {
        double tried = cost_at(e, 0) <= limit ? largest_kappa(e, limit) : 0;
        status = try_kappa(e, budget, tried, &measured, kappa, expanded, error);
        bool within = measured <= budget->limit;
        if ((within && measured > 0.9 * budget->limit) || (!within && tried <= 0))
            break;
        /* Beside the products there is work that does not shrink with them: the limit follows what was measured. */
        limit *= (within ? 0.97 : 0.93) * budget->limit / measured;
    }
    if (status == AUXO_OK && *kappa < 0)
        status = try_kappa(e, budget, 0, &measured, kappa, expanded, error);
    if (status == AUXO_OK && *kappa < 0)
        return refuse_budget(budget, measured, error);
    return status;
}

auxo_status auxo_morph_expand(const auxo_model_desc *desc, const double *widths, const auxo_budget *budget,
                              double *kappa, auxo_model_desc *expanded, auxo_error *error)
{
    expansion e;
    auxo_status status = expansion_init(desc, widths, budget->resource, &e, error);
    if (status != AUXO_OK)
        return status;
    if (budget->resource == AUXO_RESOURCE_LATENCY) {
        status = expand_to_latency(&e, budget, kappa, expanded, error);
    } else if (cost_at(&e, 0) > budget->limit) {
        status = refuse_budget(budget, cost_at(&e, 0), error);
    } else {
        *kappa = largest_kappa(&e, budget->limit);
        status = apply_widths(&e, *kappa, expanded, error);
    }
    expansion_deinit(&e);
    return status;
}

auxo_status auxo__morph_at_widths(const auxo_model_desc *desc, const double *widths, auxo_resource resource,
                                  auxo_model_desc *rounded, auxo_error *error)
{
    expansion e;
    auxo_status status = expansion_init(desc, widths, resource, &e, error);
    if (status != AUXO_OK)
        return status;
    status = apply_widths(&e, 1, rounded, error);
    expansion_deinit(&e);
    return status;
}

auxo_status auxo__budget_check(const auxo_model_desc *desc, const auxo_budget *budget, auxo_error *error)
{
    double *ones = calloc(desc->layer_count, sizeof *ones), smallest = 0;
    auxo_model_desc small;
    expansion e;
    auxo_status status = ones ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "budget: out of memory");
    for (uint32_t l = 0; l < desc->layer_count && ones; l++)
        ones[l] = desc->layers[l].kind == AUXO_LAYER_CONV2D || desc->layers[l].kind == AUXO_LAYER_DENSE;
    if (status == AUXO_OK)
        status = expansion_init(desc, ones, budget->resource, &e, error);
    free(ones);
    if (status != AUXO_OK)
        return status;
    status = apply_widths(&e, 0, &small, error);
    expansion_deinit(&e);
    if (status != AUXO_OK)
        return status;
    status = auxo_morph_desc_cost(&small, budget, &smallest, error);
    auxo_model_desc_deinit(&small);
    return status == AUXO_OK && smallest > budget->limit ? refuse_budget(budget, smallest, error) : status;
}
