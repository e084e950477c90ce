/* runtime/cli/cmd_run.c: methods as commands: options into settings, a loop over steps, events out; and "auxo run
 * FILE", which takes the method and its settings from a file.
 */
#include "cli_cluster.h"
#include "cli_session.h"
#include "cli_workers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option config_options[] = {
    CLI_THREADS_OPTION,
    {.name = "config",
     .type = CLI_TEXT,
     .argument = "FILE.json",
     .help = "Read settings from a JSON object of them; those given as options win",
     .role = AUXO_SETTING_FREE},
    CLI_OPTIONS_END,
};

typedef struct listening {
    const cli_context *context;
    cli_progress progress;
    auxo_run *run; /* NULL while it is being opened */
    double start_share;
    bool shows_steps;
} listening;

static void listen(void *user, const auxo_event *event)
{
    listening *own = user;
    cli_output *output = own->context->output;
    bool transient = (event->type->flags & AUXO_EVENT_TRANSIENT) != 0, json = cli_output_is_json(output);
    bool line_only = (event->type->flags & AUXO_EVENT_LINE_ONLY) != 0;
    if (json ? !line_only : !transient || own->shows_steps)
        cli_event_listen(output, event);
    if (!transient || !own->run)
        return;
    char *line = NULL;
    if (auxo_event_line(event, &line, NULL) == AUXO_OK && line)
        cli_progress_share(&own->progress, auxo_run_progress(own->run), own->start_share, line);
    free(line);
}

/* Every step of a run under --json is an event; people see some of them on the progress line. */
static auxo_status choose_log_every(const cli_context *context, auxo_settings *settings, auxo_error *error)
{
    if (!auxo_settings_find(settings, "log-every") || auxo_settings_given(settings, "log-every") ||
        !cli_output_is_json(context->output))
        return AUXO_OK;
    return auxo_settings_set(settings, "log-every", "1", error);
}

/* A message of the library that begins with the name of a setting speaks of that option. */
static auxo_status name_option(const cli_context *context, auxo_status status, auxo_error *error)
{
    size_t length = strcspn(error->message, ": ");
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), error->message);
    if (!name[0] || !auxo_settings_find(cli_arguments_settings(context->arguments), name))
        return status;
    auxo_error named = *error;
    return auxo_error_set(error, status, "--%.500s", named.message);
}

static auxo_status step_until_done(listening *own, auxo_error *error)
{
    bool done = false;
    auxo_status status = AUXO_OK;
    double share = auxo_run_progress(own->run);
    own->start_share = isfinite(share) ? share : 0;
    cli_progress_begin(&own->progress, own->context->output, "", 0, 0);
    while (status == AUXO_OK && !done)
        status = auxo_run_step(own->run, &done, error);
    return status == AUXO_OK ? auxo_run_finish(own->run, error) : status;
}

/* Workers do the steps; this process looks at what came out, and tells it. */
static auxo_status step_by_workers(const cli_context *context, listening *own, auxo_error *error)
{
    bool stopped = false, done = false;
    auxo_status status = cli_workers_run(context, cli_arguments_settings(context->arguments), &stopped, error);
    if (status == AUXO_OK)
        status = auxo_run_step(own->run, &done, error);
    if (status == AUXO_OK && !(stopped && !auxo_run_model(own->run)))
        status = auxo_run_finish(own->run, error);
    if (status == AUXO_OK && stopped)
        status = auxo_error_set(error, AUXO_INTERRUPTED,
                                "interrupted; what the workers had begun waits in the study for the next");
    return status;
}

/* A file that names a method is for that method alone. */
static auxo_status load_config(const cli_context *context, const char *path, auxo_error *error)
{
    const auxo_method *method = NULL;
    auxo_status status = auxo_settings_file_method(path, &method, error);
    if (status == AUXO_OK && method && method != context->command->method)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s holds settings of \"%s\", not of \"%s\"", path,
                                auxo_method_describe(method).name, context->command->name);
    return status == AUXO_OK ? auxo_settings_load(cli_arguments_settings(context->arguments), path, error) : status;
}

static auxo_status run_method(const cli_context *context, auxo_error *error)
{
    auxo_runtime *runtime = NULL;
    auxo_settings *settings = cli_arguments_settings(context->arguments);
    listening own = {.context = context, .shows_steps = cli_given(context->arguments, "log-every")};
    auxo_run_options options;
    auxo_run_options_init(&options);
    const char *config = cli_text(context->arguments, "config");
    auxo_status status = config ? load_config(context, config, error) : AUXO_OK;
    const char *operand = cli_operand(context->arguments, 0);
    if (status == AUXO_OK && operand)
        status = auxo_settings_set(settings, auxo_method_describe(context->command->method).operand, operand, error);
    const bool workers = !context->cluster && cli_workers_wanted(context);
    if (status == AUXO_OK)
        status = cli_cluster_device(context->cluster, settings, error);
    if (status == AUXO_OK && workers)
        status = cli_workers_check(context, settings, error);
    if (status == AUXO_OK)
        status = choose_log_every(context, settings, error);
    if (status == AUXO_OK)
        status = cli_runtime_open(context, &runtime, error);
    options.runtime = runtime;
    options.listener = listen;
    options.listener_user = &own;
    options.stop = workers ? NULL : context->cluster ? auxo_cluster_stop(context->cluster) : context->stop;
    options.cluster = context->cluster;
    options.look_only = workers;
    options.command = context->command_line;
    if (status == AUXO_OK)
        status = auxo_run_open(context->command->method, settings, &options, &own.run, error);
    if (status == AUXO_OK)
        status = workers ? step_by_workers(context, &own, error) : step_until_done(&own, error);
    *context->resumable = status == AUXO_INTERRUPTED &&
                          (auxo_settings_text(settings, "checkpoint") || auxo_settings_text(settings, "study"));
    auxo_run_close(own.run);
    auxo_runtime_destroy(runtime);
    return status == AUXO_OK ? status : name_option(context, status, error);
}

static bool has_study(const auxo_setting *const *tables)
{
    for (; *tables; tables++)
        for (const auxo_setting *s = *tables; s->name; s++)
            if (strcmp(s->name, "study") == 0)
                return true;
    return false;
}

auxo_status cli_method_command(const auxo_method *method, cli_command *command, auxo_error *error)
{
    const auxo_method_info info = auxo_method_describe(method);
    size_t count = 0;
    while (info.settings[count])
        count++;
    const cli_option **tables = calloc(count + 5, sizeof *tables);
    if (!tables)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory at start");
    memcpy(tables, info.settings, count * sizeof *tables);
    if (has_study(info.settings))
        tables[count++] = cli_worker_options;
    tables[count] = config_options;
    tables[count + 1] = cli_cluster_options;
    tables[count + 2] = cli_common_options;
    *command = (cli_command){.name = info.name,
                             .operands = info.operand ? "[FILE]" : NULL,
                             .operand_max = info.operand ? 1 : 0,
                             .summary = info.summary,
                             .description = info.description,
                             .examples = info.examples,
                             .options = tables,
                             .run = run_method,
                             .method = method,
                             .defaults = info.defaults};
    return AUXO_OK;
}

void cli_method_command_deinit(cli_command *command)
{
    free((void *)command->options);
}

/* ---- auxo run ---------------------------------------------------------------------------------------------------- */

auxo_status cli_run_file_words(const cli_command_list *list, int count, char *const *words, char ***expanded,
                               const cli_command **command, auxo_error *error)
{
    static char config[] = "--config";
    const auxo_method *method = NULL;
    *expanded = NULL;
    auxo_status status = auxo_settings_file_method(words[0], &method, error);
    if (status == AUXO_OK && !method)
        status = auxo_error_set(error, AUXO_FORMAT, "%s names no method (\"method\": \"train\")", words[0]);
    for (size_t i = 0; i < list->count && status == AUXO_OK; i++)
        if (list->commands[i].method == method)
            *command = &list->commands[i];
    if (status == AUXO_OK) {
        *expanded = calloc((size_t)count + 1, sizeof **expanded);
        if (!*expanded)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory at start");
    }
    if (status != AUXO_OK)
        return status;
    (*expanded)[0] = config;
    for (int i = 0; i < count; i++)
        (*expanded)[i + 1] = words[i];
    return AUXO_OK;
}

/* main.c takes "auxo run FILE" apart before this; what arrives here has no file. */
static auxo_status run_file(const cli_context *context, auxo_error *error)
{
    (void)context;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "auxo run takes FILE.json first, then options; see auxo help run");
}

static const cli_option *const file_tables[] = {cli_common_options, NULL};

const cli_command cli_command_run = {
    .name = "run",
    .operands = "FILE.json",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "run the method that a file of settings names",
    .description = "FILE.json is a JSON object with the name of a method as \"method\" and any of its settings by "
                   "their names without dashes: {\"method\": \"train\", \"data\": \"glyphs\", \"epochs\": 5}. Options "
                   "after the file are those of the method; they win over the file.",
    .examples = "auxo run settings.json\nauxo run settings.json --device opencl --epochs 10",
    .options = file_tables,
    .run = run_file,
};
