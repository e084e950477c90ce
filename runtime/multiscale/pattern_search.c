/* pattern_search.c: training of a block of weights without derivatives (Zhang et al. 2023, sec. 4.2: "any method can
 * be utilized"), by compass search (Hooke & Jeeves 1961; Kolda, Lewis & Torczon 2003, sec. 1).
 *
 * A sweep tries every weight of the block a step up, then a step down, and keeps what lowers the loss at once. A sweep
 * that brings nothing halves the step. Invariant: the device has the weights of the lowest loss, but for the one that
 * is being tried.
 */
#include "multiscale_internal.h"

#include <math.h>
#include <stdlib.h>

typedef struct search {
    auxo_multiscale *ms;
    const train_request *request;
    uint64_t *places; /* (count) in the flat weights */
    float *values;    /* (count) the best so far */
    float *start;     /* (count) from before */
    uint64_t count;
    double loss;
} search;

/* ---- what is trained --------------------------------------------------------------------------------------------- */

static void add_places(search *own, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        own->places[own->count++] = first + i;
}

/* A layer's weights and biases, or of a block of its units the rows and biases. */
static void add_layer(search *own, uint32_t layer)
{
    const train_request *request = own->request;
    const auxo_layer *description = &auxo_model_get_desc(own->ms->model)->layers[own->ms->weight_layers[layer]];
    uint64_t offset, count;
    auxo_model_layer_range(own->ms->model, own->ms->weight_layers[layer], &offset, &count);
    if (request->unit_begin == request->unit_end) {
        add_places(own, offset, count);
        return;
    }
    const uint64_t units = own->ms->tree->unit_counts[layer], biases = description->bias ? units : 0;
    const uint64_t row = (count - biases) / units, chosen = request->unit_end - request->unit_begin;
    add_places(own, offset + request->unit_begin * row, chosen * row);
    if (biases)
        add_places(own, offset + units * row + request->unit_begin, chosen);
}

static auxo_status begin(search *own, auxo_error *error)
{
    const uint64_t most = auxo_model_weight_count(own->ms->model) + 1;
    float *weights = malloc(most * sizeof *weights);
    own->places = malloc(most * sizeof *own->places);
    own->values = malloc(most * sizeof *own->values);
    own->start = malloc(most * sizeof *own->start);
    auxo_status status = AUXO_OK;
    if (!weights || !own->places || !own->values || !own->start)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "pattern search: out of memory");
    if (status == AUXO_OK)
        status = auxo_model_read_weights(own->ms->model, weights, NULL, error);
    if (status == AUXO_OK) {
        for (uint32_t l = own->request->layer_begin; l < own->request->layer_end; l++)
            add_layer(own, l);
        for (uint64_t i = 0; i < own->count; i++)
            own->values[i] = own->start[i] = weights[own->places[i]];
        status = auxo__multiscale_loss(own->ms, &own->loss, error);
    }
    if (status == AUXO_OK && !isfinite(own->loss))
        status = auxo_error_set(error, AUXO_NOT_FINITE, "the training loss is %g", own->loss);
    free(weights);
    return status;
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

static auxo_status write_weight(const search *own, uint64_t index, float value, auxo_error *error)
{
    return auxo_buffer_write(auxo_model_queue(own->ms->model), auxo_model_weights(own->ms->model),
                             own->places[index] * sizeof value, &value, sizeof value, error);
}

/* Tries one weight in both directions; a loss that is not finite is no improvement. */
static auxo_status try_weight(search *own, uint64_t index, double step, bool *better, auxo_error *error)
{
    for (int sign = 1; sign >= -1; sign -= 2) {
        const float value = (float)((double)own->values[index] + sign * step);
        double loss = NAN;
        auxo_status status = write_weight(own, index, value, error);
        if (status == AUXO_OK)
            status = auxo__multiscale_loss(own->ms, &loss, error);
        if (status != AUXO_OK)
            return status;
        if (loss < own->loss) {
            own->loss = loss;
            own->values[index] = value;
            *better = true;
            return AUXO_OK;
        }
    }
    return write_weight(own, index, own->values[index], error);
}

static auxo_status sweep(search *own, double step, bool *better, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint64_t i = 0; i < own->count && status == AUXO_OK; i++) {
        if (own->request->stop && *own->request->stop)
            return auxo_error_set(error, AUXO_INTERRUPTED, "training was interrupted");
        status = try_weight(own, i, step, better, error);
    }
    return status;
}

auxo_status auxo__pattern_search(auxo_multiscale *ms, const train_request *request, train_outcome *outcome,
                                 auxo_error *error)
{
    search own = {.ms = ms, .request = request};
    double step = ms->options.pattern_step;
    *outcome = (train_outcome){.gradient_max = NAN};
    auxo_status status = begin(&own, error);
    while (status == AUXO_OK && outcome->epochs < request->epochs && step >= ms->options.pattern_least) {
        bool better = false;
        status = sweep(&own, step, &better, error);
        outcome->epochs++;
        step = better ? step : step / 2;
    }
    for (uint64_t i = 0; i < own.count && status != AUXO_OK; i++)
        write_weight(&own, i, own.start[i], NULL); /* the failure that is told is the first */
    outcome->loss = own.loss;
    free(own.places);
    free(own.values);
    free(own.start);
    return status;
}
