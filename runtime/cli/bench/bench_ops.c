/* runtime/cli/bench/bench_ops.c: the standard cases on one device: verified, timed, and set against the device's peaks.
 */
#include "auxo/tune.h"
#include "auxo/verify.h"
#include "bench_device.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

auxo_status bench_check_stop(const bench_run *run, auxo_error *error)
{
    if (run->context->stop && *run->context->stop)
        return auxo_error_set(error, AUXO_INTERRUPTED, "interrupted; results so far are complete");
    return AUXO_OK;
}

bench_result bench_result_begin(const bench_run *run, const char *group, const char *name)
{
    bench_result result = {.device = run->device_index};
    snprintf(result.group, sizeof result.group, "%s", group);
    snprintf(result.name, sizeof result.name, "%s", name);
    return result;
}

auxo_status bench_keep(bench_run *run, const bench_result *result, auxo_error *error)
{
    auxo_status status = bench_results_add(&run->results, result, error);
    cJSON *event = cli_event(run->context->output, "case");
    bench_result_describe(&run->results, result, event);
    cli_emit(run->context->output, event);
    return status;
}

auxo_status bench_pass_over(bench_run *run, const char *name, auxo_status status, auxo_error *error)
{
    if (status == AUXO_OK || status == AUXO_INTERRUPTED || status == AUXO_OUT_OF_MEMORY)
        return status;
    const char *device = run->results.devices[run->device_index].info.selector;
    char reason[256];
    snprintf(reason, sizeof reason, "%.250s", error->message);
    status = bench_results_skip(&run->results, device, name, reason, error);
    cJSON *event = cli_event(run->context->output, "skipped");
    if (status == AUXO_OK)
        bench_skip_describe(&run->results.skips[run->results.skip_count - 1], event);
    cli_emit(run->context->output, event);
    return status;
}

/* What tuning data says for the op: "gemm m1024n1024k1024:nn", or "" where the default is used. */
static void describe_tuning(const bench_run *run, const auxo_op *op, bench_result *result)
{
    auxo_tuning_entry entry;
    if (auxo_tuning_lookup(run->device, op, &entry, NULL) == AUXO_OK)
        snprintf(result->tuning, sizeof result->tuning, "%.90s", entry.shape_class);
}

static auxo_status verify_choice(bench_run *run, const bench_result *result, auxo_error *error)
{
    const auxo_verify_options options = {.op = result->op, .variant = result->variant, .seed = 1, .quick = true};
    return auxo_verify(run->device, &options, NULL, error);
}

/* The share of what the peaks allow: the op can be no faster than its arithmetic, nor than its least traffic. */
static double percent_of_peak(const bench_device *device, const bench_result *result)
{
    if (result->f16)
        return 0;
    double compute = device->peak_flops > 0 ? result->flops / device->peak_flops : 0;
    double traffic = device->peak_bytes > 0 ? result->bytes / device->peak_bytes : 0;
    double least = compute > traffic ? compute : traffic;
    return result->time.median > 0 ? 100 * least / result->time.median : 0;
}

static auxo_status time_plan(bench_run *run, auxo_plan *plan, bench_result *result, auxo_error *error)
{
    bench_plan_work work = {.plan = plan, .queue = run->queue};
    auxo_plan_op_info info = auxo_plan_op_info_at(plan, 0);
    snprintf(result->op, sizeof result->op, "%s", auxo_op_noun(info.kind));
    snprintf(result->variant, sizeof result->variant, "%s", info.variant ? info.variant : "");
    snprintf(result->reason, sizeof result->reason, "%s", info.reason ? info.reason : "");
    result->flops = (double)info.flops;
    result->bytes = (double)info.bytes;
    result->work = info.flops ? result->flops : result->bytes;
    snprintf(result->unit, sizeof result->unit, "%s", info.flops ? "flop" : "byte");
    result->fallbacks = auxo_plan_host_fallback_count(plan);
    auxo_status status = info.route == AUXO_ROUTE_NATIVE ? verify_choice(run, result, error) : AUXO_OK;
    return status == AUXO_OK ? bench_measure(bench_run_plan, &work, run->seconds, &result->time, error) : status;
}

static auxo_status time_case(bench_run *run, const bench_case *tested, bench_result *result, auxo_error *error)
{
    bench_op built;
    auxo_plan *plan = NULL;
    memset(&built, 0, sizeof built);
    result->f16 = tested->f16;
    auxo_status status = bench_case_check(tested, run->device, error);
    if (status == AUXO_OK)
        status = bench_op_build(run->queue, tested, &built, error);
    if (status == AUXO_OK)
        status = bench_plan_op(run->device, &built.op, &plan, error);
    if (status == AUXO_OK)
        describe_tuning(run, &built.op, result);
    if (status == AUXO_OK)
        status = time_plan(run, plan, result, error);
    auxo_plan_destroy(plan);
    bench_op_destroy(&built);
    return status;
}

/* A case that beats the peaks shows that they are higher. */
static void raise_peaks(bench_device *device, const bench_result *result)
{
    if (result->f16)
        return;
    double compute = result->flops / result->time.best, traffic = result->bytes / result->time.best;
    device->peak_flops = device->peak_flops > 0 ? fmax(device->peak_flops, compute) : 0;
    device->peak_bytes = device->peak_bytes > 0 ? fmax(device->peak_bytes, traffic) : 0;
}

auxo_status bench_peaks(bench_run *run, auxo_error *error)
{
    static const bench_case proxies[] = {
        {.name = "gemm 512x512x512", .kind = AUXO_OP_GEMM, .dims = {512, 512, 512}},
        {.name = "gemm 1024x1024x1024", .kind = AUXO_OP_GEMM, .dims = {1024, 1024, 1024}},
        {.name = "gemm 2048x2048x2048", .kind = AUXO_OP_GEMM, .dims = {2048, 2048, 2048}},
        {.name = "gemm 4096x4096x4096", .kind = AUXO_OP_GEMM, .dims = {4096, 4096, 4096}},
        {.name = "copy of 64 MiB", .kind = AUXO_OP_COPY, .dims = {1 << 24}},
    };
    enum { COUNT = sizeof proxies / sizeof proxies[0] };
    const double longest_seconds = 0.05; /* of the smaller product, for the next to be worth its time */
    auxo_status status = AUXO_OK;
    double slowest = 0;
    for (size_t i = 0; i < COUNT && status == AUXO_OK; i++) {
        bench_result result = bench_result_begin(run, "peak", proxies[i].name);
        if (proxies[i].kind == AUXO_OP_GEMM && (slowest > longest_seconds || slowest > run->seconds))
            continue;
        status = bench_check_stop(run, error);
        if (status == AUXO_OK)
            status = time_case(run, &proxies[i], &result, error);
        bench_device *device = &run->results.devices[run->device_index];
        if (status == AUXO_OK && proxies[i].kind == AUXO_OP_GEMM) {
            double rate = result.flops / result.time.best;
            device->peak_flops = rate > device->peak_flops ? rate : device->peak_flops;
            slowest = result.time.median;
        } else if (status == AUXO_OK) {
            device->peak_bytes = result.bytes / result.time.best;
        }
        status = bench_pass_over(run, proxies[i].name, status, error);
    }
    return status;
}

auxo_status bench_ops(bench_run *run, auxo_error *error)
{
    size_t count = 0;
    const bench_case *cases = bench_cases(&count);
    auxo_status status = AUXO_OK;
    cli_progress progress;
    cli_progress_begin(&progress, run->context->output, "cases", 0, count);
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        if (run->kinds && !run->kinds[cases[i].kind])
            continue;
        bench_result result = bench_result_begin(run, "ops", cases[i].name);
        status = bench_check_stop(run, error);
        if (status == AUXO_OK)
            status = time_case(run, &cases[i], &result, error);
        if (status == AUXO_OK) {
            raise_peaks(&run->results.devices[run->device_index], &result);
            result.percent_of_peak = percent_of_peak(&run->results.devices[run->device_index], &result);
            status = bench_keep(run, &result, error);
        } else {
            status = bench_pass_over(run, cases[i].name, status, error);
        }
        cli_progress_update(&progress, i + 1, "%s", cases[i].name);
    }
    for (size_t i = 0; i < run->results.count; i++) {
        bench_result *kept = &run->results.items[i];
        if (kept->device == run->device_index && strcmp(kept->group, "ops") == 0)
            kept->percent_of_peak = percent_of_peak(&run->results.devices[run->device_index], kept);
    }
    return status;
}
