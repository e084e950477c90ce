/* op_elementwise.c: fill, copy, add, multiply_add, activations, bias_add and scale.
 *
 * Tensors of any size: flat ops go in chunks of VK_FLAT_CHUNK elements, each with its own binding windows; a strided
 * copy is halved along its longest dimension until both views fit a binding.
 */
#include "vk_ops.h"

#include <math.h>
#include <string.h>

static uint64_t count_of(const auxo_op *op, size_t slot)
{
    return (uint64_t)auxo_tensor_element_count(&op->tensors[slot]);
}

static uint64_t chunk_at(uint64_t first, uint64_t count)
{
    return count - first < VK_FLAT_CHUNK ? count - first : VK_FLAT_CHUNK;
}

/* ---- fill ---- */

static uint32_t half_of(float value)
{
    const float size = fabsf(value);
    const uint32_t sign = signbit(value) ? 0x8000u : 0;
    if (isnan(value))
        return sign | 0x7e00u;
    if (size >= 65520.0f)
        return sign | 0x7c00u;
    int exponent = 0;
    frexpf(size, &exponent);
    const int shift = exponent - 11 < -24 ? -24 : exponent - 11; /* of the last bit kept */
    const uint32_t units = (uint32_t)rintf(ldexpf(size, -shift));
    return sign | (units + ((uint32_t)(shift + 24) << 10)); /* a carry moves on into the exponent */
}

static uint32_t bf16_of(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        return bits >> 16 | 0x40u;
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

static uint32_t integer_of(float value, uint32_t limit)
{
    if (!(value > 0))
        return 0;
    return (double)value < (double)limit ? (uint32_t)value : limit;
}

/* The value repeated to fill a 32-bit word. */
static uint32_t pattern_of(auxo_dtype dtype, float value)
{
    uint32_t bits = 0;
    switch (dtype) {
    case AUXO_DTYPE_F16:
        return half_of(value) * 0x00010001u;
    case AUXO_DTYPE_BF16:
        return bf16_of(value) * 0x00010001u;
    case AUXO_DTYPE_U32:
        return integer_of(value, UINT32_MAX);
    case AUXO_DTYPE_U8:
        return integer_of(value, 255) * 0x01010101u;
    default:
        memcpy(&bits, &value, sizeof bits);
        return bits;
    }
}

static void add_fill(vk_program *program, vk_span y, uint64_t begin_bytes, uint64_t end_bytes, uint32_t pattern)
{
    const uint64_t first_word = begin_bytes / 4, end_word = vk_ceil_div(end_bytes, 4);
    vk_span words = y;
    words.element_bytes = 4;
    words.offset_bytes = first_word * 4;
    words.size_bytes = (end_word - first_word) * 4;
    vk_step *step = vk_program_add(program, VK_SHADER_fill, 0, NULL, 0);
    vk_step_bind(program, step, words, VK_READ_WRITE);
    const uint32_t head_bytes = (uint32_t)(begin_bytes % 4), tail_bytes = (uint32_t)(end_bytes % 4);
    const struct {
        FILL_PUSH
    } push = {.word_count = (uint32_t)(end_word - first_word),
              .pattern = pattern,
              .head_mask = UINT32_MAX << (8 * head_bytes),
              .tail_mask = tail_bytes ? UINT32_MAX >> (8 * (4 - tail_bytes)) : UINT32_MAX};
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups_flat(program, step, push.word_count);
}

VK_PREPARE(fill)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const auxo_tensor *y = &op->tensors[AUXO_FILL_Y];
    const vk_span span = vk_span_of(y);
    const uint64_t end_bytes = span.offset_bytes + span.size_bytes;
    for (uint64_t at = span.offset_bytes; program && at < end_bytes;) {
        uint64_t stop = (at / 4 + VK_FLAT_CHUNK) * 4;
        if (stop > end_bytes)
            stop = end_bytes;
        add_fill(program, span, at, stop, pattern_of(y->dtype, op->params.fill.value));
        at = stop;
    }
    return vk_program_finish(program, state, error);
}

/* ---- copy ---- */

static bool part_fits(const vk_device *device, const auxo_tensor *tensor)
{
    return vk_span_fits(device, vk_span_of(tensor));
}

static void emit_copy(vk_program *program, const auxo_copy_params *params, const auxo_tensor *x, const auxo_tensor *y)
{
    const bool scaled = params->scale != 1.0f;
    const uint32_t constants[] = {x->dtype, y->dtype, scaled, params->accumulate};
    vk_step *step = vk_program_add(program, VK_SHADER_copy, 0, constants, 4);
    vk_step_bind(program, step, vk_span_of(x), VK_READ);
    vk_step_bind(program, step, vk_span_of(y), VK_READ_WRITE);
    struct {
        COPY_PUSH
    } push = {.count = (uint32_t)auxo_tensor_element_count(y),
              .dims = {vk_divider_of(1), vk_divider_of(1), vk_divider_of(1)},
              .scale = params->scale};
    for (uint32_t i = 0; i < y->rank; i++) {
        const uint32_t axis = AUXO_RANK_MAX - y->rank + i;
        if (axis > 0)
            push.dims[axis - 1] = vk_divider_of((uint64_t)y->dims[i]);
        push.x_strides[axis] = (int32_t)x->strides[i];
        push.y_strides[axis] = (int32_t)y->strides[i];
    }
    vk_step_push(program, step, &push, sizeof push);
    vk_step_groups_flat(program, step, push.count);
}

static void copy_part(vk_program *program, const auxo_copy_params *params, auxo_tensor x, auxo_tensor y)
{
    if (!program || program->status != AUXO_OK)
        return;
    if (part_fits(program->device, &x) && part_fits(program->device, &y)) {
        emit_copy(program, params, &x, &y);
        return;
    }
    uint32_t longest = 0; /* the axis that spans most memory */
    int64_t span = 0;
    for (uint32_t i = 0; i < y.rank; i++) {
        const int64_t stride = x.strides[i] > y.strides[i] ? x.strides[i] : y.strides[i];
        if (y.dims[i] > 1 && (y.dims[i] - 1) * stride > span) {
            span = (y.dims[i] - 1) * stride;
            longest = i;
        }
    }
    const int64_t half = y.dims[longest] / 2, rest = y.dims[longest] - half;
    copy_part(program, params, auxo_tensor_slice(x, longest, 0, half), auxo_tensor_slice(y, longest, 0, half));
    copy_part(program, params, auxo_tensor_slice(x, longest, half, rest), auxo_tensor_slice(y, longest, half, rest));
}

VK_PREPARE(copy)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    if (count_of(op, AUXO_COPY_Y) > 0)
        copy_part(program, &op->params.copy, op->tensors[AUXO_COPY_X], op->tensors[AUXO_COPY_Y]);
    return vk_program_finish(program, state, error);
}

/* ---- flat ops: `slots` in binding order, the last written ---- */

static vk_step *add_flat(vk_program *program, const auxo_op *op, vk_shader shader, const uint32_t *activation,
                         const uint32_t *slots, uint32_t slot_count, uint64_t first, uint64_t count)
{
    vk_step *step = vk_program_add(program, shader, 0, activation, activation ? 1 : 0);
    for (uint32_t i = 0; i < slot_count; i++)
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[slots[i]]), first, count),
                     i + 1 == slot_count ? VK_WRITE : VK_READ);
    vk_step_groups_flat(program, step, count);
    return step;
}

VK_PREPARE(add)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_ADD_Y].dtype);
    const uint64_t count = count_of(op, AUXO_ADD_Y);
    const uint32_t slots[] = {AUXO_ADD_A, AUXO_ADD_B, AUXO_ADD_Y};
    for (uint64_t first = 0; first < count; first += VK_FLAT_CHUNK) {
        const uint64_t part = chunk_at(first, count);
        vk_step *step = add_flat(program, op, VK_SHADER_add, NULL, slots, 3, first, part);
        const struct {
            ADD_PUSH
        } push = {(uint32_t)part, op->params.add.alpha, op->params.add.beta};
        vk_step_push(program, step, &push, sizeof push);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(multiply_add)
{
    (void)parameters;
    vk_program *program = vk_program_begin(device, error);
    const auxo_multiply_add_params *params = &op->params.multiply_add;
    const uint64_t count = count_of(op, AUXO_MULTIPLY_ADD_Y);
    const uint32_t slots[] = {AUXO_MULTIPLY_ADD_X, AUXO_MULTIPLY_ADD_Y};
    for (uint64_t first = 0; first < count; first += VK_FLAT_CHUNK) {
        const uint64_t part = chunk_at(first, count);
        vk_step *step = add_flat(program, op, VK_SHADER_multiply_add, NULL, slots, 2, first, part);
        const struct {
            MULTIPLY_ADD_PUSH
        } push = {(uint32_t)part, params->a, params->b, params->count};
        vk_step_push(program, step, &push, sizeof push);
    }
    return vk_program_finish(program, state, error);
}

static auxo_status prepare_activation(void *device, const auxo_op *op, vk_shader shader, const uint32_t *slots,
                                      uint32_t slot_count, void **state, auxo_error *error)
{
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[slots[slot_count - 1]].dtype);
    const uint64_t count = count_of(op, slots[slot_count - 1]);
    const uint32_t activation = op->params.activation.activation;
    for (uint64_t first = 0; first < count; first += VK_FLAT_CHUNK) {
        const uint64_t part = chunk_at(first, count);
        vk_step *step = add_flat(program, op, shader, &activation, slots, slot_count, first, part);
        const struct {
            ACTIVATION_PUSH
        } push = {(uint32_t)part, op->params.activation.slope};
        vk_step_push(program, step, &push, sizeof push);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(activation_forward)
{
    (void)parameters;
    const uint32_t slots[] = {AUXO_ACTIVATION_X, AUXO_ACTIVATION_Y};
    return prepare_activation(device, op, VK_SHADER_activation_forward, slots, 2, state, error);
}

VK_PREPARE(activation_backward)
{
    (void)parameters;
    const uint32_t slots[] = {AUXO_ACTIVATION_B_Y, AUXO_ACTIVATION_B_DY, AUXO_ACTIVATION_B_DX};
    return prepare_activation(device, op, VK_SHADER_activation_backward, slots, 3, state, error);
}

/* bias_add and scale: X and Y in chunks, the per-channel factors whole. */
static auxo_status add_per_channel(vk_program *program, const auxo_op *op, vk_shader shader,
                                   const uint32_t constants[2], float slope, void **state, auxo_error *error)
{
    const int64_t *dims = op->tensors[AUXO_BIAS_ADD_X].dims;
    const uint64_t count = count_of(op, AUXO_BIAS_ADD_Y);
    const vk_access access = auxo_dtype_is_half(op->tensors[AUXO_BIAS_ADD_Y].dtype) ? VK_READ_WRITE : VK_WRITE;
    for (uint64_t first = 0; first < count; first += VK_FLAT_CHUNK) {
        const uint64_t part = chunk_at(first, count);
        const uint64_t plane = (uint64_t)dims[1] * (uint64_t)dims[2];
        vk_step *step = vk_program_add(program, shader, 0, constants, 2);
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[AUXO_BIAS_ADD_X]), first, part), VK_READ);
        vk_step_bind(program, step, vk_span_of(&op->tensors[AUXO_BIAS_ADD_BIAS]), VK_READ);
        vk_step_bind(program, step, vk_span_part(vk_span_of(&op->tensors[AUXO_BIAS_ADD_Y]), first, part), access);
        const struct {
            BIAS_ADD_PUSH
        } push = {(uint32_t)part, (uint32_t)(first % plane), vk_divider_of((uint64_t)dims[1]),
                  vk_divider_of((uint64_t)dims[2]), slope};
        vk_step_push(program, step, &push, sizeof push);
        vk_step_groups_flat(program, step, part);
    }
    return vk_program_finish(program, state, error);
}

VK_PREPARE(bias_add)
{
    (void)parameters;
    const auxo_activation_params *params = &op->params.activation;
    const uint32_t constants[2] = {params->activation};
    vk_program *program = vk_program_begin(device, error);
    vk_program_set_format(program, op->tensors[AUXO_BIAS_ADD_Y].dtype);
    return add_per_channel(program, op, VK_SHADER_bias_add, constants, params->slope, state, error);
}

VK_PREPARE(scale)
{
    (void)parameters;
    const uint32_t constants[2] = {op->tensors[AUXO_SCALE_X].dtype, op->tensors[AUXO_SCALE_Y].dtype};
    return add_per_channel(vk_program_begin(device, error), op, VK_SHADER_scale, constants, 0, state, error);
}
