/* runtime/cli/bench/cmd_bench_compare.c: auxo bench compare: two result files, case by case. */
#include "auxo/bench.h"
#include "commands.h"

static const cli_option compare_options[] = {
    {.name = "fail", .type = CLI_FLAG, .help = "Exit with status 1 if any case has become slower"},
    CLI_OPTIONS_END,
};

typedef struct compare_output {
    cli_output *output;
    cli_table *table;
} compare_output;

static void on_difference(void *user, const auxo_bench_difference *difference)
{
    static const char *const verdicts[] = {
        [AUXO_BENCH_SAME] = "same", [AUXO_BENCH_FASTER] = "faster", [AUXO_BENCH_SLOWER] = "REGRESSION"};
    const compare_output *out = user;
    const double before = difference->before->time.median, after = difference->after->time.median;
    cli_table_row(out->table, "%s|%s|%.4g|%.4g|%.3f|%s", difference->device, difference->after->name, 1e3 * before,
                  1e3 * after, difference->speed_ratio, verdicts[difference->verdict]);
    cJSON *event = cli_event(out->output, "case");
    auxo__tree_text(event, "device", difference->device);
    auxo__tree_text(event, "case", difference->after->name);
    auxo__tree_number(event, "seconds_before", before);
    auxo__tree_number(event, "seconds_after", after);
    auxo__tree_number(event, "speed_ratio", difference->speed_ratio);
    auxo__tree_text(event, "verdict", verdicts[difference->verdict]);
    cli_emit(out->output, event);
}

static auxo_status compare(const cli_context *context, const auxo_bench_results *before,
                           const auxo_bench_results *after, auxo_error *error)
{
    compare_output out = {context->output, cli_table_create("DEVICE|CASE|>MS BEFORE|>MS AFTER|>SPEED RATIO|VERDICT")};
    const auxo_bench_comparison c = auxo_bench_compare(before, after, on_difference, &out);
    cli_table_print(context->output, out.table);
    cli_print(context->output, "%zu cases: %zu slower, %zu faster beyond the spread; %zu of %s have no partner\n",
              c.compared, c.slower, c.faster, c.missing, cli_operand(context->arguments, 1));
    if (c.compared == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the two files have no case of the same device in common");
    if (c.slower && cli_flag(context->arguments, "fail"))
        return auxo_error_set(error, AUXO_WRONG_RESULT, "%zu of %zu cases are slower beyond the spread", c.slower,
                              c.compared);
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_number(result, "compared", (double)c.compared);
    auxo__tree_number(result, "regressions", (double)c.slower);
    auxo__tree_number(result, "improvements", (double)c.faster);
    auxo__tree_number(result, "missing", (double)c.missing);
    cli_emit(context->output, result);
    return AUXO_OK;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    auxo_bench_results before = {0}, after = {0};
    auxo_status status = auxo_bench_results_load(cli_operand(context->arguments, 0), &before, error);
    if (status == AUXO_OK)
        status = auxo_bench_results_load(cli_operand(context->arguments, 1), &after, error);
    if (status == AUXO_OK)
        status = compare(context, &before, &after, error);
    auxo_bench_results_deinit(&before);
    auxo_bench_results_deinit(&after);
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
