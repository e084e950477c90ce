/* runtime/cli/sizing/sizing_job.c: budgets and checkpoints of the commands that size networks over many trainings. */
#include "sizing_job.h"

#include "cli_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

const cli_option sizing_budget_options[] = {
    {.name = "budget-flops",
     .type = CLI_REAL,
     .argument = "N",
     .help = "Budget: FLOPs of the convolutions and matrix products of one row's forward pass",
     .minimum = 1,
     .maximum = 1e18},
    {.name = "budget-params",
     .type = CLI_REAL,
     .argument = "N",
     .help = "Budget: weights of convolutions and matrix products, instead of FLOPs",
     .minimum = 1,
     .maximum = 1e15},
    {.name = "budget-latency",
     .type = CLI_REAL,
     .argument = "MS",
     .help = "Budget: milliseconds of one inference, measured on --device, instead of FLOPs",
     .minimum = 1e-6,
     .maximum = 1e9},
    {.name = "latency-batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Rows of the inference that --budget-latency measures",
     .minimum = 1,
     .maximum = 65536},
    CLI_OPTIONS_END,
};

auxo_status sizing_budget_read(const cli_arguments *arguments, double limit, auxo_budget *budget, auxo_error *error)
{
    static const char *const names[] = {"budget-flops", "budget-params", "budget-latency"};
    const double scales[] = {1, 1, 1e6};
    int given = -1;
    for (int i = 0; i < 3; i++) {
        if (!cli_given(arguments, names[i]))
            continue;
        if (given >= 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s and --%s: give one budget", names[given],
                                  names[i]);
        given = i;
    }
    *budget = (auxo_budget){.resource = given < 0 ? AUXO_RESOURCE_FLOPS : (auxo_resource)given,
                            .limit = given < 0 ? limit : scales[given] * cli_real(arguments, names[given]),
                            .batch = (uint32_t)cli_integer(arguments, "latency-batch")};
    return AUXO_OK;
}

const char *sizing_unit(const auxo_budget *budget, double *divisor)
{
    static const char *const units[] = {"FLOPs", "weights", "ms"};
    *divisor = budget->resource == AUXO_RESOURCE_LATENCY ? 1e6 : 1;
    return units[budget->resource];
}

const char *sizing_format_cost(char *text, size_t size, const auxo_budget *budget, double cost)
{
    double divisor;
    const char *unit = sizing_unit(budget, &divisor);
    snprintf(text, size, "%.4g %s", cost / divisor, unit);
    return text;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

char *sizing_settings(const cli_context *context)
{
    /* Where results go and how they are shown may change between runs; everything else shapes them. */
    static const char *const free_options[] = {"help",          "json",       "log",         "checkpoint",  "resume",
                                               "report",        "log-every",  "data-dir",    "save",        "trace",
                                               "architectures", "time-limit", "evaluations", "generations", NULL};
    cJSON *settings = cJSON_CreateObject();
    for (const cli_option *const *table = context->command->options; *table; table++)
        for (const cli_option *option = *table; option->name; option++) {
            bool shapes = true;
            for (size_t i = 0; free_options[i]; i++)
                shapes = shapes && strcmp(free_options[i], option->name) != 0;
            const char *text = cli_text(context->arguments, option->name);
            if (shapes)
                cJSON_AddStringToObject(settings, option->name, text ? text : "");
        }
    char *text = cJSON_PrintUnformatted(settings);
    cJSON_Delete(settings);
    return text;
}

auxo_status sizing_write_text(const char *path, const char *text, auxo_error *error)
{
    char temporary[PATH_BYTES + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = fopen(temporary, "wb");
    if (!file)
        return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", temporary, strerror(errno));
    bool ok = fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    ok = fclose(file) == 0 && ok;
    if (ok && rename(temporary, path) == 0)
        return AUXO_OK;
    int reason = errno;
    remove(temporary);
    return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", path, strerror(reason));
}

/* The whole file as a text; NULL if it cannot be read. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    bool ok = text && fseek(file, 0, SEEK_SET) == 0 && fread(text, 1, (size_t)size, file) == (size_t)size;
    if (file)
        fclose(file);
    if (ok)
        text[size] = '\0';
    else
        free(text);
    return ok ? text : NULL;
}

static void model_path(char *text, const char *path, uint32_t generation, const char *name)
{
    snprintf(text, PATH_BYTES, "%s.%u.%s.safetensors", path, generation, name);
}

/* Generation of the checkpoint at `path`; 0 if there is none. */
static uint32_t current_generation(const char *path)
{
    char *text = read_text(path);
    cJSON *state = text ? cJSON_Parse(text) : NULL;
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(state, "generation");
    uint32_t generation = cJSON_IsNumber(number) ? (uint32_t)number->valuedouble : 0;
    cJSON_Delete(state);
    free(text);
    return generation;
}

auxo_status sizing_checkpoint_save(const cli_context *context, cJSON *state, const sizing_model *models, size_t count,
                                   auxo_error *error)
{
    const char *path = cli_text(context->arguments, "checkpoint");
    if (!path)
        return AUXO_OK;
    uint32_t previous = current_generation(path), generation = previous + 1;
    char name[PATH_BYTES];
    auxo_status status = AUXO_OK;
    cJSON *list = cJSON_AddArrayToObject(state, "models");
    cJSON_AddNumberToObject(state, "generation", generation);
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        if (!models[i].model)
            continue;
        model_path(name, path, generation, models[i].name);
        status = auxo_model_save(models[i].model, name, error);
        cJSON_AddItemToArray(list, cJSON_CreateString(models[i].name));
    }
    char *text = cJSON_PrintUnformatted(state);
    if (status == AUXO_OK && !text)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "checkpoint: out of memory");
    if (status == AUXO_OK)
        status = sizing_write_text(path, text, error);
    cJSON_free(text);
    for (size_t i = 0; i < count; i++) {
        model_path(name, path, status == AUXO_OK ? previous : generation, models[i].name);
        remove(name);
    }
    if (status != AUXO_OK)
        return status;
    cJSON *event = cli_event(context->output, "checkpoint");
    cJSON_AddStringToObject(event, "path", path);
    cli_emit(context->output, event);
    return AUXO_OK;
}

static bool names_model(const cJSON *state, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "models"))
    {
        const char *text = cJSON_GetStringValue(item);
        if (text && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

/* Names the first option that differs. */
static auxo_status compare_settings(const char *path, const cJSON *state, const char *settings, auxo_error *error)
{
    const char *saved_text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(state, "settings"));
    cJSON *saved = saved_text ? cJSON_Parse(saved_text) : NULL, *now = cJSON_Parse(settings);
    const cJSON *item;
    auxo_status status = AUXO_OK;
    if (!saved)
        status = auxo_error_set(error, AUXO_FORMAT, "--resume: %s is no checkpoint of this command", path);
    cJSON_ArrayForEach(item, now)
    {
        const char *before = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(saved, item->string));
        if (status == AUXO_OK && strcmp(before ? before : "", item->valuestring) != 0)
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                    "--resume: %s was made with --%s \"%s\", not \"%s\"; give the same options", path,
                                    item->string, before ? before : "", item->valuestring);
    }
    cJSON_Delete(saved);
    cJSON_Delete(now);
    return status;
}

auxo_status sizing_checkpoint_load(const cli_context *context, auxo_device *device, const char *settings, cJSON **state,
                                   sizing_model *models, size_t count, auxo_error *error)
{
    const char *path = cli_text(context->arguments, "checkpoint");
    *state = NULL;
    auxo_status status = cli_check_writable("checkpoint", path, error);
    if (status != AUXO_OK || !cli_flag(context->arguments, "resume"))
        return status;
    if (!path)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--resume needs --checkpoint FILE to continue from");
    if (access(path, F_OK) != 0) {
        cli_note(context->output, "no checkpoint at %s yet; starting anew", path);
        return AUXO_OK;
    }
    char *text = read_text(path);
    *state = text ? cJSON_Parse(text) : NULL;
    free(text);
    if (!*state)
        return auxo_error_set(error, AUXO_FORMAT, "--resume: %s is no checkpoint of this command", path);
    status = compare_settings(path, *state, settings, error);
    uint32_t generation = current_generation(path);
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        char name[PATH_BYTES];
        model_path(name, path, generation, models[i].name);
        if (names_model(*state, models[i].name))
            status = auxo_model_load(device, name, &models[i].model, error);
    }
    return status;
}
