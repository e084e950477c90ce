/* cpu_host.h: memory, queues and events in host memory, shared by the cpu and the reference backend.
 *
 * A buffer handle is the memory itself. A queue runs each op before enqueue returns, so waiting is free and an event
 * is a reading of the monotonic clock. Owns no kernel.
 */
#ifndef AUXO_CPU_HOST_H
#define AUXO_CPU_HOST_H

#include "auxo/backend.h"

/* One opened device; both backends use it as it is. */
typedef struct cpu_device {
    struct cpu_pool *pool; /* of the cpu backend; NULL in the reference backend */
    void *scratch;         /* of the cpu backend's kernels; NULL while none needs any */
    size_t scratch_bytes;
} cpu_device;

typedef struct cpu_queue {
    cpu_device *device;
} cpu_queue;

/* Fills in everything of `info` but the selector and the backend's name. */
void cpu_host_describe(auxo_device_info *info, const char *backend, const char *name, uint32_t thread_count);
/* The processor's name as the system gives it, "CPU" where it gives none. */
void cpu_host_processor_name(char *name, size_t capacity);

auxo_status cpu_host_buffer_create(void *device, uint64_t size_bytes, void **buffer, auxo_error *error);
void cpu_host_buffer_destroy(void *device, void *buffer);
auxo_status cpu_host_queue_create(void *device, void **queue, auxo_error *error);
void cpu_host_queue_destroy(void *queue);
auxo_status cpu_host_queue_wait(void *queue, auxo_error *error);
auxo_status cpu_host_buffer_write(void *queue, void *buffer, uint64_t offset_bytes, const void *data,
                                  uint64_t size_bytes, auxo_error *error);
auxo_status cpu_host_buffer_read(void *queue, void *buffer, uint64_t offset_bytes, void *data, uint64_t size_bytes,
                                 auxo_error *error);
auxo_status cpu_host_buffer_copy(void *queue, void *source, uint64_t source_offset_bytes, void *target,
                                 uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error);
auxo_status cpu_host_buffer_zero(void *queue, void *buffer, uint64_t offset_bytes, uint64_t size_bytes,
                                 auxo_error *error);
auxo_status cpu_host_event_create(void *device, void **event, auxo_error *error);
void cpu_host_event_destroy(void *event);
auxo_status cpu_host_event_record(void *queue, void *event, auxo_error *error);
auxo_status cpu_host_event_wait(void *event, auxo_error *error);
auxo_status cpu_host_event_elapsed_ns(void *start, void *stop, uint64_t *elapsed_ns, auxo_error *error);

/* The slots of an auxo_backend that are the same for both backends. */
#define CPU_HOST_BACKEND_SLOTS                                                                                         \
    .struct_size = sizeof(auxo_backend), .abi_version = AUXO_BACKEND_ABI_VERSION,                                      \
    .buffer_create = cpu_host_buffer_create, .buffer_destroy = cpu_host_buffer_destroy,                                \
    .queue_create = cpu_host_queue_create, .queue_destroy = cpu_host_queue_destroy, .queue_wait = cpu_host_queue_wait, \
    .buffer_write = cpu_host_buffer_write, .buffer_read = cpu_host_buffer_read, .buffer_copy = cpu_host_buffer_copy,   \
    .buffer_zero = cpu_host_buffer_zero, .event_create = cpu_host_event_create,                                        \
    .event_destroy = cpu_host_event_destroy, .event_record = cpu_host_event_record, .event_wait = cpu_host_event_wait, \
    .event_elapsed_ns = cpu_host_event_elapsed_ns

/* Element 0 of a tensor in host memory; NULL for an absent one. */
static inline void *cpu_data(const auxo_tensor *tensor)
{
    char *memory = auxo_tensor_handle(tensor);
    return memory ? memory + tensor->offset_bytes : NULL;
}

static inline float *cpu_f32(const auxo_op *op, size_t slot)
{
    return cpu_data(&op->tensors[slot]);
}

static inline uint32_t *cpu_u32(const auxo_op *op, size_t slot)
{
    return cpu_data(&op->tensors[slot]);
}

static inline int64_t cpu_count(const auxo_op *op, size_t slot)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    int64_t count = 1;
    for (uint32_t axis = 0; axis < tensor->rank; ++axis)
        count *= tensor->dims[axis];
    return count;
}

#endif
