/* run_report.h: the HTML report of a run: what made it, then what its method draws; and the drawings they share.
 */
#ifndef AUXO_RUN_REPORT_H
#define AUXO_RUN_REPORT_H

#include "method.h"

auxo_status auxo__run_write_report(auxo_run *run, const char *path, auxo_error *error);

/* Columns of the "epoch" history over their position; those without a value other than 0 are left out, and the chart
 * with them. names, fields: `count` (at most 8) entries. scale multiplies the values. */
typedef struct auxo__history_chart {
    const char *event; /* NULL: "epoch" */
    const char *title, *y_label;
    const char *x_field; /* NULL: counts from 1 */
    const char *fields[8], *names[8];
    size_t count;
    double scale; /* 0: 1 */
    const auxo_rule *rules;
    size_t rule_count;
} auxo__history_chart;
void auxo__report_history(auxo_report *report, const auxo_run *run, const auxo__history_chart *chart);
/* The network as boxes. */
void auxo__report_network(auxo_report *report, const char *title, const auxo_model_desc *desc);
/* `text` formatted with the value, "" if it is not finite. */
const char *auxo__report_number(char *text, size_t size, const char *format, double value);

#endif
