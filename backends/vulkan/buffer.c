/* buffer.c: VkBuffers with their memory, for the device, for uploads and for downloads.
 *
 * Owns the choice of memory types. On devices that share the host's memory, device buffers are mapped as well and
 * transfers need no staging.
 */
#include "vk_internal.h"

#include <stdlib.h>

static bool memory_type_of(const vk_device *device, vk_buffer_use use, uint32_t allowed, uint32_t *type)
{
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    const VkMemoryPropertyFlags mapped = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    switch (use) {
    case VK_BUFFER_UPLOAD:
        return vk_allocator_find_type(&device->allocator, allowed, mapped, 0, type);
    case VK_BUFFER_DOWNLOAD:
        return vk_allocator_find_type(&device->allocator, allowed, mapped, cached, type);
    case VK_BUFFER_DEVICE:
    default:
        if (device->unified)
            return vk_allocator_find_type(&device->allocator, allowed, mapped | local, cached, type);
        return vk_allocator_find_type(&device->allocator, allowed, 0, local, type);
    }
}

void vk_buffer_free(vk_device *device, vk_buffer *buffer)
{
    if (!buffer)
        return;
    if (buffer->handle)
        vkDestroyBuffer(device->handle, buffer->handle, NULL);
    if (device->compiles_only)
        free(buffer->allocation.mapped);
    else
        vk_allocator_give(&device->allocator, &buffer->allocation);
    free(buffer);
}

static VkResult create(vk_device *device, vk_buffer *buffer, vk_buffer_use use)
{
    const VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                     .size = buffer->size_bytes,
                                     .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                              VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                     .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    VkResult result = vkCreateBuffer(device->handle, &info, NULL, &buffer->handle);
    if (result != VK_SUCCESS)
        return result;
    if (device->compiles_only) {
        buffer->allocation.mapped = calloc(1, buffer->size_bytes);
        return buffer->allocation.mapped ? VK_SUCCESS : VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    VkMemoryRequirements requirements;
    vkGetBufferMemoryRequirements(device->handle, buffer->handle, &requirements);
    uint32_t type = 0;
    if (!memory_type_of(device, use, requirements.memoryTypeBits, &type))
        return VK_ERROR_FEATURE_NOT_PRESENT;
    result = vk_allocator_take(&device->allocator, type, &requirements, &buffer->allocation);
    if (result != VK_SUCCESS)
        return result;
    return vkBindBufferMemory(device->handle, buffer->handle, buffer->allocation.memory, buffer->allocation.offset);
}

auxo_status vk_buffer_create_for(vk_device *device, uint64_t size_bytes, vk_buffer_use use, vk_buffer **buffer_out,
                                 auxo_error *error)
{
    const uint64_t rounded_bytes = (size_bytes + 15) / 16 * 16;
    if (rounded_bytes > device->info.max_allocation_bytes)
        return auxo_error_set(
            error, AUXO_OUT_OF_DEVICE_MEMORY, "a buffer of %llu bytes exceeds the largest allocation of %s, %llu bytes",
            (unsigned long long)size_bytes, device->info.name, (unsigned long long)device->info.max_allocation_bytes);
    vk_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for a Vulkan buffer");
    buffer->size_bytes = rounded_bytes;
    const VkResult result = create(device, buffer, use);
    if (result != VK_SUCCESS) {
        vk_buffer_free(device, buffer);
        return vk_fail(device, result, "creating a buffer", error);
    }
    *buffer_out = buffer;
    return AUXO_OK;
}

auxo_status vk_buffer_create(void *device, uint64_t size_bytes, void **buffer, auxo_error *error)
{
    vk_buffer *created = NULL;
    const auxo_status status = vk_buffer_create_for(device, size_bytes, VK_BUFFER_DEVICE, &created, error);
    if (status == AUXO_OK)
        *buffer = created;
    return status;
}

void vk_buffer_destroy(void *device, void *buffer)
{
    if (!buffer)
        return;
    vk_device_quiesce(device); /* enqueued work may still use it */
    vk_buffer_free(device, buffer);
}
