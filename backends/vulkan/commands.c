/* commands.c: one command buffer with the descriptor pools and the hazard list that belong to it.
 *
 * Invariants: a command buffer begins with a barrier against everything submitted before, and ends with one that
 * makes device writes visible to the host. Inside, a barrier is recorded exactly when an access conflicts with one
 * since the last barrier (read after write, write after read, write after write on overlapping bytes).
 */
#include "vk_internal.h"

#include <stdlib.h>
#include <string.h>

enum { SETS_PER_POOL = 256 };

static void record_barrier(VkCommandBuffer buffer, bool to_host)
{
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                     .dstAccessMask = to_host ? VK_ACCESS_HOST_READ_BIT
                                                              : VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                                                    VK_ACCESS_TRANSFER_READ_BIT |
                                                                    VK_ACCESS_TRANSFER_WRITE_BIT};
    const VkPipelineStageFlags device_stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    vkCmdPipelineBarrier(buffer, device_stages, to_host ? VK_PIPELINE_STAGE_HOST_BIT : device_stages, 0, 1, &barrier, 0,
                         NULL, 0, NULL);
}

auxo_status vk_commands_init(vk_device *device, vk_commands *commands, auxo_error *error)
{
    memset(commands, 0, sizeof *commands);
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = device->family};
    VkResult result = vkCreateCommandPool(device->handle, &pool, NULL, &commands->pool);
    if (result == VK_SUCCESS) {
        const VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                  .commandPool = commands->pool,
                                                  .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                  .commandBufferCount = 1};
        result = vkAllocateCommandBuffers(device->handle, &info, &commands->buffer);
    }
    if (result != VK_SUCCESS) {
        vk_commands_deinit(device, commands);
        return vk_fail(device, result, "creating a command buffer", error);
    }
    return AUXO_OK;
}

void vk_commands_deinit(vk_device *device, vk_commands *commands)
{
    for (uint32_t i = 0; i < commands->descriptor_pool_count; i++)
        vkDestroyDescriptorPool(device->handle, commands->descriptor_pools[i], NULL);
    free(commands->descriptor_pools);
    if (commands->pool)
        vkDestroyCommandPool(device->handle, commands->pool, NULL);
    memset(commands, 0, sizeof *commands);
}

auxo_status vk_commands_begin(vk_device *device, vk_commands *commands, VkCommandBufferUsageFlags flags,
                              auxo_error *error)
{
    VkResult result = vkResetCommandPool(device->handle, commands->pool, 0);
    for (uint32_t i = 0; i < commands->descriptor_pool_next && result == VK_SUCCESS; i++)
        result = vkResetDescriptorPool(device->handle, commands->descriptor_pools[i], 0);
    commands->descriptor_pool_next = 0;
    commands->hazard_count = 0;
    commands->absent_count = 0;
    commands->command_count = 0;
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, .flags = flags};
    if (result == VK_SUCCESS)
        result = vkBeginCommandBuffer(commands->buffer, &info);
    if (result != VK_SUCCESS)
        return vk_fail(device, result, "beginning a command buffer", error);
    record_barrier(commands->buffer, false);
    return AUXO_OK;
}

auxo_status vk_commands_end(vk_device *device, vk_commands *commands, auxo_error *error)
{
    record_barrier(commands->buffer, true);
    const VkResult result = vkEndCommandBuffer(commands->buffer);
    return result == VK_SUCCESS ? AUXO_OK : vk_fail(device, result, "ending a command buffer", error);
}

static bool conflicts(const vk_commands *commands, const vk_binding *binding)
{
    for (uint32_t i = 0; i < commands->hazard_count; i++) {
        const vk_hazard *hazard = &commands->hazards[i];
        if (hazard->buffer == binding->buffer && hazard->begin < binding->end && binding->begin < hazard->end &&
            (hazard->write || (binding->access & VK_WRITE)))
            return true;
    }
    return false;
}

uint64_t vk_commands_access(vk_commands *commands, const vk_binding *bindings, uint32_t count)
{
    bool barrier = commands->hazard_count + count > VK_HAZARDS_MAX || commands->absent_count == VK_ABSENT_MAX;
    bool absent = false;
    for (uint32_t i = 0; i < count; i++) {
        barrier = barrier || (bindings[i].end > bindings[i].begin && conflicts(commands, &bindings[i]));
        absent = absent || bindings[i].absent;
    }
    if (barrier) {
        record_barrier(commands->buffer, false);
        commands->hazard_count = 0;
        commands->absent_count = 0;
    }
    for (uint32_t i = 0; i < count; i++)
        if (bindings[i].end > bindings[i].begin)
            commands->hazards[commands->hazard_count++] = (vk_hazard){.buffer = bindings[i].buffer,
                                                                      .begin = bindings[i].begin,
                                                                      .end = bindings[i].end,
                                                                      .write = (bindings[i].access & VK_WRITE) != 0};
    commands->command_count++;
    return absent ? (uint64_t)commands->absent_count++ * VK_ABSENT_BYTES : 0;
}

static VkResult add_pool(vk_device *device, vk_commands *commands)
{
    VkDescriptorPool *grown =
        realloc(commands->descriptor_pools, (commands->descriptor_pool_count + 1) * sizeof *grown);
    if (!grown)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    commands->descriptor_pools = grown;
    const VkDescriptorPoolSize size = {.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                       .descriptorCount = SETS_PER_POOL * VK_BINDINGS_MAX / 2};
    const VkDescriptorPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = SETS_PER_POOL,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
    VkDescriptorPool pool = VK_NULL_HANDLE;
    const VkResult result = vkCreateDescriptorPool(device->handle, &info, NULL, &pool);
    if (result == VK_SUCCESS)
        commands->descriptor_pools[commands->descriptor_pool_count++] = pool;
    return result;
}

auxo_status vk_commands_descriptors(vk_device *device, vk_commands *commands, VkDescriptorSetLayout layout,
                                    VkDescriptorSet *set, auxo_error *error)
{
    VkResult result = VK_ERROR_OUT_OF_POOL_MEMORY;
    for (int attempt = 0; attempt < 2 && result != VK_SUCCESS; attempt++) {
        if (attempt > 0 || commands->descriptor_pool_next == 0) {
            if (commands->descriptor_pool_next == commands->descriptor_pool_count) {
                result = add_pool(device, commands);
                if (result != VK_SUCCESS)
                    break;
            }
            commands->descriptor_pool_next++;
        }
        const VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                                  .descriptorPool =
                                                      commands->descriptor_pools[commands->descriptor_pool_next - 1],
                                                  .descriptorSetCount = 1,
                                                  .pSetLayouts = &layout};
        result = vkAllocateDescriptorSets(device->handle, &info, set);
        if (result != VK_SUCCESS && result != VK_ERROR_OUT_OF_POOL_MEMORY && result != VK_ERROR_FRAGMENTED_POOL)
            break;
    }
    return result == VK_SUCCESS ? AUXO_OK : vk_fail(device, result, "allocating a descriptor set", error);
}
