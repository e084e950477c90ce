/* missing.c: gaps in the inputs of tables, read as NaN under keep_missing, and filled by means of the training rows. */
#include "auxo/data.h"

#include <math.h>

void auxo_dataset_present_means(const auxo_dataset *dataset, float *means)
{
    size_t columns = (size_t)dataset->channels;
    const float *features = dataset->features;
    for (size_t c = 0; c < columns; c++) {
        double sum = 0;
        size_t present = 0;
        for (size_t row = 0; row < dataset->row_count; row++) {
            double value = (double)features[row * columns + c];
            if (isnan(value))
                continue;
            sum += value;
            present++;
        }
        means[c] = present ? (float)(sum / (double)present) : 0.0f;
    }
}

size_t auxo_dataset_fill_missing(auxo_dataset *dataset, const float *values)
{
    size_t columns = (size_t)dataset->channels, filled = 0;
    float *features = dataset->features;
    if (dataset->feature_type != AUXO_FEATURES_F32 || dataset->height * dataset->width != 1)
        return 0;
    for (size_t i = 0; i < dataset->row_count * columns; i++)
        if (isnan(features[i])) {
            features[i] = values[i % columns];
            filled++;
        }
    return filled;
}
