/* edit_report.h: the log of edits in an HTML report.
 */
#ifndef AUXO_SIZING_EDIT_REPORT_H
#define AUXO_SIZING_EDIT_REPORT_H

#include "auxo/report.h"
#include "auxo/sizing.h"

/* As a table; `when` heads its first column. */
void auxo__report_edits(auxo_report *report, const auxo_edit_log *log, const char *when);

#endif
