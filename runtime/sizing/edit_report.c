/* edit_report.c: see edit_report.h.
 */
#include "edit_report.h"

#include "run_report.h"

#include <stdio.h>

void auxo__report_edits(auxo_report *report, const auxo_edit_log *log, const char *when)
{
    const char *const headings[] = {when, "what", "where", "before", "after", "why", "loss before", "loss after"};
    char epoch[16], units_before[16], units_after[16], before[32], after[32];
    auxo_report_section(report, "Edits");
    auxo_report_table_begin(report, headings, 8);
    for (size_t i = 0; i < log->count; i++) {
        const auxo_edit *edit = &log->edits[i];
        snprintf(epoch, sizeof epoch, "%u", edit->epoch);
        snprintf(units_before, sizeof units_before, "%u", edit->units_before);
        snprintf(units_after, sizeof units_after, "%u", edit->units_after);
        const char *const cells[] = {epoch,
                                     edit->what,
                                     edit->layer,
                                     units_before,
                                     units_after,
                                     edit->why,
                                     auxo__report_number(before, sizeof before, "%.5f", edit->loss_before),
                                     auxo__report_number(after, sizeof after, "%.5f", edit->loss_after)};
        auxo_report_table_row(report, cells);
    }
    auxo_report_table_end(report);
}
