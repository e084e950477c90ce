/* runtime/search/genetic.c: genetic tuning (Zhan, Algorithms A and B): a population of genomes, each judged by a
 * network trained from scratch.
 *
 * A step trains one network: first the baseline without hidden layer, then what the population holds and no record
 * knows. When all are known the next generation is bred: the best `keep` are parents, the best `elite` of them go on
 * unchanged, children are crossed and mutated. The layers are part of the genome, so that fitness is a function of it
 * and no genome is trained twice.
 */
#include "genetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BASELINE_BATCH = 128 };

typedef struct member {
    auxo__net_genome genome;
    char text[AUXO_GENOME_BYTES];
} member;

typedef struct genetic {
    member *members, *next; /* population each */
    uint64_t *hall;         /* hall_size numbers of records, best first */
    size_t hall_count;
    uint32_t generation; /* finished ones */
    bool has_baseline;
    auxo_search_record baseline;
} genetic;

/* ---- the first generation ---------------------------------------------------------------------------------------- */

static void set_member(member *m, const auxo__net_genome *genome)
{
    m->genome = *genome;
    auxo__net_format(genome, m->text, sizeof m->text);
}

static bool is_among(const member *members, uint32_t count, const char *text)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(members[i].text, text) == 0)
            return true;
    return false;
}

static auxo_status begin(auxo_search *search, auxo_error *error)
{
    enum { DRAWS_MAX = 100 };
    genetic *state = search->state;
    const uint32_t count = search->options.population;
    state->members = calloc(count, sizeof *state->members);
    state->next = calloc(count, sizeof *state->next);
    state->hall = calloc(search->options.hall_size + 1, sizeof *state->hall);
    if (!state->members || !state->next || !state->hall)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "genetic tuning: out of memory");
    auxo__random random;
    auxo__random_init(&random, search->options.seed, AUXO__STREAM_POPULATION, 0);
    for (uint32_t i = 0; i < count; i++)
        for (int draw = 0; draw < DRAWS_MAX; draw++) {
            auxo__net_genome genome;
            auxo__net_draw(&search->options, &random, &genome);
            set_member(&state->members[i], &genome);
            if (!is_among(state->members, i, state->members[i].text))
                break;
        }
    return AUXO_OK;
}

static void end(auxo_search *search)
{
    genetic *state = search->state;
    free(state->members);
    free(state->next);
    free(state->hall);
}

/* ---- breeding ---------------------------------------------------------------------------------------------------- */

static bool record_is_better(const auxo_search_record *a, const auxo_search_record *b)
{
    return auxo__is_better(a->quality, a->loss, b->quality, b->loss);
}

/* Moves the best `keep` members to the front, best first; of equals the first stays first. */
static void rank_members(const auxo_search *search, genetic *state)
{
    for (uint32_t i = 0; i < search->options.keep; i++) {
        uint32_t best = i;
        for (uint32_t j = i + 1; j < search->options.population; j++)
            if (record_is_better(auxo__search_find(search, state->members[j].text),
                                 auxo__search_find(search, state->members[best].text)))
                best = j;
        const member kept = state->members[best];
        memmove(&state->members[i + 1], &state->members[i], (best - i) * sizeof *state->members);
        state->members[i] = kept;
    }
}

/* A child of two of the best that no record knows, if a few attempts find one. */
static void make_child(const auxo_search *search, const genetic *state, auxo__random *random, uint32_t count)
{
    enum { ATTEMPTS_MAX = 50 };
    const auxo_search_options *options = &search->options;
    member *child = &state->next[count];
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const auxo__net_genome *a = &state->members[auxo__random_below(random, options->keep)].genome;
        const auxo__net_genome *b = &state->members[auxo__random_below(random, options->keep)].genome;
        auxo__net_genome genome = *a;
        if (auxo__random_uniform(random, 0, 1) < options->crossover)
            auxo__net_cross(options, random, a, b, &genome);
        if (auxo__random_uniform(random, 0, 1) < options->mutation)
            auxo__net_mutate(options, random, &genome);
        auxo__net_add_layer(options, random, &genome);
        set_member(child, &genome);
        if (!auxo__search_find(search, child->text) && !is_among(state->next, count, child->text))
            return;
    }
}

static void breed(const auxo_search *search, genetic *state)
{
    auxo__random random;
    state->generation++;
    auxo__random_init(&random, search->options.seed, AUXO__STREAM_POPULATION, state->generation);
    rank_members(search, state);
    for (uint32_t i = 0; i < search->options.population; i++)
        if (i < search->options.elite)
            state->next[i] = state->members[i];
        else
            make_child(search, state, &random, i);
    member *old = state->members;
    state->members = state->next;
    state->next = old;
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static auxo_status train_genome(auxo_search *search, const member *m, auxo_search_record *record, auxo_error *error)
{
    const genetic *state = search->state;
    const auxo__settings settings = {.batch = m->genome.batch, .lr = m->genome.lr};
    auxo__candidate candidate = {0};
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status = auxo__net_desc(&search->desc, &m->genome, &desc, error);
    if (status == AUXO_OK)
        status = auxo__candidate_create(search, &desc, &settings, false, m->text, &candidate, error);
    candidate.record.generation = state->generation + 1;
    if (m->genome.layer_count == 0)
        candidate.record.number = candidate.record.generation = 0;
    if (status == AUXO_OK)
        status = auxo__candidate_train(search, &candidate, error);
    *record = candidate.record;
    auxo__candidate_close(&candidate);
    auxo_model_desc_deinit(&desc);
    return status;
}

static auxo_status train_baseline(auxo_search *search, auxo_error *error)
{
    genetic *state = search->state;
    member baseline;
    set_member(&baseline, &(auxo__net_genome){.batch = BASELINE_BATCH});
    auxo_status status = train_genome(search, &baseline, &state->baseline, error);
    state->has_baseline = status == AUXO_OK;
    return status;
}

static void enter_hall(const auxo_search *search, genetic *state, uint64_t number)
{
    size_t place = state->hall_count;
    while (place > 0 && record_is_better(auxo_search_record_of(search, number),
                                         auxo_search_record_of(search, state->hall[place - 1])))
        place--;
    if (place >= search->options.hall_size)
        return;
    if (state->hall_count < search->options.hall_size)
        state->hall_count++;
    memmove(&state->hall[place + 1], &state->hall[place], (state->hall_count - place - 1) * sizeof *state->hall);
    state->hall[place] = number;
}

/* A member that no record knows; NULL: all are known. */
static const member *find_unknown(const auxo_search *search, const genetic *state)
{
    for (uint32_t i = 0; i < search->options.population; i++)
        if (!auxo__search_find(search, state->members[i].text))
            return &state->members[i];
    return NULL;
}

/* Generations that are over since the one that brought the best network. */
static uint32_t barren_generations(const auxo_search *search, const genetic *state)
{
    const auxo_search_record *best = NULL;
    for (size_t i = 0; i < search->record_count; i++)
        if (!best || record_is_better(&search->records[i], best))
            best = &search->records[i];
    return best ? state->generation + 1 - best->generation : 0;
}

/* Whether no further generation follows this one. */
static bool is_last_generation(const auxo_search *search, const genetic *state)
{
    const uint32_t limit = search->options.generation_limit, plateau = search->options.plateau_limit;
    return (limit > 0 && state->generation + 1 >= limit) ||
           (plateau > 0 && barren_generations(search, state) >= plateau);
}

/* Somebody to train, from further generations if need be; NULL: they are over, or bring nothing new any more. */
static const member *next_unknown(const auxo_search *search, genetic *state)
{
    enum { BARREN_MAX = 100 };
    const member *unknown = find_unknown(search, state);
    for (int barren = 0; !unknown && barren < BARREN_MAX && !is_last_generation(search, state); barren++) {
        breed(search, state);
        unknown = find_unknown(search, state);
    }
    return unknown;
}

static auxo_status step(auxo_search *search, bool *done, auxo_error *error)
{
    genetic *state = search->state;
    auxo_search_record record;
    if (!state->has_baseline)
        return train_baseline(search, error);
    const member *unknown = next_unknown(search, state);
    *done = !unknown;
    if (*done)
        return AUXO_OK;
    auxo_status status = train_genome(search, unknown, &record, error);
    if (status == AUXO_OK)
        status = auxo__search_keep_record(search, &record, error);
    if (status == AUXO_OK)
        enter_hall(search, state, record.number);
    *done = is_last_generation(search, state) && !find_unknown(search, state);
    return status;
}

/* ---- with a study ------------------------------------------------------------------------------------------------ */

/* The study's population and baseline, as they stand. *found false: nobody has stored them yet. */
static auxo_status load_state(auxo_search *search, bool *found, auxo_error *error)
{
    cJSON *root = NULL;
    auxo_status status = auxo__search_load_state(search, &root, error);
    *found = root != NULL;
    if (status == AUXO_OK && root)
        status = search->method->restore(search, root, NULL, NULL, 0, error);
    cJSON_Delete(root);
    return status;
}

/* The baseline, before the first trial. Of workers that begin together each trains it, to the same end. */
static auxo_status prepare(auxo_search *search, auxo_error *error)
{
    genetic *state = search->state;
    bool found = false;
    if (state->has_baseline)
        return AUXO_OK;
    auxo_status status = load_state(search, &found, error);
    if (status != AUXO_OK || found)
        return status;
    search->draw = 1;
    status = train_baseline(search, error);
    search->draw = 0;
    if (status == AUXO_OK)
        status = auxo_study_lock(search->options.study, error);
    if (status != AUXO_OK)
        return status;
    status = load_state(search, &found, error);
    if (status == AUXO_OK && !found)
        status = auxo__search_store_state(search, error);
    auxo_status ended = auxo_study_unlock(search->options.study, status == AUXO_OK, status == AUXO_OK ? error : NULL);
    return status == AUXO_OK ? ended : status;
}

/* A member that nobody has. *known: all have records. */
static const member *find_free(const auxo_search *search, const genetic *state, bool *known)
{
    *known = true;
    for (uint32_t i = 0; i < search->options.population; i++) {
        *known = *known && auxo__search_find(search, state->members[i].text);
        if (!auxo__search_is_taken(search, state->members[i].text))
            return &state->members[i];
    }
    return NULL;
}

/* A generation is bred when all of the one before are known: who is a parent does not depend on who was fast. */
static auxo_status propose(auxo_search *search, double *values, auxo__next *next, auxo_error *error)
{
    enum { BARREN_MAX = 100 };
    genetic *state = search->state;
    bool found = false, known = false;
    auxo_status status = load_state(search, &found, error);
    if (status != AUXO_OK)
        return status;
    const member *free_one = find_free(search, state, &known);
    for (int barren = 0; !free_one && known && barren < BARREN_MAX && !is_last_generation(search, state); barren++) {
        breed(search, state);
        free_one = find_free(search, state, &known);
    }
    *next = free_one ? AUXO__NEXT_TRIAL : known ? AUXO__NEXT_NONE : AUXO__NEXT_LATER;
    search->generation = state->generation + 1;
    if (free_one)
        auxo__net_to_values(search, &free_one->genome, values);
    return auxo__search_store_state(search, error);
}

static auxo_status evaluate(auxo_search *search, const double *values, auxo_search_record *record, auxo_error *error)
{
    member trial;
    auxo__net_genome genome;
    auxo__net_from_values(search, values, &genome);
    set_member(&trial, &genome);
    return train_genome(search, &trial, record, error);
}

const auxo_search_record *auxo_search_baseline(const auxo_search *search)
{
    const genetic *state = search->state;
    return search->options.method == AUXO_SEARCH_GENETIC && state->has_baseline ? &state->baseline : NULL;
}

const uint64_t *auxo_search_hall(const auxo_search *search, size_t *count)
{
    const genetic *state = search->state;
    const bool has_hall = search->options.method == AUXO_SEARCH_GENETIC;
    *count = has_hall ? state->hall_count : 0;
    return has_hall ? state->hall : NULL;
}

/* ---- state ------------------------------------------------------------------------------------------------------- */

static void describe(const auxo_search *search, cJSON *root)
{
    const genetic *state = search->state;
    cJSON *list = auxo__tree_add(root, "population", cJSON_CreateArray());
    auxo__tree_number(root, "generation", state->generation);
    for (uint32_t i = 0; list && i < search->options.population; i++)
        auxo__tree_add(list, NULL, cJSON_CreateString(state->members[i].text));
    if (state->has_baseline)
        auxo__tree_add(root, "baseline", auxo__record_to_json(&state->baseline));
}

static auxo_status restore(auxo_search *search, const cJSON *root, auxo_model *const *models,
                           auxo_moments *const *moments, size_t model_count, auxo_error *error)
{
    genetic *state = search->state;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "population"), *item;
    const cJSON *baseline = cJSON_GetObjectItemCaseSensitive(root, "baseline");
    uint32_t count = 0;
    auxo_status status = AUXO_OK;
    state->hall_count = 0;
    auxo__members_destroy(models, moments, model_count);
    if ((uint32_t)cJSON_GetArraySize(list) != search->options.population)
        return auxo_error_set(error, AUXO_FORMAT, "search: the state is not that of this genetic tuning");
    cJSON_ArrayForEach(item, list)
    {
        const char *text = cJSON_GetStringValue(item);
        auxo__net_genome genome;
        if (status == AUXO_OK)
            status = auxo__net_parse(text ? text : "", &genome, error);
        if (status == AUXO_OK)
            set_member(&state->members[count++], &genome);
    }
    state->has_baseline = baseline != NULL;
    if (!auxo__state_count(root, "generation", &state->generation) ||
        (baseline && !auxo__record_from_json(baseline, &state->baseline)))
        return auxo_error_set(error, AUXO_FORMAT, "search: the state of this genetic tuning makes no sense");
    for (size_t i = 0; i < search->record_count && status == AUXO_OK; i++)
        enter_hall(search, state, search->records[i].number);
    return status;
}

const auxo__search_method auxo__method_genetic = {.state_size = sizeof(genetic),
                                                  .begin = begin,
                                                  .step = step,
                                                  .describe = describe,
                                                  .restore = restore,
                                                  .end = end,
                                                  .propose = propose,
                                                  .evaluate = evaluate,
                                                  .prepare = prepare};
