/* run_transfer.c: what moving bytes and starting work costs on one device, without any arithmetic. */
#include "bench_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRANSFER_BYTES = 1 << 26 };

typedef struct transfer {
    auxo_queue *queue;
    auxo_buffer *source, *target;
    unsigned char *host;
    uint64_t size_bytes;
} transfer;

static auxo_status upload(void *user, uint32_t count, auxo_error *error)
{
    const transfer *t = user;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_buffer_write(t->queue, t->source, 0, t->host, t->size_bytes, error);
    return status == AUXO_OK ? auxo_queue_wait(t->queue, error) : status;
}

static auxo_status download(void *user, uint32_t count, auxo_error *error)
{
    const transfer *t = user;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_buffer_read(t->queue, t->source, 0, t->host, t->size_bytes, error);
    return status;
}

static auxo_status copy(void *user, uint32_t count, auxo_error *error)
{
    const transfer *t = user;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_buffer_copy(t->queue, t->source, 0, t->target, 0, t->size_bytes, error);
    return status == AUXO_OK ? auxo_queue_wait(t->queue, error) : status;
}

static auxo_status zero(void *user, uint32_t count, auxo_error *error)
{
    const transfer *t = user;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_buffer_zero(t->queue, t->target, 0, t->size_bytes, error);
    return status == AUXO_OK ? auxo_queue_wait(t->queue, error) : status;
}

/* A wait for the smallest piece of work that must reach the device: four bytes there. */
static auxo_status round_trip(void *user, uint32_t count, auxo_error *error)
{
    const transfer *t = user;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++) {
        status = auxo_buffer_write(t->queue, t->source, 0, t->host, 4, error);
        if (status == AUXO_OK)
            status = auxo_queue_wait(t->queue, error);
    }
    return status;
}

static auxo_status open_transfer(auxo__bench_run *run, uint64_t size_bytes, transfer *t, auxo_error *error)
{
    *t = (transfer){.queue = run->queue, .size_bytes = size_bytes, .host = calloc(size_bytes, 1)};
    if (!t->host)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: out of memory for transfers");
    auxo_status status = auxo_buffer_create(run->device, size_bytes, &t->source, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(run->device, size_bytes, &t->target, error);
    return status == AUXO_OK ? upload(t, 1, error) : status;
}

static void close_transfer(transfer *t)
{
    auxo_buffer_destroy(t->source);
    auxo_buffer_destroy(t->target);
    free(t->host);
}

static auxo_status time_work(auxo__bench_run *run, const char *group, const char *name, auxo_bench_work *work,
                             void *user, double amount, const char *unit, auxo_error *error)
{
    auxo_bench_result result = auxo__bench_result_begin(run, group, name);
    result.work = amount;
    snprintf(result.unit, sizeof result.unit, "%s", unit);
    if (strcmp(unit, "byte") == 0)
        result.bytes = amount;
    auxo_status status = auxo__bench_check_stop(run, error);
    if (status == AUXO_OK)
        status = auxo_bench_measure(work, user, run->options.seconds, &result.time, error);
    return status == AUXO_OK ? auxo__bench_keep(run, &result, error) : auxo__bench_pass_over(run, name, status, error);
}

static auxo_status measure_memory(auxo__bench_run *run, auxo_error *error)
{
    static const struct {
        const char *name;
        auxo_bench_work *work;
        int passes; /* over the bytes: read and written */
    } rows[] = {
        {"host to device", upload, 1}, {"device to host", download, 1}, {"device copy", copy, 2}, {"zero", zero, 1}};
    transfer t;
    auxo_status status = open_transfer(run, TRANSFER_BYTES, &t, error);
    if (status != AUXO_OK)
        status = auxo__bench_pass_over(run, "memory", status, error);
    for (size_t i = 0; t.target && i < sizeof rows / sizeof rows[0] && status == AUXO_OK; i++)
        status = time_work(run, "memory", rows[i].name, rows[i].work, &t, (double)TRANSFER_BYTES * rows[i].passes,
                           "byte", error);
    close_transfer(&t);
    return status;
}

/* A plan of `count` tiny ops, one after the other. */
static auxo_status plan_of_launches(auxo__bench_run *run, const auxo_op *op, size_t count, auxo_plan **plan,
                                    auxo_error *error)
{
    const auxo_plan_options options = {0};
    auxo_status status = auxo_plan_create(run->device, plan, error);
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        auxo_plan_add(*plan, op, "launch");
    return status == AUXO_OK ? auxo_plan_compile(*plan, &options, error) : status;
}

/* One pass of the plan in each sample's count, waiting every time. */
static auxo_status run_and_wait(void *user, uint32_t count, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo__bench_run_plan(user, 1, error);
    return status;
}

static auxo_status measure_latency(auxo__bench_run *run, auxo_error *error)
{
    enum { LAUNCHES = 100 };
    static const auxo_bench_case tiny = {.name = "counter_add", .kind = AUXO_OP_COUNTER_ADD};
    transfer t;
    auxo_bench_op *built = NULL;
    auxo_plan *one = NULL, *many = NULL;
    auxo_status status = open_transfer(run, 4, &t, error);
    if (status == AUXO_OK)
        status = time_work(run, "latency", "sync round trip", round_trip, &t, 1, "launch", error);
    if (status == AUXO_OK)
        status = auxo_bench_op_create(run->queue, &tiny, &built, error);
    if (status == AUXO_OK)
        status = plan_of_launches(run, auxo_bench_op_get(built), 1, &one, error);
    if (status == AUXO_OK)
        status = plan_of_launches(run, auxo_bench_op_get(built), LAUNCHES, &many, error);
    auxo__bench_plan_work single = {.plan = one, .queue = run->queue}, chain = {.plan = many, .queue = run->queue};
    if (status == AUXO_OK)
        status = time_work(run, "latency", "plan of one op, with wait", run_and_wait, &single, 1, "launch", error);
    if (status == AUXO_OK)
        status = time_work(run, "latency", "plan of 100 ops, replayed", auxo__bench_run_plan, &chain, LAUNCHES,
                           "launch", error);
    if (status != AUXO_OK)
        status = auxo__bench_pass_over(run, "latency", status, error);
    auxo_plan_destroy(one);
    auxo_plan_destroy(many);
    auxo_bench_op_destroy(built);
    close_transfer(&t);
    return status;
}

auxo_status auxo_bench_memory(auxo_device *device, const auxo_bench_options *options, auxo_bench_results *results,
                              auxo_error *error)
{
    auxo__bench_run run;
    auxo_status status = auxo__bench_begin(device, options, results, &run, error);
    if (status == AUXO_OK)
        status = measure_memory(&run, error);
    auxo__bench_end(&run);
    return status;
}

auxo_status auxo_bench_latency(auxo_device *device, const auxo_bench_options *options, auxo_bench_results *results,
                               auxo_error *error)
{
    auxo__bench_run run;
    auxo_status status = auxo__bench_begin(device, options, results, &run, error);
    if (status == AUXO_OK)
        status = measure_latency(&run, error);
    auxo__bench_end(&run);
    return status;
}
