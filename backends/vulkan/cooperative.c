/* cooperative.c: which cooperative matrices a physical device offers that gemm_cooperative.comp and
 * conv2d_cooperative.comp can use.
 *
 * Wanted: f16 times f16, or bf16 times bf16, into f32, held by a subgroup, extents that are multiples of eight.
 * 16 x 16 x 16 if there is one, else the first that fits.
 */
#include "cooperative.h"
#include "vk_internal.h"

#include <stdlib.h>

enum { RUN = 8, WANTED = 16, EXTENT_MAX = 32 };

static bool fits(const VkCooperativeMatrixPropertiesKHR *one, VkComponentTypeKHR type)
{
    return one->AType == type && one->BType == type && one->CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           one->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && one->scope == VK_SCOPE_SUBGROUP_KHR &&
           !one->saturatingAccumulation && one->MSize % RUN == 0 && one->NSize % RUN == 0 && one->KSize % RUN == 0 &&
           one->MSize <= EXTENT_MAX && one->NSize <= EXTENT_MAX && one->KSize <= EXTENT_MAX;
}

bool vk_shader_is_cooperative(vk_shader shader)
{
    switch (shader) {
    case VK_SHADER_gemm_cooperative_f16:
    case VK_SHADER_gemm_cooperative_bf16:
    case VK_SHADER_conv2d_forward_cooperative_f16:
    case VK_SHADER_conv2d_forward_cooperative_bf16:
    case VK_SHADER_conv2d_backward_data_cooperative_f16:
    case VK_SHADER_conv2d_backward_data_cooperative_bf16:
    case VK_SHADER_conv2d_backward_weights_cooperative_f16:
    case VK_SHADER_conv2d_backward_weights_cooperative_bf16:
        return true;
    default:
        return false;
    }
}

/* SPIR-V before 1.6 may hold them only in full subgroups. */
bool vk_physical_has_cooperative(VkPhysicalDevice physical, bool *bf16)
{
    *bf16 = false;
    if (!vk_physical_has_extension(physical, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) ||
        !vk_physical_has_extension(physical, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
        return false;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
    VkPhysicalDeviceShaderBfloat16FeaturesKHR brains = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR};
    VkPhysicalDeviceVulkan12Features v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                            .pNext = &matrices};
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT subgroups = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT, .pNext = &v12};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &subgroups};
    if (vk_physical_has_extension(physical, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME))
        matrices.pNext = &brains;
    vkGetPhysicalDeviceFeatures2(physical, &features);
    const bool any = matrices.cooperativeMatrix && v12.shaderFloat16 && v12.vulkanMemoryModel &&
                     v12.vulkanMemoryModelDeviceScope && subgroups.computeFullSubgroups;
    *bf16 = any && brains.shaderBFloat16Type && brains.shaderBFloat16CooperativeMatrix;
    return any;
}

static vk_cooperative choose(const VkCooperativeMatrixPropertiesKHR *list, uint32_t count, VkComponentTypeKHR type)
{
    vk_cooperative found = {0};
    for (uint32_t i = 0; i < count; i++) {
        const VkCooperativeMatrixPropertiesKHR *one = &list[i];
        const bool preferred = one->MSize == WANTED && one->NSize == WANTED && one->KSize == WANTED;
        if (fits(one, type) && (found.m == 0 || preferred))
            found = (vk_cooperative){one->MSize, one->NSize, one->KSize};
    }
    return found;
}

void vk_cooperative_find(vk_device *device)
{
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR properties =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(void (*)(void))vkGetInstanceProcAddr(
            device->instance->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    uint32_t count = 0;
    bool bf16 = false;
    if (!properties || !vk_physical_has_cooperative(device->physical, &bf16) ||
        properties(device->physical, &count, NULL) != VK_SUCCESS || count == 0)
        return;
    VkCooperativeMatrixPropertiesKHR *list = calloc(count, sizeof *list);
    for (uint32_t i = 0; list && i < count; i++)
        list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (!list || properties(device->physical, &count, list) < 0)
        count = 0;
    device->cooperative_f16 = choose(list, count, VK_COMPONENT_TYPE_FLOAT16_KHR);
    if (bf16)
        device->cooperative_bf16 = choose(list, count, VK_COMPONENT_TYPE_BFLOAT16_KHR);
    free(list);
}

vk_cooperative vk_cooperative_of(const vk_device *device, auxo_dtype format)
{
    return format == AUXO_DTYPE_F16    ? device->cooperative_f16
           : format == AUXO_DTYPE_BF16 ? device->cooperative_bf16
                                       : (vk_cooperative){0};
}
