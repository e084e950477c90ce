/* runtime/cli/survival/cmd_survival_eval.c: auxo survival eval and predict: a saved model on other rows. */
#include "cli_arrays.h"
#include "cli_text.h"
#include "survival_scores.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option eval_options[] = {
    {.name = "split",
     .type = CLI_CHOICE,
     .argument = "test|train",
     .initial = "test",
     .help = "Which rows: the test split, or those held out when the model was trained, or the others; of other data, "
             "all rows"},
    {.name = "standardize-sites", .type = CLI_FLAG, .help = "Standardise scores within each site"},
    {.name = "report", .type = CLI_TEXT, .argument = "FILE.html", .help = "Write curves, calibration and AUC as HTML"},
    {.name = "unknown-levels",
     .type = CLI_CHOICE,
     .argument = "refuse|missing",
     .initial = "refuse",
     .help = "A text in a table column that the model never saw: an error, or a missing value"},
    CLI_OPTIONS_END,
};

static const cli_option predict_options[] = {
    {.name = "split",
     .type = CLI_CHOICE,
     .argument = "auto|test|train|all",
     .initial = "auto",
     .help = "Which rows: the test split or those held out when the model was trained, the others, or all. auto: the "
             "test split of a named set, all rows of a table"},
    {.name = "standardize-sites", .type = CLI_FLAG, .help = "Standardise scores within each site"},
    {.name = "at",
     .type = CLI_TEXT,
     .argument = "T1,T2,...",
     .help = "Times at which to predict survival (default: quartiles of the distinct event times of training)"},
    {.name = "out",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "Write here instead of to standard output: CSV, or arrays of NumPy's where the name ends in .npz or .npy"},
    {.name = "unknown-levels",
     .type = CLI_CHOICE,
     .argument = "refuse|missing",
     .initial = "refuse",
     .help = "A text in a table column that the model never saw: an error, or a missing value"},
    CLI_OPTIONS_END,
};

typedef struct saved_model {
    cli_session session;
    auxo_survival_model model;
    auxo_data_schema *schema;
    auxo_survival_data data;
    const auxo_dataset *rows;
    double *raw, *risks; /* as the model gives them; the same, or standardised within sites */
} saved_model;

static void close_saved(saved_model *saved)
{
    free(saved->raw);
    free(saved->risks);
    auxo_survival_data_deinit(&saved->data);
    auxo_survival_model_deinit(&saved->model);
    auxo_data_schema_destroy(saved->schema);
    cli_session_close(&saved->session);
}

static auxo_status load_rows(const cli_context *context, const char *path, bool inputs_only, saved_model *saved,
                             auxo_error *error)
{
    const auxo_survival_request request = {.schema = saved->schema,
                                           .inputs_only = inputs_only,
                                           .unknown_levels_missing =
                                               cli_choice(context->arguments, "unknown-levels") == 1,
                                           .seed = cli_integer(context->arguments, "seed")};
    auxo_status status = auxo_survival_load(cli_arguments_settings(context->arguments), &request, &saved->data, error);
    if (status != AUXO_OK)
        return status;
    const auxo_dataset *train = saved->data.train;
    if (train->note[0])
        cli_note(context->output, "%s: %s", train->name, train->note);
    const auxo_layer *input = &auxo_model_get_desc(saved->model.network)->layers[0];
    long long wanted = (long long)(input->output_dims[0] * input->output_dims[1] * input->output_dims[2]);
    long long given = (long long)(train->channels * train->height * train->width);
    if (wanted != given)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s takes %lld inputs, but %s has %lld", path, wanted,
                              train->name, given);
    return AUXO_OK;
}

static auxo_status open_saved(const cli_context *context, bool inputs_only, bool wants_test, saved_model *saved,
                              auxo_error *error)
{
    const char *path = cli_operand(context->arguments, 0);
    *saved = (saved_model){0};
    auxo_status status = cli_session_open(context, &saved->session, error);
    if (status == AUXO_OK)
        status = cli_session_set_precision(context, &saved->session, error);
    if (status == AUXO_OK)
        status = auxo_survival_model_load(saved->session.device, path, &saved->model, error);
    if (status == AUXO_OK)
        status = auxo_model_data_schema(saved->model.network, &saved->schema, error);
    if (status == AUXO_OK && !saved->schema)
        status =
            auxo_error_set(error, AUXO_FORMAT,
                           "%s says nothing of the data it was trained on; train it again with this version", path);
    if (status == AUXO_OK)
        status = load_rows(context, path, inputs_only, saved, error);
    if (status != AUXO_OK)
        return status;
    saved->rows = wants_test && saved->data.test ? saved->data.test : saved->data.train;
    return auxo_survival_risks(saved->model.network, saved->rows, cli_flag(context->arguments, "standardize-sites"),
                               &saved->raw, &saved->risks, error);
}

typedef struct measured {
    auxo_survival_scores scores;
    auxo_survival_site_scores sites;
} measured;

/* Times and events of training: what the model remembers, or, of an older one, the rows at hand. */
static auxo_survival_sample training_of(const saved_model *saved)
{
    if (saved->model.training_count == 0)
        return auxo_survival_rows(saved->data.train, NULL);
    return (auxo_survival_sample){saved->model.training_count, saved->model.training_times,
                                  saved->model.training_events, NULL};
}

static auxo_status write_report(const saved_model *saved, const measured *found, const char *path, auxo_error *error)
{
    auxo_report *report = NULL;
    const auxo_survival_sample fit = training_of(saved);
    auxo_status status = auxo_report_create("Survival model", &report, error);
    if (status != AUXO_OK)
        return status;
    auxo_report_text(report, "%s, %zu rows.", saved->rows->name, saved->rows->row_count);
    auxo_survival_scores_report(&found->scores, report);
    status = auxo_survival_report_draw(report, &fit, saved->rows, saved->risks, &saved->model.hazard, error);
    if (status == AUXO_OK)
        auxo_survival_site_scores_report(&found->sites, report);
    if (status == AUXO_OK)
        status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}

static auxo_status run_eval(const cli_context *context, auxo_error *error)
{
    saved_model saved;
    measured found = {0};
    const char *path = cli_text(context->arguments, "report");
    auxo_status status = open_saved(context, false, cli_choice(context->arguments, "split") == 0, &saved, error);
    const auxo_survival_sample fit = status == AUXO_OK ? training_of(&saved) : (auxo_survival_sample){0};
    if (status == AUXO_OK && saved.model.training_count == 0)
        cli_note(context->output, "the model is of an older version, which does not remember the censoring of its "
                                  "training rows: it is taken from the rows at hand");
    if (status == AUXO_OK)
        status = auxo_survival_scores_compute(&fit, saved.rows, saved.risks, &saved.model.hazard,
                                              cli_integer(context->arguments, "seed"), &found.scores, error);
    if (status == AUXO_OK)
        status = auxo_survival_site_scores_compute(saved.rows, saved.raw, &found.sites, error);
    if (status == AUXO_OK && path)
        status = write_report(&saved, &found, path, error);
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        survival_scores_print(&found.scores, context->output, result);
        survival_site_scores_print(&found.sites, context->output, result);
        cli_emit(context->output, result);
    }
    close_saved(&saved);
    return status;
}

/* The times of --at, or the quartiles of the event times of training; free(*times). */
static auxo_status read_times(const cli_context *context, const saved_model *saved, double **times, size_t *count,
                              auxo_error *error)
{
    enum { QUARTILES = 3 };
    const auxo_step_function *hazard = &saved->model.hazard; /* its steps are the event times of training */
    const char *given = cli_text(context->arguments, "at");
    auxo_list list = {0};
    auxo_status status = auxo_list_parse("at", given, &list, error);
    *count = given ? list.count : QUARTILES;
    *times = malloc((*count + 1) * sizeof **times);
    if (status == AUXO_OK && !*times)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %zu times", *count);
    for (size_t k = 0; k < *count && status == AUXO_OK; k++) {
        char *end = NULL;
        (*times)[k] = given ? strtod(list.items[k], &end) : hazard->times[(hazard->count - 1) * (k + 1) / 4];
        if (given && (end == list.items[k] || *end || !((*times)[k] > 0) || !isfinite((*times)[k])))
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--at: \"%s\" is not a positive time", list.items[k]);
    }
    auxo_list_deinit(&list);
    return status;
}

/* What is predicted for the rows of a saved model. */
typedef struct predictions {
    const saved_model *saved;
    size_t row_count, time_count;
    double *times;    /* (time_count) */
    uint64_t *rows;   /* (row_count) place in the file or set, from 1 */
    double *survival; /* (row_count, time_count) probabilities to be free of the event */
} predictions;

static auxo_status predict_rows(const cli_context *context, const saved_model *saved, predictions *made,
                                auxo_error *error)
{
    made->saved = saved;
    made->row_count = saved->rows->row_count;
    auxo_status status = read_times(context, saved, &made->times, &made->time_count, error);
    if (status != AUXO_OK)
        return status;
    made->rows = calloc(made->row_count + 1, sizeof *made->rows);
    made->survival = calloc(made->row_count * made->time_count + 1, sizeof *made->survival);
    if (!made->rows || !made->survival)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the predictions of %zu rows",
                              made->row_count);
    for (size_t i = 0; i < made->row_count; i++) {
        made->rows[i] = auxo_dataset_row_number(saved->rows, i);
        for (size_t k = 0; k < made->time_count; k++)
            made->survival[i * made->time_count + k] =
                auxo_survival_probability(&saved->model.hazard, saved->risks[i], made->times[k]);
    }
    return AUXO_OK;
}

static auxo_status write_csv(void *user, FILE *stream, auxo_error *error)
{
    const predictions *made = user;
    (void)error;
    fputs("row,risk", stream);
    for (size_t k = 0; k < made->time_count; k++)
        fprintf(stream, ",survival_at_%.6g", made->times[k]);
    fputc('\n', stream);
    for (size_t i = 0; i < made->row_count; i++) {
        fprintf(stream, "%llu,%.9g", (unsigned long long)made->rows[i], made->saved->risks[i]);
        for (size_t k = 0; k < made->time_count; k++)
            fprintf(stream, ",%.6f", made->survival[i * made->time_count + k]);
        fputc('\n', stream);
    }
    return AUXO_OK;
}

static auxo_status write_arrays(const predictions *made, const char *path, auxo_error *error)
{
    static const char *const names[] = {"row", "risk", "times", "survival"};
    const uint64_t rows = made->row_count, times = made->time_count;
    const auxo_array arrays[] = {
        {.values = made->rows, .element = AUXO_ELEMENT_U64, .rank = 1, .dims = {rows}},
        {.values = made->saved->risks, .element = AUXO_ELEMENT_F64, .rank = 1, .dims = {rows}},
        {.values = made->times, .element = AUXO_ELEMENT_F64, .rank = 1, .dims = {times}},
        {.values = made->survival, .element = AUXO_ELEMENT_F64, .rank = 2, .dims = {rows, times}},
    };
    return strcmp(strrchr(path, '.'), ".npy") == 0 ? auxo_arrays_write(path, NULL, &arrays[1], 1, error)
                                                   : auxo_arrays_write(path, names, arrays, 4, error);
}

static void emit_rows(cli_output *output, const predictions *made)
{
    for (size_t i = 0; i < made->row_count; i++) {
        cJSON *event = cli_event(output, "row");
        auxo__tree_number(event, "row", (double)made->rows[i]);
        auxo__tree_number(event, "risk", made->saved->risks[i]);
        if (event)
            auxo__tree_add(event, "survival",
                           cJSON_CreateDoubleArray(made->survival + i * made->time_count, (int)made->time_count));
        cli_emit(output, event);
    }
}

static auxo_status run_predict(const cli_context *context, auxo_error *error)
{
    saved_model saved = {0};
    predictions made = {0};
    enum { SPLIT_AUTO, SPLIT_TEST, SPLIT_TRAIN, SPLIT_ALL };
    const size_t split = cli_choice(context->arguments, "split");
    const char *path = cli_text(context->arguments, "out");
    auxo_status status = cli_check_writable("out", path, error);
    if (status == AUXO_OK)
        status = open_saved(context, split == SPLIT_AUTO || split == SPLIT_ALL,
                            split == SPLIT_AUTO || split == SPLIT_TEST, &saved, error);
    if (status == AUXO_OK)
        status = predict_rows(context, &saved, &made, error);
    if (status == AUXO_OK && cli_arrays_wanted(path))
        status = write_arrays(&made, path, error);
    else if (status == AUXO_OK && path)
        status = cli_write_file("out", path, write_csv, &made, error);
    else if (status == AUXO_OK && cli_output_is_json(context->output))
        emit_rows(context->output, &made);
    else if (status == AUXO_OK)
        status = write_csv(&made, stdout, error);
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_number(result, "rows", (double)saved.rows->row_count);
        cli_emit(context->output, result);
    }
    free(made.times);
    free(made.rows);
    free(made.survival);
    close_saved(&saved);
    return status;
}

static const cli_option *const eval_tables[] = {
    auxo_survival_data_settings, eval_options, cli_device_options, cli_precision_options, cli_seed_options,
    cli_common_options,          NULL};
static const cli_option *const predict_tables[] = {auxo_survival_data_settings,
                                                   predict_options,
                                                   cli_device_options,
                                                   cli_precision_options,
                                                   cli_seed_options,
                                                   cli_common_options,
                                                   NULL};

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
        "{\"event\":\"result\",\"concordance\":..,\"low\":..,\"high\":..,\"dynamic_auc\":[{\"time\":..,\"auc\":..,"
        "\"low\":..,"
        "\n \"high\":..},..],\"sites\":[..],\"naive_concordance\":..,\"standardized_concordance\":..,\"site_gap\":..}",
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
    .description =
        "For every row the risk score and the probability of being event-free at the given times, from the "
        "Breslow estimate of the baseline hazard that was saved with the model. A table needs the model's "
        "input columns by name, in any order; times and events are not read and need not be there. The "
        "column row is the place of the row in the file, from 1.\n\n"
        "A .npz file holds the arrays row, risk, times and survival (rows, times); a .npy file the risks alone.",
    .events = "{\"event\":\"row\",\"row\":1,\"risk\":..,\"survival\":[..]}\n{\"event\":\"result\",\"rows\":..}",
    .examples = "auxo survival predict model.safetensors --data metabric --at 12,60,120 > risks.csv\n"
                "auxo survival predict model.safetensors --data new.csv --out risks.npz",
    .options = predict_tables,
    .run = run_predict,
};
