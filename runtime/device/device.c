/* device.c: opening and closing devices, the sticky device-lost rule, the refusal after a fork, and the defaults for
 * optional SPI slots that concern a device as a whole (buffers, queues and events carry theirs in buffer.c, queue.c and
 * event.c).
 */
#include "device_internal.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool auxo__device_is_here(const auxo_device *device)
{
    return device->process == (long)getpid();
}

auxo_status auxo__device_usable(const auxo_device *device, auxo_error *error)
{
    if (!auxo__device_is_here(device))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "device %s was opened by process %ld and cannot be used in process %ld, which was forked "
                              "from it: open it there again, or open it after the fork",
                              device->info.selector, device->process, (long)getpid());
    if (device->lost)
        return auxo_error_set(error, AUXO_DEVICE_LOST, "device %s is lost (%s); close it and open it again",
                              device->info.selector, device->lost_reason);
    return AUXO_OK;
}

auxo_status auxo__device_note(auxo_device *device, auxo_status status, const auxo_error *error)
{
    if (status == AUXO_DEVICE_LOST && !device->lost) {
        device->lost = true;
        const char *reason = error && error->message[0] ? error->message : auxo_status_text(status);
        auxo__field_copy(device->lost_reason, sizeof device->lost_reason, reason);
        auxo__log(device->runtime, AUXO_LOG_ERROR, "device %s (%s) is lost: %s", device->info.selector,
                  device->info.name, device->lost_reason);
    }
    return status;
}

static auxo_status open_resolved(auxo_runtime *runtime, const auxo_backend *backend, const auxo_device_info *info,
                                 auxo_device **device, auxo_error *error)
{
    auxo_device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory opening device %s", info->selector);
    opened->runtime = runtime;
    opened->backend = backend;
    opened->process = (long)getpid();
    opened->info = *info;
    auxo_status status = backend->open(&runtime->host, info->index, &opened->handle, error);
    if (status) {
        free(opened);
        return auxo_error_wrap(error, status, "opening device %s (%s)", info->selector, info->name);
    }
    *device = opened;
    return AUXO_OK;
}

auxo_status auxo_device_open(auxo_runtime *runtime, const char *selector, auxo_device **device, auxo_error *error)
{
    *device = NULL;
    const auxo_backend *backend = NULL;
    auxo_device_info info = {0};
    auxo_status status = auxo__selector_resolve(runtime, selector, &backend, &info, error);
    if (status)
        return status;
    return open_resolved(runtime, backend, &info, device, error);
}

auxo_status auxo__device_open_oracle(auxo_runtime *runtime, auxo_device **device, auxo_error *error)
{
    *device = NULL;
    for (size_t i = 0; i < runtime->backend_count; i++) {
        const auxo_backend *backend = runtime->backends[i];
        if (!(backend->flags & AUXO_BACKEND_ORACLE))
            continue;
        auxo_device_info *infos = NULL;
        size_t count = 0;
        auxo_status status = auxo__backend_devices(runtime, backend, &infos, &count, error);
        if (status == AUXO_OK && count > 0)
            status = open_resolved(runtime, backend, &infos[0], device, error);
        free(infos);
        if (status || *device)
            return status;
    }
    return auxo_error_set(error, AUXO_NOT_FOUND, "this build has no reference backend to fall back on");
}

static void detach(auxo__attachment *attachment)
{
    if (attachment->data && attachment->destroy)
        attachment->destroy(attachment->data);
    attachment->data = NULL;
}

void auxo_device_close(auxo_device *device)
{
    if (!device)
        return;
    detach(&device->plan);
    detach(&device->tuning);
    if (auxo__device_is_here(device))
        device->backend->close(device->handle);
    free(device);
}

const auxo_device_info *auxo_device_get_info(const auxo_device *device)
{
    return &device->info;
}

auxo_status auxo_device_programs(auxo_device *device, auxo_program_function *visit, void *user, auxo_error *error)
{
    auxo_status status = auxo__device_usable(device, error);
    if (status != AUXO_OK || !device->backend->programs)
        return status;
    return auxo__device_note(device, device->backend->programs(device->handle, visit, user, error), error);
}

auxo_kernel_list auxo__device_kernels(const auxo_device *device, auxo_op_kind kind)
{
    auxo_kernel_list none = {NULL, 0};
    return (unsigned)kind < AUXO_OP_COUNT ? device->backend->kernels[kind] : none;
}

auxo_dtype auxo__op_half_format(const auxo_op *op)
{
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++)
        if (auxo_tensor_is_present(&op->tensors[slot]) && auxo_dtype_is_half(op->tensors[slot].dtype))
            return op->tensors[slot].dtype;
    return AUXO_DTYPE_F32;
}

bool auxo__kernel_takes(const auxo_device *device, const auxo_kernel *kernel, const auxo_op *op)
{
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        const auxo_tensor *tensor = &op->tensors[slot];
        if (auxo_tensor_is_present(tensor) && auxo_dtype_is_half(tensor->dtype) &&
            !(kernel->half_formats & 1u << tensor->dtype))
            return false;
    }
    return !kernel->supports || kernel->supports(device->handle, op);
}
