/* runtime/cli/survival_job.c: survival data from named sets and tables, risks and scores, the stored baseline hazard.
 */
#include "survival_job.h"

#include "auxo/table.h"
#include "cli_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    {.name = "drop-missing", .type = CLI_FLAG, .help = "Leave out rows with missing values instead of refusing them"},
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

static auxo_status load_table(const cli_context *context, const char *path, auxo_dataset **dataset, auxo_error *error)
{
    const cli_arguments *arguments = context->arguments;
    auxo_table_roles roles = {.time_column = cli_text(arguments, "time"),
                              .event_column = cli_text(arguments, "event"),
                              .event_level = cli_text(arguments, "event-level"),
                              .group_column = cli_text(arguments, "group"),
                              .site_column = cli_text(arguments, "site"),
                              .drop_missing = cli_flag(arguments, "drop-missing")};
    if (!roles.time_column || !roles.event_column)
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
        status = auxo_table_dataset(table, path, &roles, dataset, error);
    auxo_table_destroy(table);
    return status;
}

static auxo_status load(survival_job *job, auxo_error *error)
{
    const cli_arguments *arguments = job->context->arguments;
    const char *name = cli_text(arguments, "data");
    if (strpbrk(name, "./"))
        return load_table(job->context, name, &job->train, error);
    const auxo_data_options options = {.data_dir = cli_text(arguments, "data-dir"),
                                       .seed = cli_integer(arguments, "seed"),
                                       .limit = cli_integer(arguments, "limit"),
                                       .drop_missing = cli_flag(arguments, "drop-missing")};
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

auxo_status survival_job_open(const cli_context *context, survival_job *job, auxo_error *error)
{
    *job = (survival_job){.context = context};
    auxo_status status = load(job, error);
    double fraction = cli_real(context->arguments, "test-fraction");
    if (status == AUXO_OK && !job->test && fraction > 0) {
        auxo_dataset *all = job->train;
        job->train = NULL;
        status = auxo_dataset_split(all, fraction, cli_integer(context->arguments, "seed"), false, &job->test,
                                    &job->train, error);
        auxo_dataset_destroy(all);
    }
    if (status == AUXO_OK)
        status = check(job->train, error);
    if (status == AUXO_OK && job->test)
        status = check(job->test, error);
    return status == AUXO_OK ? cli_session_open(context, &job->session, error) : status;
}

void survival_job_close(survival_job *job)
{
    auxo_dataset_destroy(job->train);
    auxo_dataset_destroy(job->test);
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

auxo_status survival_score_sample(const auxo_survival_sample *sample, uint64_t seed, survival_score *score,
                                  auxo_error *error)
{
    enum { RESAMPLES = 200 };
    auxo_status status = auxo_survival_concordance(sample, &score->concordance, error);
    if (status == AUXO_OK)
        status = auxo_survival_concordance_interval(sample, RESAMPLES, 0.95, seed, &score->low, &score->high, error);
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

/* ---- the baseline hazard beside a model
 * ---------------------------------------------------------------------------------- */
static void hazard_path(char *text, size_t size, const char *model_path)
{
    snprintf(text, size, "%s.hazard.json", model_path);
}

auxo_status survival_hazard_save(const char *model_path, const auxo_step_function *hazard, auxo_error *error)
{
    char path[4096], temporary[4104];
    hazard_path(path, sizeof path, model_path);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", "auxo cumulative baseline hazard 1");
    cJSON_AddItemToObject(root, "times", cJSON_CreateDoubleArray(hazard->times, (int)hazard->count));
    cJSON_AddItemToObject(root, "values", cJSON_CreateDoubleArray(hazard->values, (int)hazard->count));
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    FILE *file = text ? fopen(temporary, "wb") : NULL;
    bool ok = file && fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;
    if (file && fclose(file) != 0)
        ok = false;
    cJSON_free(text);
    if (ok && rename(temporary, path) == 0)
        return AUXO_OK;
    remove(temporary);
    return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", path, strerror(reason));
}

static auxo_status copy_numbers(const cJSON *array, double *numbers, size_t count, const char *path, auxo_error *error)
{
    const cJSON *item;
    size_t i = 0;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsNumber(item) || i >= count)
            return auxo_error_set(error, AUXO_FORMAT, "%s: value %zu is no number", path, i + 1);
        numbers[i++] = item->valuedouble;
    }
    return AUXO_OK;
}

auxo_status survival_hazard_load(const char *model_path, auxo_step_function *hazard, auxo_error *error)
{
    char path[4096];
    hazard_path(path, sizeof path, model_path);
    FILE *file = fopen(path, "rb");
    if (!file)
        return auxo_error_set(error, AUXO_NOT_FOUND,
                              "cannot read %s: %s; auxo survival train --save writes it beside the model", path,
                              strerror(errno));
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    bool ok = text && fseek(file, 0, SEEK_SET) == 0 && fread(text, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (ok)
        text[size] = '\0';
    cJSON *root = ok ? cJSON_Parse(text) : NULL;
    free(text);
    const cJSON *times = cJSON_GetObjectItem(root, "times"), *values = cJSON_GetObjectItem(root, "values");
    size_t count = (size_t)cJSON_GetArraySize(times);
    *hazard = (auxo_step_function){.count = count};
    auxo_status status = AUXO_OK;
    if (!root || count == 0 || (size_t)cJSON_GetArraySize(values) != count)
        status = auxo_error_set(error, AUXO_FORMAT, "%s is no baseline hazard", path);
    hazard->times = malloc((count + 1) * sizeof(double));
    hazard->values = malloc((count + 1) * sizeof(double));
    if (status == AUXO_OK && (!hazard->times || !hazard->values))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "baseline hazard: out of memory");
    if (status == AUXO_OK)
        status = copy_numbers(times, hazard->times, count, path, error);
    if (status == AUXO_OK)
        status = copy_numbers(values, hazard->values, count, path, error);
    cJSON_Delete(root);
    if (status != AUXO_OK)
        auxo_step_function_deinit(hazard);
    return status;
}
