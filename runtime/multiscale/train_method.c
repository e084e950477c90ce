/* train_method.c: "multiscale train": hierarchical multi-scale training from one starting point, or the best of
 * several.
 *
 * A step is one iteration: sensitivities, the walk, the training of what it chose.
 */
#include "train_starts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- events ------------------------------------------------------------------------------------------------------ */

static const auxo_field iteration_fields[] = {
    AUXO__FIELD(auxo__iteration_record, iteration, "iteration", U32),
    AUXO__FIELD(auxo__iteration_record, layer_begin, "layer_begin", U32),
    AUXO__FIELD(auxo__iteration_record, layer_end, "layer_end", U32),
    AUXO__FIELD_OPTIONAL(auxo__iteration_record, unit_begin, "unit_begin", REAL),
    AUXO__FIELD_OPTIONAL(auxo__iteration_record, unit_end, "unit_end", REAL),
    AUXO__FIELD(auxo__iteration_record, epochs, "epochs", U32),
    AUXO__FIELD(auxo__iteration_record, loss, "loss", REAL),
    AUXO__FIELD(auxo__iteration_record, layer_gradient_max, "layer_gradient_max", REAL),
    AUXO__FIELD(auxo__iteration_record, network_gradient_max, "network_gradient_max", REAL),
    AUXO__FIELD(auxo__iteration_record, selection_seconds, "selection_seconds", REAL),
    AUXO__FIELD(auxo__iteration_record, training_seconds, "training_seconds", REAL),
    AUXO__FIELD_OPTIONAL(auxo__iteration_record, theta_change, "theta_change", REAL),
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

typedef struct gradients_record {
    auxo_numbers values; /* per weight layer the largest |gradient|, taken with the sensitivities */
} gradients_record;
static const auxo_field gradients_fields[] = {AUXO__FIELD(gradients_record, values, "values", NUMBERS),
                                              AUXO__FIELDS_END};
static const auxo_event_type gradients_event = {
    .name = "gradients", .fields = gradients_fields, .flags = AUXO_EVENT_KEPT | AUXO_EVENT_LINE_ONLY};

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

static auxo_status keep_initial_weights(auxo__multiscale_start *start, auxo_error *error)
{
    size_t count = auxo_model_weight_count(start->model);
    start->initial_weights = malloc((count + 1) * sizeof *start->initial_weights);
    if (!start->initial_weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "starting weights: out of memory");
    return auxo_buffer_read(auxo_model_queue(start->model), auxo_model_weights(start->model), 0, start->initial_weights,
                            count * sizeof *start->initial_weights, error);
}

static auxo_status open_start(auxo_run *run, auxo__multiscale_train *state, auxo_error *error)
{
    uint64_t seed = state->options.seed + state->start_number;
    auxo_status status = auxo__multiscale_open_model(run, state->data.train, seed, &state->current.model, error);
    if (status == AUXO_OK)
        status = auxo__multiscale_attach(run, state, error);
    if (status == AUXO_OK && auxo_settings_text(run->settings, "report"))
        status = keep_initial_weights(&state->current, error);
    return status == AUXO_OK ? auxo__multiscale_warn(run, state->current.multiscale, error) : status;
}

static bool is_over(const auxo__multiscale_train *state)
{
    const auxo__multiscale_start *start = &state->current;
    return start->multiscale &&
           (start->converged || auxo_multiscale_iteration_count(start->multiscale) >= state->options.iterations);
}

static auxo_status measure_start(auxo_run *run, auxo__multiscale_train *state, auxo_error *error)
{
    auxo__multiscale_start *start = &state->current;
    auxo_status status = auxo_multiscale_evaluate(start->multiscale, &start->train_loss, &start->test_loss, error);
    if (status == AUXO_OK && state->start_count > 1)
        status = auxo__run_emit(run, &start_event, &(start_record){state->start_number + 1, start->train_loss}, error);
    return status;
}

static bool current_is_best(const auxo__multiscale_train *state)
{
    return !state->best.model || (is_over(state) && state->current.train_loss < state->best.train_loss);
}

/* Makes room for the next start: keeps the better of the one that is over and the best. */
static void settle_start(auxo__multiscale_train *state)
{
    if (current_is_best(state)) {
        auxo__multiscale_close(&state->best);
        state->best = state->current;
        state->current = (auxo__multiscale_start){0};
    } else {
        auxo__multiscale_close(&state->current);
    }
    state->start_number++;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    static const auxo_multiscale_order orders[] = {AUXO_MULTISCALE_FIRST, AUXO_MULTISCALE_SECOND,
                                                   AUXO_MULTISCALE_BACKPROPAGATION};
    auxo__multiscale_train *state = user;
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
    auxo__multiscale_train *state = user;
    auxo__multiscale_close(&state->current);
    auxo__multiscale_close(&state->best);
    auxo__task_data_deinit(&state->data);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static auxo_status keep_sensitivities(auxo_run *run, auxo__multiscale_train *state, auxo_error *error)
{
    auxo_multiscale *multiscale = state->current.multiscale;
    const auxo_tree *tree = auxo_multiscale_tree(multiscale);
    double *values = malloc(tree->node_count * sizeof *values);
    auxo_status status = AUXO_OK;
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of sensitivities: out of memory");
    if (state->options.order == AUXO_MULTISCALE_SECOND)
        status = auxo_multiscale_second_order(multiscale, AUXO_DIFFERENCE_EXACT, 0, values, NULL, NULL, error);
    else
        status = auxo_multiscale_sensitivities(multiscale, AUXO_DIFFERENCE_EXACT, 0, values, error);
    if (status == AUXO_OK)
        status = auxo__run_emit(run, &sensitivities_event, &(sensitivities_record){{values, tree->node_count}}, error);
    double *gradients = malloc(tree->layer_count * sizeof *gradients);
    if (status == AUXO_OK && !gradients)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of gradients: out of memory");
    if (status == AUXO_OK)
        status = auxo_multiscale_layer_gradients(multiscale, gradients, error);
    if (status == AUXO_OK)
        status = auxo__run_emit(run, &gradients_event, &(gradients_record){{gradients, tree->layer_count}}, error);
    state->current.sensitivities.end++;
    free(values);
    free(gradients);
    return status;
}

static auxo_status iterate(auxo_run *run, auxo__multiscale_train *state, auxo_error *error)
{
    auxo__multiscale_start *start = &state->current;
    auxo_multiscale_iteration iteration;
    auxo_status status = auxo_multiscale_iterate(start->multiscale, &iteration, error);
    if (status != AUXO_OK)
        return status;
    auxo__iteration_record record = auxo__iteration_record_of(&iteration);
    record.start = state->start_count > 1 ? (double)(state->start_number + 1) : (double)NAN;
    start->converged = iteration.converged;
    start->iterations.end++;
    auxo__run_moved(run, run->position + 1,
                    iteration.iteration % auxo_settings_integer(run->settings, "checkpoint-every") == 0);
    status = auxo__run_emit(run, &iteration_event, &record, error);
    if (status == AUXO_OK && auxo_settings_text(run->settings, "report"))
        status = keep_sensitivities(run, state, error);
    return status;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    auxo__multiscale_train *state = user;
    auxo_status status = AUXO_OK;
    *done = is_over(state) && state->start_number + 1 >= state->start_count;
    if (*done)
        return AUXO_OK;
    if (is_over(state))
        settle_start(state);
    if (!state->current.multiscale)
        status = open_start(run, state, error);
    if (status == AUXO_OK)
        status = iterate(run, state, error);
    if (status == AUXO_OK && is_over(state)) {
        status = measure_start(run, state, error);
        auxo__run_moved(run, run->position, true);
        *done = state->start_number + 1 >= state->start_count;
    }
    return status;
}

static double progress(const auxo_run *run, const void *user)
{
    (void)run;
    const auxo__multiscale_train *state = user;
    double iteration =
        state->current.multiscale ? (double)auxo_multiscale_iteration_count(state->current.multiscale) : 0;
    return ((double)state->start_number + iteration / (double)state->options.iterations) / (double)state->start_count;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* The start that the result is of. */
static auxo__multiscale_start *result_start(auxo__multiscale_train *state)
{
    return current_is_best(state) ? &state->current : &state->best;
}

static auxo_model *model(void *user)
{
    return result_start(user)->model;
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    auxo__multiscale_train *state = user;
    auxo__multiscale_start *start = result_start(state);
    double constant, linear;
    auxo_status status = AUXO_OK;
    const bool interrupted = start == &state->current && !is_over(state);
    if (interrupted)
        status = auxo_multiscale_evaluate(start->multiscale, &start->train_loss, &start->test_loss, error);
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
                                  .how = start->converged ? "converged"
                                         : interrupted    ? "interrupted"
                                                          : "stopped"};
    return auxo__run_emit(run, &result_event, &record, error);
}

static auxo_status report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    auxo__multiscale_train *state = user;
    auxo__multiscale_start *start = result_start(state);
    auxo_report_text(report, "Training loss %.6g, test loss %.6g after %zu iterations.", start->train_loss,
                     start->test_loss, start->iterations.end - start->iterations.begin);
    const auxo__multiscale_pictures pictures = {.iterations = start->iterations,
                                                .sensitivities = start->sensitivities,
                                                .order = state->options.order,
                                                .tree = auxo_multiscale_tree(start->multiscale),
                                                .model = start->model,
                                                .initial_weights = start->initial_weights,
                                                .multiscale = start->multiscale,
                                                .train = state->data.train};
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
static const auxo_event_type *const events[] = {&iteration_event, &sensitivities_event, &gradients_event,
                                                &start_event,     &result_event,        NULL};

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
                "backpropagation, the baseline.\n\n"
                "Plain networks up to 64 wide run whole in one launch per pass, all others through their layers: batch "
                "norm then stays as its running statistics make it, dropout is off, and filters are units too.",
            .examples = "auxo multiscale train --preset table5 --report run.html\n"
                        "auxo multiscale train --preset aep --order second --device vulkan:0\n"
                        "auxo multiscale train --model lenet5 --data mnist --limit 2000 --save net.safetensors\n"
                        "auxo multiscale train --preset table8 --checkpoint run.safetensors --resume",
            .settings = settings,
            .events = events,
        },
    .state_bytes = sizeof(auxo__multiscale_train),
    .begin = begin,
    .step = step,
    .describe = auxo__multiscale_describe,
    .restore = auxo__multiscale_restore,
    .finish = finish,
    .report = report,
    .end = end,
    .model = model,
    .progress = progress,
    .report_title = "Hierarchical multi-scale training",
    .finish_when_ended = true,
    .csv_event = "iteration",
};
