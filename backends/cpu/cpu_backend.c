/* cpu_backend.c: the cpu backend: one device, the processors that this process may use.
 *
 * Memory, queues and events are those of cpu_host.c; the kernels those of cpu_kernels.c.
 */
#include "cpu_kernels.h"
#include "cpu_threads.h"

#include <stdlib.h>

extern const auxo_backend auxo__backend_cpu;

static auxo_status enumerate(const auxo_backend_host *host, auxo_device_info *infos, size_t capacity, size_t *count,
                             auxo_error *error)
{
    (void)error;
    *count = 1;
    if (capacity > 0) {
        char name[sizeof infos[0].name];
        cpu_host_processor_name(name, sizeof name);
        cpu_host_describe(&infos[0], "cpu", name, (uint32_t)cpu_threads_choose(host));
        if (cpu_kernels_have_matrix_units())
            infos[0].features |= AUXO_FEATURE_BF16_MATRIX;
    }
    return AUXO_OK;
}

static auxo_status open_device(const auxo_backend_host *host, uint32_t index, void **device, auxo_error *error)
{
    if (index != 0)
        return auxo_error_set(error, AUXO_NOT_FOUND, "cpu:%u: there is only cpu:0", index);
    cpu_device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for the cpu device");
    auxo_status status = cpu_pool_create(cpu_threads_choose(host), &opened->pool, error);
    if (status == AUXO_OK)
        *device = opened;
    else
        free(opened);
    return status;
}

static void close_device(void *device)
{
    cpu_device *closed = device;
    cpu_pool_destroy(closed->pool);
    free(closed->scratch);
    free(closed);
}

const auxo_backend auxo__backend_cpu = {
    .name = "cpu",
    .enumerate = enumerate,
    .open = open_device,
    .close = close_device,
    .kernels = cpu_kernel_lists,
    .flags = AUXO_BACKEND_HOST,
    CPU_HOST_BACKEND_SLOTS,
};
