/* runtime/cli/cli_plan.c: profiles and explanations of plans, for people and as events. */
#include "cli_model.h"
#include "cli_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *route_text(auxo_route route)
{
    switch (route) {
    case AUXO_ROUTE_NATIVE:
        return "native";
    case AUXO_ROUTE_DECOMPOSED:
        return "decomposed";
    case AUXO_ROUTE_HOST:
        return "host";
    }
    return "unknown";
}

static int by_time_descending(const void *left, const void *right)
{
    const auxo_plan_op_info *a = left, *b = right;
    return (a->total_ns < b->total_ns) - (a->total_ns > b->total_ns);
}

static uint64_t total_time_ns(const auxo_plan *plan)
{
    uint64_t total = 0;
    for (size_t i = 0; i < auxo_plan_op_count(plan); i++)
        total += auxo_plan_op_info_at(plan, i).total_ns;
    return total;
}

static void report_op(cli_output *output, cli_table *table, const auxo_plan_op_info *info, uint64_t total_ns)
{
    double seconds = 1e-9 * (double)info->total_ns;
    double share = total_ns ? (double)info->total_ns / (double)total_ns : 0;
    double gflops = seconds > 0 ? 1e-9 * (double)info->flops * (double)info->run_count / seconds : 0;
    double gbytes = seconds > 0 ? 1e-9 * (double)info->bytes * (double)info->run_count / seconds : 0;
    cli_table_row(table, "%s|%s|%s|%" PRIu64 "|%.2f|%.1f %%|%.1f|%.1f", info->label, auxo_op_noun(info->kind),
                  info->variant ? info->variant : "-", info->run_count, 1e3 * seconds, 100 * share, gflops, gbytes);
    cJSON *event = cli_event(output, "op");
    cJSON_AddStringToObject(event, "label", info->label);
    cJSON_AddStringToObject(event, "op", auxo_op_noun(info->kind));
    cJSON_AddStringToObject(event, "variant", info->variant ? info->variant : "");
    cJSON_AddStringToObject(event, "route", route_text(info->route));
    cJSON_AddNumberToObject(event, "runs", (double)info->run_count);
    cJSON_AddNumberToObject(event, "seconds", seconds);
    cJSON_AddNumberToObject(event, "share", share);
    cJSON_AddNumberToObject(event, "flops", (double)info->flops);
    cJSON_AddNumberToObject(event, "bytes", (double)info->bytes);
    cli_emit(output, event);
}

void cli_plan_profile(cli_output *output, const auxo_plan *plan)
{
    size_t count = plan ? auxo_plan_op_count(plan) : 0;
    auxo_plan_op_info *infos = malloc((count + 1) * sizeof *infos);
    if (!infos)
        return;
    for (size_t i = 0; i < count; i++)
        infos[i] = auxo_plan_op_info_at(plan, i);
    qsort(infos, count, sizeof *infos, by_time_descending);
    uint64_t total_ns = plan ? total_time_ns(plan) : 0;
    cli_table *table = cli_table_create("LABEL|OP|VARIANT|>RUNS|>MS|>SHARE|>GFLOP/S|>GB/S");
    for (size_t i = 0; i < count; i++)
        report_op(output, table, &infos[i], total_ns);
    free(infos);
    cli_table_print(output, table);
    cli_print(output, "host fallbacks: %" PRIu64 "\n", plan ? auxo_plan_host_fallback_count(plan) : 0);
}

void cli_plan_explain(cli_output *output, const auxo_plan *plan)
{
    cli_table *table = cli_table_create("LABEL|OP|ROUTE|VARIANT|WHY");
    for (size_t i = 0; plan && i < auxo_plan_op_count(plan); i++) {
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, i);
        const char *variant = info.variant ? info.variant : "-", *reason = info.reason ? info.reason : "-";
        cli_table_row(table, "%s|%s|%s|%s|%s", info.label, auxo_op_noun(info.kind), route_text(info.route), variant,
                      reason);
        cJSON *event = cli_event(output, "choice");
        cJSON_AddStringToObject(event, "label", info.label);
        cJSON_AddStringToObject(event, "op", auxo_op_noun(info.kind));
        cJSON_AddStringToObject(event, "route", route_text(info.route));
        cJSON_AddStringToObject(event, "variant", variant);
        cJSON_AddStringToObject(event, "reason", reason);
        cli_emit(output, event);
    }
    cli_table_print(output, table);
}

void cli_plan_top_ops(const auxo_plan *plan, char *text, size_t size, size_t capacity)
{
    uint64_t kind_ns[AUXO_OP_COUNT] = {0}, total_ns = plan ? total_time_ns(plan) : 0;
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; total_ns && i < auxo_plan_op_count(plan); i++) {
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, i);
        kind_ns[info.kind] += info.total_ns;
    }
    for (size_t shown = 0; total_ns && shown < capacity; shown++) {
        size_t best = 0;
        for (size_t kind = 1; kind < AUXO_OP_COUNT; kind++)
            best = kind_ns[kind] > kind_ns[best] ? kind : best;
        if (kind_ns[best] == 0 || used >= size)
            return;
        used += (size_t)snprintf(text + used, size - used, "%s%s %.0f %%", shown ? ", " : "",
                                 auxo_op_noun((auxo_op_kind)best), 100.0 * (double)kind_ns[best] / (double)total_ns);
        kind_ns[best] = 0;
    }
}
