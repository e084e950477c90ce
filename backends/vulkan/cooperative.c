/* cooperative.c: which cooperative matrices a physical device offers that gemm_cooperative.comp can use.
 *
 * Wanted: f16 times f16 into f32, held by a subgroup, extents that are multiples of eight. 16 x 16 x 16 if there is
 * one, else the first that fits.
 */
#include "cooperative.h"
#include "vk_internal.h"

#include <stdlib.h>

enum { RUN = 8, WANTED = 16, EXTENT_MAX = 32 };

static bool fits(const VkCooperativeMatrixPropertiesKHR *one)
{
    return one->AType == VK_COMPONENT_TYPE_FLOAT16_KHR && one->BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
           one->CType == VK_COMPONENT_TYPE_FLOAT32_KHR && one->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           one->scope == VK_SCOPE_SUBGROUP_KHR && !one->saturatingAccumulation && one->MSize % RUN == 0 &&
           one->NSize % RUN == 0 && one->KSize % RUN == 0 && one->MSize <= EXTENT_MAX && one->NSize <= EXTENT_MAX &&
           one->KSize <= EXTENT_MAX;
}

static bool features_allow(VkPhysicalDevice physical)
{
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
    VkPhysicalDeviceVulkan12Features v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                            .pNext = &matrices};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v12};
    vkGetPhysicalDeviceFeatures2(physical, &features);
    return matrices.cooperativeMatrix && v12.shaderFloat16 && v12.vulkanMemoryModel;
}

vk_cooperative vk_cooperative_of(const vk_instance *instance, VkPhysicalDevice physical)
{
    vk_cooperative found = {0};
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR properties =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(void (*)(void))vkGetInstanceProcAddr(
            instance->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    uint32_t count = 0;
    if (!properties || !vk_physical_has_extension(physical, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) ||
        !features_allow(physical) || properties(physical, &count, NULL) != VK_SUCCESS || count == 0)
        return found;
    VkCooperativeMatrixPropertiesKHR *list = calloc(count, sizeof *list);
    for (uint32_t i = 0; list && i < count; i++)
        list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (!list || properties(physical, &count, list) < 0)
        count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const VkCooperativeMatrixPropertiesKHR *one = &list[i];
        const bool preferred = one->MSize == WANTED && one->NSize == WANTED && one->KSize == WANTED;
        if (fits(one) && (found.m == 0 || preferred))
            found = (vk_cooperative){one->MSize, one->NSize, one->KSize};
    }
    free(list);
    return found;
}
