/* runtime/search/space.c: the hyperparameters that are searched (Cahlik 2022, 6.2.2.1), and the networks they describe.
 *
 * A genome is the text that names it: values are rounded to what the text shows, so that equal texts are equal genomes.
 */
#include "number.h"
#include "search_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_BATCH = 32 };
static const double START_LR = 4e-4;

auxo_status auxo__hidden_layers(const auxo_model_desc *desc, uint32_t *layers, uint32_t capacity, uint32_t *count,
                                auxo_error *error)
{
    *count = 0;
    uint32_t *groups = malloc((desc->layer_count + 1) * sizeof *groups);
    bool *resizable = malloc((desc->layer_count + 1) * sizeof *resizable);
    auxo_status status = groups && resizable ? auxo_model_desc_unit_groups(desc, groups, resizable, error)
                                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "search: out of memory");
    for (uint32_t i = 0; status == AUXO_OK && i < desc->layer_count; i++) {
        const bool weights = desc->layers[i].kind == AUXO_LAYER_DENSE || desc->layers[i].kind == AUXO_LAYER_CONV2D;
        if (!weights || !resizable[i] || groups[i] != i)
            continue;
        if (*count < capacity)
            layers[*count] = i;
        ++*count;
    }
    free(groups);
    free(resizable);
    return status;
}

const char *auxo__gene_name(auxo__gene_kind kind)
{
    static const char *const names[] = {"units", "lr", "batch", "alpha", "drive", "keep"};
    return names[kind];
}

bool auxo__gene_is_exponent(auxo__gene_kind kind)
{
    return kind == AUXO__GENE_ALPHA || kind == AUXO__GENE_DRIVE;
}

static auxo_range exponents(auxo_range range)
{
    return (auxo_range){log10(range.low), log10(range.high)};
}

static auxo_status check_range(const char *name, const auxo_range *range, double minimum, double maximum,
                               auxo_error *error)
{
    if (!(range->low >= minimum) || !(range->high >= range->low) || !(range->high <= maximum))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "the range of %s is %g to %g: it must lie within %g and %g, the lower end first", name,
                              range->low, range->high, minimum, maximum);
    return AUXO_OK;
}

static void add_gene(auxo__space *space, auxo__gene_kind kind, bool integer, auxo_range range, double start)
{
    auxo__gene *gene = &space->genes[space->count++];
    *gene = (auxo__gene){.kind = kind, .integer = integer, .low = range.low, .high = range.high};
    gene->start = auxo__gene_correct(gene, start);
}

auxo_status auxo__space_init(const auxo_model_desc *desc, const auxo_search_options *options, auxo__space *space,
                             auxo_error *error)
{
    enum { OTHER_GENES = 5 };
    const bool units = !options->dynamic && !options->layered;
    uint32_t layers = 0;
    *space = (auxo__space){0};
    auxo_status counted = options->layered ? AUXO_OK : auxo__hidden_layers(desc, NULL, 0, &layers, error);
    if (counted != AUXO_OK)
        return counted;
    if (!options->layered && layers == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "model %s has no hidden layer to size", desc->name);
    if (units && layers > AUXO__GENES_MAX - OTHER_GENES)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "model %s has %u hidden layers; at most %d can be sized by a search of units", desc->name,
                              layers, AUXO__GENES_MAX - OTHER_GENES);
    auxo_status status = check_range("units", &options->units, 1, 1e6, error);
    if (status == AUXO_OK)
        status = check_range("the learning rate", &options->lr, 1e-12, 1e3, error);
    if (status == AUXO_OK)
        status = check_range("the batch size", &options->batch, 1, 1e6, error);
    if (status == AUXO_OK && options->adapt)
        status = check_range("drive", &options->growth_drive, 1e-12, 1e3, error);
    if (status == AUXO_OK && options->adapt)
        status = check_range("keep", &options->keep_gain, 0, 1e3, error);
    if (status == AUXO_OK && options->alpha.high > 0)
        status = check_range("alpha", &options->alpha, 1e-12, 1e3, error);
    if (status != AUXO_OK)
        return status;
    for (uint32_t i = 0; units && i < layers; i++)
        add_gene(space, AUXO__GENE_UNITS, true, options->units, options->units.low);
    space->unit_count = space->count;
    add_gene(space, AUXO__GENE_LR, false, options->lr, START_LR);
    add_gene(space, AUXO__GENE_BATCH, true, options->batch, START_BATCH);
    if (options->adapt) {
        add_gene(space, AUXO__GENE_DRIVE, false, exponents(options->growth_drive), log10(options->growth_drive.low));
        add_gene(space, AUXO__GENE_KEEP, false, options->keep_gain, options->keep_gain.low);
        return AUXO_OK;
    }
    /* Progressive growth has a schedule of its own. Evolution begins with the strongest penalty: small networks. */
    if (options->alpha.high > 0 && options->method != AUXO_SEARCH_GROWTH)
        add_gene(space, AUXO__GENE_ALPHA, false, exponents(options->alpha), log10(options->alpha.high));
    return AUXO_OK;
}

/* To four digits, as genomes are written. */
static double rounded(double value)
{
    char text[32];
    auxo__number_print(text, sizeof text, "%.4g", value);
    return auxo__text_to_double(text, NULL);
}

double auxo__gene_correct(const auxo__gene *gene, double value)
{
    value = gene->integer ? floor(value + 0.5) : value;
    value = value < gene->low ? gene->low : value > gene->high ? gene->high : value;
    return gene->kind == AUXO__GENE_LR || gene->kind == AUXO__GENE_KEEP ? rounded(value) : value;
}

double auxo__gene_at(const auxo__gene *gene, double relative)
{
    return auxo__gene_correct(gene, gene->low + relative * (gene->high - gene->low));
}

void auxo__genome_draw(const auxo__space *space, auxo__random *random, auxo__genome *genome)
{
    for (uint32_t i = 0; i < space->count; i++) {
        const auxo__gene *gene = &space->genes[i];
        /* Every whole number of a range is as likely as any other. */
        const double margin = gene->integer ? 0.5 : 0;
        const double value = auxo__random_uniform(random, gene->low - margin, gene->high + margin);
        genome->values[i] = auxo__gene_correct(gene, value);
    }
}

auxo__settings auxo__genome_settings(const auxo__space *space, const auxo__genome *genome)
{
    auxo__settings settings = {0};
    for (uint32_t i = 0; i < space->count; i++) {
        const double value = genome->values[i];
        if (space->genes[i].kind == AUXO__GENE_LR)
            settings.lr = value;
        else if (space->genes[i].kind == AUXO__GENE_BATCH)
            settings.batch = (uint32_t)value;
        else if (space->genes[i].kind == AUXO__GENE_ALPHA)
            settings.alpha = rounded(pow(10, value));
        else if (space->genes[i].kind == AUXO__GENE_DRIVE)
            settings.drive = rounded(pow(10, value));
        else if (space->genes[i].kind == AUXO__GENE_KEEP)
            settings.keep = value;
    }
    return settings;
}

void auxo__genome_format(const auxo__space *space, const auxo__genome *genome, char *text, size_t size)
{
    const auxo__settings settings = auxo__genome_settings(space, genome);
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < space->unit_count && used < size; i++)
        used += (size_t)auxo__number_print(text + used, size - used, "%s%.0f", i ? "-" : "units=", genome->values[i]);
    if (used < size)
        used += (size_t)auxo__number_print(text + used, size - used, "%slr=%.4g batch=%u", used ? " " : "", settings.lr,
                                           settings.batch);
    if (settings.alpha > 0 && used < size)
        auxo__number_print(text + used, size - used, " alpha=%.4g", settings.alpha);
    if (settings.drive > 0 && used < size)
        auxo__number_print(text + used, size - used, " drive=%.4g keep=%.4g", settings.drive, settings.keep);
}

auxo_status auxo__genome_desc(const auxo_search *search, const auxo__genome *genome, auxo_model_desc *desc,
                              auxo_error *error)
{
    const auxo_model_desc *source = &search->desc;
    uint32_t *groups = malloc((source->layer_count + 1) * sizeof *groups);
    bool *resizable = malloc((source->layer_count + 1) * sizeof *resizable);
    uint32_t hidden[AUXO__GENES_MAX], count = 0;
    auxo_status status =
        groups && resizable ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "search: out of memory");
    if (status == AUXO_OK)
        status = auxo_model_desc_unit_groups(source, groups, resizable, error);
    if (status == AUXO_OK && search->space.unit_count)
        status = auxo__hidden_layers(source, hidden, AUXO__GENES_MAX, &count, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_copy(source, desc, error);
    for (uint32_t i = 0; status == AUXO_OK && i < desc->layer_count; i++) {
        auxo_layer *layer = &desc->layers[i];
        if ((layer->kind != AUXO_LAYER_DENSE && layer->kind != AUXO_LAYER_CONV2D) || !resizable[i])
            continue;
        uint32_t units = search->options.initial_units;
        for (uint32_t g = 0; g < count; g++)
            units = hidden[g] == groups[i] ? (uint32_t)genome->values[g] : units;
        if (layer->depthwise)
            layer->groups = (int32_t)units;
        layer->units = units;
    }
    if (status == AUXO_OK)
        status = auxo_model_desc_finish(desc, error);
    free(groups);
    free(resizable);
    return status;
}
