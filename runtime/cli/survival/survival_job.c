/* runtime/cli/survival/survival_job.c: survival data from named sets and tables, split, with gaps filled; risks of its
 * rows. */
#include "survival_job.h"

#include "auxo/table.h"
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

enum { INPUTS_MAX = 512 };

enum { MISSING_REFUSE, MISSING_DROP, MISSING_MEAN };

static auxo_status limit_rows(auxo_dataset **dataset, size_t limit, auxo_error *error)
{
    if (limit == 0 || limit >= (*dataset)->row_count)
        return AUXO_OK;
    uint32_t *rows = malloc(limit * sizeof *rows);
    if (!rows)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%zu rows: out of memory", limit);
    for (size_t i = 0; i < limit; i++)
        rows[i] = (uint32_t)i;
    auxo_dataset *limited = NULL;
    auxo_status status = auxo_dataset_select(*dataset, rows, limit, &limited, error);
    free(rows);
    if (status != AUXO_OK)
        return status;
    auxo_dataset_destroy(*dataset);
    *dataset = limited;
    return AUXO_OK;
}

static auxo_status load_table(survival_job *job, const char *path, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    auxo_table_roles roles = {.time_column = cli_text(arguments, "time"),
                              .event_column = cli_text(arguments, "event"),
                              .event_level = cli_text(arguments, "event-level"),
                              .group_column = cli_text(arguments, "group"),
                              .site_column = cli_text(arguments, "site"),
                              .drop_missing = cli_choice(arguments, "missing") == MISSING_DROP,
                              .keep_missing = cli_choice(arguments, "missing") == MISSING_MEAN};
    if (job->saved) {
        roles.expected_features = (const char *const *)job->saved->features;
        roles.expected_feature_count = job->saved->feature_count;
    }
    bool labelled = roles.time_column && roles.event_column;
    if (!labelled && (!job->unlabelled_allowed || roles.time_column || roles.event_column))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s is a table: say which columns hold times and events with --time and --event", path);
    char inputs[4096];
    char *names[INPUTS_MAX];
    if (cli_given(arguments, "inputs")) {
        snprintf(inputs, sizeof inputs, "%s", cli_text(arguments, "inputs"));
        roles.input_column_count = cli_split_list(inputs, names, INPUTS_MAX);
        roles.input_columns = (const char *const *)names;
    }
    auxo_table *table = NULL;
    auxo_status status = auxo_table_read(path, NULL, &table, error);
    if (status == AUXO_OK)
        status = auxo_table_dataset(table, path, &roles, &job->train, error);
    auxo_table_destroy(table);
    return status == AUXO_OK ? limit_rows(&job->train, cli_integer(arguments, "limit"), error) : status;
}

static auxo_status load(survival_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    const char *name = cli_text(arguments, "data");
    if (strpbrk(name, "./"))
        return load_table(job, name, error);
    const auxo_data_options options = {.data_dir = cli_text(arguments, "data-dir"),
                                       .seed = cli_integer(arguments, "seed"),
                                       .limit = cli_integer(arguments, "limit"),
                                       .drop_missing = cli_choice(arguments, "missing") == MISSING_DROP,
                                       .keep_missing = cli_choice(arguments, "missing") == MISSING_MEAN};
    auxo_status status = auxo_dataset_load(name, &options, &job->train, &job->test, error);
    if (status == AUXO_OK && job->train->target_type != AUXO_TARGET_SURVIVAL)
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
    auxo_dataset *all = job->train;
    job->train = NULL;
    auxo_status status = auxo_dataset_split(all, fraction, cli_integer(job->context->arguments, "seed"), false,
                                            &job->test, &job->train, error);
    auxo_dataset_destroy(all);
    return status;
}

/* Gaps are filled by the means that the model was trained with: mean imputation leaves them as they were. */
static auxo_status fill_missing(survival_job *job, const auxo_preprocessing *trained, auxo_error *error)
{
    if (cli_choice(job->context->arguments, "missing") != MISSING_MEAN || job->train->feature_type != AUXO_FEATURES_F32)
        return AUXO_OK;
    float *means = malloc(((size_t)job->train->channels + 1) * sizeof *means);
    if (!means)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "means of the inputs: out of memory");
    auxo_dataset_present_means(job->train, means);
    if (trained && trained->channel_count == (uint32_t)job->train->channels)
        memcpy(means, trained->means, trained->channel_count * sizeof *means);
    size_t filled = auxo_dataset_fill_missing(job->train, means);
    if (job->test)
        filled += auxo_dataset_fill_missing(job->test, means);
    free(means);
    if (filled > 0)
        cli_note(job->context->output, "%s: %zu missing values replaced by the means of the training rows",
                 job->train->name, filled);
    return AUXO_OK;
}

static auxo_status load_rows(survival_job *job, const auxo_preprocessing *trained, auxo_error *error)
{
    auxo_status status = load(job, error);
    if (status == AUXO_OK && job->train->note[0])
        cli_note(job->context->output, "%s: %s", job->train->name, job->train->note);
    bool labelled = status == AUXO_OK && job->train->target_type == AUXO_TARGET_SURVIVAL;
    if (labelled)
        status = split(job, error);
    if (status == AUXO_OK)
        status = fill_missing(job, trained, error);
    if (status == AUXO_OK && labelled)
        status = check(job->train, error);
    if (status == AUXO_OK && job->test)
        status = check(job->test, error);
    return status;
}

auxo_status survival_job_open(const cli_context *context, survival_job *job, auxo_error *error)
{
    *job = (survival_job){.context = context};
    auxo_status status = load_rows(job, NULL, error);
    return status == AUXO_OK ? cli_session_open(context, &job->session, error) : status;
}

auxo_status survival_job_open_saved(const cli_context *context, const char *model_path, bool unlabelled_allowed,
                                    survival_job *job, auxo_error *error)
{
    *job = (survival_job){.context = context, .unlabelled_allowed = unlabelled_allowed};
    auxo_status status = cli_session_open(context, &job->session, error);
    if (status == AUXO_OK)
        status = auxo_model_load(job->session.device, model_path, &job->model, error);
    job->saved = calloc(1, sizeof *job->saved);
    if (status == AUXO_OK && !job->saved)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", model_path);
    if (status == AUXO_OK)
        status = survival_saved_read(model_path, job->saved, error);
    if (status == AUXO_OK)
        status = load_rows(job, auxo_model_preprocessing(job->model), error);
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

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

double survival_event_time_quantile(const auxo_dataset *dataset, double q)
{
    float *times = malloc((dataset->row_count + 1) * sizeof *times);
    size_t count = 0;
    for (size_t i = 0; i < dataset->row_count && times; i++)
        if (dataset->events[i])
            times[count++] = dataset->times[i];
    double value = 1;
    if (count > 0) {
        qsort(times, count, sizeof *times, compare_floats);
        value = times[(size_t)(q * (double)(count - 1))];
    }
    free(times);
    return value;
}
