/* stream_reader.c: see stream_reader.h.
 *
 * Two slots of host memory. The thread fills the slot of the next part whenever it is free; the other thread takes
 * them in the same order. `reading` is the part that the thread works on, `wanted` the next that will be taken.
 */
#include "stream_reader.h"
#include "train_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct part_place {
    uint32_t epoch;
    uint64_t index;
} part_place;

typedef struct reader_slot {
    auxo__stream_part part;
    part_place place;
    enum { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_TAKEN } state;
    auxo_status status; /* of reading it */
    auxo_error error;
} reader_slot;

struct auxo__stream_reader {
    const auxo_dataset *dataset;
    auxo__row_order order;
    uint32_t *rows; /* (part_rows) scratch of the thread */
    double *class_weights;
    uint64_t part_rows, part_count;
    bool repeats;

    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* under the mutex */
    reader_slot slots[2];
    part_place next; /* to be read */
    bool idle;       /* nothing is to be read: before the first take, and after the last part */
    bool ends;
};

auxo__stream_widths auxo__stream_row_widths(const auxo__stream_options *options)
{
    const auxo_dataset *dataset = options->dataset;
    const bool classes = dataset->target_type == AUXO_TARGET_CLASS;
    const size_t value = dataset->feature_type == AUXO_FEATURES_U8 ? 1 : sizeof(float);
    return (auxo__stream_widths){.features = (size_t)(dataset->channels * dataset->height * dataset->width) * value,
                                 .targets = !options->targets ? 0
                                            : classes         ? sizeof(uint32_t)
                                                              : dataset->target_count * sizeof(float),
                                 .weights = options->class_weights ? sizeof(float) : 0};
}

uint64_t auxo__stream_row_count(const auxo__stream_options *options)
{
    const auxo__row_order order = {.rows = options->dataset->row_count, .slice = options->slice};
    return auxo__order_count(&order);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static auxo_status read_part(auxo__stream_reader *reader, part_place place, auxo__stream_part *part, auxo_error *error)
{
    const uint64_t first = place.index * reader->part_rows, left = auxo__order_count(&reader->order) - first;
    part->row_count = left < reader->part_rows ? left : reader->part_rows;
    auxo_status status = auxo__order_read(&reader->order, place.epoch, first, part->row_count, reader->rows, error);
    if (status == AUXO_OK)
        status = auxo_dataset_read(reader->dataset, reader->rows, 0, (size_t)part->row_count, &part->block, error);
    for (uint64_t i = 0; part->weights && status == AUXO_OK && i < part->row_count; i++)
        part->weights[i] = (float)reader->class_weights[part->block.labels[i]];
    return status;
}

static void advance(auxo__stream_reader *reader)
{
    reader->next.index++;
    if (reader->next.index < reader->part_count)
        return;
    reader->next = (part_place){reader->next.epoch + 1, 0};
    reader->idle = !reader->repeats;
}

static void *run(void *user)
{
    auxo__stream_reader *reader = user;
    pthread_mutex_lock(&reader->mutex);
    while (!reader->ends) {
        reader_slot *slot = &reader->slots[reader->next.index & 1];
        if (reader->idle || slot->state != SLOT_FREE) {
            pthread_cond_wait(&reader->changed, &reader->mutex);
            continue;
        }
        const part_place place = slot->place = reader->next;
        slot->state = SLOT_FILLING;
        advance(reader);
        pthread_mutex_unlock(&reader->mutex);
        slot->status = read_part(reader, place, &slot->part, &slot->error);
        pthread_mutex_lock(&reader->mutex);
        slot->state = SLOT_READY;
        pthread_cond_broadcast(&reader->changed);
    }
    pthread_mutex_unlock(&reader->mutex);
    return NULL;
}

/* ---- the caller -------------------------------------------------------------------------------------------------- */

static bool is_at(const reader_slot *slot, uint32_t epoch, uint64_t index)
{
    return slot->state != SLOT_FREE && slot->place.epoch == epoch && slot->place.index == index;
}

/* Reading starts at another place; what was read for another one is dropped. */
static void redirect(auxo__stream_reader *reader, uint32_t epoch, uint64_t index)
{
    reader->idle = true; /* the thread begins nothing new */
    while (reader->slots[0].state == SLOT_FILLING || reader->slots[1].state == SLOT_FILLING)
        pthread_cond_wait(&reader->changed, &reader->mutex);
    reader->slots[0].state = reader->slots[1].state = SLOT_FREE;
    reader->next = (part_place){epoch, index};
    reader->idle = false;
    pthread_cond_broadcast(&reader->changed);
}

auxo_status auxo__stream_reader_take(auxo__stream_reader *reader, uint32_t epoch, uint64_t index, bool wait,
                                     const auxo__stream_part **part, auxo_error *error)
{
    reader_slot *slot = &reader->slots[index & 1];
    *part = NULL;
    pthread_mutex_lock(&reader->mutex);
    const bool comes = !reader->idle && reader->next.epoch == epoch && reader->next.index == index;
    if (wait && !is_at(slot, epoch, index) && !(comes && slot->state == SLOT_FREE))
        redirect(reader, epoch, index);
    while (wait && !(is_at(slot, epoch, index) && slot->state == SLOT_READY))
        pthread_cond_wait(&reader->changed, &reader->mutex);
    auxo_status status = AUXO_OK;
    if (is_at(slot, epoch, index) && slot->state == SLOT_READY) {
        slot->state = SLOT_TAKEN;
        *part = &slot->part;
        status = slot->status;
        if (status != AUXO_OK && error)
            *error = slot->error;
    }
    pthread_mutex_unlock(&reader->mutex);
    if (status != AUXO_OK) {
        auxo__stream_reader_give_back(reader, index);
        *part = NULL;
    }
    return status;
}

void auxo__stream_reader_give_back(auxo__stream_reader *reader, uint64_t index)
{
    pthread_mutex_lock(&reader->mutex);
    reader->slots[index & 1].state = SLOT_FREE;
    pthread_cond_broadcast(&reader->changed);
    pthread_mutex_unlock(&reader->mutex);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool allocate(auxo__stream_reader *reader, const auxo__stream_options *options)
{
    const auxo__stream_widths widths = auxo__stream_row_widths(options);
    const size_t rows = (size_t)reader->part_rows;
    const bool classes = options->dataset->target_type == AUXO_TARGET_CLASS;
    bool good = (reader->rows = malloc(rows * sizeof *reader->rows)) != NULL;
    for (size_t i = 0; i < 2; i++) {
        auxo__stream_part *part = &reader->slots[i].part;
        good = (part->block.features = malloc(rows * widths.features)) && good;
        if (widths.targets && classes)
            good = (part->block.labels = malloc(rows * widths.targets)) && good;
        if (widths.targets && !classes)
            good = (part->block.targets = malloc(rows * widths.targets)) && good;
        if (widths.weights)
            good = (part->weights = malloc(rows * widths.weights)) && good;
    }
    if (options->class_weights) {
        const size_t size = options->dataset->class_count * sizeof *reader->class_weights;
        reader->class_weights = malloc(size);
        good = good && reader->class_weights;
        if (reader->class_weights)
            memcpy(reader->class_weights, options->class_weights, size);
    }
    return good;
}

auxo_status auxo__stream_reader_create(const auxo__stream_options *options, uint64_t part_rows, uint64_t part_count,
                                       auxo__stream_reader **reader, auxo_error *error)
{
    auxo__stream_reader *made = *reader = calloc(1, sizeof *made);
    if (!made)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "streaming: out of memory");
    made->dataset = options->dataset;
    made->part_rows = part_rows;
    made->part_count = part_count;
    made->repeats = options->repeats;
    made->idle = true;
    auxo__order_init(&made->order, options->order, options->dataset, options->seed);
    made->order.slice = options->slice;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->changed, NULL);
    const bool good = allocate(made, options);
    made->has_thread = good && pthread_create(&made->thread, NULL, run, made) == 0;
    if (made->has_thread)
        return AUXO_OK;
    auxo__stream_reader_destroy(made);
    *reader = NULL;
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "streaming: no memory or thread to read %llu rows ahead",
                          (unsigned long long)part_rows);
}

void auxo__stream_reader_destroy(auxo__stream_reader *reader)
{
    if (!reader)
        return;
    if (reader->has_thread) {
        pthread_mutex_lock(&reader->mutex);
        reader->ends = true;
        pthread_cond_broadcast(&reader->changed);
        pthread_mutex_unlock(&reader->mutex);
        pthread_join(reader->thread, NULL);
    }
    pthread_mutex_destroy(&reader->mutex);
    pthread_cond_destroy(&reader->changed);
    for (size_t i = 0; i < 2; i++) {
        free(reader->slots[i].part.block.features);
        free(reader->slots[i].part.block.labels);
        free(reader->slots[i].part.block.targets);
        free(reader->slots[i].part.weights);
    }
    auxo__order_deinit(&reader->order);
    free(reader->rows);
    free(reader->class_weights);
    free(reader);
}
