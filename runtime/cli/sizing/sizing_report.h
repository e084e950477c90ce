/* runtime/cli/sizing/sizing_report.h: what the reports of autosize, morph and resbuild have in common. */
#ifndef CLI_SIZING_REPORT_H
#define CLI_SIZING_REPORT_H

#include "auxo/sizing.h"
#include "network_report.h"

/* A table of all edits: what, why, units, loss before and after. */
void sizing_report_edits(auxo_report *report, const auxo_edit_log *log, const char *when);
/* "0.1234", or "" for NaN. */
const char *sizing_report_number(char *text, size_t size, const char *format, double value);

#endif
