/* plan_events.c: see plan_events.h.
 */
#include "plan_events.h"

#include "auxo/plan.h"

#include <stdlib.h>
#include <string.h>

typedef struct op_record {
    const char *label, *op, *variant, *route, *reason;
    uint64_t runs, flops, bytes;
    double seconds, share, gflops, gbytes;
} op_record;

static const auxo_field choice_fields[] = {
    AUXO__FIELD(op_record, label, "label", TEXT),   AUXO__FIELD(op_record, op, "op", TEXT),
    AUXO__FIELD(op_record, route, "route", TEXT),   AUXO__FIELD(op_record, variant, "variant", TEXT),
    AUXO__FIELD(op_record, reason, "reason", TEXT), AUXO__FIELDS_END,
};
const auxo_event_type auxo__choice_event = {
    .name = "choice", .fields = choice_fields, .line = "{label}  {op}  {route}  {variant}  {reason}"};

typedef struct memory_record {
    uint64_t temporary_bytes;
} memory_record;
static const auxo_field memory_fields[] = {
    AUXO__FIELD(memory_record, temporary_bytes, "temporary_bytes", U64),
    AUXO__FIELDS_END,
};
const auxo_event_type auxo__memory_event = {
    .name = "memory",
    .fields = memory_fields,
    .line = "activations, their gradients and other temporaries of a step: {temporary_bytes:bytes}"};

static const auxo_field op_fields[] = {
    AUXO__FIELD(op_record, label, "label", TEXT),
    AUXO__FIELD(op_record, op, "op", TEXT),
    AUXO__FIELD(op_record, variant, "variant", TEXT),
    AUXO__FIELD(op_record, route, "route", TEXT),
    AUXO__FIELD(op_record, runs, "runs", U64),
    AUXO__FIELD(op_record, seconds, "seconds", REAL),
    AUXO__FIELD(op_record, share, "share", REAL),
    AUXO__FIELD(op_record, flops, "flops", U64),
    AUXO__FIELD(op_record, bytes, "bytes", U64),
    AUXO__FIELD_LINE_ONLY(op_record, gflops, "gflops", REAL),
    AUXO__FIELD_LINE_ONLY(op_record, gbytes, "gbytes", REAL),
    AUXO__FIELDS_END,
};
const auxo_event_type auxo__op_event = {
    .name = "op",
    .fields = op_fields,
    .line = "{label}  {op}  {variant}  {runs} runs  {seconds:.4f} s  {share:percent}  {gflops:.1f} GFLOP/s  "
            "{gbytes:.1f} GB/s"};

static const char *route_text(auxo_route route)
{
    switch (route) {
    case AUXO_ROUTE_NATIVE:
        return "native";
    case AUXO_ROUTE_HOST:
        return "host";
    }
    return "unknown";
}

static uint64_t total_time_ns(const auxo_plan *plan)
{
    uint64_t total = 0;
    for (size_t i = 0; i < auxo_plan_op_count(plan); i++)
        total += auxo_plan_op_info_at(plan, i).total_ns;
    return total;
}

static op_record make_record(const auxo_plan_op_info *info, uint64_t total_ns)
{
    double seconds = 1e-9 * (double)info->total_ns, runs = (double)info->run_count;
    return (op_record){.label = info->label,
                       .op = auxo_op_noun(info->kind),
                       .variant = info->variant ? info->variant : "-",
                       .route = route_text(info->route),
                       .reason = info->reason ? info->reason : "-",
                       .runs = info->run_count,
                       .flops = info->flops,
                       .bytes = info->bytes,
                       .seconds = seconds,
                       .share = total_ns ? (double)info->total_ns / (double)total_ns : 0,
                       .gflops = seconds > 0 ? 1e-9 * (double)info->flops * runs / seconds : 0,
                       .gbytes = seconds > 0 ? 1e-9 * (double)info->bytes * runs / seconds : 0};
}

auxo_status auxo__emit_choices(auxo_run *run, const auxo_plan *plan, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; plan && i < auxo_plan_op_count(plan) && status == AUXO_OK; i++) {
        const auxo_plan_op_info info = auxo_plan_op_info_at(plan, i);
        const op_record record = make_record(&info, 0);
        status = auxo__run_emit(run, &auxo__choice_event, &record, error);
    }
    const memory_record memory = {.temporary_bytes = plan ? auxo_plan_arena_bytes(plan) : 0};
    return status == AUXO_OK && plan ? auxo__run_emit(run, &auxo__memory_event, &memory, error) : status;
}

static int by_time_descending(const void *left, const void *right)
{
    const auxo_plan_op_info *a = left, *b = right;
    return (a->total_ns < b->total_ns) - (a->total_ns > b->total_ns);
}

auxo_status auxo__emit_profile(auxo_run *run, const auxo_plan *plan, auxo_error *error)
{
    size_t count = plan ? auxo_plan_op_count(plan) : 0;
    auxo_plan_op_info *infos = malloc((count + 1) * sizeof *infos);
    if (!infos)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "profile: out of memory");
    for (size_t i = 0; i < count; i++)
        infos[i] = auxo_plan_op_info_at(plan, i);
    qsort(infos, count, sizeof *infos, by_time_descending);
    uint64_t total_ns = plan ? total_time_ns(plan) : 0;
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        const op_record record = make_record(&infos[i], total_ns);
        status = auxo__run_emit(run, &auxo__op_event, &record, error);
    }
    free(infos);
    return status;
}

void auxo__plan_top_ops(const auxo_plan *plan, char *text, size_t size, size_t capacity)
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

void auxo__report_profile(auxo_report *report, const auxo_plan *plan)
{
    size_t count = auxo_plan_op_count(plan);
    const char **labels = calloc(count + 1, sizeof *labels);
    double *milliseconds = calloc(count + 1, sizeof *milliseconds);
    for (size_t i = 0; labels && milliseconds && i < count; i++) {
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, i);
        labels[i] = info.label;
        milliseconds[i] = info.run_count ? 1e-6 * (double)info.total_ns / (double)info.run_count : 0;
    }
    auxo_report_section(report, "Time per op");
    if (labels && milliseconds)
        auxo_report_bars(report, &(auxo_bars){.title = "One training step",
                                              .value_label = "ms",
                                              .categories = labels,
                                              .category_count = count,
                                              .series_count = 1,
                                              .values = milliseconds,
                                              .horizontal = true});
    free(labels);
    free(milliseconds);
}
