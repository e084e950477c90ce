/* runtime/cli/multiscale/multiscale_run.c: drives the outer loop and keeps its history. */
#include "multiscale_run.h"

#include <math.h>
#include <stdlib.h>

static auxo_status keep_iteration(multiscale_run *run, auxo_multiscale *multiscale,
                                  const auxo_multiscale_iteration *iteration, auxo_error *error)
{
    multiscale_history *history = &run->history;
    if (history->count == history->capacity) {
        size_t capacity = history->capacity ? 2 * history->capacity : 64;
        auxo_multiscale_iteration *grown = realloc(history->iterations, capacity * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of %zu iterations: out of memory", capacity);
        history->iterations = grown;
        if (run->keep_sensitivities) {
            double *values = realloc(history->sensitivities, capacity * history->node_count * sizeof *values);
            if (!values)
                return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of sensitivities: out of memory");
            history->sensitivities = values;
        }
        history->capacity = capacity;
    }
    history->iterations[history->count] = *iteration;
    auxo_status status = AUXO_OK;
    double *values = history->sensitivities + history->count * history->node_count;
    if (run->keep_sensitivities && run->options.order == AUXO_MULTISCALE_SECOND)
        status = auxo_multiscale_second_order(multiscale, AUXO_DIFFERENCE_EXACT, 0, values, NULL, NULL, error);
    else if (run->keep_sensitivities)
        status = auxo_multiscale_sensitivities(multiscale, AUXO_DIFFERENCE_EXACT, 0, values, error);
    if (status == AUXO_OK)
        history->count++;
    return status;
}

auxo_status multiscale_run_execute(multiscale_run *run, auxo_multiscale *multiscale, auxo_error *error)
{
    multiscale_outcome *outcome = &run->outcome;
    *outcome = (multiscale_outcome){.iterations = auxo_multiscale_iteration_count(multiscale)};
    run->history.node_count = auxo_multiscale_tree(multiscale)->node_count;
    run->history.layer_count = auxo_multiscale_tree(multiscale)->layer_count;
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && outcome->iterations < run->options.iterations && !outcome->converged) {
        auxo_multiscale_iteration iteration;
        status = auxo_multiscale_iterate(multiscale, &iteration, error);
        if (status == AUXO_INTERRUPTED) {
            outcome->interrupted = true;
            status = AUXO_OK;
            break;
        }
        if (status != AUXO_OK)
            break;
        outcome->iterations = iteration.iteration;
        outcome->total_epochs += iteration.epochs;
        outcome->selection_seconds += iteration.selection_seconds;
        outcome->training_seconds += iteration.training_seconds;
        outcome->converged = iteration.converged;
        status = keep_iteration(run, multiscale, &iteration, error);
        if (status == AUXO_OK && run->on_iteration)
            status = run->on_iteration(run->user, multiscale, &iteration, error);
        double seconds = outcome->selection_seconds + outcome->training_seconds;
        if (run->seconds_limit > 0 && seconds >= run->seconds_limit)
            break;
    }
    if (status == AUXO_OK)
        status = auxo_multiscale_evaluate(multiscale, &outcome->train_loss, &outcome->test_loss, error);
    return status;
}

static auxo_status keep_weights(multiscale_run *run, auxo_model *model, auxo_error *error)
{
    run->weight_count = auxo_model_weight_count(model);
    run->weights = malloc(run->weight_count * sizeof *run->weights);
    float *weights = malloc(run->weight_count * sizeof *weights);
    auxo_status status = run->weights && weights
                             ? auxo_model_read_weights(model, weights, NULL, error)
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "weights of a run: out of memory");
    for (size_t i = 0; i < run->weight_count && status == AUXO_OK; i++)
        run->weights[i] = weights[i];
    free(weights);
    return status;
}

auxo_status multiscale_run_model(multiscale_run *run, auxo_model *model, auxo_error *error)
{
    auxo_multiscale *multiscale = NULL;
    auxo_status status =
        auxo_multiscale_create(model, run->job->train, run->job->test, &run->options, &multiscale, error);
    if (status == AUXO_OK)
        status = multiscale_run_execute(run, multiscale, error);
    if (status == AUXO_OK && run->keep_weights)
        status = keep_weights(run, model, error);
    auxo_multiscale_destroy(multiscale);
    return status;
}

void multiscale_run_deinit(multiscale_run *run)
{
    free(run->history.iterations);
    free(run->history.sensitivities);
    free(run->weights);
    run->weights = NULL;
    run->history = (multiscale_history){0};
}
