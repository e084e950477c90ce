/* edit_report.h: the log of edits of a network as a table of a report.
 */
#ifndef AUXO_SIZING_EDIT_REPORT_H
#define AUXO_SIZING_EDIT_REPORT_H

#include "auxo/report.h"
#include "auxo/sizing.h"

/* `when` heads its first column. */
void auxo__report_edits(auxo_report *report, const auxo_edit_log *log, const char *when);

#endif
