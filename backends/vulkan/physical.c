/* physical.c: what a physical device says about itself, as auxo_device_info.
 *
 * Owns the mapping from Vulkan properties to the runtime's fields; decides nothing about how the device is used.
 */
#include "vk_internal.h"

#include <stdio.h>
#include <string.h>

static const char *vendor_text(uint32_t vendor_id)
{
    switch (vendor_id) {
    case 0x1002:
        return "AMD";
    case 0x10DE:
        return "NVIDIA";
    case 0x8086:
        return "Intel";
    case 0x106B:
        return "Apple";
    case 0x13B5:
        return "ARM";
    case 0x5143:
        return "Qualcomm";
    case VK_VENDOR_ID_MESA:
        return "Mesa";
    default:
        return "unknown vendor";
    }
}

static auxo_device_type type_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return AUXO_DEVICE_CPU;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return AUXO_DEVICE_INTEGRATED_GPU;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return AUXO_DEVICE_DISCRETE_GPU;
    default:
        return AUXO_DEVICE_ACCELERATOR;
    }
}

static void fill_hardware_id(VkPhysicalDevice physical, const VkPhysicalDeviceIDProperties *id, auxo_device_info *info)
{
    if (vk_physical_has_extension(physical, VK_EXT_PCI_BUS_INFO_EXTENSION_NAME)) {
        VkPhysicalDevicePCIBusInfoPropertiesEXT pci = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT};
        VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                                  .pNext = &pci};
        vkGetPhysicalDeviceProperties2(physical, &properties);
        snprintf(info->hardware_id, sizeof info->hardware_id, "%04x:%02x:%02x.%x", pci.pciDomain, pci.pciBus,
                 pci.pciDevice, pci.pciFunction);
        return;
    }
    for (size_t i = 0; i < VK_UUID_SIZE; i++)
        snprintf(info->hardware_id + 2 * i, sizeof info->hardware_id - 2 * i, "%02x", id->deviceUUID[i]);
}

static void fill_memory(VkPhysicalDevice physical, auxo_device_info *info)
{
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    for (uint32_t i = 0; i < memory.memoryHeapCount; i++)
        if ((memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) &&
            memory.memoryHeaps[i].size > info->memory_bytes)
            info->memory_bytes = memory.memoryHeaps[i].size;
    const VkMemoryPropertyFlags mapped = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    if (info->type == AUXO_DEVICE_DISCRETE_GPU)
        return; /* its mapped memory lies behind a bus: slow to read */
    for (uint32_t i = 0; i < memory.memoryTypeCount; i++)
        if ((memory.memoryTypes[i].propertyFlags & mapped) == mapped)
            info->features |= AUXO_FEATURE_UNIFIED_MEMORY;
}

static void fill_features(VkPhysicalDevice physical, auxo_device_info *info)
{
    VkPhysicalDeviceVulkan12Features v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceVulkan11Features v11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
                                            .pNext = &v12};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v11};
    vkGetPhysicalDeviceFeatures2(physical, &features);
    info->features |= AUXO_FEATURE_FP16_STORAGE; /* halves are packed and unpacked from words: no feature needed */
    if (v12.shaderFloat16)
        info->features |= AUXO_FEATURE_FP16_ARITHMETIC;
    if (features.features.shaderFloat64)
        info->features |= AUXO_FEATURE_FP64;
    info->features |= AUXO_FEATURE_SUBGROUPS;
    if (info->memory_bytes > 0) /* else a driver that only compiles */
        info->features |= AUXO_FEATURE_COMMAND_RECORDING;
    bool bf16 = false;
    if (info->type == AUXO_DEVICE_CPU || !vk_physical_has_cooperative(physical, &bf16))
        return; /* a CPU driver does the work of matrix units by plain arithmetic */
    info->features |= AUXO_FEATURE_COOPERATIVE_MATRIX;
    if (bf16)
        info->features |= AUXO_FEATURE_BF16_MATRIX;
}

/* Not told by core Vulkan, but by extensions that need not be enabled; 0: unknown. */
static uint32_t compute_units_of(VkPhysicalDevice physical)
{
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nvidia = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
    VkPhysicalDeviceShaderCorePropertiesAMD amd = {.sType =
                                                       VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    if (vk_physical_has_extension(physical, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME))
        properties.pNext = &nvidia;
    else if (vk_physical_has_extension(physical, VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME))
        properties.pNext = &amd;
    else
        return 0;
    vkGetPhysicalDeviceProperties2(physical, &properties);
    return nvidia.shaderSMCount +
           amd.shaderEngineCount * amd.shaderArraysPerEngineCount * amd.computeUnitsPerShaderArray;
}

void vk_physical_info(VkPhysicalDevice physical, auxo_device_info *info)
{
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
                                               .pNext = &id};
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
                                                   .pNext = &driver};
    VkPhysicalDeviceMaintenance3Properties sizes = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
                                                    .pNext = &subgroup};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &sizes};
    vkGetPhysicalDeviceProperties2(physical, &all);
    const VkPhysicalDeviceProperties *properties = &all.properties;

    memset(info, 0, sizeof *info);
    snprintf(info->backend, sizeof info->backend, "vulkan");
    snprintf(info->name, sizeof info->name, "%.127s", properties->deviceName);
    snprintf(info->vendor, sizeof info->vendor, "%s", vendor_text(properties->vendorID));
    snprintf(info->driver, sizeof info->driver, "%.48s %.48s (%u)", driver.driverName, driver.driverInfo,
             properties->driverVersion);
    info->type = type_of(properties->deviceType);
    info->compute_units = compute_units_of(physical);
    info->subgroup_size = subgroup.subgroupSize;
    info->max_workgroup_size = properties->limits.maxComputeWorkGroupInvocations;
    info->local_memory_bytes = properties->limits.maxComputeSharedMemorySize;
    info->max_allocation_bytes = sizes.maxMemoryAllocationSize;
    info->max_binding_bytes = properties->limits.maxStorageBufferRange;
    uint32_t family, timestamp_bits = 0;
    if (vk_physical_compute_family(physical, &family, &timestamp_bits) && timestamp_bits > 0)
        info->features |= AUXO_FEATURE_TIMESTAMPS;
    fill_memory(physical, info);
    fill_features(physical, info);
    fill_hardware_id(physical, &id, info);
}
