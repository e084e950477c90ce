/* linear.c: the model "linear" of a data set: which features are fitted, and the network that computes the same risks.
 *
 * Of the features of one text column the first level is the reference and is left out. The network has one dense layer
 * on standardised inputs, so that its weights are the coefficients times the deviations.
 */
#include "survival_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_reference(const auxo_dataset *dataset, size_t feature)
{
    size_t level = 0;
    const auxo_schema_input *input = dataset->schema ? auxo_data_schema_input(dataset->schema, feature, &level) : NULL;
    return input && input->kind == AUXO_INPUT_CATEGORY && level == 0 && input->level_count > 1;
}

static auxo_status choose_features(const auxo_dataset *dataset, auxo__linear *linear, size_t *count, auxo_error *error)
{
    const size_t features = (size_t)(dataset->channels * dataset->height * dataset->width);
    size_t size = 0, used = 0;
    linear->features = malloc((features + 1) * sizeof *linear->features);
    for (size_t f = 0; f < features; f++)
        size += dataset->feature_names ? strlen(dataset->feature_names[f]) + 2 : 32;
    linear->references = calloc(size + 1, 1);
    if (!linear->features || !linear->references)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "linear model: out of memory");
    *count = 0;
    for (size_t f = 0; f < features; f++) {
        if (!is_reference(dataset, f)) {
            linear->features[(*count)++] = f;
            continue;
        }
        const char *name = dataset->feature_names ? dataset->feature_names[f] : "";
        used += (size_t)snprintf(linear->references + used, size + 1 - used, "%s%s", used ? ", " : "", name);
    }
    return AUXO_OK;
}

static double feature_value(const auxo_dataset *dataset, size_t index)
{
    return dataset->feature_type == AUXO_FEATURES_U8 ? ((const uint8_t *)dataset->features)[index] / 255.0
                                                     : (double)((const float *)dataset->features)[index];
}

auxo_status auxo__linear_fit(const auxo_dataset *dataset, auxo_cox_ties ties, auxo__linear *linear, auxo_error *error)
{
    const size_t features = (size_t)(dataset->channels * dataset->height * dataset->width);
    size_t count = 0;
    double *columns = NULL;
    *linear = (auxo__linear){0};
    auxo_status status = choose_features(dataset, linear, &count, error);
    if (status == AUXO_OK) {
        columns = malloc((dataset->row_count * count + 1) * sizeof *columns);
        if (!columns)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "linear model of %zu columns: out of memory", count);
    }
    for (size_t i = 0; i < dataset->row_count && status == AUXO_OK; i++)
        for (size_t c = 0; c < count; c++)
            columns[i * count + c] = feature_value(dataset, i * features + linear->features[c]);
    const auxo_survival_sample sample = auxo_survival_rows(dataset, NULL);
    if (status == AUXO_OK)
        status = auxo_cox_fit_linear(&sample, columns, count, ties, &linear->fit, error);
    free(columns);
    return status;
}

auxo_status auxo__linear_write(const auxo__linear *linear, const auxo_dataset *dataset, auxo_model *network,
                               auxo_error *error)
{
    const size_t features = (size_t)(dataset->channels * dataset->height * dataset->width);
    const size_t channels = (size_t)dataset->channels, pixels = features / channels;
    float *means = malloc((2 * channels + 1) * sizeof *means);
    float *weights = calloc(auxo_model_weight_count(network) + 1, sizeof *weights);
    auxo_status status = AUXO_OK;
    if (!means || !weights)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "linear model: out of memory");
    if (status == AUXO_OK) {
        const auxo_preprocessing standardized = {
            .channel_count = (uint32_t)channels, .means = means, .inverse_stds = means + channels};
        status = auxo_dataset_channel_stats(dataset, means, means + channels, error);
        for (size_t c = 0; c < linear->fit.count; c++) {
            const auxo_cox_coefficient *found = &linear->fit.coefficients[c];
            const size_t feature = linear->features[c];
            const bool counts = found->state == AUXO_COEFFICIENT_FITTED || found->state == AUXO_COEFFICIENT_INFINITE;
            weights[feature] = counts ? (float)(found->value / (double)means[channels + feature / pixels]) : 0;
        }
        if (status == AUXO_OK)
            status = auxo_model_set_preprocessing(network, &standardized, error);
    }
    if (status == AUXO_OK)
        status = auxo_model_write_weights(network, weights, NULL, error);
    free(means);
    free(weights);
    return status;
}

/* The feature of the reference level of that feature's column; the feature itself if it has none. */
static size_t reference_of(const auxo_dataset *dataset, size_t feature)
{
    size_t level = 0;
    const auxo_schema_input *input = dataset->schema ? auxo_data_schema_input(dataset->schema, feature, &level) : NULL;
    return input && input->kind == AUXO_INPUT_CATEGORY && input->level_count > 1 ? feature - level : feature;
}

auxo_status auxo__linear_read(const auxo_dataset *dataset, auxo_model *network, auxo__linear *linear, auxo_error *error)
{
    const auxo_preprocessing *trained = auxo_model_preprocessing(network);
    const size_t features = (size_t)(dataset->channels * dataset->height * dataset->width);
    const size_t pixels = features / (size_t)dataset->channels;
    size_t count = 0;
    *linear = (auxo__linear){0};
    auxo_status status = choose_features(dataset, linear, &count, error);
    if (status != AUXO_OK)
        return status;
    float *weights = malloc((auxo_model_weight_count(network) + 1) * sizeof *weights);
    linear->fit.coefficients = calloc(count + 1, sizeof *linear->fit.coefficients);
    if (!weights || !linear->fit.coefficients)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "coefficients: out of memory");
    if (status == AUXO_OK)
        status = auxo_model_read_weights(network, weights, NULL, error);
    for (size_t f = 0; f < features && status == AUXO_OK; f++)
        weights[f] *= trained && trained->channel_count > 0 ? trained->inverse_stds[f / pixels] : 1;
    for (; linear->fit.count < count && status == AUXO_OK; linear->fit.count++) {
        const size_t feature = linear->features[linear->fit.count], reference = reference_of(dataset, feature);
        const double base = reference == feature ? 0 : (double)weights[reference];
        linear->fit.coefficients[linear->fit.count] = (auxo_cox_coefficient){
            AUXO_COEFFICIENT_FITTED, .value = (double)weights[feature] - base, .standard_error = (double)NAN};
    }
    free(weights);
    return status;
}

void auxo__linear_deinit(auxo__linear *linear)
{
    auxo_cox_fit_deinit(&linear->fit);
    free(linear->features);
    free(linear->references);
    *linear = (auxo__linear){0};
}
