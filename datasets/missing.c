/* missing.c: gaps in the inputs of tables, read as NaN under keep_missing, and filled by means of the training rows. */
#include "auxo/data.h"

#include "dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

auxo_status auxo_dataset_impute(auxo_dataset *train, auxo_dataset *const *others, size_t other_count, size_t *filled,
                                auxo_error *error)
{
    size_t count = (size_t)train->channels, total = 0;
    float *means = auxo__array(count, sizeof *means);
    float *kept = auxo__array(count, sizeof *kept);
    if (!means || !kept) {
        free(means);
        free(kept);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the means of its columns", train->name);
    }
    if (train->feature_type == AUXO_FEATURES_F32 && train->height * train->width == 1) {
        auxo_dataset_present_means(train, means);
        total = auxo_dataset_fill_missing(train, means);
        for (size_t i = 0; i < other_count; i++)
            total += others[i] ? auxo_dataset_fill_missing(others[i], means) : 0;
        if (train->schema) {
            memcpy(kept, means, count * sizeof *kept);
            free(train->schema->missing_values);
            train->schema->missing_values = kept;
            train->schema->missing = AUXO_MISSING_MEAN;
            kept = NULL;
        }
    }
    if (filled)
        *filled = total;
    free(means);
    free(kept);
    return AUXO_OK;
}
