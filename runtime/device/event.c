/* event.c: points in a queue's work. Default for backends without events: recording waits for the queue, so a
 * recorded event is always reached; there is no device time then.
 */
#include "device_internal.h"

#include <stdlib.h>

auxo_status auxo_event_create(auxo_device *device, auxo_event **event, auxo_error *error)
{
    *event = NULL;
    auxo_status status = auxo__device_usable(device, error);
    if (status)
        return status;
    auxo_event *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating an event");
    created->device = device;
    if (device->backend->event_create) {
        status = device->backend->event_create(device->handle, &created->handle, error);
        if (status) {
            free(created);
            return auxo__device_note(device, status, error);
        }
    }
    *event = created;
    return AUXO_OK;
}

void auxo_event_destroy(auxo_event *event)
{
    if (!event)
        return;
    if (event->device->backend->event_destroy && auxo__device_is_here(event->device))
        event->device->backend->event_destroy(event->handle);
    free(event);
}

auxo_status auxo_event_record(auxo_queue *queue, auxo_event *event, auxo_error *error)
{
    if (event->device != queue->device)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the event is on device %s, the queue on %s",
                              event->device->info.selector, queue->device->info.selector);
    auxo_status status = auxo__device_usable(queue->device, error);
    if (status)
        return status;
    if (!queue->device->backend->event_record)
        return auxo_queue_wait(queue, error);
    return auxo__device_note(queue->device, queue->device->backend->event_record(queue->handle, event->handle, error),
                             error);
}

auxo_status auxo_event_wait(auxo_event *event, auxo_error *error)
{
    auxo_status status = auxo__device_usable(event->device, error);
    if (status || !event->device->backend->event_wait)
        return status;
    return auxo__device_note(event->device, event->device->backend->event_wait(event->handle, error), error);
}

auxo_status auxo_event_elapsed_ns(const auxo_event *start, const auxo_event *stop, uint64_t *elapsed_ns,
                                  auxo_error *error)
{
    *elapsed_ns = 0;
    auxo_device *device = start->device;
    auxo_status status = auxo__device_usable(device, error);
    if (status)
        return status;
    if (stop->device != device)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the events are on different devices, %s and %s",
                              device->info.selector, stop->device->info.selector);
    if (!device->backend->event_elapsed_ns || !(device->info.features & AUXO_FEATURE_TIMESTAMPS))
        return auxo_error_set(error, AUXO_UNSUPPORTED, "device %s has no timestamps", device->info.selector);
    status = device->backend->event_elapsed_ns(start->handle, stop->handle, elapsed_ns, error);
    return auxo__device_note(device, status, error);
}
