/* vk_program.h: a prepared op as a list of dispatches, built once and recorded as often as it is enqueued.
 *
 * An op's prepare function describes its dispatches (shader, constants, bound spans, push constants, groups) with a
 * builder whose errors are sticky: after the first failure the calls do nothing and vk_program_finish returns it.
 * Push constants begin with `uint at[bindings]`, the element of each binding at which its tensor starts; the builder
 * fills them in, because a binding's offset must be aligned and a tensor's need not be.
 */
#ifndef VK_PROGRAM_H
#define VK_PROGRAM_H

#include "push.h"
#include "vk_internal.h"

/* Elements that one dispatch of an elementwise op handles: 64 MiB of f32, within every device's binding range. */
#define VK_FLAT_CHUNK (UINT64_C(1) << 24)

typedef struct vk_span {
    VkBuffer buffer; /* null: absent */
    uint64_t buffer_bytes;
    uint64_t offset_bytes, size_bytes;
    uint32_t element_bytes;
} vk_span;

typedef struct vk_step {
    struct vk_step *next;
    vk_pipeline_key key;
    uint32_t binding_count;
    vk_binding bindings[VK_BINDINGS_MAX];
    uint8_t push[VK_PUSH_BYTES];
    uint32_t push_bytes;
    uint32_t groups[3];
    VkPipeline pipeline;
    VkPipelineLayout pipeline_layout;
    VkDescriptorSetLayout set_layout;
} vk_step;

typedef struct vk_scratch {
    struct vk_scratch *next;
    vk_buffer *buffer;
} vk_scratch;

typedef struct vk_program {
    vk_device *device;
    bool by_subgroups; /* vk_program_begin_subgroups */
    auxo_dtype format; /* vk_program_set_format */
    vk_step *first, **last;
    vk_scratch *scratch;
    vk_step sink; /* where the builder writes after a failure */
    auxo_status status;
    auxo_error *error; /* the caller's, while building */
} vk_program;

/* NULL when there is no host memory; every function below accepts that. */
vk_program *vk_program_begin(vk_device *device, auxo_error *error);
/* The same; where a shader has a twin that reduces by subgroups, the twin is dispatched. */
vk_program *vk_program_begin_subgroups(vk_device *device, auxo_error *error);
/* From now on shaders that have a twin for activations of 16 bits are that twin, if `format` is f16 or bf16. */
void vk_program_set_format(vk_program *program, auxo_dtype format);
/* Compiles the pipelines and hands the program over, or frees it and returns what went wrong. */
auxo_status vk_program_finish(vk_program *program, void **state, auxo_error *error);
void vk_program_fail(vk_program *program, auxo_status status, const char *message);
auxo_status vk_program_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error);
void vk_program_release(void *device, void *state);

/* A dispatch of `shader` with `group_size` invocations per workgroup (0: the device's usual) as constant 0 and
 * `constants` from 1 on. The result is valid until the program is finished; never NULL unless program is. */
vk_step *vk_program_add(vk_program *program, vk_shader shader, uint32_t group_size, const uint32_t *constants,
                        uint32_t constant_count);
/* Device memory that lives as long as the program; contents undefined. Errors are sticky. */
vk_span vk_program_scratch(vk_program *program, uint64_t element_count, uint32_t element_bytes);
/* Read-only memory with the given contents, written now; lives as long as the program. */
vk_span vk_program_constants(vk_program *program, const void *data, uint64_t size_bytes);

vk_span vk_span_of(const auxo_tensor *tensor); /* from its lowest to its highest element */
vk_span vk_span_part(vk_span span, uint64_t first_element, uint64_t element_count);
vk_span vk_span_none(void);
/* Binds the spans in order: the next free slot each. */
void vk_step_bind(vk_program *program, vk_step *step, vk_span span, vk_access access);
/* The op's own push constants, behind at[]; after all bindings. */
void vk_step_push(vk_program *program, vk_step *step, const void *data, uint32_t size_bytes);
/* At least `count` workgroups; the shader numbers them with group_index() and ignores those past the end. */
void vk_step_groups(vk_program *program, vk_step *step, uint64_t count);
/* Workgroups for `element_count` elements numbered by flat_element(). */
void vk_step_groups_flat(vk_program *program, vk_step *step, uint64_t element_count);

uint64_t vk_ceil_div(uint64_t value, uint64_t divisor);
/* A divisor as shaders/vulkan/include/divide.glsl wants it; 0 counts as 1. */
typedef struct vk_divider {
    uint32_t divisor, multiplier, shift;
} vk_divider;
/* What push.h calls them. */
typedef uint32_t uint;
typedef vk_divider divider;
vk_divider vk_divider_of(uint64_t divisor);
/* Whether each tensor fits one binding of the device. */
bool vk_fits_bindings(void *device, const auxo_op *op);
/* Whether the device stores the formats of the op's activations: f16 and bf16 need storage buffers of 16-bit elements.
 */
bool vk_stores_formats(void *device, const auxo_op *op);
bool vk_span_fits(const vk_device *device, vk_span span);

#endif
