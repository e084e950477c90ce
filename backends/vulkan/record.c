/* record.c: command buffers recorded once and replayed many times.
 *
 * A recording owns its command buffer and descriptor sets. It may be in flight several times at once; replays of one
 * queue run in order because each command buffer starts with a full barrier.
 */
#include "vk_internal.h"

#include <stdlib.h>

auxo_status vk_record_begin(void *opaque, auxo_error *error)
{
    vk_queue *queue = opaque;
    if (queue->recording)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the queue is being recorded already");
    vk_recording *recording = calloc(1, sizeof *recording);
    if (!recording)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for a recording");
    auxo_status status = vk_commands_init(queue->device, &recording->commands, error);
    if (status == AUXO_OK)
        status =
            vk_commands_begin(queue->device, &recording->commands, VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT, error);
    if (status != AUXO_OK) {
        vk_commands_deinit(queue->device, &recording->commands);
        free(recording);
        return status;
    }
    queue->recording = recording;
    return AUXO_OK;
}

auxo_status vk_record_end(void *opaque, void **recording_out, auxo_error *error)
{
    vk_queue *queue = opaque;
    vk_recording *recording = queue->recording;
    if (!recording)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the queue is not being recorded");
    queue->recording = NULL;
    const auxo_status status = vk_commands_end(queue->device, &recording->commands, error);
    if (status != AUXO_OK) {
        vk_record_destroy(queue->device, recording);
        return status;
    }
    *recording_out = recording;
    return AUXO_OK;
}

auxo_status vk_record_replay(void *opaque, void *replayed, auxo_error *error)
{
    vk_queue *queue = opaque;
    vk_recording *recording = replayed;
    return vk_queue_append(queue, recording->commands.buffer, error);
}

void vk_record_destroy(void *device, void *destroyed)
{
    vk_recording *recording = destroyed;
    if (!recording)
        return;
    vk_device_quiesce(device);
    vk_commands_deinit(device, &recording->commands);
    free(recording);
}
