/* tests/examples/tune_and_bench.c: tunes one kernel of one device and measures it, with the public headers only.
 *
 * Usage: tune_and_bench DEVICE TUNING-FILE
 */
#include "auxo/auxo.h"

#include <stdio.h>

static void on_tuned(void *user, const auxo_tune_event *event)
{
    (void)user;
    if (event->kind == AUXO_TUNE_TUNED)
        printf("%s %s: %s, %.3f ms -> %.3f ms\n", event->entry->op, event->entry->shape_class, event->entry->variant,
               1e3 * event->seconds_before, 1e3 * event->seconds_after);
}

int main(int argc, char **argv)
{
    const auxo_bench_case product = {.name = "gemm 96x64x80", .kind = AUXO_OP_GEMM, .dims = {96, 64, 80}};
    auxo_backends *backends = NULL;
    auxo_runtime_options options = {0};
    auxo_runtime *runtime = NULL;
    auxo_device *device = NULL;
    auxo_bench_result result;
    auxo_tune_summary summary = {0};
    auxo_error error = {0};
    if (argc != 3)
        return 2;
    auxo_status status = auxo_backends_load(&backends, &error);
    if (status == AUXO_OK) {
        options.backends = auxo_backends_list(backends, &options.backend_count);
        status = auxo_runtime_create(&options, &runtime, &error);
    }
    if (status == AUXO_OK)
        status = auxo_device_open(runtime, argv[1], &device, &error);
    if (status == AUXO_OK) {
        const auxo_tune_options tuning = {
            .cases = &product, .case_count = 1, .budget_seconds = 2, .path = argv[2], .listen = on_tuned};
        status = auxo_tune(device, &tuning, &summary, &error);
    }
    if (status == AUXO_OK)
        status = auxo_bench_case_measure(device, &product, 0.05, &result, &error);
    if (status == AUXO_OK)
        printf("%s by %s: %.3f ms, %.2f GFLOP/s; %zu saved in %s\n", result.name, result.variant,
               1e3 * result.time.median, 1e-9 * result.flops / result.time.median, summary.saved, summary.path);
    else
        fprintf(stderr, "%s\n", error.message);
    auxo_device_close(device);
    auxo_runtime_destroy(runtime);
    auxo_backends_unload(backends);
    return status != AUXO_OK;
}
