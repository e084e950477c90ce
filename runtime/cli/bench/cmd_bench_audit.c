/* runtime/cli/bench/cmd_bench_audit.c: auxo bench audit: compiles every kernel for a device and tells what the compiler
 * made.
 *
 * Runs nothing, so a driver that compiles for absent hardware will do (bench/vendor_audit.py lists such). A spilled
 * register in a program that plans take by default, or a kernel that does not compile, fails.
 */
#include "bench_options.h"

#include <math.h>
#include <stdio.h>

enum { MODELS_MAX = 8 };

static const cli_option audit_options[] = {
    {.name = "op", .type = CLI_TEXT, .argument = "NAME", .help = "Compile the kernels of this operation only"},
    {.name = "model",
     .type = CLI_TEXT,
     .argument = "NAME,...",
     .initial = "lenet5,resnet18",
     .help = "Networks whose training steps are compiled"},
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "16",
     .help = "Rows per step of these networks",
     .minimum = 1,
     .maximum = 65536},
    CLI_OPTIONS_END,
};

static void on_failure(void *user, const char *what, const char *message)
{
    cJSON *event = cli_event(user, "failure");
    auxo__tree_text(event, "case", what);
    auxo__tree_text(event, "message", message);
    cli_emit(user, event);
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static const char *const field_names[AUXO_BENCH_PROGRAM_FIELD_COUNT] = {
#define AUDIT_FIELD_NAME(name, json, heading) [AUXO_BENCH_PROGRAM_##name] = #json,
    AUXO_BENCH_PROGRAM_TABLE(AUDIT_FIELD_NAME)
#undef AUDIT_FIELD_NAME
};

static void emit_program(const auxo_bench_program *program, cli_output *output)
{
    cJSON *event = cli_event(output, "program");
    auxo__tree_text(event, "name", program->name);
    auxo__tree_text(event, "options", program->options);
    auxo__tree_bool(event, "default", program->is_default);
    for (size_t field = 0; field < AUXO_BENCH_PROGRAM_FIELD_COUNT; field++)
        auxo__tree_number(event, field_names[field], program->fields[field]);
    cJSON *statistics = event ? auxo__tree_add(event, "statistics", cJSON_CreateObject()) : NULL;
    for (size_t i = 0; statistics && i < program->statistic_count; i++)
        auxo__tree_number(statistics, program->statistics[i].name, program->statistics[i].value);
    cli_emit(output, event);
}

static const char *number_text(double value, char text[32])
{
    snprintf(text, 32, "%.0f", value);
    return isnan(value) ? "-" : text;
}

static void print_programs(const auxo_bench_audit_result *result, cli_output *output)
{
#define AUDIT_FIELD_HEADING(name, json, heading) "|" heading
    cli_table *table = cli_table_create("PROGRAM|OPTIONS|USED" AUXO_BENCH_PROGRAM_TABLE(AUDIT_FIELD_HEADING));
#undef AUDIT_FIELD_HEADING
    for (size_t i = 0; i < result->count; i++) {
        const auxo_bench_program *program = &result->programs[i];
        char text[AUXO_BENCH_PROGRAM_FIELD_COUNT][32];
        const double *fields = program->fields;
        cli_table_row(table, "%s|%s|%s|%s|%s|%s|%s|%s|%s", program->name, program->options,
                      program->is_default ? "by default" : "on request",
                      number_text(fields[AUXO_BENCH_PROGRAM_REGISTERS], text[0]),
                      number_text(fields[AUXO_BENCH_PROGRAM_SPILLS], text[1]),
                      number_text(fields[AUXO_BENCH_PROGRAM_LOCAL], text[2]),
                      number_text(fields[AUXO_BENCH_PROGRAM_SCRATCH], text[3]),
                      number_text(fields[AUXO_BENCH_PROGRAM_SUBGROUPS], text[4]),
                      number_text(fields[AUXO_BENCH_PROGRAM_CODE], text[5]));
        emit_program(program, output);
    }
    cli_table_print(output, table);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

typedef struct audit_devices {
    auxo_runtime *runtime;
    auxo_device *device, *host;
} audit_devices;

static auxo_status open_devices(const cli_context *context, audit_devices *opened, auxo_error *error)
{
    auxo_runtime_options options = {.log = cli_log, .log_user = context->output, .keep_statistics = true};
    options.thread_count = (uint32_t)cli_integer(context->arguments, "threads");
    auxo_backends *backends = NULL;
    auxo_status status = auxo_backends_load(&backends, error);
    if (status != AUXO_OK)
        return status;
    options.backends = auxo_backends_list(backends, &options.backend_count);
    options.missing = auxo_backends_missing(backends, &options.missing_count);
    status = auxo_runtime_create(&options, &opened->runtime, error);
    auxo_backends_unload(backends);
    if (status == AUXO_OK)
        status = auxo_device_open(opened->runtime, cli_text(context->arguments, "device"), &opened->device, error);
    if (status == AUXO_OK)
        status = auxo_device_open(opened->runtime, "cpu", &opened->host, error);
    return status;
}

static auxo_status audit(const cli_context *context, const audit_devices *opened, auxo_bench_audit_result *result,
                         auxo_error *error)
{
    char text[512], *names[MODELS_MAX];
    auxo_bench_training networks[MODELS_MAX];
    snprintf(text, sizeof text, "%s", cli_text(context->arguments, "model"));
    auxo_bench_audit_options options = {.op = cli_text(context->arguments, "op"),
                                        .host = opened->host,
                                        .networks = networks,
                                        .network_count = cli_split_list(text, names, MODELS_MAX),
                                        .stop = context->stop,
                                        .on_failure = on_failure,
                                        .user = context->output};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < options.network_count && status == AUXO_OK; i++) {
        status = bench_training_parse(context->arguments, &networks[i], error);
        networks[i].model = names[i];
    }
    return status == AUXO_OK ? auxo_bench_audit(opened->device, &options, result, error) : status;
}

static auxo_status conclude(cli_output *output, const auxo_device_info *info, const auxo_bench_audit_result *result,
                            auxo_error *error)
{
    cli_print(output, "%s (%s, %s): %zu programs from %llu prepared ops\n", info->selector, info->name, info->driver,
              result->count, (unsigned long long)result->prepared);
    if (result->failed)
        return auxo_error_set(error, AUXO_WRONG_RESULT, "%llu ops do not compile for %s; the first: %s",
                              (unsigned long long)result->failed, info->name, result->failure);
    if (result->spilling)
        return auxo_error_set(error, AUXO_WRONG_RESULT,
                              "%zu programs that are used by default spill registers on %s; the first: %s (%s)",
                              result->spilling_count, info->name, result->spilling->name, result->spilling->options);
    cJSON *event = cli_event(output, "result");
    auxo__tree_text(event, "device", info->selector);
    auxo__tree_text(event, "name", info->name);
    auxo__tree_number(event, "programs", (double)result->count);
    auxo__tree_number(event, "prepared", (double)result->prepared);
    cli_emit(output, event);
    return AUXO_OK;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    audit_devices opened = {0};
    auxo_bench_audit_result result = {0};
    auxo_status status = open_devices(context, &opened, error);
    if (status == AUXO_OK)
        status = audit(context, &opened, &result, error);
    if (status == AUXO_OK) {
        print_programs(&result, context->output);
        status = conclude(context->output, auxo_device_get_info(opened.device), &result, error);
    }
    auxo_bench_audit_deinit(&result);
    auxo_device_close(opened.host);
    auxo_device_close(opened.device);
    auxo_runtime_destroy(opened.runtime);
    return status;
}

static const cli_option *const options[] = {cli_device_options, audit_options, bench_training_options,
                                            cli_common_options, NULL};

const cli_command cli_command_bench_audit = {
    .name = "bench audit",
    .summary = "compile every kernel for a device and show registers, spills and memory",
    .description =
        "Prepare, without running, every kernel variant for the standard cases, the training steps of networks and the "
        "conformance cases, and list what the device's compiler tells about each program: registers, spilled "
        "registers, local and scratch memory, subgroups per processor, code size. A dash: the driver does not tell.\n\n"
        "Nothing runs, so the device may be one that only compiles, such as Mesa's RADV with RADV_FORCE_FAMILY. Status "
        "1 if a kernel does not compile, or if a program that plans take by default spills.",
    .events = "{\"event\":\"failure\",\"case\":..,\"message\":..}  one per op that does not compile\n"
              "{\"event\":\"program\",\"name\":..,\"options\":..,\"default\":..,\"registers\":..,\"spills\":..,\n"
              " \"local_bytes\":..,\"scratch_bytes\":..,\"subgroups\":..,\"code_bytes\":..,\"statistics\":{..}}\n"
              "{\"event\":\"result\",\"device\":..,\"name\":..,\"programs\":..,\"prepared\":..}",
    .examples = "auxo bench audit --device vulkan:0\n"
                "RADV_FORCE_FAMILY=navi21 VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/radeon_icd.x86_64.json \\\n"
                "    auxo bench audit --device vulkan:navi21",
    .options = options,
    .run = run,
};
