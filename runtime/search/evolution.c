/* runtime/search/evolution.c: anytime hyperparameter evolution (Cahlik 2022, 5.3, Algorithms 3 and 4).
 *
 * An individual is a genome, a model in training and the model's age. A step is one generation: everybody has an
 * offspring (a copy of its model under the mean genome of some parents, mutated), newcomers join with fresh models, all
 * are trained for one epoch, tournaments choose who stays, and the fittest of the generation before stays as it was.
 * A tournament's winner goes back into the pool, so that it may be in the next generation in several copies, each with
 * a genome of its own from then on. Models carry their optimiser's moments along, whatever batch size and learning rate
 * follow.
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

void auxo__individual_deinit(auxo__individual *member)
{
    auxo_moments_destroy(member->moments);
    auxo_model_destroy(member->model);
    member->moments = NULL;
    member->model = NULL;
}

/* The same individual with a model and moments of its own; *copy owns nothing after a failure. */
static auxo_status copy_individual(const auxo__individual *of, auxo__individual *copy, auxo_error *error)
{
    *copy = *of;
    copy->model = NULL;
    copy->moments = NULL;
    auxo_status status = of->model ? auxo_model_clone(of->model, &copy->model, error) : AUXO_OK;
    if (status == AUXO_OK && of->moments)
        status = auxo_moments_clone(of->moments, copy->model, &copy->moments, error);
    if (status != AUXO_OK)
        auxo__individual_deinit(copy);
    return status;
}

static void end(auxo_search *search)
{
    auxo__evolution *state = search->state;
    for (uint32_t i = 0; i < state->pool_capacity && state->members; i++)
        auxo__individual_deinit(&state->members[i]);
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

static double gene_spread(const auxo_search *search, auxo__gene_kind kind)
{
    const auxo_mutation_spread *spread = &search->options.gene_spread;
    return kind == AUXO__GENE_LR ? spread->lr : kind == AUXO__GENE_BATCH ? spread->batch : spread->alpha;
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
        const double sigma = gene_spread(search, gene->kind) * (gene->high - gene->low);
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
        status = copy_individual(&state->members[i], child, error);
        recombine(search, state->members, count, &random, &child->genome);
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
    if (status == AUXO_OK && member->moments)
        status = auxo_moments_give(member->moments, candidate.trainer, error);
    if (status == AUXO_OK)
        status = auxo__candidate_epoch(search, &candidate, error);
    if (status == AUXO_OK && !search->options.reset_state) {
        auxo_moments_destroy(member->moments);
        status = auxo_moments_take(candidate.trainer, &member->moments, error);
    }
    if (status == AUXO_OK) {
        member->quality = candidate.quality;
        member->loss = candidate.loss;
        status = auxo__search_keep_record(search, &candidate.record, error);
    }
    candidate.model = NULL;
    auxo__candidate_close(&candidate);
    return status;
}

/* The winner among members of the pool; with `won`, only of those who have not won yet. */
static uint32_t hold_tournament(const auxo_search *search, const auxo__individual *members, uint32_t pool,
                                double spread, const bool *won, auxo__random *random)
{
    uint32_t best = UINT32_MAX, left = pool;
    for (uint32_t i = 0; won && i < pool; i++)
        left -= won[i];
    for (uint32_t t = 0; t < search->options.tournament; t++) {
        uint32_t other = auxo__random_below(random, left);
        for (uint32_t i = 0; won && i <= other; i++)
            other += won[i];
        if (best == UINT32_MAX || auxo__is_better(fitness(search, &members[other], spread), members[other].loss,
                                                  fitness(search, &members[best], spread), members[best].loss))
            best = other;
    }
    return best;
}

auxo_status auxo__evolution_select(const auxo_search *search, auxo__evolution *state, uint32_t pool, auxo_error *error)
{
    const double spread = quality_spread(state->members, pool);
    const uint32_t wanted = search->options.population < pool ? search->options.population : pool;
    auxo__individual *chosen = calloc(wanted + 1, sizeof *chosen);
    bool *won = calloc(pool + 1, sizeof *won);
    auxo__random random;
    auxo_status status =
        chosen && won ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "evolution: out of memory");
    draw_begin(search, state, DRAW_TOURNAMENT, &random);
    for (uint32_t i = 0; i < wanted && status == AUXO_OK; i++) {
        const uint32_t best = hold_tournament(search, state->members, pool, spread,
                                              search->options.distinct_winners ? won : NULL, &random);
        won[best] = true;
        status = copy_individual(&state->members[best], &chosen[i], error);
    }
    for (uint32_t i = 0; i < pool && status == AUXO_OK; i++)
        auxo__individual_deinit(&state->members[i]);
    for (uint32_t i = 0; i < wanted && chosen; i++) {
        if (status == AUXO_OK)
            state->members[i] = chosen[i];
        else
            auxo__individual_deinit(&chosen[i]);
    }
    if (status == AUXO_OK)
        state->count = wanted;
    free(chosen);
    free(won);
    return status;
}

/* A copy of the fittest as it is now, before anybody is trained. */
static auxo_status copy_elite(const auxo_search *search, const auxo__evolution *state, auxo__individual *elite,
                              auxo_error *error)
{
    return copy_individual(&state->members[auxo__evolution_fittest(search, state->members, state->count)], elite,
                           error);
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
    if (status == AUXO_OK)
        status = auxo__evolution_select(search, state, pool, error);
    if (status != AUXO_OK) {
        auxo__individual_deinit(&elite);
        return status;
    }
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

const auxo_moments *auxo_search_moments(const auxo_search *search, size_t index)
{
    const auxo__evolution *state = search->state;
    return state->members[index].moments;
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

static auxo_status restore(auxo_search *search, const cJSON *root, auxo_model *const *models,
                           auxo_moments *const *moments, size_t model_count, auxo_error *error)
{
    auxo__evolution *state = search->state;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "population"), *item;
    const size_t count = (size_t)cJSON_GetArraySize(list);
    bool right = (search->options.study || count == model_count) && count <= search->options.population + 1;
    state->count = 0;
    if (!right)
        auxo__members_destroy(models, moments, model_count);
    for (size_t i = 0; right && i < model_count; i++) {
        state->members[i].model = models[i];
        state->members[i].moments = moments ? moments[i] : NULL;
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
