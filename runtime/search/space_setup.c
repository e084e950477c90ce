/* space_setup.c: what a search over another method's settings begins with: that method's settings, the space, and
 * whether the study is of both.
 */
#include "space_method.h"
#include "space_trial.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char INNER[] = "auxo:inner";

bool auxo__space_minimizes(const auxo_settings *settings)
{
    static const char *const losses[] = {"loss", "rmse", "mae", "error", "seconds", "weights", "flops"};
    const char *metric = auxo_settings_text(settings, "metric");
    bool minimizes = auxo_settings_flag(settings, "minimize");
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        minimizes = minimizes || (metric && strstr(metric, losses[i]));
    return minimizes;
}

/* Settings of the search itself; all others that were given are the inner method's, if it has them. */
static bool is_passed_on(const char *name)
{
    static const char *const own[] = {"method",
                                      "space",
                                      "run",
                                      "run-settings",
                                      "metric",
                                      "minimize",
                                      "study",
                                      "study-name",
                                      "keep-models",
                                      "heartbeat",
                                      "evaluations",
                                      "time-limit",
                                      "startup-trials",
                                      "candidates",
                                      "multivariate",
                                      "pruner",
                                      "pruner-startup",
                                      "pruner-warmup",
                                      "reduction",
                                      "report",
                                      "csv",
                                      "save",
                                      "trace",
                                      "json",
                                      "log",
                                      "help",
                                      "checkpoint",
                                      "resume"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(name, own[i]) == 0)
            return false;
    return true;
}

auxo_status auxo__space_make_base(auxo_run *run, auxo__space_run *all, auxo_error *error)
{
    const char *file = auxo_settings_text(run->settings, "run-settings");
    auxo_status status = auxo_settings_create(all->inner, &all->base, error);
    const auxo_settings *given = run->settings;
    for (size_t i = 0; i < given->slot_count && status == AUXO_OK; i++) {
        const char *name = given->slots[i].setting->name;
        /* The search's share of rows to validate holds for its trials too. */
        const bool wanted = auxo_settings_given(given, name) || strcmp(name, "validation") == 0;
        if (!wanted || !is_passed_on(name))
            continue;
        if (!auxo_settings_find(all->base, name)) {
            if (auxo_settings_given(given, name) && given->slots[i].setting->role != AUXO_SETTING_FREE)
                status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s is no setting of %s, which run names", name,
                                        all->inner->info.name);
        } else if (given->slots[i].setting->type == AUXO_SETTING_FLAG) {
            status = auxo_settings_set(all->base, name, auxo_settings_flag(given, name) ? "yes" : "no", error);
        } else {
            status = auxo_settings_set(all->base, name, auxo_settings_text(given, name), error);
        }
    }
    if (status == AUXO_OK && given->arrays)
        status = auxo_settings_set_arrays(all->base, given->arrays, given->test_arrays, error);
    return status == AUXO_OK && file ? auxo_settings_load(all->base, file, error) : status;
}

static bool is_there(const auxo_space *space, const char *name)
{
    for (size_t i = 0; i < space->count; i++)
        if (strcmp(space->items[i].name, name) == 0)
            return true;
    return false;
}

/* The parameters of all trials, as the first that has each tells them. Conditions are not known from trials: each then
 * exists always. */
static auxo_status space_of_trials(const auxo_study *study, auxo_space *space, auxo_error *error)
{
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(study, &count);
    auxo_status status = AUXO_OK;
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < trials[t].parameter_count && status == AUXO_OK; i++) {
            auxo_parameter p;
            if (is_there(space, trials[t].parameters[i].name))
                continue;
            status = auxo_parameter_parse(trials[t].parameters[i].distribution, &p, error);
            if (status != AUXO_OK)
                break;
            snprintf(p.name, sizeof p.name, "%s", trials[t].parameters[i].name);
            status = auxo_space_add(space, &p, error);
            auxo_parameter_deinit(&p);
        }
    return status;
}

auxo_status auxo__space_read_space(auxo_run *run, auxo__space_run *all, auxo_error *error)
{
    const char *path = auxo_settings_text(run->settings, "space");
    auxo_status status =
        path ? auxo_space_load(&all->space, path, error) : space_of_trials(run->study, &all->space, error);
    if (status == AUXO_OK && all->space.count == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "space: the study has no trial yet that says what is searched; give space FILE.json");
    return status;
}

/* The study's trials must be of this space: names are in it, ranges are the same. */
auxo_status auxo__space_match_space(const auxo_run *run, const auxo__space_run *all, auxo_error *error)
{
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(run->study, &count);
    auxo_status status = AUXO_OK;
    for (size_t t = 0; t < count && status == AUXO_OK; t++)
        for (size_t i = 0; i < trials[t].parameter_count && status == AUXO_OK; i++) {
            const auxo_trial_parameter *read = &trials[t].parameters[i];
            const auxo_parameter *own = NULL;
            auxo_parameter other;
            for (size_t k = 0; k < all->space.count; k++)
                own = strcmp(all->space.items[k].name, read->name) == 0 ? &all->space.items[k] : own;
            status = auxo_parameter_parse(read->distribution, &other, error);
            if (status != AUXO_OK)
                break;
            const bool same = own && own->kind == other.kind && own->low == other.low && own->high == other.high &&
                              own->log == other.log && own->choice_count == other.choice_count;
            auxo_parameter_deinit(&other);
            if (!same)
                status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                        "study: %s is of another space: its parameter \"%s\" %s; give the space it was "
                                        "begun with, or another file",
                                        auxo_study_path(run->study), read->name,
                                        own ? "has another range" : "is none of this space");
        }
    return status;
}

/* All workers have the same settings for the inner method. */
auxo_status auxo__space_match_base(auxo_run *run, const auxo__space_run *all, auxo_error *error)
{
    auxo__json now = {0};
    char *before = NULL;
    auxo_status status = auxo__settings_describe(all->base, false, &now, error);
    if (status == AUXO_OK)
        status = auxo__json_finish(&now, error);
    if (status == AUXO_OK)
        status = auxo_study_get_attribute(run->study, INNER, true, &before, error);
    if (status == AUXO_OK && before && strcmp(before, now.text) != 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "study: %s was begun with other settings of %s; give the same, or another file",
                                auxo_study_path(run->study), all->inner->info.name);
    if (status == AUXO_OK && !before)
        status = auxo_study_set_attribute(run->study, INNER, true, now.text, error);
    auxo__json_deinit(&now);
    free(before);
    return status;
}
