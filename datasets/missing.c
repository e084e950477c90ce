/* missing.c: gaps in the inputs of tables, read as NaN under keep_missing, and filled by means of the training rows. */
#include "mapped.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_table(const auxo_dataset *dataset)
{
    return dataset->feature_type == AUXO_FEATURES_F32 && dataset->height * dataset->width == 1;
}

/* Mean per column over the values that are present; 0 where none is. */
static auxo_status present_means(const auxo_dataset *dataset, float *means, auxo_error *error)
{
    const size_t columns = (size_t)dataset->channels;
    double *sums = calloc(columns + 1, sizeof *sums);
    size_t *present = calloc(columns + 1, sizeof *present);
    auxo__row_blocks blocks = {0};
    bool found = true;
    auxo_status status = sums && present
                             ? auxo__row_blocks_init(&blocks, dataset, true, error)
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", dataset->name);
    while (status == AUXO_OK && found) {
        status = auxo__row_blocks_next(&blocks, &found, error);
        const float *values = blocks.features;
        for (size_t i = 0; status == AUXO_OK && found && i < blocks.count * columns; i++) {
            if (isnan(values[i]))
                continue;
            sums[i % columns] += (double)values[i];
            present[i % columns]++;
        }
    }
    for (size_t c = 0; status == AUXO_OK && c < columns; c++)
        means[c] = present[c] ? (float)(sums[c] / (double)present[c]) : 0.0f;
    auxo__row_blocks_deinit(&blocks);
    free(sums);
    free(present);
    return status;
}

auxo_status auxo_dataset_fill_missing(auxo_dataset *dataset, const float *values, size_t *filled, auxo_error *error)
{
    size_t columns = (size_t)dataset->channels, count = 0;
    float *features = dataset->features;
    auxo_status status = AUXO_OK;
    if (is_table(dataset) && dataset->mapped)
        status = auxo__mapped_fill(dataset, values, &count, error);
    for (size_t i = 0; is_table(dataset) && !dataset->mapped && i < dataset->row_count * columns; i++)
        if (isnan(features[i])) {
            features[i] = values[i % columns];
            count++;
        }
    if (filled)
        *filled = count;
    return status;
}

/* What the schema shall know; takes `means` over. */
static void remember(auxo_dataset *train, float *means)
{
    if (!train->schema) {
        free(means);
        return;
    }
    free(train->schema->missing_values);
    train->schema->missing_values = means;
    train->schema->missing = AUXO_MISSING_MEAN;
}

auxo_status auxo_dataset_impute(auxo_dataset *train, auxo_dataset *const *others, size_t other_count, size_t *filled,
                                auxo_error *error)
{
    size_t total = 0, here = 0;
    if (filled)
        *filled = 0;
    if (!is_table(train))
        return AUXO_OK;
    float *means = auxo__array((size_t)train->channels, sizeof *means);
    if (!means)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the means of its columns", train->name);
    auxo_status status = present_means(train, means, error);
    if (status == AUXO_OK)
        status = auxo_dataset_fill_missing(train, means, &total, error);
    for (size_t i = 0; i < other_count && status == AUXO_OK; i++) {
        status = others[i] ? auxo_dataset_fill_missing(others[i], means, &here, error) : AUXO_OK;
        total += others[i] ? here : 0;
    }
    remember(train, means);
    if (filled)
        *filled = total;
    return status;
}
