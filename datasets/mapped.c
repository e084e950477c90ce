/* mapped.c: rows of mapped files: read, counted, viewed (mapped.h).
 */
#include "mapped.h"

#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 256 << 10 };

void auxo__mapped_destroy(auxo_mapped_rows *mapped)
{
    if (!mapped)
        return;
    auxo__mapping_release(mapped->features_file);
    auxo__mapping_release(mapped->labels_file);
    if (mapped->subset)
        auxo__row_set_deinit(mapped->subset);
    free(mapped->subset);
    free(mapped->class_values);
    free(mapped->fill);
    free(mapped->offsets);
    free(mapped->target_offsets);
    free(mapped);
}

/* ---- one row ----------------------------------------------------------------------------------------------------- */

static size_t row_in_file(const auxo_mapped_rows *mapped, size_t row)
{
    return mapped->subset ? auxo__row_set_at(mapped->subset, row) : row;
}

static const uint8_t *address(const auxo__file_array *array, size_t row)
{
    const uint64_t shard = array->shard_shift < 63 ? row >> array->shard_shift : 0;
    const uint64_t within = row - (array->shard_shift < 63 ? shard << array->shard_shift : 0);
    return array->base + shard * array->shard_bytes + within * array->row_bytes;
}

/* Values in another order or of another type than a data set holds. */
static void convert(const auxo__file_array *array, const uint8_t *from, const double *offsets, auxo_feature_type type,
                    void *to)
{
    uint8_t *bytes = to;
    float *floats = to;
    for (int64_t c = 0; c < array->dims[0]; c++)
        for (int64_t h = 0; h < array->dims[1]; h++)
            for (int64_t w = 0; w < array->dims[2]; w++) {
                const uint8_t *at = from + c * array->strides[0] + h * array->strides[1] + w * array->strides[2];
                if (type == AUXO_FEATURES_U8)
                    *bytes++ = *at;
                else
                    *floats++ = (float)(auxo__element_real(at, array->element) - (offsets ? offsets[c] : 0));
            }
}

static void read_values(const auxo__file_array *array, size_t row, const double *offsets, auxo_feature_type type,
                        size_t size_bytes, void *to)
{
    const uint8_t *from = address(array, row);
    if (array->dense)
        memcpy(to, from, size_bytes);
    else
        convert(array, from, offsets, type, to);
}

static void fill_gaps(const auxo_dataset *dataset, float *values)
{
    const float *fill = dataset->mapped->fill;
    for (int64_t c = 0; fill && c < dataset->channels; c++)
        if (isnan(values[c]))
            values[c] = fill[c];
}

/* The number of the class that a label means. False: it means none. */
static bool read_label(const auxo_mapped_rows *mapped, size_t row, uint32_t *label)
{
    int64_t value = 0;
    if (!auxo__element_integer(address(&mapped->labels, row), mapped->labels.element, &value))
        return false;
    if (!mapped->class_values) {
        *label = (uint32_t)value;
        return value >= 0 && value < (int64_t)mapped->class_count;
    }
    size_t low = 0, high = mapped->class_count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        *(mapped->class_values[middle] <= value ? &low : &high) = middle;
    }
    *label = (uint32_t)low;
    return mapped->class_count > 0 && mapped->class_values[low] == value;
}

static auxo_status verify(const auxo_mapped_rows *mapped, size_t row, auxo_error *error)
{
    return mapped->features_file->shard_count
               ? auxo__mapping_verify(mapped->features_file, row >> mapped->features.shard_shift, error)
               : AUXO_OK;
}

static auxo_status read_mapped(const auxo_dataset *dataset, const uint32_t *rows, size_t first, size_t count,
                               const auxo_row_block *block, auxo_error *error)
{
    const auxo_mapped_rows *mapped = dataset->mapped;
    const size_t row_bytes = auxo__dataset_row_bytes(dataset), columns = dataset->target_count;
    auxo_status whole = auxo__mapping_check(mapped->features_file, error);
    if (whole == AUXO_OK && mapped->labels_file)
        whole = auxo__mapping_check(mapped->labels_file, error);
    if (whole != AUXO_OK)
        return whole;
    for (size_t i = 0; i < count; i++) {
        const size_t row = row_in_file(mapped, rows ? rows[i] : first + i);
        uint8_t *to = block->features ? (uint8_t *)block->features + i * row_bytes : NULL;
        const auxo_status status = to || block->targets ? verify(mapped, row, error) : AUXO_OK;
        if (status != AUXO_OK)
            return status;
        if (to)
            read_values(&mapped->features, row, mapped->offsets, dataset->feature_type, row_bytes, to);
        if (to && mapped->fill)
            fill_gaps(dataset, (float *)(void *)to);
        if (block->targets)
            read_values(&mapped->targets, row, mapped->target_offsets, AUXO_FEATURES_F32, columns * sizeof(float),
                        block->targets + i * columns);
        if (block->labels && !read_label(mapped, row, &block->labels[i]))
            return auxo_error_set(error, AUXO_FORMAT, "%s: the label of row %zu is none of the %u classes",
                                  dataset->name, row + 1, mapped->class_count);
    }
    return AUXO_OK;
}

static void read_memory(const auxo_dataset *dataset, const uint32_t *rows, size_t first, size_t count,
                        const auxo_row_block *block)
{
    const size_t row_bytes = auxo__dataset_row_bytes(dataset), columns = dataset->target_count;
    for (size_t i = 0; i < count; i++) {
        const size_t row = rows ? rows[i] : first + i;
        if (block->features)
            memcpy((uint8_t *)block->features + i * row_bytes, (const uint8_t *)dataset->features + row * row_bytes,
                   row_bytes);
        if (block->targets)
            memcpy(block->targets + i * columns, dataset->targets + row * columns, columns * sizeof(float));
        if (block->labels)
            block->labels[i] = dataset->labels[row];
    }
}

auxo_status auxo_dataset_read(const auxo_dataset *dataset, const uint32_t *rows, size_t first, size_t count,
                              const auxo_row_block *block, auxo_error *error)
{
    for (size_t i = 0; rows && i < count; i++)
        if (rows[i] >= dataset->row_count)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: row %u asked for, but there are only %zu",
                                  dataset->name, rows[i], dataset->row_count);
    if (!rows && (first > dataset->row_count || count > dataset->row_count - first))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: rows %zu to %zu asked for, but there are only %zu",
                              dataset->name, first, first + count, dataset->row_count);
    if ((block->labels && dataset->target_type != AUXO_TARGET_CLASS) ||
        (block->targets && dataset->target_type != AUXO_TARGET_REAL))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has no %s", dataset->name,
                              block->labels ? "classes" : "real targets");
    if (dataset->mapped)
        return read_mapped(dataset, rows, first, count, block, error);
    read_memory(dataset, rows, first, count, block);
    return AUXO_OK;
}

size_t auxo__mapped_row_number(const auxo_mapped_rows *mapped, size_t row)
{
    int64_t number = 0;
    const size_t place = row_in_file(mapped, row);
    if (mapped->row_numbers.base &&
        auxo__element_integer(address(&mapped->row_numbers, place), mapped->row_numbers.element, &number))
        return (size_t)number;
    return place + 1;
}

size_t auxo_dataset_block_rows(const auxo_dataset *dataset)
{
    return dataset->mapped ? dataset->mapped->block_rows : 0;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

auxo_status auxo__row_blocks_init(auxo__row_blocks *blocks, const auxo_dataset *dataset, bool features,
                                  auxo_error *error)
{
    *blocks = (auxo__row_blocks){.dataset = dataset, .wants_features = features};
    if (!dataset->mapped)
        return AUXO_OK;
    const size_t row_bytes = auxo__dataset_row_bytes(dataset) + dataset->target_count * sizeof(float) + 4;
    blocks->capacity = BLOCK_BYTES / row_bytes + 1;
    bool good = true;
    if (features)
        good = (blocks->own_features = auxo__array(blocks->capacity, auxo__dataset_row_bytes(dataset))) != NULL;
    if (dataset->target_type == AUXO_TARGET_CLASS)
        good = (blocks->own_labels = auxo__array(blocks->capacity, sizeof *blocks->own_labels)) && good;
    if (dataset->target_type == AUXO_TARGET_REAL)
        good = (blocks->own_targets = auxo__array(blocks->capacity, dataset->target_count * sizeof(float))) && good;
    if (good)
        return AUXO_OK;
    auxo__row_blocks_deinit(blocks);
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to read its rows", dataset->name);
}

void auxo__row_blocks_deinit(auxo__row_blocks *blocks)
{
    free(blocks->own_features);
    free(blocks->own_labels);
    free(blocks->own_targets);
    *blocks = (auxo__row_blocks){0};
}

auxo_status auxo__row_blocks_next(auxo__row_blocks *blocks, bool *found, auxo_error *error)
{
    const auxo_dataset *dataset = blocks->dataset;
    blocks->first += blocks->count;
    *found = blocks->first < dataset->row_count;
    blocks->count = *found ? dataset->row_count - blocks->first : 0;
    if (!dataset->mapped) {
        blocks->features = dataset->features;
        blocks->labels = dataset->labels;
        blocks->targets = dataset->targets;
        return AUXO_OK;
    }
    blocks->count = blocks->count < blocks->capacity ? blocks->count : blocks->capacity;
    blocks->features = blocks->own_features;
    blocks->labels = blocks->own_labels;
    blocks->targets = blocks->own_targets;
    const auxo_row_block block = {blocks->own_features, blocks->own_labels, blocks->own_targets};
    return auxo_dataset_read(dataset, NULL, blocks->first, blocks->count, &block, error);
}

/* ---- views, gaps ------------------------------------------------------------------------------------------------- */

/* A copy, NULL where there is nothing; *good becomes false without memory. */
static void *copied(const void *from, size_t count, size_t size, bool *good)
{
    void *copy = from ? auxo__array(count, size) : NULL;
    *good = *good && (copy || !from);
    if (copy)
        memcpy(copy, from, count * size);
    return copy;
}

static auxo_mapped_rows *share(const auxo_mapped_rows *mapped, size_t channels, size_t targets)
{
    auxo_mapped_rows *made = malloc(sizeof *made);
    if (!made)
        return NULL;
    *made = *mapped;
    auxo__mapping_share(made->features_file);
    auxo__mapping_share(made->labels_file);
    made->subset = NULL;
    bool good = true;
    made->class_values = copied(mapped->class_values, mapped->class_count, sizeof *made->class_values, &good);
    made->fill = copied(mapped->fill, channels, sizeof *made->fill, &good);
    made->offsets = copied(mapped->offsets, channels, sizeof *made->offsets, &good);
    made->target_offsets = copied(mapped->target_offsets, targets, sizeof *made->target_offsets, &good);
    if (good)
        return made;
    auxo__mapped_destroy(made);
    return NULL;
}

/* Rows of a view of a view, as rows of the file. */
static bool compose(const auxo_mapped_rows *mapped, auxo__row_set *chosen)
{
    auxo__row_set all;
    if (!mapped->subset)
        return auxo__row_set_finish(chosen);
    if (!auxo__row_set_init(&all, mapped->total_rows))
        return false;
    for (size_t i = 0; i < mapped->subset->count; i++)
        if (auxo__row_set_has(chosen, i))
            auxo__row_set_add(&all, auxo__row_set_at(mapped->subset, i));
    auxo__row_set_deinit(chosen);
    *chosen = all;
    return auxo__row_set_finish(chosen);
}

auxo_status auxo__mapped_view(const auxo_dataset *dataset, auxo__row_set *chosen, auxo_dataset **view,
                              auxo_error *error)
{
    auxo_dataset *made = calloc(1, sizeof *made);
    auxo__row_set *subset = malloc(sizeof *subset);
    bool good = made && subset && compose(dataset->mapped, chosen);
    if (good) {
        *made = *dataset;
        made->feature_names = made->target_names = made->site_names = NULL;
        made->site_count = 0;
        made->schema = NULL;
        made->mapped = share(dataset->mapped, (size_t)dataset->channels, dataset->target_count);
        made->row_count = chosen->count;
        good = made->mapped && auxo__dataset_copy_names(dataset, made) &&
               (!dataset->schema || auxo_data_schema_copy(dataset->schema, &made->schema, NULL) == AUXO_OK);
    }
    if (!good) {
        free(subset);
        auxo__row_set_deinit(chosen);
        auxo_dataset_destroy(made);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to select rows", dataset->name);
    }
    *subset = *chosen;
    *chosen = (auxo__row_set){0};
    made->mapped->subset = subset;
    *view = made;
    return AUXO_OK;
}

auxo_status auxo__mapped_fill(auxo_dataset *dataset, const float *values, size_t *filled, auxo_error *error)
{
    auxo_mapped_rows *mapped = dataset->mapped;
    const size_t columns = (size_t)dataset->channels;
    auxo__row_blocks blocks;
    bool found = true;
    *filled = 0;
    auxo_status status = auxo__row_blocks_init(&blocks, dataset, true, error);
    while (status == AUXO_OK && found) {
        status = auxo__row_blocks_next(&blocks, &found, error);
        const float *read = blocks.features;
        for (size_t i = 0; status == AUXO_OK && found && i < blocks.count * columns; i++)
            *filled += isnan(read[i]) != 0;
    }
    auxo__row_blocks_deinit(&blocks);
    if (status != AUXO_OK || *filled == 0)
        return status;
    free(mapped->fill);
    mapped->fill = auxo__array(columns, sizeof *mapped->fill);
    if (!mapped->fill)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the means of its columns", dataset->name);
    memcpy(mapped->fill, values, columns * sizeof *values);
    return AUXO_OK;
}

auxo_status auxo__mapped_load(auxo_dataset **dataset, auxo_error *error)
{
    auxo_dataset *from = *dataset, *loaded = NULL;
    const uint32_t target_count = from->target_type == AUXO_TARGET_CLASS ? from->class_count : from->target_count;
    const auxo__dataset_shape shape = {from->row_count,    from->channels,    from->height, from->width,
                                       from->feature_type, from->target_type, target_count};
    auxo_status status = auxo__dataset_create(from->name, &shape, &loaded, error);
    if (!loaded)
        return status;
    const auxo_row_block block = {loaded->features, loaded->labels, loaded->targets};
    status = auxo_dataset_read(from, NULL, 0, from->row_count, &block, error);
    if (status == AUXO_OK && from->mapped->row_numbers.base) {
        loaded->row_numbers = auxo__array(from->row_count, sizeof *loaded->row_numbers);
        for (size_t i = 0; loaded->row_numbers && i < from->row_count; i++)
            loaded->row_numbers[i] = (uint32_t)auxo__mapped_row_number(from->mapped, i);
        status = loaded->row_numbers ? status : AUXO_OUT_OF_MEMORY;
    }
    if (status == AUXO_OK && !auxo__dataset_copy_names(from, loaded))
        status = AUXO_OUT_OF_MEMORY;
    if (status == AUXO_OUT_OF_MEMORY)
        auxo_error_set(error, status, "%s: no memory for %zu rows", from->name, from->row_count);
    if (status != AUXO_OK) {
        auxo_dataset_destroy(loaded);
        return status;
    }
    memcpy(loaded->note, from->note, sizeof loaded->note);
    loaded->schema = from->schema;
    from->schema = NULL;
    auxo_dataset_destroy(from);
    *dataset = loaded;
    return AUXO_OK;
}
