/* runtime/ops/op_overlap.c: which slots of an operation may share memory.
 *
 * An output overlaps no other slot, unless the op allows "in place" for that pair and both views are the same. Views
 * are compared by the range from their first to their last element, so two interleaved strided views of one buffer
 * count as overlapping. Inputs may overlap each other freely.
 */
#include "op_internal.h"

typedef struct in_place_pair {
    auxo_op_kind kind;
    uint32_t input, output;
} in_place_pair;

static const in_place_pair in_place_pairs[] = {
    {AUXO_OP_ACTIVATION_FORWARD, AUXO_ACTIVATION_X, AUXO_ACTIVATION_Y},
    {AUXO_OP_ACTIVATION_BACKWARD, AUXO_ACTIVATION_B_DY, AUXO_ACTIVATION_B_DX},
    {AUXO_OP_ADD, AUXO_ADD_A, AUXO_ADD_Y},
    {AUXO_OP_ADD, AUXO_ADD_B, AUXO_ADD_Y},
    {AUXO_OP_BIAS_ADD, AUXO_BIAS_ADD_X, AUXO_BIAS_ADD_Y},
    {AUXO_OP_SCALE, AUXO_SCALE_X, AUXO_SCALE_Y},
    {AUXO_OP_MULTIPLY_ADD, AUXO_MULTIPLY_ADD_X, AUXO_MULTIPLY_ADD_Y},
    {AUXO_OP_DROPOUT, AUXO_DROPOUT_X, AUXO_DROPOUT_Y},
    {AUXO_OP_SOFTMAX, AUXO_SOFTMAX_X, AUXO_SOFTMAX_Y},
};

static bool allows_in_place(auxo_op_kind kind, uint32_t input, uint32_t output)
{
    for (size_t i = 0; i < sizeof in_place_pairs / sizeof in_place_pairs[0]; i++)
        if (in_place_pairs[i].kind == kind && in_place_pairs[i].input == input && in_place_pairs[i].output == output)
            return true;
    return false;
}

static bool same_memory(const auxo_tensor *a, const auxo_tensor *b)
{
    return a->buffer || b->buffer ? a->buffer == b->buffer : a->temp_id == b->temp_id;
}

static bool ranges_overlap(const auxo_tensor *a, const auxo_tensor *b)
{
    uint64_t a_bytes = auxo__tensor_span(a) * auxo_dtype_size_bytes(a->dtype);
    uint64_t b_bytes = auxo__tensor_span(b) * auxo_dtype_size_bytes(b->dtype);
    return a_bytes && b_bytes && same_memory(a, b) && a->offset_bytes < b->offset_bytes + b_bytes &&
           b->offset_bytes < a->offset_bytes + a_bytes;
}

static auxo_status check_pair(const auxo_op *op, uint32_t other, uint32_t output, auxo_error *error)
{
    const auxo_tensor *a = &op->tensors[other], *b = &op->tensors[output];
    if (!ranges_overlap(a, b))
        return AUXO_OK;
    const char *a_name = auxo__op_slot_name(op, other), *b_name = auxo__op_slot_name(op, output);
    if (!allows_in_place(op->kind, other, output) || a->dtype != b->dtype)
        return auxo__op_fail(op, error, "%s (at byte %llu) overlaps %s (at byte %llu) of the same memory", b_name,
                             (unsigned long long)b->offset_bytes, a_name, (unsigned long long)a->offset_bytes);
    if (a->offset_bytes != b->offset_bytes)
        return auxo__op_fail(
            op, error, "%s may replace %s only in place, but they start at bytes %llu and %llu of the same memory",
            b_name, a_name, (unsigned long long)b->offset_bytes, (unsigned long long)a->offset_bytes);
    return AUXO_OK;
}

auxo_status auxo__op_check_overlap(const auxo_op *op, auxo_error *error)
{
    size_t count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &count);
    for (uint32_t output = 0; output < count; output++) {
        if (!(slots[output].access & AUXO_SLOT_WRITE) || !auxo_tensor_is_present(&op->tensors[output]))
            continue;
        for (uint32_t other = 0; other < count; other++) {
            bool compared_already = (slots[other].access & AUXO_SLOT_WRITE) && other > output;
            if (other == output || compared_already || !auxo_tensor_is_present(&op->tensors[other]))
                continue;
            auxo_status status = check_pair(op, other, output, error);
            if (status != AUXO_OK)
                return status;
        }
    }
    return AUXO_OK;
}
