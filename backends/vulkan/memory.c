/* memory.c: a small allocator of device memory: one VkDeviceMemory per large buffer, shared blocks for small ones.
 *
 * Invariants: a block's free ranges are sorted by offset, never touch each other and never overlap an allocation. A
 * block that becomes entirely free is returned to the driver. Drivers allow few (4096) allocations, hence the sharing.
 */
#include "vk_internal.h"

#include <stdlib.h>
#include <string.h>

enum { SHARED_BLOCK_BYTES = 32 << 20, DEDICATED_BYTES = 4 << 20 };

typedef struct range {
    VkDeviceSize offset, size;
} range;

struct vk_memory_block {
    vk_memory_block *next;
    VkDeviceMemory memory;
    VkDeviceSize size;
    uint8_t *mapped;
    uint32_t type;
    bool dedicated;
    range *free_ranges;
    uint32_t free_count, free_capacity;
    uint32_t used_count; /* allocations; free_count <= used_count + 1 */
};

bool vk_allocator_find_type(const vk_allocator *allocator, uint32_t allowed, VkMemoryPropertyFlags required,
                            VkMemoryPropertyFlags wanted, uint32_t *type)
{
    bool found = false;
    for (uint32_t i = 0; i < allocator->properties.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = allocator->properties.memoryTypes[i].propertyFlags;
        if (!(allowed & (1u << i)) || (flags & required) != required)
            continue;
        if ((flags & wanted) == wanted) {
            *type = i;
            return true;
        }
        if (!found)
            *type = i;
        found = true;
    }
    return found;
}

static void block_destroy(vk_allocator *allocator, vk_memory_block *block)
{
    vk_memory_block **link = &allocator->blocks;
    while (*link && *link != block)
        link = &(*link)->next;
    if (*link)
        *link = block->next;
    if (block->memory)
        vkFreeMemory(allocator->device, block->memory, NULL);
    free(block->free_ranges);
    free(block);
}

static VkResult block_create(vk_allocator *allocator, uint32_t type, VkDeviceSize size, bool dedicated,
                             vk_memory_block **block_out)
{
    vk_memory_block *block = calloc(1, sizeof *block);
    if (!block)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    *block = (vk_memory_block){.size = size, .type = type, .dedicated = dedicated, .free_capacity = 16};
    block->free_ranges = calloc(block->free_capacity, sizeof *block->free_ranges);
    if (!block->free_ranges) {
        free(block);
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = size, .memoryTypeIndex = type};
    VkResult result = vkAllocateMemory(allocator->device, &info, NULL, &block->memory);
    const VkMemoryPropertyFlags flags = allocator->properties.memoryTypes[type].propertyFlags;
    if (result == VK_SUCCESS && (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) &&
        (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)) {
        void *mapped = NULL;
        result = vkMapMemory(allocator->device, block->memory, 0, VK_WHOLE_SIZE, 0, &mapped);
        block->mapped = mapped;
    }
    block->free_ranges[0] = (range){0, size};
    block->free_count = 1;
    block->next = allocator->blocks;
    allocator->blocks = block;
    if (result != VK_SUCCESS) {
        block_destroy(allocator, block);
        return result;
    }
    *block_out = block;
    return VK_SUCCESS;
}

/* Room for the free ranges that one more allocation may leave, so that giving memory back can never fail for want of
 * host memory. */
static bool reserve_range(vk_memory_block *block)
{
    if (block->used_count + 3 <= block->free_capacity)
        return true;
    range *grown = realloc(block->free_ranges, 2 * block->free_capacity * sizeof *grown);
    if (!grown)
        return false;
    block->free_ranges = grown;
    block->free_capacity *= 2;
    return true;
}

static void insert_range(vk_memory_block *block, uint32_t at, range value)
{
    memmove(block->free_ranges + at + 1, block->free_ranges + at, (block->free_count - at) * sizeof value);
    block->free_ranges[at] = value;
    block->free_count++;
}

static void remove_range(vk_memory_block *block, uint32_t at)
{
    block->free_count--;
    memmove(block->free_ranges + at, block->free_ranges + at + 1, (block->free_count - at) * sizeof(range));
}

static bool block_take(vk_memory_block *block, const VkMemoryRequirements *requirements, vk_allocation *allocation)
{
    const VkDeviceSize alignment = requirements->alignment ? requirements->alignment : 1;
    for (uint32_t i = 0; i < block->free_count; i++) {
        const range gap = block->free_ranges[i];
        const VkDeviceSize offset = (gap.offset + alignment - 1) / alignment * alignment;
        if (offset + requirements->size > gap.offset + gap.size)
            continue;
        if (!reserve_range(block))
            return false;
        remove_range(block, i);
        const VkDeviceSize end = offset + requirements->size;
        if (end < gap.offset + gap.size)
            insert_range(block, i, (range){end, gap.offset + gap.size - end});
        if (offset > gap.offset)
            insert_range(block, i, (range){gap.offset, offset - gap.offset});
        block->used_count++;
        *allocation = (vk_allocation){.memory = block->memory,
                                      .offset = offset,
                                      .size = requirements->size,
                                      .mapped = block->mapped ? block->mapped + offset : NULL,
                                      .block = block};
        return true;
    }
    return false;
}

VkResult vk_allocator_take(vk_allocator *allocator, uint32_t type, const VkMemoryRequirements *requirements,
                           vk_allocation *allocation)
{
    const bool dedicated = requirements->size >= DEDICATED_BYTES;
    for (vk_memory_block *block = allocator->blocks; block && !dedicated; block = block->next)
        if (!block->dedicated && block->type == type && block_take(block, requirements, allocation))
            return VK_SUCCESS;
    vk_memory_block *block = NULL;
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (!dedicated)
        result = block_create(allocator, type, SHARED_BLOCK_BYTES, false, &block);
    if (result != VK_SUCCESS) /* also where memory is too short for a whole shared block */
        result = block_create(allocator, type, requirements->size, true, &block);
    if (result == VK_SUCCESS && !block_take(block, requirements, allocation)) {
        block_destroy(allocator, block);
        result = VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    return result;
}

void vk_allocator_give(vk_allocator *allocator, vk_allocation *allocation)
{
    vk_memory_block *block = allocation->block;
    if (!block)
        return;
    uint32_t at = 0;
    while (at < block->free_count && block->free_ranges[at].offset < allocation->offset)
        at++;
    insert_range(block, at, (range){allocation->offset, allocation->size});
    block->used_count--;
    range *ranges = block->free_ranges;
    if (at + 1 < block->free_count && ranges[at].offset + ranges[at].size == ranges[at + 1].offset) {
        ranges[at].size += ranges[at + 1].size;
        remove_range(block, at + 1);
    }
    if (at > 0 && ranges[at - 1].offset + ranges[at - 1].size == ranges[at].offset) {
        ranges[at - 1].size += ranges[at].size;
        remove_range(block, at);
    }
    if (block->free_count == 1 && block->free_ranges[0].size == block->size)
        block_destroy(allocator, block);
    *allocation = (vk_allocation){0};
}

void vk_allocator_deinit(vk_allocator *allocator)
{
    while (allocator->blocks)
        block_destroy(allocator, allocator->blocks);
}
