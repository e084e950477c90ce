/* runtime/cli/bench/cmd_bench_compare.c: auxo bench compare: two result files, case by case.
 *
 * Results belong together by backend, device name and case. A difference counts if the quartile ranges do not
 * overlap: what one run alone scatters by is no regression.
 */
#include "bench_result.h"
#include "commands.h"

#include <stdio.h>
#include <string.h>

static const cli_option compare_options[] = {
    {.name = "fail", .type = CLI_FLAG, .help = "Exit with status 1 if any case has become slower"},
    CLI_OPTIONS_END,
};

static const char *text_of(const cJSON *object, const char *field)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, field));
    return text ? text : "";
}

static double number_of(const cJSON *object, const char *field)
{
    const cJSON *item = cJSON_GetObjectItem(object, field);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static bool same_case(const cJSON *a, const cJSON *b)
{
    static const char *const fields[] = {"backend", "device_name", "group", "case"};
    bool same = true;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        same = same && strcmp(text_of(a, fields[i]), text_of(b, fields[i])) == 0;
    return same;
}

static const cJSON *find_case(const cJSON *results, const cJSON *wanted)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, results)
    {
        if (same_case(item, wanted))
            return item;
    }
    return NULL;
}

static const char *verdict_of(const cJSON *before, const cJSON *after)
{
    if (number_of(after, "low_seconds") > number_of(before, "high_seconds"))
        return "REGRESSION";
    return number_of(after, "high_seconds") < number_of(before, "low_seconds") ? "faster" : "same";
}

typedef struct comparison {
    size_t compared, regressions, improvements, missing;
} comparison;

static void compare_case(cli_output *output, cli_table *table, const cJSON *before, const cJSON *after, comparison *c)
{
    double seconds_before = number_of(before, "seconds"), seconds_after = number_of(after, "seconds");
    double ratio = seconds_after > 0 ? seconds_before / seconds_after : 0;
    const char *verdict = verdict_of(before, after);
    c->compared++;
    c->regressions += strcmp(verdict, "REGRESSION") == 0;
    c->improvements += strcmp(verdict, "faster") == 0;
    cli_table_row(table, "%s|%s|%.4g|%.4g|%.3f|%s", text_of(after, "device"), text_of(after, "case"),
                  1e3 * seconds_before, 1e3 * seconds_after, ratio, verdict);
    cJSON *event = cli_event(output, "case");
    cJSON_AddStringToObject(event, "device", text_of(after, "device"));
    cJSON_AddStringToObject(event, "case", text_of(after, "case"));
    cJSON_AddNumberToObject(event, "seconds_before", seconds_before);
    cJSON_AddNumberToObject(event, "seconds_after", seconds_after);
    cJSON_AddNumberToObject(event, "speed_ratio", ratio);
    cJSON_AddStringToObject(event, "verdict", verdict);
    cli_emit(output, event);
}

static comparison compare_files(cli_output *output, const cJSON *before, const cJSON *after)
{
    comparison c = {0};
    const cJSON *old_results = cJSON_GetObjectItem(before, "results"), *item = NULL;
    cli_table *table = cli_table_create("DEVICE|CASE|>MS BEFORE|>MS AFTER|>SPEED RATIO|VERDICT");
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(after, "results"))
    {
        const cJSON *old = find_case(old_results, item);
        if (old)
            compare_case(output, table, old, item, &c);
        else
            c.missing++;
    }
    cli_table_print(output, table);
    return c;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    cJSON *before = NULL, *after = NULL;
    const char *after_path = cli_operand(context->arguments, 1);
    auxo_status status = bench_file_load(cli_operand(context->arguments, 0), &before, error);
    if (status == AUXO_OK)
        status = bench_file_load(after_path, &after, error);
    if (status == AUXO_OK) {
        comparison c = compare_files(context->output, before, after);
        cli_print(context->output, "%zu cases: %zu slower, %zu faster beyond the spread; %zu of %s have no partner\n",
                  c.compared, c.regressions, c.improvements, c.missing, after_path);
        if (c.compared == 0)
            status =
                auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the two files have no case of the same device in common");
        else if (c.regressions && cli_flag(context->arguments, "fail"))
            status = auxo_error_set(error, AUXO_WRONG_RESULT, "%zu of %zu cases are slower beyond the spread",
                                    c.regressions, c.compared);
        if (status == AUXO_OK) {
            cJSON *result = cli_event(context->output, "result");
            cJSON_AddNumberToObject(result, "compared", (double)c.compared);
            cJSON_AddNumberToObject(result, "regressions", (double)c.regressions);
            cJSON_AddNumberToObject(result, "improvements", (double)c.improvements);
            cJSON_AddNumberToObject(result, "missing", (double)c.missing);
            cli_emit(context->output, result);
        }
    }
    cJSON_Delete(before);
    cJSON_Delete(after);
    return status;
}

static const cli_option *const options[] = {compare_options, cli_common_options, NULL};

const cli_command cli_command_bench_compare = {
    .name = "bench compare",
    .operands = "BEFORE.json AFTER.json",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "set two benchmark results against each other",
    .description = "Compare two files of \"auxo bench --save\" case by case. The ratio is the new speed over the old: "
                   "above 1 is faster. A case counts as slower or faster only if the quartile ranges of the two runs "
                   "do not overlap.",
    .events = "{\"event\":\"case\",\"device\":..,\"case\":..,\"seconds_before\":..,\"seconds_after\":..,"
              "\"speed_ratio\":..,\"verdict\":..}\n"
              "{\"event\":\"result\",\"compared\":..,\"regressions\":..,\"improvements\":..,\"missing\":..}",
    .examples = "auxo bench --save before.json\nauxo bench compare before.json after.json --fail",
    .options = options,
    .run = run,
};
