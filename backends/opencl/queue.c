/* backends/opencl/queue.c: in-order profiling queues and events.
 *
 * An event is a marker in the queue; its time is the moment at which the device reached it.
 */
#include "ocl.h"

#include <stdlib.h>

typedef struct ocl_event {
    cl_event handle; /* NULL until recorded */
} ocl_event;

auxo_status ocl_queue_create(void *device, void **queue, auxo_error *error)
{
    ocl_device *owner = device;
    cl_int code = CL_SUCCESS;
    ocl_queue *self = calloc(1, sizeof *self);
    if (!self)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "OpenCL: queue");
    self->device = owner;
    self->handle = clCreateCommandQueue(owner->context, owner->id, CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS) {
        free(self);
        return ocl_fail(code, "clCreateCommandQueue", error);
    }
    *queue = self;
    return AUXO_OK;
}

void ocl_queue_destroy(void *queue)
{
    ocl_queue *self = queue;
    if (!self)
        return;
    ocl_queue_wait(self, NULL);
    clReleaseCommandQueue(self->handle);
    while (self->staging) { /* only what a failed queue never ran */
        ocl_staging *next = self->staging->next;
        clReleaseEvent(self->staging->event);
        free(self->staging);
        self->staging = next;
    }
    free(self);
}

auxo_status ocl_queue_flush(void *queue, auxo_error *error)
{
    ocl_queue *self = queue;
    return ocl_fail(clFlush(self->handle), "clFlush", error);
}

auxo_status ocl_event_create(void *device, void **event, auxo_error *error)
{
    (void)device;
    *event = calloc(1, sizeof(ocl_event));
    return *event ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "OpenCL: event");
}

void ocl_event_destroy(void *event)
{
    ocl_event *self = event;
    if (!self)
        return;
    if (self->handle)
        clReleaseEvent(self->handle);
    free(self);
}

auxo_status ocl_event_record(void *queue, void *event, auxo_error *error)
{
    ocl_queue *owner = queue;
    ocl_event *self = event;
    if (self->handle)
        clReleaseEvent(self->handle);
    self->handle = NULL;
    return ocl_fail(clEnqueueMarkerWithWaitList(owner->handle, 0, NULL, &self->handle), "clEnqueueMarkerWithWaitList",
                    error);
}

auxo_status ocl_event_wait(void *event, auxo_error *error)
{
    ocl_event *self = event;
    if (!self->handle)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "OpenCL: event waited for before it was recorded");
    return ocl_fail(clWaitForEvents(1, &self->handle), "clWaitForEvents", error);
}

auxo_status ocl_event_elapsed_ns(void *start, void *stop, uint64_t *elapsed_ns, auxo_error *error)
{
    const ocl_event *first = start;
    const ocl_event *last = stop;
    cl_ulong first_ns = 0;
    cl_ulong last_ns = 0;
    if (!first->handle || !last->handle)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "OpenCL: elapsed time of an event that was not recorded");
    cl_int code = clGetEventProfilingInfo(first->handle, CL_PROFILING_COMMAND_END, sizeof first_ns, &first_ns, NULL);
    if (code == CL_SUCCESS)
        code = clGetEventProfilingInfo(last->handle, CL_PROFILING_COMMAND_END, sizeof last_ns, &last_ns, NULL);
    *elapsed_ns = last_ns > first_ns ? last_ns - first_ns : 0;
    return ocl_fail(code, "clGetEventProfilingInfo", error);
}
