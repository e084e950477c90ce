/* runtime/cli/cmd_verify.c: auxo verify: the operator conformance suite on the user's own device, as a table.
 *
 * The suite and its bounds belong to auxo/verify.h; this counts its cases by op and variant and keeps the first failure
 * of each.
 */
#include "auxo/verify.h"
#include "cli_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option verify_options[] = {
    {.name = "op", .type = CLI_TEXT, .argument = "NAME", .help = "Verify this op only, for example gemm"},
    {.name = "variant", .type = CLI_TEXT, .argument = "NAME", .help = "Verify this kernel variant only"},
    {.name = "quick", .type = CLI_FLAG, .help = "Run only the few small cases that also serve as self-test"},
    CLI_OPTIONS_END,
};

/* One row of the table. */
typedef struct verdict {
    auxo_op_kind kind;
    char variant[48];
    uint64_t passed, failed, unsupported;
    char failure[256]; /* the first: case and message */
} verdict;

typedef struct verdict_list {
    cli_output *output;
    verdict *items;
    size_t count, capacity;
    bool out_of_memory;
} verdict_list;

/* The row of an op's variant; a new one if it is seen for the first time. NULL without memory. */
static verdict *find_verdict(verdict_list *list, const auxo_verify_result *result)
{
    for (size_t i = list->count; i > 0; i--) {
        verdict *item = &list->items[i - 1];
        if (item->kind == result->kind && strcmp(item->variant, result->variant) == 0)
            return item;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        verdict *grown = realloc(list->items, capacity * sizeof *grown);
        list->out_of_memory = !grown;
        if (!grown)
            return NULL;
        list->items = grown;
        list->capacity = capacity;
    }
    verdict *added = &list->items[list->count++];
    *added = (verdict){.kind = result->kind};
    snprintf(added->variant, sizeof added->variant, "%s", result->variant);
    return added;
}

static void on_case(void *user, const auxo_verify_result *result)
{
    verdict_list *list = user;
    verdict *item = find_verdict(list, result);
    if (!item)
        return;
    switch (result->outcome) {
    case AUXO_VERIFY_PASSED:
        item->passed++;
        return;
    case AUXO_VERIFY_UNSUPPORTED:
        item->unsupported++;
        return;
    case AUXO_VERIFY_FAILED:
        break;
    }
    if (item->failed++ == 0)
        snprintf(item->failure, sizeof item->failure, "%s: %s", result->case_text, result->message);
    cJSON *event = cli_event(list->output, "failure");
    auxo__tree_text(event, "op", auxo_op_noun(result->kind));
    auxo__tree_text(event, "variant", result->variant);
    auxo__tree_text(event, "case", result->case_text);
    auxo__tree_text(event, "message", result->message);
    cli_emit(list->output, event);
}

static const char *verdict_text(const verdict *item)
{
    if (item->failed)
        return "FAILED";
    if (item->variant[0] == '\0')
        return "no kernel";
    return item->passed ? "ok" : "not used here";
}

static void report_verdicts(const verdict_list *list)
{
    if (list->count == 0)
        return;
    cli_table *table = cli_table_create("OP|VARIANT|>PASSED|>FAILED|>NOT TAKEN|VERDICT");
    for (size_t i = 0; i < list->count; i++) {
        const verdict *item = &list->items[i];
        cli_table_row(table, "%s|%s|%" PRIu64 "|%" PRIu64 "|%" PRIu64 "|%s", auxo_op_noun(item->kind), item->variant,
                      item->passed, item->failed, item->unsupported, verdict_text(item));
        cJSON *event = cli_event(list->output, "verdict");
        auxo__tree_text(event, "op", auxo_op_noun(item->kind));
        auxo__tree_text(event, "variant", item->variant);
        auxo__tree_number(event, "passed", (double)item->passed);
        auxo__tree_number(event, "failed", (double)item->failed);
        auxo__tree_number(event, "unsupported", (double)item->unsupported);
        auxo__tree_text(event, "verdict", verdict_text(item));
        cli_emit(list->output, event);
    }
    cli_table_print(list->output, table);
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].failed)
            cli_print(list->output, "%s, %s: %s\n", auxo_op_noun(list->items[i].kind), list->items[i].variant,
                      list->items[i].failure);
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    const cli_arguments *arguments = context->arguments;
    cli_session session;
    verdict_list list = {.output = context->output};
    auxo_verify_summary summary = {0};
    auxo_verify_options options = {
        .op = cli_text(arguments, "op"),
        .variant = cli_text(arguments, "variant"),
        .seed = cli_integer(arguments, "seed"),
        .quick = cli_flag(arguments, "quick"),
        .callback = on_case,
        .user = &list,
    };
    auxo_status status = cli_session_open(context, &session, error);
    double start = cli_now_seconds();
    if (status == AUXO_OK)
        status = auxo_verify(session.device, &options, &summary, error);
    if (status == AUXO_OK && list.out_of_memory)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the table of verdicts");
    report_verdicts(&list);
    if (status == AUXO_OK || status == AUXO_WRONG_RESULT) {
        const auxo_device_info *info = auxo_device_get_info(session.device);
        cli_print(context->output, "%s (%s, %s): %" PRIu64 " cases passed, %" PRIu64 " failed\n", info->selector,
                  info->name, info->driver, summary.passed, summary.failed);
    }
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_text(result, "device", auxo_device_get_info(session.device)->selector);
        auxo__tree_number(result, "passed", (double)summary.passed);
        auxo__tree_number(result, "failed", (double)summary.failed);
        auxo__tree_number(result, "unsupported", (double)summary.unsupported);
        auxo__tree_number(result, "ops_without_kernel", (double)summary.ops_without_kernel);
        auxo__tree_number(result, "seconds", cli_now_seconds() - start);
        cli_emit(context->output, result);
    }
    free(list.items);
    cli_session_close(&session);
    return status;
}

static const cli_option *const options[] = {cli_device_options, verify_options, cli_seed_options, cli_common_options,
                                            NULL};

const cli_command cli_command_verify = {
    .name = "verify",
    .summary = "check every operation of a device against the reference",
    .description = "Run every kernel variant of every operation on a table of cases (odd sizes, 0, 1, strided views, "
                   "special values) and compare with the reference within the operation's error bound. Status 1 if any "
                   "case fails.",
    .events = "{\"event\":\"failure\",\"op\":..,\"variant\":..,\"case\":..,\"message\":..}  one per failed case\n"
              "{\"event\":\"verdict\",\"op\":..,\"variant\":..,\"passed\":..,\"failed\":..,\"unsupported\":..,"
              "\"verdict\":..}\n"
              "{\"event\":\"result\",\"device\":..,\"passed\":..,\"failed\":0,\"unsupported\":..,\"ops_without_"
              "kernel\":..,..}",
    .examples = "auxo verify --device vulkan:0\nauxo verify --device opencl:0 --op gemm",
    .options = options,
    .run = run,
};
