/* runtime/cli/cmd_version.c: auxo version, also as auxo --version. */
#include "auxo/backend.h"
#include "commands.h"

#include <stdio.h>

static auxo_status run(const cli_context *context, auxo_error *error)
{
    size_t count = 0;
    auxo_backends *loaded = NULL;
    auxo_status status = auxo_backends_load(&loaded, error);
    if (status != AUXO_OK)
        return status;
    const auxo_backend *const *backends = auxo_backends_list(loaded, &count);
    cli_print(context->output, "auxo %s\nbackends:", AUXO_VERSION);
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_text(result, "version", AUXO_VERSION);
    auxo__tree_number(result, "backend_abi", AUXO_BACKEND_ABI_VERSION);
    cJSON *names = auxo__tree_add(result, "backends", cJSON_CreateArray());
    for (size_t i = 0; i < count; i++) {
        cli_print(context->output, " %s", backends[i]->name);
        if (names)
            auxo__tree_add(names, NULL, cJSON_CreateString(backends[i]->name));
    }
    cli_print(context->output, "\n");
    cli_emit(context->output, result);
    auxo_backends_unload(loaded);
    return AUXO_OK;
}

static const cli_option *const options[] = {cli_common_options, NULL};

const cli_command cli_command_version = {
    .name = "version",
    .summary = "show the version and the backends that there are",
    .options = options,
    .run = run,
};
