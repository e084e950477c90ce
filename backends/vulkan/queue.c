/* queue.c: in-order work: batches of recorded commands, submission, and waiting on the timeline semaphore.
 *
 * Invariants. Commands recorded now reach the device with submission number `submitted` + 1 or, if that is flushed
 * first, exactly that one. At most one batch is open. A batch is reused only when its value has been reached.
 * `pending` holds closed command buffers in order; a flush submits all of them at once.
 */
#include "vk_internal.h"

#include <stdlib.h>

enum {
    BATCH_COMMANDS_MAX = 256,  /* a batch is submitted when it holds so many */
    SUBMISSIONS_AHEAD_MAX = 16 /* how far the host may run ahead of the device */
};

static auxo_status queue_init(vk_device *device, vk_queue *queue, auxo_error *error)
{
    VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                      .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    const VkResult result =
        device->compiles_only ? VK_SUCCESS : vkCreateSemaphore(device->handle, &info, NULL, &queue->timeline);
    if (result != VK_SUCCESS)
        return vk_fail(device, result, "creating a queue", error);
    auxo_status status = AUXO_OK;
    for (int i = 0; i < VK_BATCH_COUNT && status == AUXO_OK; i++)
        status = vk_commands_init(device, &queue->batches[i].commands, error);
    return status;
}

static void queue_free(vk_queue *queue)
{
    vk_device *device = queue->device;
    for (vk_queue **link = &device->queues; *link; link = &(*link)->next)
        if (*link == queue) {
            *link = queue->next;
            break;
        }
    for (int i = 0; i < VK_BATCH_COUNT; i++) {
        vk_commands_deinit(device, &queue->batches[i].commands);
        vk_buffer_free(device, queue->batches[i].upload.buffer);
    }
    vk_buffer_free(device, queue->download.buffer);
    if (queue->timeline)
        vkDestroySemaphore(device->handle, queue->timeline, NULL);
    free(queue);
}

auxo_status vk_queue_create(void *opaque, void **queue_out, auxo_error *error)
{
    vk_device *device = opaque;
    vk_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for a Vulkan queue");
    queue->device = device;
    queue->next = device->queues;
    device->queues = queue;
    const auxo_status status = queue_init(device, queue, error);
    if (status != AUXO_OK) {
        queue_free(queue);
        return status;
    }
    *queue_out = queue;
    return AUXO_OK;
}

void vk_queue_destroy(void *opaque)
{
    vk_queue *queue = opaque;
    if (!queue)
        return;
    vk_queue_flush(queue, NULL);
    if (vk_queue_wait_value(queue, queue->submitted, NULL) != AUXO_OK)
        vkDeviceWaitIdle(queue->device->handle);
    queue_free(queue);
}

auxo_status vk_queue_wait_value(vk_queue *queue, uint64_t value, auxo_error *error)
{
    if (queue->completed >= value)
        return AUXO_OK;
    const VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                      .semaphoreCount = 1,
                                      .pSemaphores = &queue->timeline,
                                      .pValues = &value};
    const VkResult result = vkWaitSemaphores(queue->device->handle, &info, UINT64_MAX);
    if (result != VK_SUCCESS)
        return vk_fail(queue->device, result, "waiting for a queue", error);
    queue->completed = value;
    return AUXO_OK;
}

bool vk_queue_is_idle(vk_queue *queue)
{
    if (queue->pending_count > 0 || (queue->open && queue->open->commands.command_count > 0))
        return false;
    if (queue->completed < queue->submitted)
        vkGetSemaphoreCounterValue(queue->device->handle, queue->timeline, &queue->completed);
    return queue->completed >= queue->submitted;
}

static auxo_status close_open(vk_queue *queue, auxo_error *error)
{
    vk_batch *batch = queue->open;
    if (!batch)
        return AUXO_OK;
    queue->open = NULL;
    const auxo_status status = vk_commands_end(queue->device, &batch->commands, error);
    if (status != AUXO_OK)
        return status;
    queue->pending[queue->pending_count++] = batch->commands.buffer;
    queue->pending_batches[queue->pending_batch_count++] = batch;
    return AUXO_OK;
}

static auxo_status submit_pending(vk_queue *queue, auxo_error *error)
{
    if (queue->pending_count == 0)
        return AUXO_OK;
    const uint64_t value = queue->submitted + 1;
    const VkTimelineSemaphoreSubmitInfo timeline = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                    .signalSemaphoreValueCount = 1,
                                                    .pSignalSemaphoreValues = &value};
    const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .pNext = &timeline,
                               .commandBufferCount = queue->pending_count,
                               .pCommandBuffers = queue->pending,
                               .signalSemaphoreCount = 1,
                               .pSignalSemaphores = &queue->timeline};
    const VkResult result = vkQueueSubmit(queue->device->queue, 1, &info, VK_NULL_HANDLE);
    queue->pending_count = 0;
    if (result == VK_SUCCESS) {
        queue->submitted = value;
        for (uint32_t i = 0; i < queue->pending_batch_count; i++)
            queue->pending_batches[i]->value = value;
    }
    queue->pending_batch_count = 0;
    return result == VK_SUCCESS ? AUXO_OK : vk_fail(queue->device, result, "submitting work", error);
}

auxo_status vk_queue_flush(void *opaque, auxo_error *error)
{
    vk_queue *queue = opaque;
    if (queue->device->lost)
        return vk_device_check(queue->device, error);
    const auxo_status status = close_open(queue, error);
    return status == AUXO_OK ? submit_pending(queue, error) : status;
}

auxo_status vk_queue_throttle(vk_queue *queue, auxo_error *error)
{
    if (queue->recording || !queue->open || queue->open->commands.command_count < BATCH_COMMANDS_MAX)
        return AUXO_OK;
    return vk_queue_flush(queue, error);
}

static auxo_status open_batch(vk_queue *queue, auxo_error *error)
{
    /* A closed batch keeps its place in `pending` until it is submitted; never reopen it before. */
    if (queue->pending_count + 2 > VK_PENDING_MAX || queue->pending_batch_count + 1 >= VK_BATCH_COUNT) {
        const auxo_status status = submit_pending(queue, error);
        if (status != AUXO_OK)
            return status;
    }
    vk_batch *batch = &queue->batches[queue->batch_next];
    auxo_status status = vk_queue_wait_value(queue, batch->value, error);
    if (status == AUXO_OK)
        status = vk_commands_begin(queue->device, &batch->commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, error);
    if (status != AUXO_OK)
        return status;
    batch->upload.used_bytes = 0;
    queue->batch_next = (queue->batch_next + 1) % VK_BATCH_COUNT;
    queue->open = batch;
    return AUXO_OK;
}

auxo_status vk_queue_commands(vk_queue *queue, vk_commands **commands, auxo_error *error)
{
    auxo_status status = vk_device_check(queue->device, error);
    if (status == AUXO_OK && queue->recording) {
        *commands = &queue->recording->commands;
        return AUXO_OK;
    }
    if (status == AUXO_OK && !queue->open)
        status = open_batch(queue, error);
    if (status == AUXO_OK)
        *commands = &queue->open->commands;
    return status;
}

auxo_status vk_queue_append(vk_queue *queue, VkCommandBuffer buffer, auxo_error *error)
{
    auxo_status status = vk_device_check(queue->device, error);
    if (status == AUXO_OK)
        status = close_open(queue, error);
    if (status != AUXO_OK)
        return status;
    queue->pending[queue->pending_count++] = buffer;
    if (queue->pending_count + 2 > VK_PENDING_MAX)
        status = submit_pending(queue, error);
    if (status == AUXO_OK && queue->submitted > SUBMISSIONS_AHEAD_MAX)
        status = vk_queue_wait_value(queue, queue->submitted - SUBMISSIONS_AHEAD_MAX, error);
    return status;
}

auxo_status vk_queue_wait(void *opaque, auxo_error *error)
{
    vk_queue *queue = opaque;
    auxo_status status = vk_queue_flush(queue, error);
    if (status == AUXO_OK)
        status = vk_queue_wait_value(queue, queue->submitted, error);
    vk_instance *instance = queue->device->instance;
    if (status == AUXO_OK && instance->message[0] != '\0') {
        status = auxo_error_set(error, AUXO_DRIVER, "Vulkan validation: %s", instance->message);
        instance->message[0] = '\0';
    }
    return status;
}
