/* queue.c: in-order queues. Default for a NULL queue_flush: the backend starts work by itself.
 */
#include "device_internal.h"

#include <stdlib.h>

auxo_status auxo_queue_create(auxo_device *device, auxo_queue **queue, auxo_error *error)
{
    *queue = NULL;
    auxo_status status = auxo__device_usable(device, error);
    if (status)
        return status;
    auxo_queue *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating a queue");
    created->device = device;
    status = device->backend->queue_create(device->handle, &created->handle, error);
    if (status) {
        free(created);
        auxo_error_wrap(error, status, "device %s: creating a queue", device->info.selector);
        return auxo__device_note(device, status, error);
    }
    created->serial = ++device->queue_serial;
    created->next = device->queues;
    device->queues = created;
    *queue = created;
    return AUXO_OK;
}

/* For callers that have nobody to tell: a failure of earlier work is logged. */
static void wait_and_log(auxo_queue *queue)
{
    auxo_error reason = {0};
    auxo_status status = queue->device->backend->queue_wait(queue->handle, &reason);
    auxo__device_note(queue->device, status, &reason);
    if (status)
        auxo__log(queue->device->runtime, AUXO_LOG_ERROR, "device %s: earlier work failed: %s",
                  queue->device->info.selector, reason.message);
    queue->busy = false;
}

void auxo__device_drain(auxo_device *device)
{
    if (!auxo__device_is_here(device))
        return;
    for (auxo_queue *queue = device->queues; queue && !device->lost; queue = queue->next) {
        if (queue->busy)
            wait_and_log(queue);
    }
}

void auxo_queue_destroy(auxo_queue *queue)
{
    if (!queue)
        return;
    auxo_device *device = queue->device;
    const bool here = auxo__device_is_here(device);
    if (queue->busy && !device->lost && here)
        wait_and_log(queue);
    auxo_queue **link = &device->queues;
    while (*link != queue)
        link = &(*link)->next;
    *link = queue->next;
    if (here)
        device->backend->queue_destroy(queue->handle);
    free(queue);
}

auxo_status auxo__queue_flush(auxo_queue *queue, auxo_error *error)
{
    auxo_status status = auxo__device_usable(queue->device, error);
    if (status || !queue->device->backend->queue_flush)
        return status;
    return auxo__device_note(queue->device, queue->device->backend->queue_flush(queue->handle, error), error);
}

auxo_status auxo_queue_wait(auxo_queue *queue, auxo_error *error)
{
    auxo_status status = auxo__device_usable(queue->device, error);
    if (status)
        return status;
    status = auxo__device_note(queue->device, queue->device->backend->queue_wait(queue->handle, error), error);
    if (status == AUXO_OK)
        queue->busy = false;
    return status;
}

auxo_device *auxo_queue_device(const auxo_queue *queue)
{
    return queue->device;
}
