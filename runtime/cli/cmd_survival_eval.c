/* runtime/cli/cmd_survival_eval.c: auxo survival eval and predict: a saved model on other rows. */
#include "cli_text.h"
#include "survival_job.h"

#include <math.h>
#include <stdlib.h>

static const cli_option eval_options[] = {
    {.name = "split",
     .type = CLI_CHOICE,
     .argument = "test|train",
     .initial = "test",
     .help = "Which rows; data without a test split is split by --test-fraction and --seed"},
    {.name = "standardize-sites", .type = CLI_FLAG, .help = "Standardise scores within each site"},
    {.name = "report", .type = CLI_TEXT, .argument = "FILE.html", .help = "Write curves, calibration and AUC as HTML"},
    CLI_OPTIONS_END,
};

static const cli_option predict_options[] = {
    {.name = "split",
     .type = CLI_CHOICE,
     .argument = "test|train",
     .initial = "test",
     .help = "Which rows; data without a test split is split by --test-fraction and --seed"},
    {.name = "standardize-sites", .type = CLI_FLAG, .help = "Standardise scores within each site"},
    {.name = "at",
     .type = CLI_TEXT,
     .argument = "T1,T2,...",
     .help = "Times at which to predict survival (default: quartiles of the event times)"},
    CLI_OPTIONS_END,
};

typedef struct saved_model {
    survival_job job;
    auxo_model *model;
    const auxo_dataset *rows;
    double *risks;
    auxo_step_function hazard;
} saved_model;

static void close_saved(saved_model *saved)
{
    free(saved->risks);
    auxo_step_function_deinit(&saved->hazard);
    auxo_model_destroy(saved->model);
    survival_job_close(&saved->job);
}

static auxo_status open_saved(const cli_context *context, saved_model *saved, auxo_error *error)
{
    const char *path = cli_operand(context->arguments, 0);
    *saved = (saved_model){0};
    auxo_status status = survival_job_open(context, &saved->job, error);
    if (status == AUXO_OK)
        status = auxo_model_load(saved->job.session.device, path, &saved->model, error);
    if (status == AUXO_OK)
        status = survival_hazard_load(path, &saved->hazard, error);
    if (status != AUXO_OK)
        return status;
    bool test = cli_choice(context->arguments, "split") == 0 && saved->job.test;
    saved->rows = test ? saved->job.test : saved->job.train;
    const auxo_layer *input = &auxo_model_get_desc(saved->model)->layers[0];
    long long wanted = (long long)(input->output_dims[0] * input->output_dims[1] * input->output_dims[2]);
    long long given = (long long)(saved->rows->channels * saved->rows->height * saved->rows->width);
    if (wanted != given)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s takes %lld inputs, but %s has %lld", path, wanted,
                              saved->rows->name, given);
    return survival_risks(saved->model, saved->rows, cli_flag(context->arguments, "standardize-sites"), &saved->risks,
                          error);
}

static auxo_status write_report(const saved_model *saved, const char *path, auxo_error *error)
{
    auxo_report *report = NULL;
    auxo_status status = auxo_report_create("Survival model", &report, error);
    if (status == AUXO_OK)
        status = survival_report_draw(report, saved->job.train, saved->rows, saved->risks, &saved->hazard, error);
    if (status == AUXO_OK)
        status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}

static auxo_status print_scores(const cli_context *context, const saved_model *saved, auxo_error *error)
{
    enum { TIME_COUNT = 3 };
    double times[TIME_COUNT], areas[TIME_COUNT];
    survival_score score;
    auxo_survival_sample sample = survival_sample(saved->rows, saved->risks);
    auxo_survival_sample fit = survival_sample(saved->job.train, NULL);
    auxo_status status = survival_score_sample(&sample, cli_integer(context->arguments, "seed"), &score, error);
    for (int k = 0; k < TIME_COUNT; k++)
        times[k] = survival_event_time_quantile(saved->rows, 0.25 * (k + 1));
    if (status == AUXO_OK)
        status = auxo_survival_dynamic_auc(&fit, &sample, times, TIME_COUNT, areas, error);
    if (status != AUXO_OK)
        return status;
    cli_print(context->output, "C %.4f (95 %% %.4f to %.4f), %zu rows\n", score.concordance.index, score.low,
              score.high, saved->rows->row_count);
    cJSON *result = cli_event(context->output, "result");
    cJSON_AddNumberToObject(result, "concordance", score.concordance.index);
    cJSON_AddNumberToObject(result, "low", score.low);
    cJSON_AddNumberToObject(result, "high", score.high);
    cJSON *list = cJSON_AddArrayToObject(result, "dynamic_auc");
    for (int k = 0; k < TIME_COUNT; k++) {
        cli_print(context->output, "AUC at time %.6g: %.4f\n", times[k], areas[k]);
        cJSON *item = list ? cJSON_CreateObject() : NULL;
        cJSON_AddNumberToObject(item, "time", times[k]);
        cJSON_AddNumberToObject(item, "auc", areas[k]);
        if (list)
            cJSON_AddItemToArray(list, item);
    }
    cli_emit(context->output, result);
    return AUXO_OK;
}

static auxo_status run_eval(const cli_context *context, auxo_error *error)
{
    saved_model saved;
    const char *path = cli_text(context->arguments, "report");
    auxo_status status = open_saved(context, &saved, error);
    if (status == AUXO_OK)
        status = print_scores(context, &saved, error);
    if (status == AUXO_OK && path)
        status = write_report(&saved, path, error);
    close_saved(&saved);
    return status;
}

enum { TIMES_MAX = 32 };

static auxo_status read_times(const cli_context *context, const saved_model *saved, double *times, size_t *count,
                              auxo_error *error)
{
    char text[1024];
    char *items[TIMES_MAX];
    if (!cli_text(context->arguments, "at")) {
        *count = 3;
        for (size_t k = 0; k < *count; k++)
            times[k] = survival_event_time_quantile(saved->job.train, 0.25 * (double)(k + 1));
        return AUXO_OK;
    }
    snprintf(text, sizeof text, "%s", cli_text(context->arguments, "at"));
    *count = cli_split_list(text, items, TIMES_MAX);
    for (size_t k = 0; k < *count; k++) {
        char *end = NULL;
        times[k] = strtod(items[k], &end);
        if (end == items[k] || *end || !(times[k] > 0) || !isfinite(times[k]))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--at: \"%s\" is not a positive time", items[k]);
    }
    return AUXO_OK;
}

static void print_heading(cli_output *output, const double *times, size_t count)
{
    cli_print(output, "row,risk");
    for (size_t k = 0; k < count; k++)
        cli_print(output, ",survival_at_%.6g", times[k]);
    cli_print(output, "\n");
}

static auxo_status run_predict(const cli_context *context, auxo_error *error)
{
    saved_model saved;
    double times[TIMES_MAX];
    size_t count = 0;
    auxo_status status = open_saved(context, &saved, error);
    if (status == AUXO_OK)
        status = read_times(context, &saved, times, &count, error);
    if (status == AUXO_OK)
        print_heading(context->output, times, count);
    for (size_t i = 0; status == AUXO_OK && i < saved.rows->row_count; i++) {
        cJSON *event = cli_event(context->output, "row");
        cJSON_AddNumberToObject(event, "row", (double)(i + 1));
        cJSON_AddNumberToObject(event, "risk", saved.risks[i]);
        cJSON *list = cJSON_AddArrayToObject(event, "survival");
        cli_print(context->output, "%zu,%.9g", i + 1, saved.risks[i]);
        for (size_t k = 0; k < count; k++) {
            double probability = auxo_survival_probability(&saved.hazard, saved.risks[i], times[k]);
            cli_print(context->output, ",%.6f", probability);
            if (list)
                cJSON_AddItemToArray(list, cJSON_CreateNumber(probability));
        }
        cli_print(context->output, "\n");
        cli_emit(context->output, event);
    }
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        cJSON_AddNumberToObject(result, "rows", (double)saved.rows->row_count);
        cli_emit(context->output, result);
    }
    close_saved(&saved);
    return status;
}

static const cli_option *const eval_tables[] = {survival_data_options, eval_options,       cli_device_options,
                                                cli_seed_options,      cli_common_options, NULL};
static const cli_option *const predict_tables[] = {survival_data_options, predict_options,    cli_device_options,
                                                   cli_seed_options,      cli_common_options, NULL};

const cli_command cli_command_survival_eval = {
    .name = "survival eval",
    .operands = "MODEL.safetensors",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "measure a saved survival model",
    .description =
        "Harrell's concordance with a bootstrap interval, and the cumulative/dynamic AUC at the quartiles of "
        "the event times, weighted by the inverse probability of censoring.",
    .events =
        "{\"event\":\"result\",\"concordance\":..,\"low\":..,\"high\":..,\"dynamic_auc\":[{\"time\":..,\"auc\":..}]}",
    .examples = "auxo survival eval model.safetensors --data metabric --report eval.html",
    .options = eval_tables,
    .run = run_eval,
};

const cli_command cli_command_survival_predict = {
    .name = "survival predict",
    .operands = "MODEL.safetensors",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "print risks and survival probabilities as CSV",
    .description = "For every row the risk score and the probability of being event-free at the given times, from the "
                   "Breslow estimate of the baseline hazard that was saved with the model.",
    .events = "{\"event\":\"row\",\"row\":1,\"risk\":..,\"survival\":[..]}\n{\"event\":\"result\",\"rows\":..}",
    .examples = "auxo survival predict model.safetensors --data metabric --at 12,60,120 > risks.csv",
    .options = predict_tables,
    .run = run_predict,
};
