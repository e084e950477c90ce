/* runtime/search/evolution.c: anytime hyperparameter evolution (Cahlik 2022, 5.3, Algorithms 3 and 4).
 *
 * An individual is a genome, a model in training and the model's age. A step is one generation: everybody has an
 * offspring (a copy of its model under the mean genome of some parents, mutated), newcomers join with fresh models, all
 * are trained for one epoch, tournaments choose who stays, and the fittest of the generation before stays as it was.
 * Where the source is open: a tournament's winner leaves the pool, so that nobody is chosen twice; the optimiser's
 * moments begin anew with each generation, since batch size and learning rate change under them.
 */
#include "evolution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a draw is for; with the generation it numbers the stream. */
enum { DRAW_OFFSPRING, DRAW_TOURNAMENT, DRAW_KINDS };

static void draw_begin(const auxo_search *search, const auxo__evolution *state, uint32_t kind, auxo__random *random)
{
    auxo__random_init(random, search->options.seed, AUXO__STREAM_POPULATION,
                      (uint64_t)state->generation * DRAW_KINDS + kind);
}

static auxo_status begin(auxo_search *search, auxo_error *error)
{
    auxo__evolution *state = search->state;
    /* The population and its elite, their offspring, newcomers, and the copy of the fittest. */
    state->pool_capacity = 2 * (search->options.population + 1) + search->options.newcomers + 1;
    state->members = calloc(state->pool_capacity, sizeof *state->members);
    return state->members ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "evolution: out of memory");
}

static void end(auxo_search *search)
{
    auxo__evolution *state = search->state;
    for (uint32_t i = 0; i < state->pool_capacity && state->members; i++)
        auxo_model_destroy(state->members[i].model);
    free(state->members);
}

/* ---- fitness ----------------------------------------------------------------------------------------------------- */

/* Standard deviation of the finite qualities; 1 where they do not differ. */
static double quality_spread(const auxo__individual *members, uint32_t count)
{
    double sum = 0, squares = 0, finite = 0;
    for (uint32_t i = 0; i < count; i++)
        if (isfinite(members[i].quality)) {
            sum += members[i].quality;
            squares += members[i].quality * members[i].quality;
            finite++;
        }
    const double variance = finite > 0 ? squares / finite - sum / finite * (sum / finite) : 0;
    return variance > 0 ? sqrt(variance) : 1;
}

double auxo_search_aged_fitness(const auxo_search_options *options, double quality, uint32_t age, bool negative,
                                double spread)
{
    if (age <= options->age_limit)
        return quality;
    const double excess = options->age_factor * pow(options->age_base, (double)(age - options->age_limit));
    return negative ? quality - spread * excess : quality / (1 + excess);
}

static double fitness(const auxo_search *search, const auxo__individual *member, double spread)
{
    const bool negative = search->options.training.loss != AUXO_LOSS_CROSS_ENTROPY;
    return auxo_search_aged_fitness(&search->options, member->quality, member->age, negative, spread);
}

/* Index of the fittest; of equals the one with the lower loss, then the first. */
uint32_t auxo__evolution_fittest(const auxo_search *search, const auxo__individual *members, uint32_t count)
{
    const double spread = quality_spread(members, count);
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (auxo__is_better(fitness(search, &members[i], spread), members[i].loss,
                            fitness(search, &members[best], spread), members[best].loss))
            best = i;
    return best;
}

/* ---- new individuals --------------------------------------------------------------------------------------------- */

auxo_status auxo__evolution_fresh(auxo_search *search, const auxo__genome *genome, uint32_t generation, uint32_t number,
                                  auxo_model **model, auxo_error *error)
{
    auxo__random random;
    auxo_model_desc desc;
    auxo__random_init(&random, search->options.seed, AUXO__STREAM_MODEL,
                      UINT64_C(1) << 48 | (uint64_t)generation << 16 | number);
    const uint64_t high = auxo__random_u32(&random), seed = high << 32 | auxo__random_u32(&random);
    auxo_model_desc_init(&desc);
    auxo_status status = auxo__genome_desc(search, genome, &desc, error);
    if (status == AUXO_OK)
        status = auxo_model_create(search->device, &desc, seed, model, error);
    auxo_model_desc_deinit(&desc);
    return status;
}

/* With the starting values; with a study, its model is made where it is trained. */
static auxo_status add_newcomer(auxo_search *search, auxo__evolution *state, uint32_t number, auxo_error *error)
{
    auxo__individual *member = &state->members[state->count];
    *member = (auxo__individual){.quality = -INFINITY,
                                 .loss = INFINITY,
                                 .trial = -1,
                                 .fresh_generation = state->generation,
                                 .fresh_number = number};
    for (uint32_t g = 0; g < search->space.count; g++)
        member->genome.values[g] = search->space.genes[g].start;
    auxo_status status = AUXO_OK;
    if (!search->options.study)
        status = auxo__evolution_fresh(search, &member->genome, state->generation, number, &member->model, error);
    state->count += status == AUXO_OK;
    return status;
}

/* `first` numbers them within the generation. */
static auxo_status add_newcomers(auxo_search *search, auxo__evolution *state, uint32_t first, uint32_t count,
                                 auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = add_newcomer(search, state, first + i, error);
    return status;
}

/* Mean genome of `parents` members drawn at random, mutated (Algorithm 4, lines 13 to 24). */
static void recombine(const auxo_search *search, const auxo__individual *members, uint32_t count, auxo__random *random,
                      auxo__genome *genome)
{
    const uint32_t parents = search->options.parents;
    *genome = (auxo__genome){{0}};
    for (uint32_t p = 0; p < parents; p++) {
        const auxo__individual *parent = &members[auxo__random_below(random, count)];
        for (uint32_t g = 0; g < search->space.count; g++)
            genome->values[g] += parent->genome.values[g] / parents;
    }
    for (uint32_t g = 0; g < search->space.count; g++) {
        const auxo__gene *gene = &search->space.genes[g];
        const double sigma = search->options.mutation_spread * (gene->high - gene->low);
        genome->values[g] = auxo__gene_correct(gene, genome->values[g] + sigma * auxo__random_normal(random));
    }
}

static auxo_status add_offspring(auxo_search *search, auxo__evolution *state, auxo_error *error)
{
    const uint32_t count = state->count;
    auxo__random random;
    auxo_status status = AUXO_OK;
    draw_begin(search, state, DRAW_OFFSPRING, &random);
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++) {
        auxo__individual *child = &state->members[state->count];
        *child = state->members[i];
        child->model = NULL;
        recombine(search, state->members, count, &random, &child->genome);
        if (state->members[i].model)
            status = auxo_model_clone(state->members[i].model, &child->model, error);
        state->count += status == AUXO_OK;
    }
    return status;
}

/* ---- a generation ------------------------------------------------------------------------------------------------ */

/* The model comes back to the member, trained for an epoch, whatever happens. */
static auxo_status train_member(auxo_search *search, auxo__evolution *state, auxo__individual *member,
                                auxo_error *error)
{
    const auxo__settings settings = auxo__genome_settings(&search->space, &member->genome);
    auxo__candidate candidate;
    char text[AUXO_GENOME_BYTES];
    auxo__genome_format(&search->space, &member->genome, text, sizeof text);
    auxo_status status = auxo__candidate_open(search, member->model, &settings, true, text, &candidate, error);
    candidate.record.generation = state->generation + 1;
    candidate.record.age = member->age + 1;
    if (status == AUXO_OK)
        status = auxo__candidate_epoch(search, &candidate, error);
    if (status == AUXO_OK) {
        member->quality = candidate.quality;
        member->loss = candidate.loss;
        status = auxo__search_keep_record(search, &candidate.record, error);
    }
    candidate.model = NULL;
    auxo__candidate_close(&candidate);
    return status;
}

static void swap_members(auxo__individual *a, auxo__individual *b)
{
    const auxo__individual kept = *a;
    *a = *b;
    *b = kept;
}

/* Leaves the winners of `population` tournaments in front and drops the others. */
void auxo__evolution_select(const auxo_search *search, auxo__evolution *state, uint32_t pool)
{
    const double spread = quality_spread(state->members, pool);
    const uint32_t wanted = search->options.population < pool ? search->options.population : pool;
    auxo__random random;
    draw_begin(search, state, DRAW_TOURNAMENT, &random);
    for (uint32_t chosen = 0; chosen < wanted; chosen++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t t = 0; t < search->options.tournament; t++) {
            const uint32_t other = chosen + auxo__random_below(&random, pool - chosen);
            if (best == UINT32_MAX ||
                auxo__is_better(fitness(search, &state->members[other], spread), state->members[other].loss,
                                fitness(search, &state->members[best], spread), state->members[best].loss))
                best = other;
        }
        swap_members(&state->members[chosen], &state->members[best]);
    }
    for (uint32_t i = wanted; i < pool; i++) {
        auxo_model_destroy(state->members[i].model);
        state->members[i].model = NULL;
    }
    state->count = wanted;
}

/* A copy of the fittest as it is now, before anybody is trained. */
static auxo_status copy_elite(const auxo_search *search, const auxo__evolution *state, auxo__individual *elite,
                              auxo_error *error)
{
    *elite = state->members[auxo__evolution_fittest(search, state->members, state->count)];
    auxo_model *model = elite->model;
    elite->model = NULL;
    return auxo_model_clone(model, &elite->model, error);
}

bool auxo__evolution_has_ended(const auxo_search *search, const auxo__evolution *state)
{
    return search->options.generation_limit > 0 && state->generation >= search->options.generation_limit;
}

auxo_status auxo__evolution_pool(auxo_search *search, auxo__evolution *state, auxo_error *error)
{
    const auxo_search_options *options = &search->options;
    auxo_status status = state->count == 0 ? add_newcomers(search, state, 0, options->population, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = add_offspring(search, state, error);
    return status == AUXO_OK ? add_newcomers(search, state, options->population, options->newcomers, error) : status;
}

/* Lines 7 to 13 of Algorithm 3; the first generation begins with line 5 and has no elite yet. */
static auxo_status step(auxo_search *search, bool *done, auxo_error *error)
{
    auxo__evolution *state = search->state;
    auxo__individual elite = {0};
    *done = auxo__evolution_has_ended(search, state);
    if (*done)
        return AUXO_OK;
    auxo_status status = state->count == 0 ? AUXO_OK : copy_elite(search, state, &elite, error);
    if (status == AUXO_OK)
        status = auxo__evolution_pool(search, state, error);
    const uint32_t pool = state->count;
    for (uint32_t i = 0; i < pool && status == AUXO_OK; i++)
        status = train_member(search, state, &state->members[i], error);
    if (status != AUXO_OK) {
        auxo_model_destroy(elite.model);
        return status;
    }
    auxo__evolution_select(search, state, pool);
    if (elite.model)
        state->members[state->count++] = elite;
    for (uint32_t i = 0; i < state->count; i++)
        state->members[i].age++;
    state->generation++;
    *done = auxo__evolution_has_ended(search, state);
    return AUXO_OK;
}

/* ---- state ------------------------------------------------------------------------------------------------------- */

size_t auxo_search_model_count(const auxo_search *search)
{
    const auxo__evolution *state = search->state;
    return search->options.method == AUXO_SEARCH_EVOLUTION ? state->count : 0;
}

auxo_model *auxo_search_model(const auxo_search *search, size_t index)
{
    const auxo__evolution *state = search->state;
    return state->members[index].model;
}

static void describe(const auxo_search *search, cJSON *root)
{
    const auxo__evolution *state = search->state;
    cJSON *list = auxo__tree_add(root, "population", cJSON_CreateArray());
    auxo__tree_number(root, "generation", state->generation);
    for (uint32_t i = 0; list && i < state->count; i++) {
        const auxo__individual *member = &state->members[i];
        cJSON *item = cJSON_CreateObject();
        cJSON *genome = auxo__tree_add(item, "genome", cJSON_CreateArray());
        for (uint32_t g = 0; genome && g < search->space.count; g++)
            auxo__tree_add(genome, NULL, auxo__exact_to_json(member->genome.values[g]));
        if (search->options.study) {
            auxo__tree_number(item, "trial", (double)member->trial);
            auxo__tree_number(item, "fresh_generation", member->fresh_generation);
            auxo__tree_number(item, "fresh_number", member->fresh_number);
        }
        auxo__tree_number(item, "age", member->age);
        auxo__tree_add(item, "quality", auxo__exact_to_json(member->quality));
        auxo__tree_add(item, "loss", auxo__exact_to_json(member->loss));
        auxo__tree_add(list, NULL, item);
    }
}

static auxo_status restore(auxo_search *search, const cJSON *root, auxo_model *const *models, size_t model_count,
                           auxo_error *error)
{
    auxo__evolution *state = search->state;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "population"), *item;
    const size_t count = (size_t)cJSON_GetArraySize(list);
    bool right = (search->options.study || count == model_count) && count <= search->options.population + 1;
    state->count = 0;
    for (size_t i = 0; i < model_count; i++) {
        if (right)
            state->members[i].model = models[i];
        else
            auxo_model_destroy(models[i]);
    }
    right = auxo__state_count(root, "generation", &state->generation) && right;
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *genome = cJSON_GetObjectItemCaseSensitive(item, "genome");
        right = right && (uint32_t)cJSON_GetArraySize(genome) == search->space.count;
        if (!right)
            break;
        auxo__individual *member = &state->members[state->count++];
        const cJSON *trial = cJSON_GetObjectItemCaseSensitive(item, "trial");
        member->trial = cJSON_IsNumber(trial) ? (int64_t)trial->valuedouble : -1;
        if (search->options.study)
            right = auxo__state_count(item, "fresh_generation", &member->fresh_generation) &&
                    auxo__state_count(item, "fresh_number", &member->fresh_number) && right;
        for (uint32_t g = 0; g < search->space.count; g++)
            member->genome.values[g] = auxo__json_exact(cJSON_GetArrayItem(genome, (int)g), 0);
        for (uint32_t g = 0; g < search->space.count; g++)
            right = right && isfinite(member->genome.values[g]);
        right = auxo__state_count(item, "age", &member->age) && right;
        member->quality = auxo__state_number(item, "quality", -INFINITY);
        member->loss = auxo__state_number(item, "loss", INFINITY);
        right = right && !isnan(member->quality);
    }
    return right ? AUXO_OK : auxo_error_set(error, AUXO_FORMAT, "search: the state is not that of this evolution");
}

const auxo__search_method auxo__method_evolution = {.state_size = sizeof(auxo__evolution),
                                                    .begin = begin,
                                                    .step = step,
                                                    .describe = describe,
                                                    .restore = restore,
                                                    .end = end,
                                                    .propose = auxo__evolution_propose,
                                                    .evaluate = auxo__evolution_evaluate,
                                                    .whole_generations = true,
                                                    .keeps_trained = true};
