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
    *queue = created;
    return AUXO_OK;
}

void auxo_queue_destroy(auxo_queue *queue)
{
    if (!queue)
        return;
    const auxo_backend *backend = queue->device->backend;
    /* A failure here has no caller left to tell: it is logged. */
    auxo_error reason = {0};
    if (!queue->device->lost) {
        auxo_status status = backend->queue_wait(queue->handle, &reason);
        auxo__device_note(queue->device, status, &reason);
        if (status)
            auxo__log(queue->device->runtime, AUXO_LOG_ERROR, "device %s: work failed in a queue being destroyed: %s",
                      queue->device->info.selector, reason.message);
    }
    backend->queue_destroy(queue->handle);
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
    return auxo__device_note(queue->device, queue->device->backend->queue_wait(queue->handle, error), error);
}

auxo_device *auxo_queue_device(const auxo_queue *queue)
{
    return queue->device;
}
