/* backends/opencl/memory.c: device buffers and their transfers.
 *
 * Invariants: a buffer handle is a cl_mem. Host data of small writes is copied into a staging block that lives until
 * the write has run, so that writing small values between steps does not wait for the queue.
 */
#include "ocl.h"

#include <stdlib.h>
#include <string.h>

enum { STAGING_MAX_BYTES = 1 << 20 };

auxo_status ocl_buffer_create(void *device, uint64_t size_bytes, void **buffer, auxo_error *error)
{
    ocl_device *self = device;
    cl_int code = CL_INVALID_BUFFER_SIZE;
    cl_mem memory = NULL;
    if (size_bytes <= self->info.max_allocation_bytes)
        memory = clCreateBuffer(self->context, CL_MEM_READ_WRITE, (size_t)size_bytes, NULL, &code);
    if (code != CL_SUCCESS) {
        ocl_fail(code, "clCreateBuffer", NULL);
        return auxo_error_set(error, code == CL_OUT_OF_HOST_MEMORY ? AUXO_OUT_OF_MEMORY : AUXO_OUT_OF_DEVICE_MEMORY,
                              "OpenCL: buffer of %llu bytes on %s (one buffer may have %llu): %s",
                              (unsigned long long)size_bytes, self->info.name,
                              (unsigned long long)self->info.max_allocation_bytes, ocl_error_name(code));
    }
    *buffer = memory;
    return AUXO_OK;
}

void ocl_buffer_destroy(void *device, void *buffer)
{
    (void)device;
    if (buffer)
        clReleaseMemObject(buffer);
}

static bool event_is_over(cl_event event)
{
    cl_int status = CL_QUEUED;
    return clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL) == CL_SUCCESS &&
           status <= CL_COMPLETE;
}

/* Frees the staging blocks whose writes have run; in an in-order queue these are the tail of the list. */
static void staging_reap(ocl_queue *queue)
{
    ocl_staging **link = &queue->staging;
    while (*link && !event_is_over((*link)->event))
        link = &(*link)->next;
    ocl_staging *block = *link;
    *link = NULL;
    while (block) {
        ocl_staging *next = block->next;
        clReleaseEvent(block->event);
        free(block);
        block = next;
    }
}

auxo_status ocl_buffer_write(void *queue, void *buffer, uint64_t offset_bytes, const void *data, uint64_t size_bytes,
                             auxo_error *error)
{
    ocl_queue *self = queue;
    ocl_staging *block = size_bytes <= STAGING_MAX_BYTES ? malloc(sizeof *block + (size_t)size_bytes) : NULL;
    if (!block)
        return ocl_fail(clEnqueueWriteBuffer(self->handle, buffer, CL_TRUE, (size_t)offset_bytes, (size_t)size_bytes,
                                             data, 0, NULL, NULL),
                        "clEnqueueWriteBuffer", error);
    memcpy(block->data, data, (size_t)size_bytes);
    staging_reap(self);
    cl_int code = clEnqueueWriteBuffer(self->handle, buffer, CL_FALSE, (size_t)offset_bytes, (size_t)size_bytes,
                                       block->data, 0, NULL, &block->event);
    if (code != CL_SUCCESS) {
        free(block);
        return ocl_fail(code, "clEnqueueWriteBuffer", error);
    }
    block->next = self->staging;
    self->staging = block;
    return AUXO_OK;
}

auxo_status ocl_buffer_read(void *queue, void *buffer, uint64_t offset_bytes, void *data, uint64_t size_bytes,
                            auxo_error *error)
{
    ocl_queue *self = queue;
    auxo_status status = ocl_fail(clEnqueueReadBuffer(self->handle, buffer, CL_TRUE, (size_t)offset_bytes,
                                                      (size_t)size_bytes, data, 0, NULL, NULL),
                                  "clEnqueueReadBuffer", error);
    staging_reap(self);
    return status;
}

auxo_status ocl_buffer_copy(void *queue, void *source, uint64_t source_offset_bytes, void *target,
                            uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error)
{
    ocl_queue *self = queue;
    return ocl_fail(clEnqueueCopyBuffer(self->handle, source, target, (size_t)source_offset_bytes,
                                        (size_t)target_offset_bytes, (size_t)size_bytes, 0, NULL, NULL),
                    "clEnqueueCopyBuffer", error);
}

auxo_status ocl_buffer_zero(void *queue, void *buffer, uint64_t offset_bytes, uint64_t size_bytes, auxo_error *error)
{
    ocl_queue *self = queue;
    const cl_uint zero = 0;
    return ocl_fail(clEnqueueFillBuffer(self->handle, buffer, &zero, sizeof zero, (size_t)offset_bytes,
                                        (size_t)size_bytes, 0, NULL, NULL),
                    "clEnqueueFillBuffer", error);
}

auxo_status ocl_queue_wait(void *queue, auxo_error *error)
{
    ocl_queue *self = queue;
    auxo_status status = ocl_fail(clFinish(self->handle), "clFinish", error);
    staging_reap(self);
    return status;
}
