/* dataset.c: the life of an auxo_dataset: create, destroy, select rows, describe columns.
 *
 * Knows nothing of files or formats. Statistics are summed in double in row order, so they do not depend on anything
 * but the data.
 */
#include "dataset.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    return dataset->target_type == AUXO_TARGET_CLASS ? dataset->class_count : dataset->target_count;
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

static bool copy_names(const auxo_dataset *from, auxo_dataset *to)
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
    return true;
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
    copy_rows(dataset->features, made->features, auxo__dataset_row_bytes(dataset), rows, count);
    copy_rows(dataset->labels, made->labels, sizeof *dataset->labels, rows, count);
    copy_rows(dataset->targets, made->targets, dataset->target_count * sizeof *dataset->targets, rows, count);
    copy_rows(dataset->times, made->times, sizeof *dataset->times, rows, count);
    copy_rows(dataset->events, made->events, sizeof *dataset->events, rows, count);
    if (!copy_optional_rows(dataset->groups, &made->groups, rows, count) ||
        !copy_optional_rows(dataset->sites, &made->sites, rows, count) || !copy_names(dataset, made)) {
        auxo_dataset_destroy(made);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to select %zu rows", dataset->name, count);
    }
    *selected = made;
    return AUXO_OK;
}

/* Mean and inverse standard deviation from sums over `count` values; a constant column keeps its scale. */
static void finish_stats(double sum, double sum_of_squares, double count, float *mean, float *inverse_std)
{
    double average = count > 0 ? sum / count : 0;
    double variance = count > 0 ? sum_of_squares / count - average * average : 0;
    *mean = (float)average;
    /* Rounding leaves a variance of about 1e-16 relative on a constant column; that is zero, not a scale. */
    bool constant = !(variance > 1e-12 * (1e-30 + average * average));
    *inverse_std = constant ? 1.0f : (float)(1.0 / sqrt(variance));
}

void auxo_dataset_channel_stats(const auxo_dataset *dataset, float *means, float *inverse_stds)
{
    size_t plane = (size_t)(dataset->height * dataset->width);
    size_t row_values = plane * (size_t)dataset->channels;
    for (size_t channel = 0; channel < (size_t)dataset->channels; channel++) {
        double sum = 0, sum_of_squares = 0;
        for (size_t row = 0; row < dataset->row_count; row++) {
            size_t start = row * row_values + channel * plane;
            for (size_t i = 0; i < plane; i++) {
                double value = dataset->feature_type == AUXO_FEATURES_U8
                                   ? ((const uint8_t *)dataset->features)[start + i] / 255.0
                                   : (double)((const float *)dataset->features)[start + i];
                sum += value;
                sum_of_squares += value * value;
            }
        }
        finish_stats(sum, sum_of_squares, (double)dataset->row_count * (double)plane, &means[channel],
                     &inverse_stds[channel]);
    }
}

void auxo_dataset_target_stats(const auxo_dataset *dataset, float *means, float *inverse_stds)
{
    for (size_t column = 0; column < dataset->target_count; column++) {
        double sum = 0, sum_of_squares = 0;
        for (size_t row = 0; row < dataset->row_count; row++) {
            double value = (double)dataset->targets[row * dataset->target_count + column];
            sum += value;
            sum_of_squares += value * value;
        }
        finish_stats(sum, sum_of_squares, (double)dataset->row_count, &means[column], &inverse_stds[column]);
    }
}
