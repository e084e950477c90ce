/* runtime/ops/verify_compare.c: judges the memory that a kernel left behind.
 *
 * Elements of outputs are compared with the reference within the bound of the op; every other byte (inputs, guards,
 * gaps of strided views) must be what it was before.
 */
#include "verify_run.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "[2,0,5]" of a row-major element number. */
static void write_position(const auxo_tensor *tensor, int64_t element, char *text, size_t capacity)
{
    int64_t position[AUXO_RANK_MAX] = {0};
    for (uint32_t axis = tensor->rank; axis-- > 0;) {
        position[axis] = element % tensor->dims[axis];
        element /= tensor->dims[axis];
    }
    size_t used = 0;
    for (uint32_t axis = 0; axis < tensor->rank && used < capacity; axis++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%lld", axis ? "," : "[", (long long)position[axis]);
    if (used < capacity)
        snprintf(text + used, capacity - used, "]");
}

static bool close_enough(double value, double expected, double bound)
{
    if (isnan(expected) || isnan(value))
        return isnan(expected) && isnan(value);
    if (value == expected)
        return true;
    if (isinf(expected) || isinf(value))
        return false;
    return fabs(value - expected) <= bound;
}

/* Rounding of the output's dtype, beyond what the op's bound says: both sides round to 16 bits, so that values close to
 * a tie may end one place apart; subnormals may be flushed. */
static double storage_bound(auxo_dtype dtype, double expected)
{
    if (dtype == AUXO_DTYPE_F16)
        return fabs(expected) * 0x1p-10 + 0x1p-14;
    if (dtype == AUXO_DTYPE_BF16)
        return fabs(expected) * 0x1p-7 + (double)FLT_MIN;
    return (double)FLT_MIN;
}

/* The largest finite |value| of a view. */
static double largest(const auxo_tensor *tensor, const uint8_t *memory)
{
    double max = 0;
    for (int64_t element = 0; element < auxo_tensor_element_count(tensor); element++) {
        double value = fabs(auxo__element_load(tensor, memory, element));
        if (isfinite(value) && value > max)
            max = value;
    }
    return max;
}

static auxo_status compare_slot(const auxo__case *tested, uint32_t slot, const char *name, const uint8_t *got,
                                const uint8_t *wanted, const uint8_t *magnitudes, auxo_error *error)
{
    const auxo_tensor *tensor = &tested->op.tensors[slot];
    auxo__bound *bound = auxo__op_suite(tested->op.kind)->bound;
    bool is_float = auxo_dtype_is_float(tensor->dtype);
    double largest_expected = magnitudes ? 0 : largest(tensor, wanted);
    for (int64_t element = 0; element < auxo_tensor_element_count(tensor); element++) {
        double value = auxo__element_load(tensor, got, element);
        double expected = auxo__element_load(tensor, wanted, element);
        if (value == expected)
            continue;
        double allowed = 0;
        if (is_float && bound) {
            double magnitude = magnitudes ? auxo__element_load(tensor, magnitudes, element) : largest_expected;
            allowed = bound(tested, slot, element, expected, magnitude);
            if (allowed > 0)
                allowed += storage_bound(tensor->dtype, expected);
        }
        if (close_enough(value, expected, allowed))
            continue;
        char position[96];
        write_position(tensor, element, position, sizeof position);
        return auxo_error_set(error, AUXO_WRONG_RESULT, "%s: %s%s is %.9g, but %.9g was expected (bound %.2g) for %s",
                              auxo_op_noun(tested->op.kind), name, position, value, expected, allowed, tested->text);
    }
    return AUXO_OK;
}

/* Marks the bytes of a slot's elements in `written`, which covers its owner's image. */
static void mark_elements(const auxo_tensor *tensor, bool *written)
{
    uint64_t element_bytes = auxo_dtype_size_bytes(tensor->dtype);
    for (int64_t element = 0; element < auxo_tensor_element_count(tensor); element++) {
        uint64_t at = tensor->offset_bytes + (uint64_t)auxo__view_offset(tensor, element) * element_bytes;
        memset(written + at, true, element_bytes);
    }
}

/* All bytes of one image that belong to no output. */
static auxo_status compare_rest(const auxo__case *tested, uint32_t owner, const auxo_slot_info *slots, size_t count,
                                const uint8_t *got, auxo_error *error)
{
    const auxo__image *image = &tested->images[owner];
    bool *written = calloc(image->size_bytes, sizeof *written);
    if (!written)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory to compare %llu bytes",
                              (unsigned long long)image->size_bytes);
    for (uint32_t slot = 0; slot < count; slot++)
        if (tested->images[slot].owner == owner && (slots[slot].access & AUXO_SLOT_WRITE))
            mark_elements(&tested->op.tensors[slot], written);
    uint64_t at = 0;
    while (at < image->size_bytes && (written[at] || got[at] == image->bytes[at]))
        at++;
    free(written);
    if (at == image->size_bytes)
        return AUXO_OK;
    const auxo_tensor *tensor = &tested->op.tensors[owner];
    return auxo_error_set(error, AUXO_WRONG_RESULT,
                          "%s: byte %lld from the start of %s was %u and is now %u, but must not change, for %s",
                          auxo_op_noun(tested->op.kind), (long long)at - (long long)tensor->offset_bytes,
                          slots[owner].name, image->bytes[at], got[at], tested->text);
}

auxo_status auxo__case_compare(const auxo__case *tested, const auxo__case_result *result,
                               const auxo__case_expectation *expectation, auxo_error *error)
{
    size_t count = 0;
    const auxo_slot_info *slots = auxo_op_slots(tested->op.kind, &count);
    for (uint32_t slot = 0; slot < count; slot++) {
        uint32_t owner = tested->images[slot].owner;
        auxo_status status = AUXO_OK;
        if (auxo_tensor_is_present(&tested->op.tensors[slot]) && (slots[slot].access & AUXO_SLOT_WRITE))
            status = compare_slot(tested, slot, slots[slot].name, result->bytes[owner],
                                  expectation->values.bytes[owner], expectation->magnitudes.bytes[owner], error);
        if (status == AUXO_OK && tested->images[slot].bytes)
            status = compare_rest(tested, slot, slots, count, result->bytes[slot], error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}
