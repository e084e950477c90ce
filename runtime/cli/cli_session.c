/* runtime/cli/cli_session.c: opens runtimes and devices by the shared options, and what concerns the process. Data:
 * cli_data.c. */
#include "cli_session.h"

#include "auxo/plan.h"
#include "cli_cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

const cli_option cli_precision_options[] = {
    {.name = "precision",
     .type = CLI_CHOICE,
     .argument = "f32|bf16|f16|auto",
     .initial = "f32",
     .help =
         "What networks compute in: f32; or operands and activations of 16 bits, with sums and weights in f32; auto "
         "takes 16 bits where the device has matrix units for them"},
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
    auxo_backends *backends = NULL;
    auxo_status status = auxo_backends_load(&backends, error);
    if (status != AUXO_OK)
        return status;
    options.backends = auxo_backends_list(backends, &options.backend_count);
    options.missing = auxo_backends_missing(backends, &options.missing_count);
    options.thread_count = find_thread_count(context);
    if (options.thread_count == 0)
        options.thread_count = cli_cluster_threads(context->cluster);
    options.cache_dir = auxo_cache_folder(cache, sizeof cache) ? cache : NULL;
    status = auxo_runtime_create(&options, runtime, error);
    auxo_backends_unload(backends);
    return status;
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

auxo_status cli_session_set_precision(const cli_context *context, const cli_session *session, auxo_error *error)
{
    auxo_precision precision = AUXO_PRECISION_DEFAULT;
    const auxo_status status = auxo_precision_parse(cli_text(context->arguments, "precision"), &precision, error);
    return status == AUXO_OK ? auxo_device_set_precision(session->device, precision, error) : status;
}

void cli_session_close(cli_session *session)
{
    auxo_device_close(session->device);
    auxo_runtime_destroy(session->runtime);
    *session = (cli_session){0};
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

size_t cli_split_list(char *text, char **items, size_t capacity)
{
    size_t count = 0;
    for (char *rest = text, *item; count < capacity && (item = strtok_r(rest, ",", &rest)) != NULL;)
        items[count++] = item;
    return count;
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
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: cannot write to folder %s: %s", option, folder,
                              strerror(errno));
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: %s is a folder; a file is needed", option, path);
    return AUXO_OK;
}

auxo_status cli_write_file(const char *option, const char *path, cli_file_writer *write, void *user, auxo_error *error)
{
    char temporary[1100];
    snprintf(temporary, sizeof temporary, "%s.partial", path);
    FILE *stream = fopen(temporary, "w");
    if (!stream)
        return auxo_error_set(error, AUXO_IO, "--%s: cannot write %s: %s", option, temporary, strerror(errno));
    const auxo_status status = write(user, stream, error);
    bool failed = fflush(stream) != 0 || ferror(stream) || fsync(fileno(stream)) != 0;
    failed = fclose(stream) != 0 || failed;
    if (status == AUXO_OK && !failed && rename(temporary, path) == 0)
        return AUXO_OK;
    int reason = errno;
    unlink(temporary);
    return status == AUXO_OK
               ? auxo_error_set(error, AUXO_IO, "--%s: cannot write %s: %s", option, path, strerror(reason))
               : status;
}

uint64_t cli_peak_host_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
