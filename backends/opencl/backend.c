/* backends/opencl/backend.c: the table through which the runtime sees this backend.
 *
 * Every op has a native kernel. Ops with alternatives list them in their own file; the others have one variant, made
 * from their build function here.
 */
#include "kernels.h"

/* Every op whose contract has 16-bit slots takes both formats in its one variant. */
#define OCL_SINGLE_KERNEL(kind, noun)                                                                                  \
    static OCL_PREPARE(prepare_##noun, ocl_##noun##_build);                                                            \
    static const auxo_kernel noun##_kernel[] = {{.variant = "native",                                                  \
                                                 .half_formats = AUXO_HALF_FORMATS_ALL,                                \
                                                 .prepare = prepare_##noun,                                            \
                                                 .release = ocl_task_release,                                          \
                                                 .enqueue = ocl_task_enqueue}};
OCL_SINGLE_TABLE(OCL_SINGLE_KERNEL)
#undef OCL_SINGLE_KERNEL

static const auxo_kernel_list kernels[AUXO_OP_COUNT] = {
#define OCL_SINGLE_ENTRY(kind, noun) [AUXO_OP_##kind] = {noun##_kernel, 1},
    OCL_SINGLE_TABLE(OCL_SINGLE_ENTRY)
#define OCL_VARIANT_ENTRY(kind, noun, count) [AUXO_OP_##kind] = {ocl_##noun##_kernels, (count)},
        OCL_VARIANT_TABLE(OCL_VARIANT_ENTRY)
#undef OCL_VARIANT_ENTRY
#undef OCL_SINGLE_ENTRY
};

extern const auxo_backend auxo__backend_opencl;
const auxo_backend auxo__backend_opencl = {
    .name = "opencl",
    .struct_size = sizeof(auxo_backend),
    .abi_version = AUXO_BACKEND_ABI_VERSION,
    .enumerate = ocl_enumerate,
    .open = ocl_open,
    .close = ocl_close,
    .buffer_create = ocl_buffer_create,
    .buffer_destroy = ocl_buffer_destroy,
    .queue_create = ocl_queue_create,
    .queue_destroy = ocl_queue_destroy,
    .queue_wait = ocl_queue_wait,
    .queue_flush = ocl_queue_flush,
    .buffer_write = ocl_buffer_write,
    .buffer_read = ocl_buffer_read,
    .buffer_copy = ocl_buffer_copy,
    .buffer_zero = ocl_buffer_zero,
    .event_create = ocl_event_create,
    .event_destroy = ocl_event_destroy,
    .event_record = ocl_event_record,
    .event_wait = ocl_event_wait,
    .event_elapsed_ns = ocl_event_elapsed_ns,
    .programs = ocl_programs_visit,
    .kernels = kernels,
};

#ifdef AUXO_PLUGIN
const auxo_backend *auxo_backend_entry(void)
{
    return &auxo__backend_opencl;
}
#endif
