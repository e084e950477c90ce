/* cpu_scratch.c: the device's one block of scratch memory, which grows to what the greediest prepared op needs. */
#include "cpu_kernel.h"

#include <stdlib.h>

auxo_status cpu_scratch_reserve(cpu_device *device, size_t size_bytes, auxo_error *error)
{
    if (size_bytes <= device->scratch_bytes)
        return AUXO_OK;
    size_t rounded = cpu_align(size_bytes);
    void *grown = aligned_alloc(CPU_CACHE_LINE_BYTES, rounded);
    if (!grown)
        return auxo_error_set(error, AUXO_OUT_OF_DEVICE_MEMORY, "no host memory for %zu bytes of scratch", rounded);
    free(device->scratch);
    device->scratch = grown;
    device->scratch_bytes = rounded;
    return AUXO_OK;
}
