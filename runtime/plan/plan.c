/* plan.c: building a plan: ops, temporaries, labels; and what it tells about itself.
 *
 * Owns the life of a plan from create to destroy; placement, kernel choice and execution are in the other files of
 * this folder. Arguments of an op are checked here, once, for every backend.
 */
#include "op_internal.h"
#include "plan_internal.h"
#include "sections.h"
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

auxo_status auxo_plan_create(auxo_device *device, auxo_plan **plan, auxo_error *error)
{
    *plan = NULL;
    auxo_status status = auxo__device_usable(device, error);
    if (status)
        return status;
    auxo_plan *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating a plan");
    created->device = device;
    *plan = created;
    return AUXO_OK;
}

void auxo_plan_destroy(auxo_plan *plan)
{
    if (!plan)
        return;
    /* Enqueued work may still use the recording, the kernels' states and the arenas. */
    auxo__device_drain(plan->device);
    for (size_t i = 0; i < plan->section_count && auxo__device_is_here(plan->device); i++)
        if (plan->sections[i].recording)
            plan->device->backend->record_destroy(plan->device->handle, plan->sections[i].recording);
    free(plan->sections);
    auxo__plan_profile_destroy(plan);
    for (size_t i = 0; i < plan->op_count; i++) {
        auxo__choice_release(plan->device, &plan->ops[i].choice);
        free(plan->ops[i].label);
    }
    for (size_t i = 0; i < plan->arena_count; i++)
        auxo_buffer_destroy(plan->arenas[i]);
    free(plan->arenas);
    free(plan->steps);
    free(plan->ops);
    free(plan->temps);
    free(plan);
}

/* Grows an array by doubling; false when out of memory. */
static bool reserve(void **items, size_t *capacity, size_t count, size_t item_size)
{
    if (count < *capacity)
        return true;
    size_t grown_capacity = *capacity ? 2 * *capacity : 32;
    void *grown = realloc(*items, grown_capacity * item_size);
    if (!grown)
        return false;
    *items = grown;
    *capacity = grown_capacity;
    return true;
}

/* Bytes of a contiguous tensor; false if negative or beyond what int64 strides can address. */
static bool temp_bytes(auxo_dtype dtype, uint32_t rank, const int64_t *dims, uint64_t *size_bytes)
{
    uint64_t limit = (uint64_t)INT64_MAX / auxo_dtype_size_bytes(dtype);
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i] < 0 || (dims[i] > 0 && count > limit / (uint64_t)dims[i]))
            return false;
        count *= (uint64_t)dims[i];
    }
    *size_bytes = count * auxo_dtype_size_bytes(dtype);
    return true;
}

auxo_tensor auxo_plan_temp(auxo_plan *plan, auxo_dtype dtype, uint32_t rank, const int64_t *dims)
{
    uint64_t size_bytes = 0;
    if ((unsigned)dtype >= AUXO_DTYPE_COUNT || rank < 1 || rank > AUXO_RANK_MAX ||
        !temp_bytes(dtype, rank, dims, &size_bytes)) {
        auxo_plan_fail(plan, AUXO_INVALID_ARGUMENT,
                       "temporary %zu: its type, rank %u or dims are not valid (rank 1 to %d, dims >= 0)",
                       plan->temp_count + 1, rank, AUXO_RANK_MAX);
        return auxo_tensor_none();
    }
    if (!reserve((void **)&plan->temps, &plan->temp_capacity, plan->temp_count, sizeof *plan->temps)) {
        auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "out of memory adding a temporary");
        return auxo_tensor_none();
    }
    auxo__temp *temp = &plan->temps[plan->temp_count++];
    *temp = (auxo__temp){.size_bytes = size_bytes, .arena = AUXO__NO_ARENA};
    auxo_tensor tensor = auxo_tensor_make(NULL, 0, dtype, rank, dims);
    tensor.temp_id = (uint32_t)plan->temp_count;
    return tensor;
}

/* A temporary's view must name one of this plan's and stay inside it; a buffer must be on the plan's device. */
static auxo_status check_memory(const auxo_plan *plan, const auxo_op *op, uint32_t slot, const char *slot_name,
                                auxo_error *error)
{
    const auxo_tensor *tensor = &op->tensors[slot];
    if (!auxo_tensor_is_present(tensor))
        return AUXO_OK;
    if (tensor->buffer) {
        if (auxo_buffer_device(tensor->buffer) == plan->device)
            return AUXO_OK;
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s is on device %s, the plan on %s", slot_name,
                              auxo_buffer_device(tensor->buffer)->info.selector, plan->device->info.selector);
    }
    if (tensor->temp_id == 0 || tensor->temp_id > plan->temp_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has no buffer and is no temporary of this plan",
                              slot_name);
    uint64_t span_bytes = auxo__tensor_span(tensor) * auxo_dtype_size_bytes(tensor->dtype);
    uint64_t size_bytes = plan->temps[tensor->temp_id - 1].size_bytes;
    if (span_bytes > 0 && (tensor->offset_bytes > size_bytes || span_bytes > size_bytes - tensor->offset_bytes))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s reaches byte %" PRIu64 " of temporary %u, which has %" PRIu64, slot_name,
                              tensor->offset_bytes + span_bytes, tensor->temp_id, size_bytes);
    return AUXO_OK;
}

static auxo_status check_op(const auxo_plan *plan, const auxo_op *op, auxo_error *error)
{
    auxo_status status = auxo_op_check(op, error);
    if (status)
        return status;
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &slot_count);
    for (uint32_t i = 0; i < slot_count; i++) {
        status = check_memory(plan, op, i, slots[i].name, error);
        if (status)
            return auxo_error_wrap(error, status, "%s", auxo_op_noun(op->kind));
    }
    return AUXO_OK;
}

void auxo_plan_fail(auxo_plan *plan, auxo_status status, const char *format, ...)
{
    if (plan->failure.status != AUXO_OK)
        return;
    char text[sizeof plan->failure.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    auxo_error_set(&plan->failure, status, "%s", text);
}

auxo_status auxo_plan_status(const auxo_plan *plan, auxo_error *error)
{
    if (plan->failure.status == AUXO_OK)
        return AUXO_OK;
    return auxo_error_set(error, plan->failure.status, "%s", plan->failure.message);
}

void auxo_plan_add(auxo_plan *plan, const auxo_op *op, const char *label)
{
    if (plan->failure.status != AUXO_OK)
        return;
    if (plan->compiled) {
        auxo_plan_fail(plan, AUXO_INVALID_ARGUMENT, "%s: the plan is compiled already; no op can be added",
                       label ? label : "op");
        return;
    }
    auxo_error *failure = &plan->failure;
    if (check_op(plan, op, failure) != AUXO_OK) {
        if (label)
            auxo_error_wrap(failure, failure->status, "%s", label);
        return;
    }
    char *copied = auxo__text_duplicate(label ? label : auxo_op_noun(op->kind));
    if (!copied || !reserve((void **)&plan->ops, &plan->op_capacity, plan->op_count, sizeof *plan->ops)) {
        free(copied);
        auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "out of memory adding an op to a plan");
        return;
    }
    auxo__plan_op *added = &plan->ops[plan->op_count++];
    memset(added, 0, sizeof *added);
    added->op = *op;
    added->label = copied;
    added->flops = auxo_op_flops(op);
    added->bytes = auxo_op_bytes(op);
}

void auxo__plan_cut(auxo_plan *plan, size_t op)
{
    if (plan->failure.status != AUXO_OK || plan->compiled || op >= plan->op_count)
        return;
    size_t at = plan->section_count;
    while (at > 0 && plan->sections[at - 1].last_op > op)
        at--;
    if (at > 0 && plan->sections[at - 1].last_op == op)
        return;
    if (!reserve((void **)&plan->sections, &plan->section_capacity, plan->section_count, sizeof *plan->sections)) {
        auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "out of memory dividing a plan");
        return;
    }
    memmove(plan->sections + at + 1, plan->sections + at, (plan->section_count - at) * sizeof *plan->sections);
    plan->sections[at] = (auxo__section){.last_op = op};
    plan->section_count++;
}

auxo_status auxo_plan_keep(auxo_plan *plan, const auxo_tensor *temp, auxo_error *error)
{
    if (plan->compiled)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "a temporary can be kept only before the plan is compiled");
    if (temp->buffer || temp->temp_id == 0 || temp->temp_id > plan->temp_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the tensor to keep is no temporary of this plan");
    plan->temps[temp->temp_id - 1].keep = true;
    return AUXO_OK;
}

auxo_tensor auxo_plan_resolve(const auxo_plan *plan, const auxo_tensor *temp)
{
    auxo_tensor resolved = *temp;
    auxo__plan_resolve_tensor(plan, &resolved);
    return resolved;
}

size_t auxo_plan_op_count(const auxo_plan *plan)
{
    return plan->op_count;
}

const auxo_op *auxo_plan_op(const auxo_plan *plan, size_t index)
{
    return &plan->ops[index].op;
}

auxo_plan_op_info auxo_plan_op_info_at(const auxo_plan *plan, size_t index)
{
    const auxo__plan_op *op = &plan->ops[index];
    const char *variant = op->choice.kernel ? op->choice.kernel->variant : op->skipped ? "none" : "";
    return (auxo_plan_op_info){.label = op->label,
                               .kind = op->op.kind,
                               .variant = variant,
                               .reason = op->choice.reason,
                               .route = op->choice.route,
                               .is_nominal = op->choice.kernel && op->choice.kernel->is_nominal,
                               .flops = op->flops,
                               .bytes = op->bytes,
                               .run_count = op->run_count,
                               .total_ns = op->total_ns};
}

uint64_t auxo_plan_flops(const auxo_plan *plan)
{
    uint64_t total = 0;
    for (size_t i = 0; i < plan->op_count; i++)
        total += plan->ops[i].flops;
    return total;
}

uint64_t auxo_plan_arena_bytes(const auxo_plan *plan)
{
    return plan->arena_bytes;
}

uint64_t auxo_plan_host_fallback_count(const auxo_plan *plan)
{
    uint64_t count = 0;
    for (size_t i = 0; i < plan->op_count; i++)
        count += plan->ops[i].choice.route == AUXO_ROUTE_HOST;
    return count;
}
