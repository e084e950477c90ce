/* statistics.c: means and deviations of the columns of a data set, in two passes.
 *
 * Sums are in double in row order, so they do not depend on anything but the data. The second pass sums squares of
 * differences to the mean: a column of large values and small spread loses nothing, a constant one comes out as such.
 */
#include "mapped.h"

#include <math.h>
#include <stdlib.h>

typedef struct column_sums {
    double sum, squares, rest, lowest, highest, mean;
    size_t count;
} column_sums;

/* What is summed up: the channels of features, or the columns of targets. */
typedef struct summary {
    const auxo_dataset *dataset;
    bool targets;
    size_t columns, plane;
    column_sums *sums; /* (columns) */
} summary;

static void add_value(column_sums *column, double value, bool second)
{
    if (isnan(value))
        return;
    if (second) {
        const double difference = value - column->mean;
        column->squares += difference * difference;
        column->rest += difference;
        return;
    }
    column->sum += value;
    column->lowest = value < column->lowest ? value : column->lowest;
    column->highest = value > column->highest ? value : column->highest;
    column->count++;
}

static void add_block(const summary *all, const auxo__row_blocks *blocks, bool second)
{
    const bool is_bytes = !all->targets && all->dataset->feature_type == AUXO_FEATURES_U8;
    const uint8_t *bytes = blocks->features;
    const float *floats = all->targets ? blocks->targets : blocks->features;
    size_t at = 0;
    for (size_t row = 0; row < blocks->count; row++)
        for (size_t c = 0; c < all->columns; c++)
            for (size_t i = 0; i < all->plane; i++, at++)
                add_value(&all->sums[c], is_bytes ? bytes[at] / 255.0 : (double)floats[at], second);
}

static auxo_status add_rows(const summary *all, bool second, auxo_error *error)
{
    auxo__row_blocks blocks;
    bool found = true;
    auxo_status status = auxo__row_blocks_init(&blocks, all->dataset, !all->targets, error);
    while (status == AUXO_OK && found) {
        status = auxo__row_blocks_next(&blocks, &found, error);
        if (status == AUXO_OK && found)
            add_block(all, &blocks, second);
    }
    auxo__row_blocks_deinit(&blocks);
    return status;
}

/* Mean and population standard deviation of what is not NaN; exactly 0 for a constant. */
static void finish(const column_sums *column, double *mean, double *std)
{
    *mean = column->mean;
    *std = 0;
    if (column->count == 0 || column->lowest == column->highest)
        return;
    const double count = (double)column->count;
    const double variance = (column->squares - column->rest * column->rest / count) / count;
    *mean += column->rest / count;
    *std = sqrt(variance > 0 ? variance : 0);
}

/* means, stds (channels, or target_count). */
static auxo_status summarize(const auxo_dataset *dataset, bool targets, double *means, double *stds, auxo_error *error)
{
    summary all = {.dataset = dataset,
                   .targets = targets,
                   .columns = targets ? dataset->target_count : (size_t)dataset->channels,
                   .plane = targets ? 1 : (size_t)(dataset->height * dataset->width)};
    all.sums = calloc(all.columns + 1, sizeof *all.sums);
    if (!all.sums)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the means of its columns", dataset->name);
    for (size_t c = 0; c < all.columns; c++) {
        all.sums[c].lowest = INFINITY;
        all.sums[c].highest = -INFINITY;
    }
    auxo_status status = add_rows(&all, false, error);
    for (size_t c = 0; c < all.columns; c++) {
        column_sums *column = &all.sums[c];
        column->mean = column->count ? column->sum / (double)column->count : 0;
        if (column->count && column->lowest == column->highest)
            column->mean = column->lowest;
    }
    if (status == AUXO_OK)
        status = add_rows(&all, true, error);
    for (size_t c = 0; c < all.columns; c++)
        finish(&all.sums[c], &means[c], &stds[c]);
    free(all.sums);
    return status;
}

/* As f32; a constant column keeps its scale. */
static void narrow(double mean, double std, float *narrow_mean, float *inverse_std)
{
    *narrow_mean = (float)mean;
    *inverse_std = std > 0 && isfinite((float)(1 / std)) ? (float)(1 / std) : 1.0f;
}

static auxo_status narrow_all(const auxo_dataset *dataset, bool targets, float *means, float *inverse_stds,
                              auxo_error *error)
{
    const size_t columns = targets ? dataset->target_count : (size_t)dataset->channels;
    double *values = calloc(2 * columns + 1, sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the means of its columns", dataset->name);
    const auxo_status status = summarize(dataset, targets, values, values + columns, error);
    for (size_t c = 0; c < columns; c++)
        narrow(values[c], values[columns + c], &means[c], &inverse_stds[c]);
    free(values);
    return status;
}

auxo_status auxo_dataset_channel_stats(const auxo_dataset *dataset, float *means, float *inverse_stds,
                                       auxo_error *error)
{
    return narrow_all(dataset, false, means, inverse_stds, error);
}

auxo_status auxo_dataset_target_stats(const auxo_dataset *dataset, float *means, float *inverse_stds, auxo_error *error)
{
    return narrow_all(dataset, true, means, inverse_stds, error);
}

auxo_status auxo_dataset_column_summary(const auxo_dataset *dataset, double *means, double *stds, auxo_error *error)
{
    const auxo_status status = summarize(dataset, false, means, stds, error);
    for (size_t channel = 0; channel < (size_t)dataset->channels; channel++) {
        const auxo_schema_input *input =
            dataset->schema ? auxo_data_schema_input(dataset->schema, channel, NULL) : NULL;
        means[channel] += input ? input->offset : 0;
    }
    return status;
}

auxo_status auxo_dataset_target_summary(const auxo_dataset *dataset, double *means, double *stds, auxo_error *error)
{
    const double *offsets = dataset->schema ? dataset->schema->target_offsets : NULL;
    const auxo_status status = summarize(dataset, true, means, stds, error);
    for (size_t column = 0; column < dataset->target_count; column++)
        means[column] += offsets ? offsets[column] : 0;
    return status;
}
