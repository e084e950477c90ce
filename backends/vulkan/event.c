/* event.c: points in a queue's work, with a device timestamp each.
 *
 * An event belongs to the submission that will carry it; waiting flushes the queue first if that is still to come.
 */
#include "vk_internal.h"

#include <stdlib.h>

typedef struct vk_event {
    vk_device *device;
    vk_queue *queue; /* NULL: never recorded */
    uint64_t value;
    VkQueryPool query; /* one timestamp; null without timestamps */
} vk_event;

auxo_status vk_event_create(void *opaque, void **event_out, auxo_error *error)
{
    vk_device *device = opaque;
    vk_event *event = calloc(1, sizeof *event);
    if (!event)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for a Vulkan event");
    event->device = device;
    if (device->timestamp_bits > 0) {
        const VkQueryPoolCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, .queryType = VK_QUERY_TYPE_TIMESTAMP, .queryCount = 1};
        const VkResult result = vkCreateQueryPool(device->handle, &info, NULL, &event->query);
        if (result != VK_SUCCESS) {
            free(event);
            return vk_fail(device, result, "creating an event", error);
        }
    }
    *event_out = event;
    return AUXO_OK;
}

void vk_event_destroy(void *opaque)
{
    vk_event *event = opaque;
    if (!event)
        return;
    vk_device_quiesce(event->device);
    if (event->query)
        vkDestroyQueryPool(event->device->handle, event->query, NULL);
    free(event);
}

auxo_status vk_event_record(void *opaque, void *recorded, auxo_error *error)
{
    vk_queue *queue = opaque;
    vk_event *event = recorded;
    if (queue->recording)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "an event cannot be recorded for replay");
    vk_commands *commands = NULL;
    const auxo_status status = vk_queue_commands(queue, &commands, error);
    if (status != AUXO_OK)
        return status;
    event->queue = queue;
    event->value = queue->submitted + 1;
    commands->command_count++;
    if (event->query) {
        vkCmdResetQueryPool(commands->buffer, event->query, 0, 1);
        vkCmdWriteTimestamp(commands->buffer, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, event->query, 0);
    }
    return AUXO_OK;
}

auxo_status vk_event_wait(void *opaque, auxo_error *error)
{
    vk_event *event = opaque;
    if (!event->queue)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the event was never recorded");
    if (event->queue->submitted < event->value) {
        const auxo_status status = vk_queue_flush(event->queue, error);
        if (status != AUXO_OK)
            return status;
    }
    return vk_queue_wait_value(event->queue, event->value, error);
}

static auxo_status timestamp_of(vk_event *event, uint64_t *ticks, auxo_error *error)
{
    const auxo_status status = vk_event_wait(event, error);
    if (status != AUXO_OK)
        return status;
    const VkResult result = vkGetQueryPoolResults(event->device->handle, event->query, 0, 1, sizeof *ticks, ticks,
                                                  sizeof *ticks, VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    return result == VK_SUCCESS ? AUXO_OK : vk_fail(event->device, result, "reading a timestamp", error);
}

auxo_status vk_event_elapsed_ns(void *start, void *stop, uint64_t *elapsed_ns, auxo_error *error)
{
    vk_event *first = start, *last = stop;
    if (!first->query || !last->query)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "%s has no timestamps", first->device->info.name);
    uint64_t begin_ticks = 0, end_ticks = 0;
    auxo_status status = timestamp_of(first, &begin_ticks, error);
    if (status == AUXO_OK)
        status = timestamp_of(last, &end_ticks, error);
    if (status != AUXO_OK)
        return status;
    const uint32_t bits = first->device->timestamp_bits;
    const uint64_t mask = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    const uint64_t ticks = (end_ticks - begin_ticks) & mask; /* counters narrower than 64 bits wrap */
    *elapsed_ns = (uint64_t)((double)ticks * (double)first->device->limits.timestampPeriod);
    return AUXO_OK;
}
