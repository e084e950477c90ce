/* runtime/cli/survival/survival_checkpoint.c: saving and resuming survival training. The state itself is
 * auxo_trainer_save's. */
#include "survival_checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const cli_option survival_checkpoint_options[] = {
    {.name = "checkpoint",
     .type = CLI_TEXT,
     .argument = "FILE",
     .help = "Save the whole training state here every --checkpoint-every epochs, at the end, and when interrupted"},
    {.name = "checkpoint-every",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Epochs between checkpoints",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "resume",
     .type = CLI_FLAG,
     .help = "Continue from --checkpoint; the options that shape the run must be those of the first run"},
    CLI_OPTIONS_END,
};

static const char *const fixed_settings[] = {
    "data",      "time",          "event",      "event-level", "group",     "site",      "inputs",          "missing",
    "limit",     "test-fraction", "model",      "ties",        "reduction", "domain",    "domain-strength", "batch",
    "optimizer", "seed",          "train-site", "categorical", "na-values", "delimiter", "decimal",         "thousands",
    "comment",   "no-header"};
enum { FIXED_SETTING_COUNT = sizeof fixed_settings / sizeof fixed_settings[0] };

auxo_status survival_checkpoint_find(const cli_context *context, const char **path, auxo_error *error)
{
    const char *checkpoint = cli_text(context->arguments, "checkpoint");
    *path = NULL;
    if (cli_flag(context->arguments, "resume")) {
        if (!checkpoint)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--resume needs --checkpoint FILE to continue from");
        /* A crash may leave the first state without its model under the final name: the state is the commit. */
        char state[4104];
        snprintf(state, sizeof state, "%.4096s.state", checkpoint);
        if (access(checkpoint, F_OK) == 0 || access(state, F_OK) == 0)
            *path = checkpoint;
        else
            cli_note(context->output, "no checkpoint at %s yet; starting at epoch 1", checkpoint);
    }
    return cli_check_writable("checkpoint", checkpoint, error);
}

static const char *setting(const cli_context *context, const char *name)
{
    const char *text = cli_text(context->arguments, name);
    return text ? text : "";
}

auxo_status survival_checkpoint_restore(const cli_context *context, const char *path, auxo_trainer *trainer,
                                        auxo_error *error)
{
    char *extra = NULL;
    auxo_status status = auxo_trainer_restore(trainer, path, &extra, error);
    cJSON *root = status == AUXO_OK && extra ? cJSON_Parse(extra) : NULL;
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(root, "survival_settings");
    if (status == AUXO_OK && !settings)
        status = auxo_error_set(error, AUXO_FORMAT, "--resume: %s was not written by auxo survival train", path);
    for (size_t i = 0; i < FIXED_SETTING_COUNT && status == AUXO_OK; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(settings, fixed_settings[i]);
        const char *saved = cJSON_IsString(item) ? item->valuestring : "";
        if (strcmp(saved, setting(context, fixed_settings[i])) != 0)
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                    "--resume: %s was made with --%s \"%s\", not \"%s\"; give the same options", path,
                                    fixed_settings[i], saved, setting(context, fixed_settings[i]));
    }
    cJSON_Delete(root);
    free(extra);
    return status;
}

auxo_status survival_checkpoint_save(const cli_context *context, auxo_trainer *trainer, auxo_error *error)
{
    const char *path = cli_text(context->arguments, "checkpoint");
    if (!path)
        return AUXO_OK;
    cJSON *root = cJSON_CreateObject();
    cJSON *settings = cJSON_AddObjectToObject(root, "survival_settings");
    for (size_t i = 0; i < FIXED_SETTING_COUNT; i++)
        cJSON_AddStringToObject(settings, fixed_settings[i], setting(context, fixed_settings[i]));
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (!text)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "checkpoint: out of memory");
    auxo_status status = auxo_trainer_save(trainer, path, text, error);
    cJSON_free(text);
    cJSON *event = status == AUXO_OK ? cli_event(context->output, "checkpoint") : NULL;
    cJSON_AddStringToObject(event, "path", path);
    cJSON_AddNumberToObject(event, "epoch", auxo_trainer_epoch(trainer));
    cli_emit(context->output, event);
    return status;
}
