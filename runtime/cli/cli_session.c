/* runtime/cli/cli_session.c: opens runtimes, devices and data sets by the shared options. */
#include "cli_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COLUMNS_MAX = 256 };

const cli_option cli_device_options[] = {
    {.name = "device",
     .type = CLI_TEXT,
     .argument = "DEVICE",
     .initial = "auto",
     .help = "Device to run on: cpu, opencl:0, vulkan:1, a backend with part of a name (vulkan:radeon), or auto; "
             "\"auxo devices\" lists those of this machine"},
    CLI_THREADS_OPTION,
    CLI_OPTIONS_END,
};

const cli_option cli_data_options[] = {
    {.name = "data",
     .type = CLI_TEXT,
     .argument = "NAME|FILE",
     .initial = "glyphs",
     .help = "Data set: a name of \"auxo data list\", or a .csv file"},
    {.name = "data-dir",
     .type = CLI_TEXT,
     .argument = "DIR",
     .help = "Folder that holds one folder per data set (default: AUXO_DATA_DIR, then ~/.cache/auxo)"},
    {.name = "limit",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "0",
     .help = "Use the first N rows of each split; 0: all"},
    {.name = "drop-missing", .type = CLI_FLAG, .help = "Drop table rows with missing values instead of refusing them"},
    {.name = "allow-missing-files",
     .type = CLI_FLAG,
     .help = "Go on without those training files of a set that are not there, and say which"},
    {.name = "inputs",
     .type = CLI_TEXT,
     .argument = "A,B,...",
     .help = "Table columns to read as inputs (default: all but the targets)"},
    {.name = "targets",
     .type = CLI_TEXT,
     .argument = "A,B,...",
     .help = "Table columns to predict (default: the last)"},
    CLI_OPTIONS_END,
};

const cli_option cli_seed_options[] = {
    {.name = "seed",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Seed of everything random; the same seed on the same device gives the same numbers"},
    CLI_OPTIONS_END,
};

/* ---- runtime and device ------------------------------------------------------------------------------------------ */

/* AUXO_CACHE_DIR, else the user's cache folder; the runtime creates it, and logs if it cannot. False without a home. */
static bool find_cache_folder(char *path, size_t size)
{
    const char *own = getenv("AUXO_CACHE_DIR"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own)
        snprintf(path, size, "%s", own);
    else if (cache && *cache)
        snprintf(path, size, "%s/auxo/kernels", cache);
    else if (home && *home)
        snprintf(path, size, "%s/.cache/auxo/kernels", home);
    else
        return false;
    return true;
}

/* What --threads says, for commands that have it. */
static uint32_t find_thread_count(const cli_context *context)
{
    for (const cli_option *const *table = context->command->options; *table; table++)
        for (const cli_option *option = *table; option->name; option++)
            if (strcmp(option->name, "threads") == 0)
                return (uint32_t)cli_integer(context->arguments, "threads");
    return 0;
}

auxo_status cli_runtime_open(const cli_context *context, auxo_runtime **runtime, auxo_error *error)
{
    char cache[1024];
    auxo_runtime_options options = {.log = cli_log, .log_user = context->output};
    options.backends = auxo_builtin_backends(&options.backend_count);
    options.thread_count = find_thread_count(context);
    options.cache_dir = find_cache_folder(cache, sizeof cache) ? cache : NULL;
    return auxo_runtime_create(&options, runtime, error);
}

auxo_status cli_session_open_device(const cli_context *context, const char *selector, cli_session *session,
                                    auxo_error *error)
{
    *session = (cli_session){0};
    auxo_status status = cli_runtime_open(context, &session->runtime, error);
    if (status == AUXO_OK)
        status = auxo_device_open(session->runtime, selector, &session->device, error);
    return status;
}

auxo_status cli_session_open(const cli_context *context, cli_session *session, auxo_error *error)
{
    return cli_session_open_device(context, cli_text(context->arguments, "device"), session, error);
}

void cli_session_close(cli_session *session)
{
    auxo_device_close(session->device);
    auxo_runtime_destroy(session->runtime);
    *session = (cli_session){0};
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

size_t cli_split_list(char *text, char **items, size_t capacity)
{
    size_t count = 0;
    for (char *rest = text, *item; count < capacity && (item = strtok_r(rest, ",", &rest)) != NULL;)
        items[count++] = item;
    return count;
}

static void read_columns(const char *text, char *copy, size_t size, char **names, size_t *count)
{
    snprintf(copy, size, "%s", text ? text : "");
    *count = cli_split_list(copy, names, COLUMNS_MAX);
}

auxo_status cli_data_load_named(const cli_context *context, const char *name, uint64_t seed, auxo_dataset **train,
                                auxo_dataset **test, auxo_error *error)
{
    const cli_arguments *arguments = context->arguments;
    char input_text[4096], target_text[4096];
    char *inputs[COLUMNS_MAX], *targets[COLUMNS_MAX];
    auxo_data_options options = {
        .data_dir = cli_text(arguments, "data-dir"),
        .seed = seed,
        .limit = cli_integer(arguments, "limit"),
        .drop_missing = cli_flag(arguments, "drop-missing"),
        .allow_missing_files = cli_flag(arguments, "allow-missing-files"),
    };
    read_columns(cli_text(arguments, "inputs"), input_text, sizeof input_text, inputs, &options.input_column_count);
    read_columns(cli_text(arguments, "targets"), target_text, sizeof target_text, targets,
                 &options.target_column_count);
    options.input_columns = options.input_column_count ? (const char *const *)inputs : NULL;
    options.target_columns = options.target_column_count ? (const char *const *)targets : NULL;
    auxo_status status = auxo_dataset_load(name, &options, train, test, error);
    if (status == AUXO_OK && *train && (*train)->note[0])
        cli_note(context->output, "%s", (*train)->note);
    return status;
}

auxo_status cli_data_load(const cli_context *context, uint64_t seed, auxo_dataset **train, auxo_dataset **test,
                          auxo_error *error)
{
    return cli_data_load_named(context, cli_text(context->arguments, "data"), seed, train, test, error);
}

uint32_t cli_data_output_count(const auxo_dataset *dataset)
{
    switch (dataset->target_type) {
    case AUXO_TARGET_CLASS:
        return dataset->class_count;
    case AUXO_TARGET_REAL:
        return dataset->target_count;
    case AUXO_TARGET_SURVIVAL:
        return 1;
    }
    return 0;
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

auxo_status cli_check_writable(const char *option, const char *path, auxo_error *error)
{
    if (!path)
        return AUXO_OK;
    char folder[1024];
    const char *slash = strrchr(path, '/');
    struct stat info;
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (slash == path)
        snprintf(folder, sizeof folder, "/");
    if (stat(folder, &info) != 0 || access(folder, W_OK) != 0)
        return auxo_error_set(error, AUXO_IO, "--%s: cannot write to folder %s: %s", option, folder, strerror(errno));
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return auxo_error_set(error, AUXO_IO, "--%s: %s is a folder; a file is needed", option, path);
    return AUXO_OK;
}

uint64_t cli_peak_host_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
