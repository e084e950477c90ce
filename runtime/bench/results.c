/* results.c: lists of results, their fields under one set of names, and two lists set against each other. */
#include "bench_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more item of a list that grows by doubling. */
static auxo_status grow(void **items, size_t count, size_t item_bytes, auxo_error *error)
{
    if (count & (count - 1))
        return AUXO_OK;
    void *grown = realloc(*items, (count ? 2 * count : 1) * item_bytes);
    if (!grown)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: out of memory for results");
    *items = grown;
    return AUXO_OK;
}

void auxo_bench_results_deinit(auxo_bench_results *results)
{
    free(results->devices);
    free(results->items);
    free(results->skips);
    free(results->shares);
    *results = (auxo_bench_results){0};
}

auxo_status auxo__bench_results_add_device(auxo_bench_results *results, const auxo_device_info *info, auxo_error *error)
{
    void *items = results->devices;
    auxo_status status = grow(&items, results->device_count, sizeof *results->devices, error);
    results->devices = items;
    if (status == AUXO_OK)
        results->devices[results->device_count++] = (auxo_bench_device){.info = *info};
    return status;
}

auxo_status auxo__bench_results_add(auxo_bench_results *results, const auxo_bench_result *result, auxo_error *error)
{
    void *items = results->items;
    auxo_status status = grow(&items, results->count, sizeof *results->items, error);
    results->items = items;
    if (status == AUXO_OK)
        results->items[results->count++] = *result;
    return status;
}

auxo_status auxo_bench_results_skip(auxo_bench_results *results, const char *device, const char *name,
                                    const char *reason, auxo_error *error)
{
    void *items = results->skips;
    auxo_status status = grow(&items, results->skip_count, sizeof *results->skips, error);
    results->skips = items;
    if (status != AUXO_OK)
        return status;
    auxo_bench_skip *skip = &results->skips[results->skip_count++];
    snprintf(skip->device, sizeof skip->device, "%s", device);
    snprintf(skip->name, sizeof skip->name, "%s", name);
    snprintf(skip->reason, sizeof skip->reason, "%s", reason);
    return AUXO_OK;
}

auxo_status auxo__bench_results_share(auxo_bench_results *results, const auxo_bench_share *share, auxo_error *error)
{
    void *items = results->shares;
    auxo_status status = grow(&items, results->share_count, sizeof *results->shares, error);
    results->shares = items;
    if (status == AUXO_OK)
        results->shares[results->share_count++] = *share;
    return status;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

typedef struct visitor {
    auxo_bench_field_function *visit;
    void *user;
} visitor;

static void tell_text(const visitor *v, const char *name, const char *text)
{
    v->visit(v->user, name, text, 0);
}

static void tell_number(const visitor *v, const char *name, double number)
{
    v->visit(v->user, name, NULL, number);
}

static void tell_device(const visitor *v, const auxo_bench_results *results, size_t device)
{
    const auxo_device_info *info = &results->devices[device].info;
    tell_text(v, "device", info->selector);
    tell_text(v, "backend", info->backend);
    tell_text(v, "device_name", info->name);
}

void auxo_bench_result_fields(const auxo_bench_results *results, size_t index, auxo_bench_field_function *visit,
                              void *user)
{
    const auxo_bench_result *result = &results->items[index];
    const auxo_bench_time *time = &result->time;
    const double rate = time->median > 0 ? 1 / time->median : 0;
    const visitor v = {visit, user};
    tell_device(&v, results, result->device);
    tell_text(&v, "group", result->group);
    tell_text(&v, "case", result->name);
    tell_text(&v, "op", result->op);
    tell_text(&v, "variant", result->variant);
    tell_text(&v, "reason", result->reason);
    tell_text(&v, "tuning", result->tuning);
    tell_number(&v, "seconds", time->median);
    tell_number(&v, "low_seconds", time->low);
    tell_number(&v, "high_seconds", time->high);
    tell_number(&v, "best_seconds", time->best);
    tell_number(&v, "samples", time->samples);
    tell_number(&v, "executions", (double)time->executions);
    tell_text(&v, "unit", result->unit);
    tell_number(&v, "rate", rate * result->work);
    tell_number(&v, "gflops", 1e-9 * rate * result->flops);
    tell_number(&v, "gbytes", 1e-9 * rate * result->bytes);
    tell_number(&v, "nominal", result->is_nominal);
    tell_number(&v, "setup_seconds", result->setup_seconds);
    tell_number(&v, "percent_of_peak", result->percent_of_peak);
    tell_number(&v, "host_fallbacks", (double)result->fallbacks);
}

void auxo_bench_skip_fields(const auxo_bench_results *results, size_t index, auxo_bench_field_function *visit,
                            void *user)
{
    const auxo_bench_skip *skip = &results->skips[index];
    const visitor v = {visit, user};
    tell_text(&v, "device", skip->device);
    tell_text(&v, "case", skip->name);
    tell_text(&v, "reason", skip->reason);
}

void auxo_bench_share_fields(const auxo_bench_results *results, size_t index, auxo_bench_field_function *visit,
                             void *user)
{
    const auxo_bench_share *share = &results->shares[index];
    const visitor v = {visit, user};
    tell_device(&v, results, share->device);
    tell_text(&v, "case", share->name);
    tell_text(&v, "op", share->op);
    tell_number(&v, "seconds", share->seconds);
    tell_number(&v, "fraction", share->fraction);
}

/* ---- comparison -------------------------------------------------------------------------------------------------- */

static const auxo_bench_result *find_partner(const auxo_bench_results *before, const auxo_device_info *info,
                                             const auxo_bench_result *wanted)
{
    for (size_t i = 0; i < before->count; i++) {
        const auxo_bench_result *item = &before->items[i];
        const auxo_device_info *other = &before->devices[item->device].info;
        if (strcmp(other->backend, info->backend) == 0 && strcmp(other->name, info->name) == 0 &&
            strcmp(item->group, wanted->group) == 0 && strcmp(item->name, wanted->name) == 0)
            return item;
    }
    return NULL;
}

auxo_bench_comparison auxo_bench_compare(const auxo_bench_results *before, const auxo_bench_results *after,
                                         auxo_bench_difference_function *visit, void *user)
{
    auxo_bench_comparison c = {0};
    for (size_t i = 0; i < after->count; i++) {
        const auxo_bench_result *now = &after->items[i];
        const auxo_device_info *info = &after->devices[now->device].info;
        const auxo_bench_result *then = find_partner(before, info, now);
        if (!then) {
            c.missing++;
            continue;
        }
        auxo_bench_difference difference = {.before = then, .after = now, .device = info->selector};
        difference.speed_ratio = now->time.median > 0 ? then->time.median / now->time.median : 0;
        if (now->time.low > then->time.high)
            difference.verdict = AUXO_BENCH_SLOWER;
        else if (now->time.high < then->time.low)
            difference.verdict = AUXO_BENCH_FASTER;
        c.compared++;
        c.slower += difference.verdict == AUXO_BENCH_SLOWER;
        c.faster += difference.verdict == AUXO_BENCH_FASTER;
        if (visit)
            visit(user, &difference);
    }
    return c;
}
