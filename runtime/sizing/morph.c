/* runtime/sizing/morph.c: MorphNet's regulariser as a penalty on the device, and who is alive.
 *
 * Per product C (A_in sum|g_out| + A_out sum|g_in|): every scale g of a group gets the coefficient sum of C A_in over
 * the products that write the group plus sum of repeat C A_out over those that read it. The counts A carry no gradient:
 * they are constants between two refreshes. Where channels are tied, only the largest |g| is penalised.
 */
#include "morph_channels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One vector of scales: the gammas of a batch norm, or the filters of a layer under group lasso. */
typedef struct scale_source {
    uint32_t layer, group, units;
    auxo_tensor values, gradients; /* (units, 1) gammas, or (units, incoming) weights */
    auxo_buffer *coefficients;     /* f32 (units) */
    float *magnitudes;             /* |gamma| or sqrt(mean w^2), at the last refresh */
} scale_source;

struct auxo_morph {
    auxo_model *model;
    auxo_morph_options options;
    morph_graph graph;
    uint32_t source_count;
    scale_source *sources;
    double *group_regularizer; /* per root layer: sum of the largest |g| per channel; 0 if not regularised */
    double *group_alive;       /* per root layer: channels alive */
    double *group_coefficient; /* per root layer: dG/d|g| */
};

static const auxo_param *find_role(const auxo_model *model, uint32_t layer, int role)
{
    const auxo_param *params = auxo_model_params(model);
    for (size_t i = 0; i < auxo_model_param_count(model); i++)
        if (params[i].layer == layer && (int)params[i].role == role)
            return &params[i];
    return NULL;
}

static auxo_status add_source(auxo_morph *morph, uint32_t layer, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(morph->model);
    bool lasso = morph->options.scale == AUXO_MORPH_GROUP_LASSO;
    const auxo_param *param = find_role(morph->model, layer, lasso ? AUXO_PARAM_WEIGHT : AUXO_PARAM_GAMMA);
    scale_source *source = &morph->sources[morph->source_count++];
    uint32_t units = (uint32_t)desc->layers[layer].output_dims[0];
    int64_t dims[2] = {units, param->dims[0] ? 1 : 0};
    for (uint32_t d = 1; d < param->rank; d++)
        dims[1] *= param->dims[d];
    *source = (scale_source){.layer = layer, .group = morph->graph.groups[layer], .units = units};
    source->values = auxo_tensor_reshape(auxo_model_param_tensor(morph->model, param), 2, dims);
    source->gradients = auxo_tensor_reshape(auxo_model_gradient_tensor(morph->model, param), 2, dims);
    source->magnitudes = calloc(units, sizeof *source->magnitudes);
    if (!source->magnitudes)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet: out of memory");
    return auxo_buffer_create(auxo_model_device(morph->model), units * sizeof(float), &source->coefficients, error);
}

static auxo_status find_sources(auxo_morph *morph, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(morph->model);
    bool lasso = morph->options.scale == AUXO_MORPH_GROUP_LASSO;
    auxo_status status = AUXO_OK;
    for (uint32_t l = 0; l < desc->layer_count && status == AUXO_OK; l++) {
        auxo_layer_kind kind = desc->layers[l].kind;
        bool has_scale = lasso ? kind == AUXO_LAYER_CONV2D || kind == AUXO_LAYER_DENSE : kind == AUXO_LAYER_BATCH_NORM;
        if (has_scale && morph->graph.resizable[l])
            status = add_source(morph, l, error);
    }
    if (status == AUXO_OK && morph->source_count == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "model %s has nothing to regularise: %s", desc->name,
                                lasso ? "no hidden layer" : "no batch norm; use the group lasso");
    return status;
}

auxo_status auxo_morph_create(auxo_model *model, const auxo_morph_options *options, auxo_morph **out, auxo_error *error)
{
    if (options->resource == AUXO_RESOURCE_LATENCY && !options->layer_ns)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "a latency target needs measured layer times");
    auxo_morph *morph = calloc(1, sizeof *morph);
    if (!morph)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet: out of memory");
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    morph->model = model;
    morph->options = *options;
    morph->sources = calloc(desc->layer_count, sizeof *morph->sources);
    morph->group_regularizer = calloc(desc->layer_count, sizeof(double));
    morph->group_alive = calloc(desc->layer_count, sizeof(double));
    morph->group_coefficient = calloc(desc->layer_count, sizeof(double));
    auxo_status status = AUXO_OK;
    if (!morph->sources || !morph->group_regularizer || !morph->group_alive || !morph->group_coefficient)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet: out of memory");
    if (status == AUXO_OK)
        status = auxo__morph_graph_init(desc, options->resource, &morph->graph, error);
    if (status == AUXO_OK && options->resource == AUXO_RESOURCE_LATENCY)
        auxo__morph_graph_use_times(&morph->graph, morph->options.layer_ns);
    morph->options.layer_ns = NULL; /* borrowed for the call only */
    if (status == AUXO_OK)
        status = find_sources(morph, error);
    auxo_morph_cost cost;
    if (status == AUXO_OK)
        status = auxo_morph_refresh(morph, &cost, error);
    if (status != AUXO_OK) {
        auxo_morph_destroy(morph);
        return status;
    }
    *out = morph;
    return AUXO_OK;
}

void auxo_morph_destroy(auxo_morph *morph)
{
    if (!morph)
        return;
    for (uint32_t s = 0; s < morph->source_count; s++) {
        auxo_buffer_destroy(morph->sources[s].coefficients);
        free(morph->sources[s].magnitudes);
    }
    free(morph->sources);
    free(morph->group_regularizer);
    free(morph->group_alive);
    free(morph->group_coefficient);
    auxo__morph_graph_deinit(&morph->graph);
    free(morph);
}

void auxo_morph_before_step(void *user, auxo_model *model, auxo_optimizer *optimizer, auxo_plan *plan)
{
    auxo_morph *morph = user;
    (void)model;
    (void)optimizer;
    bool lasso = morph->options.scale == AUXO_MORPH_GROUP_LASSO;
    for (uint32_t s = 0; s < morph->source_count; s++) {
        scale_source *source = &morph->sources[s];
        auxo_op op = {.kind = AUXO_OP_PENALTY};
        op.params.penalty =
            (auxo_penalty_params){lasso ? AUXO_PENALTY_L21 : AUXO_PENALTY_L1, false, (float)morph->options.strength};
        op.tensors[AUXO_PENALTY_W] = source->values;
        op.tensors[AUXO_PENALTY_DW] = source->gradients;
        op.tensors[AUXO_PENALTY_COEF] = auxo_tensor_1d(source->coefficients, 0, AUXO_DTYPE_F32, source->units);
        auxo_plan_add(plan, &op, "morph.penalty");
    }
}

/* ---- refresh
 * ---------------------------------------------------------------------------------------------------------- */
static auxo_status read_magnitudes(auxo_morph *morph, auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(morph->model);
    bool lasso = morph->options.scale == AUXO_MORPH_GROUP_LASSO;
    auxo_status status = AUXO_OK;
    for (uint32_t s = 0; s < morph->source_count && status == AUXO_OK; s++) {
        scale_source *source = &morph->sources[s];
        auxo_buffer *norms = NULL;
        status = auxo_buffer_create(auxo_model_device(morph->model), source->units * sizeof(float), &norms, error);
        auxo_op op = {.kind = AUXO_OP_GROUP_NORM, .params.group_norm = {lasso ? AUXO_NORM_RMS : AUXO_NORM_LINF}};
        op.tensors[AUXO_GROUP_NORM_W] = source->values;
        op.tensors[AUXO_GROUP_NORM_NORM] = auxo_tensor_1d(norms, 0, AUXO_DTYPE_F32, source->units);
        if (status == AUXO_OK)
            status = auxo_op_run(queue, &op, error);
        if (status == AUXO_OK)
            status = auxo_buffer_read(queue, norms, 0, source->magnitudes, source->units * sizeof(float), error);
        auxo_buffer_destroy(norms);
    }
    return status;
}

/* The largest magnitude of channel `unit` among the sources of its group; -1 if the group has none. */
static double tied_magnitude(const auxo_morph *morph, uint32_t group, uint32_t unit, uint32_t *owner)
{
    double largest = -1;
    for (uint32_t s = 0; s < morph->source_count; s++)
        if (morph->sources[s].group == group && (double)morph->sources[s].magnitudes[unit] > largest) {
            largest = morph->sources[s].magnitudes[unit];
            *owner = s;
        }
    return largest;
}

static void count_groups(auxo_morph *morph)
{
    for (uint32_t g = 0; g < morph->graph.layer_count; g++) {
        if (morph->graph.groups[g] != g)
            continue;
        morph->group_regularizer[g] = morph->group_alive[g] = 0;
        for (uint32_t u = 0; u < morph->graph.units[g]; u++) {
            uint32_t owner;
            double magnitude = tied_magnitude(morph, g, u, &owner);
            morph->group_alive[g] += magnitude < 0 || magnitude > morph->options.threshold;
            morph->group_regularizer[g] += magnitude > 0 ? magnitude : 0;
        }
    }
}

typedef struct run_sums {
    double alive, all, regularizer;
} run_sums;

static run_sums sum_inputs(const auxo_morph *morph, const morph_product *product)
{
    run_sums sums = {0};
    for (uint32_t r = 0; r < product->input_run_count; r++) {
        channel_run run = product->input_runs[r];
        sums.alive += run.repeat * morph->group_alive[run.group];
        sums.all += (double)run.repeat * morph->graph.units[run.group];
        sums.regularizer += run.repeat * morph->group_regularizer[run.group];
    }
    return sums;
}

static void add_product(auxo_morph *morph, const morph_product *product, auxo_morph_cost *cost)
{
    uint32_t out = product->output_group;
    run_sums in = sum_inputs(morph, product);
    double alive_out = morph->group_alive[out], all_out = morph->graph.units[out];
    double in_factor = product->depthwise ? 1 : in.alive, out_factor = product->depthwise ? 1 : alive_out;
    cost->cost += product->constant * (product->depthwise ? alive_out : in.alive * alive_out);
    cost->full_cost += product->constant * (product->depthwise ? all_out : in.all * all_out);
    cost->regularizer += product->constant * (in_factor * morph->group_regularizer[out] + out_factor * in.regularizer);
    morph->group_coefficient[out] += product->constant * in_factor;
    for (uint32_t r = 0; r < product->input_run_count; r++)
        morph->group_coefficient[product->input_runs[r].group] +=
            product->constant * out_factor * product->input_runs[r].repeat;
}

static auxo_status write_coefficients(auxo_morph *morph, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t s = 0; s < morph->source_count && status == AUXO_OK; s++) {
        const scale_source *source = &morph->sources[s];
        float *values = malloc(source->units * sizeof *values);
        if (!values)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet: out of memory");
        /* Group lasso: sqrt(mean w^2) = |w|_2 / sqrt(size), and the op penalises |w|_2. */
        double unit = morph->options.scale == AUXO_MORPH_GROUP_LASSO ? 1 / sqrt((double)source->values.dims[1]) : 1;
        for (uint32_t u = 0; u < source->units; u++) {
            uint32_t owner = s;
            tied_magnitude(morph, source->group, u, &owner);
            values[u] = owner == s ? (float)(unit * morph->group_coefficient[source->group]) : 0;
        }
        status = auxo_buffer_write(auxo_model_queue(morph->model), source->coefficients, 0, values,
                                   source->units * sizeof *values, error);
        free(values);
    }
    return status;
}

auxo_status auxo_morph_refresh(auxo_morph *morph, auxo_morph_cost *cost, auxo_error *error)
{
    auxo_status status = read_magnitudes(morph, error);
    if (status != AUXO_OK)
        return status;
    *cost = (auxo_morph_cost){0};
    count_groups(morph);
    memset(morph->group_coefficient, 0, morph->graph.layer_count * sizeof *morph->group_coefficient);
    for (uint32_t p = 0; p < morph->graph.product_count; p++)
        add_product(morph, &morph->graph.products[p], cost);
    return write_coefficients(morph, error);
}

void auxo_morph_alive_widths(const auxo_morph *morph, uint32_t *widths)
{
    const auxo_model_desc *desc = auxo_model_get_desc(morph->model);
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        bool makes_units = desc->layers[l].kind == AUXO_LAYER_DENSE || desc->layers[l].kind == AUXO_LAYER_CONV2D;
        double alive = morph->group_alive[morph->graph.groups[l]];
        widths[l] = makes_units && morph->graph.resizable[l] ? (uint32_t)fmax(alive, 1) : 0;
    }
}

uint32_t auxo_morph_dead_layer(const auxo_morph *morph)
{
    const auxo_model_desc *desc = auxo_model_get_desc(morph->model);
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        bool makes_units = desc->layers[l].kind == AUXO_LAYER_DENSE || desc->layers[l].kind == AUXO_LAYER_CONV2D;
        if (makes_units && morph->graph.resizable[l] && morph->group_alive[morph->graph.groups[l]] < 1)
            return l;
    }
    return UINT32_MAX;
}

const auxo_model *auxo__morph_model(const auxo_morph *morph)
{
    return morph->model;
}
