/* ref_half.c: ops on 16-bit tensors as ops on f32 copies of them: widening is exact, and outputs are rounded once more.
 */
#include "ref.h"

#include <stdlib.h>

/* The f32 copies of an op's 16-bit tensors, and buffers that make them tensors. */
typedef struct widened_op {
    auxo_op op;
    auxo_buffer buffers[AUXO_OP_SLOTS_MAX];
    float *values[AUXO_OP_SLOTS_MAX]; /* NULL: the slot is as it was */
} widened_op;

static auxo_status widen(const auxo_op *op, widened_op *wide, auxo_error *error)
{
    *wide = (widened_op){.op = *op};
    for (size_t slot = 0; slot < AUXO_OP_SLOTS_MAX; ++slot) {
        auxo_tensor *tensor = &wide->op.tensors[slot];
        if (tensor->rank == 0 || !auxo_dtype_is_half(tensor->dtype))
            continue;
        const int64_t count = cpu_count(op, slot);
        float *values = malloc(sizeof(float) * (size_t)(count > 0 ? count : 1));
        if (!values)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for %lld values in f32", (long long)count);
        for (int64_t i = 0; i < count; ++i)
            values[i] = (float)ref_load(&op->tensors[slot], i);
        wide->values[slot] = values;
        wide->buffers[slot] = (auxo_buffer){.handle = values, .size_bytes = sizeof(float) * (uint64_t)count};
        tensor->buffer = &wide->buffers[slot];
        tensor->offset_bytes = 0;
        tensor->dtype = AUXO_DTYPE_F32;
    }
    return AUXO_OK;
}

auxo_status ref_run_widened(ref_function *function, const auxo_op *op, auxo_error *error)
{
    widened_op wide;
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &slot_count);
    auxo_status status = widen(op, &wide, error);
    if (status == AUXO_OK)
        status = function(&wide.op, error);
    for (size_t slot = 0; slot < AUXO_OP_SLOTS_MAX; ++slot) {
        const bool written = slot < slot_count && (slots[slot].access & AUXO_SLOT_WRITE);
        for (int64_t i = 0; wide.values[slot] && written && status == AUXO_OK && i < cpu_count(op, slot); ++i)
            ref_store(&op->tensors[slot], i, (double)wide.values[slot][i]);
        free(wide.values[slot]);
    }
    return status;
}
