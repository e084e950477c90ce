/* runtime/cli/bench/cmd_bench_audit.c: auxo bench audit: compiles every kernel for a device and tells what the compiler
 * made.
 *
 * Runs nothing, so a driver that compiles for absent hardware will do (bench/vendor_audit.py lists such). First come
 * the kernels that plans take by default, for the standard cases and for training networks; then every variant of every
 * case of the conformance suite. A spilled register in one of the first, or a kernel that does not compile, fails.
 */
#include "auxo/backend.h"
#include "auxo/tune.h"
#include "auxo/verify.h"
#include "bench_audit.h"
#include "bench_op.h"
#include "bench_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIANTS_MAX = 16, MODELS_MAX = 8 };

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

typedef struct audit {
    const cli_context *context;
    auxo_runtime *runtime;
    auxo_device *device;
    auxo_queue *queue;
    audit_list programs;
    auxo_op_kind only; /* AUXO_OP_COUNT: all */
    uint64_t compiled, failed;
    char failure[400]; /* the first */
} audit;

static void note_failure(audit *a, const char *what, const char *message)
{
    if (a->failed++ == 0)
        snprintf(a->failure, sizeof a->failure, "%.100s: %.280s", what, message);
    cJSON *event = cli_event(a->context->output, "failure");
    cJSON_AddStringToObject(event, "case", what);
    cJSON_AddStringToObject(event, "message", message);
    cli_emit(a->context->output, event);
}

static bool wants(const audit *a, auxo_op_kind kind)
{
    return a->only == AUXO_OP_COUNT || a->only == kind;
}

/* Prepares one op as a plan would, without running it. What the device does not take is no failure. */
static void compile_op(audit *a, const bench_op *built, const char *what)
{
    const auxo_plan_options options = {.no_self_test = true};
    auxo_error reason = {0};
    auxo_plan *plan = NULL;
    auxo_status status = auxo_plan_create(a->device, &plan, &reason);
    if (status == AUXO_OK)
        status = auxo_plan_add(plan, &built->op, auxo_op_noun(built->op.kind), &reason);
    if (status == AUXO_OK)
        status = auxo_plan_compile(plan, &options, &reason);
    auxo_plan_destroy(plan);
    a->compiled += status == AUXO_OK;
    if (status != AUXO_OK && status != AUXO_UNSUPPORTED)
        note_failure(a, what, reason.message);
}

/* ---- what plans take by default ---------------------------------------------------------------------------------- */

static auxo_status compile_standard_cases(audit *a, auxo_error *error)
{
    size_t count = 0;
    const bench_case *cases = bench_cases(&count);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        bench_op built;
        if (!wants(a, cases[i].kind))
            continue;
        status = bench_op_build(a->queue, &cases[i], &built, error);
        if (status == AUXO_OK)
            compile_op(a, &built, cases[i].name);
        bench_op_destroy(&built);
    }
    return status;
}

/* The ops of a training step, as the processor's own backend plans it: it can run the one step that shows them. */
static auxo_status compile_model(audit *a, auxo_device *host, const char *name, auxo_error *error)
{
    bench_training training;
    bool finished = false;
    auxo_epoch_metrics metrics;
    const uint32_t batch = (uint32_t)cli_integer(a->context->arguments, "batch");
    auxo_status status = bench_training_open(
        host, &(bench_training_options){.model = name, .optimizer = "adam", .batch = batch, .input = {1, 28, 28}},
        a->context->stop, &training, error);
    if (status == AUXO_OK)
        status = auxo_trainer_run(training.trainer, 1, &finished, &metrics, error);
    const auxo_plan *plan = status == AUXO_OK ? auxo_trainer_plan(training.trainer) : NULL;
    for (size_t i = 0; plan && i < auxo_plan_op_count(plan) && status == AUXO_OK; i++) {
        bench_op built;
        char what[160];
        if (!wants(a, auxo_plan_op(plan, i)->kind))
            continue;
        snprintf(what, sizeof what, "%.60s %.90s", name, auxo_plan_op_info_at(plan, i).label);
        status = bench_op_copy(a->queue, auxo_plan_op(plan, i), &built, error);
        if (status == AUXO_OK)
            compile_op(a, &built, what);
        bench_op_destroy(&built);
    }
    bench_training_close(&training);
    return status;
}

static auxo_status compile_models(audit *a, auxo_error *error)
{
    char text[512], *names[MODELS_MAX];
    snprintf(text, sizeof text, "%s", cli_text(a->context->arguments, "model"));
    const size_t count = cli_split_list(text, names, MODELS_MAX);
    auxo_device *host = NULL;
    auxo_status status = count ? auxo_device_open(a->runtime, "cpu", &host, error) : AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = compile_model(a, host, names[i], error);
    auxo_device_close(host);
    return status;
}

/* ---- everything else --------------------------------------------------------------------------------------------- */

static auxo_status compile_variants(audit *a, auxo_error *error)
{
    size_t count = 0;
    const bench_case *cases = bench_cases(&count);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        bench_op built;
        const char *variants[VARIANTS_MAX];
        if (!wants(a, cases[i].kind))
            continue;
        status = bench_op_build(a->queue, &cases[i], &built, error);
        size_t variant_count =
            status == AUXO_OK ? auxo_op_variants(a->device, cases[i].kind, &built.op, variants, VARIANTS_MAX) : 0;
        for (size_t v = 0; v < variant_count && v < VARIANTS_MAX; v++) {
            auxo_tuning_entry entry;
            if (auxo_tuning_entry_make(a->device, &built.op, variants[v], NULL, NULL, &entry, NULL) == AUXO_OK &&
                auxo_tuning_try(a->device, &entry, NULL) == AUXO_OK)
                compile_op(a, &built, cases[i].name);
        }
        bench_op_destroy(&built);
    }
    auxo_tuning_try(a->device, NULL, NULL);
    return status;
}

static void on_case(void *user, const auxo_verify_result *result)
{
    audit *a = user;
    char what[200];
    a->compiled += result->outcome == AUXO_VERIFY_PASSED;
    if (result->outcome != AUXO_VERIFY_FAILED)
        return;
    snprintf(what, sizeof what, "%.40s, variant %.40s, %.100s", auxo_op_noun(result->kind), result->variant,
             result->case_text);
    note_failure(a, what, result->message);
}

static auxo_status compile_conformance_cases(audit *a, auxo_error *error)
{
    const auxo_verify_options options = {
        .op = cli_text(a->context->arguments, "op"), .seed = 1, .prepare_only = true, .callback = on_case, .user = a};
    const auxo_status status = auxo_verify(a->device, &options, NULL, error);
    return status == AUXO_WRONG_RESULT ? AUXO_OK : status; /* failures were noted one by one */
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static auxo_status open_device(audit *a, auxo_error *error)
{
    auxo_runtime_options options = {.log = cli_log, .log_user = a->context->output, .keep_statistics = true};
    options.backends = auxo_builtin_backends(&options.backend_count);
    auxo_status status = auxo_runtime_create(&options, &a->runtime, error);
    if (status == AUXO_OK)
        status = auxo_device_open(a->runtime, cli_text(a->context->arguments, "device"), &a->device, error);
    if (status == AUXO_OK)
        status = auxo_queue_create(a->device, &a->queue, error);
    return status;
}

static auxo_status compile_all(audit *a, auxo_error *error)
{
    auxo_status status = compile_standard_cases(a, error);
    if (status == AUXO_OK)
        status = compile_models(a, error);
    if (status == AUXO_OK)
        status = audit_list_take(&a->programs, a->device, true, error);
    if (status == AUXO_OK)
        status = compile_variants(a, error);
    if (status == AUXO_OK)
        status = compile_conformance_cases(a, error);
    if (status == AUXO_OK)
        status = audit_list_take(&a->programs, a->device, false, error);
    return status;
}

static auxo_status conclude(const audit *a, auxo_error *error)
{
    const auxo_device_info *info = auxo_device_get_info(a->device);
    const audit_program *spilling = NULL;
    size_t spill_count = 0;
    for (size_t i = 0; i < a->programs.count; i++)
        if (a->programs.items[i].is_default && audit_spills(&a->programs.items[i]) > 0 && spill_count++ == 0)
            spilling = &a->programs.items[i];
    cli_print(a->context->output, "%s (%s, %s): %zu programs from %llu prepared ops\n", info->selector, info->name,
              info->driver, a->programs.count, (unsigned long long)a->compiled);
    if (a->failed)
        return auxo_error_set(error, AUXO_WRONG_RESULT, "%llu ops do not compile for %s; the first: %s",
                              (unsigned long long)a->failed, info->name, a->failure);
    if (spilling)
        return auxo_error_set(error, AUXO_WRONG_RESULT,
                              "%zu programs that are used by default spill registers on %s; the first: %s (%s)",
                              spill_count, info->name, spilling->name, spilling->options);
    return AUXO_OK;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    audit a = {.context = context, .only = AUXO_OP_COUNT};
    const char *op = cli_text(context->arguments, "op");
    auxo_status status = op ? auxo_op_find(op, &a.only, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = open_device(&a, error);
    if (status == AUXO_OK)
        status = compile_all(&a, error);
    if (status == AUXO_OK) {
        audit_list_print(&a.programs, context->output);
        status = conclude(&a, error);
    }
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        cJSON_AddStringToObject(result, "device", auxo_device_get_info(a.device)->selector);
        cJSON_AddStringToObject(result, "name", auxo_device_get_info(a.device)->name);
        cJSON_AddNumberToObject(result, "programs", (double)a.programs.count);
        cJSON_AddNumberToObject(result, "prepared", (double)a.compiled);
        cli_emit(context->output, result);
    }
    audit_list_deinit(&a.programs);
    auxo_queue_destroy(a.queue);
    auxo_device_close(a.device);
    auxo_runtime_destroy(a.runtime);
    return status;
}

static const cli_option *const options[] = {cli_device_options, audit_options, bench_training_cli_options,
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
