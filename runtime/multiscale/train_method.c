/* train_method.c: "multiscale train": hierarchical multi-scale training from one starting point, or the best of
 * several.
 *
 * A step is one iteration: sensitivities, the walk, the training of what it chose.
 */
#include "multiscale_task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char OPTIMIZER[] = "optimizer/", BEST[] = "best/", STARTS[] = "starts/";

static const auxo_setting train_settings[] = {
    {.name = "order",
     .type = AUXO_SETTING_CHOICE,
     .argument = "first|second|none",
     .initial = "first",
     .help = "What selects the layer to train; none: end-to-end backpropagation"},
    {.name = "starts",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Run from this many starting points and keep the network with the lowest training loss",
     .minimum = 1,
     .maximum = 10000,
     .role = AUXO_SETTING_GROWS},
    {.name = "checkpoint-every",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "10",
     .help = "Iterations between checkpoints",
     .minimum = 1,
     .maximum = 1e9,
     .role = AUXO_SETTING_FREE},
    AUXO_SETTINGS_END,
};

typedef struct multiscale_start {
    auxo_model *model;
    auxo_multiscale *multiscale;
    float *initial_weights; /* where a report is asked for; else NULL */
    auxo__iteration_range iterations, sensitivities;
    double train_loss, test_loss;
    bool converged;
} multiscale_start;

typedef struct train_state {
    auxo__task_data data;
    auxo_multiscale_options options;
    uint64_t start_count, start_number; /* number: of the start under way, from 0 */
    multiscale_start current, best;     /* best: of those that have ended; its multiscale is gone */
} train_state;

/* ---- events ------------------------------------------------------------------------------------------------------ */

static const auxo_field iteration_fields[] = {
    AUXO__FIELD(auxo__iteration_record, iteration, "iteration", U32),
    AUXO__FIELD(auxo__iteration_record, layer_begin, "layer_begin", U32),
    AUXO__FIELD(auxo__iteration_record, layer_end, "layer_end", U32),
    AUXO__FIELD(auxo__iteration_record, epochs, "epochs", U32),
    AUXO__FIELD(auxo__iteration_record, loss, "loss", REAL),
    AUXO__FIELD(auxo__iteration_record, layer_gradient_max, "layer_gradient_max", REAL),
    AUXO__FIELD(auxo__iteration_record, network_gradient_max, "network_gradient_max", REAL),
    AUXO__FIELD(auxo__iteration_record, selection_seconds, "selection_seconds", REAL),
    AUXO__FIELD(auxo__iteration_record, training_seconds, "training_seconds", REAL),
    AUXO__FIELD_OPTIONAL(auxo__iteration_record, start, "start", REAL),
    AUXO__FIELD_LINE_ONLY(auxo__iteration_record, layer, "layer", U32),
    AUXO__FIELDS_END,
};
static const auxo_event_type iteration_event = {.name = "iteration",
                                                .fields = iteration_fields,
                                                .line = "layer {layer}  loss {loss:.5f}",
                                                .flags = AUXO_EVENT_KEPT | AUXO_EVENT_TRANSIENT};

typedef struct sensitivities_record {
    auxo_numbers values; /* per node of the tree, exact, of the run's order, taken after an iteration */
} sensitivities_record;
static const auxo_field sensitivities_fields[] = {AUXO__FIELD(sensitivities_record, values, "values", NUMBERS),
                                                  AUXO__FIELDS_END};
static const auxo_event_type sensitivities_event = {
    .name = "sensitivities", .fields = sensitivities_fields, .flags = AUXO_EVENT_KEPT | AUXO_EVENT_LINE_ONLY};

typedef struct start_record {
    uint64_t start;
    double train_loss;
} start_record;
static const auxo_field start_fields[] = {AUXO__FIELD(start_record, start, "start", U64),
                                          AUXO__FIELD(start_record, train_loss, "train_loss", REAL), AUXO__FIELDS_END};
static const auxo_event_type start_event = {.name = "start",
                                            .fields = start_fields,
                                            .line = "start {start}: training loss {train_loss:.6f}",
                                            .flags = AUXO_EVENT_LINE_ONLY};

typedef struct result_record {
    double train_loss, test_loss, constant_loss, linear_loss, epochs, selection_seconds, training_seconds;
    uint32_t iterations;
    bool converged;
    const char *engine, *how;
} result_record;
static const auxo_field result_fields[] = {
    AUXO__FIELD(result_record, train_loss, "train_loss", REAL),
    AUXO__FIELD(result_record, test_loss, "test_loss", REAL),
    AUXO__FIELD(result_record, constant_loss, "constant_loss", REAL),
    AUXO__FIELD(result_record, linear_loss, "linear_loss", REAL),
    AUXO__FIELD(result_record, iterations, "iterations", U32),
    AUXO__FIELD(result_record, epochs, "epochs", REAL),
    AUXO__FIELD(result_record, selection_seconds, "selection_seconds", REAL),
    AUXO__FIELD(result_record, training_seconds, "training_seconds", REAL),
    AUXO__FIELD(result_record, converged, "converged", BOOL),
    AUXO__FIELD(result_record, engine, "engine", TEXT),
    AUXO__FIELD_LINE_ONLY(result_record, how, "how", TEXT),
    AUXO__FIELDS_END,
};
/* Classes have no linear least squares. */
static const auxo_event_type result_event = {
    .name = "result",
    .fields = result_fields,
    .line = "{how} after {iterations} iterations, {epochs:.0f} epochs: training loss {train_loss:.6f}, test loss "
            "{test_loss:.6f}\nconstant predictor {constant_loss:.6f}[, linear least squares {linear_loss:.6f}]; "
            "selection {selection_seconds:.3f} s, training {training_seconds:.3f} s"};

/* ---- starts ------------------------------------------------------------------------------------------------------ */

static void close_start(multiscale_start *start)
{
    auxo_multiscale_destroy(start->multiscale);
    auxo_model_destroy(start->model);
    free(start->initial_weights);
    *start = (multiscale_start){0};
}

static auxo_status keep_initial_weights(multiscale_start *start, auxo_error *error)
{
    size_t count = auxo_model_weight_count(start->model);
    start->initial_weights = malloc((count + 1) * sizeof *start->initial_weights);
    if (!start->initial_weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "starting weights: out of memory");
    return auxo_buffer_read(auxo_model_queue(start->model), auxo_model_weights(start->model), 0, start->initial_weights,
                            count * sizeof *start->initial_weights, error);
}

/* Where the next events of a name will stand in the history. */
static size_t history_end(const auxo_run *run, const char *event)
{
    return auxo__history_find(&run->history, event)->event_count;
}

/* On a model that is there already; for a fresh one, see open_start. */
static auxo_status attach(auxo_run *run, train_state *state, auxo_error *error)
{
    auxo_multiscale_options options = state->options;
    options.seed += state->start_number;
    multiscale_start *start = &state->current;
    start->iterations.begin = start->iterations.end = history_end(run, "iteration");
    start->sensitivities.begin = start->sensitivities.end = history_end(run, "sensitivities");
    return auxo_multiscale_create(start->model, state->data.train, state->data.test, &options, &start->multiscale,
                                  error);
}

static auxo_status open_start(auxo_run *run, train_state *state, auxo_error *error)
{
    uint64_t seed = state->options.seed + state->start_number;
    auxo_status status = auxo__multiscale_open_model(run, state->data.train, seed, &state->current.model, error);
    if (status == AUXO_OK)
        status = attach(run, state, error);
    if (status == AUXO_OK && auxo_settings_text(run->settings, "report"))
        status = keep_initial_weights(&state->current, error);
    return status == AUXO_OK ? auxo__multiscale_warn(run, state->current.multiscale, error) : status;
}

/* Measures the start that has ended and keeps the better of it and the best. */
static auxo_status end_start(auxo_run *run, train_state *state, auxo_error *error)
{
    multiscale_start *start = &state->current;
    auxo_status status = auxo_multiscale_evaluate(start->multiscale, &start->train_loss, &start->test_loss, error);
    if (status == AUXO_OK && state->start_count > 1)
        status = auxo__run_emit(run, &start_event, &(start_record){state->start_number + 1, start->train_loss}, error);
    if (status != AUXO_OK)
        return status;
    if (state->best.model && !(start->train_loss < state->best.train_loss)) {
        close_start(start);
    } else {
        close_start(&state->best);
        state->best = *start;
        *start = (multiscale_start){0};
    }
    state->start_number++;
    return AUXO_OK;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    static const auxo_multiscale_order orders[] = {AUXO_MULTISCALE_FIRST, AUXO_MULTISCALE_SECOND,
                                                   AUXO_MULTISCALE_BACKPROPAGATION};
    train_state *state = user;
    auxo_status status = auxo__multiscale_read_options(run, &state->options, error);
    state->options.order = orders[auxo_settings_choice(run->settings, "order")];
    state->start_count = auxo_settings_integer(run->settings, "starts");
    /* The baseline has epochs of its own, unless they were asked for by name. */
    if (state->options.order == AUXO_MULTISCALE_BACKPROPAGATION && !auxo__settings_by_caller(run->settings, "epochs"))
        state->options.epochs = (uint32_t)auxo_settings_integer(run->settings, "backprop-epochs");
    if (status == AUXO_OK)
        status = auxo__multiscale_load_data(run, state->options.seed, &state->data, error);
    if (status == AUXO_OK)
        status = auxo__task_open_device(run, error);
    return status == AUXO_OK ? open_start(run, state, error) : status;
}

static void end(void *user)
{
    train_state *state = user;
    close_start(&state->current);
    close_start(&state->best);
    auxo__task_data_deinit(&state->data);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static auxo_status keep_sensitivities(auxo_run *run, train_state *state, auxo_error *error)
{
    auxo_multiscale *multiscale = state->current.multiscale;
    size_t count = auxo_multiscale_tree(multiscale)->node_count;
    double *values = malloc(count * sizeof *values);
    auxo_status status = AUXO_OK;
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of sensitivities: out of memory");
    if (state->options.order == AUXO_MULTISCALE_SECOND)
        status = auxo_multiscale_second_order(multiscale, AUXO_DIFFERENCE_EXACT, 0, values, NULL, NULL, error);
    else
        status = auxo_multiscale_sensitivities(multiscale, AUXO_DIFFERENCE_EXACT, 0, values, error);
    const sensitivities_record record = {.values = {values, count}};
    if (status == AUXO_OK)
        status = auxo__run_emit(run, &sensitivities_event, &record, error);
    state->current.sensitivities.end++;
    free(values);
    return status;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    train_state *state = user;
    auxo_multiscale_iteration iteration;
    *done = state->start_number >= state->start_count;
    if (*done)
        return AUXO_OK;
    auxo_status status = state->current.multiscale ? AUXO_OK : open_start(run, state, error);
    if (status != AUXO_OK)
        return status;
    bool finished = auxo_multiscale_iteration_count(state->current.multiscale) >= state->options.iterations ||
                    state->current.converged;
    if (!finished) {
        status = auxo_multiscale_iterate(state->current.multiscale, &iteration, error);
        if (status != AUXO_OK)
            return status;
        auxo__iteration_record record = auxo__iteration_record_of(&iteration);
        record.start = state->start_count > 1 ? (double)(state->start_number + 1) : (double)NAN;
        state->current.converged = iteration.converged;
        state->current.iterations.end++;
        auxo__run_moved(run, run->position + 1,
                        iteration.iteration % auxo_settings_integer(run->settings, "checkpoint-every") == 0);
        status = auxo__run_emit(run, &iteration_event, &record, error);
        if (status == AUXO_OK && auxo_settings_text(run->settings, "report"))
            status = keep_sensitivities(run, state, error);
        finished = iteration.converged || iteration.iteration >= state->options.iterations;
    }
    if (status == AUXO_OK && finished) {
        status = end_start(run, state, error);
        auxo__run_moved(run, run->position + 1, true);
    }
    *done = state->start_number >= state->start_count;
    return status;
}

static double progress(const auxo_run *run, const void *user)
{
    (void)run;
    const train_state *state = user;
    double iteration =
        state->current.multiscale ? (double)auxo_multiscale_iteration_count(state->current.multiscale) : 0;
    return ((double)state->start_number + iteration / (double)state->options.iterations) / (double)state->start_count;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

enum { NUMBERS_COUNT = 10 };

/* start_number, the current start's iteration and ranges, convergence; the best one's losses. */
static void list_numbers(const train_state *state, double numbers[NUMBERS_COUNT])
{
    const multiscale_start *current = &state->current, *best = &state->best;
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
                                          best->converged};
    memcpy(numbers, listed, sizeof listed);
}

static auxo_status put_start(auxo__archive *archive, const char *prefix, const multiscale_start *start,
                             auxo_error *error)
{
    auxo_status status = auxo__archive_put_model(archive, prefix, start->model, error);
    if (status == AUXO_OK && start->initial_weights)
        status = auxo__archive_put_floats(archive, prefix[0] ? "best_initial/" : "initial/", "weights",
                                          start->initial_weights, auxo_model_weight_count(start->model), error);
    return status;
}

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    train_state *state = user;
    double numbers[NUMBERS_COUNT];
    list_numbers(state, numbers);
    auxo_status status = auxo__archive_put_doubles(archive, STARTS, "numbers", numbers, NUMBERS_COUNT, error);
    if (status == AUXO_OK && state->current.multiscale)
        status = put_start(archive, "", &state->current, error);
    if (status == AUXO_OK && state->current.multiscale)
        status = auxo__archive_put_optimizer(archive, OPTIMIZER, state->current.model,
                                             auxo_multiscale_optimizer(state->current.multiscale), error);
    if (status == AUXO_OK && state->best.model) {
        const double losses[] = {state->best.train_loss, state->best.test_loss};
        status = put_start(archive, BEST, &state->best, error);
        if (status == AUXO_OK)
            status = auxo__archive_put_doubles(archive, STARTS, "best_losses", losses, 2, error);
    }
    return status;
}

static auxo_status get_initial_weights(const auxo__archive *archive, const char *prefix, multiscale_start *start,
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

static auxo_status restore_current(auxo_run *run, train_state *state, const auxo__archive *archive, uint32_t iteration,
                                   auxo_error *error)
{
    multiscale_start *start = &state->current;
    auxo_status status = auxo__archive_get_model(archive, "", run->device, &start->model, error);
    if (status == AUXO_OK)
        status = attach(run, state, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_optimizer(archive, OPTIMIZER, start->model,
                                             auxo_multiscale_optimizer(start->multiscale), error);
    if (status == AUXO_OK)
        status = get_initial_weights(archive, "initial/", start, error);
    if (status == AUXO_OK)
        auxo_multiscale_set_iteration_count(start->multiscale, iteration);
    return status;
}

static auxo_status restore_best(auxo_run *run, train_state *state, const auxo__archive *archive, auxo_error *error)
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

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    train_state *state = user;
    double *numbers = NULL;
    size_t count = 0;
    close_start(&state->current);
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
    }
    if (status == AUXO_OK && auxo__archive_has_model(archive, BEST)) {
        status = restore_best(run, state, archive, error);
        state->best.iterations = (auxo__iteration_range){(size_t)numbers[5], (size_t)numbers[6]};
        state->best.sensitivities = (auxo__iteration_range){(size_t)numbers[7], (size_t)numbers[8]};
        state->best.converged = numbers[9] != 0;
    }
    free(numbers);
    if (status == AUXO_OK)
        status = auxo__run_note(run, error, "resumed after iteration %zu", history_end(run, "iteration"));
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static auxo_model *model(void *user)
{
    train_state *state = user;
    return state->best.model ? state->best.model : state->current.model;
}

/* The start that the result is of: the best, or the one that was interrupted, measured now. */
static auxo_status result_start(train_state *state, multiscale_start **start, auxo_error *error)
{
    *start = state->best.model ? &state->best : &state->current;
    if (*start == &state->best)
        return AUXO_OK;
    return auxo_multiscale_evaluate(state->current.multiscale, &state->current.train_loss, &state->current.test_loss,
                                    error);
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    train_state *state = user;
    multiscale_start *start;
    double constant, linear;
    auxo_status status = result_start(state, &start, error);
    if (status == AUXO_OK)
        status = auxo_baseline_losses(state->data.train, state->data.test, state->options.standardize, &constant,
                                      &linear, error);
    if (status == AUXO_OK && !start->multiscale)
        status = auxo_multiscale_create(start->model, state->data.train, state->data.test, &state->options,
                                        &start->multiscale, error);
    if (status != AUXO_OK)
        return status;
    const auxo__iteration_range range = start->iterations;
    const result_record record = {.train_loss = start->train_loss,
                                  .test_loss = start->test_loss,
                                  .constant_loss = constant,
                                  .linear_loss = linear,
                                  .iterations = (uint32_t)(range.end - range.begin),
                                  .epochs = auxo__iteration_sum(run, "iteration", "epochs", range),
                                  .selection_seconds =
                                      auxo__iteration_sum(run, "iteration", "selection_seconds", range),
                                  .training_seconds = auxo__iteration_sum(run, "iteration", "training_seconds", range),
                                  .converged = start->converged,
                                  .engine = auxo_multiscale_engine(start->multiscale),
                                  .how = start->converged           ? "converged"
                                         : start == &state->current ? "interrupted"
                                                                    : "stopped"};
    return auxo__run_emit(run, &result_event, &record, error);
}

static auxo_status report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    train_state *state = user;
    multiscale_start *start = state->best.model ? &state->best : &state->current;
    auxo_report_text(report, "Training loss %.6g, test loss %.6g after %zu iterations.", start->train_loss,
                     start->test_loss, start->iterations.end - start->iterations.begin);
    const auxo__multiscale_pictures pictures = {.iterations = start->iterations,
                                                .sensitivities = start->sensitivities,
                                                .order = state->options.order,
                                                .tree = auxo_multiscale_tree(start->multiscale),
                                                .model = start->model,
                                                .initial_weights = start->initial_weights};
    return auxo__multiscale_draw(run, &pictures, report, error);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const auxo_setting *const settings[] = {auxo__multiscale_data_settings,
                                               train_settings,
                                               auxo__multiscale_training_settings,
                                               auxo__multiscale_selection_settings,
                                               auxo_data_settings,
                                               auxo__model_settings,
                                               auxo__device_settings,
                                               auxo__seed_settings,
                                               auxo__run_settings,
                                               auxo__save_settings,
                                               NULL};
static const auxo_event_type *const events[] = {&iteration_event, &sensitivities_event, &start_event, &result_event,
                                                NULL};

const auxo_method auxo__method_multiscale_train = {
    .info =
        {
            .name = "multiscale train",
            .summary = "train the most sensitive layer, again and again",
            .description =
                "Hierarchical multi-scale training: take the sensitivity of the loss to every block of layers, walk "
                "the binary tree of blocks at random in proportion to it, train only the layer where the walk ends "
                "until its gradient is small, and repeat until the gradient of the whole network is. Order second "
                "weighs the branches by the mean gradient of a quadratic model; order none is end-to-end "
                "backpropagation, the baseline.",
            .examples = "auxo multiscale train --preset table5 --report run.html\n"
                        "auxo multiscale train --preset aep --order second --device vulkan:0\n"
                        "auxo multiscale train --preset table8 --checkpoint run.safetensors --resume",
            .settings = settings,
            .events = events,
        },
    .state_bytes = sizeof(train_state),
    .begin = begin,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = report,
    .end = end,
    .model = model,
    .progress = progress,
    .report_title = "Hierarchical multi-scale training",
    .finish_when_ended = true,
    .csv_event = "iteration",
};
