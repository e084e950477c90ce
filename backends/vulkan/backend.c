/* backend.c: the Vulkan backend's entry in the service provider interface.
 *
 * Owns enumeration; everything else is forwarded to the file of its concept.
 */
#include "vk_internal.h"

#include <stdlib.h>

static auxo_status enumerate(const auxo_backend_host *host, auxo_device_info *infos, size_t capacity, size_t *count,
                             auxo_error *error)
{
    *count = 0;
    vk_instance *instance = NULL;
    auxo_error why = {0};
    auxo_status status = vk_instance_create(host, &instance, &why);
    if (status == AUXO_NOT_FOUND) {
        vk_log(host, AUXO_LOG_INFO, "vulkan: %s", why.message);
        return AUXO_OK;
    }
    if (status != AUXO_OK)
        return auxo_error_set(error, status, "%s", why.message);
    VkPhysicalDevice *devices = NULL;
    uint32_t found = 0;
    status = vk_instance_devices(instance, &devices, &found, error);
    if (status == AUXO_OK && found == 0)
        vk_log(host, AUXO_LOG_INFO, "vulkan: no installed driver offers a device with Vulkan 1.2 and a compute queue");
    for (uint32_t i = 0; i < found && i < capacity; i++) {
        vk_physical_info(devices[i], &infos[i]);
        infos[i].index = i;
    }
    *count = found;
    free(devices);
    vk_instance_destroy(instance);
    return status;
}

extern const auxo_backend auxo__backend_vulkan;
const auxo_backend auxo__backend_vulkan = {
    .name = "vulkan",
    .struct_size = sizeof(auxo_backend),
    .abi_version = AUXO_BACKEND_ABI_VERSION,
    .enumerate = enumerate,
    .open = vk_device_open,
    .close = vk_device_close,
    .buffer_create = vk_buffer_create,
    .buffer_destroy = vk_buffer_destroy,
    .queue_create = vk_queue_create,
    .queue_destroy = vk_queue_destroy,
    .queue_wait = vk_queue_wait,
    .queue_flush = vk_queue_flush,
    .buffer_write = vk_transfer_write,
    .buffer_read = vk_transfer_read,
    .buffer_copy = vk_transfer_copy,
    .buffer_zero = vk_transfer_zero,
    .event_create = vk_event_create,
    .event_destroy = vk_event_destroy,
    .event_record = vk_event_record,
    .event_wait = vk_event_wait,
    .event_elapsed_ns = vk_event_elapsed_ns,
    .record_begin = vk_record_begin,
    .record_end = vk_record_end,
    .record_replay = vk_record_replay,
    .record_destroy = vk_record_destroy,
    .programs = vk_statistics_visit,
    .kernels = vk_kernels,
};

#ifdef AUXO_PLUGIN
const auxo_backend *auxo_backend_entry(void)
{
    return &auxo__backend_vulkan;
}
#endif
