/* statistics.c: means and deviations of the columns of a data set, in two passes.
 *
 * Sums are in double in row order, so they do not depend on anything but the data. The second pass sums squares of
 * differences to the mean: a column of large values and small spread loses nothing, a constant one comes out as such.
 */
#include "auxo/data.h"

#include <math.h>
#include <stdbool.h>

/* Values first, first + stride, .. of planes of `plane` values, u8 or f32. */
typedef struct column_view {
    const uint8_t *bytes;
    const float *floats;
    size_t first, stride, plane, row_count;
} column_view;

static double value_at(const column_view *view, size_t at)
{
    return view->bytes ? view->bytes[at] / 255.0 : (double)view->floats[at];
}

/* Mean and population standard deviation of what is not NaN; exactly 0 for a constant. */
static void summarize(const column_view *view, double *mean, double *std)
{
    double sum = 0, squares = 0, rest = 0, lowest = INFINITY, highest = -INFINITY;
    size_t count = 0;
    for (size_t row = 0; row < view->row_count; row++)
        for (size_t i = 0; i < view->plane; i++) {
            double value = value_at(view, view->first + row * view->stride + i);
            if (isnan(value))
                continue;
            sum += value;
            lowest = value < lowest ? value : lowest;
            highest = value > highest ? value : highest;
            count++;
        }
    *mean = count ? sum / (double)count : 0;
    *std = 0;
    if (count == 0 || lowest == highest) {
        *mean = count ? lowest : 0;
        return;
    }
    for (size_t row = 0; row < view->row_count; row++)
        for (size_t i = 0; i < view->plane; i++) {
            double difference = value_at(view, view->first + row * view->stride + i) - *mean;
            if (isnan(difference))
                continue;
            squares += difference * difference;
            rest += difference;
        }
    double variance = (squares - rest * rest / (double)count) / (double)count;
    *mean += rest / (double)count;
    *std = sqrt(variance > 0 ? variance : 0);
}

static column_view channel_view(const auxo_dataset *dataset, size_t channel)
{
    size_t plane = (size_t)(dataset->height * dataset->width);
    bool bytes = dataset->feature_type == AUXO_FEATURES_U8;
    return (column_view){.bytes = bytes ? dataset->features : NULL,
                         .floats = bytes ? NULL : dataset->features,
                         .first = channel * plane,
                         .stride = plane * (size_t)dataset->channels,
                         .plane = plane,
                         .row_count = dataset->row_count};
}

static column_view target_view(const auxo_dataset *dataset, size_t column)
{
    return (column_view){.floats = dataset->targets,
                         .first = column,
                         .stride = dataset->target_count,
                         .plane = 1,
                         .row_count = dataset->row_count};
}

/* As f32; a constant column keeps its scale. */
static void narrow(double mean, double std, float *narrow_mean, float *inverse_std)
{
    *narrow_mean = (float)mean;
    *inverse_std = std > 0 && isfinite((float)(1 / std)) ? (float)(1 / std) : 1.0f;
}

void auxo_dataset_channel_stats(const auxo_dataset *dataset, float *means, float *inverse_stds)
{
    for (size_t channel = 0; channel < (size_t)dataset->channels; channel++) {
        double mean = 0, std = 0;
        const column_view view = channel_view(dataset, channel);
        summarize(&view, &mean, &std);
        narrow(mean, std, &means[channel], &inverse_stds[channel]);
    }
}

void auxo_dataset_target_stats(const auxo_dataset *dataset, float *means, float *inverse_stds)
{
    for (size_t column = 0; column < dataset->target_count; column++) {
        double mean = 0, std = 0;
        const column_view view = target_view(dataset, column);
        summarize(&view, &mean, &std);
        narrow(mean, std, &means[column], &inverse_stds[column]);
    }
}

void auxo_dataset_column_summary(const auxo_dataset *dataset, double *means, double *stds)
{
    for (size_t channel = 0; channel < (size_t)dataset->channels; channel++) {
        const column_view view = channel_view(dataset, channel);
        const auxo_schema_input *input =
            dataset->schema ? auxo_data_schema_input(dataset->schema, channel, NULL) : NULL;
        summarize(&view, &means[channel], &stds[channel]);
        means[channel] += input ? input->offset : 0;
    }
}

void auxo_dataset_target_summary(const auxo_dataset *dataset, double *means, double *stds)
{
    const double *offsets = dataset->schema ? dataset->schema->target_offsets : NULL;
    for (size_t column = 0; column < dataset->target_count; column++) {
        const column_view view = target_view(dataset, column);
        summarize(&view, &means[column], &stds[column]);
        means[column] += offsets ? offsets[column] : 0;
    }
}
