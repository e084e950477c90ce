/* ref_backend.c: the reference backend, the slow and obvious oracle of all others.
 *
 * Owns its table of kernels: one variant, "reference", per op. Memory, queues and events are those of cpu_host.c.
 */
#include "ref.h"

#include <stdlib.h>

extern const auxo_backend auxo__backend_reference;

/* gemm, fill and copy read and write every dtype themselves, strided too. */
static auxo_status ref_run(auxo_op_kind kind, ref_function *function, const auxo_op *op, auxo_error *error)
{
    bool any_half = false;
    for (size_t slot = 0; slot < AUXO_OP_SLOTS_MAX; ++slot)
        any_half |= op->tensors[slot].rank > 0 && auxo_dtype_is_half(op->tensors[slot].dtype);
    if (!any_half || kind == AUXO_OP_GEMM || kind == AUXO_OP_FILL || kind == AUXO_OP_COPY)
        return function(op, error);
    return ref_run_widened(function, op, error);
}

#define REF_ENQUEUE(kind, noun)                                                                                        \
    auxo_status ref_##noun##_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error)                   \
    {                                                                                                                  \
        (void)queue;                                                                                                   \
        (void)state;                                                                                                   \
        return ref_run(AUXO_OP_##kind, ref_##noun, op, error);                                                         \
    }
AUXO_OP_TABLE(REF_ENQUEUE)

const auxo_kernel ref_kernels[AUXO_OP_COUNT] = {
#define REF_KERNEL(kind, noun)                                                                                         \
    [AUXO_OP_##kind] = {.variant = "reference", .half_formats = AUXO_HALF_FORMATS_ALL, .enqueue = ref_##noun##_enqueue},
    AUXO_OP_TABLE(REF_KERNEL)
#undef REF_KERNEL
};

static const auxo_kernel_list lists[AUXO_OP_COUNT] = {
#define REF_LIST(kind, noun) [AUXO_OP_##kind] = {&ref_kernels[AUXO_OP_##kind], 1},
    AUXO_OP_TABLE(REF_LIST)
#undef REF_LIST
};

static auxo_status enumerate(const auxo_backend_host *host, auxo_device_info *infos, size_t capacity, size_t *count,
                             auxo_error *error)
{
    (void)host;
    (void)error;
    *count = 1;
    if (capacity > 0)
        cpu_host_describe(&infos[0], "reference", "reference (plain C, double precision)", 1);
    return AUXO_OK;
}

static auxo_status open_device(const auxo_backend_host *host, uint32_t index, void **device, auxo_error *error)
{
    (void)host;
    if (index != 0)
        return auxo_error_set(error, AUXO_NOT_FOUND, "reference:%u: there is only reference:0", index);
    cpu_device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for the reference device");
    *device = opened;
    return AUXO_OK;
}

static void close_device(void *device)
{
    free(device);
}

const auxo_backend auxo__backend_reference = {
    .name = "reference",
    .enumerate = enumerate,
    .open = open_device,
    .close = close_device,
    .kernels = lists,
    .flags = AUXO_BACKEND_ORACLE,
    CPU_HOST_BACKEND_SLOTS,
};
