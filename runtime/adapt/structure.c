/* structure.c: what a network is made of, as moves see it: groups of layers whose units go together, costs, and the
 * same network with other widths.
 */
#include "adapt_internal.h"
#include "model_internal.h"

#include <math.h>
#include <stdlib.h>

auxo_status auxo__structure_init(const auxo_model_desc *desc, auxo__structure *structure, auxo_error *error)
{
    *structure = (auxo__structure){.layer_count = desc->layer_count,
                                   .groups = malloc(desc->layer_count * sizeof *structure->groups),
                                   .resizable = malloc(desc->layer_count * sizeof *structure->resizable)};
    if (!structure->groups || !structure->resizable) {
        auxo__structure_deinit(structure);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "structure of a network: out of memory");
    }
    return auxo_model_desc_unit_groups(desc, structure->groups, structure->resizable, error);
}

void auxo__structure_deinit(auxo__structure *structure)
{
    free(structure->groups);
    free(structure->resizable);
    *structure = (auxo__structure){0};
}

/* One pass of a layer over `rows` rows: the longer of computing and moving, and its launch. */
static double pass_work(const auxo_model_desc *desc, uint32_t layer, double rows)
{
    static const double FLOPS_PER_VALUE = 40, LAUNCH = 128e3; /* 10 FLOPs a byte */
    auxo_layer_cost cost;
    double values = (double)auxo__layer_size(&desc->layers[layer]);
    auxo_model_desc_layer_cost(desc, layer, &cost);
    for (uint32_t i = 0; i < desc->layers[layer].input_count; i++)
        values += (double)auxo__layer_size(&desc->layers[desc->layers[layer].inputs[i]]);
    return rows * fmax((double)cost.flops, FLOPS_PER_VALUE * values) + LAUNCH;
}

double auxo__step_work(const auxo_model_desc *desc, uint32_t begin, uint32_t end, double rows)
{
    double sum = 0;
    uint32_t lowest = desc->layer_count;
    for (uint32_t l = begin; l < end && lowest == desc->layer_count; l++)
        if (auxo__layer_makes_units(desc, l) || auxo__layer_is_depthwise(desc, l))
            lowest = l;
    for (uint32_t l = 1; l < desc->layer_count; l++) {
        auxo_layer_cost cost;
        auxo_model_desc_layer_cost(desc, l, &cost);
        sum += pass_work(desc, l, rows) * (1 + (l > lowest) + (l >= begin && l < end && cost.weights > 0));
    }
    return sum;
}

double auxo__training_work(const auxo_model_desc *desc, uint32_t begin, uint32_t end)
{
    enum { ROWS = 128 };
    return auxo__step_work(desc, begin, end, ROWS) / ROWS;
}

bool auxo__in_group(const auxo_model_desc *desc, const auxo__structure *structure, uint32_t layer, uint32_t group)
{
    return structure->groups[layer] == group && auxo__layer_makes_units(desc, layer);
}

bool auxo__has_own_units(const auxo_model_desc *desc, const auxo__structure *structure, uint32_t layer)
{
    uint32_t members = 0;
    for (uint32_t l = 0; l < desc->layer_count; l++)
        members += auxo__in_group(desc, structure, l, structure->groups[layer]);
    return members == 1;
}

auxo_status auxo__with_units(const auxo_model_desc *desc, const auxo__structure *structure, uint32_t layer,
                             uint32_t units, auxo_model_desc *result, auxo_error *error)
{
    const uint32_t group = structure->groups[layer];
    auxo_status status = auxo_model_desc_copy(desc, result, error);
    if (status != AUXO_OK)
        return status;
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        if (structure->groups[l] != group || desc->layers[l].kind == AUXO_LAYER_BATCH_NORM)
            continue;
        if (auxo__layer_makes_units(desc, l))
            result->layers[l].units = units;
        else if (auxo__layer_is_depthwise(desc, l)) {
            result->layers[l].units = units;
            result->layers[l].groups = (int32_t)units;
        }
    }
    status = auxo_model_desc_finish(result, error);
    if (status != AUXO_OK) {
        auxo_model_desc_deinit(result);
        *result = (auxo_model_desc){0};
    }
    return status;
}
