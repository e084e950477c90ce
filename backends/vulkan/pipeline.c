/* pipeline.c: descriptor and pipeline layouts, compute pipelines by shader and constants, and the cache on disk.
 *
 * Every shader has storage buffers at bindings 0..n-1 of set 0 and a 128-byte push constant block, so one layout per
 * number of bindings serves all. The cache file is named after vendor, device and cache UUID (which drivers change
 * with their version), and is replaced atomically.
 */
#include "cache_file.h"
#include "vk_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

auxo_status vk_layout_get(vk_device *device, uint32_t binding_count, const vk_layout **layout_out, auxo_error *error)
{
    vk_layout *layout = &device->layouts[binding_count];
    *layout_out = layout;
    if (layout->pipeline)
        return AUXO_OK;
    VkDescriptorSetLayoutBinding bindings[VK_BINDINGS_MAX];
    for (uint32_t i = 0; i < binding_count; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){.binding = i,
                                                     .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                     .descriptorCount = 1,
                                                     .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    const VkDescriptorSetLayoutCreateInfo set = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                 .bindingCount = binding_count,
                                                 .pBindings = bindings};
    VkResult result = VK_SUCCESS;
    if (!layout->set)
        result = vkCreateDescriptorSetLayout(device->handle, &set, NULL, &layout->set);
    const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = VK_PUSH_BYTES};
    const VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                             .setLayoutCount = 1,
                                             .pSetLayouts = &layout->set,
                                             .pushConstantRangeCount = 1,
                                             .pPushConstantRanges = &push};
    if (result == VK_SUCCESS)
        result = vkCreatePipelineLayout(device->handle, &info, NULL, &layout->pipeline);
    return result == VK_SUCCESS ? AUXO_OK : vk_fail(device, result, "creating a pipeline layout", error);
}

static uint32_t hash_of(const vk_pipeline_key *key)
{
    uint32_t hash = 2166136261u ^ (uint32_t)key->shader ^ (uint32_t)key->format << 16;
    for (uint32_t i = 0; i < key->constant_count; i++)
        hash = (hash ^ key->constants[i]) * 16777619u;
    return (hash ^ (hash >> 13)) % (sizeof((vk_device *)0)->pipelines / sizeof((vk_device *)0)->pipelines[0]);
}

static VkResult compile(vk_device *device, vk_pipeline *pipeline, VkPipelineLayout layout)
{
    const vk_pipeline_key *key = &pipeline->key;
    const vk_shader_code *code = &vk_shader_codes[key->shader];
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = code->size_bytes, .pCode = code->words};
    VkShaderModule module = VK_NULL_HANDLE;
    VkResult result = vkCreateShaderModule(device->handle, &module_info, NULL, &module);
    if (result != VK_SUCCESS)
        return result;
    uint32_t values[VK_CONSTANTS_MAX + 1], count = key->constant_count;
    VkSpecializationMapEntry entries[VK_CONSTANTS_MAX + 1];
    for (uint32_t i = 0; i < count; i++)
        entries[i] = (VkSpecializationMapEntry){.constantID = i, .offset = 4 * i, .size = 4};
    memcpy(values, key->constants, count * sizeof *values);
    if (key->format != AUXO_DTYPE_F32) {
        entries[count] = (VkSpecializationMapEntry){.constantID = VK_FORMAT_CONSTANT, .offset = 4 * count, .size = 4};
        values[count++] = key->format;
    }
    const VkSpecializationInfo specialization = {
        .mapEntryCount = count, .pMapEntries = entries, .dataSize = 4 * count, .pData = values};
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = device->has_statistics ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR : 0,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .flags = vk_shader_is_cooperative(key->shader)
                               ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT
                               : 0,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &specialization},
        .layout = layout};
    result = vkCreateComputePipelines(device->handle, device->pipeline_cache, 1, &info, NULL, &pipeline->handle);
    vkDestroyShaderModule(device->handle, module, NULL);
    device->pipelines_changed = true;
    return result;
}

static bool is_same(const vk_pipeline_key *a, const vk_pipeline_key *b)
{
    return a->shader == b->shader && a->format == b->format && a->constant_count == b->constant_count &&
           memcmp(a->constants, b->constants, a->constant_count * sizeof *a->constants) == 0;
}

auxo_status vk_pipeline_get(vk_device *device, const vk_pipeline_key *key, uint32_t binding_count, VkPipeline *handle,
                            auxo_error *error)
{
    vk_pipeline **chain = &device->pipelines[hash_of(key)];
    for (vk_pipeline *known = *chain; known; known = known->next)
        if (is_same(&known->key, key)) {
            *handle = known->handle;
            return AUXO_OK;
        }
    const vk_layout *layout = NULL;
    const auxo_status status = vk_layout_get(device, binding_count, &layout, error);
    if (status != AUXO_OK)
        return status;
    vk_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for a pipeline");
    pipeline->key = *key;
    const VkResult result = compile(device, pipeline, layout->pipeline);
    if (result != VK_SUCCESS) {
        free(pipeline);
        char what[96];
        snprintf(what, sizeof what, "compiling the shader %s", vk_shader_codes[key->shader].name);
        return vk_fail(device, result, what, error);
    }
    pipeline->next = *chain;
    *chain = pipeline;
    *handle = pipeline->handle;
    return AUXO_OK;
}

void vk_pipelines_deinit(vk_device *device)
{
    for (size_t i = 0; i < sizeof device->pipelines / sizeof device->pipelines[0]; i++)
        while (device->pipelines[i]) {
            vk_pipeline *pipeline = device->pipelines[i];
            device->pipelines[i] = pipeline->next;
            vkDestroyPipeline(device->handle, pipeline->handle, NULL);
            free(pipeline);
        }
    for (uint32_t i = 0; i <= VK_BINDINGS_MAX; i++) {
        if (device->layouts[i].pipeline)
            vkDestroyPipelineLayout(device->handle, device->layouts[i].pipeline, NULL);
        if (device->layouts[i].set)
            vkDestroyDescriptorSetLayout(device->handle, device->layouts[i].set, NULL);
    }
    if (device->pipeline_cache)
        vkDestroyPipelineCache(device->handle, device->pipeline_cache, NULL);
}

static bool cache_path(const vk_device *device, char *path, size_t capacity)
{
    const char *folder = device->instance->host.cache_dir;
    if (!folder)
        return false;
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(device->physical, &properties);
    char uuid[2 * VK_UUID_SIZE + 1];
    for (size_t i = 0; i < VK_UUID_SIZE; i++)
        snprintf(uuid + 2 * i, 3, "%02x", properties.pipelineCacheUUID[i]);
    const int length = snprintf(path, capacity, "%s/vulkan-%08x-%08x-%08x-%s.pipelines", folder, properties.vendorID,
                                properties.deviceID, properties.driverVersion, uuid);
    return length > 0 && (size_t)length < capacity;
}

void vk_pipeline_cache_load(vk_device *device)
{
    char path[1024];
    size_t size_bytes = 0;
    void *data = NULL;
    if (cache_path(device, path, sizeof path) &&
        common_cache_read(path, "", &data, &size_bytes) == COMMON_CACHE_DAMAGED)
        vk_log(&device->instance->host, AUXO_LOG_WARNING, "vulkan: the pipeline cache %s is damaged and not used",
               path);
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                      .initialDataSize = data ? size_bytes : 0,
                                      .pInitialData = data};
    VkResult result = vkCreatePipelineCache(device->handle, &info, NULL, &device->pipeline_cache);
    if (result != VK_SUCCESS) { /* a damaged file must not keep the device from opening */
        info.initialDataSize = 0;
        result = vkCreatePipelineCache(device->handle, &info, NULL, &device->pipeline_cache);
    }
    if (result != VK_SUCCESS)
        device->pipeline_cache = VK_NULL_HANDLE;
    free(data);
}

void vk_pipeline_cache_save(vk_device *device)
{
    char path[1024];
    size_t size_bytes = 0;
    if (!device->pipelines_changed || !device->pipeline_cache || !cache_path(device, path, sizeof path) ||
        vkGetPipelineCacheData(device->handle, device->pipeline_cache, &size_bytes, NULL) != VK_SUCCESS)
        return;
    void *data = malloc(size_bytes);
    if (data && vkGetPipelineCacheData(device->handle, device->pipeline_cache, &size_bytes, data) == VK_SUCCESS &&
        !common_cache_write(path, "", data, size_bytes))
        vk_log(&device->instance->host, AUXO_LOG_WARNING, "vulkan: the pipeline cache %s could not be written: %s",
               path, strerror(errno));
    free(data);
}
