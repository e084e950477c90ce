/* runtime/cli/cmd_data.c: auxo data list, info, fetch: which data sets there are, what is in them, getting their files.
 * `auxo data make` is in cmd_data_make.c. */
#include "cli_session.h"
#include "cli_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

static const cli_option data_dir_options[] = {
    {.name = "data-dir",
     .type = CLI_TEXT,
     .argument = "DIR",
     .help = "Folder that holds one folder per data set (default: AUXO_DATA_DIR, then ~/.cache/auxo)"},
    CLI_OPTIONS_END,
};

/* ---- list -------------------------------------------------------------------------------------------------------- */

/* What --data takes besides names. */
static const char PATHS[] =
    "Besides these, data may be the path of\n"
    "  a table             .csv or .arff, also .gz and .xz; the last column is the target; pictures by --images "
    "COLUMN\n"
    "  a folder of images  one subfolder per class, perhaps below train/ and test/: PNG, JPEG, WebP, PGM, PPM\n"
    "  a folder of IDX     train-images-idx3-ubyte and its companions, EMNIST's names too\n"
    "  NumPy arrays        .npy, its labels beside it or by --labels FILE, or .npz\n"
    "  a packed set        .auxo, made by auxo data pack; may be larger than memory\n";

static auxo_status run_list(const cli_context *context, auxo_error *error)
{
    (void)error;
    auxo_data_options options = {.data_dir = cli_text(context->arguments, "data-dir")};
    size_t count = 0, found_count = 0;
    const auxo_dataset_entry *entries = auxo_dataset_catalog(&count);
    cli_table *table = cli_table_create("NAME|WHERE|SUMMARY|LICENCE");
    for (size_t i = 0; i < count; i++) {
        const auxo_dataset_entry *entry = &entries[i];
        char path[PATH_SIZE] = "generated";
        bool found = entry->generated || auxo_dataset_locate(entry->name, &options, path, sizeof path, NULL) == AUXO_OK;
        found_count += found;
        cli_table_row(table, "%s|%s|%s|%s", entry->name, found ? path : "-", entry->summary, entry->licence);
        cJSON *event = cli_event(context->output, "dataset");
        auxo__tree_text(event, "name", entry->name);
        auxo__tree_text(event, "summary", entry->summary);
        auxo__tree_text(event, "licence", entry->licence);
        auxo__tree_text(event, "url", entry->url ? entry->url : "");
        auxo__tree_bool(event, "generated", entry->generated);
        auxo__tree_bool(event, "present", found);
        if (found && !entry->generated)
            auxo__tree_text(event, "path", path);
        cli_emit(context->output, event);
    }
    cli_table_print(context->output, table);
    cli_print(context->output, "%s", PATHS);
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_number(result, "dataset_count", (double)count);
    auxo__tree_number(result, "present_count", (double)found_count);
    cli_emit(context->output, result);
    return AUXO_OK;
}

static const cli_option *const list_options[] = {data_dir_options, cli_common_options, NULL};

const cli_command cli_command_data_list = {
    .name = "data list",
    .summary = "list the named data sets and where their files were found",
    .events =
        "{\"event\":\"dataset\",\"name\":..,\"summary\":..,\"licence\":..,\"url\":..,\"generated\":..,\"present\":..}\n"
        "{\"event\":\"result\",\"dataset_count\":..,\"present_count\":..}",
    .options = list_options,
    .run = run_list,
};

/* ---- info -------------------------------------------------------------------------------------------------------- */

static const char *target_text(auxo_target_type type)
{
    switch (type) {
    case AUXO_TARGET_CLASS:
        return "class";
    case AUXO_TARGET_REAL:
        return "real";
    case AUXO_TARGET_SURVIVAL:
        return "survival";
    case AUXO_TARGET_NONE:
        return "no";
    }
    return "unknown";
}

static void report_split(cli_output *output, const char *split, const auxo_dataset *dataset)
{
    char rows[32];
    cli_print(output, "%s: %s rows of %lldx%lldx%lld %s, %s targets\n", split,
              auxo_format_count(rows, sizeof rows, dataset->row_count), (long long)dataset->channels,
              (long long)dataset->height, (long long)dataset->width,
              dataset->feature_type == AUXO_FEATURES_U8 ? "bytes" : "numbers", target_text(dataset->target_type));
    cJSON *event = cli_event(output, "split");
    auxo__tree_text(event, "split", split);
    auxo__tree_number(event, "rows", (double)dataset->row_count);
    auxo__tree_number(event, "channels", (double)dataset->channels);
    auxo__tree_number(event, "height", (double)dataset->height);
    auxo__tree_number(event, "width", (double)dataset->width);
    auxo__tree_text(event, "features", dataset->feature_type == AUXO_FEATURES_U8 ? "u8" : "f32");
    auxo__tree_text(event, "targets", target_text(dataset->target_type));
    auxo__tree_number(event, "outputs", auxo_dataset_output_count(dataset));
    cli_emit(output, event);
}

static auxo_status report_classes(cli_output *output, const auxo_dataset *dataset, auxo_error *error)
{
    size_t *counts = calloc(dataset->class_count + 1, sizeof *counts);
    auxo_status status = counts ? auxo_dataset_count_classes(dataset, counts, error)
                                : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for classes");
    if (status != AUXO_OK) {
        free(counts);
        return status;
    }
    cli_table *table = cli_table_create(">CLASS|NAME|>ROWS");
    for (uint32_t i = 0; i < dataset->class_count; i++) {
        const char *name = dataset->target_names && dataset->target_names[i] ? dataset->target_names[i] : "";
        cli_table_row(table, "%u|%s|%zu", i, name, counts[i]);
        cJSON *event = cli_event(output, "class");
        auxo__tree_number(event, "class", i);
        auxo__tree_text(event, "name", name);
        auxo__tree_number(event, "rows", (double)counts[i]);
        cli_emit(output, event);
    }
    cli_table_print(output, table);
    free(counts);
    return status;
}

/* Enough digits for a column of large values and small spread; a standard deviation of 0 is that of a constant. */
static void report_column(cli_output *output, cli_table *table, const char *kind, const char *name, double mean,
                          double std)
{
    int digits = std > 0 && fabs(mean) > std ? 6 + (int)log10(fabs(mean) / std) : 6;
    cli_table_row(table, std == 0 ? "%s|%.*g|%.6g (constant)" : "%s|%.*g|%.6g", name, digits < 17 ? digits : 17, mean,
                  std);
    cJSON *event = cli_event(output, kind);
    auxo__tree_text(event, "name", name);
    auxo__tree_number(event, "mean", mean);
    auxo__tree_number(event, "std", std);
    cli_emit(output, event);
}

static auxo_status report_channels(cli_output *output, const auxo_dataset *dataset, auxo_error *error)
{
    size_t count = (size_t)dataset->channels;
    double *means = calloc(2 * count + 1, sizeof *means);
    if (!means)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %zu columns", count);
    double *stds = means + count;
    const auxo_status status = auxo_dataset_column_summary(dataset, means, stds, error);
    if (status != AUXO_OK) {
        free(means);
        return status;
    }
    cli_table *table = cli_table_create("COLUMN|>MEAN|>STD");
    for (size_t i = 0; i < count; i++) {
        char number[32];
        snprintf(number, sizeof number, "channel %zu", i);
        const char *name = dataset->feature_names ? dataset->feature_names[i] : number;
        report_column(output, table, "column", name, means[i], stds[i]);
    }
    cli_table_print(output, table);
    free(means);
    return AUXO_OK;
}

static auxo_status report_targets(cli_output *output, const auxo_dataset *dataset, auxo_error *error)
{
    size_t count = dataset->target_count;
    double *means = calloc(2 * count + 1, sizeof *means);
    if (!means)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %zu targets", count);
    const auxo_status status = auxo_dataset_target_summary(dataset, means, means + count, error);
    if (status != AUXO_OK) {
        free(means);
        return status;
    }
    cli_table *table = cli_table_create("TARGET|>MEAN|>STD");
    for (size_t i = 0; i < count; i++)
        report_column(output, table, "target", dataset->target_names ? dataset->target_names[i] : "", means[i],
                      means[count + i]);
    cli_table_print(output, table);
    free(means);
    return AUXO_OK;
}

/* Named sets that drop rows with gaps in training show them here. */
static auxo_status report_gaps(cli_output *output, const auxo_dataset *dataset, auxo_error *error)
{
    const size_t width = (size_t)(dataset->channels * dataset->height * dataset->width);
    if (dataset->feature_type != AUXO_FEATURES_F32)
        return AUXO_OK;
    float *values = malloc(width * sizeof *values);
    const auxo_row_block block = {.features = values};
    size_t gaps = 0;
    auxo_status status = values ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for a row");
    for (size_t row = 0; row < dataset->row_count && status == AUXO_OK; row++) {
        status = auxo_dataset_read(dataset, NULL, row, 1, &block, error);
        for (size_t i = 0; i < width && status == AUXO_OK; i++)
            gaps += isnan(values[i]);
    }
    free(values);
    if (status == AUXO_OK && gaps > 0)
        cli_print(output, "%zu of the %zu inputs are missing values; training needs --missing drop or mean\n", gaps,
                  dataset->row_count * width);
    cJSON *event = gaps > 0 ? cli_event(output, "missing") : NULL;
    auxo__tree_number(event, "inputs", (double)gaps);
    cli_emit(output, event);
    return status;
}

static auxo_status report_train(cli_output *output, const auxo_dataset *train, const auxo_dataset *test,
                                auxo_error *error)
{
    report_split(output, "train", train);
    auxo_status status = report_gaps(output, train, error);
    if (test)
        report_split(output, "test", test);
    if (status == AUXO_OK && train->target_type == AUXO_TARGET_CLASS)
        status = report_classes(output, train, error);
    if (status == AUXO_OK)
        status = report_channels(output, train, error);
    return status == AUXO_OK && train->target_type == AUXO_TARGET_REAL ? report_targets(output, train, error) : status;
}

static auxo_status run_info(const cli_context *context, auxo_error *error)
{
    auxo_dataset *train = NULL, *test = NULL;
    const char *name = cli_operand(context->arguments, 0);
    const auxo_data_request request = {
        .name = name, .seed = cli_integer(context->arguments, "seed"), .keep_gaps = true, .map = true};
    auxo_status status = cli_data_load(context, &request, &train, &test, error);
    if (status != AUXO_OK)
        return status;
    status = report_train(context->output, train, test, error);
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_text(result, "name", train->name);
    auxo__tree_number(result, "train_rows", (double)train->row_count);
    auxo__tree_number(result, "test_rows", test ? (double)test->row_count : 0);
    if (status == AUXO_OK)
        cli_emit(context->output, result);
    else
        cJSON_Delete(result);
    auxo_dataset_destroy(train);
    auxo_dataset_destroy(test);
    return status;
}

static const cli_option *const info_options[] = {cli_data_options, cli_seed_options, cli_common_options, NULL};

const cli_command cli_command_data_info = {
    .name = "data info",
    .operands = "[NAME|FILE]",
    .operand_max = 1,
    .summary = "show the size, classes and columns of a data set",
    .description = "Load a data set, and show its splits, its classes with their rows, and the mean and "
                   "standard deviation of each column or channel (bytes scaled to 0..1), missing values left out.",
    .events = "{\"event\":\"split\",\"split\":\"train\",\"rows\":..,\"channels\":..,\"height\":..,\"width\":..,"
              "\"outputs\":..,..}\n"
              "{\"event\":\"class\",\"class\":0,\"name\":..,\"rows\":..}\n"
              "{\"event\":\"column\",\"name\":..,\"mean\":..,\"std\":..}\n"
              "{\"event\":\"target\",\"name\":..,\"mean\":..,\"std\":..}\n"
              "{\"event\":\"result\",\"name\":..,\"train_rows\":..,\"test_rows\":..}",
    .examples = "auxo data info fashion-mnist\nauxo data info measurements.csv --targets temperature",
    .options = info_options,
    .run = run_info,
};

/* ---- fetch ------------------------------------------------------------------------------------------------------- */

/* The download script: beside the installed program, or in the source tree that this program was built from. */
static bool find_script(char *path, size_t size)
{
    char program[PATH_SIZE / 2];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length > 0) {
        program[length] = '\0';
        char *slash = strrchr(program, '/');
        if (slash) {
            *slash = '\0';
            snprintf(path, size, "%s/../share/auxo/fetch.sh", program);
            if (access(path, R_OK) == 0)
                return true;
            snprintf(path, size, "%s/share/auxo/fetch.sh",
                     program); /* in the folder of a build: a link to the sources */
            return access(path, R_OK) == 0;
        }
    }
    return false;
}

/* Where the script puts the sets: what would be searched first. */
static bool find_target(const cli_context *context, char *path, size_t size)
{
    const char *given = cli_text(context->arguments, "data-dir"), *variable = getenv("AUXO_DATA_DIR");
    const char *home = getenv("HOME");
    if (given || (variable && *variable))
        snprintf(path, size, "%s", given ? given : variable);
    else if (home && *home)
        snprintf(path, size, "%s/.cache/auxo", home);
    else
        return false;
    return true;
}

static auxo_status run_script(const char *script, const char *target, const char *name, auxo_error *error)
{
    pid_t child = fork();
    if (child < 0)
        return auxo_error_set(error, AUXO_IO, "cannot start %s: %s", script, strerror(errno));
    if (child == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO); /* standard output stays ours: it may carry JSON */
        execl("/bin/sh", "sh", script, "--data-dir", target, name, (char *)NULL);
        _exit(127);
    }
    int result = 0;
    while (waitpid(child, &result, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
        return auxo_error_set(error, AUXO_IO, "%s could not be fetched into %s; the lines above say why", name, target);
    return AUXO_OK;
}

static auxo_status run_fetch(const cli_context *context, auxo_error *error)
{
    char script[PATH_SIZE], target[PATH_SIZE];
    const char *name = cli_operand(context->arguments, 0);
    if (!find_script(script, sizeof script))
        return auxo_error_set(error, AUXO_NOT_FOUND, "the download script %s is missing", script);
    if (!find_target(context, target, sizeof target))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no folder to put the data in; give --data-dir DIR");
    auxo_status status = run_script(script, target, name, error);
    if (status != AUXO_OK)
        return status;
    cli_print(context->output, "%s is in %s\n", name, target);
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_text(result, "name", name);
    auxo__tree_text(result, "data_dir", target);
    cli_emit(context->output, result);
    return AUXO_OK;
}

const cli_command cli_command_data_fetch = {
    .name = "data fetch",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "download a named data set and verify its files",
    .description = "Download the files of a data set from its home, verify their SHA-256 and lay them out in the data "
                   "folder. Needs a network, and curl or wget. Generated data sets need no files.",
    .events = "{\"event\":\"result\",\"name\":..,\"data_dir\":..}",
    .examples = "auxo data fetch fashion-mnist",
    .options = list_options,
    .run = run_fetch,
};
