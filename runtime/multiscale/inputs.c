/* inputs.c: scaling factors on the inputs: what Table 1 of Zhang et al. 2023 lists measures for, with the article's own
 * theta. An input times theta is a column of the weights that read it times theta, so that the gradient of these
 * weights says all: sum over rows of x dL/dx = sum over the column of W dL/dW.
 */
#include "multiscale_internal.h"

#include <math.h>
#include <stdlib.h>

/* What is done with the columns of the layers that read the input: `sums`, or scaling column `column`. */
typedef struct reader_visit {
    const auxo_multiscale *ms;
    const float *weights, *gradients; /* (weight_count) */
    double *sums;                     /* (count) of W dL/dW; NULL: scale */
    float *scaled;                    /* weights whose column `column` is to be scaled */
    double factor;
    uint32_t column;
} reader_visit;

/* The columns of a layer, and how its flat weights lie: column of element i. */
typedef struct columns {
    uint64_t offset, element_count; /* of the weight, without biases */
    uint64_t row, group_rows;       /* elements of a unit; units of a group */
    uint64_t column_elements;       /* neighbours of one column */
    uint32_t count, group_columns;
} columns;

static columns columns_of(const auxo_multiscale *ms, uint32_t index)
{
    const auxo_model_desc *desc = auxo_model_get_desc(ms->model);
    const auxo_layer *layer = &desc->layers[index];
    const int64_t *dims = desc->layers[layer->inputs[0]].output_dims;
    const bool dense = layer->kind == AUXO_LAYER_DENSE;
    const uint64_t groups = dense || layer->groups == 0 ? 1 : layer->groups;
    columns c = {0};
    uint64_t count;
    auxo_model_layer_range(ms->model, index, &c.offset, &count);
    c.element_count = count - (layer->bias ? layer->units : 0);
    c.row = c.element_count / layer->units;
    c.count = (uint32_t)(dense ? dims[0] * dims[1] * dims[2] : dims[0]);
    c.group_columns = c.count / (uint32_t)groups;
    c.group_rows = layer->units / groups;
    c.column_elements = c.row / c.group_columns;
    return c;
}

static uint32_t column_of(const columns *c, uint64_t element)
{
    const uint64_t unit = element / c->row, group = unit / c->group_rows;
    return (uint32_t)(group * c->group_columns + element % c->row / c->column_elements);
}

static void visit_layer(const reader_visit *visit, uint32_t index)
{
    const columns c = columns_of(visit->ms, index);
    for (uint64_t i = 0; i < c.element_count; i++) {
        const uint32_t column = column_of(&c, i);
        const uint64_t place = c.offset + i;
        if (visit->sums)
            visit->sums[column] += (double)visit->weights[place] * (double)visit->gradients[place];
        else if (column == visit->column)
            visit->scaled[place] = (float)((double)visit->weights[place] * visit->factor);
    }
}

/* Marks the layers that read the input, also through flatten and dropout, and says how many columns they have. */
static auxo_status find_readers(const auxo_multiscale *ms, bool *reads, uint32_t *count, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(ms->model);
    bool *passes = calloc(desc->layer_count + 1, sizeof *passes); /* the input, and what hands it on */
    *count = 0;
    if (!passes)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities of inputs: out of memory");
    auxo_status status = AUXO_OK;
    passes[0] = true;
    for (uint32_t i = 1; i < desc->layer_count && status == AUXO_OK; i++) {
        const auxo_layer *layer = &desc->layers[i];
        bool touches = false;
        for (uint32_t k = 0; k < layer->input_count; k++)
            touches = touches || passes[layer->inputs[k]];
        const bool weights = layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D;
        passes[i] = touches && (layer->kind == AUXO_LAYER_FLATTEN || layer->kind == AUXO_LAYER_DROPOUT) &&
                    layer->activation == AUXO_ACTIVATION_IDENTITY;
        reads[i] = touches && weights;
        if (reads[i]) {
            const uint32_t own = columns_of(ms, i).count;
            if (*count != 0 && *count != own)
                status = auxo_error_set(error, AUXO_UNSUPPORTED,
                                        "sensitivities of inputs: layer %s reads %u of them, another one %u",
                                        layer->name, own, *count);
            *count = own;
        } else if (touches && !passes[i]) {
            status = auxo_error_set(error, AUXO_UNSUPPORTED,
                                    "sensitivities of inputs: layer %s (%s) reads the input; only dense layers and "
                                    "convolutions may",
                                    layer->name, auxo_layer_noun(layer->kind));
        }
    }
    free(passes);
    return status;
}

static void visit_readers(const reader_visit *visit, const bool *reads)
{
    const uint32_t layer_count = auxo_model_get_desc(visit->ms->model)->layer_count;
    for (uint32_t i = 0; i < layer_count; i++)
        if (reads[i])
            visit_layer(visit, i);
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

auxo_status auxo_multiscale_input_count(const auxo_multiscale *ms, uint32_t *count, auxo_error *error)
{
    bool *reads = calloc(auxo_model_get_desc(ms->model)->layer_count + 1, sizeof *reads);
    if (!reads)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities of inputs: out of memory");
    const auxo_status status = find_readers(ms, reads, count, error);
    free(reads);
    return status;
}

static auxo_status exact_values(auxo_multiscale *ms, const bool *reads, const float *weights, uint32_t count,
                                double *values, auxo_error *error)
{
    float *gradients = NULL;
    double loss, gradient_max;
    auxo_status status = auxo__multiscale_read_gradients(ms, &gradients, &loss, &gradient_max, error);
    for (uint32_t i = 0; i < count; i++)
        values[i] = 0;
    const reader_visit visit = {.ms = ms, .weights = weights, .gradients = gradients, .sums = values};
    if (status == AUXO_OK)
        visit_readers(&visit, reads);
    free(gradients);
    return status;
}

/* The loss with one input scaled; the device keeps the scaled weights. */
static auxo_status loss_scaled(auxo_multiscale *ms, const bool *reads, const float *weights, float *scaled,
                               uint32_t column, double factor, double *loss, auxo_error *error)
{
    const uint64_t count = auxo_model_weight_count(ms->model);
    for (uint64_t i = 0; i < count; i++)
        scaled[i] = weights[i];
    const reader_visit visit = {.ms = ms, .weights = weights, .scaled = scaled, .factor = factor, .column = column};
    visit_readers(&visit, reads);
    auxo_status status = auxo_model_write_weights(ms->model, scaled, NULL, error);
    return status == AUXO_OK ? auxo__multiscale_loss(ms, loss, error) : status;
}

static auxo_status differences(auxo_multiscale *ms, auxo_difference difference, double epsilon, const bool *reads,
                               const float *weights, float *scaled, uint32_t count, double *values, auxo_error *error)
{
    const difference_points points = auxo__difference_points(difference, epsilon);
    double high = 0, low = 0;
    auxo_status status = points.central ? AUXO_OK : auxo__multiscale_loss(ms, &low, error);
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++) {
        status = loss_scaled(ms, reads, weights, scaled, i, points.up, &high, error);
        if (status == AUXO_OK && points.central)
            status = loss_scaled(ms, reads, weights, scaled, i, points.down, &low, error);
        values[i] = (high - low) / points.span;
    }
    const auxo_status restored = auxo_model_write_weights(ms->model, weights, NULL, status == AUXO_OK ? error : NULL);
    return status == AUXO_OK ? restored : status;
}

auxo_status auxo_multiscale_input_sensitivities(auxo_multiscale *ms, auxo_difference difference, double epsilon,
                                                double *values, auxo_error *error)
{
    const uint64_t weight_count = auxo_model_weight_count(ms->model);
    bool *reads = calloc(auxo_model_get_desc(ms->model)->layer_count + 1, sizeof *reads);
    float *weights = malloc((weight_count + 1) * sizeof *weights),
          *scaled = malloc((weight_count + 1) * sizeof *scaled);
    uint32_t count = 0;
    auxo_status status = AUXO_OK;
    if (!reads || !weights || !scaled)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sensitivities of inputs: out of memory");
    if (status == AUXO_OK && difference != AUXO_DIFFERENCE_EXACT && !(epsilon > 0))
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "epsilon is %g; it must be greater than 0", epsilon);
    if (status == AUXO_OK)
        status = find_readers(ms, reads, &count, error);
    if (status == AUXO_OK)
        status = auxo_model_read_weights(ms->model, weights, NULL, error);
    if (status == AUXO_OK && difference == AUXO_DIFFERENCE_EXACT)
        status = exact_values(ms, reads, weights, count, values, error);
    else if (status == AUXO_OK)
        status = differences(ms, difference, epsilon, reads, weights, scaled, count, values, error);
    free(reads);
    free(weights);
    free(scaled);
    return status;
}
