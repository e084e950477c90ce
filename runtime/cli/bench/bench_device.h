/* runtime/cli/bench/bench_device.h: the groups of benchmarks on one open device: ops, memory, latency, training.
 *
 * Every group appends to the results; what cannot run is a skip with its reason, not a failure. Only lack of memory of
 * the host and interrupts end a group early.
 */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include "bench_op.h"
#include "bench_result.h"
#include "bench_train.h"
#include "commands.h"

typedef struct bench_run {
    const cli_context *context;
    bench_results results;
    auxo_device *device; /* the open one */
    auxo_queue *queue;
    size_t device_index;
    double seconds;    /* per case */
    const bool *kinds; /* AUXO_OP_COUNT flags: the ops asked for; NULL: all */
} bench_run;

/* Fails with INTERRUPTED after a signal. */
auxo_status bench_check_stop(const bench_run *run, auxo_error *error);
/* A new result of the run's device, its name and group filled in. */
bench_result bench_result_begin(const bench_run *run, const char *group, const char *name);
/* Keeps a finished result and reports it as an event. */
auxo_status bench_keep(bench_run *run, const bench_result *result, auxo_error *error);
/* Keeps a failure as a skip, unless it is one that must end the run. */
auxo_status bench_pass_over(bench_run *run, const char *name, auxo_status status, auxo_error *error);

/* The best rates of plain products and of a large copy, the roof of percent_of_peak. */
auxo_status bench_peaks(bench_run *run, auxo_error *error);
auxo_status bench_ops(bench_run *run, auxo_error *error);
auxo_status bench_memory(bench_run *run, auxo_error *error);
auxo_status bench_latency(bench_run *run, auxo_error *error);
/* Images per second of one training step after another on generated images. */
auxo_status bench_train(bench_run *run, const bench_training_options *options, auxo_error *error);

#endif
