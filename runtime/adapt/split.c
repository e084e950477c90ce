/* split.c: units that become two (Q. Liu, L. Wu, D. Wang, "Splitting Steepest Descent for Growing Neural
 * Architectures", NeurIPS 2019; L. Wu, B. Liu, P. Stone, Q. Liu, "Firefly Neural Architecture Descent: a General
 * Approach for Growing Neural Networks", NeurIPS 2020).
 *
 * A unit with incoming weights w becomes two with w + s and w - s, each read with half its weight. To first order in s
 * nothing changes; to second order the loss changes by s^T S s / 2, S the splitting matrix (the mean of the loss'
 * derivative by the unit's output times the second derivative of that by w). Where its least eigenvalue is negative,
 * splitting goes down where no step of w does. As Firefly does it, s is found by descent at a small length, for all
 * units of the layer at once, on a copy in which each is split: the gradients of the two halves differ by S s. A
 * finite length also sees the kink of a relu, whose second derivative is 0 elsewhere. A search takes ROUNDS + 2
 * measured gradients of a network whose layer is twice as wide.
 */
#include "split.h"
#include "model_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 4, DRAW_STEP = 0x73706c74 };
static const double LENGTH = 0.1; /* of a step, as a part of its unit's incoming weights */

/* layer -> ... -> reader */
typedef struct split_place {
    uint32_t layer, reader;
} split_place;

static bool keeps_units(auxo_layer_kind kind)
{
    return kind == AUXO_LAYER_ACTIVATION || kind == AUXO_LAYER_BATCH_NORM || kind == AUXO_LAYER_DROPOUT ||
           kind == AUXO_LAYER_POOL2D || kind == AUXO_LAYER_GLOBAL_AVERAGE_POOL || kind == AUXO_LAYER_FLATTEN;
}

static bool find_place(const auxo_model_desc *desc, uint32_t layer, split_place *place, char why[64])
{
    uint32_t at = layer, reader = 0;
    do {
        if (auxo__model_desc_readers(desc, at, &reader) != 1) {
            snprintf(why, 64, "splitting needs one reader");
            return false;
        }
        at = reader;
    } while (keeps_units(desc->layers[at].kind));
    *place = (split_place){layer, at};
    if (!auxo__layer_makes_units(desc, at) || desc->layers[at].groups > 1) {
        snprintf(why, 64, "splitting does not see past a %s", auxo_layer_noun(desc->layers[at].kind));
        return false;
    }
    return true;
}

/* ---- making halves ----------------------------------------------------------------------------------------------- */

/* Incoming weights of a layer, whatever they are: row `first` + i becomes that of units[i]. */
static void copy_rows(float *values, size_t row, const auxo__splits *splits, uint32_t first)
{
    for (uint32_t i = 0; i < splits->count; i++)
        memcpy(values + (first + i) * row, values + splits->units[i] * row, row * sizeof *values);
}

/* weight (out, units, values of a unit): both halves are read with half of what the unit was read with. */
static void halve_columns(float *values, size_t count, size_t out, size_t units, const auxo__splits *splits,
                          uint32_t first)
{
    const size_t size = count / (out * units);
    for (size_t o = 0; o < out; o++)
        for (uint32_t i = 0; i < splits->count; i++)
            for (size_t v = 0; v < size; v++) {
                float *old = &values[(o * units + splits->units[i]) * size + v];
                *old *= 0.5f;
                values[(o * units + first + i) * size + v] = *old;
            }
}

/* A parameter of the layer or of those up to its reader. */
static auxo_status split_param(auxo_model *model, const split_place *place, const auxo_param *param, uint32_t first,
                               const auxo__splits *splits, auxo_error *error)
{
    const size_t units = auxo_model_get_desc(model)->layers[place->layer].units;
    float *values = NULL;
    size_t count = 0;
    auxo_status status = auxo__param_read(model, param, &values, &count, error);
    if (status == AUXO_OK && param->layer == place->reader)
        halve_columns(values, count, (size_t)param->dims[0], units, splits, first);
    else if (status == AUXO_OK)
        copy_rows(values, count / units, splits, first);
    const size_t row = count / units;
    if (status == AUXO_OK && param->layer == place->layer && param->role == AUXO_PARAM_WEIGHT)
        for (uint32_t i = 0; i < splits->count; i++)
            for (size_t c = 0; c < row; c++) {
                values[splits->units[i] * row + c] += splits->steps[i * row + c];
                values[(first + i) * row + c] -= splits->steps[i * row + c];
            }
    if (status == AUXO_OK)
        status = auxo__param_write(model, param, values, error);
    free(values);
    return status;
}

/* Whether a layer's parameters belong to the units: its own, and those of batch norms on the way to the reader. */
static bool on_the_way(const auxo_model_desc *desc, const split_place *place, uint32_t layer)
{
    uint32_t at = place->layer;
    while (at != place->reader && at != layer)
        auxo__model_desc_readers(desc, at, &at);
    return at == layer && at != place->reader;
}

static auxo_status split_units(auxo_model *model, const split_place *place, uint32_t first, const auxo__splits *splits,
                               auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const auxo_param *params = auxo_model_params(model);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < auxo_model_param_count(model) && status == AUXO_OK; i++)
        if (on_the_way(desc, place, params[i].layer) ||
            (params[i].layer == place->reader && params[i].role == AUXO_PARAM_WEIGHT))
            status = split_param(model, place, &params[i], first, splits, error);
    return status;
}

/* ---- directions -------------------------------------------------------------------------------------------------- */

/* The copy in which every unit is split, and what is known of it. */
typedef struct split_search {
    auxo_model *copy;
    auxo__measure measure;
    auxo__splits all; /* of every unit, in their order */
    float *weights;   /* (units, row): before */
    float *halves;    /* (2 units, row) */
    double *lengths;  /* of each unit's step */
    size_t row;
} split_search;

static void split_search_deinit(split_search *search)
{
    auxo__measure_deinit(&search->measure);
    auxo_model_destroy(search->copy);
    auxo__splits_deinit(&search->all);
    free(search->weights);
    free(search->halves);
    free(search->lengths);
}

static auxo_status splits_init(auxo__splits *splits, uint32_t count, size_t row, auxo_error *error)
{
    *splits = (auxo__splits){.count = count,
                             .units = calloc(count + 1, sizeof *splits->units),
                             .energies = calloc(count + 1, sizeof *splits->energies),
                             .changes = calloc(count + 1, sizeof *splits->changes),
                             .steps = calloc(count * row + 1, sizeof *splits->steps)};
    return splits->units && splits->energies && splits->changes && splits->steps
               ? AUXO_OK
               : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "splitting: out of memory");
}

/* Drawn directions, and how long steps are: LENGTH of a unit's weights. */
static void draw_steps(const auxo_adapt *adapt, split_search *search)
{
    const uint32_t units = search->all.count;
    for (uint32_t u = 0; u < units; u++) {
        float *step = search->all.steps + u * search->row;
        double squares = 0;
        for (size_t c = 0; c < search->row; c++) {
            const double weight = (double)search->weights[u * search->row + c];
            squares += weight * weight;
            step[c] = (float)(auxo__adapt_draw(adapt, DRAW_STEP, (uint32_t)(u * search->row + c)) - 0.5);
        }
        search->all.units[u] = u;
        search->lengths[u] = LENGTH * (squares > 0 ? sqrt(squares) : 1);
    }
}

static auxo_status open_search(auxo_adapt *adapt, const split_place *place, split_search *search, auxo_error *error)
{
    const uint32_t units = auxo_model_get_desc(adapt->model)->layers[place->layer].units;
    const auxo_param *param = auxo__layout_find(&adapt->model->layout, place->layer, AUXO_PARAM_WEIGHT);
    size_t count = 0;
    auxo_status status = auxo__param_read(adapt->model, param, &search->weights, &count, error);
    search->row = count / units;
    if (status == AUXO_OK)
        status = splits_init(&search->all, units, search->row, error);
    search->halves = malloc((2 * count + 1) * sizeof *search->halves);
    search->lengths = malloc((units + 1) * sizeof *search->lengths);
    if (status == AUXO_OK && (!search->halves || !search->lengths))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "splitting: out of memory");
    if (status == AUXO_OK)
        status = auxo_model_clone(adapt->model, &search->copy, error);
    if (status != AUXO_OK)
        return status;
    draw_steps(adapt, search);
    const auxo_unit_edit edit = {.layer = place->layer,
                                 .kept = search->all.units,
                                 .kept_count = units,
                                 .added_count = units,
                                 .initializer = AUXO_INITIALIZER_LECUN_NORMAL};
    status = auxo_model_resize(search->copy, &edit, 1, 0, NULL, error);
    if (status == AUXO_OK)
        status = split_units(search->copy, place, units, &search->all, error);
    if (status == AUXO_OK)
        status = auxo__measure_init(&search->measure, search->copy, adapt->train, &adapt->options, error);
    return status;
}

static auxo_status write_halves(split_search *search, const auxo_param *param, auxo_error *error)
{
    const size_t count = search->all.count * search->row;
    for (size_t i = 0; i < count; i++) {
        search->halves[i] = search->weights[i] + search->all.steps[i];
        search->halves[count + i] = search->weights[i] - search->all.steps[i];
    }
    return auxo__param_write(search->copy, param, search->halves, error);
}

/* products = S directions, unit by unit (units, row): by the gradients of halves that lie a step apart. */
static auxo_status multiply(const split_place *place, split_search *search, const double *directions, double *products,
                            auxo_error *error)
{
    const auxo_param *param = auxo__layout_find(&search->copy->layout, place->layer, AUXO_PARAM_WEIGHT);
    const size_t row = search->row, count = search->all.count * row;
    double *gradient = NULL;
    for (size_t i = 0; i < count; i++)
        search->all.steps[i] = (float)(directions[i] * search->lengths[i / row]);
    auxo_status status = write_halves(search, param, error);
    if (status == AUXO_OK)
        status = auxo__measure_gradient(&search->measure, param, &gradient, error);
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        products[i] = (gradient[i] - gradient[count + i]) / search->lengths[i / row];
    free(gradient);
    return status;
}

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Length 1, unless it is 0. */
static void normalise(double *direction, size_t count)
{
    const double length = sqrt(dot(direction, direction, count));
    for (size_t i = 0; i < count && length > 0; i++)
        direction[i] /= length;
}

/* The residual S x - (x^T S x) x, in which x^T S x falls fastest on the sphere, made orthogonal to x. */
static void find_residual(const double *x, const double *sx, size_t count, double *residual)
{
    const double value = dot(x, sx, count);
    for (size_t i = 0; i < count; i++)
        residual[i] = sx[i] - value * x[i];
    const double rest = dot(x, residual, count);
    for (size_t i = 0; i < count; i++)
        residual[i] -= rest * x[i];
    normalise(residual, count);
}

/* x becomes the direction of the plane of x and r where x^T S x is least: the eigenvector of a matrix of two rows. */
static void take_least(double *x, double *sx, const double *r, const double *sr, size_t count)
{
    if (!(dot(r, r, count) > 0))
        return; /* an eigenvector already */
    const double a = dot(x, sx, count), b = (dot(x, sr, count) + dot(r, sx, count)) / 2, c = dot(r, sr, count);
    const double angle = 0.5 * atan2(2 * b, a - c) + acos(0); /* across the direction where it is largest */
    for (size_t i = 0; i < count; i++) {
        x[i] = cos(angle) * x[i] + sin(angle) * r[i];
        sx[i] = cos(angle) * sx[i] + sin(angle) * sr[i];
    }
    normalise(x, count);
}

/* Steps, energies and changes from S x at the directions x. */
static void take_steps(split_search *search, const double *x, const double *sx)
{
    const size_t row = search->row;
    for (size_t u = 0; u < search->all.count; u++) {
        const double length = search->lengths[u], value = dot(x + u * row, sx + u * row, row);
        search->all.changes[u] = length * length * value / 2;
        search->all.energies[u] = value < 0 ? length * length * dot(sx + u * row, sx + u * row, row) / 2 : 0;
    }
}

/* Steepest descent of x^T S x / x^T x, each step to the least value in its plane. */
static auxo_status descend(const split_place *place, split_search *search, auxo_error *error)
{
    const size_t row = search->row, units = search->all.count, count = units * row;
    double *x = malloc((4 * count + 1) * sizeof *x);
    if (!x)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "splitting: out of memory");
    double *sx = x + count, *r = x + 2 * count, *sr = x + 3 * count;
    for (size_t u = 0; u < units; u++) {
        for (size_t c = u * row; c < (u + 1) * row; c++)
            x[c] = (double)search->all.steps[c];
        normalise(x + u * row, row);
    }
    auxo_status status = multiply(place, search, x, sx, error);
    for (int round = 0; round < ROUNDS && status == AUXO_OK; round++) {
        for (size_t u = 0; u < units; u++)
            find_residual(x + u * row, sx + u * row, row, r + u * row);
        status = multiply(place, search, r, sr, error);
        for (size_t u = 0; u < units && status == AUXO_OK; u++)
            take_least(x + u * row, sx + u * row, r + u * row, sr + u * row, row);
    }
    if (status == AUXO_OK)
        status = multiply(place, search, x, sx, error); /* what it is there, at its length */
    if (status == AUXO_OK)
        take_steps(search, x, sx);
    free(x);
    return status;
}

/* The `count` units that promise most, best first; of equals the lower one. */
static auxo_status take_best(const split_search *search, uint32_t count, auxo__splits *splits, auxo_error *error)
{
    const auxo__splits *all = &search->all;
    count = count < all->count ? count : all->count;
    bool *taken = calloc(all->count + 1, sizeof *taken);
    auxo_status status = splits_init(splits, count, search->row, error);
    if (status == AUXO_OK && !taken)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "splitting: out of memory");
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t u = 0; u < all->count; u++)
            if (!taken[u] && (best == UINT32_MAX || all->energies[u] > all->energies[best]))
                best = u;
        taken[best] = true;
        splits->units[i] = best;
        splits->energies[i] = all->energies[best];
        splits->changes[i] = all->changes[best];
        memcpy(splits->steps + i * search->row, all->steps + best * search->row, search->row * sizeof *all->steps);
    }
    free(taken);
    return status;
}

auxo_status auxo__splits_find(auxo_adapt *adapt, uint32_t layer, uint32_t count, bool *possible, char why[64],
                              auxo__splits *splits, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    const auxo__structure *structure = NULL;
    split_place place;
    split_search search = {0};
    *splits = (auxo__splits){0};
    auxo_status status = auxo__adapt_structure(adapt, &structure, error);
    if (status != AUXO_OK)
        return status;
    const bool alone = auxo__has_own_units(desc, structure, layer);
    *possible = alone && find_place(desc, layer, &place, why);
    if (!alone)
        snprintf(why, 64, "splitting needs one layer of these units");
    if (!*possible)
        return AUXO_OK;
    status = open_search(adapt, &place, &search, error);
    if (status == AUXO_OK)
        status = descend(&place, &search, error);
    if (status == AUXO_OK)
        status = take_best(&search, count, splits, error);
    split_search_deinit(&search);
    if (status == AUXO_OK)
        return status;
    auxo__splits_deinit(splits);
    return auxo_error_wrap(error, status, "splitting");
}

auxo_status auxo__splits_apply(auxo_model *model, uint32_t layer, uint32_t first, const auxo__splits *splits,
                               auxo_error *error)
{
    split_place place;
    char why[64];
    if (!find_place(auxo_model_get_desc(model), layer, &place, why))
        return auxo_error_set(error, AUXO_INTERNAL, "%s", why);
    return split_units(model, &place, first, splits, error);
}

void auxo__splits_deinit(auxo__splits *splits)
{
    free(splits->units);
    free(splits->energies);
    free(splits->changes);
    free(splits->steps);
    *splits = (auxo__splits){0};
}
