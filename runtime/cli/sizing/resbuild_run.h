/* runtime/cli/sizing/resbuild_run.h: the records of one `auxo resbuild`, shared by the command and its report. */
#ifndef CLI_RESBUILD_RUN_H
#define CLI_RESBUILD_RUN_H

#include "sizing_job.h"

typedef struct resbuild_run {
    train_job job;
    auxo_resbuild_options options;
    auxo_resbuild *resbuild;
    size_t record_count;
    auxo_architecture_record *records;
    auxo_evaluation test; /* of the best model */
} resbuild_run;

/* Accuracy, depth and width over architectures (Fig. 6.14), costs, the best network drawn (Fig. 6.15), all edits. */
auxo_status resbuild_report_write(const resbuild_run *run, const char *path, auxo_error *error);

#endif
