/* search_method.h: the state of one run of "search", shared by the method, its settings and its report.
 */
#ifndef AUXO_SEARCH_METHOD_H
#define AUXO_SEARCH_METHOD_H

#include "budget_settings.h"

#include "auxo/search.h"

typedef struct auxo__search_state {
    auxo_run *run;
    auxo__task_data data;
    auxo_train_options training;
    auxo_adapt_options adapt; /* what options.adapt points to */
    char optimizer_text[256];
    auxo_search_options options;
    auxo_search *search;
    auxo_evaluation test; /* of the best model */
    double test_rmse;     /* in the targets' units; NaN for classes */
    size_t reported;      /* records that were told */
    uint64_t last_told;   /* with a study: number of the model that was told last */
    bool classes;         /* quality is an accuracy; otherwise minus an RMSE */
    bool baseline_reported;
    auxo_status epoch_status; /* of the events sent while training */
} auxo__search_state;

extern const auxo_setting auxo__search_settings[];
auxo_status auxo__search_read_options(const auxo_settings *settings, const auxo_train_options *training,
                                      auxo_adapt_options *adapt, auxo_search_options *options, auxo_error *error);

const char *auxo__search_method_name(const auxo__search_state *state);
auxo_status auxo__search_report(auxo_run *run, void *state, auxo_report *report, auxo_error *error);

#endif
