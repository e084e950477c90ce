/* evolution_study.c: hyperparameter evolution with a study: each epoch of each individual is a trial.
 *
 * Whoever finds a generation complete holds the tournaments and adds the trials of the next one, which wait for all
 * workers. A trial names the model it goes on with: that of an earlier trial, or a fresh one by its numbers. So the
 * result does not depend on how many workers there are; they wait for each other at the end of a generation.
 */
#include "evolution.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char GENERATION[] = "auxo:generation", MEMBER[] = "auxo:member", START[] = "auxo:start";

/* ---- a trial's start --------------------------------------------------------------------------------------------- */

static auxo_status describe_start(const auxo_search *search, const auxo__individual *member, char **json,
                                  auxo_error *error)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *genome = auxo__tree_add(root, "genome", cJSON_CreateArray());
    for (uint32_t g = 0; genome && g < search->space.count; g++)
        auxo__tree_add(genome, NULL, auxo__exact_to_json(member->genome.values[g]));
    auxo__tree_number(root, "trial", (double)member->trial);
    auxo__tree_number(root, "generation", member->fresh_generation);
    auxo__tree_number(root, "number", member->fresh_number);
    return auxo__tree_print(root, false, json, error);
}

static auxo_status read_start(const auxo_search *search, const auxo_trial *trial, auxo__individual *member,
                              auxo_error *error)
{
    const char *json = auxo_trial_attribute_json(trial, START, true);
    cJSON *root = json ? cJSON_Parse(json) : NULL;
    const cJSON *genome = cJSON_GetObjectItemCaseSensitive(root, "genome");
    *member = (auxo__individual){.trial = (int64_t)auxo__state_number(root, "trial", -1)};
    const bool right = (uint32_t)cJSON_GetArraySize(genome) == search->space.count &&
                       auxo__state_count(root, "generation", &member->fresh_generation) &&
                       auxo__state_count(root, "number", &member->fresh_number);
    for (uint32_t g = 0; right && g < search->space.count; g++)
        member->genome.values[g] = auxo__json_exact(cJSON_GetArrayItem(genome, (int)g), 0);
    cJSON_Delete(root);
    return right ? AUXO_OK
                 : auxo_error_set(error, AUXO_FORMAT, "study: trial %lld does not say which model it goes on with",
                                  (long long)trial->number);
}

/* ---- generations ------------------------------------------------------------------------------------------------- */

static auxo_status load_state(auxo_search *search, auxo_error *error)
{
    auxo__evolution *state = search->state;
    cJSON *root = NULL;
    auxo_status status = auxo__search_load_state(search, &root, error);
    state->count = 0;
    state->generation = 0;
    if (status == AUXO_OK && root)
        status = search->method->restore(search, root, NULL, NULL, 0, error);
    cJSON_Delete(root);
    return status;
}

static auxo_status set_number(auxo_search *search, int64_t id, const char *name, double value, auxo_error *error)
{
    char text[32];
    snprintf(text, sizeof text, "%.0f", value);
    return auxo_study_set_trial_attribute(search->options.study, id, name, true, text, error);
}

static auxo_status add_trial(auxo_search *search, const auxo__individual *member, uint32_t index, uint64_t draw,
                             auxo_error *error)
{
    const auxo__evolution *state = search->state;
    auxo_study *study = search->options.study;
    double values[AUXO__GENES_MAX];
    int64_t id = 0;
    char *start = NULL;
    auxo__genome_to_values(search, &member->genome, values);
    auxo_status status = auxo_study_add_trial(study, &search->points, values, true, &id, error);
    if (status == AUXO_OK)
        status = set_number(search, id, "auxo:draw", (double)draw, error);
    if (status == AUXO_OK)
        status = set_number(search, id, GENERATION, state->generation + 1, error);
    if (status == AUXO_OK)
        status = set_number(search, id, MEMBER, index, error);
    if (status == AUXO_OK)
        status = set_number(search, id, "auxo:age", member->age + 1, error);
    if (status == AUXO_OK)
        status = describe_start(search, member, &start, error);
    if (status == AUXO_OK)
        status = auxo_study_set_trial_attribute(study, id, START, true, start, error);
    free(start);
    return status;
}

/* The ended trials of the pool's generation, by member. *begun: there are trials of it; *whole: all have ended. */
static void find_trials(const auxo_search *search, const auxo__evolution *state, uint32_t pool,
                        const auxo_trial **found, bool *begun, bool *whole)
{
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(search->options.study, &count);
    memset((void *)found, 0, pool * sizeof *found);
    *begun = false;
    for (size_t i = 0; i < count; i++) {
        if (auxo__trial_number(&trials[i], GENERATION, true, 0) != state->generation + 1.0)
            continue;
        const double member = auxo__trial_number(&trials[i], MEMBER, true, -1);
        *begun = true;
        if (member < 0 || member >= pool)
            continue;
        const bool ended = trials[i].state == AUXO_TRIAL_COMPLETE || trials[i].state == AUXO_TRIAL_PRUNED;
        /* One that failed counts only where nobody repeats it: the last of a member's trials decides. */
        found[(size_t)member] = ended || trials[i].state == AUXO_TRIAL_FAILED ? &trials[i] : NULL;
    }
    *whole = *begun;
    for (uint32_t i = 0; i < pool; i++)
        *whole = *whole && found[i];
}

/* Results into the pool, then the tournaments (lines 9 to 13 of Algorithm 3). */
static auxo_status end_generation(auxo_search *search, auxo__evolution *state, const auxo_trial *const *found,
                                  uint32_t parents, auxo_error *error)
{
    const uint32_t pool = state->count;
    auxo__individual elite = {0};
    if (parents)
        elite = state->members[auxo__evolution_fittest(search, state->members, parents)];
    for (uint32_t i = 0; i < pool; i++) {
        auxo__individual *member = &state->members[i];
        /* One that failed for good left no model: its individual stays what it was. */
        if (found[i]->state != AUXO_TRIAL_FAILED)
            member->trial = found[i]->number;
        member->quality = isnan(found[i]->value) ? -INFINITY : found[i]->value;
        member->loss = auxo__trial_number(found[i], "loss", false, INFINITY);
    }
    const auxo_status status = auxo__evolution_select(search, state, pool, error);
    if (status != AUXO_OK)
        return status;
    if (parents)
        state->members[state->count++] = elite;
    for (uint32_t i = 0; i < state->count; i++)
        state->members[i].age++;
    state->generation++;
    return AUXO_OK;
}

auxo_status auxo__evolution_propose(auxo_search *search, double *values, auxo__next *next, auxo_error *error)
{
    auxo__evolution *state = search->state;
    const uint64_t first = search->draw;
    bool begun = false, whole = false;
    (void)values;
    auxo_status status = load_state(search, error);
    const uint32_t parents = state->count;
    if (status == AUXO_OK)
        status = auxo__evolution_pool(search, state, error);
    const auxo_trial **found = calloc(state->pool_capacity, sizeof *found);
    if (status == AUXO_OK && !found)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "evolution: out of memory");
    if (status == AUXO_OK)
        find_trials(search, state, state->count, found, &begun, &whole);
    if (status == AUXO_OK && whole) {
        status = end_generation(search, state, found, parents, error);
        if (status == AUXO_OK)
            status = auxo__search_store_state(search, error);
        begun = false;
        if (status == AUXO_OK && !auxo__evolution_has_ended(search, state))
            status = auxo__evolution_pool(search, state, error);
    }
    free((void *)found);
    *next = begun ? AUXO__NEXT_LATER : AUXO__NEXT_WAITING;
    if (status == AUXO_OK && auxo__evolution_has_ended(search, state))
        *next = AUXO__NEXT_NONE;
    for (uint32_t i = 0; i < state->count && status == AUXO_OK && *next == AUXO__NEXT_WAITING; i++)
        status = add_trial(search, &state->members[i], i, first + i, error);
    return status;
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

/* The best trial of the generations that are over. Which of the present one have ended depends on how many work on it,
 * and nothing that is kept may. */
static const auxo_trial *best_of_the_past(const auxo_search *search, const auxo__evolution *state)
{
    const auxo_trial *best = NULL;
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(search->options.study, &count);
    for (size_t i = 0; i < count; i++)
        if (trials[i].state == AUXO_TRIAL_COMPLETE &&
            auxo__trial_number(&trials[i], GENERATION, true, 0) <= state->generation &&
            auxo__search_becomes_best(best, trials[i].value, trials[i].number))
            best = &trials[i];
    return best;
}

/* Whether a later generation can need the trial's model, or people want it. */
static bool is_needed(const auxo_search *search, const auxo__evolution *state, const auxo_trial *trial)
{
    bool needed =
        auxo__trial_number(trial, GENERATION, true, 0) > state->generation || trial == best_of_the_past(search, state);
    for (uint32_t i = 0; i < state->count; i++)
        needed = needed || state->members[i].trial == trial->number;
    return needed;
}

/* Removes the models of generations that are over, once what follows them is committed. */
static auxo_status remove_old_models(auxo_search *search, auxo_error *error)
{
    auxo__evolution *state = search->state;
    auxo_study *study = search->options.study;
    size_t count = 0;
    auxo_status status = auxo_study_lock(study, error);
    if (status != AUXO_OK)
        return status;
    status = load_state(search, error);
    const auxo_trial *trials = auxo_study_trials(study, &count);
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        if (auxo_trial_attribute_json(&trials[i], "model", false) && !is_needed(search, state, &trials[i])) {
            status = auxo_study_set_trial_attribute(study, trials[i].id, "model", false, NULL, error);
            auxo__search_remove_model(search, trials[i].number);
        }
    auxo_status ended = auxo_study_unlock(study, status == AUXO_OK, status == AUXO_OK ? error : NULL);
    return status == AUXO_OK ? ended : status;
}

auxo_status auxo__evolution_evaluate(auxo_search *search, const double *values, auxo_search_record *record,
                                     auxo_error *error)
{
    auxo__individual member = {0};
    auxo__candidate candidate = {0};
    char text[AUXO_GENOME_BYTES];
    (void)values;
    const auxo_trial *trial = auxo_study_trial(search->options.study, search->trial, error);
    if (!trial)
        return AUXO_IO;
    const bool is_first = auxo__trial_number(trial, MEMBER, true, -1) == 0;
    auxo_status status = read_start(search, trial, &member, error);
    if (status == AUXO_OK && is_first && !search->options.keep_models)
        status = remove_old_models(search, error);
    if (status == AUXO_OK && member.trial >= 0)
        status = auxo__search_trial_model(search, member.trial, &member.model, &member.moments, error);
    else if (status == AUXO_OK)
        status = auxo__evolution_fresh(search, &member.genome, member.fresh_generation, member.fresh_number,
                                       &member.model, error);
    if (status != AUXO_OK)
        return status;
    const auxo__settings settings = auxo__genome_settings(&search->space, &member.genome);
    auxo__genome_format(&search->space, &member.genome, text, sizeof text);
    status = auxo__candidate_open(search, member.model, &settings, true, text, &candidate, error);
    if (status == AUXO_OK && member.moments && !search->options.reset_state)
        status = auxo_moments_give(member.moments, candidate.trainer, error);
    auxo_moments_destroy(member.moments);
    if (status == AUXO_OK)
        status = auxo__candidate_epoch(search, &candidate, error);
    *record = candidate.record;
    auxo__candidate_close(&candidate);
    return status;
}
