/* transfer.c: host <-> device and device -> device copies, in queue order.
 *
 * A write goes straight into mapped memory when the device shares it and the queue is idle, else through staging
 * memory that belongs to the open batch. A read waits for the queue. Copies need multiples of 4 bytes nowhere:
 * vkCmdCopyBuffer moves bytes.
 */
#include "vk_internal.h"

#include <string.h>

enum { STAGING_BYTES = 8 << 20 };

static vk_binding binding_of(const vk_buffer *buffer, uint64_t offset_bytes, uint64_t size_bytes, vk_access access)
{
    return (vk_binding){
        .buffer = buffer->handle, .begin = offset_bytes, .end = offset_bytes + size_bytes, .access = access};
}

/* Staging room in the open batch: at least one byte, at most *size_bytes. A full batch is flushed first. */
static auxo_status take_upload(vk_queue *queue, uint64_t *size_bytes, vk_buffer **buffer, uint64_t *offset_bytes,
                               vk_commands **commands, auxo_error *error)
{
    auxo_status status = vk_queue_commands(queue, commands, error);
    if (status == AUXO_OK && queue->open->upload.used_bytes >= STAGING_BYTES) {
        status = vk_queue_flush(queue, error);
        if (status == AUXO_OK)
            status = vk_queue_commands(queue, commands, error);
    }
    if (status != AUXO_OK)
        return status;
    vk_staging *staging = &queue->open->upload;
    if (!staging->buffer)
        status = vk_buffer_create_for(queue->device, STAGING_BYTES, VK_BUFFER_UPLOAD, &staging->buffer, error);
    if (status != AUXO_OK)
        return status;
    const uint64_t room_bytes = STAGING_BYTES - staging->used_bytes;
    *size_bytes = *size_bytes < room_bytes ? *size_bytes : room_bytes;
    *buffer = staging->buffer;
    *offset_bytes = staging->used_bytes;
    staging->used_bytes += (*size_bytes + 15) / 16 * 16;
    return AUXO_OK;
}

auxo_status vk_transfer_write(void *opaque, void *target, uint64_t offset_bytes, const void *data, uint64_t size_bytes,
                              auxo_error *error)
{
    vk_queue *queue = opaque;
    vk_buffer *buffer = target;
    const uint8_t *bytes = data;
    if (queue->recording)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "a write from host memory cannot be recorded");
    if (queue->device->unified && buffer->allocation.mapped && vk_queue_is_idle(queue)) {
        memcpy(buffer->allocation.mapped + offset_bytes, bytes, size_bytes);
        return vk_device_check(queue->device, error);
    }
    while (size_bytes > 0) {
        uint64_t part_bytes = size_bytes, staging_offset = 0;
        vk_buffer *staging = NULL;
        vk_commands *commands = NULL;
        const auxo_status status = take_upload(queue, &part_bytes, &staging, &staging_offset, &commands, error);
        if (status != AUXO_OK)
            return status;
        memcpy(staging->allocation.mapped + staging_offset, bytes, part_bytes);
        const vk_binding access = binding_of(buffer, offset_bytes, part_bytes, VK_WRITE);
        vk_commands_access(commands, &access, 1);
        const VkBufferCopy region = {.srcOffset = staging_offset, .dstOffset = offset_bytes, .size = part_bytes};
        vkCmdCopyBuffer(commands->buffer, staging->handle, buffer->handle, 1, &region);
        bytes += part_bytes;
        offset_bytes += part_bytes;
        size_bytes -= part_bytes;
    }
    return vk_queue_throttle(queue, error);
}

static auxo_status wait_all(vk_queue *queue, auxo_error *error)
{
    const auxo_status status = vk_queue_flush(queue, error);
    return status == AUXO_OK ? vk_queue_wait_value(queue, queue->submitted, error) : status;
}

static auxo_status read_staged(vk_queue *queue, vk_buffer *buffer, uint64_t offset_bytes, uint8_t *bytes,
                               uint64_t size_bytes, auxo_error *error)
{
    if (!queue->download.buffer) {
        const auxo_status status =
            vk_buffer_create_for(queue->device, STAGING_BYTES, VK_BUFFER_DOWNLOAD, &queue->download.buffer, error);
        if (status != AUXO_OK)
            return status;
    }
    while (size_bytes > 0) {
        const uint64_t part_bytes = size_bytes < STAGING_BYTES ? size_bytes : STAGING_BYTES;
        vk_commands *commands = NULL;
        auxo_status status = vk_queue_commands(queue, &commands, error);
        if (status != AUXO_OK)
            return status;
        const vk_binding access[] = {binding_of(buffer, offset_bytes, part_bytes, VK_READ),
                                     binding_of(queue->download.buffer, 0, part_bytes, VK_WRITE)};
        vk_commands_access(commands, access, 2);
        const VkBufferCopy region = {.srcOffset = offset_bytes, .size = part_bytes};
        vkCmdCopyBuffer(commands->buffer, buffer->handle, queue->download.buffer->handle, 1, &region);
        status = wait_all(queue, error);
        if (status != AUXO_OK)
            return status;
        memcpy(bytes, queue->download.buffer->allocation.mapped, part_bytes);
        bytes += part_bytes;
        offset_bytes += part_bytes;
        size_bytes -= part_bytes;
    }
    return AUXO_OK;
}

auxo_status vk_transfer_read(void *opaque, void *source, uint64_t offset_bytes, void *data, uint64_t size_bytes,
                             auxo_error *error)
{
    vk_queue *queue = opaque;
    vk_buffer *buffer = source;
    if (queue->recording)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "a read into host memory cannot be recorded");
    if (!queue->device->unified || !buffer->allocation.mapped)
        return read_staged(queue, buffer, offset_bytes, data, size_bytes, error);
    const auxo_status status = wait_all(queue, error);
    if (status == AUXO_OK)
        memcpy(data, buffer->allocation.mapped + offset_bytes, size_bytes);
    return status;
}

auxo_status vk_transfer_copy(void *opaque, void *source, uint64_t source_offset_bytes, void *target,
                             uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error)
{
    vk_queue *queue = opaque;
    vk_commands *commands = NULL;
    const auxo_status status = vk_queue_commands(queue, &commands, error);
    if (status != AUXO_OK || size_bytes == 0)
        return status;
    const vk_buffer *from = source, *to = target;
    const vk_binding access[] = {binding_of(from, source_offset_bytes, size_bytes, VK_READ),
                                 binding_of(to, target_offset_bytes, size_bytes, VK_WRITE)};
    vk_commands_access(commands, access, 2);
    const VkBufferCopy region = {
        .srcOffset = source_offset_bytes, .dstOffset = target_offset_bytes, .size = size_bytes};
    vkCmdCopyBuffer(commands->buffer, from->handle, to->handle, 1, &region);
    return vk_queue_throttle(queue, error);
}

auxo_status vk_transfer_zero(void *opaque, void *target, uint64_t offset_bytes, uint64_t size_bytes, auxo_error *error)
{
    vk_queue *queue = opaque;
    vk_commands *commands = NULL;
    const auxo_status status = vk_queue_commands(queue, &commands, error);
    if (status != AUXO_OK || size_bytes == 0)
        return status;
    const vk_buffer *buffer = target;
    const vk_binding access = binding_of(buffer, offset_bytes, size_bytes, VK_WRITE);
    vk_commands_access(commands, &access, 1);
    vkCmdFillBuffer(commands->buffer, buffer->handle, offset_bytes, size_bytes, 0);
    return vk_queue_throttle(queue, error);
}
