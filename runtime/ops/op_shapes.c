/* runtime/ops/op_shapes.c: the dtype and shape of every slot of every operation, as patterns.
 *
 * A pattern has one character per dim. A letter is bound by the first slot that uses it and must agree in all later
 * ones; a digit is that extent; "?" alone is any shape; "=k" alone is the shape of slot k. What a pattern cannot say
 * (output extents, groups, layouts that depend on parameters) is checked in op_check_<concept>.c.
 */
#include "op_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    F32 = 1u << AUXO_DTYPE_F32,
    U32 = 1u << AUXO_DTYPE_U32,
    U8 = 1u << AUXO_DTYPE_U8,
    HALF = 1u << AUXO_DTYPE_F16 | 1u << AUXO_DTYPE_BF16,
    FLOAT = F32 | HALF,
    SAME = 1u << 16,     /* the dtype of the first slot so marked */
    DATA = FLOAT | SAME, /* operands and activations: all of one op f32, or all of one 16-bit format */
};

typedef struct slot_shape {
    const char *pattern;
    unsigned dtypes;
} slot_shape;

/* STATS, HISTORY, COUNTER of the losses */
#define LOSS_OUTPUTS                                                                                                   \
    {"4", F32}, {"h", F32},                                                                                            \
    {                                                                                                                  \
        "4", U32                                                                                                       \
    }

/* One row per op, in slot order; absent entries have no pattern. */
static const slot_shape shapes[AUXO_OP_COUNT][AUXO_OP_SLOTS_MAX] = {
    [AUXO_OP_GEMM] = {{"?", DATA}, {"?", DATA}, {"?", FLOAT}, {"?", F32}},
    [AUXO_OP_CONV2D_FORWARD] = {{"NCHW", DATA}, {"KcRS", DATA}, {"NKPQ", DATA}, {"K", F32}},
    [AUXO_OP_CONV2D_BACKWARD_DATA] = {{"NKPQ", DATA}, {"KcRS", DATA}, {"NCHW", DATA}},
    [AUXO_OP_CONV2D_BACKWARD_WEIGHTS] = {{"NCHW", DATA}, {"NKPQ", DATA}, {"KcRS", F32}, {"K", F32}},
    [AUXO_OP_POOL2D_FORWARD] = {{"NCHW", DATA}, {"NCPQ", DATA}, {"NCPQ", U8 | U32}},
    [AUXO_OP_POOL2D_BACKWARD] = {{"NCPQ", DATA}, {"NCHW", DATA}, {"NCPQ", U8 | U32}},
    [AUXO_OP_ACTIVATION_FORWARD] = {{"?", DATA}, {"=0", DATA}},
    [AUXO_OP_ACTIVATION_BACKWARD] = {{"?", DATA}, {"=0", DATA}, {"=0", DATA}},
    [AUXO_OP_ADD] = {{"?", DATA}, {"=0", DATA}, {"=0", DATA}},
    [AUXO_OP_BIAS_ADD] = {{"oci", DATA}, {"c", F32}, {"oci", DATA}},
    [AUXO_OP_SCALE] = {{"oci", FLOAT}, {"c", F32}, {"oci", FLOAT}},
    [AUXO_OP_REDUCE] = {{"oci", FLOAT}, {"c", F32}},
    [AUXO_OP_BATCH_NORM_FORWARD] =
        {{"NCi", DATA}, {"C", F32}, {"C", F32}, {"C", F32}, {"C", F32}, {"NCi", DATA}, {"C", F32}, {"C", F32}},
    [AUXO_OP_BATCH_NORM_BACKWARD] =
        {{"NCi", DATA}, {"C", F32}, {"C", F32}, {"C", F32}, {"NCi", DATA}, {"NCi", DATA}, {"C", F32}, {"C", F32}},
    [AUXO_OP_DROPOUT] = {{"?", DATA}, {"=0", DATA}, {"4", U32}},
    [AUXO_OP_SOFTMAX] = {{"rc", F32}, {"rc", F32}},
    [AUXO_OP_SOFTMAX_CROSS_ENTROPY] = {{"rc", DATA}, {"r", U32}, {"2", F32}, {"rc", DATA}, LOSS_OUTPUTS},
    [AUXO_OP_MSE] = {{"ro", F32}, {"ro", F32}, {"2", F32}, {"ro", F32}, LOSS_OUTPUTS},
    [AUXO_OP_COX] = {{"n", F32}, {"n", F32}, {"n", U32}, {"n", U32}, {"2", F32}, {"n", F32}, LOSS_OUTPUTS},
    [AUXO_OP_ARGSORT] = {{"n", F32}, {"n", U32}},
    [AUXO_OP_GROUP_NORM] = {{"gs", F32}, {"g", F32}, {"g", F32}},
    [AUXO_OP_PENALTY] = {{"gs", F32}, {"g", F32}, {"gs", F32}, {"g", F32}, {"g", F32}, {"8", F32}, {"1", F32}},
    [AUXO_OP_KEPT_SCAN] = {{"n", F32}, {"n", U32}, {"1", U32}},
    [AUXO_OP_INDEX_SELECT] = {{"oai", F32 | U32}, {"m", U32}, {"omi", F32 | U32}},
    [AUXO_OP_SEGMENT_REDUCE] = {{"n", F32}, {"n", F32}, {"t", U32}, {"s", F32}},
    [AUXO_OP_GATHER_BATCH] =
        {{"rci", F32 | U32 | U8}, {"n", U32}, {"4", U32}, {"c", F32}, {"c", F32}, {"bci", FLOAT | U32}},
    [AUXO_OP_AUGMENT] = {{"NCHW", DATA}, {"NCHW", DATA}, {"4", U32}},
    [AUXO_OP_RANDOM_FILL] = {{"?", F32 | U32}, {"4", U32}},
    [AUXO_OP_FILL] = {{"?", FLOAT | U32 | U8}},
    [AUXO_OP_COPY] = {{"?", FLOAT | U32 | U8}, {"=0", FLOAT | U32 | U8}},
    [AUXO_OP_MULTIPLY_ADD] = {{"?", F32}, {"=0", F32}},
    [AUXO_OP_COUNTER_ADD] = {{"4", U32}},
    [AUXO_OP_OPTIMIZER_STEP] =
        {{"n", F32}, {"n", F32}, {"n", F32}, {"n", F32}, {"8", F32}, {"4", U32}, {"1", F32}, {"n", FLOAT}},
    [AUXO_OP_LOSS_SCALE] = {{"n", F32}, {"8", F32}, {"4", U32}},
    [AUXO_OP_MLP_FORWARD] = {{"ri", F32}, {"p", F32}, {"ro", F32}},
    [AUXO_OP_MLP_GRADIENT] = {{"ri", F32}, {"ro", F32}, {"p", F32}, {"p", F32}, {"2", F32}, LOSS_OUTPUTS},
    [AUXO_OP_MLP_HVP] = {{"ri", F32}, {"ro", F32}, {"p", F32}, {"vp", F32}, {"vp", F32}},
    [AUXO_OP_THETA_EVAL] = {{"ri", F32}, {"ro", F32}, {"p", F32}, {"mg", F32}, {"u", U32}, {"m", U32}, {"m2", F32}},
};

/* Where a letter of a pattern got its value. */
typedef struct binding {
    bool bound;
    uint32_t slot, axis;
} binding;

static void write_dtypes(unsigned dtypes, char *text, size_t capacity)
{
    size_t used = 0;
    text[0] = 0;
    for (unsigned dtype = 0; dtype < AUXO_DTYPE_COUNT; dtype++)
        if ((dtypes & 1u << dtype) && used < capacity)
            used += (size_t)snprintf(text + used, capacity - used, "%s%s", used ? " or " : "",
                                     auxo_dtype_text((auxo_dtype)dtype));
}

static auxo_status check_same_shape(const auxo_op *op, uint32_t slot, uint32_t other, auxo_error *error)
{
    const auxo_tensor *a = &op->tensors[slot], *b = &op->tensors[other];
    const char *name = auxo__op_slot_name(op, slot), *other_name = auxo__op_slot_name(op, other);
    if (a->rank != b->rank)
        return auxo__op_fail(op, error, "%s has rank %u, but %s has rank %u", name, (unsigned)a->rank, other_name,
                             (unsigned)b->rank);
    for (uint32_t axis = 0; axis < a->rank; axis++)
        if (a->dims[axis] != b->dims[axis])
            return auxo__op_fail(op, error, "%s dim %u is %lld, but %s dim %u is %lld", name, (unsigned)axis,
                                 (long long)a->dims[axis], other_name, (unsigned)axis, (long long)b->dims[axis]);
    return AUXO_OK;
}

static auxo_status check_pattern(const auxo_op *op, uint32_t slot, const char *pattern, binding *bindings,
                                 auxo_error *error)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    const char *name = auxo__op_slot_name(op, slot);
    if (pattern[0] == '?')
        return AUXO_OK;
    if (pattern[0] == '=')
        return check_same_shape(op, slot, (uint32_t)(pattern[1] - '0'), error);
    if (tensor->rank != strlen(pattern))
        return auxo__op_fail(op, error, "%s has rank %u, but needs rank %u", name, (unsigned)tensor->rank,
                             (unsigned)strlen(pattern));
    for (uint32_t axis = 0; axis < tensor->rank; axis++) {
        unsigned char letter = (unsigned char)pattern[axis];
        int64_t dim = tensor->dims[axis];
        if (isdigit(letter)) {
            if (dim != letter - '0')
                return auxo__op_fail(op, error, "%s dim %u is %lld, but must be %d", name, (unsigned)axis,
                                     (long long)dim, letter - '0');
            continue;
        }
        binding *bound = &bindings[letter];
        if (!bound->bound) {
            *bound = (binding){true, slot, axis};
            continue;
        }
        int64_t expected = op->tensors[bound->slot].dims[bound->axis];
        if (dim != expected)
            return auxo__op_fail(op, error, "%s dim %u is %lld, but %s dim %u is %lld", name, (unsigned)axis,
                                 (long long)dim, auxo__op_slot_name(op, bound->slot), (unsigned)bound->axis,
                                 (long long)expected);
    }
    return AUXO_OK;
}

bool auxo__op_takes_half(auxo_op_kind kind, uint32_t slot)
{
    return (shapes[kind][slot].dtypes & HALF) != 0;
}

/* Slots marked SAME have one dtype. */
static auxo_status check_same_dtype(const auxo_op *op, uint32_t slot, uint32_t *first, auxo_error *error)
{
    if (!(shapes[op->kind][slot].dtypes & SAME))
        return AUXO_OK;
    if (*first == AUXO_OP_SLOTS_MAX)
        *first = slot;
    if (op->tensors[slot].dtype == op->tensors[*first].dtype)
        return AUXO_OK;
    return auxo__op_fail(op, error, "%s is %s, but %s is %s", auxo__op_slot_name(op, *first),
                         auxo_dtype_text(op->tensors[*first].dtype), auxo__op_slot_name(op, slot),
                         auxo_dtype_text(op->tensors[slot].dtype));
}

auxo_status auxo__op_check_shapes(const auxo_op *op, auxo_error *error)
{
    binding bindings[128] = {{false, 0, 0}};
    uint32_t first_data = AUXO_OP_SLOTS_MAX;
    size_t count = 0;
    auxo_op_slots(op->kind, &count);
    for (uint32_t slot = 0; slot < count; slot++) {
        const auxo_tensor *tensor = &op->tensors[slot];
        const slot_shape *shape = &shapes[op->kind][slot];
        if (!auxo_tensor_is_present(tensor))
            continue;
        if (!(shape->dtypes & 1u << tensor->dtype)) {
            char allowed[64];
            write_dtypes(shape->dtypes, allowed, sizeof allowed);
            return auxo__op_fail(op, error, "%s is %s, but must be %s", auxo__op_slot_name(op, slot),
                                 auxo_dtype_text(tensor->dtype), allowed);
        }
        auxo_status status = check_same_dtype(op, slot, &first_data, error);
        if (status == AUXO_OK)
            status = check_pattern(op, slot, shape->pattern, bindings, error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}
