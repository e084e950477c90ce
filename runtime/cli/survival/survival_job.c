/* runtime/cli/survival/survival_job.c: survival data from named sets and tables, split, with gaps filled; risks of its
 * rows. */
#include "survival_job.h"

#include "cli_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_option survival_data_options[] = {
    {.name = "data",
     .type = CLI_TEXT,
     .argument = "NAME|FILE",
     .initial = "survival-sim",
     .help = "A named survival set (auxo data list), or a .csv or .arff table with --time and --event"},
    {.name = "data-dir", .type = CLI_TEXT, .argument = "DIR", .help = "Folder of data sets"},
    {.name = "time", .type = CLI_TEXT, .argument = "COLUMN", .help = "Column of times to the event or to censoring"},
    {.name = "event",
     .type = CLI_TEXT,
     .argument = "COLUMN",
     .help = "Column that says whether the event happened (1, true, yes, dead, event)"},
    {.name = "event-level", .type = CLI_TEXT, .argument = "TEXT", .help = "The text of --event that means an event"},
    {.name = "group",
     .type = CLI_TEXT,
     .argument = "COLUMN",
     .help = "Rows that belong together, for example a patient; a split keeps them together"},
    {.name = "site", .type = CLI_TEXT, .argument = "COLUMN", .help = "Where rows come from, for example a hospital"},
    {.name = "inputs", .type = CLI_TEXT, .argument = "A,B,...", .help = "Input columns (default: all others)"},
    {.name = "missing",
     .type = CLI_CHOICE,
     .argument = "refuse|drop|mean",
     .initial = "refuse",
     .help =
         "Missing inputs: an error, leave such rows out, or put the mean of the training rows (for text columns, the "
         "share of each value). Named sets with gaps drop such rows unless told mean"},
    AUXO_TABLE_FORMAT_SETTINGS,
    {.name = "unknown-levels",
     .type = CLI_CHOICE,
     .argument = "refuse|missing",
     .initial = "refuse",
     .help = "A text in a table column that a saved model never saw: an error, or a missing value"},
    {.name = "limit", .type = CLI_INTEGER, .argument = "N", .help = "Use at most this many rows", .maximum = 1e9},
    {.name = "test-fraction",
     .type = CLI_REAL,
     .argument = "F",
     .initial = "0.2",
     .help = "Rows kept for testing where the data has no test split",
     .minimum = 0,
     .maximum = 0.9},
    CLI_OPTIONS_END,
};

enum { MISSING_REFUSE, MISSING_DROP, MISSING_MEAN };

/* The columns that --time and --event name, instead of those the model was trained with. */
static auxo_status rename_outcome(survival_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    const char *names[2] = {cli_text(arguments, "time"), cli_text(arguments, "event")};
    auxo_data_schema *schema = job->schema;
    for (int i = 0; i < 2 && schema && schema->targets && schema->target_count == 2; i++) {
        char *copy = names[i] ? strdup(names[i]) : NULL;
        if (!names[i])
            continue;
        if (!copy)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for column names");
        free(schema->targets[i]);
        schema->targets[i] = copy;
    }
    return AUXO_OK;
}

/* Whether the options, or else the model, say where times and events are. */
static auxo_status check_outcome(const survival_job *job, const char *name, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    bool named = cli_text(arguments, "time") && cli_text(arguments, "event");
    bool table = strpbrk(name, "./") != NULL;
    if (!table || named || job->inputs_only || (job->schema && job->schema->targets))
        return AUXO_OK;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "%s is a table: say which columns hold times and events with --time and --event", name);
}

static auxo_status load(survival_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    const char *name = cli_text(arguments, "data");
    bool labelled_model = job->schema != NULL;
    auxo_table_format_settings format;
    auxo_list inputs = {0};
    auxo_status status = auxo_table_format_read(cli_arguments_settings(arguments), &format, error);
    if (status == AUXO_OK)
        status = auxo_list_parse("inputs", cli_text(arguments, "inputs"), &inputs, error);
    if (status == AUXO_OK)
        status = rename_outcome(job, error);
    if (status == AUXO_OK)
        status = check_outcome(job, name, error);
    const auxo_data_options options = {.data_dir = cli_text(arguments, "data-dir"),
                                       .seed = cli_integer(arguments, "seed"),
                                       .limit = cli_integer(arguments, "limit"),
                                       .format = &format.format,
                                       .schema = job->schema,
                                       .ignore_labels = job->inputs_only && labelled_model,
                                       .unknown_levels_missing = cli_choice(arguments, "unknown-levels") == 1,
                                       .input_columns = (const char *const *)inputs.items,
                                       .input_column_count = inputs.count,
                                       .time_column = cli_text(arguments, "time"),
                                       .event_column = cli_text(arguments, "event"),
                                       .event_level = cli_text(arguments, "event-level"),
                                       .group_column = cli_text(arguments, "group"),
                                       .site_column = cli_text(arguments, "site"),
                                       .drop_missing = cli_choice(arguments, "missing") == MISSING_DROP,
                                       .keep_missing = cli_choice(arguments, "missing") == MISSING_MEAN};
    if (status == AUXO_OK)
        status = auxo_dataset_load(name, &options, &job->train, &job->test, error);
    auxo_list_deinit(&inputs);
    auxo_table_format_deinit(&format);
    if (status == AUXO_OK && job->train->target_type != AUXO_TARGET_SURVIVAL &&
        job->train->target_type != AUXO_TARGET_NONE)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has no survival times; auxo data list shows which do",
                                name);
    return status;
}

static auxo_status check(const auxo_dataset *dataset, auxo_error *error)
{
    auxo_survival_sample sample = survival_sample(dataset, NULL);
    auxo_status status = auxo_survival_check(&sample, error);
    return status == AUXO_OK ? AUXO_OK : auxo_error_wrap(error, status, "%s", dataset->name);
}

static auxo_status split(survival_job *job, auxo_error *error)
{
    double fraction = cli_real(job->context->arguments, "test-fraction");
    if (job->test || fraction <= 0)
        return AUXO_OK;
    if (!job->schema)
        return auxo_dataset_hold_out(&job->train, fraction, cli_integer(job->context->arguments, "seed"), &job->test,
                                     error);
    /* A saved model knows which rows were held out; other data is used whole. */
    auxo_dataset *held_out = NULL, *trained_on = NULL;
    auxo_status status = auxo_dataset_held_out(job->train, job->schema, &held_out, &trained_on, error);
    if (status == AUXO_OK && held_out) {
        auxo_dataset_destroy(job->train);
        job->train = trained_on;
        job->test = held_out;
    }
    return status;
}

/* Gaps are filled by the means of the training rows; a saved model has them, and its data came filled. */
static auxo_status fill_missing(survival_job *job, auxo_error *error)
{
    if (cli_choice(job->context->arguments, "missing") != MISSING_MEAN || job->train->feature_type != AUXO_FEATURES_F32)
        return AUXO_OK;
    size_t filled = 0;
    auxo_status status = auxo_dataset_impute(job->train, &job->test, 1, &filled, error);
    if (status == AUXO_OK && filled > 0)
        cli_note(job->context->output, "%s: %zu missing values replaced by the means of the training rows",
                 job->train->name, filled);
    return status;
}

static auxo_status load_rows(survival_job *job, auxo_error *error)
{
    auxo_status status = load(job, error);
    if (status == AUXO_OK && job->train->note[0])
        cli_note(job->context->output, "%s: %s", job->train->name, job->train->note);
    bool labelled = status == AUXO_OK && job->train->target_type == AUXO_TARGET_SURVIVAL;
    if (labelled)
        status = split(job, error);
    if (status == AUXO_OK)
        status = fill_missing(job, error);
    if (status == AUXO_OK && labelled)
        status = check(job->train, error);
    if (status == AUXO_OK && job->test)
        status = check(job->test, error);
    return status;
}

auxo_status survival_job_open(const cli_context *context, survival_job *job, auxo_error *error)
{
    *job = (survival_job){.context = context};
    auxo_status status = load_rows(job, error);
    return status == AUXO_OK ? cli_session_open(context, &job->session, error) : status;
}

auxo_status survival_job_open_saved(const cli_context *context, const char *model_path, bool inputs_only,
                                    survival_job *job, auxo_error *error)
{
    *job = (survival_job){.context = context, .inputs_only = inputs_only};
    auxo_status status = cli_session_open(context, &job->session, error);
    if (status == AUXO_OK)
        status = auxo_model_load(job->session.device, model_path, &job->model, error);
    job->saved = calloc(1, sizeof *job->saved);
    if (status == AUXO_OK && !job->saved)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", model_path);
    if (status == AUXO_OK)
        status = survival_saved_read(model_path, job->saved, error);
    if (status == AUXO_OK)
        status = auxo_model_data_schema(job->model, &job->schema, error);
    if (status == AUXO_OK && !job->schema)
        status = auxo_error_set(error, AUXO_FORMAT,
                                "%s says nothing of the data it was trained on; train it again with this version",
                                model_path);
    if (status == AUXO_OK)
        status = load_rows(job, error);
    if (status != AUXO_OK)
        return status;
    const auxo_layer *input = &auxo_model_get_desc(job->model)->layers[0];
    long long wanted = (long long)(input->output_dims[0] * input->output_dims[1] * input->output_dims[2]);
    long long given = (long long)(job->train->channels * job->train->height * job->train->width);
    if (wanted != given)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s takes %lld inputs, but %s has %lld", model_path, wanted,
                              job->train->name, given);
    return AUXO_OK;
}

void survival_job_close(survival_job *job)
{
    auxo_dataset_destroy(job->train);
    auxo_dataset_destroy(job->test);
    auxo_model_destroy(job->model);
    if (job->saved)
        survival_saved_deinit(job->saved);
    free(job->saved);
    auxo_data_schema_destroy(job->schema);
    cli_session_close(&job->session);
}

auxo_survival_sample survival_sample(const auxo_dataset *dataset, const double *risks)
{
    return (auxo_survival_sample){dataset->row_count, dataset->times, dataset->events, risks};
}

auxo_status survival_risks(auxo_model *model, const auxo_dataset *dataset, bool standardize_sites, double **risks,
                           auxo_error *error)
{
    float *outputs = malloc((dataset->row_count + 1) * sizeof *outputs);
    *risks = malloc((dataset->row_count + 1) * sizeof **risks);
    auxo_status status = AUXO_OK;
    if (!outputs || !*risks)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "risks of %zu rows: out of memory", dataset->row_count);
    if (status == AUXO_OK)
        status = auxo_model_predict(model, dataset, 256, false, outputs, error);
    for (size_t i = 0; i < dataset->row_count && status == AUXO_OK; i++)
        (*risks)[i] = outputs[i];
    if (status == AUXO_OK && standardize_sites && dataset->sites)
        status = auxo_survival_standardize_by_site(*risks, dataset->sites, dataset->row_count, error);
    free(outputs);
    if (status != AUXO_OK) {
        free(*risks);
        *risks = NULL;
    }
    return status;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double survival_event_time_quantile(const auxo_dataset *dataset, double q)
{
    double *times = malloc((dataset->row_count + 1) * sizeof *times);
    size_t count = 0;
    for (size_t i = 0; i < dataset->row_count && times; i++)
        if (dataset->events[i])
            times[count++] = dataset->times[i];
    double value = 1;
    if (count > 0) {
        qsort(times, count, sizeof *times, compare_doubles);
        value = times[(size_t)(q * (double)(count - 1))];
    }
    free(times);
    return value;
}
