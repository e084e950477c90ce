/* run_ops.c: the standard cases on one device: verified, timed, and set against the device's peaks; and what all groups
 * do with their results.
 */
#include "auxo/tune.h"
#include "auxo/verify.h"
#include "bench_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double DEFAULT_SECONDS = 0.5;

/* ---- what all groups do ------------------------------------------------------------------------------------------ */

auxo_status auxo__bench_begin(auxo_device *device, const auxo_bench_options *options, auxo_bench_results *results,
                              auxo__bench_run *run, auxo_error *error)
{
    const auxo_device_info *info = auxo_device_get_info(device);
    *run = (auxo__bench_run){.results = results, .device = device};
    if (options)
        run->options = *options;
    if (run->options.seconds <= 0)
        run->options.seconds = DEFAULT_SECONDS;
    size_t found = 0;
    while (found < results->device_count && (strcmp(results->devices[found].info.selector, info->selector) != 0 ||
                                             strcmp(results->devices[found].info.name, info->name) != 0))
        found++;
    auxo_status status = AUXO_OK;
    if (found == results->device_count)
        status = auxo__bench_results_add_device(results, info, error);
    run->device_index = found;
    return status == AUXO_OK ? auxo_queue_create(device, &run->queue, error) : status;
}

void auxo__bench_end(auxo__bench_run *run)
{
    auxo_queue_destroy(run->queue);
    run->queue = NULL;
}

auxo_status auxo__bench_check_stop(const auxo__bench_run *run, auxo_error *error)
{
    if (run->options.stop && *run->options.stop)
        return auxo_error_set(error, AUXO_INTERRUPTED, "interrupted; results so far are complete");
    return AUXO_OK;
}

auxo_bench_result auxo__bench_result_begin(const auxo__bench_run *run, const char *group, const char *name)
{
    auxo_bench_result result = {.device = run->device_index};
    snprintf(result.group, sizeof result.group, "%s", group);
    snprintf(result.name, sizeof result.name, "%s", name);
    return result;
}

void auxo__bench_tell(const auxo__bench_run *run, const auxo_bench_event *event)
{
    auxo_bench_event told = *event;
    told.results = run->results;
    if (run->options.listen)
        run->options.listen(run->options.listen_user, &told);
}

auxo_status auxo__bench_keep(auxo__bench_run *run, const auxo_bench_result *result, auxo_error *error)
{
    auxo_status status = auxo__bench_results_add(run->results, result, error);
    if (status == AUXO_OK)
        auxo__bench_tell(run, &(auxo_bench_event){.kind = AUXO_BENCH_RESULT, .index = run->results->count - 1});
    return status;
}

auxo_status auxo__bench_keep_share(auxo__bench_run *run, const auxo_bench_share *share, auxo_error *error)
{
    auxo_status status = auxo__bench_results_share(run->results, share, error);
    if (status == AUXO_OK)
        auxo__bench_tell(run, &(auxo_bench_event){.kind = AUXO_BENCH_SHARE, .index = run->results->share_count - 1});
    return status;
}

auxo_status auxo__bench_pass_over(auxo__bench_run *run, const char *name, auxo_status status, auxo_error *error)
{
    if (status == AUXO_OK || status == AUXO_INTERRUPTED || status == AUXO_OUT_OF_MEMORY)
        return status;
    const char *device = run->results->devices[run->device_index].info.selector;
    char reason[256];
    snprintf(reason, sizeof reason, "%.250s", error ? error->message : auxo_status_text(status));
    status = auxo_bench_results_skip(run->results, device, name, reason, error);
    if (status == AUXO_OK)
        auxo__bench_tell(run, &(auxo_bench_event){.kind = AUXO_BENCH_SKIPPED, .index = run->results->skip_count - 1});
    return status;
}

/* ---- one case ---------------------------------------------------------------------------------------------------- */

/* What tuning data says for the op: "gemm m1024n1024k1024:nn", or "" where the default is used. */
static void describe_tuning(auxo_device *device, const auxo_op *op, auxo_bench_result *result)
{
    auxo_tuning_entry entry;
    if (auxo_tuning_lookup(device, op, &entry, NULL) == AUXO_OK)
        snprintf(result->tuning, sizeof result->tuning, "%.90s", entry.shape_class);
}

static auxo_status verify_choice(auxo_device *device, const auxo_bench_result *result, auxo_error *error)
{
    const auxo_verify_options options = {.op = result->op, .variant = result->variant, .seed = 1, .quick = true};
    return auxo_verify(device, &options, NULL, error);
}

static auxo_status time_plan(auxo_queue *queue, auxo_plan *plan, double start, double seconds,
                             auxo_bench_result *result, auxo_error *error)
{
    auxo__bench_plan_work work = {.plan = plan, .queue = queue};
    auxo_plan_op_info info = auxo_plan_op_info_at(plan, 0);
    snprintf(result->op, sizeof result->op, "%s", auxo_op_noun(info.kind));
    snprintf(result->variant, sizeof result->variant, "%s", info.variant ? info.variant : "");
    snprintf(result->reason, sizeof result->reason, "%s", info.reason ? info.reason : "");
    result->flops = (double)info.flops;
    result->bytes = (double)info.bytes;
    result->work = info.flops ? result->flops : result->bytes;
    snprintf(result->unit, sizeof result->unit, "%s", info.flops ? "flop" : "byte");
    result->is_nominal = info.is_nominal;
    result->fallbacks = auxo_plan_host_fallback_count(plan);
    auxo_status status =
        info.route == AUXO_ROUTE_NATIVE ? verify_choice(auxo_queue_device(queue), result, error) : AUXO_OK;
    result->setup_seconds = auxo__now_seconds() - start;
    return status == AUXO_OK ? auxo_bench_measure(auxo__bench_run_plan, &work, seconds, &result->time, error) : status;
}

static auxo_status time_case(auxo_queue *queue, const auxo_bench_case *tested, double seconds,
                             auxo_bench_result *result, auxo_error *error)
{
    auxo_device *device = auxo_queue_device(queue);
    auxo_bench_op *built = NULL;
    auxo_plan *plan = NULL;
    const double start = auxo__now_seconds();
    result->half = auxo_dtype_is_half(tested->half);
    auxo_status status = auxo_bench_case_check(tested, device, error);
    if (status == AUXO_OK)
        status = auxo_bench_op_create(queue, tested, &built, error);
    if (status == AUXO_OK)
        status = auxo__bench_plan_op(device, auxo_bench_op_get(built), &plan, error);
    if (status == AUXO_OK)
        describe_tuning(device, auxo_bench_op_get(built), result);
    if (status == AUXO_OK)
        status = time_plan(queue, plan, start, seconds, result, error);
    auxo_plan_destroy(plan);
    auxo_bench_op_destroy(built);
    return status;
}

auxo_status auxo_bench_case_measure(auxo_device *device, const auxo_bench_case *tested, double seconds,
                                    auxo_bench_result *result, auxo_error *error)
{
    auxo_queue *queue = NULL;
    *result = (auxo_bench_result){.group = "ops"};
    snprintf(result->name, sizeof result->name, "%s", tested->name);
    auxo_status status = auxo_queue_create(device, &queue, error);
    if (status == AUXO_OK)
        status = time_case(queue, tested, seconds > 0 ? seconds : DEFAULT_SECONDS, result, error);
    auxo_queue_destroy(queue);
    return status;
}

/* ---- all cases, against the peaks -------------------------------------------------------------------------------- */

/* The share of what the peaks allow: the op can be no faster than its arithmetic, nor than its least traffic. */
static double percent_of_peak(const auxo_bench_device *device, const auxo_bench_result *result)
{
    if (result->half || result->is_nominal)
        return 0;
    double compute = device->peak_flops > 0 ? result->flops / device->peak_flops : 0;
    double traffic = device->peak_bytes > 0 ? result->bytes / device->peak_bytes : 0;
    double least = compute > traffic ? compute : traffic;
    return result->time.median > 0 ? 100 * least / result->time.median : 0;
}

/* Multiply-adds in registers; more of them until they take long enough for the clock and for starting them not to
 * count. */
static auxo_status measure_peak_flops(auxo__bench_run *run, auxo_error *error)
{
    static const auxo_bench_case loops[] = {
        {.name = "multiply-adds", .kind = AUXO_OP_MULTIPLY_ADD, .dims = {1 << 16, 1 << 10}},
        {.name = "multiply-adds", .kind = AUXO_OP_MULTIPLY_ADD, .dims = {1 << 20, 1 << 11}},
        {.name = "multiply-adds", .kind = AUXO_OP_MULTIPLY_ADD, .dims = {1 << 22, 1 << 13}},
    };
    const double long_enough = 0.01;
    auxo_status status = AUXO_OK;
    double median = 0;
    for (size_t i = 0; i < sizeof loops / sizeof loops[0] && status == AUXO_OK && median < long_enough; i++) {
        auxo_bench_result result = auxo__bench_result_begin(run, "peak", loops[i].name);
        status = auxo__bench_check_stop(run, error);
        if (status == AUXO_OK)
            status = time_case(run->queue, &loops[i], run->options.seconds, &result, error);
        if (status != AUXO_OK)
            return auxo__bench_pass_over(run, loops[i].name, status, error);
        auxo_bench_device *device = &run->results->devices[run->device_index];
        median = result.time.median;
        device->peak_flops = fmax(device->peak_flops, result.flops / result.time.best);
    }
    return status;
}

/* A copy of the most memory, up to half a gibibyte, that the device gives: no cache holds that. */
static auxo_status measure_peak_bytes(auxo__bench_run *run, auxo_error *error)
{
    const int64_t most = INT64_C(1) << 27, least = INT64_C(1) << 22;
    auxo_status status = AUXO_OUT_OF_DEVICE_MEMORY;
    for (int64_t count = most; count >= least && status == AUXO_OUT_OF_DEVICE_MEMORY; count /= 2) {
        const auxo_bench_case copy = {.name = "large copy", .kind = AUXO_OP_COPY, .dims = {count}};
        auxo_bench_result result = auxo__bench_result_begin(run, "peak", copy.name);
        const auxo_device_info *info = auxo_device_get_info(run->device);
        const uint64_t bytes = (uint64_t)count * sizeof(float);
        if (count > least && (bytes > info->max_allocation_bytes || bytes > info->memory_bytes / 8))
            continue;
        status = auxo__bench_check_stop(run, error);
        if (status == AUXO_OK)
            status = time_case(run->queue, &copy, run->options.seconds, &result, error);
        if (status == AUXO_OK)
            run->results->devices[run->device_index].peak_bytes = result.bytes / result.time.best;
    }
    return auxo__bench_pass_over(run, "large copy", status, error);
}

static auxo_status measure_cases(auxo__bench_run *run, auxo_error *error)
{
    size_t count = 0;
    const auxo_bench_case *cases = auxo_bench_cases(&count);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        if (run->options.kinds && !run->options.kinds[cases[i].kind])
            continue;
        auxo_bench_result result = auxo__bench_result_begin(run, "ops", cases[i].name);
        auxo_bench_device *device = &run->results->devices[run->device_index];
        status = auxo__bench_check_stop(run, error);
        if (status == AUXO_OK)
            status = time_case(run->queue, &cases[i], run->options.seconds, &result, error);
        if (status == AUXO_OK) {
            result.percent_of_peak = percent_of_peak(device, &result);
            status = auxo__bench_keep(run, &result, error);
        } else {
            status = auxo__bench_pass_over(run, cases[i].name, status, error);
        }
        auxo__bench_tell(run, &(auxo_bench_event){
                                  .kind = AUXO_BENCH_PROGRESS, .done = i + 1, .total = count, .name = cases[i].name});
    }
    return status;
}

auxo_status auxo_bench_ops(auxo_device *device, const auxo_bench_options *options, auxo_bench_results *results,
                           auxo_error *error)
{
    auxo__bench_run run;
    auxo_status status = auxo__bench_begin(device, options, results, &run, error);
    if (status == AUXO_OK)
        status = measure_peak_flops(&run, error);
    if (status == AUXO_OK)
        status = measure_peak_bytes(&run, error);
    if (status == AUXO_OK)
        status = measure_cases(&run, error);
    auxo__bench_end(&run);
    return status;
}
