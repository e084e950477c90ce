/* bench_internal.h: what the files of runtime/bench/, and the tuner above them, share.
 *
 * run_*.c are the groups on one open device, which append to the results and tell what they
 * added; run_train.c opens the trainer that training benchmarks, audits and the tuner look at.
 */
#ifndef AUXO_BENCH_INTERNAL_H
#define AUXO_BENCH_INTERNAL_H

#include "auxo/bench.h"
#include "auxo/train.h"
#include "clock.h"

/* The work of a compiled plan. */
typedef struct auxo__bench_plan_work {
    auxo_plan *plan;
    auxo_queue *queue;
} auxo__bench_plan_work;
auxo_status auxo__bench_run_plan(void *user, uint32_t count, auxo_error *error);

/* A compiled plan of one op, without host fallback. Ownership: the caller's. */
auxo_status auxo__bench_plan_op(auxo_device *device, const auxo_op *op, auxo_plan **plan, auxo_error *error);

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* One group on one device. */
typedef struct auxo__bench_run {
    auxo_bench_options options; /* seconds filled in */
    auxo_bench_results *results;
    auxo_device *device;
    auxo_queue *queue;
    size_t device_index;
} auxo__bench_run;

/* Finds or adds the device in the results and makes a queue. Ownership: end it, also after a failure. */
auxo_status auxo__bench_begin(auxo_device *device, const auxo_bench_options *options, auxo_bench_results *results,
                              auxo__bench_run *run, auxo_error *error);
void auxo__bench_end(auxo__bench_run *run);
/* Fails with INTERRUPTED once the run is asked to stop. */
auxo_status auxo__bench_check_stop(const auxo__bench_run *run, auxo_error *error);
/* A new result of the run's device, its name and group filled in. */
auxo_bench_result auxo__bench_result_begin(const auxo__bench_run *run, const char *group, const char *name);
/* Keeps a finished result, or a share, and tells it. */
auxo_status auxo__bench_keep(auxo__bench_run *run, const auxo_bench_result *result, auxo_error *error);
auxo_status auxo__bench_keep_share(auxo__bench_run *run, const auxo_bench_share *share, auxo_error *error);
/* Keeps a failure as a skip, unless it is one that must end the run. */
auxo_status auxo__bench_pass_over(auxo__bench_run *run, const char *name, auxo_status status, auxo_error *error);
void auxo__bench_tell(const auxo__bench_run *run, const auxo_bench_event *event);

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* Errors: OUT_OF_MEMORY. */
auxo_status auxo__bench_results_add_device(auxo_bench_results *results, const auxo_device_info *info,
                                           auxo_error *error);
auxo_status auxo__bench_results_add(auxo_bench_results *results, const auxo_bench_result *result, auxo_error *error);
auxo_status auxo__bench_results_share(auxo_bench_results *results, const auxo_bench_share *share, auxo_error *error);

/* ---- training ---------------------------------------------------------------------------------------------------- */

/* A trainer on generated images. */
typedef struct auxo__bench_trainer {
    auxo_dataset *train;
    auxo_model *model;
    auxo_trainer *trainer;
} auxo__bench_trainer;

/* `profile`: time every op. Ownership: close it, also after a failure. */
auxo_status auxo__bench_trainer_open(auxo_device *device, const auxo_bench_training *training, bool profile,
                                     const volatile int *stop, auxo__bench_trainer *opened, auxo_error *error);
void auxo__bench_trainer_close(auxo__bench_trainer *opened);

#endif
