/* device.c: opening and closing a logical device with its one compute queue.
 *
 * Owns the mapping from VkResult to auxo_status and the sticky device-lost flag. Only features of core Vulkan 1.2
 * that every such device has are switched on, as kernels use plain 32-bit words of storage buffers; and, where the
 * device has them, storage buffers of 16-bit elements, and cooperative matrices with what they need.
 */
#include "cooperative.h"
#include "vk_internal.h"

#include <stdlib.h>
#include <string.h>

auxo_status vk_fail(vk_device *device, VkResult result, const char *what, auxo_error *error)
{
    switch (result) {
    case VK_ERROR_DEVICE_LOST:
        device->lost = true;
        return auxo_error_set(error, AUXO_DEVICE_LOST, "%s: the Vulkan device %s was lost", what, device->info.name);
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return auxo_error_set(error, AUXO_OUT_OF_DEVICE_MEMORY, "%s: %s has no device memory left", what,
                              device->info.name);
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no host memory left", what);
    default:
        return auxo_error_set(error, AUXO_DRIVER, "%s: the Vulkan driver of %s answered VkResult %d", what,
                              device->info.name, (int)result);
    }
}

auxo_status vk_device_check(vk_device *device, auxo_error *error)
{
    if (device->lost)
        return auxo_error_set(error, AUXO_DEVICE_LOST, "the Vulkan device %s was lost; open it again",
                              device->info.name);
    return AUXO_OK;
}

void vk_device_quiesce(vk_device *device)
{
    for (vk_queue *queue = device->queues; queue; queue = queue->next) {
        vk_queue_flush(queue, NULL);
        vk_queue_wait_value(queue, queue->submitted, NULL);
    }
}

/* What is switched on, and the extensions that it needs. */
typedef struct wanted_features {
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices;
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT subgroups;
    VkPhysicalDeviceShaderBfloat16FeaturesKHR brains;
    const char *extensions[4];
    uint32_t extension_count;
} wanted_features;

static void want(wanted_features *wanted, const char *extension, void *features)
{
    wanted->extensions[wanted->extension_count++] = extension;
    ((VkBaseOutStructure *)features)->pNext = wanted->v12.pNext;
    wanted->v12.pNext = features;
}

static void choose_features(const vk_device *device, wanted_features *wanted)
{
    const bool bf16 = device->cooperative_bf16.m > 0, cooperative = device->cooperative_f16.m > 0 || bf16;
    *wanted = (wanted_features){
        .v11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
                .pNext = &wanted->v12,
                .storageBuffer16BitAccess = device->has_halves},
        .v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                .timelineSemaphore = VK_TRUE,
                .shaderFloat16 = cooperative,
                .vulkanMemoryModel = cooperative,
                .vulkanMemoryModelDeviceScope = cooperative /* of the atomics of words.glsl */},
        .executables = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
                        .pipelineExecutableInfo = VK_TRUE},
        .matrices = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
                     .cooperativeMatrix = VK_TRUE},
        .subgroups = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
                      .computeFullSubgroups = VK_TRUE},
        .brains = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR,
                   .shaderBFloat16Type = VK_TRUE,
                   .shaderBFloat16CooperativeMatrix = VK_TRUE},
    };
    if (device->has_statistics)
        want(wanted, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME, &wanted->executables);
    if (cooperative) {
        want(wanted, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME, &wanted->matrices);
        want(wanted, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME, &wanted->subgroups);
    }
    if (bf16)
        want(wanted, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME, &wanted->brains);
}

static auxo_status create_logical(vk_device *device, auxo_error *error)
{
    if (!vk_physical_compute_family(device->physical, &device->family, &device->timestamp_bits))
        return auxo_error_set(error, AUXO_NOT_FOUND, "%s has no compute queue", device->info.name);
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = device->family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    device->has_statistics = device->instance->host.keep_statistics && vk_statistics_available(device->physical);
    wanted_features wanted;
    choose_features(device, &wanted);
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .pNext = &wanted.v11,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue,
                                     .enabledExtensionCount = wanted.extension_count,
                                     .ppEnabledExtensionNames = wanted.extensions};
    const VkResult result = vkCreateDevice(device->physical, &info, NULL, &device->handle);
    if (result != VK_SUCCESS)
        return vk_fail(device, result, "creating the logical device", error);
    vkGetDeviceQueue(device->handle, device->family, 0, &device->queue);
    device->allocator.device = device->handle;
    vkGetPhysicalDeviceMemoryProperties(device->physical, &device->allocator.properties);
    if (device->compiles_only && !device->instance->host.keep_statistics)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "%s only compiles and runs nothing; see \"auxo bench audit\"",
                              device->info.name);
    return AUXO_OK;
}

static bool can_shuffle(VkPhysicalDevice physical)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                              .pNext = &subgroup};
    vkGetPhysicalDeviceProperties2(physical, &properties);
    return (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) &&
           (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT);
}

static bool can_store_halves(VkPhysicalDevice physical)
{
    VkPhysicalDeviceVulkan11Features v11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v11};
    vkGetPhysicalDeviceFeatures2(physical, &features);
    return v11.storageBuffer16BitAccess;
}

static void read_properties(vk_device *device)
{
    vk_physical_info(device->physical, &device->info);
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(device->physical, &properties);
    device->limits = properties.limits;
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(device->physical, &memory);
    device->compiles_only = memory.memoryTypeCount == 0;
    device->unified = device->compiles_only || (device->info.features & AUXO_FEATURE_UNIFIED_MEMORY);
    device->has_halves = can_store_halves(device->physical);
    device->has_shuffle = can_shuffle(device->physical);
    vk_cooperative_find(device);
    device->group_size = 256;
    while (device->group_size > properties.limits.maxComputeWorkGroupInvocations ||
           device->group_size > properties.limits.maxComputeWorkGroupSize[0])
        device->group_size /= 2;
}

auxo_status vk_device_open(const auxo_backend_host *host, uint32_t index, void **device_out, auxo_error *error)
{
    vk_device *device = calloc(1, sizeof *device);
    if (!device)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for a Vulkan device");
    VkPhysicalDevice *list = NULL;
    uint32_t count = 0;
    auxo_status status = vk_instance_create(host, &device->instance, error);
    if (status == AUXO_OK)
        status = vk_instance_devices(device->instance, &list, &count, error);
    if (status == AUXO_OK && index >= count)
        status = auxo_error_set(error, AUXO_NOT_FOUND, "there is no Vulkan device %u: %u found", index, count);
    if (status == AUXO_OK) {
        device->physical = list[index];
        read_properties(device);
        status = create_logical(device, error);
    }
    free(list);
    if (status == AUXO_OK) {
        vk_pipeline_cache_load(device);
        status =
            vk_buffer_create_for(device, VK_ABSENT_MAX * VK_ABSENT_BYTES, VK_BUFFER_DEVICE, &device->nothing, error);
    }
    if (status != AUXO_OK) {
        vk_device_close(device);
        return status;
    }
    *device_out = device;
    return AUXO_OK;
}

void vk_device_close(void *opaque)
{
    vk_device *device = opaque;
    if (!device)
        return;
    if (device->handle) {
        if (!device->compiles_only)
            vkDeviceWaitIdle(device->handle);
        vk_pipeline_cache_save(device);
        vk_pipelines_deinit(device);
        vk_buffer_free(device, device->nothing);
        vk_allocator_deinit(&device->allocator);
        vkDestroyDevice(device->handle, NULL);
    }
    vk_instance_destroy(device->instance);
    free(device);
}
