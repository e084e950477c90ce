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

/* Length of "column" in "column=level"; 0 for a numeric column. */
static size_t stem_length(const char *name)
{
    const char *equals = strrchr(name, '=');
    return equals ? (size_t)(equals - name) : 0;
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
    const char *reference = NULL;
    double reference_value = 0;
    for (size_t c = 0; c < count; c++) {
        char number[32];
        snprintf(number, sizeof number, "x%zu", c);
        const char *name = dataset->feature_names ? dataset->feature_names[c] : number;
        double value = weights[c] * (trained && trained->channel_count == count ? trained->inverse_stds[c] : 1.0f);
        size_t stem = stem_length(name);
        bool same = stem > 0 && reference && stem_length(reference) == stem && strncmp(reference, name, stem) == 0;
        if (stem > 0 && !same) {
            reference = name;
            reference_value = value;
        }
        double coefficient = stem > 0 ? value - reference_value : value;
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
