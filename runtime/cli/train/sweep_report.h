/* runtime/cli/train/sweep_report.h: what a sweep found: a table for people, events, and an HTML report. */
#ifndef CLI_SWEEP_REPORT_H
#define CLI_SWEEP_REPORT_H

#include "sweep_log.h"
#include "sweep_rows.h"

typedef struct sweep_summary {
    const cli_context *context;
    const sweep_rows *rows;
    const sweep_log *log;
    const char *setting, *device_name;
    uint64_t first_seed, seed_count;
    uint32_t epoch_count;
} sweep_summary;

void sweep_print(const sweep_summary *summary);
/* Table, test accuracy over the epochs (mean of the seeds, with the range as a band), and for a grid a heat map. */
auxo_status sweep_report_write(const sweep_summary *summary, const char *path, auxo_error *error);

#endif
