/* cpu_scratch.c: the device's one block of scratch memory, which grows to what the greediest prepared op needs. */
#include "cpu_kernel.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Blocks so large that pages of 2 MiB are worth asking for: kernels walk through them in strides. */
static const size_t huge_page_bytes = (size_t)2 << 20;

static void *allocate(size_t size_bytes)
{
    const bool is_huge = size_bytes >= huge_page_bytes;
    void *memory = aligned_alloc(is_huge ? huge_page_bytes : CPU_CACHE_LINE_BYTES, size_bytes);
#if defined(MADV_HUGEPAGE)
    if (memory && is_huge)
        (void)madvise(memory, size_bytes, MADV_HUGEPAGE); /* where the system has none, small ones do */
#endif
    return memory;
}

auxo_status cpu_scratch_reserve(cpu_device *device, size_t size_bytes, auxo_error *error)
{
    if (size_bytes <= device->scratch_bytes)
        return AUXO_OK;
    size_t rounded = cpu_align(size_bytes);
    if (rounded >= huge_page_bytes)
        rounded = (rounded + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes;
    void *grown = allocate(rounded);
    if (!grown)
        return auxo_error_set(error, AUXO_OUT_OF_DEVICE_MEMORY, "no host memory for %zu bytes of scratch", rounded);
    free(device->scratch);
    device->scratch = grown;
    device->scratch_bytes = rounded;
    return AUXO_OK;
}
