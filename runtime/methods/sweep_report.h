/* sweep_report.h: what a sweep found: events, and the HTML report.
 */
#ifndef AUXO_METHODS_SWEEP_REPORT_H
#define AUXO_METHODS_SWEEP_REPORT_H

#include "sweep_log.h"
#include "sweep_rows.h"

typedef struct auxo__sweep_summary {
    const auxo__sweep_rows *rows;
    const auxo__sweep_log *log;
    const char *setting;
    uint64_t first_seed, seed_count;
    uint32_t epoch_count;
} auxo__sweep_summary;

extern const auxo_event_type auxo__sweep_row_event, auxo__sweep_result_event;

auxo_status auxo__sweep_tell(const auxo__sweep_summary *summary, auxo_run *run, auxo_error *error);
/* Table, test accuracy over the epochs (mean of the seeds, with the range as a band), and for a grid a heat map. */
auxo_status auxo__sweep_draw(const auxo__sweep_summary *summary, auxo_report *report, auxo_error *error);

#endif
