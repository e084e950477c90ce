/* runtime/sizing/morph_step.c: one MorphNet step: from living channels to the next widths, within the budget. */
#include "morph_channels.h"

#include <stdlib.h>

auxo_status auxo__morph_create_for(auxo_model *model, const auxo_budget *budget, const auxo_morph_options *options,
                                   auxo_morph **morph, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    auxo_morph_options complete = *options;
    complete.resource = budget->resource;
    double total, *layer_ns = malloc(desc->layer_count * sizeof *layer_ns);
    auxo_status status = layer_ns ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet: out of memory");
    if (status == AUXO_OK && budget->resource == AUXO_RESOURCE_LATENCY) {
        status = auxo_latency_measure(budget->device, desc, budget->batch, layer_ns, &total, error);
        complete.layer_ns = layer_ns;
    }
    if (status == AUXO_OK)
        status = auxo_morph_create(model, &complete, morph, error);
    free(layer_ns);
    return status;
}

auxo_status auxo_morph_mix(const auxo_model_desc *current, const auxo_model_desc *suggestion, const auxo_budget *budget,
                           double intensity, auxo_model_desc *mixed, auxo_error *error)
{
    double *widths = calloc(current->layer_count + 1, sizeof *widths), cost = 0, kappa;
    if (!widths)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet step: out of memory");
    for (uint32_t l = 0; l < current->layer_count; l++)
        widths[l] = (1 - intensity) * current->layers[l].units + intensity * suggestion->layers[l].units;
    auxo_status status = auxo__morph_at_widths(current, widths, budget->resource, mixed, error);
    if (status == AUXO_OK) {
        status = auxo_morph_desc_cost(mixed, budget, &cost, error);
        if (status != AUXO_OK || cost > budget->limit)
            auxo_model_desc_deinit(mixed);
        if (status == AUXO_OK && cost > budget->limit)
            status = auxo_morph_expand(current, widths, budget, &kappa, mixed, error);
    }
    free(widths);
    return status;
}

auxo_status auxo_morph_step(const auxo_morph *morph, const auxo_budget *budget, double intensity, double *kappa,
                            auxo_model_desc *next, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(auxo__morph_model(morph));
    uint32_t dead = auxo_morph_dead_layer(morph);
    if (dead < desc->layer_count)
        return auxo_error_set(error, AUXO_NOT_FINITE,
                              "the architecture broke down: no channel of %s is alive; use a weaker penalty",
                              desc->layers[dead].name);
    uint32_t *alive = malloc(desc->layer_count * sizeof *alive);
    double *widths = malloc(desc->layer_count * sizeof *widths);
    auxo_model_desc expanded;
    auxo_status status = AUXO_OK;
    if (!alive || !widths)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "MorphNet step: out of memory");
    if (status == AUXO_OK) {
        auxo_morph_alive_widths(morph, alive);
        for (uint32_t l = 0; l < desc->layer_count; l++)
            widths[l] = alive[l];
        status = auxo_morph_expand(desc, widths, budget, kappa, &expanded, error);
    }
    if (status == AUXO_OK && intensity < 1) {
        auxo_model_desc suggestion = expanded;
        status = auxo_morph_mix(desc, &suggestion, budget, intensity, &expanded, error);
        auxo_model_desc_deinit(&suggestion);
    }
    free(alive);
    free(widths);
    if (status == AUXO_OK)
        *next = expanded;
    return status;
}
