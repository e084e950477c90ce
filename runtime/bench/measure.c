/* measure.c: samples work on the host's monotonic clock, waiting for the device in every sample.
 *
 * One sample runs the work often enough that reading the clock and waiting do not count. The median is reported,
 * because other programs only ever make a sample slower.
 */
#include "bench_internal.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLES_MIN = 5, SAMPLES_MAX = 200 };
static const double WARM_SECONDS = 0.25;

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static auxo_status sample(auxo_bench_work *work, void *user, uint32_t count, double *seconds, auxo_error *error)
{
    double start = auxo__now_seconds();
    auxo_status status = work(user, count, error);
    *seconds = (auxo__now_seconds() - start) / count;
    return status;
}

/* Runs the work twice at least, and on until so many seconds have passed: after some seconds of short bursts, with the
 * host checking results between, an H100 took two to eight times as long as after a quarter of a second of work.
 * `once`: seconds of the last run. */
static auxo_status warm_up(auxo_bench_work *work, void *user, double seconds, double *once, auxo_error *error)
{
    auxo_status status = sample(work, user, 1, once, error);
    double spent = *once;
    for (uint32_t runs = 1, count = 1; status == AUXO_OK && (runs < 2 || spent < seconds); runs++) {
        status = sample(work, user, count, once, error);
        spent += *once * count;
        const double left = seconds - spent;
        count = *once > 0 && left > 0 ? (uint32_t)fmin(1000, ceil(fmin(left, seconds / 4) / *once)) : 1;
    }
    return status;
}

auxo_status auxo_bench_measure(auxo_bench_work *work, void *user, double seconds, auxo_bench_time *time,
                               auxo_error *error)
{
    double values[SAMPLES_MAX], once = 0, spent = 0;
    *time = (auxo_bench_time){0};
    auxo_status status = warm_up(work, user, fmin(WARM_SECONDS, seconds * 2), &once, error);
    double wanted = once > 0 ? seconds / 10 / once : 1000;
    uint32_t count = wanted < 1 ? 1 : wanted > 10000 ? 10000 : (uint32_t)wanted;
    uint32_t samples = 0;
    while (status == AUXO_OK && samples < SAMPLES_MAX && (samples < SAMPLES_MIN || spent < seconds)) {
        status = sample(work, user, count, &values[samples], error);
        spent += values[samples++] * count;
    }
    if (status != AUXO_OK)
        return status;
    qsort(values, samples, sizeof *values, ascending);
    *time = (auxo_bench_time){.median = values[samples / 2],
                              .low = values[samples / 4],
                              .high = values[samples - 1 - samples / 4],
                              .best = values[0],
                              .samples = samples,
                              .executions = (uint64_t)samples * count};
    return AUXO_OK;
}

auxo_status auxo__bench_run_plan(void *user, uint32_t count, auxo_error *error)
{
    const auxo__bench_plan_work *work = user;
    auxo_status status = auxo_plan_run(work->plan, work->queue, count, error);
    return status == AUXO_OK ? auxo_queue_wait(work->queue, error) : status;
}

auxo_status auxo__bench_plan_op(auxo_device *device, const auxo_op *op, auxo_plan **plan, auxo_error *error)
{
    const auxo_plan_options options = {0};
    *plan = NULL;
    auxo_status status = auxo_plan_create(device, plan, error);
    if (status == AUXO_OK) {
        auxo_plan_add(*plan, op, NULL);
        status = auxo_plan_compile(*plan, &options, error);
    }
    if (status != AUXO_OK) {
        auxo_plan_destroy(*plan);
        *plan = NULL;
    }
    return status;
}
