/* runtime/cli/survival/survival_linear.c: coefficients of a linear Cox model: weights on standardised columns, divided
 * by the columns' standard deviations. One-hot columns of one text column are given as differences to its first level:
 * the common part of their weights does not change the likelihood.
 */
#include "survival_linear.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool survival_is_linear(const auxo_model *model)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    return desc->layer_count == 2 && desc->layers[1].kind == AUXO_LAYER_DENSE &&
           desc->layers[1].activation == AUXO_ACTIVATION_IDENTITY;
}

auxo_status survival_linear_print(auxo_model *model, const auxo_dataset *dataset, cli_output *output, auxo_error *error)
{
    const auxo_preprocessing *trained = auxo_model_preprocessing(model);
    size_t count = (size_t)dataset->channels;
    float *weights = malloc((auxo_model_weight_count(model) + 1) * sizeof *weights);
    if (!weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "coefficients: out of memory");
    auxo_status status = auxo_model_read_weights(model, weights, NULL, error);
    if (status != AUXO_OK) {
        free(weights);
        return status;
    }
    cli_table *table = cli_table_create("column|>coefficient|>hazard ratio");
    double reference = 0;
    for (size_t c = 0; c < count; c++) {
        char number[32];
        snprintf(number, sizeof number, "x%zu", c);
        const char *name = dataset->feature_names ? dataset->feature_names[c] : number;
        double value = weights[c] * (trained && trained->channel_count == count ? trained->inverse_stds[c] : 1.0f);
        size_t level = 0;
        const auxo_schema_input *input = dataset->schema ? auxo_data_schema_input(dataset->schema, c, &level) : NULL;
        bool category = input && input->kind == AUXO_INPUT_CATEGORY;
        reference = !category ? 0 : level == 0 ? value : reference;
        double coefficient = value - reference;
        cli_table_row(table, "%s|%.5f|%.4f", name, coefficient, exp(coefficient));
        cJSON *event = cli_event(output, "coefficient");
        cJSON_AddStringToObject(event, "column", name);
        cJSON_AddNumberToObject(event, "coefficient", coefficient);
        cli_emit(output, event);
    }
    cli_table_print(output, table);
    free(weights);
    return AUXO_OK;
}
