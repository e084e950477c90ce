/* train_starts.c: see train_starts.h. A start's model, optimiser and counters are restored to the bit; the ranges of
 * its events point into the history that the run restores.
 */
#include "train_starts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char OPTIMIZER[] = "optimizer/", BEST[] = "best/", STARTS[] = "starts/";

void auxo__multiscale_close(auxo__multiscale_start *start)
{
    auxo_multiscale_destroy(start->multiscale);
    auxo_model_destroy(start->model);
    free(start->initial_weights);
    *start = (auxo__multiscale_start){0};
}

/* Where the next events of a name will stand in the history. */
static size_t history_end(const auxo_run *run, const char *event)
{
    return auxo__history_find(&run->history, event)->event_count;
}

auxo_status auxo__multiscale_attach(auxo_run *run, auxo__multiscale_train *state, auxo_error *error)
{
    auxo_multiscale_options options = state->options;
    options.seed += state->start_number;
    auxo__multiscale_start *start = &state->current;
    start->iterations.begin = start->iterations.end = history_end(run, "iteration");
    start->sensitivities.begin = start->sensitivities.end = history_end(run, "sensitivities");
    return auxo_multiscale_create(start->model, state->data.train, state->data.test, &options, &start->multiscale,
                                  error);
}

/* ---- in checkpoints -------------------------------------------------------------------------------------------------
 */

enum { NUMBERS_COUNT = 13 };

/* start_number, the current start's iteration and ranges, convergence; the same of the best; how far starts went. */
static void list_numbers(const auxo__multiscale_train *state, double numbers[NUMBERS_COUNT])
{
    const auxo__multiscale_start *current = &state->current, *best = &state->best;
    uint32_t iteration = current->multiscale ? auxo_multiscale_iteration_count(current->multiscale) : 0;
    const double listed[NUMBERS_COUNT] = {(double)state->start_number,
                                          iteration,
                                          (double)current->iterations.begin,
                                          (double)current->sensitivities.begin,
                                          current->converged,
                                          (double)best->iterations.begin,
                                          (double)best->iterations.end,
                                          (double)best->sensitivities.begin,
                                          (double)best->sensitivities.end,
                                          best->converged,
                                          current->train_loss,
                                          current->test_loss,
                                          (double)state->options.iterations};
    memcpy(numbers, listed, sizeof listed);
}

static auxo_status put_time(auxo__archive *archive, auxo_multiscale *multiscale, auxo_error *error)
{
    uint32_t time = 0;
    auxo_status status = auxo_multiscale_get_time(multiscale, &time, error);
    const double value = time;
    return status == AUXO_OK ? auxo__archive_put_doubles(archive, OPTIMIZER, "time", &value, 1, error) : status;
}

static auxo_status get_time(const auxo__archive *archive, auxo_multiscale *multiscale, auxo_error *error)
{
    double *value = NULL;
    size_t count = 0;
    auxo_status status = auxo__archive_get_doubles(archive, OPTIMIZER, "time", &value, &count, error);
    if (status == AUXO_OK && count != 1)
        status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint's optimizer/time has %zu values", count);
    if (status == AUXO_OK)
        status = auxo_multiscale_set_time(multiscale, (uint32_t)*value, error);
    free(value);
    return status;
}

static auxo_status put_start(auxo__archive *archive, const char *prefix, const auxo__multiscale_start *start,
                             auxo_error *error)
{
    auxo_status status = auxo__archive_put_model(archive, prefix, start->model, error);
    if (status == AUXO_OK && start->initial_weights)
        status = auxo__archive_put_floats(archive, prefix[0] ? "best_initial/" : "initial/", "weights",
                                          start->initial_weights, auxo_model_weight_count(start->model), error);
    return status;
}

auxo_status auxo__multiscale_describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    auxo__multiscale_train *state = user;
    double numbers[NUMBERS_COUNT];
    list_numbers(state, numbers);
    auxo_status status = auxo__archive_put_doubles(archive, STARTS, "numbers", numbers, NUMBERS_COUNT, error);
    if (status == AUXO_OK && state->current.multiscale)
        status = put_start(archive, "", &state->current, error);
    if (status == AUXO_OK && state->current.multiscale)
        status = auxo__archive_put_optimizer(archive, OPTIMIZER, state->current.model,
                                             auxo_multiscale_optimizer(state->current.multiscale), error);
    if (status == AUXO_OK && state->current.multiscale)
        status = put_time(archive, state->current.multiscale, error);
    if (status == AUXO_OK && state->best.model) {
        const double losses[] = {state->best.train_loss, state->best.test_loss};
        status = put_start(archive, BEST, &state->best, error);
        if (status == AUXO_OK)
            status = auxo__archive_put_doubles(archive, STARTS, "best_losses", losses, 2, error);
    }
    return status;
}

static auxo_status get_initial_weights(const auxo__archive *archive, const char *prefix, auxo__multiscale_start *start,
                                       auxo_error *error)
{
    size_t count = auxo_model_weight_count(start->model);
    if (!auxo__archive_has(archive, prefix, "weights"))
        return AUXO_OK;
    free(start->initial_weights);
    start->initial_weights = malloc((count + 1) * sizeof *start->initial_weights);
    if (!start->initial_weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "starting weights: out of memory");
    return auxo__archive_get_floats(archive, prefix, "weights", start->initial_weights, count, error);
}

static auxo_status restore_current(auxo_run *run, auxo__multiscale_train *state, const auxo__archive *archive,
                                   uint32_t iteration, auxo_error *error)
{
    auxo__multiscale_start *start = &state->current;
    auxo_status status = auxo__archive_get_model(archive, "", run->device, &start->model, error);
    if (status == AUXO_OK)
        status = auxo__multiscale_attach(run, state, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_optimizer(archive, OPTIMIZER, start->model,
                                             auxo_multiscale_optimizer(start->multiscale), error);
    if (status == AUXO_OK)
        status = get_time(archive, start->multiscale, error);
    if (status == AUXO_OK)
        status = get_initial_weights(archive, "initial/", start, error);
    if (status == AUXO_OK)
        auxo_multiscale_set_iteration_count(start->multiscale, iteration);
    return status;
}

static auxo_status restore_best(auxo_run *run, auxo__multiscale_train *state, const auxo__archive *archive,
                                auxo_error *error)
{
    double *losses = NULL;
    size_t count = 0;
    auxo_status status = auxo__archive_get_model(archive, BEST, run->device, &state->best.model, error);
    if (status == AUXO_OK)
        status = get_initial_weights(archive, "best_initial/", &state->best, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_doubles(archive, STARTS, "best_losses", &losses, &count, error);
    if (status == AUXO_OK && count != 2)
        status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint's starts/best_losses has %zu values", count);
    if (status == AUXO_OK) {
        state->best.train_loss = losses[0];
        state->best.test_loss = losses[1];
    }
    free(losses);
    return status;
}

auxo_status auxo__multiscale_restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    auxo__multiscale_train *state = user;
    double *numbers = NULL;
    size_t count = 0;
    auxo__multiscale_close(&state->current);
    auxo_status status = auxo__archive_get_doubles(archive, STARTS, "numbers", &numbers, &count, error);
    if (status == AUXO_OK && count != NUMBERS_COUNT)
        status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint's starts/numbers has %zu values", count);
    if (status == AUXO_OK) {
        state->start_number = (uint64_t)numbers[0];
        if (auxo__archive_has_model(archive, ""))
            status = restore_current(run, state, archive, (uint32_t)numbers[1], error);
        state->current.iterations.begin = (size_t)numbers[2];
        state->current.sensitivities.begin = (size_t)numbers[3];
        state->current.converged = numbers[4] != 0;
        state->current.train_loss = numbers[10];
        state->current.test_loss = numbers[11];
    }
    if (status == AUXO_OK && auxo__archive_has_model(archive, BEST)) {
        status = restore_best(run, state, archive, error);
        state->best.iterations = (auxo__iteration_range){(size_t)numbers[5], (size_t)numbers[6]};
        state->best.sensitivities = (auxo__iteration_range){(size_t)numbers[7], (size_t)numbers[8]};
        state->best.converged = numbers[9] != 0;
    }
    /* Starts that are settled cannot go on. */
    if (status == AUXO_OK && state->start_number > 0 && (double)state->options.iterations != numbers[12])
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "iterations was %.0f and is %" PRIu32 ", but %" PRIu64 " of the starts have ended by "
                                "that number; give the same",
                                numbers[12], state->options.iterations, state->start_number);
    free(numbers);
    if (status == AUXO_OK)
        status = auxo__run_note(run, error, "resumed after iteration %zu", history_end(run, "iteration"));
    return status;
}
