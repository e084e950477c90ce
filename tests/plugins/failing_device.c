/* tests/plugins/failing_device.c: a plugin with one more device, "failing": the cpu, of whose calls the n-th fails.
 *
 * Environment:
 *   FAILING_DEVICE_AT=N      the call of the interface that fails, from 1; 0 or nothing: none
 *   FAILING_DEVICE_STATUS=S  with what: 0 out of device memory, 1 driver error, 2 device lost (all calls after it, too)
 *   FAILING_DEVICE_REPORT=F  file that at the end holds "calls N", "failed NAME", and "live K" handles never given back
 * Every op has one variant, which takes the first of the cpu's that supports the op. One device at a time.
 */
#include "auxo/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const auxo_backend *inner;
    unsigned long calls, fail_at;
    long live;
    auxo_status status, lost;
    const char *failed;
    auxo_kernel kernels[AUXO_OP_COUNT];
    auxo_kernel_list lists[AUXO_OP_COUNT];
    auxo_backend backend;
} own;

/* What a kernel was prepared as. */
typedef struct prepared {
    const auxo_kernel *kernel;
    void *state;
} prepared;

/* Counts a call; not OK: it fails. */
static auxo_status call(const char *name, auxo_error *error)
{
    if (++own.calls == own.fail_at) {
        own.failed = name;
        own.lost = own.status == AUXO_DEVICE_LOST ? AUXO_DEVICE_LOST : AUXO_OK;
        return auxo_error_set(error, own.status, "%s was made to fail", name);
    }
    return own.lost ? auxo_error_set(error, own.lost, "the device is lost") : AUXO_OK;
}

static auxo_status made(auxo_status status)
{
    own.live += status == AUXO_OK;
    return status;
}

static auxo_status enumerate(const auxo_backend_host *host, auxo_device_info *infos, size_t capacity, size_t *count,
                             auxo_error *error)
{
    auxo_status status = call("enumerate", error);
    return status == AUXO_OK ? own.inner->enumerate(host, infos, capacity, count, error) : status;
}

static auxo_status open_device(const auxo_backend_host *host, uint32_t index, void **device, auxo_error *error)
{
    auxo_status status = call("open", error);
    return status == AUXO_OK ? made(own.inner->open(host, index, device, error)) : status;
}

static void close_device(void *device)
{
    own.live--;
    own.inner->close(device);
}

static auxo_status buffer_create(void *device, uint64_t size_bytes, void **buffer, auxo_error *error)
{
    auxo_status status = call("buffer_create", error);
    return status == AUXO_OK ? made(own.inner->buffer_create(device, size_bytes, buffer, error)) : status;
}

static void buffer_destroy(void *device, void *buffer)
{
    own.live--;
    own.inner->buffer_destroy(device, buffer);
}

static auxo_status queue_create(void *device, void **queue, auxo_error *error)
{
    auxo_status status = call("queue_create", error);
    return status == AUXO_OK ? made(own.inner->queue_create(device, queue, error)) : status;
}

static void queue_destroy(void *queue)
{
    own.live--;
    own.inner->queue_destroy(queue);
}

static auxo_status queue_wait(void *queue, auxo_error *error)
{
    auxo_status status = call("queue_wait", error);
    return status == AUXO_OK ? own.inner->queue_wait(queue, error) : status;
}

static auxo_status buffer_write(void *queue, void *buffer, uint64_t offset_bytes, const void *data, uint64_t size_bytes,
                                auxo_error *error)
{
    auxo_status status = call("buffer_write", error);
    return status == AUXO_OK ? own.inner->buffer_write(queue, buffer, offset_bytes, data, size_bytes, error) : status;
}

static auxo_status buffer_read(void *queue, void *buffer, uint64_t offset_bytes, void *data, uint64_t size_bytes,
                               auxo_error *error)
{
    auxo_status status = call("buffer_read", error);
    return status == AUXO_OK ? own.inner->buffer_read(queue, buffer, offset_bytes, data, size_bytes, error) : status;
}

static auxo_status buffer_copy(void *queue, void *source, uint64_t source_offset_bytes, void *target,
                               uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error)
{
    auxo_status status = call("buffer_copy", error);
    return status == AUXO_OK ? own.inner->buffer_copy(queue, source, source_offset_bytes, target, target_offset_bytes,
                                                      size_bytes, error)
                             : status;
}

static auxo_status buffer_zero(void *queue, void *buffer, uint64_t offset_bytes, uint64_t size_bytes, auxo_error *error)
{
    auxo_status status = call("buffer_zero", error);
    return status == AUXO_OK ? own.inner->buffer_zero(queue, buffer, offset_bytes, size_bytes, error) : status;
}

static auxo_status event_create(void *device, void **event, auxo_error *error)
{
    auxo_status status = call("event_create", error);
    return status == AUXO_OK ? made(own.inner->event_create(device, event, error)) : status;
}

static void event_destroy(void *event)
{
    own.live--;
    own.inner->event_destroy(event);
}

static auxo_status event_record(void *queue, void *event, auxo_error *error)
{
    auxo_status status = call("event_record", error);
    return status == AUXO_OK ? own.inner->event_record(queue, event, error) : status;
}

static auxo_status event_wait(void *event, auxo_error *error)
{
    auxo_status status = call("event_wait", error);
    return status == AUXO_OK ? own.inner->event_wait(event, error) : status;
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

static const auxo_kernel *find_kernel(void *device, const auxo_op *op)
{
    const auxo_kernel_list *list = &own.inner->kernels[op->kind];
    for (size_t i = 0; i < list->count; i++)
        if (!list->variants[i].supports || list->variants[i].supports(device, op))
            return &list->variants[i];
    return NULL;
}

static bool supports(void *device, const auxo_op *op)
{
    return find_kernel(device, op) != NULL;
}

static auxo_status prepare(void *device, const auxo_op *op, const int32_t *parameters, void **state, auxo_error *error)
{
    int32_t values[AUXO_TUNABLES_MAX] = {0};
    (void)parameters;
    auxo_status status = call("prepare", error);
    prepared *made_here = status == AUXO_OK ? calloc(1, sizeof *made_here) : NULL;
    if (status != AUXO_OK)
        return status;
    if (!made_here)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory preparing %s", auxo_op_noun(op->kind));
    made_here->kernel = find_kernel(device, op);
    for (size_t i = 0; i < made_here->kernel->tunable_count; i++)
        values[i] = made_here->kernel->tunables[i].initial;
    if (made_here->kernel->prepare)
        status = made_here->kernel->prepare(device, op, values, &made_here->state, error);
    if (status == AUXO_OK)
        *state = made_here;
    else
        free(made_here);
    return made(status);
}

static void release(void *device, void *state)
{
    prepared *released = state;
    if (!released)
        return;
    own.live--;
    if (released->kernel->release)
        released->kernel->release(device, released->state);
    free(released);
}

static auxo_status enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error)
{
    prepared *run = state;
    auxo_status status = call("enqueue", error);
    return status == AUXO_OK ? run->kernel->enqueue(queue, op, run->state, error) : status;
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static void write_report(void)
{
    const char *path = getenv("FAILING_DEVICE_REPORT");
    FILE *report = path ? fopen(path, "w") : NULL;
    if (!report)
        return;
    fprintf(report, "calls %lu\nlive %ld\n", own.calls, own.live);
    if (own.failed)
        fprintf(report, "failed %s\n", own.failed);
    fclose(report);
}

static void make_backend(void)
{
    for (int kind = 0; kind < AUXO_OP_COUNT; kind++) {
        own.kernels[kind] = (auxo_kernel){
            .variant = "failing", .supports = supports, .prepare = prepare, .release = release, .enqueue = enqueue};
        own.lists[kind] = (auxo_kernel_list){&own.kernels[kind], own.inner->kernels[kind].count > 0};
    }
    own.backend = (auxo_backend){.name = "failing",
                                 .struct_size = sizeof own.backend,
                                 .abi_version = AUXO_BACKEND_ABI_VERSION,
                                 .enumerate = enumerate,
                                 .open = open_device,
                                 .close = close_device,
                                 .buffer_create = buffer_create,
                                 .buffer_destroy = buffer_destroy,
                                 .queue_create = queue_create,
                                 .queue_destroy = queue_destroy,
                                 .queue_wait = queue_wait,
                                 .buffer_write = buffer_write,
                                 .buffer_read = buffer_read,
                                 .buffer_copy = buffer_copy,
                                 .buffer_zero = buffer_zero,
                                 .event_create = event_create,
                                 .event_destroy = event_destroy,
                                 .event_record = event_record,
                                 .event_wait = event_wait,
                                 .event_elapsed_ns = own.inner->event_elapsed_ns,
                                 .kernels = own.lists};
}

AUXO_API const auxo_backend *auxo_backend_entry(void)
{
    static const auxo_status statuses[] = {AUXO_OUT_OF_DEVICE_MEMORY, AUXO_DRIVER, AUXO_DEVICE_LOST};
    size_t count = 0;
    const auxo_backend *const *all = auxo_builtin_backends(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i]->name, "cpu") == 0)
            own.inner = all[i];
    if (!own.inner || own.backend.name)
        return own.inner ? &own.backend : NULL;
    const char *at = getenv("FAILING_DEVICE_AT"), *status = getenv("FAILING_DEVICE_STATUS");
    own.fail_at = at ? strtoul(at, NULL, 10) : 0;
    own.status = statuses[status ? strtoul(status, NULL, 10) % 3 : 0];
    make_backend();
    atexit(write_report);
    return &own.backend;
}
