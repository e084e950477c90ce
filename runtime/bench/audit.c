/* audit.c: compiles every kernel for a device, without running any, and translates drivers' statistics.
 *
 * A driver that compiles for absent hardware will do. First come the kernels that plans take by default, for the
 * standard cases and for training networks; then every variant of every case of the conformance suite.
 */
#include "auxo/tune.h"
#include "auxo/verify.h"
#include "bench_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIANTS_MAX = 16 };

typedef struct audit {
    const auxo_bench_audit_options *options;
    auxo_bench_audit_result *result;
    auxo_device *device;
    auxo_queue *queue;
    auxo_op_kind only; /* AUXO_OP_COUNT: all */
    bool out_of_memory;
} audit;

/* ---- programs ---------------------------------------------------------------------------------------------------- */

/* Names under which drivers tell a field; several that are present add up. */
static const struct {
    auxo_bench_program_field field;
    const char *name;
} translations[] = {
    {AUXO_BENCH_PROGRAM_REGISTERS, "VGPRs"},        {AUXO_BENCH_PROGRAM_REGISTERS, "Register Count"},
    {AUXO_BENCH_PROGRAM_SPILLS, "Spilled VGPRs"},   {AUXO_BENCH_PROGRAM_SPILLS, "Spilled SGPRs"},
    {AUXO_BENCH_PROGRAM_SPILLS, "Spill Count"},     {AUXO_BENCH_PROGRAM_LOCAL, "LDS size"},
    {AUXO_BENCH_PROGRAM_LOCAL, "Local memory"},     {AUXO_BENCH_PROGRAM_SCRATCH, "Scratch size"},
    {AUXO_BENCH_PROGRAM_SCRATCH, "Private memory"}, {AUXO_BENCH_PROGRAM_SCRATCH, "Scratch Memory Size"},
    {AUXO_BENCH_PROGRAM_SCRATCH, "Local Memory"},   {AUXO_BENCH_PROGRAM_SUBGROUPS, "Subgroups per SIMD"},
    {AUXO_BENCH_PROGRAM_CODE, "Code size"},         {AUXO_BENCH_PROGRAM_CODE, "Binary Size"},
};

static void translate(auxo_bench_program *program)
{
    for (size_t field = 0; field < AUXO_BENCH_PROGRAM_FIELD_COUNT; field++)
        program->fields[field] = NAN;
    for (size_t i = 0; i < program->statistic_count; i++)
        for (size_t t = 0; t < sizeof translations / sizeof translations[0]; t++)
            if (strcmp(translations[t].name, program->statistics[i].name) == 0) {
                double *field = &program->fields[translations[t].field];
                *field = (isnan(*field) ? 0 : *field) + program->statistics[i].value;
            }
}

typedef struct taking {
    audit *a;
    bool is_default;
} taking;

static void take(void *user, const auxo_program_info *info)
{
    const taking *t = user;
    auxo_bench_audit_result *list = t->a->result;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->programs[i].name, info->name) == 0 && strcmp(list->programs[i].options, info->options) == 0)
            return;
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 128;
        auxo_bench_program *grown = realloc(list->programs, capacity * sizeof *grown);
        t->a->out_of_memory |= !grown;
        if (!grown)
            return;
        list->programs = grown;
        list->capacity = capacity;
    }
    auxo_bench_program *added = &list->programs[list->count];
    *added = (auxo_bench_program){.is_default = t->is_default};
    snprintf(added->name, sizeof added->name, "%s", info->name);
    snprintf(added->options, sizeof added->options, "%s", info->options);
    added->statistics = calloc(info->statistic_count + 1, sizeof *added->statistics);
    t->a->out_of_memory |= !added->statistics;
    if (!added->statistics)
        return;
    if (info->statistic_count)
        memcpy(added->statistics, info->statistics, info->statistic_count * sizeof *added->statistics);
    added->statistic_count = info->statistic_count;
    translate(added);
    list->count++;
}

/* Appends the device's programs that are not listed yet. */
static auxo_status take_programs(audit *a, bool is_default, auxo_error *error)
{
    taking t = {a, is_default};
    const auxo_status status = auxo_device_programs(a->device, take, &t, error);
    if (status == AUXO_OK && a->out_of_memory)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the list of programs");
    return status;
}

static int compare_programs(const void *left, const void *right)
{
    const auxo_bench_program *a = left, *b = right;
    const int order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->options, b->options);
}

static void finish_programs(auxo_bench_audit_result *result)
{
    if (result->count)
        qsort(result->programs, result->count, sizeof *result->programs, compare_programs);
    for (size_t i = 0; i < result->count; i++) {
        const auxo_bench_program *program = &result->programs[i];
        /* A driver that does not tell leaves NAN, which is not above 0. */
        if (program->is_default && program->fields[AUXO_BENCH_PROGRAM_SPILLS] > 0 && result->spilling_count++ == 0)
            result->spilling = program;
    }
}

void auxo_bench_audit_deinit(auxo_bench_audit_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        free(result->programs[i].statistics);
    free(result->programs);
    *result = (auxo_bench_audit_result){0};
}

/* ---- what plans take by default ---------------------------------------------------------------------------------- */

static void note_failure(audit *a, const char *what, const char *message)
{
    if (a->result->failed++ == 0)
        snprintf(a->result->failure, sizeof a->result->failure, "%.100s: %.280s", what, message);
    if (a->options->on_failure)
        a->options->on_failure(a->options->user, what, message);
}

static bool wants(const audit *a, auxo_op_kind kind)
{
    return a->only == AUXO_OP_COUNT || a->only == kind;
}

/* Prepares one op as a plan would, without running it. What the device does not take is no failure. */
static void compile_op(audit *a, const auxo_bench_op *built, const char *what)
{
    const auxo_plan_options options = {.no_self_test = true};
    auxo_error reason = {0};
    auxo_plan *plan = NULL;
    auxo_status status = auxo_plan_create(a->device, &plan, &reason);
    if (status == AUXO_OK) {
        auxo_plan_add(plan, auxo_bench_op_get(built), NULL);
        status = auxo_plan_compile(plan, &options, &reason);
    }
    auxo_plan_destroy(plan);
    a->result->prepared += status == AUXO_OK;
    if (status != AUXO_OK && status != AUXO_UNSUPPORTED)
        note_failure(a, what, reason.message);
}

static auxo_status compile_standard_cases(audit *a, auxo_error *error)
{
    size_t count = 0;
    const auxo_bench_case *cases = auxo_bench_cases(&count);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        auxo_bench_op *built = NULL;
        if (!wants(a, cases[i].kind))
            continue;
        status = auxo_bench_op_create(a->queue, &cases[i], &built, error);
        if (status == AUXO_OK)
            compile_op(a, built, cases[i].name);
        auxo_bench_op_destroy(built);
    }
    return status;
}

/* The ops of a training step, as the host's device plans it: it can run the one step that shows them. */
static auxo_status compile_network(audit *a, const auxo_bench_training *network, auxo_error *error)
{
    auxo__bench_trainer opened;
    bool finished = false;
    auxo_epoch_metrics metrics;
    auxo_status status = auxo__bench_trainer_open(a->options->host, network, false, a->options->stop, &opened, error);
    if (status == AUXO_OK)
        status = auxo_trainer_run(opened.trainer, 1, &finished, &metrics, error);
    const auxo_plan *plan = status == AUXO_OK ? auxo_trainer_plan(opened.trainer) : NULL;
    for (size_t i = 0; plan && i < auxo_plan_op_count(plan) && status == AUXO_OK; i++) {
        auxo_bench_op *built = NULL;
        char what[160];
        if (!wants(a, auxo_plan_op(plan, i)->kind))
            continue;
        snprintf(what, sizeof what, "%.60s %.90s", network->model, auxo_plan_op_info_at(plan, i).label);
        status = auxo_bench_op_copy(a->queue, auxo_plan_op(plan, i), &built, error);
        if (status == AUXO_OK)
            compile_op(a, built, what);
        auxo_bench_op_destroy(built);
    }
    auxo__bench_trainer_close(&opened);
    return status;
}

/* ---- everything else --------------------------------------------------------------------------------------------- */

static auxo_status compile_variants(audit *a, auxo_error *error)
{
    size_t count = 0;
    const auxo_bench_case *cases = auxo_bench_cases(&count);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        auxo_bench_op *built = NULL;
        const char *variants[VARIANTS_MAX];
        if (!wants(a, cases[i].kind))
            continue;
        status = auxo_bench_op_create(a->queue, &cases[i], &built, error);
        size_t variant_count = status == AUXO_OK ? auxo_op_variants(a->device, cases[i].kind, auxo_bench_op_get(built),
                                                                    variants, VARIANTS_MAX)
                                                 : 0;
        for (size_t v = 0; v < variant_count && v < VARIANTS_MAX; v++) {
            auxo_tuning_entry entry;
            if (auxo_tuning_entry_make(a->device, auxo_bench_op_get(built), variants[v], NULL, NULL, &entry, NULL) ==
                    AUXO_OK &&
                auxo_tuning_try(a->device, &entry, NULL) == AUXO_OK)
                compile_op(a, built, cases[i].name);
        }
        auxo_bench_op_destroy(built);
    }
    auxo_tuning_try(a->device, NULL, NULL);
    return status;
}

static void on_case(void *user, const auxo_verify_result *result)
{
    audit *a = user;
    char what[200];
    a->result->prepared += result->outcome == AUXO_VERIFY_PASSED;
    if (result->outcome != AUXO_VERIFY_FAILED)
        return;
    snprintf(what, sizeof what, "%.40s, variant %.40s, %.100s", auxo_op_noun(result->kind), result->variant,
             result->case_text);
    note_failure(a, what, result->message);
}

static auxo_status compile_conformance_cases(audit *a, auxo_error *error)
{
    const auxo_verify_options options = {
        .op = a->options->op, .seed = 1, .prepare_only = true, .callback = on_case, .user = a};
    const auxo_status status = auxo_verify(a->device, &options, NULL, error);
    return status == AUXO_WRONG_RESULT ? AUXO_OK : status; /* failures were noted one by one */
}

/* ---- the audit --------------------------------------------------------------------------------------------------- */

static auxo_status compile_all(audit *a, auxo_error *error)
{
    auxo_status status = compile_standard_cases(a, error);
    for (size_t i = 0; i < a->options->network_count && a->options->host && status == AUXO_OK; i++)
        status = compile_network(a, &a->options->networks[i], error);
    if (status == AUXO_OK)
        status = take_programs(a, true, error);
    if (status == AUXO_OK)
        status = compile_variants(a, error);
    if (status == AUXO_OK)
        status = compile_conformance_cases(a, error);
    if (status == AUXO_OK)
        status = take_programs(a, false, error);
    return status;
}

auxo_status auxo_bench_audit(auxo_device *device, const auxo_bench_audit_options *options,
                             auxo_bench_audit_result *result, auxo_error *error)
{
    audit a = {.options = options, .result = result, .device = device, .only = AUXO_OP_COUNT};
    auxo_status status = options->op ? auxo_op_find(options->op, &a.only, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = auxo_queue_create(device, &a.queue, error);
    if (status == AUXO_OK)
        status = compile_all(&a, error);
    auxo_queue_destroy(a.queue);
    if (status == AUXO_OK)
        finish_programs(result);
    return status;
}
