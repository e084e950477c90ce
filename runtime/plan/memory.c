/* memory.c: where the temporaries of a plan live.
 *
 * A temporary lives from the first to the last op that touches it, both included, so that an op's inputs and outputs
 * never share memory unless the op was given the same tensor for both. Placement is greedy by size: the largest
 * temporary first, each at the lowest offset of the first arena where no temporary alive at the same time lies
 * (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net inference", greedy by size for offset
 * calculation). An arena is no larger than one kernel argument can address, unless a single temporary is: then that
 * one opens an arena of its own size.
 */
#include "plan_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* Empty temporaries take a word, so that their offset is a place inside the buffer. */
static uint64_t needed_bytes(const auxo__temp *temp)
{
    return temp->size_bytes > 0 ? temp->size_bytes : 4;
}

static uint64_t aligned_bytes(const auxo__temp *temp)
{
    uint64_t alignment = AUXO__ARENA_ALIGNMENT_BYTES;
    return (needed_bytes(temp) + alignment - 1) / alignment * alignment;
}

/* Lifetimes. A temporary that is read before anything wrote it would hold leftovers of another. */
static auxo_status find_lifetimes(auxo_plan *plan, auxo_error *error)
{
    for (size_t i = 0; i < plan->op_count; i++) {
        const auxo_op *op = &plan->ops[i].op;
        size_t slot_count = 0;
        const auxo_slot_info *slots = auxo_op_slots(op->kind, &slot_count);
        for (size_t s = 0; s < slot_count; s++) {
            const auxo_tensor *tensor = &op->tensors[s];
            if (!auxo_tensor_is_present(tensor) || tensor->temp_id == 0 || tensor->buffer)
                continue;
            auxo__temp *temp = &plan->temps[tensor->temp_id - 1];
            if (!temp->touched) {
                if (slots[s].access == AUXO_SLOT_READ && !temp->keep && auxo_tensor_element_count(tensor) > 0)
                    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                          "%s: %s reads temporary %u before any op wrote it", plan->ops[i].label,
                                          slots[s].name, tensor->temp_id);
                temp->touched = true;
                temp->first_op = i;
            }
            temp->last_op = i;
        }
    }
    for (size_t t = 0; t < plan->temp_count; t++) {
        auxo__temp *temp = &plan->temps[t];
        if (temp->keep) {
            temp->touched = true;
            temp->first_op = 0;
            temp->last_op = SIZE_MAX;
        }
    }
    return AUXO_OK;
}

static int larger_first(const void *a, const void *b)
{
    const auxo__temp *x = *(auxo__temp *const *)a;
    const auxo__temp *y = *(auxo__temp *const *)b;
    if (x->size_bytes != y->size_bytes)
        return x->size_bytes < y->size_bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* qsort is not stable; placement must not depend on that */
}

typedef struct arena_plan {
    auxo__temp **placed; /* by ascending offset */
    size_t placed_count, placed_capacity;
    uint64_t capacity_bytes, used_bytes;
} arena_plan;

static bool alive_together(const auxo__temp *a, const auxo__temp *b)
{
    return a->first_op <= b->last_op && b->first_op <= a->last_op;
}

/* The lowest offset at which `temp` meets no temporary of its time; false if the arena has none. */
static bool find_offset(const arena_plan *arena, const auxo__temp *temp, uint64_t *offset_bytes)
{
    uint64_t size = aligned_bytes(temp);
    uint64_t offset = 0;
    for (size_t i = 0; i < arena->placed_count; i++) {
        const auxo__temp *other = arena->placed[i];
        if (!alive_together(temp, other))
            continue;
        if (other->offset_bytes >= offset + size)
            break;
        uint64_t end = other->offset_bytes + aligned_bytes(other);
        if (end > offset)
            offset = end;
    }
    *offset_bytes = offset;
    return offset <= arena->capacity_bytes && needed_bytes(temp) <= arena->capacity_bytes - offset;
}

static bool insert(arena_plan *arena, auxo__temp *temp)
{
    if (arena->placed_count == arena->placed_capacity) {
        size_t capacity = arena->placed_capacity ? 2 * arena->placed_capacity : 32;
        auxo__temp **grown = realloc(arena->placed, capacity * sizeof *grown);
        if (!grown)
            return false;
        arena->placed = grown;
        arena->placed_capacity = capacity;
    }
    size_t at = arena->placed_count++;
    for (; at > 0 && arena->placed[at - 1]->offset_bytes > temp->offset_bytes; at--)
        arena->placed[at] = arena->placed[at - 1];
    arena->placed[at] = temp;
    uint64_t end = temp->offset_bytes + needed_bytes(temp);
    if (end > arena->used_bytes)
        arena->used_bytes = end;
    return true;
}

typedef struct arena_list {
    arena_plan *items;
    size_t count;
    uint64_t usual_capacity_bytes;
} arena_list;

static auxo_status place_one(arena_list *arenas, auxo__temp *temp, auxo_error *error)
{
    size_t chosen = 0;
    uint64_t offset_bytes = 0;
    while (chosen < arenas->count && !find_offset(&arenas->items[chosen], temp, &offset_bytes))
        chosen++;
    if (chosen == arenas->count) {
        arena_plan *grown = realloc(arenas->items, (arenas->count + 1) * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory planning temporaries");
        arenas->items = grown;
        uint64_t needed = needed_bytes(temp);
        uint64_t usual = arenas->usual_capacity_bytes;
        arenas->items[arenas->count++] = (arena_plan){.capacity_bytes = needed > usual ? needed : usual};
        offset_bytes = 0;
    }
    temp->arena = (int32_t)chosen;
    temp->offset_bytes = offset_bytes;
    if (!insert(&arenas->items[chosen], temp))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory planning temporaries");
    return AUXO_OK;
}

static auxo_status place_all(auxo_plan *plan, arena_list *arenas, auxo_error *error)
{
    auxo__temp **order = malloc((plan->temp_count + 1) * sizeof *order);
    if (!order)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory planning temporaries");
    size_t count = 0;
    for (size_t t = 0; t < plan->temp_count; t++) {
        if (plan->temps[t].touched)
            order[count++] = &plan->temps[t];
    }
    qsort(order, count, sizeof *order, larger_first);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = place_one(arenas, order[i], error);
    free(order);
    return status;
}

static auxo_status create_arenas(auxo_plan *plan, const arena_list *arenas, auxo_error *error)
{
    plan->arenas = calloc(arenas->count ? arenas->count : 1, sizeof *plan->arenas);
    if (!plan->arenas)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory planning temporaries");
    for (size_t i = 0; i < arenas->count; i++)
        plan->arena_bytes += arenas->items[i].used_bytes;
    for (size_t i = 0; i < arenas->count; i++) {
        auxo_status status = auxo_buffer_create(plan->device, arenas->items[i].used_bytes, &plan->arenas[i], error);
        if (status)
            return auxo_error_wrap(error, status,
                                   "the plan's temporaries need %" PRIu64 " bytes in %zu buffers on device %s (%" PRIu64
                                   " bytes of memory); a smaller batch needs less",
                                   plan->arena_bytes, arenas->count, plan->device->info.selector,
                                   plan->device->info.memory_bytes);
        plan->arena_count = i + 1;
    }
    return AUXO_OK;
}

auxo_status auxo__plan_place(auxo_plan *plan, auxo_error *error)
{
    auxo_status status = find_lifetimes(plan, error);
    if (status)
        return status;
    const auxo_device_info *info = &plan->device->info;
    arena_list arenas = {.usual_capacity_bytes = UINT64_MAX / 2};
    if (info->max_allocation_bytes > 0)
        arenas.usual_capacity_bytes = info->max_allocation_bytes;
    if (info->max_binding_bytes > 0 && info->max_binding_bytes < arenas.usual_capacity_bytes)
        arenas.usual_capacity_bytes = info->max_binding_bytes;
    status = place_all(plan, &arenas, error);
    if (status == AUXO_OK)
        status = create_arenas(plan, &arenas, error);
    for (size_t i = 0; i < arenas.count; i++)
        free(arenas.items[i].placed);
    free(arenas.items);
    return status;
}

void auxo__plan_resolve_tensor(const auxo_plan *plan, auxo_tensor *tensor)
{
    if (tensor->buffer || tensor->temp_id == 0 || tensor->temp_id > plan->temp_count)
        return;
    const auxo__temp *temp = &plan->temps[tensor->temp_id - 1];
    if (temp->arena == AUXO__NO_ARENA || !plan->arenas)
        return;
    tensor->buffer = plan->arenas[temp->arena];
    tensor->offset_bytes += temp->offset_bytes;
    tensor->temp_id = 0;
}
