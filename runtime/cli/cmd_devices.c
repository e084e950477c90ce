/* runtime/cli/cmd_devices.c: auxo devices: every device of every backend, under the names that --device takes. */
#include "cli_session.h"
#include "cli_text.h"

#include <stdio.h>
#include <string.h>

static const char *type_text(auxo_device_type type)
{
    switch (type) {
    case AUXO_DEVICE_CPU:
        return "cpu";
    case AUXO_DEVICE_INTEGRATED_GPU:
        return "integrated gpu";
    case AUXO_DEVICE_DISCRETE_GPU:
        return "discrete gpu";
    case AUXO_DEVICE_ACCELERATOR:
        return "accelerator";
    }
    return "unknown";
}

/* The selector of an earlier device that is the same hardware behind another driver, or NULL. */
static const char *same_hardware(const auxo_device_info *infos, size_t index)
{
    for (size_t i = 0; i < index && infos[index].hardware_id[0]; i++)
        if (strcmp(infos[i].hardware_id, infos[index].hardware_id) == 0)
            return infos[i].selector;
    return NULL;
}

static cJSON *feature_list(uint32_t features)
{
    cJSON *list = cJSON_CreateArray();
#define ADD_FEATURE(name, bit, text)                                                                                   \
    if (features & AUXO_FEATURE_##name)                                                                                \
        auxo__tree_add(list, NULL, cJSON_CreateString(text));
    AUXO_FEATURE_TABLE(ADD_FEATURE)
#undef ADD_FEATURE
    return list;
}

static void emit_device(cli_output *output, const auxo_device_info *info, const char *same)
{
    cJSON *event = cli_event(output, "device");
    if (!event)
        return;
    auxo__tree_text(event, "selector", info->selector);
    auxo__tree_text(event, "backend", info->backend);
    auxo__tree_text(event, "name", info->name);
    auxo__tree_text(event, "vendor", info->vendor);
    auxo__tree_text(event, "driver", info->driver);
    auxo__tree_text(event, "type", type_text(info->type));
    auxo__tree_text(event, "hardware_id", info->hardware_id);
    auxo__tree_number(event, "compute_units", info->compute_units);
    auxo__tree_number(event, "subgroup_size", info->subgroup_size);
    auxo__tree_number(event, "max_workgroup_size", info->max_workgroup_size);
    auxo__tree_number(event, "local_memory_bytes", (double)info->local_memory_bytes);
    auxo__tree_number(event, "memory_bytes", (double)info->memory_bytes);
    auxo__tree_number(event, "max_allocation_bytes", (double)info->max_allocation_bytes);
    auxo__tree_number(event, "max_binding_bytes", (double)info->max_binding_bytes);
    auxo__tree_add(event, "features", feature_list(info->features));
    if (same)
        auxo__tree_text(event, "same_hardware_as", same);
    cli_emit(output, event);
}

/* Backends that are not there at all; one that is, but finds no device, says so in the log. */
static auxo_status list_missing(cli_output *output, auxo_error *error)
{
    auxo_backends *backends = NULL;
    size_t count = 0;
    auxo_status status = auxo_backends_load(&backends, error);
    const auxo_missing_backend *missing = status == AUXO_OK ? auxo_backends_missing(backends, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        cli_print(output, "backend %s is not available: %s\n", missing[i].name, missing[i].reason);
        cJSON *event = cli_event(output, "missing");
        auxo__tree_text(event, "backend", missing[i].name);
        auxo__tree_text(event, "reason", missing[i].reason);
        cli_emit(output, event);
    }
    auxo_backends_unload(backends);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    auxo_runtime *runtime = NULL;
    auxo_device_info *infos = NULL;
    size_t count = 0;
    auxo_status status = cli_runtime_open(context, &runtime, error);
    if (status == AUXO_OK)
        status = auxo_device_list(runtime, &infos, &count, error);
    cli_table *table = cli_table_create("DEVICE|NAME|TYPE|>MEMORY|>UNITS|DRIVER");
    for (size_t i = 0; status == AUXO_OK && i < count; i++) {
        const auxo_device_info *info = &infos[i];
        const char *same = same_hardware(infos, i);
        char memory[32];
        auxo_format_bytes(memory, sizeof memory, info->memory_bytes);
        cli_table_row(table, "%s|%s|%s|%s|%u|%s%s%s%s", info->selector, info->name, type_text(info->type), memory,
                      info->compute_units, info->driver, same ? " (same hardware as " : "", same ? same : "",
                      same ? ")" : "");
        emit_device(context->output, info, same);
    }
    cli_table_print(context->output, table);
    if (status == AUXO_OK)
        status = list_missing(context->output, error);
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_number(result, "device_count", (double)count);
        cli_emit(context->output, result);
    }
    auxo_device_list_free(infos);
    auxo_runtime_destroy(runtime);
    return status;
}

static const cli_option *const options[] = {cli_common_options, NULL};

const cli_command cli_command_devices = {
    .name = "devices",
    .summary = "list the devices of this machine, by the names that --device takes",
    .description = "List every device of every backend. The first column is what --device takes. A backend without a "
                   "driver lists nothing; --log info says why. A backend that is not installed, or whose libraries are "
                   "not, is named with the reason.",
    .events =
        "{\"event\":\"device\",\"selector\":\"opencl:0\",\"backend\":..,\"name\":..,\"vendor\":..,\"driver\":..,\n"
        " \"type\":..,\"compute_units\":..,\"memory_bytes\":..,\"features\":[..],..}  one per device\n"
        "{\"event\":\"missing\",\"backend\":..,\"reason\":..}  one per backend that cannot be used\n"
        "{\"event\":\"result\",\"device_count\":..}",
    .examples = "auxo devices\nauxo devices --json",
    .options = options,
    .run = run,
};
