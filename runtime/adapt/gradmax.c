/* gradmax.c: in which directions new units would have the largest gradient (U. Evci, B. van Merrienboer, T.
 * Unterthiner, M. Vladymyrov, F. Pedregosa, "GradMax: Growing Neural Networks using Gradient Information", ICLR 2022).
 *
 * A unit between layers p and m, with activation of slope 1 at 0, that reads v and writes u changes layer m's sums by
 * u (v . x). The gradient with respect to u (at u = 0) is M v, M = sum over rows of (gradient of m's sums) x^T: largest
 * for the right singular vectors of M, with squared norm sigma^2. The article turns it round (v = 0, u the left
 * vectors); with u = 0 the function is kept for every activation, relu included, and the gradient is not lost where an
 * activation has slope 0 at 0. M is the gradient of a layer that led from x past the new units straight into m: it is
 * measured on a copy of the network that has such a layer, with weights 0. Between images a new filter reads its
 * window's centre alone, so that M has one such layer's shape (out, in, window of m).
 */
#include "adapt_internal.h"
#include "bottleneck.h"
#include "eigen.h"
#include "model_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SKIP[] = "gradmax_skip";

/* The place of new units: x -> [layer] -> ... -> reader. */
typedef struct growth_place {
    uint32_t input, layer, reader;
} growth_place;

static bool passes_units(const auxo_layer *layer)
{
    return layer->kind == AUXO_LAYER_ACTIVATION || layer->kind == AUXO_LAYER_BATCH_NORM ||
           layer->kind == AUXO_LAYER_DROPOUT;
}

/* The window's centre of output i lies over input i times the stride. */
static bool is_centred(const auxo_layer *layer)
{
    return 2 * layer->pad_h == layer->kernel_h - 1 && 2 * layer->pad_w == layer->kernel_w - 1 &&
           layer->dilation_h == 1 && layer->dilation_w == 1;
}

static bool find_place(const auxo_model_desc *desc, uint32_t layer, growth_place *place, char why[64])
{
    const auxo_layer *layers = desc->layers;
    uint32_t at = layer, reader = 0;
    do {
        if (auxo__model_desc_readers(desc, at, &reader) != 1) {
            snprintf(why, 64, "needs one reader");
            return false;
        }
        at = reader;
    } while (passes_units(&layers[at]));
    *place = (growth_place){layers[layer].inputs[0], layer, at};
    if (layers[at].kind != layers[layer].kind || layers[at].groups > 1 || layers[at].depthwise) {
        snprintf(why, 64, "does not see past a %s", auxo_layer_noun(layers[at].kind));
        return false;
    }
    if (layers[layer].kind == AUXO_LAYER_CONV2D && (!is_centred(&layers[layer]) || !is_centred(&layers[at]))) {
        snprintf(why, 64, "needs windows centred by padding");
        return false;
    }
    return true;
}

/* The layer past the new units. */
static auxo_layer skip_layer(const auxo_model_desc *desc, const growth_place *place)
{
    const auxo_layer *layer = &desc->layers[place->layer], *reader = &desc->layers[place->reader];
    auxo_layer skip = {.kind = reader->kind, .units = reader->units, .input_count = 1, .inputs = {place->input}};
    snprintf(skip.name, sizeof skip.name, "%s", SKIP);
    if (skip.kind != AUXO_LAYER_CONV2D)
        return skip;
    skip.kernel_h = reader->kernel_h;
    skip.kernel_w = reader->kernel_w;
    skip.stride_h = reader->stride_h * layer->stride_h;
    skip.stride_w = reader->stride_w * layer->stride_w;
    skip.pad_h = reader->pad_h * layer->stride_h;
    skip.pad_w = reader->pad_w * layer->stride_w;
    skip.dilation_h = layer->stride_h;
    skip.dilation_w = layer->stride_w;
    return skip;
}

/* The description with that layer added to the reader's sums, before its activation. */
static auxo_status add_skip(const auxo_model_desc *desc, const growth_place *place, auxo_model_desc *result,
                            auxo_error *error)
{
    enum { ADDED = 3 };
    const uint32_t reader = place->reader;
    const auxo_layer *of = &desc->layers[reader];
    const auxo_layer added[ADDED] = {
        skip_layer(desc, place),
        {.kind = AUXO_LAYER_ADD, .name = "gradmax_add", .input_count = 2, .inputs = {reader, reader + 1}},
        {.kind = AUXO_LAYER_ACTIVATION,
         .name = "gradmax_activation",
         .activation = of->activation,
         .slope = of->slope,
         .input_count = 1,
         .inputs = {reader + 2}},
    };
    auxo_model_desc linear;
    auxo_status status = auxo_model_desc_copy(desc, &linear, error);
    if (status != AUXO_OK)
        return status;
    linear.layers[reader].activation = AUXO_ACTIVATION_IDENTITY;
    status = auxo__model_desc_splice(&linear, reader, added, ADDED, result, error);
    auxo_model_desc_deinit(&linear);
    return status;
}

/* What is known of a place, from a copy of the network with the skip layer. */
typedef struct place_view {
    double *past;    /* (out, in, window): mean gradient of the skip layer's weight */
    int64_t dims[3]; /* out, in, window */
    double *reader;  /* (out, units): of the reader's weight; of the bottleneck alone, as what follows */
    float *x, *b;    /* (rows, in), (rows, units) */
    int64_t rows, units;
} place_view;

static void place_view_deinit(place_view *view)
{
    free(view->past);
    free(view->reader);
    free(view->x);
    free(view->b);
}

static auxo_status view_bottleneck(auxo__measure *measure, const growth_place *place, place_view *view,
                                   auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(measure->model);
    const auxo_param *param = auxo__layout_find(&measure->model->layout, place->reader, AUXO_PARAM_WEIGHT);
    int64_t in = 0;
    auxo_status status = auxo__measure_gradient(measure, param, &view->reader, error);
    if (status == AUXO_OK)
        status = auxo__measure_outputs(measure, place->input, &view->x, &view->rows, &in, error);
    if (status == AUXO_OK)
        status = auxo__measure_outputs(measure, desc->layers[place->reader].inputs[0], &view->b, &view->rows,
                                       &view->units, error);
    if (status == AUXO_OK && (in != view->dims[1] || view->units != param->dims[1]))
        status = auxo_error_set(error, AUXO_INTERNAL, "bottleneck: %lld and %lld values do not fit the weights",
                                (long long)in, (long long)view->units);
    return status;
}

static auxo_status view_place(auxo_adapt *adapt, auxo_grow_init how, const auxo_model_desc *desc,
                              const growth_place *place, place_view *view, auxo_error *error)
{
    auxo_model *copy = NULL;
    auxo__measure measure = {0};
    *view = (place_view){0};
    auxo_status status = auxo_model_clone(adapt->model, &copy, error);
    if (status == AUXO_OK)
        status = auxo_model_restructure(copy, desc, 0, 0, NULL, error);
    if (status == AUXO_OK)
        status = auxo__measure_init(&measure, copy, adapt->train, &adapt->options, error);
    const auxo_param *param = NULL;
    if (status == AUXO_OK) {
        param = auxo_model_find_param(copy, "gradmax_skip.weight");
        if (!param)
            status = auxo_error_set(error, AUXO_INTERNAL, "GradMax: the copy has no skip layer");
    }
    if (status == AUXO_OK) {
        const auxo_tensor tensor = auxo_model_param_tensor(copy, param);
        view->dims[0] = param->dims[0];
        view->dims[1] = param->dims[1];
        view->dims[2] = auxo_tensor_element_count(&tensor) / (param->dims[0] * param->dims[1]);
        status = auxo__measure_gradient(&measure, param, &view->past, error);
    }
    if (status == AUXO_OK && how == AUXO_GROW_BOTTLENECK)
        status = view_bottleneck(&measure, place, view, error);
    auxo__measure_deinit(&measure);
    auxo_model_destroy(copy);
    return status;
}

/* M^T M over (out, window), (in, in). */
static double *gram(const double *gradient, const int64_t dims[3])
{
    const int64_t in = dims[1], window = dims[2];
    double *product = calloc((size_t)(in * in + 1), sizeof *product);
    for (int64_t o = 0; product && o < dims[0]; o++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t j = 0; j <= i; j++)
                for (int64_t w = 0; w < window; w++)
                    product[i * in + j] += gradient[(o * in + i) * window + w] * gradient[(o * in + j) * window + w];
    for (int64_t i = 0; product && i < in; i++)
        for (int64_t j = i + 1; j < in; j++)
            product[i * in + j] = product[j * in + i];
    return product;
}

/* Mean norm of the incoming weights of the layer's units. */
static auxo_status mean_length(auxo_model *model, uint32_t layer, double *length, auxo_error *error)
{
    const auxo_param *weight = auxo__layout_find(&model->layout, layer, AUXO_PARAM_WEIGHT);
    const size_t units = (size_t)weight->dims[0];
    float *values = NULL;
    size_t count = 0;
    const auxo_status status = auxo__param_read(model, weight, &values, &count, error);
    *length = 0;
    for (size_t u = 0; u < units && status == AUXO_OK; u++) {
        double squares = 0;
        for (size_t i = u * (count / units); i < (u + 1) * (count / units); i++)
            squares += (double)values[i] * (double)values[i];
        *length += sqrt(squares) / (double)units;
    }
    free(values);
    return status;
}

/* Unit i reads the i-th largest direction; beyond their number, the same ones with the other sign, which a relu does
 * not have yet, and which count for nothing in `squared`. Windows other than 1 are read at their centre. */
static void fill_rows(const double *vectors, const double *values, int64_t in, uint32_t count, double length,
                      int64_t window, float *rows, double *squared)
{
    for (uint32_t i = 0; i < count; i++) {
        const int64_t k = in - 1 - (int64_t)(i % (uint32_t)in); /* values ascend */
        const double sign = (i / (uint32_t)in) % 2 ? -1 : 1;
        squared[i] = i < (uint64_t)in ? fmax(0, values[k]) * length * length : 0;
        for (int64_t c = 0; c < in; c++)
            rows[((int64_t)i * in + c) * window + window / 2] = (float)(sign * length * vectors[k * in + c]);
    }
}

/* Directions as rows of matrix (in, in), of length 1, and the squared gradient that each has, ascending. */
static auxo_status find_vectors(const place_view *view, auxo_grow_init how, double *matrix, double *values,
                                auxo_error *error)
{
    const int64_t in = view->dims[1];
    if (how != AUXO_GROW_BOTTLENECK)
        return auxo__eigen_symmetric(matrix, (int)in, values, error);
    const auxo__bottleneck of = {.in = in,
                                 .units = view->units,
                                 .out = view->dims[0],
                                 .rows = view->rows,
                                 .x = view->x,
                                 .b = view->b,
                                 .past = view->past,
                                 .reader = view->reader};
    const auxo_status status = auxo__bottleneck_directions(&of, matrix, values, error);
    for (int64_t k = 0; status == AUXO_OK && k < in; k++) {
        double squares = 0;
        for (int64_t i = 0; i < in; i++)
            squares += matrix[k * in + i] * matrix[k * in + i];
        for (int64_t i = 0; i < in && squares > 0; i++)
            matrix[k * in + i] /= sqrt(squares);
        values[k] = squares > 0 ? values[k] / squares : 0;
    }
    return status;
}

static auxo_status directions(auxo_adapt *adapt, auxo_grow_init how, const auxo_model_desc *desc,
                              const growth_place *place, uint32_t count, float **rows, double **squared,
                              auxo_error *error)
{
    const auxo_layer *of = &auxo_model_get_desc(adapt->model)->layers[place->layer];
    const int64_t window = of->kind == AUXO_LAYER_CONV2D ? (int64_t)of->kernel_h * of->kernel_w : 1;
    place_view view;
    double *matrix = NULL, *values = NULL, length = 0;
    auxo_status status = view_place(adapt, how, desc, place, &view, error);
    const int64_t in = view.dims[1];
    if (status == AUXO_OK) {
        matrix = gram(view.past, view.dims);
        values = calloc((size_t)in + 1, sizeof *values);
        *rows = calloc((size_t)(count * in * window) + 1, sizeof **rows);
        *squared = calloc(count + 1, sizeof **squared);
        if (!matrix || !values || !*rows || !*squared)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "GradMax: out of memory");
    }
    if (status == AUXO_OK)
        status = find_vectors(&view, how, matrix, values, error);
    if (status == AUXO_OK)
        status = mean_length(adapt->model, place->layer, &length, error);
    if (status == AUXO_OK)
        fill_rows(matrix, values, in, count, length, window, *rows, *squared);
    place_view_deinit(&view);
    free(matrix);
    free(values);
    return status;
}

auxo_status auxo__growth_directions(auxo_adapt *adapt, auxo_grow_init how, uint32_t layer, uint32_t count,
                                    bool *possible, char why[64], float **rows, double **squared, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    const auxo__structure *structure = NULL;
    growth_place place = {0};
    auxo_model_desc skipped;
    *rows = NULL;
    *squared = NULL;
    auxo_status status = auxo__adapt_structure(adapt, &structure, error);
    if (status != AUXO_OK)
        return status;
    const bool alone = auxo__has_own_units(desc, structure, layer);
    *possible = alone && find_place(desc, layer, &place, why);
    if (!alone)
        snprintf(why, 64, "needs one layer of these units");
    if (*possible && how == AUXO_GROW_BOTTLENECK && desc->layers[layer].kind != AUXO_LAYER_DENSE) {
        snprintf(why, 64, "the bottleneck is of dense layers");
        *possible = false;
    }
    if (!*possible)
        return AUXO_OK;
    status = add_skip(desc, &place, &skipped, error);
    if (status != AUXO_OK)
        return status;
    status = directions(adapt, how, &skipped, &place, count, rows, squared, error);
    auxo_model_desc_deinit(&skipped);
    return status == AUXO_OK ? status
                             : auxo_error_wrap(error, status, how == AUXO_GROW_BOTTLENECK ? "bottleneck" : "GradMax");
}
