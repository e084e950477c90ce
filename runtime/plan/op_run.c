/* op_run.c: single ops outside a plan: check, choose, prepare, run, wait, release. For tests, tuners and rare edits;
 * anything repeated belongs in a plan.
 */
#include "plan_internal.h"

#include <string.h>

/* The checks of auxo_plan_add that a single op needs. */
static auxo_status check(const auxo_queue *queue, const auxo_op *op, auxo_error *error)
{
    auxo_status status = auxo__device_usable(queue->device, error);
    if (status == AUXO_OK)
        status = auxo_op_check(op, error);
    if (status)
        return status;
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &slot_count);
    for (size_t s = 0; s < slot_count; s++) {
        const auxo_tensor *tensor = &op->tensors[s];
        if (!auxo_tensor_is_present(tensor))
            continue;
        if (!tensor->buffer)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "%s: %s is a plan's temporary; an op outside a plan needs buffers",
                                  auxo_op_noun(op->kind), slots[s].name);
        if (tensor->buffer->device != queue->device)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %s is on device %s, the queue on %s",
                                  auxo_op_noun(op->kind), slots[s].name, tensor->buffer->device->info.selector,
                                  queue->device->info.selector);
    }
    return AUXO_OK;
}

static auxo_status enqueue_and_wait(auxo_queue *queue, const auxo_op *op, auxo__choice *choice, auxo_error *error)
{
    queue->busy = true;
    auxo_status status =
        auxo__device_note(queue->device, choice->kernel->enqueue(queue->handle, op, choice->state, error), error);
    if (status == AUXO_OK)
        status = auxo_queue_wait(queue, error);
    if (status)
        return auxo_error_wrap(error, status, "%s (variant %s)", auxo_op_noun(op->kind), choice->kernel->variant);
    return AUXO_OK;
}

auxo_status auxo_op_run(auxo_queue *queue, const auxo_op *op, auxo_error *error)
{
    auxo_status status = check(queue, op, error);
    if (status || auxo__op_is_empty(op))
        return status;
    const auxo_plan_options options = {0};
    auxo__choice choice;
    status = auxo__choose_kernel(queue->device, op, &options, &choice, error);
    if (status)
        return status;
    status = enqueue_and_wait(queue, op, &choice, error);
    auxo__choice_release(queue->device, &choice);
    return status;
}

static const auxo_kernel *find_variant(const auxo_device *device, auxo_op_kind kind, const char *variant)
{
    auxo_kernel_list kernels = auxo__device_kernels(device, kind);
    for (size_t i = 0; i < kernels.count; i++) {
        if (strcmp(kernels.variants[i].variant, variant) == 0)
            return &kernels.variants[i];
    }
    return NULL;
}

auxo_status auxo_op_run_variant(auxo_queue *queue, const auxo_op *op, const char *variant, const int32_t *parameters,
                                auxo_error *error)
{
    auxo_status status = check(queue, op, error);
    if (status)
        return status;
    auxo_device *device = queue->device;
    auxo__choice choice = {.kernel = find_variant(device, op->kind, variant)};
    if (!choice.kernel)
        return auxo_error_set(error, AUXO_NOT_FOUND, "%s: device %s has no variant '%s'", auxo_op_noun(op->kind),
                              device->info.selector, variant);
    if (auxo__op_is_empty(op))
        return AUXO_OK;
    if (!auxo__kernel_takes(device, choice.kernel, op))
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "%s: variant '%s' on device %s does not support these shapes and parameters",
                              auxo_op_noun(op->kind), variant, device->info.selector);
    int32_t initial[AUXO_TUNABLES_MAX];
    auxo__kernel_initial_parameters(choice.kernel, initial);
    if (choice.kernel->prepare) {
        status = choice.kernel->prepare(device->handle, op, parameters ? parameters : initial, &choice.state, error);
        if (auxo__device_note(device, status, error))
            return auxo_error_wrap(error, status, "%s (variant %s)", auxo_op_noun(op->kind), variant);
    }
    status = enqueue_and_wait(queue, op, &choice, error);
    auxo__choice_release(device, &choice);
    return status;
}

size_t auxo_op_variants(auxo_device *device, auxo_op_kind kind, const auxo_op *op, const char **names, size_t capacity)
{
    auxo_kernel_list kernels = auxo__device_kernels(device, kind);
    size_t count = 0;
    for (size_t i = 0; i < kernels.count; i++) {
        const auxo_kernel *kernel = &kernels.variants[i];
        if (op && !auxo__kernel_takes(device, kernel, op))
            continue;
        if (count < capacity)
            names[count] = kernel->variant;
        count++;
    }
    return count;
}

bool auxo_op_takes_format(const auxo_device *device, auxo_op_kind kind, auxo_dtype format)
{
    const auxo_kernel_list kernels = auxo__device_kernels(device, kind);
    for (size_t i = 0; i < kernels.count; i++)
        if (kernels.variants[i].half_formats & 1u << format)
            return true;
    return false;
}
