/* instance.c: the Vulkan instance, its physical devices, and validation messages.
 *
 * Owns the debug-utils messenger: when a validation layer is active, every message it sends goes to the host's log
 * as an error and is kept, so that vk_queue_wait reports it as AUXO_DRIVER. Devices below Vulkan 1.2 or without a
 * compute queue are left out.
 */
#include "vk_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vk_log(const auxo_backend_host *host, auxo_log_level level, const char *format, ...)
{
    if (!host || !host->log)
        return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    host->log(host->log_user, level, text);
}

static VKAPI_ATTR VkBool32 VKAPI_CALL message_received(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                       VkDebugUtilsMessageTypeFlagsEXT types,
                                                       const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void)severity;
    vk_instance *instance = user;
    if (!(types & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT))
        return VK_FALSE;
    instance->message_count++;
    if (instance->message[0] == '\0') {
        snprintf(instance->message, sizeof instance->message, "%s", data->pMessage);
        for (char *c = instance->message; *c; c++)
            if (*c == '\n')
                *c = ' ';
    }
    vk_log(&instance->host, AUXO_LOG_ERROR, "Vulkan validation: %s", data->pMessage);
    return VK_FALSE;
}

static bool has_debug_utils(void)
{
    uint32_t count = 0;
    if (vkEnumerateInstanceExtensionProperties(NULL, &count, NULL) != VK_SUCCESS || count == 0)
        return false;
    VkExtensionProperties *list = calloc(count, sizeof *list);
    bool found = false;
    if (list && vkEnumerateInstanceExtensionProperties(NULL, &count, list) >= 0)
        for (uint32_t i = 0; i < count; i++)
            found |= strcmp(list[i].extensionName, VK_EXT_DEBUG_UTILS_EXTENSION_NAME) == 0;
    free(list);
    return found;
}

static void create_messenger(vk_instance *instance, const VkDebugUtilsMessengerCreateInfoEXT *info)
{
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT)(void (*)(void))vkGetInstanceProcAddr(instance->handle,
                                                                                  "vkCreateDebugUtilsMessengerEXT");
    if (create)
        create(instance->handle, info, NULL, &instance->messenger);
}

auxo_status vk_instance_create(const auxo_backend_host *host, vk_instance **instance_out, auxo_error *error)
{
    uint32_t version = VK_API_VERSION_1_0;
    vkEnumerateInstanceVersion(&version);
    if (version < VK_API_VERSION_1_2)
        return auxo_error_set(error, AUXO_NOT_FOUND, "the Vulkan loader is older than version 1.2");
    vk_instance *instance = calloc(1, sizeof *instance);
    if (!instance)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for a Vulkan instance");
    if (host)
        instance->host = *host;
    const VkDebugUtilsMessengerCreateInfoEXT debug = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity =
            VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = message_received,
        .pUserData = instance,
    };
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .pApplicationName = "auxo",
                                           .pEngineName = "auxo",
                                           .apiVersion = VK_API_VERSION_1_2};
    const char *extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    const bool debug_utils = has_debug_utils();
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pNext = debug_utils ? &debug : NULL,
                                       .pApplicationInfo = &application,
                                       .enabledExtensionCount = debug_utils ? 1 : 0,
                                       .ppEnabledExtensionNames = extensions};
    const VkResult result = vkCreateInstance(&info, NULL, &instance->handle);
    if (result != VK_SUCCESS) {
        free(instance);
        return auxo_error_set(error, AUXO_NOT_FOUND,
                              "no Vulkan driver could be loaded (VkResult %d): install one, for example "
                              "mesa-vulkan-drivers, and check with vulkaninfo",
                              (int)result);
    }
    if (debug_utils)
        create_messenger(instance, &debug);
    *instance_out = instance;
    return AUXO_OK;
}

void vk_instance_destroy(vk_instance *instance)
{
    if (!instance)
        return;
    if (instance->messenger) {
        PFN_vkDestroyDebugUtilsMessengerEXT destroy = (PFN_vkDestroyDebugUtilsMessengerEXT)(void (*)(
            void))vkGetInstanceProcAddr(instance->handle, "vkDestroyDebugUtilsMessengerEXT");
        if (destroy)
            destroy(instance->handle, instance->messenger, NULL);
    }
    vkDestroyInstance(instance->handle, NULL);
    free(instance);
}

bool vk_physical_compute_family(VkPhysicalDevice physical, uint32_t *family, uint32_t *timestamp_bits)
{
    VkQueueFamilyProperties families[16];
    uint32_t count = 16;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        const VkQueueFlags flags = families[i].queueFlags;
        if (families[i].queueCount == 0 || !(flags & VK_QUEUE_COMPUTE_BIT))
            continue;
        const bool dedicated = !(flags & VK_QUEUE_GRAPHICS_BIT);
        if (found && !(dedicated && families[i].timestampValidBits > 0))
            continue;
        *family = i;
        *timestamp_bits = families[i].timestampValidBits;
        found = true;
        if (dedicated)
            break;
    }
    return found;
}

static bool is_usable(vk_instance *instance, VkPhysicalDevice physical)
{
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(physical, &properties);
    uint32_t family, bits;
    if (properties.apiVersion < VK_API_VERSION_1_2)
        vk_log(&instance->host, AUXO_LOG_INFO, "vulkan: %s is left out: it offers Vulkan %u.%u, 1.2 is needed",
               properties.deviceName, VK_API_VERSION_MAJOR(properties.apiVersion),
               VK_API_VERSION_MINOR(properties.apiVersion));
    else if (!vk_physical_compute_family(physical, &family, &bits))
        vk_log(&instance->host, AUXO_LOG_INFO, "vulkan: %s is left out: it has no compute queue",
               properties.deviceName);
    else
        return true;
    return false;
}

auxo_status vk_instance_devices(vk_instance *instance, VkPhysicalDevice **devices, uint32_t *count, auxo_error *error)
{
    *devices = NULL;
    *count = 0;
    uint32_t all = 0;
    if (vkEnumeratePhysicalDevices(instance->handle, &all, NULL) != VK_SUCCESS || all == 0)
        return AUXO_OK;
    VkPhysicalDevice *list = calloc(all, sizeof *list);
    if (!list)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for the list of Vulkan devices");
    if (vkEnumeratePhysicalDevices(instance->handle, &all, list) < 0)
        all = 0;
    for (uint32_t i = 0; i < all; i++)
        if (is_usable(instance, list[i]))
            list[(*count)++] = list[i];
    *devices = list;
    return AUXO_OK;
}

bool vk_physical_has_extension(VkPhysicalDevice physical, const char *name)
{
    uint32_t count = 0;
    if (vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL) != VK_SUCCESS || count == 0)
        return false;
    VkExtensionProperties *list = calloc(count, sizeof *list);
    bool found = false;
    if (list && vkEnumerateDeviceExtensionProperties(physical, NULL, &count, list) >= 0)
        for (uint32_t i = 0; i < count && !found; i++)
            found = strcmp(list[i].extensionName, name) == 0;
    free(list);
    return found;
}
