/* metrics_report.c: scores of classes as pictures: the confusion matrix, a table, the reliability diagram.
 */
#include "auxo/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *name_of(char *const *names, size_t index, char number[24])
{
    snprintf(number, 24, "%zu", index);
    return names ? names[index] : number;
}

static void add_table(const auxo_class_scores *found, char *const *names, auxo_report *report)
{
    static const char *const headings[] = {"class", "rows", "correct", "precision", "recall", "F1", "ROC AUC"};
    auxo_report_table_begin(report, headings, 7);
    for (size_t i = 0; i < found->class_count; i++) {
        const auxo_class_score *c = &found->classes[i];
        char number[24];
        auxo_report_table_rowf(report, "%s|%zu|%zu|%.4f|%.4f|%.4f|%.4f", name_of(names, i, number), c->rows, c->correct,
                               c->precision, c->recall, c->f1, c->auroc);
    }
    auxo_report_table_rowf(report, "mean of the classes|%zu||||%.4f|%.4f", found->row_count, found->macro_f1,
                           found->macro_auroc);
    auxo_report_table_end(report);
}

static auxo_status add_confusion(const auxo_class_scores *found, char *const *names, auxo_report *report,
                                 auxo_error *error)
{
    enum { CLASSES_MAX = 100 }; /* beyond, cells are smaller than a point */
    const size_t n = found->class_count;
    if (n > CLASSES_MAX)
        return AUXO_OK;
    double *values = malloc(n * n * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (size_t i = 0; i < n * n; i++)
        values[i] = (double)found->confusion[i];
    auxo_report_heat_map(report, &(auxo_heat_map){.title = "Confusion matrix",
                                                  .x_label = "predicted",
                                                  .y_label = "class",
                                                  .value_label = "rows",
                                                  .row_count = n,
                                                  .column_count = n,
                                                  .values = values,
                                                  .row_names = (const char *const *)names,
                                                  .column_names = (const char *const *)names});
    free(values);
    return AUXO_OK;
}

static void add_reliability(const auxo_class_scores *found, auxo_report *report)
{
    static const double ideal[2] = {0, 1};
    double x[AUXO_CALIBRATION_BINS], y[AUXO_CALIBRATION_BINS];
    char caption[96];
    size_t count = 0;
    for (size_t b = 0; b < AUXO_CALIBRATION_BINS; b++)
        if (found->bins[b].rows) {
            x[count] = found->bins[b].confidence;
            y[count++] = found->bins[b].accuracy;
        }
    snprintf(caption, sizeof caption, "Expected calibration error %.4f.", found->calibration_error);
    const auxo_series series[2] = {
        {.name = "rows by confidence", .mark = AUXO_MARK_LINE_POINTS, .count = count, .x = x, .y = y},
        {.name = "ideal", .count = 2, .x = ideal, .y = ideal, .dashed = true}};
    auxo_report_chart(report, &(auxo_chart){.title = "Calibration",
                                            .caption = caption,
                                            .x_label = "confidence",
                                            .y_label = "accuracy",
                                            .y_min = 0,
                                            .y_max = 1,
                                            .series = series,
                                            .series_count = 2});
}

auxo_status auxo_class_scores_report(const auxo_class_scores *found, char *const *names, auxo_report *report,
                                     auxo_error *error)
{
    add_table(found, names, report);
    auxo_status status = add_confusion(found, names, report, error);
    if (status == AUXO_OK)
        add_reliability(found, report);
    return status;
}
