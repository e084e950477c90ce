/* runtime/search/genetic_genome.c: draws, mutation, crossover, text and network of a genome (Zhan). */
#include "genetic.h"
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t draw_integer(auxo__random *random, const auxo_range *range)
{
    return (uint32_t)range->low + auxo__random_below(random, (uint32_t)range->high - (uint32_t)range->low + 1);
}

/* Every power of ten is as likely as any other; rounded as the genome's text shows it. */
static double draw_lr(const auxo_search_options *options, auxo__random *random)
{
    char text[32];
    if (!options->search_lr)
        return 0;
    auxo__number_print(text, sizeof text, "%.4g",
                       pow(10, auxo__random_uniform(random, log10(options->lr.low), log10(options->lr.high))));
    return auxo__text_to_double(text, NULL);
}

static auxo__layer_gene draw_layer(const auxo_search_options *options, auxo__random *random)
{
    auxo__layer_gene layer = {.units = draw_integer(random, &options->units)};
    layer.activation = (auxo_activation)auxo__random_below(random, AUXO_ACTIVATION_COUNT);
    return layer;
}

static void insert_layer(const auxo_search_options *options, auxo__random *random, auxo__net_genome *genome)
{
    const uint32_t at = auxo__random_below(random, genome->layer_count + 1);
    memmove(&genome->layers[at + 1], &genome->layers[at], (genome->layer_count - at) * sizeof genome->layers[0]);
    genome->layers[at] = draw_layer(options, random);
    genome->layer_count++;
}

static void remove_layer(auxo__random *random, auxo__net_genome *genome)
{
    const uint32_t at = auxo__random_below(random, genome->layer_count--);
    memmove(&genome->layers[at], &genome->layers[at + 1], (genome->layer_count - at) * sizeof genome->layers[0]);
}

void auxo__net_add_layer(const auxo_search_options *options, auxo__random *random, auxo__net_genome *genome)
{
    if (options->layer_addition > 0 && auxo__random_uniform(random, 0, 1) < options->layer_addition &&
        genome->layer_count < options->layer_limit)
        insert_layer(options, random, genome);
}

void auxo__net_draw(const auxo_search_options *options, auxo__random *random, auxo__net_genome *genome)
{
    *genome = (auxo__net_genome){.batch = draw_integer(random, &options->batch), .lr = draw_lr(options, random)};
    genome->layer_count = 1 + auxo__random_below(random, options->layer_limit);
    for (uint32_t i = 0; i < genome->layer_count; i++)
        genome->layers[i] = draw_layer(options, random);
    auxo__net_add_layer(options, random, genome);
}

void auxo__net_mutate(const auxo_search_options *options, auxo__random *random, auxo__net_genome *genome)
{
    enum { BATCH, UNITS, ACTIVATION, MORE, FEWER, LR, KINDS };
    const uint32_t kind = auxo__random_below(random, options->search_lr ? KINDS : LR);
    auxo__layer_gene *layer = &genome->layers[auxo__random_below(random, genome->layer_count)];
    if (kind == BATCH)
        genome->batch = draw_integer(random, &options->batch);
    else if (kind == LR)
        genome->lr = draw_lr(options, random);
    else if (kind == MORE && genome->layer_count < options->layer_limit)
        insert_layer(options, random, genome);
    else if (kind == FEWER && genome->layer_count > 1)
        remove_layer(random, genome);
    else if (kind == ACTIVATION)
        layer->activation = (auxo_activation)auxo__random_below(random, AUXO_ACTIVATION_COUNT);
    else /* also where a layer more or less is not possible */
        layer->units = draw_integer(random, &options->units);
}

void auxo__net_cross(const auxo_search_options *options, auxo__random *random, const auxo__net_genome *a,
                     const auxo__net_genome *b, auxo__net_genome *child)
{
    *child = *a;
    if (auxo__random_below(random, 2))
        child->batch = b->batch;
    if (auxo__random_below(random, 2))
        child->lr = b->lr;
    child->layer_count = auxo__random_below(random, a->layer_count + 1);
    for (uint32_t i = auxo__random_below(random, b->layer_count + 1); i < b->layer_count; i++)
        if (child->layer_count < options->layer_limit)
            child->layers[child->layer_count++] = b->layers[i];
    if (child->layer_count == 0)
        child->layers[child->layer_count++] = a->layers[0];
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

void auxo__net_format(const auxo__net_genome *genome, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "batch=%u", genome->batch);
    if (genome->lr > 0 && used < size)
        used += (size_t)auxo__number_print(text + used, size - used, " lr=%.4g", genome->lr);
    if (used < size)
        used += (size_t)snprintf(text + used, size - used, " layers=%s", genome->layer_count ? "" : "none");
    for (uint32_t i = 0; i < genome->layer_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%u:%s", i ? "," : "", genome->layers[i].units,
                                 auxo_activation_noun(genome->layers[i].activation));
}

static bool parse_layers(const char *text, auxo__net_genome *genome)
{
    if (strcmp(text, "none") == 0)
        return true;
    while (genome->layer_count < AUXO__LAYERS_MAX) {
        char noun[32], *end = NULL;
        auxo__layer_gene *layer = &genome->layers[genome->layer_count++];
        layer->units = (uint32_t)strtoul(text, &end, 10);
        if (end == text || *end != ':' || layer->units == 0)
            return false;
        const size_t length = strcspn(++end, ",");
        snprintf(noun, sizeof noun, "%.*s", (int)length, end);
        if (auxo_activation_find(noun, &layer->activation, NULL) != AUXO_OK)
            return false;
        if (end[length] == '\0')
            return true;
        text = end + length + 1;
    }
    return false;
}

auxo_status auxo__net_parse(const char *text, auxo__net_genome *genome, auxo_error *error)
{
    const char *lr = strstr(text, " lr="), *layers = strstr(text, " layers=");
    *genome = (auxo__net_genome){0};
    if (strncmp(text, "batch=", 6) == 0)
        genome->batch = (uint32_t)strtoul(text + 6, NULL, 10);
    if (lr)
        genome->lr = auxo__text_to_double(lr + strlen(" lr="), NULL);
    if (genome->batch == 0 || !layers || !parse_layers(layers + strlen(" layers="), genome))
        return auxo_error_set(error, AUXO_FORMAT, "search: \"%.100s\" is no genome", text);
    return AUXO_OK;
}

/* ---- network ----------------------------------------------------------------------------------------------------- */

static auxo_initializer initializer_for(auxo_activation activation)
{
    switch (activation) {
    case AUXO_ACTIVATION_RELU:
    case AUXO_ACTIVATION_LEAKY_RELU:
    case AUXO_ACTIVATION_ELU:
        return AUXO_INITIALIZER_HE_NORMAL;
    case AUXO_ACTIVATION_SELU:
        return AUXO_INITIALIZER_LECUN_NORMAL;
    default:
        return AUXO_INITIALIZER_GLOROT_UNIFORM;
    }
}

static auxo_status add_dense(auxo_model_desc *desc, const char *name, uint32_t units, auxo_activation activation,
                             auxo_error *error)
{
    auxo_layer layer = {.kind = AUXO_LAYER_DENSE,
                        .input_count = 1,
                        .inputs = {desc->layer_count - 1},
                        .units = units,
                        .bias = true,
                        .activation = activation,
                        .initializer = initializer_for(activation)};
    snprintf(layer.name, sizeof layer.name, "%s", name);
    return auxo_model_desc_add(desc, &layer, NULL, error);
}

auxo_status auxo__net_desc(const auxo_model_desc *frame, const auxo__net_genome *genome, auxo_model_desc *desc,
                           auxo_error *error)
{
    const auxo_layer *input = &frame->layers[0], *output = &frame->layers[frame->layer_count - 1];
    const auxo_layer flatten = {.name = "flatten", .kind = AUXO_LAYER_FLATTEN, .input_count = 1, .inputs = {0}};
    char name[32];
    snprintf(desc->name, sizeof desc->name, "genetic");
    auxo_status status = auxo_model_desc_add(desc, input, NULL, error);
    if (status == AUXO_OK && input->output_dims[1] * input->output_dims[2] > 1)
        status = auxo_model_desc_add(desc, &flatten, NULL, error);
    for (uint32_t i = 0; i < genome->layer_count && status == AUXO_OK; i++) {
        snprintf(name, sizeof name, "dense%u", i + 1);
        status = add_dense(desc, name, genome->layers[i].units, genome->layers[i].activation, error);
    }
    if (status == AUXO_OK)
        status = add_dense(desc, "output", (uint32_t)output->output_dims[0], AUXO_ACTIVATION_IDENTITY, error);
    return status == AUXO_OK ? auxo_model_desc_finish(desc, error) : status;
}
