/* buckets.c: which gradients are known when: the layers of a plan in the order in which the backward pass ends with
 * them, some neighbours at a time, so that sums over ranks begin while it goes on.
 */
#include "sections.h"
#include "team.h"

#include <stdlib.h>

/* The gradients of one layer. */
typedef struct layer_range {
    uint64_t offset, count;
    size_t op; /* the last that writes there; SIZE_MAX: none */
} layer_range;

/* Marks the layers that an op writes gradients of. */
static void mark_layers(const auxo_model *model, const auxo_op *op, size_t index, layer_range *layers, size_t count)
{
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &slot_count);
    for (size_t s = 0; s < slot_count; s++) {
        const auxo_tensor *tensor = &op->tensors[s];
        if (!auxo_tensor_is_present(tensor) || !(slots[s].access & AUXO_SLOT_WRITE) ||
            tensor->buffer != auxo_model_gradients(model))
            continue;
        const uint64_t first = tensor->offset_bytes / sizeof(float),
                       end = first + (uint64_t)auxo_tensor_element_count(tensor);
        for (size_t l = 0; l < count; l++)
            if (layers[l].count > 0 && layers[l].offset < end && first < layers[l].offset + layers[l].count)
                layers[l].op = index;
    }
}

static int by_op(const void *a, const void *b)
{
    const layer_range *left = a, *right = b;
    if (left->op != right->op)
        return left->op < right->op ? -1 : 1;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* The layers whose gradients the plan writes, earliest first. *count: of them. NULL: out of memory. */
static layer_range *list_layers(const auxo_model *model, const auxo_plan *plan, size_t *count)
{
    const size_t layer_count = auxo_model_get_desc(model)->layer_count;
    layer_range *layers = calloc(layer_count + 1, sizeof *layers);
    *count = 0;
    if (!layers)
        return NULL;
    for (size_t l = 0; l < layer_count; l++) {
        auxo_model_layer_range(model, (uint32_t)l, &layers[l].offset, &layers[l].count);
        layers[l].op = SIZE_MAX;
    }
    for (size_t i = 0; i < auxo_plan_op_count(plan); i++)
        mark_layers(model, auxo_plan_op(plan, i), i, layers, layer_count);
    qsort(layers, layer_count, sizeof *layers, by_op);
    while (*count < layer_count && layers[*count].op != SIZE_MAX)
        (*count)++;
    return layers;
}

/* Values from which on a bucket is sent: an eighth of the model, but neither many small messages nor few large ones. */
static uint64_t bucket_values(const auxo_trainer *trainer)
{
    enum { LEAST = 16384, MOST = 1 << 20 };
    const uint64_t part = auxo_model_weight_count(trainer->model) / 8;
    if (auxo_cluster_size(trainer->options.cluster) == 1)
        return UINT64_MAX;
    return part < LEAST ? LEAST : part > MOST ? MOST : part;
}

static bool ends_bucket(size_t index, size_t count, uint64_t bucket_count, uint64_t values)
{
    return index + 1 == count || bucket_count >= values;
}

void auxo__team_cut(auxo_trainer *trainer, auxo_plan *plan)
{
    size_t count = 0;
    uint64_t gathered = 0;
    const uint64_t values = bucket_values(trainer);
    if (values == UINT64_MAX || auxo_plan_status(plan, NULL) != AUXO_OK)
        return;
    layer_range *layers = list_layers(trainer->model, plan, &count);
    if (!layers)
        auxo_plan_fail(plan, AUXO_OUT_OF_MEMORY, "out of memory dividing gradients");
    for (size_t i = 0; layers && i < count; i++) {
        gathered += layers[i].count;
        if (!ends_bucket(i, count, gathered, values))
            continue;
        auxo__plan_cut(plan, layers[i].op);
        gathered = 0;
    }
    free(layers);
}

/* Adds a range to the pieces of the bucket; one that adjoins the last piece extends it. */
static void add_piece(auxo__team *team, auxo__team_bucket *bucket, const layer_range *range)
{
    auxo__team_piece *last = bucket->piece_count ? &team->pieces[team->piece_count - 1] : NULL;
    bucket->count += range->count;
    bucket->op = range->op;
    if (last && last->offset == range->offset + range->count) {
        last->offset = range->offset;
        last->count += range->count;
    } else if (last && last->offset + last->count == range->offset) {
        last->count += range->count;
    } else {
        team->pieces[team->piece_count++] = (auxo__team_piece){.offset = range->offset, .count = range->count};
        bucket->piece_count++;
    }
}

auxo_status auxo__team_list_buckets(auxo_trainer *trainer, auxo_error *error)
{
    auxo__team *team = trainer->team;
    size_t count = 0;
    const uint64_t values = bucket_values(trainer);
    layer_range *layers = list_layers(trainer->model, trainer->full, &count);
    free(team->pieces);
    free(team->buckets);
    team->pieces = calloc(count + 1, sizeof *team->pieces);
    team->buckets = calloc(count + 1, sizeof *team->buckets);
    team->piece_count = team->bucket_count = 0;
    if (!layers || !team->pieces || !team->buckets) {
        free(layers);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory dividing gradients");
    }
    uint64_t place = 0;
    for (size_t i = 0; i < count; i++) {
        auxo__team_bucket *bucket = &team->buckets[team->bucket_count];
        if (bucket->count == 0)
            *bucket = (auxo__team_bucket){.first_piece = team->piece_count, .place = place};
        add_piece(team, bucket, &layers[i]);
        place += layers[i].count;
        team->bucket_count += ends_bucket(i, count, bucket->count, values);
    }
    free(layers);
    place = 0;
    for (size_t i = 0; i < team->piece_count; i++) {
        team->pieces[i].place = place;
        place += team->pieces[i].count;
    }
    return AUXO_OK;
}
