/* resbuild_method.h: the state of one run of "resbuild", shared by the method and its report.
 */
#ifndef AUXO_SIZING_RESBUILD_METHOD_H
#define AUXO_SIZING_RESBUILD_METHOD_H

#include "budget_settings.h"

typedef struct auxo__resbuild_state {
    auxo__task_data data;
    auxo_train_options training;
    char optimizer_text[256];
    auxo_resbuild_options options;
    auxo_resbuild *resbuild;
    size_t record_count;
    auxo_architecture_record *records;
    auxo_evaluation test; /* of the best model */
} auxo__resbuild_state;

/* ---- resbuild_settings.c ---- */
extern const auxo_setting auxo__resbuild_settings[];
/* Errors: a budget that cannot be read. */
auxo_status auxo__resbuild_read_options(const auxo_settings *settings, auxo__resbuild_state *state, auxo_error *error);

/* Accuracy, depth and width over architectures (Fig. 6.14), costs, the best network drawn (Fig. 6.15), all edits. */
auxo_status auxo__resbuild_report(auxo_run *run, void *state, auxo_report *report, auxo_error *error);

#endif
