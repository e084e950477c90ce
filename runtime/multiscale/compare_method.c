/* compare_method.c: "multiscale compare": first order, second order and end-to-end backpropagation from the same
 * starting points over several seeds (Dorneanu et al. 2023, tables 5 and 7 to 11).
 *
 * A step is one run of one method from one starting point; checkpoints are taken between runs. The first seed's curves
 * and last weights are kept for the report.
 */
#include "compare_study.h"

#include <stdlib.h>

static const char WEIGHTS[] = "weights/";

const char *const auxo__compare_names[AUXO__COMPARE_METHODS] = {"first", "second", "backpropagation",
                                                                "backpropagation, equal time"};

static const auxo_setting compare_settings[] = {
    {.name = "seeds",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "5",
     .help = "Starting points (and splits): seeds S, S+1, ... from the seed",
     .minimum = 1,
     .maximum = 10000,
     .role = AUXO_SETTING_GROWS},
    {.name = "equal-time",
     .type = AUXO_SETTING_FLAG,
     .initial = "yes",
     .help = "Also run backpropagation for as long as the first-order run took, selection included"},
    AUXO_SETTINGS_END,
};

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct run_record {
    const char *method;
    uint64_t seed, place, runs;
    double method_number, train_loss, test_loss, epochs, selection_seconds, training_seconds, constant_loss,
        linear_loss;
    uint32_t iterations;
    bool converged;
} run_record;
static const auxo_field run_fields[] = {
    AUXO__FIELD(run_record, method, "method", TEXT),
    AUXO__FIELD(run_record, seed, "seed", U64),
    AUXO__FIELD(run_record, train_loss, "train_loss", REAL),
    AUXO__FIELD(run_record, test_loss, "test_loss", REAL),
    AUXO__FIELD(run_record, iterations, "iterations", U32),
    AUXO__FIELD(run_record, epochs, "epochs", REAL),
    AUXO__FIELD(run_record, selection_seconds, "selection_seconds", REAL),
    AUXO__FIELD(run_record, training_seconds, "training_seconds", REAL),
    AUXO__FIELD(run_record, converged, "converged", BOOL),
    AUXO__FIELD(run_record, method_number, "method_number", REAL),
    AUXO__FIELD(run_record, constant_loss, "constant_loss", REAL),
    AUXO__FIELD(run_record, linear_loss, "linear_loss", REAL),
    AUXO__FIELD_LINE_ONLY(run_record, place, "place", U64),
    AUXO__FIELD_LINE_ONLY(run_record, runs, "runs", U64),
    AUXO__FIELDS_END,
};
static const auxo_event_type run_event = {.name = "run",
                                          .fields = run_fields,
                                          .line = "run {place} of {runs}: seed {seed}, {method}",
                                          .flags = AUXO_EVENT_KEPT | AUXO_EVENT_TRANSIENT};

/* One iteration of a run of the first seed. */
static const auxo_field curve_fields[] = {
    AUXO__FIELD(auxo__iteration_record, method, "method", REAL),
    AUXO__FIELD(auxo__iteration_record, layer_begin, "layer_begin", U32),
    AUXO__FIELD(auxo__iteration_record, layer_end, "layer_end", U32),
    AUXO__FIELD_OPTIONAL(auxo__iteration_record, unit_begin, "unit_begin", REAL),
    AUXO__FIELD_OPTIONAL(auxo__iteration_record, unit_end, "unit_end", REAL),
    AUXO__FIELD(auxo__iteration_record, epochs, "epochs", U32),
    AUXO__FIELD(auxo__iteration_record, loss, "loss", REAL),
    AUXO__FIELD(auxo__iteration_record, network_gradient_max, "network_gradient_max", REAL),
    AUXO__FIELD(auxo__iteration_record, selection_seconds, "selection_seconds", REAL),
    AUXO__FIELD(auxo__iteration_record, training_seconds, "training_seconds", REAL),
    AUXO__FIELDS_END,
};
static const auxo_event_type curve_event = {
    .name = "curve", .fields = curve_fields, .flags = AUXO_EVENT_KEPT | AUXO_EVENT_LINE_ONLY};

typedef struct result_record {
    auxo_records methods;
    double constant_loss, linear_loss;
    uint64_t seeds;
    const char *table;
} result_record;
static const auxo_field result_fields[] = {
    AUXO__FIELD(result_record, methods, "methods", RECORDS),
    AUXO__FIELD(result_record, constant_loss, "constant_loss", REAL),
    AUXO__FIELD(result_record, linear_loss, "linear_loss", REAL),
    AUXO__FIELD(result_record, seeds, "seeds", U64),
    AUXO__FIELD_LINE_ONLY(result_record, table, "table", TEXT),
    AUXO__FIELDS_END,
};
static const auxo_event_type result_event = {
    .name = "result",
    .fields = result_fields,
    .line = "constant predictor: test loss {constant_loss:.5g}[; linear least squares: {linear_loss:.5g}]\nmean ± "
            "standard deviation over {seeds} seeds; in brackets what {table} prints"};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    auxo__compare_state *state = user;
    auxo_status status = auxo__multiscale_read_options(run, &state->options, error);
    state->backprop_epochs = (uint32_t)auxo_settings_integer(run->settings, "backprop-epochs");
    state->seed_count = auxo_settings_integer(run->settings, "seeds");
    state->method_count =
        auxo_settings_flag(run->settings, "equal-time") ? AUXO__COMPARE_METHODS : AUXO__COMPARE_EQUAL_TIME;
    if (status == AUXO_OK)
        status = auxo__multiscale_load_data(run, state->options.seed, &state->data, error);
    if (status == AUXO_OK && run->study)
        status = auxo__run_match_study(run, NULL, error);
    return status == AUXO_OK ? auxo__task_open_device(run, error) : status;
}

static void end(void *user)
{
    auxo__compare_state *state = user;
    for (int m = 0; m < AUXO__COMPARE_METHODS; m++)
        free(state->weights[m]);
    auxo__task_data_deinit(&state->data);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Seconds of the first-order run of the seed under way. */
static double first_order_seconds(const auxo_run *run, const auxo__compare_state *state)
{
    double numbers[AUXO__RUN_NUMBERS];
    if (run->study)
        return auxo__compare_numbers(run, state->finished - state->finished % state->method_count, numbers)
                   ? numbers[AUXO__RUN_SELECTION_SECONDS] + numbers[AUXO__RUN_TRAINING_SECONDS]
                   : 0;
    size_t index = (size_t)(state->finished - state->finished % state->method_count);
    const auxo__iteration_range range = {index, index + 1};
    return auxo__iteration_sum(run, "run", "selection_seconds", range) +
           auxo__iteration_sum(run, "run", "training_seconds", range);
}

static auxo_multiscale_options options_of(const auxo_run *run, const auxo__compare_state *state, int method,
                                          uint64_t seed, double *seconds_limit)
{
    auxo_multiscale_options options = state->options;
    options.seed = seed;
    options.order = method == AUXO__COMPARE_FIRST    ? AUXO_MULTISCALE_FIRST
                    : method == AUXO__COMPARE_SECOND ? AUXO_MULTISCALE_SECOND
                                                     : AUXO_MULTISCALE_BACKPROPAGATION;
    *seconds_limit = 0;
    if (method >= AUXO__COMPARE_BACKPROPAGATION)
        options.epochs = state->backprop_epochs;
    if (method == AUXO__COMPARE_EQUAL_TIME) {
        *seconds_limit = first_order_seconds(run, state);
        options.iterations = UINT32_MAX;
        options.epochs = options.epochs > 50 ? 50 : options.epochs; /* a finer look at the clock */
        options.tolerance = 0;
    }
    if (options.order != AUXO_MULTISCALE_SECOND)
        options.theta_bound = 0;
    if (options.order == AUXO_MULTISCALE_BACKPROPAGATION)
        options.pattern_step = 0;
    return options;
}

static auxo_status keep_weights(auxo__compare_state *state, int method, auxo_model *model, auxo_error *error)
{
    size_t count = auxo_model_weight_count(model);
    float *weights = malloc((count + 1) * sizeof *weights);
    double *kept = malloc((count + 1) * sizeof *kept);
    auxo_status status = weights && kept ? auxo_model_read_weights(model, weights, NULL, error)
                                         : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "weights of a run: out of memory");
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        kept[i] = weights[i];
    free(weights);
    if (status != AUXO_OK) {
        free(kept);
        return status;
    }
    free(state->weights[method]);
    state->weights[method] = kept;
    state->weight_count = count;
    return AUXO_OK;
}

/* Iterates until (45), the iteration limit or the time limit. */
static auxo_status iterate(auxo_run *run, auxo__compare_state *state, auxo_multiscale *multiscale, int method,
                           const auxo_multiscale_options *options, double seconds_limit, run_record *record,
                           auxo_error *error)
{
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && record->iterations < options->iterations && !record->converged) {
        auxo_multiscale_iteration iteration;
        status = auxo_multiscale_iterate(multiscale, &iteration, error);
        if (status != AUXO_OK)
            break;
        record->iterations = iteration.iteration;
        record->epochs += iteration.epochs;
        record->selection_seconds += iteration.selection_seconds;
        record->training_seconds += iteration.training_seconds;
        record->converged = iteration.converged;
        if (state->finished < state->method_count) {
            auxo__iteration_record curve = auxo__iteration_record_of(&iteration);
            curve.method = method;
            status = auxo__run_emit(run, &curve_event, &curve, error);
        }
        if (seconds_limit > 0 && record->selection_seconds + record->training_seconds >= seconds_limit)
            break;
    }
    if (status == AUXO_OK)
        status = auxo_multiscale_evaluate(multiscale, &record->train_loss, &record->test_loss, error);
    return status;
}

static auxo_status run_method(auxo_run *run, auxo__compare_state *state, int method, run_record *record,
                              auxo_error *error)
{
    double seconds_limit;
    const auxo_multiscale_options options = options_of(run, state, method, record->seed, &seconds_limit);
    auxo_model *model = NULL;
    auxo_multiscale *multiscale = NULL;
    auxo_status status = auxo__multiscale_open_model(run, state->data.train, record->seed, &model, error);
    if (status == AUXO_OK)
        status = auxo_multiscale_create(model, state->data.train, state->data.test, &options, &multiscale, error);
    if (status == AUXO_OK)
        status = iterate(run, state, multiscale, method, &options, seconds_limit, record, error);
    if (status == AUXO_OK && state->finished < state->method_count)
        status = keep_weights(state, method, model, error);
    auxo_multiscale_destroy(multiscale);
    auxo_model_destroy(model);
    return status;
}

/* Run number state->finished: its data, the baselines, the method. */
static auxo_status do_run(auxo_run *run, auxo__compare_state *state, run_record *out, auxo_error *error)
{
    uint64_t runs = state->seed_count * state->method_count;
    int method = (int)(state->finished % state->method_count);
    uint64_t seed = state->options.seed + state->finished / state->method_count;
    run_record record = {.method = auxo__compare_names[method],
                         .seed = seed,
                         .place = state->finished + 1,
                         .runs = runs,
                         .method_number = method};
    auxo_status status = AUXO_OK;
    /* The run's data hash stays that of the first seed: it is what the settings name. */
    uint64_t data_hash = run->data_hash;
    if (state->data_seed != seed && (seed != state->options.seed || run->study))
        status = auxo__multiscale_load_data(run, seed, &state->data, error);
    run->data_hash = data_hash;
    state->data_seed = seed;
    if (status == AUXO_OK)
        status = auxo_baseline_losses(state->data.train, state->data.test, state->options.standardize,
                                      &record.constant_loss, &record.linear_loss, error);
    if (status == AUXO_OK)
        status = run_method(run, state, method, &record, error);
    *out = record;
    return status;
}

/* The next run that nobody has done or does. */
static auxo_status study_step(auxo_run *run, auxo__compare_state *state, bool *done, auxo_error *error)
{
    run_record record;
    int64_t trial = 0;
    *done = run->options.look_only;
    if (*done)
        return AUXO_OK;
    auxo_status status =
        auxo__compare_take(run, state, AUXO__COMPARE_EQUAL_TIME, &trial, &state->finished, done, error);
    if (status != AUXO_OK || *done)
        return status;
    status = do_run(run, state, &record, error);
    const double numbers[AUXO__RUN_NUMBERS] = {record.train_loss,    record.test_loss,         record.iterations,
                                               record.epochs,        record.selection_seconds, record.training_seconds,
                                               record.constant_loss, record.linear_loss,       record.converged};
    if (status == AUXO_OK)
        status = auxo__compare_end(run, trial, numbers, error);
    else
        auxo_study_give_back(run->study, trial, NULL);
    return status == AUXO_OK ? auxo__run_emit(run, &run_event, &record, error) : status;
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    auxo__compare_state *state = user;
    run_record record;
    if (run->study)
        return study_step(run, state, done, error);
    *done = state->finished >= state->seed_count * state->method_count;
    if (*done)
        return AUXO_OK;
    auxo_status status = do_run(run, state, &record, error);
    if (status != AUXO_OK)
        return status;
    state->finished++;
    auxo__run_moved(run, state->finished, true);
    *done = state->finished >= state->seed_count * state->method_count;
    return auxo__run_emit(run, &run_event, &record, error);
}

static double progress(const auxo_run *run, const void *user)
{
    (void)run;
    const auxo__compare_state *state = user;
    return (double)state->finished / (double)(state->seed_count * state->method_count);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    const auxo__compare_state *state = user;
    auxo_status status = AUXO_OK;
    for (int m = 0; m < AUXO__COMPARE_METHODS && status == AUXO_OK; m++)
        if (state->weights[m])
            status = auxo__archive_put_doubles(archive, WEIGHTS, auxo__compare_names[m], state->weights[m],
                                               state->weight_count, error);
    return status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    auxo__compare_state *state = user;
    auxo_status status = AUXO_OK;
    state->finished = auxo__history_find(&run->history, "run")->event_count;
    for (int m = 0; m < AUXO__COMPARE_METHODS && status == AUXO_OK; m++)
        if (auxo__archive_has(archive, WEIGHTS, auxo__compare_names[m]))
            status = auxo__archive_get_doubles(archive, WEIGHTS, auxo__compare_names[m], &state->weights[m],
                                               &state->weight_count, error);
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static double baseline_mean(const auxo_run *run, const auxo__compare_state *state, const char *field)
{
    double sum = 0;
    for (size_t s = 0; s < state->seed_count; s++)
        sum += auxo__history_column(&run->history, "run", field)->values[s * state->method_count];
    return sum / (double)state->seed_count;
}

/* The history of runs is that of all workers, in the order of a comparison on its own. */
static auxo_status collect(auxo_run *run, auxo__compare_state *state, auxo_error *error)
{
    auxo_status status = auxo_study_refresh(run->study, error);
    auxo__history_forget(&run->history, "run");
    for (uint64_t task = 0; task < state->seed_count * state->method_count && status == AUXO_OK; task++) {
        double n[AUXO__RUN_NUMBERS];
        if (!auxo__compare_numbers(run, task, n))
            return auxo_error_set(error, AUXO_INTERRUPTED,
                                  "the study has not all the runs of this comparison yet; the same command goes on");
        const run_record record = {.method = auxo__compare_names[task % state->method_count],
                                   .seed = state->options.seed + task / state->method_count,
                                   .method_number = (double)(task % state->method_count),
                                   .train_loss = n[AUXO__RUN_TRAIN_LOSS],
                                   .test_loss = n[AUXO__RUN_TEST_LOSS],
                                   .epochs = n[AUXO__RUN_EPOCHS],
                                   .selection_seconds = n[AUXO__RUN_SELECTION_SECONDS],
                                   .training_seconds = n[AUXO__RUN_TRAINING_SECONDS],
                                   .constant_loss = n[AUXO__RUN_CONSTANT_LOSS],
                                   .linear_loss = n[AUXO__RUN_LINEAR_LOSS],
                                   .iterations = (uint32_t)n[AUXO__RUN_ITERATIONS],
                                   .converged = n[AUXO__RUN_CONVERGED] > 0};
        status = auxo__history_add(&run->history, &(auxo_event){&run_event, &record}, error);
    }
    return status;
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    auxo__compare_state *state = user;
    auxo_status status = run->study ? collect(run, state, error) : AUXO_OK;
    for (int m = 0; m < (int)state->method_count && status == AUXO_OK; m++)
        status = auxo__compare_summarize(run, state, m, &state->rows[m], error);
    if (status != AUXO_OK)
        return status;
    state->constant_loss = baseline_mean(run, state, "constant_loss");
    state->linear_loss = baseline_mean(run, state, "linear_loss");
    const result_record record = {
        .methods = {state->rows, (size_t)state->method_count, sizeof *state->rows, &auxo__compare_row_event},
        .constant_loss = state->constant_loss,
        .linear_loss = state->linear_loss,
        .seeds = state->seed_count,
        .table = auxo__multiscale_printed_of(run->settings)->table};
    return auxo__run_emit(run, &result_event, &record, error);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static bool minimizes(const auxo_settings *settings)
{
    (void)settings;
    return true;
}

static const auxo_setting *const settings[] = {auxo__multiscale_data_settings,
                                               compare_settings,
                                               auxo__study_settings,
                                               auxo__multiscale_training_settings,
                                               auxo__multiscale_selection_settings,
                                               auxo_data_settings,
                                               auxo__model_settings,
                                               auxo__device_settings,
                                               auxo__seed_settings,
                                               auxo__run_settings,
                                               NULL};
static const auxo_event_type *const events[] = {&run_event, &curve_event, &auxo__compare_row_event, &result_event,
                                                NULL};

const auxo_method auxo__method_multiscale_compare = {
    .info =
        {
            .name = "multiscale compare",
            .summary = "compare first order, second order and backpropagation from the same starts",
            .description =
                "Run first-order selection, second-order selection and end-to-end backpropagation from the same "
                "starting points over several seeds, and print a table like the paper's: mean and spread of losses, "
                "epochs, iterations and seconds with selection apart, beside the constant predictor and linear least "
                "squares. With equal-time a further row gives backpropagation the wall-clock time that the first-order "
                "run took.",
            .examples = "auxo multiscale compare --preset table5 --seeds 5 --report table5.html\n"
                        "auxo multiscale compare --preset ccpp --device opencl:0",
            .settings = settings,
            .events = events,
        },
    .state_bytes = sizeof(auxo__compare_state),
    .begin = begin,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = auxo__compare_report,
    .end = end,
    .progress = progress,
    .report_title = "Multi-scale training compared",
    .csv_event = "run",
    .minimizes = minimizes,
};
