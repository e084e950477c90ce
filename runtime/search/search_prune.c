/* search_prune.c: whether the model in training is given up, judged by the epochs of all models so far.
 */
#include "search_internal.h"

#include <stdlib.h>

/* Without a study: the trace as trials, one for each model; *own: the one in training, the last. */
static auxo_status trials_of_trace(const auxo_search *search, uint64_t number, auxo_trial **trials, size_t *count,
                                   auxo_error *error)
{
    const size_t points = search->trace_count;
    *count = 0;
    *trials = calloc(points + 1, sizeof **trials + sizeof(auxo_trial_report));
    if (!*trials)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "search: out of memory for a pruner");
    auxo_trial_report *reports = (auxo_trial_report *)(void *)(*trials + points + 1);
    for (size_t i = 0; i < points; i++) {
        const auxo_trace_point *point = &search->trace[i];
        if (i == 0 || point->evaluation != search->trace[i - 1].evaluation) {
            const auxo_search_record *record = auxo_search_record_of(search, point->evaluation);
            (*trials)[(*count)++] = (auxo_trial){.id = (int64_t)point->evaluation,
                                                 .state = point->evaluation == number ? AUXO_TRIAL_RUNNING
                                                          : record && record->pruned  ? AUXO_TRIAL_PRUNED
                                                                                      : AUXO_TRIAL_COMPLETE,
                                                 .reports = &reports[i]};
        }
        auxo_trial *trial = &(*trials)[*count - 1];
        reports[i] = (auxo_trial_report){(int64_t)++trial->report_count, point->quality};
    }
    return AUXO_OK;
}

auxo_status auxo__search_prune(auxo_search *search, auxo__candidate *candidate, auxo_error *error)
{
    const auxo_pruner *pruner = &search->options.pruner;
    auxo_trial *made = NULL;
    const auxo_trial *trials = NULL, *own = NULL;
    size_t count = 0;
    auxo_status status = AUXO_OK;
    if (pruner->kind == AUXO_PRUNER_NONE || (search->options.study && !search->trial))
        return AUXO_OK;
    if (search->trial) {
        own = auxo_study_trial(search->options.study, search->trial, error);
        status = own ? AUXO_OK : AUXO_IO;
        trials = auxo_study_trials(search->options.study, &count);
    } else {
        status = trials_of_trace(search, candidate->record.number, &made, &count, error);
        trials = made;
        own = count ? &made[count - 1] : NULL;
    }
    if (status == AUXO_OK && own)
        status = auxo_pruner_judge(pruner, trials, count, own, true, &candidate->record.pruned, error);
    search->pruned = candidate->record.pruned;
    free(made);
    return status;
}
