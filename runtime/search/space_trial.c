/* space_trial.c: see space_trial.h.
 */
#include "space_trial.h"

#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* As a setting has it: yes and no for truth, nothing for null. */
static auxo_status set_value(auxo_settings *settings, const auxo_parameter *p, double value, auxo_error *error)
{
    char text[512];
    auxo_parameter_text(p, value, text, sizeof text);
    const char *word = text;
    if (p->kind == AUXO_PARAMETER_CHOICE)
        word = strcmp(text, "true") == 0    ? "yes"
               : strcmp(text, "false") == 0 ? "no"
               : strcmp(text, "null")       ? text
                                            : NULL;
    return auxo_settings_set(settings, p->name, word, error);
}

auxo_status auxo__space_settings(const auxo__space_run *all, const double *values, auxo_settings **settings,
                                 auxo_error *error)
{
    auxo_status status = auxo_settings_copy(all->base, settings, error);
    for (size_t i = 0; i < all->space.count && status == AUXO_OK; i++)
        if (!isnan(values[i]))
            status = set_value(*settings, &all->space.items[i], values[i], error);
    return status;
}

auxo_status auxo__space_check(const auxo__space_run *all, auxo_error *error)
{
    auxo_settings *probe = NULL;
    auxo_status status = auxo_settings_copy(all->base, &probe, error);
    for (size_t i = 0; i < all->space.count && status == AUXO_OK; i++) {
        const auxo_parameter *p = &all->space.items[i];
        const size_t probes = p->kind == AUXO_PARAMETER_CHOICE ? p->choice_count : 2;
        if (!auxo_settings_find(probe, p->name))
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "space: \"%s\" is no setting of %s", p->name,
                                    all->inner->info.name);
        for (size_t k = 0; k < probes && status == AUXO_OK; k++) {
            const double value = p->kind == AUXO_PARAMETER_CHOICE ? (double)k : k ? p->high : p->low;
            status = set_value(probe, p, value, error);
            if (status != AUXO_OK)
                auxo_error_wrap(error, status, "space");
        }
    }
    auxo_settings_destroy(probe);
    return status;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool is_better(const auxo__space_run *all, double value, double than)
{
    return !isnan(value) && (isnan(than) || (all->minimizes ? value < than : value > than));
}

/* Tells the epochs that have come since the last call. */
static auxo_status tell_epochs(auxo__space_run *all, const auxo_run *child, int64_t trial,
                               auxo_status (*told)(void *, uint32_t, double, auxo_error *), void *user,
                               auxo__space_outcome *outcome, auxo_error *error)
{
    size_t count = 0;
    const double *values = auxo_run_history(child, "epoch", all->metric, &count);
    auxo_status status = AUXO_OK;
    for (; all->epochs < count && status == AUXO_OK && !outcome->pruned; all->epochs++) {
        const double value = values[all->epochs];
        if (is_better(all, value, outcome->value))
            outcome->value = value;
        status = auxo_study_report(all->run->study, trial, all->epochs + 1, value, error);
        if (status == AUXO_OK)
            status = told(user, all->epochs + 1, value, error);
        const auxo_trial *own = status == AUXO_OK ? auxo_study_trial(all->run->study, trial, error) : NULL;
        size_t trial_count = 0;
        const auxo_trial *trials = auxo_study_trials(all->run->study, &trial_count);
        if (status == AUXO_OK)
            status = own ? auxo_pruner_judge(&all->pruner, trials, trial_count, own, !all->minimizes, &outcome->pruned,
                                             error)
                         : AUXO_IO;
    }
    return status;
}

/* A number of the run's result. */
static double result_number(const char *result, const char *name)
{
    cJSON *root = result ? cJSON_Parse(result) : NULL;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, name);
    const double value = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
    cJSON_Delete(root);
    return value;
}

static auxo_status finish_child(const auxo__space_run *all, auxo_run *child, auxo__space_outcome *outcome,
                                auxo_error *error)
{
    auxo_status status = auxo_run_finish(child, error);
    const char *result = auxo_run_result(child);
    if (status != AUXO_OK)
        return status;
    outcome->result = result ? strdup(result) : NULL;
    if (all->epochs == 0)
        outcome->value = result_number(result, all->metric);
    if (isnan(outcome->value))
        return auxo_error_set(
            error, AUXO_INVALID_ARGUMENT,
            "metric: %s tells no number \"%s\", neither of its epochs nor of its result; name another",
            all->inner->info.name, all->metric);
    return AUXO_OK;
}

/* ---- the trial --------------------------------------------------------------------------------------------------- */

auxo_status auxo__space_trial(auxo__space_run *all, int64_t trial, const double *values, const char *model_path,
                              auxo_status (*told)(void *user, uint32_t epoch, double value, auxo_error *error),
                              void *user, auxo__space_outcome *outcome, auxo_error *error)
{
    auxo_settings *settings = NULL;
    auxo_run *child = NULL;
    bool done = false;
    auxo_run_options options;
    auxo_run_options_init(&options);
    options.runtime = all->run->options.runtime;
    options.stop = all->run->options.stop;
    *outcome = (auxo__space_outcome){.value = (double)NAN};
    all->epochs = 0;
    auxo_status status = auxo__space_settings(all, values, &settings, error);
    if (status == AUXO_OK && model_path && auxo_settings_find(settings, "save"))
        status = auxo_settings_set(settings, "save", model_path, error);
    if (status == AUXO_OK)
        status = auxo_run_open(all->inner, settings, &options, &child, error);
    while (status == AUXO_OK && !done && !outcome->pruned) {
        status = auxo_run_step(child, &done, error);
        if (status == AUXO_OK)
            status = tell_epochs(all, child, trial, told, user, outcome, error);
    }
    if (status == AUXO_OK && !outcome->pruned)
        status = finish_child(all, child, outcome, error);
    auxo_run_close(child);
    auxo_settings_destroy(settings);
    if (status == AUXO_NOT_FINITE) {
        outcome->value = all->minimizes ? INFINITY : -INFINITY;
        return AUXO_OK;
    }
    return status;
}
