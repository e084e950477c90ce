/* sampler.c: what is tried next: at random, or where the tree-structured Parzen estimator expects more (Bergstra et
 * al., NIPS 2011, section 4; multivariate: kernels are products over parameters, as in S. Falkner et al., "BOHB", ICML
 * 2018).
 *
 * Trials are parted into the best few and the others; of candidates drawn from the density of the best that with the
 * largest ratio to the density of the others is proposed (expected improvement grows with that ratio). Parameters are
 * proposed in the order of the space, so that a condition is known before what depends on it; each is judged by the
 * trials that have it. Multivariate: all parameters under one condition are proposed together. Trials that still run
 * count among the others, so that workers keep apart.
 */
#include "parzen.h"
#include "study_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM = 0x73740000, BEST_MAX = 25, STARTUP = 10, CANDIDATES = 24 };
static const double BEST_SHARE = 0.1;

void auxo_sampler_init(auxo_sampler_kind kind, uint64_t seed, auxo_sampler *sampler)
{
    *sampler = (auxo_sampler){.kind = kind, .seed = seed, .startup = STARTUP, .candidates = CANDIDATES};
}

/* ---- at random --------------------------------------------------------------------------------------------------- */

static double draw_uniform(const auxo_parameter *p, auxo__random *random)
{
    if (p->kind == AUXO_PARAMETER_CHOICE)
        return auxo__random_below(random, (uint32_t)p->choice_count);
    if (!(p->high > p->low))
        return p->low;
    const double low = p->low - p->step / 2, high = p->high + p->step / 2;
    const double at =
        p->log ? exp(auxo__random_uniform(random, log(low), log(high))) : auxo__random_uniform(random, low, high);
    return auxo_parameter_round(p, at);
}

static void draw_random(const auxo_space *space, auxo__random *random, double *values)
{
    for (size_t i = 0; i < space->count; i++) {
        const double value = draw_uniform(&space->items[i], random);
        values[i] = auxo_space_is_active(space, i, values) ? value : (double)NAN;
    }
}

/* ---- the estimator ----------------------------------------------------------------------------------------------- */

typedef struct ranked {
    const auxo_observation *observation;
    size_t place;
} ranked;

static int by_loss(const void *a, const void *b)
{
    const ranked *left = a, *right = b;
    if (left->observation->loss != right->observation->loss)
        return left->observation->loss < right->observation->loss ? -1 : 1;
    return left->place < right->place ? -1 : 1;
}

static int by_place(const void *a, const void *b)
{
    const ranked *left = a, *right = b;
    return left->place < right->place ? -1 : 1;
}

/* The trials that have all members, the best `*best` of them first; both parts by age. */
static size_t part_trials(const auxo_observation *observations, size_t count, const size_t *members,
                          size_t member_count, ranked *list, size_t *best)
{
    size_t found = 0, finite = 0;
    for (size_t i = 0; i < count; i++) {
        bool whole = true;
        for (size_t m = 0; m < member_count; m++)
            whole = whole && !isnan(observations[i].values[members[m]]);
        if (!whole)
            continue;
        finite += isfinite(observations[i].loss);
        list[found++] = (ranked){&observations[i], i};
    }
    qsort(list, found, sizeof *list, by_loss);
    *best = (size_t)ceil(BEST_SHARE * (double)finite);
    *best = *best < BEST_MAX ? *best : BEST_MAX;
    qsort(list, *best, sizeof *list, by_place);
    qsort(list + *best, found - *best, sizeof *list, by_place);
    return found;
}

static auxo_status choose_candidate(const auxo_sampler *sampler, const auxo__parzen *good, const auxo__parzen *bad,
                                    auxo__random *random, double *values, size_t size, auxo_error *error)
{
    double *candidate = malloc(size * sizeof *candidate), highest = -INFINITY;
    if (!candidate)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory for a proposal");
    memcpy(candidate, values, size * sizeof *candidate);
    for (uint32_t i = 0; i < sampler->candidates; i++) {
        auxo__parzen_draw(good, random, candidate);
        const double ratio = auxo__parzen_log_density(good, candidate) - auxo__parzen_log_density(bad, candidate);
        if (i == 0 || ratio > highest) {
            highest = ratio;
            memcpy(values, candidate, size * sizeof *candidate);
        }
    }
    free(candidate);
    return AUXO_OK;
}

/* Proposes the members together. */
static auxo_status propose_members(const auxo_sampler *sampler, const auxo_space *space, const size_t *members,
                                   size_t member_count, const auxo_observation *observations, size_t count,
                                   auxo__random *random, double *values, auxo_error *error)
{
    ranked *list = malloc((count + 1) * sizeof *list);
    const double **rows = malloc((count + 1) * sizeof *rows);
    auxo__parzen good = {0}, bad = {0};
    size_t best = 0;
    auxo_status status =
        list && rows ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory for a proposal");
    const size_t found = status == AUXO_OK ? part_trials(observations, count, members, member_count, list, &best) : 0;
    for (size_t i = 0; i < found; i++)
        rows[i] = list[i].observation->values;
    if (status == AUXO_OK)
        status = auxo__parzen_init(&good, space, members, member_count, rows, best, error);
    if (status == AUXO_OK)
        status = auxo__parzen_init(&bad, space, members, member_count, rows + best, found - best, error);
    if (status == AUXO_OK)
        status = choose_candidate(sampler, &good, &bad, random, values, space->count, error);
    auxo__parzen_deinit(&good);
    auxo__parzen_deinit(&bad);
    free(list);
    free((void *)rows);
    return status;
}

static bool same_condition(const auxo_parameter *a, const auxo_parameter *b)
{
    if (a->parent < 0 && b->parent < 0)
        return true;
    return a->parent == b->parent && a->parent_low == b->parent_low && a->parent_high == b->parent_high &&
           a->parent_choices == b->parent_choices;
}

/* Parameter `first` and, if all are proposed together, those under the same condition. */
static size_t gather_members(const auxo_sampler *sampler, const auxo_space *space, size_t first, bool *done,
                             size_t *members)
{
    size_t count = 0;
    for (size_t i = first; i < space->count; i++)
        if (i == first ||
            (sampler->multivariate && !done[i] && same_condition(&space->items[first], &space->items[i]))) {
            members[count++] = i;
            done[i] = true;
        }
    return count;
}

static auxo_status propose_by_density(const auxo_sampler *sampler, const auxo_space *space,
                                      const auxo_observation *observations, size_t count, auxo__random *random,
                                      double *values, auxo_error *error)
{
    bool *done = calloc(space->count + 1, sizeof *done);
    size_t *members = malloc((space->count + 1) * sizeof *members);
    auxo_status status =
        done && members ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory for a proposal");
    for (size_t i = 0; i < space->count; i++)
        values[i] = (double)NAN;
    for (size_t i = 0; i < space->count && status == AUXO_OK; i++) {
        if (done[i] || !auxo_space_is_active(space, i, values))
            continue;
        const size_t together = gather_members(sampler, space, i, done, members);
        status = propose_members(sampler, space, members, together, observations, count, random, values, error);
    }
    free(done);
    free(members);
    return status;
}

auxo_status auxo_sampler_propose(const auxo_sampler *sampler, const auxo_space *space,
                                 const auxo_observation *observations, size_t count, uint64_t draw, double *values,
                                 auxo_error *error)
{
    auxo__random random;
    size_t finite = 0;
    auxo__random_init(&random, sampler->seed, STREAM, draw);
    for (size_t i = 0; i < count; i++)
        finite += isfinite(observations[i].loss);
    if (sampler->kind == AUXO_SAMPLER_TPE && finite >= sampler->startup && finite > 0)
        return propose_by_density(sampler, space, observations, count, &random, values, error);
    draw_random(space, &random, values);
    return AUXO_OK;
}

/* ---- asking a study ---------------------------------------------------------------------------------------------- */

static auxo_status collect(const auxo_study *study, const auxo_space *space, auxo_observation **observations,
                           size_t *count, auxo_error *error)
{
    const size_t rows = study->count + 1;
    *count = 0;
    /* The values lie behind the observations, in the same allocation. */
    *observations = malloc(rows * (sizeof **observations + space->count * sizeof(double)));
    if (!*observations)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory for a proposal");
    double *values = (double *)(void *)(*observations + rows);
    for (size_t i = 0; i < study->count; i++) {
        const auxo_trial *trial = &study->trials[i];
        const bool ended = trial->state == AUXO_TRIAL_COMPLETE || trial->state == AUXO_TRIAL_PRUNED;
        if (trial->state == AUXO_TRIAL_FAILED || trial->parameter_count == 0)
            continue;
        for (size_t p = 0; p < space->count; p++)
            values[p] = auxo_trial_parameter_value(trial, space->items[p].name);
        const double loss = study->maximizes ? -trial->value : trial->value;
        (*observations)[(*count)++] = (auxo_observation){values, ended && !isnan(loss) ? loss : INFINITY};
        values += space->count;
    }
    return AUXO_OK;
}

auxo_status auxo_study_propose(auxo_study *study, const auxo_space *space, const auxo_sampler *sampler, uint64_t draw,
                               double *values, auxo_error *error)
{
    auxo_observation *observations = NULL;
    size_t count = 0;
    auxo_status status = collect(study, space, &observations, &count, error);
    if (status == AUXO_OK)
        status = auxo_sampler_propose(sampler, space, observations, count, draw, values, error);
    free(observations);
    return status;
}

auxo_status auxo_study_ask(auxo_study *study, const auxo_space *space, const auxo_sampler *sampler, int64_t *id,
                           double *values, auxo_error *error)
{
    auxo_status status = auxo_study_lock(study, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_study_propose(study, space, sampler, study->count, values, error);
    if (status == AUXO_OK)
        status = auxo_study_add_trial(study, space, values, false, id, error);
    auxo_status ended = auxo_study_unlock(study, status == AUXO_OK, status == AUXO_OK ? error : NULL);
    return status == AUXO_OK ? ended : status;
}
