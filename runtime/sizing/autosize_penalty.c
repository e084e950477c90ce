/* autosize_penalty.c: the penalty of auto-sizing as operations of a training step, and the weightings w(j) of its
 * units.
 *
 * w(j) = j is an operation's own; other weightings, and weights that are shuffled among the older units in each epoch,
 * lie on the device, one number a unit. They are functions of the seed, the epoch and the sizes: a resumed run has the
 * same.
 */
#include "autosize_internal.h"
#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AUXO__STREAM_WEIGHTING = 0x61730000 };

/* ---- weights of a layer as (units, incoming) --------------------------------------------------------------------- */

static auxo_tensor as_rows(auxo_tensor tensor, uint32_t units)
{
    int64_t count = auxo_tensor_element_count(&tensor);
    return auxo_tensor_reshape(tensor, 2, (int64_t[]){units, units ? count / units : 0});
}

auxo__layer_views auxo__layer_view(const auxo_model *model, uint32_t layer)
{
    auxo__layer_views views = {.bias = auxo_tensor_none(), .bias_gradient = auxo_tensor_none()};
    views.units = auxo_model_get_desc(model)->layers[layer].units;
    const auxo_param *params = auxo_model_params(model);
    for (size_t i = 0; i < auxo_model_param_count(model); i++) {
        if (params[i].layer != layer)
            continue;
        if (params[i].role == AUXO_PARAM_WEIGHT) {
            views.weight = as_rows(auxo_model_param_tensor(model, &params[i]), views.units);
            views.weight_gradient = as_rows(auxo_model_gradient_tensor(model, &params[i]), views.units);
        } else if (params[i].role == AUXO_PARAM_BIAS) {
            views.bias = auxo_model_param_tensor(model, &params[i]);
            views.bias_gradient = auxo_model_gradient_tensor(model, &params[i]);
        }
    }
    return views;
}

/* ---- weightings -------------------------------------------------------------------------------------------------- */

double auxo_autosize_weight(auxo_autosize_weighting weighting, uint32_t unit)
{
    const double j = unit;
    switch (weighting) {
    case AUXO_WEIGHTING_SQRT:
        return sqrt(j);
    case AUXO_WEIGHTING_SQUARE:
        return j * j;
    case AUXO_WEIGHTING_LOG:
        return 1 + log(j);
    default:
        return j;
    }
}

/* The units that a layer had before it grew in this epoch; without growth, all. */
static uint32_t older_units(const auxo_autosize *autosize, uint32_t units)
{
    const auxo_autosize_options *options = &autosize->options;
    for (uint32_t older = units; options->grow && older-- > 1;) {
        const uint32_t part = (uint32_t)(options->growth_fraction * older);
        if (older + (part > options->growth_minimum ? part : options->growth_minimum) == units)
            return older;
    }
    return units;
}

/* w(j) by position, or, for units that were there before this epoch, shuffled among them. */
static void fill_weights(const auxo_autosize *autosize, uint32_t index, uint32_t epoch, float *weights, uint32_t units)
{
    const uint32_t older = autosize->options.shuffle ? older_units(autosize, units) : 0;
    auxo__random random;
    auxo__random_init(&random, autosize->options.seed, AUXO__STREAM_WEIGHTING, (uint64_t)epoch << 16 | index);
    for (uint32_t j = 0; j < units; j++)
        weights[j] = (float)auxo_autosize_weight(autosize->options.weighting, j + 1);
    for (uint32_t j = older; j > 1; j--) {
        const uint32_t other = auxo__random_below(&random, j);
        const float kept = weights[other];
        weights[other] = weights[j - 1];
        weights[j - 1] = kept;
    }
}

bool auxo__autosize_has_weights(const auxo_autosize *autosize)
{
    const auxo_autosize_options *options = &autosize->options;
    return options->penalty == AUXO_PENALTY_WEIGHTED_L1 &&
           (options->shuffle || options->weighting != AUXO_WEIGHTING_LINEAR);
}

/* The weights of every layer's units on the device, of that epoch. */
static auxo_status write_weights(auxo_autosize *autosize, uint32_t epoch, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < autosize->layer_count && status == AUXO_OK; i++) {
        const uint32_t units = auxo_autosize_units(autosize, i);
        float *weights = malloc((units + 1) * sizeof *weights);
        if (!weights)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "weights of a penalty: out of memory");
        fill_weights(autosize, i, epoch, weights, units);
        if (autosize->weights[i] && auxo_buffer_size_bytes(autosize->weights[i]) != units * sizeof *weights) {
            auxo_queue_wait(auxo_model_queue(autosize->model), NULL);
            auxo_buffer_destroy(autosize->weights[i]);
            autosize->weights[i] = NULL;
        }
        if (!autosize->weights[i])
            status = auxo_buffer_create(auxo_model_device(autosize->model), units * sizeof *weights,
                                        &autosize->weights[i], error);
        if (status == AUXO_OK)
            status = auxo_buffer_write(auxo_model_queue(autosize->model), autosize->weights[i], 0, weights,
                                       units * sizeof *weights, error);
        free(weights);
    }
    return status;
}

auxo_status auxo__autosize_begin_epoch(auxo_autosize *autosize, auxo_trainer *trainer, auxo_error *error)
{
    autosize->epoch = auxo_trainer_epoch(trainer);
    return auxo__autosize_has_weights(autosize) ? write_weights(autosize, autosize->epoch, error) : AUXO_OK;
}

void auxo__autosize_penalty_deinit(auxo_autosize *autosize)
{
    for (uint32_t i = 0; autosize->weights && i < autosize->layer_count; i++)
        auxo_buffer_destroy(autosize->weights[i]);
    free(autosize->weights);
}

/* ---- penalty ----------------------------------------------------------------------------------------------------- */

/* Sizes may have changed since the epoch began; the plan is built with buffers of the present ones. */
static bool prepare_weights(auxo_autosize *autosize, auxo_plan *plan)
{
    auxo_error error = {AUXO_OK, ""};
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < autosize->layer_count && status == AUXO_OK; i++)
        if (!autosize->weights[i] ||
            auxo_buffer_size_bytes(autosize->weights[i]) != auxo_autosize_units(autosize, i) * sizeof(float))
            status = write_weights(autosize, autosize->epoch, &error);
    if (status != AUXO_OK)
        auxo_plan_fail(plan, status, "%s", error.message);
    return status == AUXO_OK;
}

static void add_penalties(auxo_autosize *autosize, auxo_optimizer *optimizer, auxo_plan *plan)
{
    const bool weighted = auxo__autosize_has_weights(autosize);
    if (weighted && !prepare_weights(autosize, plan))
        return;
    for (uint32_t i = 0; i < autosize->layer_count; i++) {
        auxo__layer_views views = auxo__layer_view(autosize->model, autosize->layers[i]);
        auxo_op op = {.kind = AUXO_OP_PENALTY};
        op.params.penalty = (auxo_penalty_params){autosize->options.penalty, autosize->options.proximal,
                                                  (float)autosize->options.strength};
        if (weighted) {
            op.params.penalty.kind = AUXO_PENALTY_L1;
            op.tensors[AUXO_PENALTY_COEF] = auxo_tensor_1d(autosize->weights[i], 0, AUXO_DTYPE_F32, views.units);
        }
        op.tensors[AUXO_PENALTY_W] = views.weight;
        op.tensors[AUXO_PENALTY_BIAS] = views.bias;
        if (autosize->options.proximal) {
            op.tensors[AUXO_PENALTY_HYPER] = auxo_optimizer_hyper_tensor(optimizer);
        } else {
            op.tensors[AUXO_PENALTY_DW] = views.weight_gradient;
            op.tensors[AUXO_PENALTY_DBIAS] = views.bias_gradient;
        }
        char label[AUXO_LAYER_NAME_BYTES + 16];
        snprintf(label, sizeof label, "%s.penalty",
                 auxo_model_get_desc(autosize->model)->layers[autosize->layers[i]].name);
        auxo_plan_add(plan, &op, label);
    }
}

void auxo_autosize_before_step(void *user, auxo_model *model, auxo_optimizer *optimizer, auxo_plan *plan)
{
    auxo_autosize *autosize = user;
    (void)model;
    if (autosize->penalize && !autosize->options.proximal)
        add_penalties(autosize, optimizer, plan);
}

void auxo_autosize_after_step(void *user, auxo_model *model, auxo_optimizer *optimizer, auxo_plan *plan)
{
    auxo_autosize *autosize = user;
    (void)model;
    if (autosize->penalize && autosize->options.proximal)
        add_penalties(autosize, optimizer, plan);
}

void auxo_autosize_stop_penalty(auxo_autosize *autosize, auxo_trainer *trainer)
{
    autosize->penalize = false;
    auxo_trainer_invalidate(trainer);
}

void auxo_autosize_set_strength(auxo_autosize *autosize, auxo_trainer *trainer, double strength)
{
    autosize->options.strength = strength;
    autosize->penalize = strength > 0;
    auxo_trainer_invalidate(trainer);
}
