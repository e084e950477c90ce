/* space_points.c: genomes as the parameters of a study's trials, and back.
 *
 * Fully connected networks of genetic tuning have the number of layers as a parameter; units and activation of layer i
 * exist only where there are at least i.
 */
#include "genetic.h"
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static auxo_status add(auxo_space *points, const char *name, auxo_parameter parameter, auxo_error *error)
{
    snprintf(parameter.name, sizeof parameter.name, "%s", name);
    return auxo_space_add(points, &parameter, error);
}

static auxo_parameter real_of(auxo_range range, bool log)
{
    return (auxo_parameter){
        .kind = AUXO_PARAMETER_REAL, .low = range.low, .high = range.high, .log = log, .parent = -1};
}

static auxo_parameter integer_of(double low, double high)
{
    return (auxo_parameter){.kind = AUXO_PARAMETER_INTEGER, .low = low, .high = high, .step = 1, .parent = -1};
}

/* ---- layers that are searched ------------------------------------------------------------------------------------ */

static auxo_status add_activation(auxo_space *points, const char *name, const auxo_parameter *condition,
                                  auxo_error *error)
{
    char texts[AUXO_ACTIVATION_COUNT][40], *choices[AUXO_ACTIVATION_COUNT];
    auxo_parameter parameter = *condition;
    for (int i = 0; i < AUXO_ACTIVATION_COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "\"%s\"", auxo_activation_noun((auxo_activation)i));
        choices[i] = texts[i];
    }
    parameter.kind = AUXO_PARAMETER_CHOICE;
    parameter.choices = choices;
    parameter.choice_count = AUXO_ACTIVATION_COUNT;
    return add(points, name, parameter, error);
}

static auxo_status add_layers(const auxo_search_options *options, auxo_space *points, auxo_error *error)
{
    auxo_status status = add(points, "batch", integer_of(options->batch.low, options->batch.high), error);
    if (status == AUXO_OK && options->search_lr)
        status = add(points, "lr", real_of(options->lr, true), error);
    const int layers = (int)points->count;
    if (status == AUXO_OK)
        status = add(points, "layers", integer_of(1, options->layer_limit), error);
    for (uint32_t i = 1; i <= options->layer_limit && status == AUXO_OK; i++) {
        char name[AUXO_PARAMETER_NAME_BYTES];
        auxo_parameter units = integer_of(options->units.low, options->units.high);
        if (i > 1) {
            units.parent = layers;
            units.parent_low = i;
            units.parent_high = options->layer_limit;
        }
        snprintf(name, sizeof name, "units_%u", i);
        status = add(points, name, units, error);
        snprintf(name, sizeof name, "activation_%u", i);
        if (status == AUXO_OK)
            status = add_activation(points, name, &units, error);
    }
    return status;
}

void auxo__net_to_values(const auxo_search *search, const auxo__net_genome *genome, double *values)
{
    size_t at = 0;
    values[at++] = genome->batch;
    if (search->options.search_lr)
        values[at++] = genome->lr;
    values[at++] = genome->layer_count;
    for (uint32_t i = 0; i < search->options.layer_limit; i++) {
        const bool is_there = i < genome->layer_count;
        values[at++] = is_there ? (double)genome->layers[i].units : (double)NAN;
        values[at++] = is_there ? (double)genome->layers[i].activation : (double)NAN;
    }
}

void auxo__net_from_values(const auxo_search *search, const double *values, auxo__net_genome *genome)
{
    size_t at = 0;
    *genome = (auxo__net_genome){.batch = (uint32_t)values[at++]};
    if (search->options.search_lr) {
        char text[32]; /* as the genome's text has it */
        auxo__number_print(text, sizeof text, "%.4g", values[at++]);
        genome->lr = auxo__text_to_double(text, NULL);
    }
    genome->layer_count = (uint32_t)values[at++];
    for (uint32_t i = 0; i < genome->layer_count && i < AUXO__LAYERS_MAX; i++) {
        genome->layers[i].units = isnan(values[at]) ? (uint32_t)search->options.units.low : (uint32_t)values[at];
        at++;
        genome->layers[i].activation = isnan(values[at]) ? (auxo_activation)0 : (auxo_activation)values[at];
        at++;
    }
}

/* ---- all others -------------------------------------------------------------------------------------------------- */

auxo_status auxo__search_points(const auxo_search *search, auxo_space *points, auxo_error *error)
{
    const auxo_search_options *options = &search->options;
    auxo_status status = AUXO_OK;
    if (options->layered)
        return add_layers(options, points, error);
    for (uint32_t i = 0; i < search->space.count && status == AUXO_OK; i++) {
        const auxo__gene *gene = &search->space.genes[i];
        const auxo_range range = {gene->low, gene->high};
        char units[32];
        snprintf(units, sizeof units, "units_%u", i + 1);
        if (gene->kind == AUXO__GENE_UNITS)
            status = add(points, units, integer_of(ceil(gene->low), floor(gene->high)), error);
        else if (gene->kind == AUXO__GENE_BATCH)
            status = add(points, "batch", integer_of(ceil(gene->low), floor(gene->high)), error);
        else if (auxo__gene_is_exponent(gene->kind))
            status = add(points, auxo__gene_name(gene->kind),
                         real_of(gene->kind == AUXO__GENE_ALPHA ? options->alpha : options->growth_drive, true), error);
        else
            status = add(points, auxo__gene_name(gene->kind), real_of(range, false), error);
    }
    return status;
}

auxo_status auxo_search_space(const auxo_search *search, auxo_space *space, auxo_error *error)
{
    return auxo__search_points(search, space, error);
}

static double within(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

void auxo__genome_to_values(const auxo_search *search, const auxo__genome *genome, double *values)
{
    const auxo__settings settings = auxo__genome_settings(&search->space, genome);
    for (uint32_t i = 0; i < search->space.count; i++) {
        const auxo_parameter *p = &search->points.items[i];
        const auxo__gene_kind kind = search->space.genes[i].kind;
        const double value = kind == AUXO__GENE_ALPHA   ? settings.alpha
                             : kind == AUXO__GENE_DRIVE ? settings.drive
                                                        : genome->values[i];
        values[i] = p->step > 1 ? auxo_parameter_round(p, value) : within(value, p->low, p->high);
    }
}

void auxo__genome_from_values(const auxo_search *search, const double *values, auxo__genome *genome)
{
    *genome = (auxo__genome){{0}};
    for (uint32_t i = 0; i < search->space.count; i++) {
        const auxo__gene *gene = &search->space.genes[i];
        const double value = auxo__gene_is_exponent(gene->kind) ? log10(values[i]) : values[i];
        genome->values[i] = auxo__gene_correct(gene, value);
    }
}

void auxo__values_format(const auxo_search *search, const double *values, char *text, size_t size)
{
    auxo__net_genome net;
    auxo__genome genome;
    if (search->options.layered) {
        auxo__net_from_values(search, values, &net);
        auxo__net_format(&net, text, size);
    } else {
        auxo__genome_from_values(search, values, &genome);
        auxo__genome_format(&search->space, &genome, text, size);
    }
}
