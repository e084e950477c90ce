/* statistics.c: registers, spills and memory of compiled pipelines, as VK_KHR_pipeline_executable_properties tells
 * them.
 *
 * Only devices opened with keep_statistics have them: drivers then bypass their caches. Nothing here interprets a
 * number; names are the driver's.
 */
#include "vk_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATISTICS_MAX = 48 };

bool vk_statistics_available(VkPhysicalDevice physical)
{
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &executables};
    if (!vk_physical_has_extension(physical, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME))
        return false;
    vkGetPhysicalDeviceFeatures2(physical, &features);
    return executables.pipelineExecutableInfo;
}

static double value_of(const VkPipelineExecutableStatisticKHR *statistic)
{
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
        return statistic->value.b32;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
        return (double)statistic->value.i64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
        return (double)statistic->value.u64;
    default:
        return statistic->value.f64;
    }
}

/* Of the pipeline's first executable: a compute pipeline has one. Returns the count. */
static size_t read_statistics(const vk_device *device, VkPipeline pipeline, auxo_program_statistic *statistics)
{
    const PFN_vkGetPipelineExecutableStatisticsKHR get = (PFN_vkGetPipelineExecutableStatisticsKHR)vkGetDeviceProcAddr(
        device->handle, "vkGetPipelineExecutableStatisticsKHR");
    const VkPipelineExecutableInfoKHR which = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
                                               .pipeline = pipeline};
    VkPipelineExecutableStatisticKHR found[STATISTICS_MAX];
    uint32_t count = STATISTICS_MAX;
    for (size_t i = 0; i < STATISTICS_MAX; i++)
        found[i] = (VkPipelineExecutableStatisticKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    const VkResult result = get ? get(device->handle, &which, &count, found) : VK_ERROR_FEATURE_NOT_PRESENT;
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(statistics[i].name, sizeof statistics[i].name, "%.63s", found[i].name);
        statistics[i].value = value_of(&found[i]);
    }
    return count;
}

static void visit_pipeline(const vk_device *device, const vk_pipeline *pipeline, auxo_program_function *visit,
                           void *user)
{
    auxo_program_statistic statistics[STATISTICS_MAX];
    char options[12 * VK_CONSTANTS_MAX] = "";
    for (uint32_t i = 0; i < pipeline->key.constant_count; i++) {
        const size_t used = strlen(options);
        snprintf(options + used, sizeof options - used, "%s%u", i ? "," : "", pipeline->key.constants[i]);
    }
    const size_t count = device->has_statistics ? read_statistics(device, pipeline->handle, statistics) : 0;
    const auxo_program_info info = {.name = vk_shader_codes[pipeline->key.shader].name,
                                    .options = options,
                                    .statistics = statistics,
                                    .statistic_count = count};
    visit(user, &info);
}

auxo_status vk_statistics_visit(void *opaque, auxo_program_function *visit, void *user, auxo_error *error)
{
    vk_device *device = opaque;
    const auxo_status status = vk_device_check(device, error);
    for (size_t i = 0; status == AUXO_OK && i < sizeof device->pipelines / sizeof device->pipelines[0]; i++)
        for (const vk_pipeline *pipeline = device->pipelines[i]; pipeline; pipeline = pipeline->next)
            visit_pipeline(device, pipeline, visit, user);
    return status;
}
