/* vk_internal.h: the Vulkan backend's own types, shared by its files and by nobody else.
 *
 * Invariants. Work reaches the device through vk_queue only: dispatches and transfers are recorded into the open
 * batch (or the recording) and submitted in order on one VkQueue. Every submission signals the queue's timeline
 * semaphore with the next value; whatever a batch uses (staging memory, descriptor sets) is reused only after its
 * value was reached. Every command buffer starts with a full memory barrier, so hazards are tracked inside one only.
 */
#ifndef VK_INTERNAL_H
#define VK_INTERNAL_H

#include "auxo/backend.h"

#include <vulkan/vulkan.h>

enum {
    VK_BINDINGS_MAX = 12,
    VK_PUSH_BYTES = 128, /* what every Vulkan device offers */
    VK_CONSTANTS_MAX = 20,
    VK_FORMAT_CONSTANT = 31, /* of shaders/vulkan/include/datum.glsl */
    VK_BATCH_COUNT = 4,
    VK_GROUPS_MAX = 65535, /* per dimension, what every Vulkan device offers */
    VK_HAZARDS_MAX = 48,
    VK_ABSENT_MAX = 48,   /* dispatches with absent slots between two barriers */
    VK_ABSENT_BYTES = 256 /* bound for an absent slot; every device's offset alignment divides it */
};

/* ---- instance.c ------------------------------------------------------------------------------------------------- */
typedef struct vk_instance {
    VkInstance handle;
    VkDebugUtilsMessengerEXT messenger; /* null where VK_EXT_debug_utils is missing */
    auxo_backend_host host;
    uint64_t message_count; /* validation messages so far */
    char message[400];      /* the first of those not yet reported */
} vk_instance;

/* Errors: NOT_FOUND when there is no driver. */
auxo_status vk_instance_create(const auxo_backend_host *host, vk_instance **instance, auxo_error *error);
void vk_instance_destroy(vk_instance *instance);
void vk_log(const auxo_backend_host *host, auxo_log_level level, const char *format, ...) AUXO_PRINTF(3, 4);
/* The physical devices that can run this backend, best order as the loader gives it. Ownership: free *devices. */
auxo_status vk_instance_devices(vk_instance *instance, VkPhysicalDevice **devices, uint32_t *count, auxo_error *error);
/* The queue family for compute: one without graphics if there is one. False: none. */
bool vk_physical_compute_family(VkPhysicalDevice physical, uint32_t *family, uint32_t *timestamp_bits);
void vk_physical_info(VkPhysicalDevice physical, auxo_device_info *info);
bool vk_physical_has_extension(VkPhysicalDevice physical, const char *name);

/* ---- memory.c: device memory cut from larger blocks ---------------------------------------------------------------
 */
typedef struct vk_memory_block vk_memory_block;
typedef struct vk_allocation {
    VkDeviceMemory memory;
    VkDeviceSize offset, size;
    uint8_t *mapped; /* of this allocation; NULL where the host cannot see it */
    vk_memory_block *block;
} vk_allocation;

typedef struct vk_allocator {
    VkDevice device;
    VkPhysicalDeviceMemoryProperties properties;
    vk_memory_block *blocks;
} vk_allocator;

VkResult vk_allocator_take(vk_allocator *allocator, uint32_t type, const VkMemoryRequirements *requirements,
                           vk_allocation *allocation);
void vk_allocator_give(vk_allocator *allocator, vk_allocation *allocation);
void vk_allocator_deinit(vk_allocator *allocator);
/* The first memory type in `allowed` with all of `required`, preferring `wanted`; false if there is none. */
bool vk_allocator_find_type(const vk_allocator *allocator, uint32_t allowed, VkMemoryPropertyFlags required,
                            VkMemoryPropertyFlags wanted, uint32_t *type);

/* ---- buffer.c ------------------------------------------------------------------------------------------------------
 */
typedef enum vk_buffer_use { VK_BUFFER_DEVICE, VK_BUFFER_UPLOAD, VK_BUFFER_DOWNLOAD } vk_buffer_use;
typedef struct vk_buffer {
    VkBuffer handle;
    uint64_t size_bytes; /* rounded up to 16, so that the last word of any tensor may be read whole */
    vk_allocation allocation;
} vk_buffer;

/* ---- shaders.c (generated list) and pipeline.c ---------------------------------------------------------------------
 */
typedef enum vk_shader {
#define X(name) VK_SHADER_##name,
#include "vk_shader_list.h"
#undef X
    VK_SHADER_COUNT
} vk_shader;

typedef struct vk_shader_code {
    const char *name;
    const uint32_t *words;
    size_t size_bytes;
} vk_shader_code;
extern const vk_shader_code vk_shader_codes[VK_SHADER_COUNT];

/* What a pipeline is compiled from. */
typedef struct vk_pipeline_key {
    vk_shader shader;
    auxo_dtype format; /* constant VK_FORMAT_CONSTANT of a shader for activations of 16 bits; else f32: none */
    uint32_t constant_count;
    uint32_t constants[VK_CONSTANTS_MAX]; /* [0] is the workgroup size */
} vk_pipeline_key;

typedef struct vk_pipeline {
    vk_pipeline_key key;
    VkPipeline handle;
    struct vk_pipeline *next;
} vk_pipeline;

typedef struct vk_layout {
    VkDescriptorSetLayout set;
    VkPipelineLayout pipeline;
} vk_layout;

/* ---- cooperative.c: extents of the cooperative matrices for products of a format of 16 bits with f32 sums; m is 0
 * where there are none */
typedef struct vk_cooperative {
    uint32_t m, n, k;
} vk_cooperative;

/* ---- device.c -------------------------------------------------------------------------------------------------------
 */
typedef struct vk_queue vk_queue;
typedef struct vk_device {
    vk_instance *instance;
    VkPhysicalDevice physical;
    VkDevice handle;
    VkQueue queue;
    uint32_t family;
    auxo_device_info info;
    VkPhysicalDeviceLimits limits;
    uint32_t timestamp_bits;
    bool unified;        /* device memory is the host's: map it instead of staging */
    bool lost;           /* sticky */
    bool compiles_only;  /* a driver without memory, for absent hardware: buffers live on the host, nothing runs */
    bool has_halves;     /* storage buffers of 16-bit elements */
    bool has_shuffle;    /* subgroups exchange values in compute shaders */
    bool has_statistics; /* pipelines are compiled with VK_KHR_pipeline_executable_properties */
    vk_cooperative cooperative_f16, cooperative_bf16;
    uint32_t group_size; /* invocations of the usual workgroup: 256, or what the device allows */
    vk_allocator allocator;
    vk_layout layouts[VK_BINDINGS_MAX + 1]; /* by number of bindings, made when first used */
    VkPipelineCache pipeline_cache;
    vk_pipeline *pipelines[64]; /* hash chains */
    bool pipelines_changed;
    vk_buffer *nothing; /* bound where an optional slot is absent; never accessed; VK_ABSENT_MAX places */
    vk_queue *queues;   /* linked list */
} vk_device;

bool vk_shader_is_cooperative(vk_shader shader);
/* Whether the device has cooperative matrices, with what the shaders need beside; of bf16, too. */
bool vk_physical_has_cooperative(VkPhysicalDevice physical, bool *bf16);
/* Sets the device's two. */
void vk_cooperative_find(vk_device *device);
vk_cooperative vk_cooperative_of(const vk_device *device, auxo_dtype format);

/* ---- statistics.c: what the driver tells about pipelines */
bool vk_statistics_available(VkPhysicalDevice physical);
auxo_status vk_statistics_visit(void *device, auxo_program_function *visit, void *user, auxo_error *error);

auxo_status vk_device_open(const auxo_backend_host *host, uint32_t index, void **device, auxo_error *error);
void vk_device_close(void *device);
/* Turns a failed VkResult into a status with text; remembers a lost device. */
auxo_status vk_fail(vk_device *device, VkResult result, const char *what, auxo_error *error);
/* DEVICE_LOST once the device was lost. */
auxo_status vk_device_check(vk_device *device, auxo_error *error);
/* Waits until nothing recorded or submitted so far is still to run. */
void vk_device_quiesce(vk_device *device);

auxo_status vk_buffer_create(void *device, uint64_t size_bytes, void **buffer, auxo_error *error);
auxo_status vk_buffer_create_for(vk_device *device, uint64_t size_bytes, vk_buffer_use use, vk_buffer **buffer,
                                 auxo_error *error);
void vk_buffer_destroy(void *device, void *buffer);
/* Frees without waiting: nothing may use the buffer any more. */
void vk_buffer_free(vk_device *device, vk_buffer *buffer);

auxo_status vk_layout_get(vk_device *device, uint32_t binding_count, const vk_layout **layout, auxo_error *error);
auxo_status vk_pipeline_get(vk_device *device, const vk_pipeline_key *key, uint32_t binding_count, VkPipeline *pipeline,
                            auxo_error *error);
void vk_pipelines_deinit(vk_device *device);
void vk_pipeline_cache_load(vk_device *device);
void vk_pipeline_cache_save(vk_device *device);

/* ---- commands.c: what is recorded into one command buffer
 * ------------------------------------------------------------ */
typedef enum vk_access { VK_READ = 1, VK_WRITE = 2, VK_READ_WRITE = 3 } vk_access;

typedef struct vk_hazard {
    VkBuffer buffer;
    uint64_t begin, end; /* bytes */
    bool write;
} vk_hazard;

typedef struct vk_commands {
    VkCommandPool pool;
    VkCommandBuffer buffer;
    VkDescriptorPool *descriptor_pools;
    uint32_t descriptor_pool_count, descriptor_pool_next; /* the pool in use is [next - 1] */
    vk_hazard hazards[VK_HAZARDS_MAX];
    uint32_t hazard_count;
    uint32_t absent_count; /* places of device->nothing bound since the last barrier */
    uint32_t command_count;
} vk_commands;

typedef struct vk_binding {
    VkBuffer buffer;
    uint64_t offset, range; /* bytes, as bound */
    uint64_t begin, end;    /* bytes that may be touched */
    vk_access access;
    bool absent; /* of device->nothing, at the place that vk_commands_access gives */
} vk_binding;

auxo_status vk_commands_init(vk_device *device, vk_commands *commands, auxo_error *error);
void vk_commands_deinit(vk_device *device, vk_commands *commands);
auxo_status vk_commands_begin(vk_device *device, vk_commands *commands, VkCommandBufferUsageFlags flags,
                              auxo_error *error);
auxo_status vk_commands_end(vk_device *device, vk_commands *commands, auxo_error *error);
/* A barrier if the accesses conflict with those since the last one. Returns the offset in device->nothing at which the
 * absent bindings go: no other dispatch since the last barrier has it, so that a shader which could write one of its
 * absent slots, but does not, never looks like a conflict. */
uint64_t vk_commands_access(vk_commands *commands, const vk_binding *bindings, uint32_t count);
auxo_status vk_commands_descriptors(vk_device *device, vk_commands *commands, VkDescriptorSetLayout layout,
                                    VkDescriptorSet *set, auxo_error *error);

/* ---- queue.c, transfer.c, record.c, event.c
 * ---------------------------------------------------------------------------- */
typedef struct vk_staging {
    vk_buffer *buffer;
    uint64_t used_bytes;
} vk_staging;

typedef struct vk_batch {
    vk_commands commands;
    vk_staging upload;
    uint64_t value; /* of the submission that holds it; 0: never submitted */
} vk_batch;

typedef struct vk_recording {
    vk_commands commands;
} vk_recording;

enum { VK_PENDING_MAX = 8 };
struct vk_queue {
    vk_device *device;
    vk_queue *next;
    VkSemaphore timeline;
    uint64_t submitted, completed; /* timeline values */
    vk_batch batches[VK_BATCH_COUNT];
    uint32_t batch_next;
    vk_batch *open;                          /* being recorded, or NULL */
    vk_recording *recording;                 /* between record_begin and record_end */
    VkCommandBuffer pending[VK_PENDING_MAX]; /* closed, not yet submitted */
    uint32_t pending_count;
    vk_batch *pending_batches[VK_PENDING_MAX];
    uint32_t pending_batch_count;
    vk_staging download;
};

auxo_status vk_queue_create(void *device, void **queue, auxo_error *error);
void vk_queue_destroy(void *queue);
auxo_status vk_queue_wait(void *queue, auxo_error *error);
auxo_status vk_queue_flush(void *queue, auxo_error *error);
auxo_status vk_queue_wait_value(vk_queue *queue, uint64_t value, auxo_error *error);
/* The commands to record into: the recording's, else the open batch's (opened if need be). */
auxo_status vk_queue_commands(vk_queue *queue, vk_commands **commands, auxo_error *error);
/* Closes the open batch and puts a finished command buffer behind it. */
auxo_status vk_queue_append(vk_queue *queue, VkCommandBuffer buffer, auxo_error *error);
/* Starts the work when enough of it has gathered. */
auxo_status vk_queue_throttle(vk_queue *queue, auxo_error *error);
bool vk_queue_is_idle(vk_queue *queue);

auxo_status vk_transfer_write(void *queue, void *buffer, uint64_t offset_bytes, const void *data, uint64_t size_bytes,
                              auxo_error *error);
auxo_status vk_transfer_read(void *queue, void *buffer, uint64_t offset_bytes, void *data, uint64_t size_bytes,
                             auxo_error *error);
auxo_status vk_transfer_copy(void *queue, void *source, uint64_t source_offset_bytes, void *target,
                             uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error);
auxo_status vk_transfer_zero(void *queue, void *buffer, uint64_t offset_bytes, uint64_t size_bytes, auxo_error *error);

auxo_status vk_event_create(void *device, void **event, auxo_error *error);
void vk_event_destroy(void *event);
auxo_status vk_event_record(void *queue, void *event, auxo_error *error);
auxo_status vk_event_wait(void *event, auxo_error *error);
auxo_status vk_event_elapsed_ns(void *start, void *stop, uint64_t *elapsed_ns, auxo_error *error);

auxo_status vk_record_begin(void *queue, auxo_error *error);
auxo_status vk_record_end(void *queue, void **recording, auxo_error *error);
auxo_status vk_record_replay(void *queue, void *recording, auxo_error *error);
void vk_record_destroy(void *device, void *recording);

/* ---- kernels.c
 * -------------------------------------------------------------------------------------------------------- */
extern const auxo_kernel_list vk_kernels[AUXO_OP_COUNT];

#endif
