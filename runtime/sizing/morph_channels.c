/* runtime/sizing/morph_channels.c: groups of tied channels and the products between them. */
#include "morph_channels.h"
#include "model_internal.h"

#include <stdlib.h>

double auxo__morph_constant(const auxo_model_desc *desc, uint32_t layer, auxo_resource resource)
{
    const auxo_layer *of = &desc->layers[layer];
    double area = of->kind == AUXO_LAYER_CONV2D ? (double)of->kernel_h * of->kernel_w : 1;
    double positions = of->kind == AUXO_LAYER_CONV2D ? (double)of->output_dims[1] * (double)of->output_dims[2] : 1;
    /* A filter of a grouped convolution reads its group's share of the channels; a depthwise one is counted by its
     * filters alone. */
    bool shares = of->kind == AUXO_LAYER_CONV2D && !auxo__layer_is_depthwise(desc, layer);
    double share = shares ? 1.0 / of->groups : 1;
    return (resource == AUXO_RESOURCE_PARAMETERS ? area : 2 * positions * area) * share;
}

/* Runs of the channels that `layer` puts out, multiplied by `repeat`; appended to runs, which has room for one per
 * layer and concat input. */
static void collect_runs(const auxo_model_desc *desc, const uint32_t *groups, uint32_t layer, uint32_t repeat,
                         channel_run *runs, uint32_t *count)
{
    uint32_t root = groups[layer];
    const auxo_layer *of = &desc->layers[root];
    if (of->kind == AUXO_LAYER_FLATTEN) {
        const int64_t *in = desc->layers[of->inputs[0]].output_dims;
        collect_runs(desc, groups, of->inputs[0], repeat * (uint32_t)(in[1] * in[2]), runs, count);
    } else if (of->kind == AUXO_LAYER_CONCAT) {
        for (uint32_t i = 0; i < of->input_count; i++)
            collect_runs(desc, groups, of->inputs[i], repeat, runs, count);
    } else {
        runs[(*count)++] = (channel_run){root, repeat};
    }
}

/* Upper bound of the runs that one layer can have: nested concats multiply. */
static uint32_t count_runs(const auxo_model_desc *desc, const uint32_t *groups, uint32_t layer)
{
    const auxo_layer *of = &desc->layers[groups[layer]];
    if (of->kind == AUXO_LAYER_FLATTEN)
        return count_runs(desc, groups, of->inputs[0]);
    if (of->kind != AUXO_LAYER_CONCAT)
        return 1;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < of->input_count; i++)
        sum += count_runs(desc, groups, of->inputs[i]);
    return sum;
}

auxo_status auxo__morph_graph_init(const auxo_model_desc *desc, auxo_resource resource, morph_graph *graph,
                                   auxo_error *error)
{
    *graph = (morph_graph){.layer_count = desc->layer_count};
    graph->groups = malloc(desc->layer_count * sizeof *graph->groups);
    graph->resizable = malloc(desc->layer_count * sizeof *graph->resizable);
    graph->units = calloc(desc->layer_count, sizeof *graph->units);
    graph->products = calloc(desc->layer_count, sizeof *graph->products);
    auxo_status status = AUXO_OK;
    if (!graph->groups || !graph->resizable || !graph->units || !graph->products)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "channel groups: out of memory");
    if (status == AUXO_OK)
        status = auxo_model_desc_unit_groups(desc, graph->groups, graph->resizable, error);
    for (uint32_t l = 0; l < desc->layer_count && status == AUXO_OK; l++) {
        const auxo_layer *layer = &desc->layers[l];
        graph->units[l] = (uint32_t)layer->output_dims[0];
        if (layer->kind != AUXO_LAYER_DENSE && layer->kind != AUXO_LAYER_CONV2D)
            continue;
        morph_product *product = &graph->products[graph->product_count++];
        *product = (morph_product){.layer = l,
                                   .depthwise = auxo__layer_is_depthwise(desc, l),
                                   .constant = auxo__morph_constant(desc, l, resource),
                                   .output_group = graph->groups[l]};
        product->input_runs = malloc(count_runs(desc, graph->groups, layer->inputs[0]) * sizeof *product->input_runs);
        if (!product->input_runs) {
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "channel groups: out of memory");
            break;
        }
        collect_runs(desc, graph->groups, layer->inputs[0], 1, product->input_runs, &product->input_run_count);
    }
    if (status != AUXO_OK)
        auxo__morph_graph_deinit(graph);
    return status;
}

void auxo__morph_graph_deinit(morph_graph *graph)
{
    for (uint32_t p = 0; p < graph->product_count && graph->products; p++)
        free(graph->products[p].input_runs);
    free(graph->groups);
    free(graph->resizable);
    free(graph->units);
    free(graph->products);
    *graph = (morph_graph){0};
}

void auxo__morph_graph_use_times(morph_graph *graph, const double *layer_ns)
{
    for (uint32_t p = 0; p < graph->product_count; p++) {
        morph_product *product = &graph->products[p];
        double inputs = 0, outputs = graph->units[product->output_group];
        for (uint32_t r = 0; r < product->input_run_count; r++)
            inputs += (double)graph->units[product->input_runs[r].group] * product->input_runs[r].repeat;
        product->constant = layer_ns[product->layer] / (product->depthwise ? outputs : inputs * outputs);
    }
}
