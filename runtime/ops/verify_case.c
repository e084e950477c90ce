/* runtime/ops/verify_case.c: building conformance cases: images, values, views.
 *
 * Guard bytes are 0xa5. Gaps between the elements of a strided view are guards too: a kernel must not write them, and
 * reading them as f32 gives a number that spoils the result.
 */
#include "verify_case.h"
#include "half.h"
#include "op_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_BYTES = 64, GUARD_BYTE = 0xa5 };

static const auxo__suite *const suites[AUXO_OP_COUNT] = {
#define SUITE_ENTRY(kind, noun) [AUXO_OP_##kind] = &auxo__suite_##noun,
    AUXO_OP_TABLE(SUITE_ENTRY)
#undef SUITE_ENTRY
};

const auxo__suite *auxo__op_suite(auxo_op_kind kind)
{
    return suites[kind];
}

size_t auxo__suite_count(const auxo__suite *suite)
{
    return suite->case_count + 2 * suite->half_count;
}

size_t auxo__suite_half_index(const auxo__suite *suite, size_t base, auxo_dtype dtype)
{
    return suite->case_count + (dtype == AUXO_DTYPE_BF16 ? suite->half_count : 0) + base;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint32_t auxo__case_random(auxo__case *built)
{
    return (uint32_t)(next_random(&built->random_state) >> 32);
}

/* Gives every slot that may have 16 bits a tensor of `dtype` with its values, rounded. */
static void make_half(auxo__case *built, auxo_dtype dtype)
{
    auxo__case_text(built, " %s", auxo_dtype_text(dtype));
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX && built->status == AUXO_OK; slot++) {
        const auxo_tensor wide = built->op.tensors[slot];
        auxo__image image = built->images[slot];
        if (wide.rank == 0 || wide.dtype != AUXO_DTYPE_F32 || !auxo__op_takes_half(built->op.kind, slot))
            continue;
        if (image.owner != slot) {
            built->op.tensors[slot] = built->op.tensors[image.owner];
            continue;
        }
        auxo__case_strided(built, slot, dtype, wide.rank, wide.dims, wide.strides);
        for (int64_t e = 0; e < auxo_tensor_element_count(&wide); e++)
            auxo__case_set(built, slot, e, auxo__element_load(&wide, image.bytes, e));
        free(image.bytes);
    }
}

auxo_status auxo__case_init(auxo__case *built, auxo_op_kind kind, size_t index, uint64_t seed, auxo_error *error)
{
    memset(built, 0, sizeof *built);
    built->op.kind = kind;
    built->scale = 1;
    built->one_buffer = index % 2 == 1;
    built->random_state = seed + 1000003u * (uint64_t)kind + index;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++)
        built->images[slot].owner = slot;
    const auxo__suite *suite = auxo__op_suite(kind);
    const bool half = index >= suite->case_count;
    suite->build(built, half ? (index - suite->case_count) % suite->half_count : index);
    if (half)
        make_half(built, index < suite->case_count + suite->half_count ? AUXO_DTYPE_F16 : AUXO_DTYPE_BF16);
    if (built->status != AUXO_OK)
        return auxo_error_set(error, built->status, "%s case %zu (%s): no host memory", auxo_op_noun(kind), index,
                              built->text);
    return AUXO_OK;
}

void auxo__case_deinit(auxo__case *built)
{
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++)
        free(built->images[slot].bytes);
    memset(built, 0, sizeof *built);
}

void auxo__case_text(auxo__case *built, const char *format, ...)
{
    size_t used = strlen(built->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(built->text + used, sizeof built->text - used, format, arguments);
    va_end(arguments);
}

int64_t auxo__view_offset(const auxo_tensor *tensor, int64_t element)
{
    int64_t offset = 0;
    for (uint32_t axis = tensor->rank; axis-- > 0;) {
        offset += element % tensor->dims[axis] * tensor->strides[axis];
        element /= tensor->dims[axis];
    }
    return offset;
}

double auxo__element_load(const auxo_tensor *tensor, const uint8_t *memory, int64_t element)
{
    uint64_t size_bytes = auxo_dtype_size_bytes(tensor->dtype);
    const uint8_t *at = memory + tensor->offset_bytes + (uint64_t)auxo__view_offset(tensor, element) * size_bytes;
    float f32;
    uint32_t u32;
    uint16_t f16;
    switch (tensor->dtype) {
    case AUXO_DTYPE_F16:
        memcpy(&f16, at, sizeof f16);
        return auxo__half_to_double(f16);
    case AUXO_DTYPE_BF16:
        memcpy(&f16, at, sizeof f16);
        return auxo__bf16_to_double(f16);
    case AUXO_DTYPE_U32:
        memcpy(&u32, at, sizeof u32);
        return u32;
    case AUXO_DTYPE_U8:
        return *at;
    default:
        memcpy(&f32, at, sizeof f32);
        return (double)f32;
    }
}

void auxo__element_store(const auxo_tensor *tensor, uint8_t *memory, int64_t element, double value)
{
    uint64_t size_bytes = auxo_dtype_size_bytes(tensor->dtype);
    uint8_t *at = memory + tensor->offset_bytes + (uint64_t)auxo__view_offset(tensor, element) * size_bytes;
    float f32 = (float)value;
    uint16_t f16;
    uint32_t u32;
    switch (tensor->dtype) {
    case AUXO_DTYPE_F16:
    case AUXO_DTYPE_BF16:
        f16 = tensor->dtype == AUXO_DTYPE_F16 ? auxo__half_from_double(value) : auxo__bf16_from_double(value);
        memcpy(at, &f16, sizeof f16);
        break;
    case AUXO_DTYPE_U32:
        u32 = (uint32_t)value;
        memcpy(at, &u32, sizeof u32);
        break;
    case AUXO_DTYPE_U8:
        *at = (uint8_t)value;
        break;
    default:
        memcpy(at, &f32, sizeof f32);
    }
}

static void poison(const auxo_tensor *tensor, uint8_t *memory)
{
    bool is_float = auxo_dtype_is_float(tensor->dtype);
    double value = tensor->dtype == AUXO_DTYPE_U8 ? 0xcd : (double)0xcdcdcdcdu;
    for (int64_t element = 0; element < auxo_tensor_element_count(tensor); element++)
        auxo__element_store(tensor, memory, element, is_float ? (double)NAN : value);
}

void auxo__case_strided(auxo__case *built, uint32_t slot, auxo_dtype dtype, uint32_t rank, const int64_t *dims,
                        const int64_t *strides)
{
    static const uint32_t lead_elements[] = {0, 1, 16, 3, 64, 5};
    auxo__image *image = &built->images[slot];
    auxo_tensor *tensor = &built->op.tensors[slot];
    if (built->status != AUXO_OK)
        return;
    *tensor = auxo_tensor_make(NULL, 0, dtype, rank, dims);
    for (uint32_t axis = 0; axis < rank; axis++)
        tensor->strides[axis] = strides[axis];
    uint64_t element_bytes = auxo_dtype_size_bytes(dtype);
    uint32_t lead = lead_elements[(slot + built->random_state) % (sizeof lead_elements / sizeof lead_elements[0])];
    tensor->offset_bytes = GUARD_BYTES + lead * element_bytes;
    uint64_t end = tensor->offset_bytes + auxo__tensor_span(tensor) * element_bytes + GUARD_BYTES;
    image->size_bytes = (end + 3) / 4 * 4;
    image->bytes = malloc(image->size_bytes);
    if (!image->bytes) {
        built->status = AUXO_OUT_OF_MEMORY;
        return;
    }
    memset(image->bytes, GUARD_BYTE, image->size_bytes);
    poison(tensor, image->bytes);
}

void auxo__case_tensor(auxo__case *built, uint32_t slot, auxo_dtype dtype, uint32_t rank, const int64_t *dims)
{
    auxo_tensor contiguous = auxo_tensor_make(NULL, 0, dtype, rank, dims);
    auxo__case_strided(built, slot, dtype, rank, dims, contiguous.strides);
}

void auxo__case_in_place(auxo__case *built, uint32_t slot, uint32_t of)
{
    built->op.tensors[slot] = built->op.tensors[of];
    built->images[slot].owner = of;
}

static uint8_t *image_of(const auxo__case *built, uint32_t slot)
{
    return built->images[built->images[slot].owner].bytes;
}

void auxo__case_set(auxo__case *built, uint32_t slot, int64_t element, double value)
{
    if (built->status == AUXO_OK)
        auxo__element_store(&built->op.tensors[slot], image_of(built, slot), element, value);
}

double auxo__case_get(const auxo__case *built, uint32_t slot, int64_t element)
{
    return built->status == AUXO_OK ? auxo__element_load(&built->op.tensors[slot], image_of(built, slot), element) : 0;
}

void auxo__case_uniform(auxo__case *built, uint32_t slot, double low, double high)
{
    for (int64_t element = 0; element < auxo_tensor_element_count(&built->op.tensors[slot]); element++)
        auxo__case_set(built, slot, element, low + (high - low) * (auxo__case_random(built) >> 8) * 0x1p-24);
}

void auxo__case_integers(auxo__case *built, uint32_t slot, uint32_t bound)
{
    for (int64_t element = 0; element < auxo_tensor_element_count(&built->op.tensors[slot]); element++)
        auxo__case_set(built, slot, element, (double)(((uint64_t)auxo__case_random(built) * bound) >> 32));
}

void auxo__case_constant(auxo__case *built, uint32_t slot, double value)
{
    for (int64_t element = 0; element < auxo_tensor_element_count(&built->op.tensors[slot]); element++)
        auxo__case_set(built, slot, element, value);
}

void auxo__case_special(auxo__case *built, uint32_t slot, auxo__special special)
{
    static const char *const names[] = {"NaN", "infinite", "large", "small"};
    const int64_t count = auxo_tensor_element_count(&built->op.tensors[slot]);
    const int64_t places[3] = {0, count / 2, count - 1};
    const double factor = special == AUXO__LARGE ? 0x1p60 : 0x1p-50;
    auxo__case_text(built, " %s", names[special]);
    if (special == AUXO__LARGE || special == AUXO__SMALL)
        for (int64_t element = 0; element < count; element++)
            auxo__case_set(built, slot, element, factor * auxo__case_get(built, slot, element));
    else
        for (int i = 0; i < 3 && count > 0; i++)
            auxo__case_set(built, slot, places[i],
                           special == AUXO__NAN ? (double)NAN : (double)(i == 1 ? -INFINITY : INFINITY));
}

void auxo__case_counter(auxo__case *built, uint32_t slot, uint32_t step, uint32_t batch, uint32_t epoch)
{
    AUXO__U32(built, slot, 4);
    auxo__case_set(built, slot, 0, step);
    auxo__case_set(built, slot, 1, batch);
    auxo__case_set(built, slot, 2, epoch);
    auxo__case_set(built, slot, 3, 0);
}

static void make_params_absolute(auxo_op *op)
{
    switch (op->kind) {
    case AUXO_OP_GEMM:
        op->params.gemm.alpha = fabsf(op->params.gemm.alpha);
        op->params.gemm.beta = fabsf(op->params.gemm.beta);
        op->params.gemm.activation = AUXO_ACTIVATION_IDENTITY;
        break;
    case AUXO_OP_CONV2D_FORWARD:
        op->params.conv2d.activation = AUXO_ACTIVATION_IDENTITY;
        break;
    case AUXO_OP_BIAS_ADD:
        op->params.activation.activation = AUXO_ACTIVATION_IDENTITY;
        break;
    case AUXO_OP_ADD:
        op->params.add.alpha = fabsf(op->params.add.alpha);
        op->params.add.beta = fabsf(op->params.add.beta);
        break;
    case AUXO_OP_GATHER_BATCH: /* MEAN, which is subtracted, becomes negative below */
        op->params.gather_batch.scale = fabsf(op->params.gather_batch.scale);
        break;
    case AUXO_OP_COPY:
        op->params.copy.scale = fabsf(op->params.copy.scale);
        break;
    default:
        break;
    }
}

void auxo__case_make_absolute(auxo__case *built)
{
    make_params_absolute(&built->op);
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        const auxo_tensor *tensor = &built->op.tensors[slot];
        bool is_float = auxo_dtype_is_float(tensor->dtype);
        if (!auxo_tensor_is_present(tensor) || !is_float || built->images[slot].owner != slot)
            continue;
        bool subtracted = built->op.kind == AUXO_OP_GATHER_BATCH && slot == AUXO_GATHER_BATCH_MEAN;
        double sign = subtracted ? -1 : 1;
        for (int64_t element = 0; element < auxo_tensor_element_count(tensor); element++)
            auxo__case_set(built, slot, element, sign * fabs(auxo__case_get(built, slot, element)));
    }
}

double auxo__log2_ceil(int64_t count)
{
    return count > 1 ? ceil(log2((double)count)) : 0;
}

double auxo__activation_bound(auxo_activation activation, float slope, double expected, double error)
{
    const double u = AUXO__UNIT_ROUNDOFF;
    switch (activation) {
    case AUXO_ACTIVATION_IDENTITY:
    case AUXO_ACTIVATION_RELU:
        return error;
    case AUXO_ACTIVATION_LEAKY_RELU:
        return error + 2 * u * fabs(expected);
    case AUXO_ACTIVATION_ELU:
        return (1 + (double)slope) * (error + 4 * u) + 16 * u * fabs(expected);
    case AUXO_ACTIVATION_SELU:
        return 1.7581 * (error + 4 * u) + 16 * u * fabs(expected);
    default:
        return error + 4 * u + 16 * u * fabs(expected);
    }
}
