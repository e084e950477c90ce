/* search_trials.c: what the trials of a study are to a search: records, genomes that are taken, and whether they are of
 * its space.
 */
#include "json.h"
#include "search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = AUXO__GENES_MAX };

/* ---- attributes -------------------------------------------------------------------------------------------------- */

double auxo__trial_number(const auxo_trial *trial, const char *name, bool system, double fallback)
{
    const char *json = auxo_trial_attribute_json(trial, name, system);
    cJSON *item = json ? cJSON_Parse(json) : NULL;
    const double value = cJSON_IsNumber(item) ? item->valuedouble : fallback;
    cJSON_Delete(item);
    return value;
}

/* Methods may take turns on a study: each has a state of its own. */
static const char *state_name(const auxo_search *search)
{
    static const char *const names[] = {"auxo:state:random",    "auxo:state:grid",    "auxo:state:growth",
                                        "auxo:state:evolution", "auxo:state:genetic", "auxo:state:tpe"};
    return names[search->options.method];
}

auxo_status auxo__search_load_state(auxo_search *search, cJSON **root, auxo_error *error)
{
    char *json = NULL;
    *root = NULL;
    auxo_status status = auxo_study_get_attribute(search->options.study, state_name(search), true, &json, error);
    if (status == AUXO_OK && json)
        status = auxo__json_parse(json, strlen(json), root, error);
    free(json);
    return status;
}

auxo_status auxo__search_store_state(auxo_search *search, auxo_error *error)
{
    cJSON *root = cJSON_CreateObject();
    char *json = NULL;
    search->method->describe(search, root);
    auxo_status status = auxo__tree_print(root, false, &json, error);
    if (status == AUXO_OK)
        status = auxo_study_set_attribute(search->options.study, state_name(search), true, json, error);
    free(json);
    return status;
}

/* ---- values of a trial ------------------------------------------------------------------------------------------- */

/* The trial's values; false if one that must be there is missing. */
static bool values_of(const auxo_search *search, const auxo_trial *trial, double *values)
{
    bool whole = true;
    for (size_t i = 0; i < search->points.count; i++) {
        values[i] = auxo_trial_parameter_value(trial, search->points.items[i].name);
        if (!auxo_space_is_active(&search->points, i, values))
            values[i] = (double)NAN;
        else
            whole = whole && !isnan(values[i]);
    }
    return whole;
}

/* What Optuna's enqueue_trial asks for, in the words of the space. */
double auxo__fixed_value(const auxo_parameter *p, const cJSON *fixed)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(fixed, p->name);
    if (p->kind != AUXO_PARAMETER_CHOICE)
        return cJSON_IsNumber(item) ? auxo_parameter_round(p, item->valuedouble) : (double)NAN;
    for (size_t i = 0; item && i < p->choice_count; i++) {
        cJSON *choice = cJSON_Parse(p->choices[i]);
        const bool same = cJSON_Compare(choice, item, true);
        cJSON_Delete(choice);
        if (same)
            return (double)i;
    }
    return (double)NAN;
}

/* Fills what a trial that waited has no value for: from what was asked, else from a proposal. */
auxo_status auxo__search_complete_values(auxo_search *search, const auxo_trial *trial, double *values,
                                         auxo_error *error)
{
    double proposed[POINTS_MAX];
    auxo__next next;
    const char *json = auxo_trial_attribute_json(trial, "fixed_params", true);
    if (values_of(search, trial, values))
        return AUXO_OK;
    auxo_status status = search->method->propose(search, proposed, &next, error);
    if (status == AUXO_OK && next != AUXO__NEXT_TRIAL)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "study: trial %lld waits without all its values, which this method cannot add",
                                (long long)trial->number);
    cJSON *fixed = json ? cJSON_Parse(json) : NULL;
    for (size_t i = 0; i < search->points.count && status == AUXO_OK; i++) {
        const auxo_parameter *p = &search->points.items[i];
        if (!auxo_space_is_active(&search->points, i, values) || !isnan(values[i]))
            continue;
        values[i] = auxo__fixed_value(p, fixed);
        if (isnan(values[i]))
            values[i] = isnan(proposed[i]) ? p->low : proposed[i];
        status = auxo_study_set_parameter(search->options.study, trial->id, p, values[i], error);
    }
    cJSON_Delete(fixed);
    return status;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static auxo_search_record record_of(const auxo_search *search, const auxo_trial *trial, const double *values)
{
    auxo_search_record record = {
        .number = (uint64_t)auxo__trial_number(trial, "auxo:draw", true, (double)trial->number + 1),
        .generation = (uint32_t)auxo__trial_number(trial, "auxo:generation", true, 0),
        .age = (uint32_t)auxo__trial_number(trial, "auxo:age", true, 0),
        .epochs = (uint32_t)auxo__trial_number(trial, "epochs", false, (double)trial->report_count),
        .quality = search->options.study && !isnan(trial->value) ? trial->value : -INFINITY,
        .loss = auxo__trial_number(trial, "loss", false, INFINITY),
        .seconds = auxo__trial_number(trial, "seconds", false, 0),
        .weights = (uint64_t)auxo__trial_number(trial, "weights", false, 0),
        .pruned = trial->state == AUXO_TRIAL_PRUNED};
    auxo__values_format(search, values, record.genome, sizeof record.genome);
    return record;
}

static auxo_status take_genome(auxo_search *search, const double *values, auxo_error *error)
{
    if (search->taken_count == search->taken_capacity) {
        const size_t capacity = 2 * search->taken_capacity + 16;
        void *grown = realloc(search->taken, capacity * sizeof *search->taken);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "search: out of memory");
        search->taken = grown;
        search->taken_capacity = capacity;
    }
    auxo__values_format(search, values, search->taken[search->taken_count++], AUXO_GENOME_BYTES);
    return AUXO_OK;
}

static int by_number(const void *a, const void *b)
{
    const auxo_search_record *left = a, *right = b;
    return left->number < right->number ? -1 : left->number > right->number;
}

/* A trial that failed and was given back lives on in another one. */
static bool was_given_back(const auxo_trial *trials, size_t count, const auxo_trial *trial)
{
    for (size_t i = (size_t)trial->number + 1; i < count; i++)
        if (auxo__trial_number(&trials[i], "failed_trial", true, -1) == (double)trial->number)
            return true;
    return false;
}

static auxo_status sync_trial(auxo_search *search, const auxo_trial *trials, size_t count, size_t index,
                              auxo_error *error)
{
    const auxo_trial *trial = &trials[index];
    double values[POINTS_MAX];
    const bool whole = values_of(search, trial, values);
    search->open_count += trial->state == AUXO_TRIAL_RUNNING || trial->state == AUXO_TRIAL_WAITING;
    if (!whole || (trial->state == AUXO_TRIAL_FAILED && was_given_back(trials, count, trial)))
        return AUXO_OK;
    if (trial->state == AUXO_TRIAL_RUNNING || trial->state == AUXO_TRIAL_WAITING)
        return take_genome(search, values, error);
    /* What failed for good is a bad model: it is not tried again. */
    const auxo_search_record record = record_of(search, trial, values);
    return auxo__search_keep_record(search, &record, error);
}

auxo_status auxo__search_study_sync(auxo_search *search, auxo_error *error)
{
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(search->options.study, &count);
    const auxo_trial *best = auxo_study_best(search->options.study);
    auxo_status status = AUXO_OK;
    search->record_count = search->taken_count = search->open_count = 0;
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = sync_trial(search, trials, count, i, error);
    if (search->record_count > 0)
        qsort(search->records, search->record_count, sizeof *search->records, by_number);
    if (status == AUXO_OK && best) {
        double values[POINTS_MAX];
        values_of(search, best, values);
        search->best_record = record_of(search, best, values);
    }
    return status;
}

uint64_t auxo__search_count_ended(const auxo_search *search)
{
    size_t count = 0, ended = 0;
    const auxo_trial *trials = auxo_study_trials(search->options.study, &count);
    for (size_t i = 0; i < count; i++)
        ended += trials[i].state == AUXO_TRIAL_COMPLETE || trials[i].state == AUXO_TRIAL_PRUNED;
    return ended;
}

uint64_t auxo__search_next_draw(const auxo_search *search)
{
    size_t count = 0;
    double most = 0;
    const auxo_trial *trials = auxo_study_trials(search->options.study, &count);
    for (size_t i = 0; i < count; i++)
        most = fmax(most, auxo__trial_number(&trials[i], "auxo:draw", true, (double)trials[i].number + 1));
    return (uint64_t)most + 1;
}

/* ---- the space --------------------------------------------------------------------------------------------------- */

static auxo_status refuse_space(const auxo_search *search, const char *name, const char *why, auxo_error *error)
{
    return auxo_error_set(
        error, AUXO_INVALID_ARGUMENT,
        "study: %s is of another space: its parameter \"%s\" %s; give the settings it was begun with, "
        "or another file",
        auxo_study_path(search->options.study), name, why);
}

static auxo__gene *gene_named(auxo_search *search, const char *name)
{
    for (uint32_t i = 0; !search->options.layered && i < search->space.count; i++)
        if (strcmp(search->points.items[i].name, name) == 0)
            return &search->space.genes[i];
    return NULL;
}

/* A study that was begun by another program says with its first trial what it ranges over. */
static auxo_status match_parameter(auxo_search *search, const auxo_trial_parameter *read, bool foreign,
                                   auxo_error *error)
{
    auxo_parameter *own = NULL, other;
    for (size_t i = 0; i < search->points.count; i++)
        if (strcmp(search->points.items[i].name, read->name) == 0)
            own = &search->points.items[i];
    if (!own)
        return refuse_space(search, read->name, "is none of this search", error);
    auxo_status status = auxo_parameter_parse(read->distribution, &other, error);
    if (status != AUXO_OK)
        return status;
    const bool choice = other.kind == AUXO_PARAMETER_CHOICE;
    auxo__gene *gene = gene_named(search, read->name);
    const bool kind = other.kind == own->kind && (!choice || other.choice_count == own->choice_count);
    const bool range = other.low == own->low && other.high == own->high && other.log == own->log;
    auxo_parameter_deinit(&other);
    if (!kind)
        return refuse_space(search, read->name, "is of another kind", error);
    if (range)
        return AUXO_OK;
    if (!foreign || !gene || choice)
        return refuse_space(search, read->name, "has another range", error);
    own->low = other.low;
    own->high = other.high;
    own->log = other.log;
    own->step = other.step;
    const bool exponent = auxo__gene_is_exponent(gene->kind);
    gene->low = exponent ? log10(other.low) : other.low;
    gene->high = exponent ? log10(other.high) : other.high;
    return AUXO_OK;
}

auxo_status auxo__search_study_begin(auxo_search *search, auxo_error *error)
{
    size_t count = 0, first = 0;
    const auxo_trial *trials = auxo_study_trials(search->options.study, &count);
    auxo_status status = AUXO_OK;
    if (!auxo_study_maximizes(search->options.study))
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "study: %s is to be minimised; a search maximises the quality of its models",
                                auxo_study_path(search->options.study));
    while (first < count && trials[first].parameter_count == 0)
        first++;
    const bool foreign = first < count && !auxo_trial_attribute_json(&trials[first], "auxo:draw", true);
    for (size_t i = 0; first < count && i < trials[first].parameter_count && status == AUXO_OK; i++)
        status = match_parameter(search, &trials[first].parameters[i], foreign, error);
    for (size_t i = 0; first < count && i < search->points.count && status == AUXO_OK; i++) {
        const auxo_parameter *p = &search->points.items[i];
        if (p->parent < 0 && isnan(auxo_trial_parameter_value(&trials[first], p->name)))
            status = refuse_space(search, p->name, "is missing", error);
    }
    return status == AUXO_OK ? auxo__search_study_sync(search, error) : status;
}
