/* runtime/cli/bench/bench_measure.h: how long a plan takes: warm-up, repeats, median and quartiles on a monotonic
 * clock. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "auxo/plan.h"

typedef struct bench_time {
    double median, low, high, best; /* seconds of one execution; low and high are the quartiles */
    uint32_t samples;
    uint64_t executions;
} bench_time;

/* One timed sample: executes the work `count` times and returns when it is done. */
typedef auxo_status bench_work(void *user, uint32_t count, auxo_error *error);

/* Warms up for a quarter of a second (for less where `seconds` is under an eighth), finds a count that takes about a
 * tenth of `seconds`, and samples for `seconds`, at least five times. */
auxo_status bench_measure(bench_work *work, void *user, double seconds, bench_time *time, auxo_error *error);

/* The work of a compiled plan. */
typedef struct bench_plan_work {
    auxo_plan *plan;
    auxo_queue *queue;
} bench_plan_work;
auxo_status bench_run_plan(void *user, uint32_t count, auxo_error *error);

/* A compiled plan of one op, without host fallback. Ownership: the caller's. */
auxo_status bench_plan_op(auxo_device *device, const auxo_op *op, auxo_plan **plan, auxo_error *error);

#endif
