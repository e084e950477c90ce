/* runtime/cli/multiscale/cmd_multiscale_compare.c: auxo multiscale compare: first order, second order and end-to-end
 * backpropagation from the same starting points over several seeds, as the paper's tables 5 and 7 to 11.
 */
#include "cli_text.h"
#include "multiscale_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { METHOD_FIRST, METHOD_SECOND, METHOD_BACKPROPAGATION, METHOD_EQUAL_TIME, METHOD_COUNT };
static const char *const method_names[METHOD_COUNT] = {"first", "second", "backpropagation",
                                                       "backpropagation, equal time"};

static const cli_option compare_options[] = {
    {.name = "seeds",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "5",
     .help = "Starting points (and splits): seeds S, S+1, ... from --seed",
     .minimum = 1,
     .maximum = 10000},
    {.name = "equal-time",
     .type = CLI_FLAG,
     .initial = "yes",
     .help = "Also run backpropagation for as long as the first-order run took, selection included"},
    {.name = "report", .type = CLI_TEXT, .argument = "FILE.html", .help = "Write the comparison as one HTML file"},
    CLI_OPTIONS_END,
};

/* Columns of the comparison; every one has a mean and a spread over seeds. */
enum { TRAIN_LOSS, TEST_LOSS, EPOCHS, ITERATIONS, SECONDS, SELECTION_SECONDS, COLUMN_COUNT };
static const char *const column_names[COLUMN_COUNT] = {"train_loss", "test_loss", "average_epochs",
                                                       "iterations", "seconds",   "selection_seconds"};

typedef struct comparison {
    multiscale_job job;
    size_t seed_count;
    double *values;                      /* (METHOD_COUNT, COLUMN_COUNT, seed_count) */
    double *baselines;                   /* (2, seed_count): constant, linear */
    multiscale_run curves[METHOD_COUNT]; /* of the first seed, for the report */
} comparison;

static double *cell(comparison *c, int method, int column, size_t seed)
{
    return &c->values[((size_t)method * COLUMN_COUNT + (size_t)column) * c->seed_count + seed];
}

static void mean_and_spread(const double *values, size_t count, double *mean, double *spread)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *spread = count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
}

static void emit_run(comparison *c, int method, uint64_t seed, const multiscale_outcome *outcome)
{
    cJSON *event = cli_event(c->job.context->output, "run");
    cJSON_AddStringToObject(event, "method", method_names[method]);
    cJSON_AddNumberToObject(event, "seed", (double)seed);
    cJSON_AddNumberToObject(event, "train_loss", outcome->train_loss);
    cJSON_AddNumberToObject(event, "test_loss", outcome->test_loss);
    cJSON_AddNumberToObject(event, "iterations", outcome->iterations);
    cJSON_AddNumberToObject(event, "epochs", outcome->total_epochs);
    cJSON_AddNumberToObject(event, "selection_seconds", outcome->selection_seconds);
    cJSON_AddNumberToObject(event, "training_seconds", outcome->training_seconds);
    cJSON_AddBoolToObject(event, "converged", outcome->converged);
    cli_emit(c->job.context->output, event);
}

static auxo_status run_method(comparison *c, int method, size_t index, uint64_t seed, auxo_error *error)
{
    multiscale_run run = {.job = &c->job, .options = c->job.options, .keep_weights = index == 0};
    run.options.order = method == METHOD_FIRST    ? AUXO_MULTISCALE_FIRST
                        : method == METHOD_SECOND ? AUXO_MULTISCALE_SECOND
                                                  : AUXO_MULTISCALE_BACKPROPAGATION;
    if (method >= METHOD_BACKPROPAGATION)
        run.options.epochs = c->job.backprop_epochs;
    if (method == METHOD_EQUAL_TIME) {
        run.seconds_limit = *cell(c, METHOD_FIRST, SECONDS, index);
        run.options.iterations = UINT32_MAX;
        run.options.epochs = run.options.epochs > 50 ? 50 : run.options.epochs; /* a finer look at the clock */
        run.options.tolerance = 0;
    }
    auxo_model *model = NULL;
    auxo_status status = multiscale_job_model(&c->job, NULL, seed, &model, error);
    if (status == AUXO_OK)
        status = multiscale_run_model(&run, model, error);
    auxo_model_destroy(model);
    const multiscale_outcome *outcome = &run.outcome;
    if (status == AUXO_OK && outcome->interrupted)
        status = auxo_error_set(error, AUXO_INTERRUPTED, "interrupted; rows above are complete");
    if (status == AUXO_OK) {
        *cell(c, method, TRAIN_LOSS, index) = outcome->train_loss;
        *cell(c, method, TEST_LOSS, index) = outcome->test_loss;
        *cell(c, method, EPOCHS, index) = outcome->iterations ? outcome->total_epochs / outcome->iterations : 0;
        *cell(c, method, ITERATIONS, index) = outcome->iterations;
        *cell(c, method, SECONDS, index) = outcome->selection_seconds + outcome->training_seconds;
        *cell(c, method, SELECTION_SECONDS, index) = outcome->selection_seconds;
        emit_run(c, method, seed, outcome);
    }
    if (index == 0 && status == AUXO_OK)
        c->curves[method] = run;
    else
        multiscale_run_deinit(&run);
    return status;
}

static auxo_status run_seeds(comparison *c, auxo_error *error)
{
    const cli_arguments *arguments = c->job.context->arguments;
    uint64_t first_seed = cli_integer(arguments, "seed");
    int method_count = cli_flag(arguments, "equal-time") ? METHOD_COUNT : METHOD_EQUAL_TIME;
    cli_progress progress;
    cli_progress_begin(&progress, c->job.context->output, "runs", 0, c->seed_count * (uint64_t)method_count);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < c->seed_count && status == AUXO_OK; i++) {
        if (i > 0)
            status = multiscale_job_reseed(&c->job, first_seed + i, error);
        if (status == AUXO_OK)
            status = auxo_baseline_losses(c->job.train, c->job.test, c->job.options.standardize, &c->baselines[i],
                                          &c->baselines[c->seed_count + i], error);
        for (int m = 0; m < method_count && status == AUXO_OK; m++) {
            status = run_method(c, m, i, first_seed + i, error);
            cli_progress_update(&progress, i * (size_t)method_count + (size_t)m + 1, "seed %zu, %s", i + 1,
                                method_names[m]);
        }
    }
    return status;
}

static void format_value(char *text, size_t size, double mean, double spread, double printed)
{
    int used = snprintf(text, size, "%.5g ± %.2g", mean, spread);
    if (printed > 0)
        snprintf(text + used, size - (size_t)used, " (%.5g)", printed);
}

static double printed_value(const multiscale_printed *printed, int method, int column)
{
    if (method > METHOD_BACKPROPAGATION)
        return 0;
    switch (column) {
    case TRAIN_LOSS:
        return printed->train_loss[method];
    case TEST_LOSS:
        return printed->test_loss[method];
    case EPOCHS:
        return printed->epochs[method];
    case ITERATIONS:
        return printed->iterations[method];
    case SECONDS:
        return printed->seconds[method];
    default:
        return 0;
    }
}

/* The same rows for people, for --json and for the report. */
static void present(comparison *c, auxo_report *report)
{
    cli_output *output = c->job.context->output;
    cli_table *table = cli_table_create("METHOD|>TRAIN MSE|>TEST MSE|>EPOCHS|>ITERATIONS|>SECONDS|>OF IT SELECTION");
    const char *const headings[] = {"method",     "train MSE", "test MSE",       "epochs per iteration",
                                    "iterations", "seconds",   "of it selection"};
    auxo_report_table_begin(report, headings, COLUMN_COUNT + 1);
    cJSON *result = cli_event(output, "result");
    cJSON *methods = cJSON_AddArrayToObject(result, "methods");
    bool equal_time = cli_flag(c->job.context->arguments, "equal-time");
    for (int m = 0; m < METHOD_COUNT - !equal_time; m++) {
        char text[COLUMN_COUNT][64];
        cJSON *row = result ? cJSON_CreateObject() : NULL;
        cJSON_AddStringToObject(row, "method", method_names[m]);
        for (int k = 0; k < COLUMN_COUNT; k++) {
            double mean, spread;
            mean_and_spread(cell(c, m, k, 0), c->seed_count, &mean, &spread);
            format_value(text[k], sizeof text[k], mean, spread, printed_value(&c->job.preset->printed, m, k));
            char name[48];
            cJSON_AddNumberToObject(row, column_names[k], mean);
            snprintf(name, sizeof name, "%s_sd", column_names[k]);
            cJSON_AddNumberToObject(row, name, spread);
        }
        if (methods)
            cJSON_AddItemToArray(methods, row);
        cli_table_row(table, "%s|%s|%s|%s|%s|%s|%s", method_names[m], text[0], text[1], text[2], text[3], text[4],
                      text[5]);
        auxo_report_table_rowf(report, "%s|%s|%s|%s|%s|%s|%s", method_names[m], text[0], text[1], text[2], text[3],
                               text[4], text[5]);
    }
    double constant, linear, spread;
    mean_and_spread(c->baselines, c->seed_count, &constant, &spread);
    mean_and_spread(c->baselines + c->seed_count, c->seed_count, &linear, &spread);
    cli_table_row(table, "constant predictor||%.5g||||", constant);
    auxo_report_table_rowf(report, "constant predictor||%.5g||||", constant);
    if (isfinite(linear)) { /* there is none for classes */
        cli_table_row(table, "linear least squares||%.5g||||", linear);
        auxo_report_table_rowf(report, "linear least squares||%.5g||||", linear);
    }
    auxo_report_table_end(report);
    cJSON_AddNumberToObject(result, "constant_loss", constant);
    cJSON_AddNumberToObject(result, "linear_loss", linear);
    cJSON_AddNumberToObject(result, "seeds", (double)c->seed_count);
    cli_table_print(output, table);
    cli_print(output, "mean ± standard deviation over %zu seeds; in brackets what %s prints\n", c->seed_count,
              c->job.preset->printed.table);
    cli_emit(output, result);
}

static auxo_status finish(comparison *c, auxo_error *error)
{
    const char *path = cli_text(c->job.context->arguments, "report");
    auxo_report *report = NULL;
    auxo_status status = auxo_report_create("Multi-scale training compared", &report, error);
    if (status != AUXO_OK)
        return status;
    const auxo_device_info *info = auxo_device_get_info(c->job.session.device);
    auxo_report_text(report, "Preset %s, data %s, %zu training rows, device %s (%s, %s), %zu seeds.",
                     c->job.preset->name, c->job.train->name, c->job.train->row_count, info->selector, info->name,
                     info->driver, c->seed_count);
    present(c, report);
    if (path)
        status = multiscale_report_compare(report, c->curves, method_names, METHOD_EQUAL_TIME, error);
    if (status == AUXO_OK && path)
        status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    comparison c = {.seed_count = cli_integer(context->arguments, "seeds")};
    auxo_status status = cli_check_writable("report", cli_text(context->arguments, "report"), error);
    c.values = calloc((size_t)METHOD_COUNT * COLUMN_COUNT * c.seed_count, sizeof *c.values);
    c.baselines = calloc(2 * c.seed_count, sizeof *c.baselines);
    if (status == AUXO_OK && (!c.values || !c.baselines))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "comparison of %zu seeds: out of memory", c.seed_count);
    if (status == AUXO_OK)
        status = multiscale_job_open(context, &c.job, error);
    if (status == AUXO_OK)
        status = run_seeds(&c, error);
    if (status == AUXO_OK)
        status = finish(&c, error);
    for (int m = 0; m < METHOD_COUNT; m++)
        multiscale_run_deinit(&c.curves[m]);
    multiscale_job_close(&c.job);
    free(c.values);
    free(c.baselines);
    return status;
}

static const cli_option *const options[] = {
    multiscale_data_options, compare_options,  multiscale_training_options, multiscale_selection_options,
    cli_device_options,      cli_seed_options, cli_common_options,          NULL};

const cli_command cli_command_multiscale_compare = {
    .name = "multiscale compare",
    .summary = "compare first order, second order and backpropagation from the same starts",
    .description =
        "Run first-order selection, second-order selection and end-to-end backpropagation from the same starting "
        "points "
        "over several seeds, and print a table like the paper's: mean and spread of losses, epochs, iterations and "
        "seconds with selection apart, beside the constant predictor and linear least squares. With --equal-time a "
        "further row gives backpropagation the wall-clock time that the first-order run took.",
    .events = "{\"event\":\"run\",\"method\":..,\"seed\":..,\"train_loss\":..,\"test_loss\":..,\"iterations\":..,..}\n"
              "{\"event\":\"result\",\"methods\":[..],\"constant_loss\":..,\"linear_loss\":..,\"seeds\":..}",
    .examples = "auxo multiscale compare --preset table5 --seeds 5 --report table5.html\n"
                "auxo multiscale compare --preset ccpp --device opencl:0",
    .options = options,
    .run = run,
};
