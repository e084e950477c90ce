/* buffer.c: device memory: creation, bounds-checked transfers, and the defaults for backends without device-side copy
 * or zero fill (they go through host memory, block by block).
 *
 * Invariant: every buffer has a backend handle, those of 0 bytes too (a minimal one), so that kernels never meet a
 * NULL handle for a tensor that is present. Destroying one waits for enqueued work that may still use it.
 */
#include "device_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { EMPTY_BUFFER_BYTES = 16, HOST_BLOCK_BYTES = 1 << 20 };

auxo_status auxo_buffer_create(auxo_device *device, uint64_t size_bytes, auxo_buffer **buffer, auxo_error *error)
{
    *buffer = NULL;
    auxo_status status = auxo__device_usable(device, error);
    if (status)
        return status;
    uint64_t limit = device->info.max_allocation_bytes;
    if (limit > 0 && size_bytes > limit)
        return auxo_error_set(error, AUXO_OUT_OF_DEVICE_MEMORY,
                              "a buffer of %" PRIu64 " bytes exceeds the largest that device %s allows, %" PRIu64,
                              size_bytes, device->info.selector, limit);
    auxo_buffer *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating a buffer");
    created->device = device;
    created->size_bytes = size_bytes;
    uint64_t backend_size = size_bytes > 0 ? size_bytes : EMPTY_BUFFER_BYTES;
    status = device->backend->buffer_create(device->handle, backend_size, &created->handle, error);
    if (status) {
        free(created);
        auxo_error_wrap(error, status, "device %s: creating a buffer of %" PRIu64 " bytes", device->info.selector,
                        size_bytes);
        return auxo__device_note(device, status, error);
    }
    *buffer = created;
    return AUXO_OK;
}

void auxo_buffer_destroy(auxo_buffer *buffer)
{
    if (!buffer)
        return;
    auxo__device_drain(buffer->device);
    if (auxo__device_is_here(buffer->device))
        buffer->device->backend->buffer_destroy(buffer->device->handle, buffer->handle);
    free(buffer);
}

uint64_t auxo_buffer_size_bytes(const auxo_buffer *buffer)
{
    return buffer->size_bytes;
}

auxo_device *auxo_buffer_device(const auxo_buffer *buffer)
{
    return buffer->device;
}

/* Common entry of all transfers: device usable, same device, range inside. */
static auxo_status check_range(const auxo_queue *queue, const auxo_buffer *buffer, uint64_t offset_bytes,
                               uint64_t size_bytes, const char *what, auxo_error *error)
{
    auxo_status status = auxo__device_usable(queue->device, error);
    if (status)
        return status;
    if (buffer->device != queue->device)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: the buffer is on device %s, the queue on %s", what,
                              buffer->device->info.selector, queue->device->info.selector);
    if (offset_bytes > buffer->size_bytes || size_bytes > buffer->size_bytes - offset_bytes)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s: bytes %" PRIu64 " to %" PRIu64 " + %" PRIu64 " lie outside a buffer of %" PRIu64,
                              what, offset_bytes, offset_bytes, size_bytes, buffer->size_bytes);
    return AUXO_OK;
}

auxo_status auxo_buffer_write(auxo_queue *queue, auxo_buffer *buffer, uint64_t offset_bytes, const void *data,
                              uint64_t size_bytes, auxo_error *error)
{
    auxo_status status = check_range(queue, buffer, offset_bytes, size_bytes, "buffer write", error);
    if (status || size_bytes == 0)
        return status;
    const auxo_backend *backend = queue->device->backend;
    queue->busy = true;
    status = backend->buffer_write(queue->handle, buffer->handle, offset_bytes, data, size_bytes, error);
    return auxo__device_note(queue->device, status, error);
}

auxo_status auxo_buffer_read(auxo_queue *queue, const auxo_buffer *buffer, uint64_t offset_bytes, void *data,
                             uint64_t size_bytes, auxo_error *error)
{
    auxo_status status = check_range(queue, buffer, offset_bytes, size_bytes, "buffer read", error);
    if (status || size_bytes == 0)
        return status;
    const auxo_backend *backend = queue->device->backend;
    status = backend->buffer_read(queue->handle, buffer->handle, offset_bytes, data, size_bytes, error);
    return auxo__device_note(queue->device, status, error);
}

static auxo_status copy_through_host(auxo_queue *queue, const auxo_buffer *source, uint64_t source_offset_bytes,
                                     auxo_buffer *target, uint64_t target_offset_bytes, uint64_t size_bytes,
                                     auxo_error *error)
{
    const auxo_backend *backend = queue->device->backend;
    uint64_t block_bytes = size_bytes < HOST_BLOCK_BYTES ? size_bytes : HOST_BLOCK_BYTES;
    void *block = malloc(block_bytes);
    if (!block)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory copying a buffer through the host");
    auxo_status status = AUXO_OK;
    for (uint64_t done = 0; done < size_bytes && status == AUXO_OK; done += block_bytes) {
        uint64_t part = size_bytes - done < block_bytes ? size_bytes - done : block_bytes;
        status = backend->buffer_read(queue->handle, source->handle, source_offset_bytes + done, block, part, error);
        if (status == AUXO_OK)
            status =
                backend->buffer_write(queue->handle, target->handle, target_offset_bytes + done, block, part, error);
    }
    free(block);
    return status;
}

auxo_status auxo_buffer_copy(auxo_queue *queue, const auxo_buffer *source, uint64_t source_offset_bytes,
                             auxo_buffer *target, uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error)
{
    auxo_status status = check_range(queue, source, source_offset_bytes, size_bytes, "buffer copy source", error);
    if (status == AUXO_OK)
        status = check_range(queue, target, target_offset_bytes, size_bytes, "buffer copy target", error);
    if (status || size_bytes == 0)
        return status;
    if (source == target && source_offset_bytes < target_offset_bytes + size_bytes &&
        target_offset_bytes < source_offset_bytes + size_bytes)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "buffer copy: ranges at %" PRIu64 " and %" PRIu64 " of %" PRIu64
                              " bytes overlap in one buffer",
                              source_offset_bytes, target_offset_bytes, size_bytes);
    const auxo_backend *backend = queue->device->backend;
    queue->busy = true;
    if (backend->buffer_copy)
        status = backend->buffer_copy(queue->handle, source->handle, source_offset_bytes, target->handle,
                                      target_offset_bytes, size_bytes, error);
    else
        status = copy_through_host(queue, source, source_offset_bytes, target, target_offset_bytes, size_bytes, error);
    return auxo__device_note(queue->device, status, error);
}

static auxo_status write_zeros(auxo_queue *queue, auxo_buffer *buffer, uint64_t offset_bytes, uint64_t size_bytes,
                               auxo_error *error)
{
    uint64_t block_bytes = size_bytes < HOST_BLOCK_BYTES ? size_bytes : HOST_BLOCK_BYTES;
    void *zeros = calloc(1, block_bytes);
    if (!zeros)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory zeroing a buffer");
    auxo_status status = AUXO_OK;
    for (uint64_t done = 0; done < size_bytes && status == AUXO_OK; done += block_bytes) {
        uint64_t part = size_bytes - done < block_bytes ? size_bytes - done : block_bytes;
        status = queue->device->backend->buffer_write(queue->handle, buffer->handle, offset_bytes + done, zeros, part,
                                                      error);
    }
    free(zeros);
    return status;
}

auxo_status auxo_buffer_zero(auxo_queue *queue, auxo_buffer *buffer, uint64_t offset_bytes, uint64_t size_bytes,
                             auxo_error *error)
{
    auxo_status status = check_range(queue, buffer, offset_bytes, size_bytes, "buffer zero", error);
    if (status)
        return status;
    if (offset_bytes % 4 != 0 || size_bytes % 4 != 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "buffer zero: offset %" PRIu64 " and size %" PRIu64 " must be multiples of 4",
                              offset_bytes, size_bytes);
    if (size_bytes == 0)
        return AUXO_OK;
    const auxo_backend *backend = queue->device->backend;
    queue->busy = true;
    if (backend->buffer_zero)
        status = backend->buffer_zero(queue->handle, buffer->handle, offset_bytes, size_bytes, error);
    else
        status = write_zeros(queue, buffer, offset_bytes, size_bytes, error);
    return auxo__device_note(queue->device, status, error);
}
