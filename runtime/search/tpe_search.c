/* tpe_search.c: search by the tree-structured Parzen estimator (Bergstra et al., NIPS 2011), over the units of a
 * network or over its layers.
 *
 * Everything follows from the genomes that were evaluated, as texts, and from those that others have: so a search goes
 * on from a checkpoint, from a study, or beside other workers.
 */
#include "genetic.h"
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- genomes as values ------------------------------------------------------------------------------------------- */

/* The number behind a key of a genome's text; NaN: it has none. */
static double number_after(const char *text, const char *key)
{
    const char *place = strstr(text, key);
    return place ? auxo__text_to_double(place + strlen(key), NULL) : (double)NAN;
}

static bool parse_values(const auxo_search *search, const char *text, double *values)
{
    auxo__net_genome net;
    const char *units = strstr(text, "units=");
    bool whole = true;
    if (search->options.layered) {
        whole = auxo__net_parse(text, &net, NULL) == AUXO_OK && net.layer_count <= search->options.layer_limit;
        if (whole)
            auxo__net_to_values(search, &net, values);
        return whole;
    }
    units = units ? units + strlen("units=") : NULL;
    for (uint32_t i = 0; i < search->space.count; i++) {
        const auxo__gene_kind kind = search->space.genes[i].kind;
        if (kind == AUXO__GENE_UNITS) {
            values[i] = units && *units ? strtod(units, NULL) : (double)NAN;
            units = units ? strpbrk(units, "- ") : NULL;
            units = units && *units == '-' ? units + 1 : NULL;
        } else {
            char key[16];
            snprintf(key, sizeof key, "%s=", auxo__gene_name(kind));
            values[i] = number_after(text, key);
        }
        whole = whole && !isnan(values[i]);
    }
    return whole;
}

/* All that was evaluated, then what others have. Ownership: free(*observations). */
static auxo_status collect(const auxo_search *search, auxo_observation **observations, size_t *count, auxo_error *error)
{
    const size_t rows = search->record_count + search->taken_count + 1, width = search->points.count;
    *count = 0;
    *observations = malloc(rows * (sizeof **observations + width * sizeof(double)));
    if (!*observations)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "search: out of memory");
    double *values = (double *)(void *)(*observations + rows);
    for (size_t i = 0; i + 1 < rows; i++) {
        const bool known = i < search->record_count;
        const char *text = known ? search->records[i].genome : search->taken[i - search->record_count];
        if (!parse_values(search, text, values))
            continue;
        (*observations)[(*count)++] = (auxo_observation){values, known ? -search->records[i].quality : INFINITY};
        values += width;
    }
    return AUXO_OK;
}

/* ---- proposals --------------------------------------------------------------------------------------------------- */

/* A point that nobody has: the estimator's, and where it insists on known ones, one at random. */
static auxo_status propose(auxo_search *search, double *values, auxo__next *next, auxo_error *error)
{
    enum { ESTIMATES_MAX = 20, ATTEMPTS_MAX = 200 };
    auxo_observation *observations = NULL;
    auxo_sampler sampler = search->options.sampler;
    char text[AUXO_GENOME_BYTES];
    size_t count = 0;
    const uint64_t number = auxo__search_next_number(search);
    sampler.seed = search->options.seed;
    auxo_status status = collect(search, &observations, &count, error);
    *next = AUXO__NEXT_NONE;
    for (uint64_t i = 0; i < ATTEMPTS_MAX && status == AUXO_OK && *next == AUXO__NEXT_NONE; i++) {
        sampler.kind = i < ESTIMATES_MAX ? AUXO_SAMPLER_TPE : AUXO_SAMPLER_RANDOM;
        status = auxo_sampler_propose(&sampler, &search->points, observations, count, i << 48 | number, values, error);
        auxo__values_format(search, values, text, sizeof text);
        if (status == AUXO_OK && !auxo__search_is_taken(search, text))
            *next = AUXO__NEXT_TRIAL;
    }
    free(observations);
    return status;
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static auxo_status evaluate_net(auxo_search *search, const double *values, auxo_search_record *record,
                                auxo_error *error)
{
    auxo__net_genome genome;
    auxo__candidate candidate = {0};
    auxo_model_desc desc;
    char text[AUXO_GENOME_BYTES];
    auxo__net_from_values(search, values, &genome);
    auxo__net_format(&genome, text, sizeof text);
    const auxo__settings settings = {.batch = genome.batch, .lr = genome.lr};
    auxo_model_desc_init(&desc);
    auxo_status status = auxo__net_desc(&search->desc, &genome, &desc, error);
    if (status == AUXO_OK)
        status = auxo__candidate_create(search, &desc, &settings, false, text, &candidate, error);
    if (status == AUXO_OK)
        status = auxo__candidate_train(search, &candidate, error);
    *record = candidate.record;
    auxo__candidate_close(&candidate);
    auxo_model_desc_deinit(&desc);
    return status;
}

static auxo_status evaluate(auxo_search *search, const double *values, auxo_search_record *record, auxo_error *error)
{
    return search->options.layered ? evaluate_net(search, values, record, error)
                                   : auxo__evaluate_values(search, values, record, error);
}

static auxo_status step(auxo_search *search, bool *done, auxo_error *error)
{
    double values[AUXO__GENES_MAX];
    auxo_search_record record;
    auxo__next next;
    auxo_status status = propose(search, values, &next, error);
    *done = status == AUXO_OK && next == AUXO__NEXT_NONE;
    if (status != AUXO_OK || *done)
        return status;
    status = evaluate(search, values, &record, error);
    return status == AUXO_OK ? auxo__search_keep_record(search, &record, error) : status;
}

const auxo__search_method auxo__method_tpe = {.step = step, .propose = propose, .evaluate = evaluate};
