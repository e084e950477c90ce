/* dataset.c: the life of an auxo_dataset: create, destroy, select rows, hash.
 *
 * Knows nothing of files or formats. Statistics are in statistics.c.
 */
#include "dataset.h"

#include "mapped.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

void *auxo__array(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return malloc(count * size != 0 ? count * size : 1);
}

void auxo__names_destroy(char **names, size_t count)
{
    if (!names)
        return;
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

char **auxo__names_copy(const char *const *names, size_t count)
{
    char **copy = calloc(count ? count : 1, sizeof *copy);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        copy[i] = auxo__text_duplicate(names[i]);
        if (!copy[i]) {
            auxo__names_destroy(copy, count);
            return NULL;
        }
    }
    return copy;
}

size_t auxo__limited(size_t available, size_t limit)
{
    return limit != 0 && limit < available ? limit : available;
}

static size_t target_name_count(const auxo_dataset *dataset)
{
    switch (dataset->target_type) {
    case AUXO_TARGET_CLASS:
        return dataset->class_count;
    case AUXO_TARGET_REAL:
        return dataset->target_count;
    case AUXO_TARGET_SURVIVAL:
    case AUXO_TARGET_NONE:
        return 0;
    }
    return 0;
}

void auxo_dataset_destroy(auxo_dataset *dataset)
{
    if (!dataset)
        return;
    free(dataset->features);
    free(dataset->labels);
    free(dataset->targets);
    free(dataset->times);
    free(dataset->events);
    auxo__names_destroy(dataset->feature_names, (size_t)dataset->channels);
    auxo__names_destroy(dataset->target_names, target_name_count(dataset));
    free(dataset->groups);
    free(dataset->sites);
    auxo__names_destroy(dataset->site_names, dataset->site_count);
    free(dataset->row_numbers);
    auxo__names_destroy(dataset->row_names, dataset->row_count);
    auxo__mapped_destroy(dataset->mapped);
    auxo_data_schema_destroy(dataset->schema);
    free(dataset);
}

size_t auxo__dataset_row_bytes(const auxo_dataset *dataset)
{
    size_t values = (size_t)(dataset->channels * dataset->height * dataset->width);
    return values * (dataset->feature_type == AUXO_FEATURES_U8 ? sizeof(uint8_t) : sizeof(float));
}

static bool allocate_targets(auxo_dataset *dataset, uint32_t target_count)
{
    size_t rows = dataset->row_count ? dataset->row_count : 1;
    switch (dataset->target_type) {
    case AUXO_TARGET_CLASS:
        dataset->class_count = target_count;
        dataset->labels = calloc(rows, sizeof *dataset->labels);
        return dataset->labels != NULL;
    case AUXO_TARGET_REAL:
        dataset->target_count = target_count;
        dataset->targets = calloc(rows, (target_count ? target_count : 1) * sizeof *dataset->targets);
        return dataset->targets != NULL;
    case AUXO_TARGET_SURVIVAL:
        dataset->times = calloc(rows, sizeof *dataset->times);
        dataset->events = calloc(rows, sizeof *dataset->events);
        return dataset->times && dataset->events;
    case AUXO_TARGET_NONE:
        return true;
    }
    return false;
}

auxo_status auxo__dataset_create(const char *name, const auxo__dataset_shape *shape, auxo_dataset **dataset,
                                 auxo_error *error)
{
    auxo_dataset *made = calloc(1, sizeof *made);
    if (!made)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for a data set", name);
    snprintf(made->name, sizeof made->name, "%s", name);
    made->row_count = shape->row_count;
    made->channels = shape->channels;
    made->height = shape->height;
    made->width = shape->width;
    made->feature_type = shape->feature_type;
    made->target_type = shape->target_type;
    size_t row_bytes = auxo__dataset_row_bytes(made);
    made->features = calloc(shape->row_count ? shape->row_count : 1, shape->row_count ? row_bytes : 1);
    if (!made->features || !allocate_targets(made, shape->target_count)) {
        auxo_dataset_destroy(made);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %zu rows of %zu bytes", name,
                              shape->row_count, row_bytes);
    }
    *dataset = made;
    return AUXO_OK;
}

/* One per-row part of a data set: where it lies and how wide a row of it is. */
static bool copy_rows(const void *from, void *to, size_t row_bytes, const uint32_t *rows, size_t count)
{
    if (!from || row_bytes == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        memcpy((char *)to + i * row_bytes, (const char *)from + (size_t)rows[i] * row_bytes, row_bytes);
    return true;
}

static bool copy_optional_rows(const uint32_t *from, uint32_t **to, const uint32_t *rows, size_t count)
{
    if (!from)
        return true;
    *to = auxo__array(count, sizeof **to);
    return *to && copy_rows(from, *to, sizeof **to, rows, count);
}

static bool copy_row_names(const auxo_dataset *from, auxo_dataset *to, const uint32_t *rows, size_t count)
{
    if (!from->row_names)
        return true;
    to->row_names = calloc(count + 1, sizeof *to->row_names);
    for (size_t i = 0; to->row_names && i < count; i++) {
        to->row_names[i] = auxo__text_duplicate(from->row_names[rows[i]]);
        if (!to->row_names[i])
            return false;
    }
    return to->row_names != NULL;
}

/* Every selection knows where its rows came from. */
static bool number_rows(const auxo_dataset *from, auxo_dataset *to, const uint32_t *rows, size_t count)
{
    to->row_numbers = auxo__array(count, sizeof *to->row_numbers);
    for (size_t i = 0; to->row_numbers && i < count; i++)
        to->row_numbers[i] = (uint32_t)auxo_dataset_row_number(from, rows[i]);
    return to->row_numbers != NULL;
}

bool auxo__dataset_copy_names(const auxo_dataset *from, auxo_dataset *to)
{
    if (from->feature_names) {
        to->feature_names = auxo__names_copy((const char *const *)from->feature_names, (size_t)from->channels);
        if (!to->feature_names)
            return false;
    }
    if (from->target_names) {
        to->target_names = auxo__names_copy((const char *const *)from->target_names, target_name_count(from));
        if (!to->target_names)
            return false;
    }
    if (from->site_names) {
        to->site_count = from->site_count;
        to->site_names = auxo__names_copy((const char *const *)from->site_names, from->site_count);
    }
    return !from->site_names || to->site_names;
}

auxo_status auxo_dataset_select(const auxo_dataset *dataset, const uint32_t *rows, size_t count,
                                auxo_dataset **selected, auxo_error *error)
{
    if (!dataset || !selected || (!rows && count > 0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_dataset_select: null argument");
    for (size_t i = 0; i < count; i++)
        if (rows[i] >= dataset->row_count)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: row %u asked for, but there are only %zu",
                                  dataset->name, rows[i], dataset->row_count);
    auxo__dataset_shape shape = {count,
                                 dataset->channels,
                                 dataset->height,
                                 dataset->width,
                                 dataset->feature_type,
                                 dataset->target_type,
                                 (uint32_t)target_name_count(dataset)};
    auxo_dataset *made = NULL;
    auxo_status status = auxo__dataset_create(dataset->name, &shape, &made, error);
    if (status != AUXO_OK)
        return status;
    memcpy(made->note, dataset->note, sizeof made->note);
    const auxo_row_block block = {made->features, made->labels, made->targets};
    status = auxo_dataset_read(dataset, rows, 0, count, &block, error);
    if (status != AUXO_OK) {
        auxo_dataset_destroy(made);
        return status;
    }
    copy_rows(dataset->times, made->times, sizeof *dataset->times, rows, count);
    copy_rows(dataset->events, made->events, sizeof *dataset->events, rows, count);
    if (!copy_optional_rows(dataset->groups, &made->groups, rows, count) ||
        !copy_optional_rows(dataset->sites, &made->sites, rows, count) || !auxo__dataset_copy_names(dataset, made) ||
        !number_rows(dataset, made, rows, count) || !copy_row_names(dataset, made, rows, count) ||
        (dataset->schema && auxo_data_schema_copy(dataset->schema, &made->schema, NULL) != AUXO_OK)) {
        auxo_dataset_destroy(made);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to select %zu rows", dataset->name, count);
    }
    *selected = made;
    return AUXO_OK;
}

auxo_status auxo_dataset_count_classes(const auxo_dataset *dataset, size_t *counts, auxo_error *error)
{
    auxo__row_blocks blocks;
    bool found = true;
    auxo_status status = auxo__row_blocks_init(&blocks, dataset, false, error);
    while (status == AUXO_OK && found) {
        status = auxo__row_blocks_next(&blocks, &found, error);
        for (size_t i = 0; status == AUXO_OK && found && i < blocks.count; i++)
            counts[blocks.labels[i]]++;
    }
    auxo__row_blocks_deinit(&blocks);
    return status;
}

uint32_t auxo_dataset_output_count(const auxo_dataset *dataset)
{
    switch (dataset->target_type) {
    case AUXO_TARGET_CLASS:
        return dataset->class_count;
    case AUXO_TARGET_REAL:
        return dataset->target_count;
    case AUXO_TARGET_SURVIVAL:
        return 1;
    case AUXO_TARGET_NONE:
        return 0;
    }
    return 0;
}

const auxo_data_schema *auxo_dataset_schema(const auxo_dataset *dataset)
{
    return dataset->schema;
}

size_t auxo_dataset_row_number(const auxo_dataset *dataset, size_t row)
{
    if (dataset->mapped)
        return auxo__mapped_row_number(dataset->mapped, row);
    return dataset->row_numbers ? dataset->row_numbers[row] : row + 1;
}

/* All rows of one part after the other, as if they were one array. */
static auxo_status hash_part(XXH3_state_t *state, const auxo_dataset *dataset, bool features, size_t row_count,
                             auxo_error *error)
{
    auxo__row_blocks blocks;
    bool found = true;
    auxo_status status = auxo__row_blocks_init(&blocks, dataset, features, error);
    while (status == AUXO_OK && found && blocks.first + blocks.count < row_count) {
        status = auxo__row_blocks_next(&blocks, &found, error);
        if (status != AUXO_OK || !found)
            break;
        const size_t left = row_count - blocks.first, count = blocks.count < left ? blocks.count : left;
        if (features)
            XXH3_64bits_update(state, blocks.features, count * auxo__dataset_row_bytes(dataset));
        else if (blocks.labels)
            XXH3_64bits_update(state, blocks.labels, count * sizeof *blocks.labels);
        else if (blocks.targets)
            XXH3_64bits_update(state, blocks.targets, count * dataset->target_count * sizeof *blocks.targets);
    }
    auxo__row_blocks_deinit(&blocks);
    return status;
}

auxo_status auxo_dataset_content_hash(const auxo_dataset *dataset, size_t row_count, uint64_t *hash, auxo_error *error)
{
    size_t rows = row_count < dataset->row_count ? row_count : dataset->row_count;
    const auxo_mapped_rows *mapped = dataset->mapped;
    if (mapped && !mapped->subset && mapped->content_hash && rows == mapped->total_rows) {
        *hash = mapped->content_hash;
        return AUXO_OK;
    }
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    auxo_status status = hash_part(&state, dataset, true, rows, error);
    if (status == AUXO_OK)
        status = hash_part(&state, dataset, false, rows, error);
    if (dataset->times)
        XXH3_64bits_update(&state, dataset->times, rows * sizeof *dataset->times);
    if (dataset->events)
        XXH3_64bits_update(&state, dataset->events, rows * sizeof *dataset->events);
    const uint64_t found = XXH3_64bits_digest(&state);
    *hash = found ? found : 1; /* 0 means unknown */
    return status;
}
