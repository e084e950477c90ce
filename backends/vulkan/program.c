/* program.c: the builder of vk_program.h and the one enqueue function that all ops share. */
#include "vk_program.h"

#include <stdlib.h>
#include <string.h>

uint64_t vk_ceil_div(uint64_t value, uint64_t divisor)
{
    return (value + divisor - 1) / divisor;
}

vk_divider vk_divider_of(uint64_t divisor)
{
    vk_divider result = {.divisor = divisor ? (uint32_t)divisor : 1};
    while (UINT64_C(1) << result.shift < result.divisor)
        result.shift++;
    const uint64_t excess = (UINT64_C(1) << result.shift) - result.divisor;
    result.multiplier = (uint32_t)((excess << 32) / result.divisor + 1);
    return result;
}

vk_program *vk_program_begin(vk_device *device, auxo_error *error)
{
    vk_program *program = calloc(1, sizeof *program);
    if (!program) {
        auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory to prepare an op");
        return NULL;
    }
    program->device = device;
    program->last = &program->first;
    program->error = error;
    return program;
}

vk_program *vk_program_begin_subgroups(vk_device *device, auxo_error *error)
{
    vk_program *program = vk_program_begin(device, error);
    if (program)
        program->by_subgroups = true;
    return program;
}

void vk_program_fail(vk_program *program, auxo_status status, const char *message)
{
    if (program && program->status == AUXO_OK)
        program->status = auxo_error_set(program->error, status, "%s", message);
}

static void program_free(vk_program *program)
{
    for (vk_step *step = program->first, *next; step; step = next) {
        next = step->next;
        free(step);
    }
    for (vk_scratch *scratch = program->scratch, *next; scratch; scratch = next) {
        next = scratch->next;
        vk_buffer_free(program->device, scratch->buffer);
        free(scratch);
    }
    free(program);
}

static auxo_status compile_step(vk_device *device, vk_step *step, auxo_error *error)
{
    const vk_layout *layout = NULL;
    const auxo_status status = vk_layout_get(device, step->binding_count, &layout, error);
    if (status != AUXO_OK)
        return status;
    step->pipeline_layout = layout->pipeline;
    step->set_layout = layout->set;
    return vk_pipeline_get(device, &step->key, step->binding_count, &step->pipeline, error);
}

auxo_status vk_program_finish(vk_program *program, void **state, auxo_error *error)
{
    if (!program)
        return AUXO_OUT_OF_MEMORY;
    for (vk_step *step = program->first; step && program->status == AUXO_OK; step = step->next)
        program->status = compile_step(program->device, step, error);
    const auxo_status status = program->status;
    if (status != AUXO_OK) {
        program_free(program);
        return status;
    }
    program->error = NULL;
    *state = program;
    return AUXO_OK;
}

void vk_program_release(void *device, void *state)
{
    if (!state)
        return;
    vk_program *program = state;
    if (program->scratch)
        vk_device_quiesce(device); /* enqueued work may still use the scratch memory */
    program_free(program);
}

/* The twin of a shader that reduces by subgroups; the shader itself where there is none. */
static vk_shader subgroup_twin(vk_shader shader)
{
    static const struct {
        vk_shader plain, twin;
    } twins[] = {
#define TWIN(name) {VK_SHADER_##name, VK_SHADER_##name##_subgroup},
        TWIN(reduce) TWIN(segment_reduce) TWIN(group_norm) TWIN(batch_norm_forward) TWIN(batch_norm_backward)
            TWIN(softmax) TWIN(softmax_cross_entropy)
#undef TWIN
    };
    for (size_t i = 0; i < sizeof twins / sizeof twins[0]; i++)
        if (twins[i].plain == shader)
            return twins[i].twin;
    return shader;
}

/* The twin of a shader whose activations are f16 or bf16; the shader itself where there is none. */
static vk_shader half_twin(vk_shader shader)
{
    static const struct {
        vk_shader plain, twin;
    } twins[] = {
#define TWIN(name) {VK_SHADER_##name, VK_SHADER_##name##_half},
#define CONV2D_TWINS(op) TWIN(op##_tiled) TWIN(op##_wide) TWIN(op##_direct)
        TWIN(add) TWIN(activation_forward) TWIN(activation_backward) TWIN(bias_add) TWIN(reduce) TWIN(gather_batch)
            TWIN(augment) TWIN(dropout) TWIN(optimizer_step) TWIN(softmax_cross_entropy) TWIN(pool2d_forward)
                TWIN(pool2d_backward) TWIN(batch_norm_forward) TWIN(batch_norm_backward)
                    TWIN(batch_norm_forward_moments) TWIN(batch_norm_forward_merged) TWIN(batch_norm_backward_sums)
                        TWIN(batch_norm_backward_merged) CONV2D_TWINS(conv2d_forward) CONV2D_TWINS(conv2d_backward_data)
                            CONV2D_TWINS(conv2d_backward_weights)
#undef CONV2D_TWINS
#undef TWIN
    };
    for (size_t i = 0; i < sizeof twins / sizeof twins[0]; i++)
        if (twins[i].plain == shader)
            return twins[i].twin;
    return shader;
}

void vk_program_set_format(vk_program *program, auxo_dtype format)
{
    if (program)
        program->format = format;
}

vk_step *vk_program_add(vk_program *program, vk_shader shader, uint32_t group_size, const uint32_t *constants,
                        uint32_t constant_count)
{
    if (!program)
        return NULL;
    vk_step *step = program->status == AUXO_OK ? calloc(1, sizeof *step) : &program->sink;
    if (!step) {
        vk_program_fail(program, AUXO_OUT_OF_MEMORY, "no host memory to prepare an op");
        step = &program->sink;
    }
    if (step == &program->sink) {
        memset(step, 0, sizeof *step);
    } else {
        *program->last = step;
        program->last = &step->next;
    }
    step->key.shader = program->by_subgroups ? subgroup_twin(shader) : shader;
    step->key.constants[0] = group_size ? group_size : program->device->group_size;
    for (uint32_t i = 0; i < constant_count; i++)
        step->key.constants[1 + i] = constants[i];
    step->key.constant_count = 1 + constant_count;
    const vk_shader twin = auxo_dtype_is_half(program->format) ? half_twin(shader) : shader;
    if (twin != shader) {
        step->key.shader = twin;
        step->key.format = program->format;
    }
    return step;
}

static vk_buffer *take_buffer(vk_program *program, uint64_t size_bytes, vk_buffer_use use)
{
    if (!program || program->status != AUXO_OK)
        return NULL;
    vk_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch) {
        vk_program_fail(program, AUXO_OUT_OF_MEMORY, "no host memory to prepare an op");
        return NULL;
    }
    scratch->next = program->scratch;
    program->scratch = scratch;
    program->status =
        vk_buffer_create_for(program->device, size_bytes ? size_bytes : 16, use, &scratch->buffer, program->error);
    return scratch->buffer;
}

vk_span vk_program_scratch(vk_program *program, uint64_t element_count, uint32_t element_bytes)
{
    vk_span span = {.element_bytes = element_bytes, .size_bytes = element_count * element_bytes};
    const vk_buffer *buffer = take_buffer(program, span.size_bytes, VK_BUFFER_DEVICE);
    if (buffer) {
        span.buffer = buffer->handle;
        span.buffer_bytes = buffer->size_bytes;
    }
    return span;
}

vk_span vk_program_constants(vk_program *program, const void *data, uint64_t size_bytes)
{
    vk_span span = {.element_bytes = 4, .size_bytes = size_bytes};
    const vk_buffer *buffer = take_buffer(program, size_bytes, VK_BUFFER_UPLOAD);
    if (buffer) {
        memcpy(buffer->allocation.mapped, data, size_bytes);
        span.buffer = buffer->handle;
        span.buffer_bytes = buffer->size_bytes;
    }
    return span;
}

vk_span vk_span_none(void)
{
    return (vk_span){.element_bytes = 4};
}

/* Bytes from a tensor's first to its last element; 0 if it is empty. */
static uint64_t extent_bytes(const auxo_tensor *tensor)
{
    int64_t last = 0;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] == 0)
            return 0;
        last += (tensor->dims[i] - 1) * tensor->strides[i];
    }
    return ((uint64_t)last + 1) * auxo_dtype_size_bytes(tensor->dtype);
}

vk_span vk_span_of(const auxo_tensor *tensor)
{
    const vk_buffer *buffer = auxo_tensor_handle(tensor);
    const uint64_t size_bytes = buffer && tensor->rank > 0 ? extent_bytes(tensor) : 0;
    if (size_bytes == 0)
        return vk_span_none();
    return (vk_span){.buffer = buffer->handle,
                     .buffer_bytes = buffer->size_bytes,
                     .offset_bytes = tensor->offset_bytes,
                     .size_bytes = size_bytes,
                     .element_bytes = (uint32_t)auxo_dtype_size_bytes(tensor->dtype)};
}

vk_span vk_span_part(vk_span span, uint64_t first_element, uint64_t element_count)
{
    span.offset_bytes += first_element * span.element_bytes;
    span.size_bytes = element_count * span.element_bytes;
    return span;
}

void vk_step_bind(vk_program *program, vk_step *step, vk_span span, vk_access access)
{
    if (!program || program->status != AUXO_OK)
        return;
    const vk_device *device = program->device;
    const uint32_t slot = step->binding_count++;
    uint32_t at = 0;
    if (!span.buffer || span.size_bytes == 0) {
        step->bindings[slot] = (vk_binding){
            .buffer = device->nothing->handle, .range = VK_ABSENT_BYTES, .access = VK_READ, .absent = true};
    } else {
        const uint64_t alignment = device->limits.minStorageBufferOffsetAlignment;
        const uint64_t bound = span.offset_bytes / alignment * alignment;
        const uint64_t end = span.offset_bytes + span.size_bytes;
        uint64_t range = (end - bound + 15) / 16 * 16; /* the last vector of words may be read whole */
        if (bound + range > span.buffer_bytes)
            range = span.buffer_bytes - bound;
        if (range > device->limits.maxStorageBufferRange) {
            vk_program_fail(program, AUXO_UNSUPPORTED,
                            "a tensor exceeds what one binding of this Vulkan device can address");
            return;
        }
        at = (uint32_t)((span.offset_bytes - bound) / span.element_bytes);
        step->bindings[slot] = (vk_binding){.buffer = span.buffer,
                                            .offset = bound,
                                            .range = range,
                                            .begin = bound, /* hazards go by what is bound, not by what is used */
                                            .end = bound + range,
                                            .access = access};
    }
    memcpy(step->push + slot * sizeof at, &at, sizeof at);
    step->push_bytes = step->binding_count * (uint32_t)sizeof at;
}

void vk_step_push(vk_program *program, vk_step *step, const void *data, uint32_t size_bytes)
{
    if (!program || program->status != AUXO_OK)
        return;
    if (step->push_bytes + size_bytes > VK_PUSH_BYTES) {
        vk_program_fail(program, AUXO_INTERNAL, "a shader's push constants exceed 128 bytes");
        return;
    }
    memcpy(step->push + step->push_bytes, data, size_bytes);
    step->push_bytes += size_bytes;
}

void vk_step_groups(vk_program *program, vk_step *step, uint64_t count)
{
    if (!program || program->status != AUXO_OK)
        return;
    const uint64_t x = count < VK_GROUPS_MAX ? (count ? count : 1) : VK_GROUPS_MAX;
    const uint64_t y = vk_ceil_div(count ? count : 1, x);
    const uint64_t z = vk_ceil_div(y, VK_GROUPS_MAX);
    step->groups[0] = (uint32_t)x;
    step->groups[1] = (uint32_t)(z > 1 ? VK_GROUPS_MAX : y);
    step->groups[2] = (uint32_t)z;
}

void vk_step_groups_flat(vk_program *program, vk_step *step, uint64_t element_count)
{
    if (program)
        vk_step_groups(program, step, vk_ceil_div(element_count, FLAT_ELEMENTS * (uint64_t)step->key.constants[0]));
}

static auxo_status record_step(vk_queue *queue, const vk_step *step, auxo_error *error)
{
    vk_device *device = queue->device;
    vk_commands *commands = NULL;
    VkDescriptorSet set = VK_NULL_HANDLE;
    auxo_status status = vk_queue_commands(queue, &commands, error);
    if (status == AUXO_OK)
        status = vk_commands_descriptors(device, commands, step->set_layout, &set, error);
    if (status != AUXO_OK)
        return status;
    const uint64_t absent_offset = vk_commands_access(commands, step->bindings, step->binding_count);
    VkDescriptorBufferInfo infos[VK_BINDINGS_MAX];
    VkWriteDescriptorSet writes[VK_BINDINGS_MAX];
    for (uint32_t i = 0; i < step->binding_count; i++) {
        const vk_binding *binding = &step->bindings[i];
        infos[i] = (VkDescriptorBufferInfo){.buffer = binding->buffer,
                                            .offset = binding->absent ? absent_offset : binding->offset,
                                            .range = binding->range};
        writes[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = set,
                                           .dstBinding = i,
                                           .descriptorCount = 1,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                           .pBufferInfo = &infos[i]};
    }
    vkUpdateDescriptorSets(device->handle, step->binding_count, writes, 0, NULL);
    vkCmdBindPipeline(commands->buffer, VK_PIPELINE_BIND_POINT_COMPUTE, step->pipeline);
    vkCmdBindDescriptorSets(commands->buffer, VK_PIPELINE_BIND_POINT_COMPUTE, step->pipeline_layout, 0, 1, &set, 0,
                            NULL);
    vkCmdPushConstants(commands->buffer, step->pipeline_layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, step->push_bytes,
                       step->push);
    vkCmdDispatch(commands->buffer, step->groups[0], step->groups[1], step->groups[2]);
    return vk_queue_throttle(queue, error);
}

auxo_status vk_program_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error)
{
    (void)op; /* everything it says is in the program already */
    const vk_program *program = state;
    for (const vk_step *step = program->first; step; step = step->next) {
        const auxo_status status = record_step(queue, step, error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

static bool bytes_fit(const vk_device *device, uint64_t size_bytes)
{
    const uint64_t slack = device->limits.minStorageBufferOffsetAlignment + 16;
    return size_bytes + slack <= device->limits.maxStorageBufferRange;
}

bool vk_span_fits(const vk_device *device, vk_span span)
{
    return bytes_fit(device, span.size_bytes);
}

bool vk_stores_formats(void *device, const auxo_op *op)
{
    const vk_device *self = device;
    bool halves = false;
    for (size_t i = 0; i < AUXO_OP_SLOTS_MAX; i++)
        halves |= auxo_tensor_is_present(&op->tensors[i]) && auxo_dtype_is_half(op->tensors[i].dtype);
    return self->has_halves || !halves;
}

bool vk_fits_bindings(void *device, const auxo_op *op)
{
    for (size_t i = 0; i < AUXO_OP_SLOTS_MAX; i++)
        if (op->tensors[i].rank > 0 && !bytes_fit(device, extent_bytes(&op->tensors[i])))
            return false;
    return true;
}
