/* host_route.c: one op on the oracle backend, its tensors carried through host memory.
 *
 * Every present tensor gets a buffer of its own extent on the oracle device. All of them are copied in, written ones
 * too, because an op may leave a part of an output untouched (strided views, gradients of layers not trained); then
 * the written ones are copied back. Slow and synchronous: only taken when the caller allows it, and counted.
 */
#include "op_internal.h"
#include "plan_internal.h"

#include <stdlib.h>

struct auxo__host_route {
    const auxo_op *source; /* on the device; the plan's */
    auxo_op op;            /* on the oracle */
    auxo_device *oracle;
    auxo_queue *queue;
    auxo_buffer *buffers[AUXO_OP_SLOTS_MAX];
    uint64_t sizes_bytes[AUXO_OP_SLOTS_MAX];
    void *staging; /* the largest tensor */
    const auxo_kernel *kernel;
    void *state;
};

static auxo_status mirror_tensors(auxo__host_route *route, auxo_error *error)
{
    uint64_t largest_bytes = 1;
    route->op = *route->source;
    for (size_t s = 0; s < AUXO_OP_SLOTS_MAX; s++) {
        auxo_tensor *tensor = &route->op.tensors[s];
        if (!auxo_tensor_is_present(tensor))
            continue;
        route->sizes_bytes[s] = auxo__tensor_span(tensor) * auxo_dtype_size_bytes(tensor->dtype);
        auxo_status status = auxo_buffer_create(route->oracle, route->sizes_bytes[s], &route->buffers[s], error);
        if (status)
            return status;
        tensor->buffer = route->buffers[s];
        tensor->offset_bytes = 0;
        if (route->sizes_bytes[s] > largest_bytes)
            largest_bytes = route->sizes_bytes[s];
    }
    route->staging = malloc(largest_bytes);
    if (!route->staging)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory preparing a host fallback");
    return AUXO_OK;
}

static auxo_status pick_kernel(auxo__host_route *route, auxo_error *error)
{
    auxo_kernel_list kernels = auxo__device_kernels(route->oracle, route->op.kind);
    for (size_t i = 0; i < kernels.count; i++) {
        const auxo_kernel *kernel = &kernels.variants[i];
        if (!auxo__kernel_takes(route->oracle, kernel, &route->op))
            continue;
        int32_t parameters[AUXO_TUNABLES_MAX];
        auxo__kernel_initial_parameters(kernel, parameters);
        route->kernel = kernel;
        if (!kernel->prepare)
            return AUXO_OK;
        return kernel->prepare(route->oracle->handle, &route->op, parameters, &route->state, error);
    }
    return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: neither the device nor the reference backend can execute it",
                          auxo_op_noun(route->op.kind));
}

auxo_status auxo__host_route_create(auxo_device *device, const auxo_op *op, auxo__host_route **route,
                                    const auxo_kernel **kernel, auxo_error *error)
{
    auxo__host_route *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory preparing a host fallback");
    created->source = op;
    auxo_status status = auxo__device_open_oracle(device->runtime, &created->oracle, error);
    if (status == AUXO_OK)
        status = auxo_queue_create(created->oracle, &created->queue, error);
    if (status == AUXO_OK)
        status = mirror_tensors(created, error);
    if (status == AUXO_OK)
        status = pick_kernel(created, error);
    if (status) {
        auxo__host_route_destroy(created);
        return auxo_error_wrap(error, status, "%s: host fallback", auxo_op_noun(op->kind));
    }
    auxo__log(device->runtime, AUXO_LOG_WARNING, "device %s: %s runs on the host (reference backend): slow",
              device->info.selector, auxo_op_noun(op->kind));
    *route = created;
    *kernel = created->kernel;
    return AUXO_OK;
}

auxo_status auxo__host_route_run(auxo__host_route *route, auxo_queue *queue, auxo_error *error)
{
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(route->op.kind, &slot_count);
    auxo_status status = AUXO_OK;
    for (size_t s = 0; s < slot_count && status == AUXO_OK; s++) {
        const auxo_tensor *tensor = &route->source->tensors[s];
        if (route->sizes_bytes[s] == 0)
            continue;
        status =
            auxo_buffer_read(queue, tensor->buffer, tensor->offset_bytes, route->staging, route->sizes_bytes[s], error);
        if (status == AUXO_OK)
            status =
                auxo_buffer_write(route->queue, route->buffers[s], 0, route->staging, route->sizes_bytes[s], error);
    }
    if (status == AUXO_OK)
        status = route->kernel->enqueue(route->queue->handle, &route->op, route->state, error);
    for (size_t s = 0; s < slot_count && status == AUXO_OK; s++) {
        const auxo_tensor *tensor = &route->source->tensors[s];
        if (route->sizes_bytes[s] == 0 || !(slots[s].access & AUXO_SLOT_WRITE))
            continue;
        status = auxo_buffer_read(route->queue, route->buffers[s], 0, route->staging, route->sizes_bytes[s], error);
        if (status == AUXO_OK)
            status = auxo_buffer_write(queue, tensor->buffer, tensor->offset_bytes, route->staging,
                                       route->sizes_bytes[s], error);
    }
    return status;
}

void auxo__host_route_destroy(auxo__host_route *route)
{
    if (!route)
        return;
    if (route->kernel && route->kernel->release && route->state && auxo__device_is_here(route->oracle))
        route->kernel->release(route->oracle->handle, route->state);
    for (size_t s = 0; s < AUXO_OP_SLOTS_MAX; s++)
        auxo_buffer_destroy(route->buffers[s]);
    auxo_queue_destroy(route->queue);
    auxo_device_close(route->oracle);
    free(route->staging);
    free(route);
}
