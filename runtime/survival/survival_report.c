/* survival_report.c: the pictures of a survival model (thesis ch. 7): curves by risk group,
 * calibration, discrimination over time, risks by site.
 */
#include "survival_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { GROUP_COUNT = 3, BIN_COUNT = 10, TIME_COUNT = 20 };

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Cuts between thirds of the risks. */
static auxo_status risk_cuts(const double *risks, size_t count, double *cuts, auxo_error *error)
{
    double *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (size_t i = 0; i < count; i++)
        sorted[i] = risks[i];
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    for (size_t g = 1; g < GROUP_COUNT; g++)
        cuts[g - 1] = sorted[count * g / GROUP_COUNT];
    free(sorted);
    return AUXO_OK;
}

/* A Kaplan-Meier curve to draw: from 1 at time 0 on, with its 95 % band. */
typedef struct drawn_curve {
    size_t count;
    double *values; /* of all four */
    double *times, *survival, *low, *high;
} drawn_curve;

static auxo_status drawn_curve_fill(drawn_curve *drawn, const auxo_step_function *curve, auxo_error *error)
{
    drawn->count = curve->count + 1;
    drawn->values = malloc(4 * drawn->count * sizeof *drawn->values);
    if (!drawn->values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    drawn->times = drawn->values;
    drawn->survival = drawn->times + drawn->count;
    drawn->low = drawn->survival + drawn->count;
    drawn->high = drawn->low + drawn->count;
    drawn->times[0] = 0;
    drawn->survival[0] = drawn->low[0] = drawn->high[0] = 1;
    for (size_t i = 0; i < curve->count; i++) {
        drawn->times[i + 1] = curve->times[i];
        drawn->survival[i + 1] = curve->values[i];
        drawn->low[i + 1] = fmax(0, curve->values[i] - 1.96 * curve->standard_errors[i]);
        drawn->high[i + 1] = fmin(1, curve->values[i] + 1.96 * curve->standard_errors[i]);
    }
    return AUXO_OK;
}

static auxo_status group_curve(const auxo_dataset *dataset, const double *risks, double from, double to,
                               drawn_curve *drawn, auxo_error *error)
{
    double *times = malloc((dataset->row_count + 1) * sizeof *times);
    uint32_t *events = malloc((dataset->row_count + 1) * sizeof *events);
    size_t count = 0;
    for (size_t i = 0; i < dataset->row_count && times && events; i++)
        if (risks[i] >= from && risks[i] < to) {
            times[count] = dataset->times[i];
            events[count++] = dataset->events[i];
        }
    const auxo_survival_sample sample = {count, times, events, NULL};
    auxo_step_function curve = {0};
    auxo_status status = times && events ? auxo_survival_kaplan_meier(&sample, false, &curve, error)
                                         : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    if (status == AUXO_OK)
        status = drawn_curve_fill(drawn, &curve, error);
    auxo_step_function_deinit(&curve);
    free(times);
    free(events);
    return status;
}

/* How many rows of each group are still observed, under the curves. */
static void add_at_risk(auxo_report *report, const auxo_dataset *dataset, const double *risks, const double *cuts,
                        const char *const *names)
{
    enum { POINTS = 6 };
    double last = 0;
    char cells[POINTS + 1][32];
    const char *row[POINTS + 1] = {"number at risk at time"};
    for (size_t i = 0; i < dataset->row_count; i++)
        last = fmax(last, dataset->times[i]);
    for (int k = 0; k < POINTS; k++) {
        snprintf(cells[k], sizeof cells[k], "%.4g", last * k / (POINTS - 1));
        row[k + 1] = cells[k];
    }
    auxo_report_table_begin(report, row, POINTS + 1);
    for (int g = 0; g < GROUP_COUNT; g++) {
        size_t counts[POINTS] = {0};
        for (size_t i = 0; i < dataset->row_count; i++) {
            const int group = (risks[i] >= cuts[0]) + (risks[i] >= cuts[1]);
            for (int k = 0; k < POINTS && group == g; k++)
                counts[k] += dataset->times[i] >= last * k / (POINTS - 1);
        }
        row[0] = names[g];
        for (int k = 0; k < POINTS; k++)
            snprintf(cells[k], sizeof cells[k], "%zu", counts[k]);
        auxo_report_table_row(report, row);
    }
    auxo_report_table_end(report);
}

static auxo_status draw_groups(auxo_report *report, const auxo_dataset *dataset, const double *risks, auxo_error *error)
{
    static const char *const names[GROUP_COUNT] = {"low risk", "medium risk", "high risk"};
    double cuts[GROUP_COUNT - 1];
    drawn_curve drawn[GROUP_COUNT] = {{0}};
    auxo_series series[GROUP_COUNT] = {{0}};
    auxo_status status = risk_cuts(risks, dataset->row_count, cuts, error);
    for (int g = 0; g < GROUP_COUNT && status == AUXO_OK; g++) {
        status = group_curve(dataset, risks, g ? cuts[g - 1] : -INFINITY, g + 1 < GROUP_COUNT ? cuts[g] : INFINITY,
                             &drawn[g], error);
        series[g] = (auxo_series){.name = names[g],
                                  .mark = AUXO_MARK_STEPS,
                                  .count = drawn[g].count,
                                  .x = drawn[g].times,
                                  .y = drawn[g].survival,
                                  .low = drawn[g].low,
                                  .high = drawn[g].high};
    }
    if (status == AUXO_OK)
        auxo_report_chart(report, &(auxo_chart){.title = "Survival by thirds of predicted risk",
                                                .caption = "Kaplan-Meier estimates with 95 % bands.",
                                                .x_label = "time",
                                                .y_label = "event-free",
                                                .y_min = 0,
                                                .y_max = 1,
                                                .series = series,
                                                .series_count = GROUP_COUNT});
    if (status == AUXO_OK)
        add_at_risk(report, dataset, risks, cuts, names);
    for (int g = 0; g < GROUP_COUNT; g++)
        free(drawn[g].values);
    return status;
}

static auxo_status draw_calibration(auxo_report *report, const auxo_dataset *dataset, const double *risks,
                                    const auxo_step_function *hazard, auxo_error *error)
{
    double predicted[BIN_COUNT], observed[BIN_COUNT];
    const double ideal[2] = {0, 1};
    size_t bins = dataset->row_count < 10 * BIN_COUNT ? dataset->row_count / 10 : BIN_COUNT;
    if (bins < 2)
        return AUXO_OK; /* too few rows for groups */
    double time = 0;
    auxo_survival_sample sample = auxo_survival_rows(dataset, risks);
    auxo_status status = auxo__event_time_quantiles(dataset, &(double){0.5}, 1, &time, error);
    if (status == AUXO_OK)
        status = auxo_survival_calibration(&sample, hazard, time, bins, predicted, observed, error);
    const auxo_series series[2] = {
        {.name = "groups of equal size", .mark = AUXO_MARK_LINE_POINTS, .count = bins, .x = predicted, .y = observed},
        {.name = "ideal", .count = 2, .x = ideal, .y = ideal, .dashed = true}};
    if (status == AUXO_OK)
        auxo_report_chart(report, &(auxo_chart){.title = "Calibration at the median event time",
                                                .x_label = "predicted survival",
                                                .y_label = "observed survival",
                                                .series = series,
                                                .series_count = 2});
    return status;
}

static auxo_status draw_auc(auxo_report *report, const auxo_survival_sample *fit, const auxo_dataset *dataset,
                            const double *risks, auxo_error *error)
{
    enum { RESAMPLES = 200 };
    double shares[TIME_COUNT], times[TIME_COUNT], areas[TIME_COUNT], low[TIME_COUNT], high[TIME_COUNT];
    for (int k = 0; k < TIME_COUNT; k++)
        shares[k] = 0.05 + 0.9 * k / (TIME_COUNT - 1);
    auxo_survival_sample sample = auxo_survival_rows(dataset, risks);
    auxo_status status = auxo__event_time_quantiles(dataset, shares, TIME_COUNT, times, error);
    if (status == AUXO_OK)
        status = auxo_survival_dynamic_auc(fit, &sample, times, TIME_COUNT, areas, error);
    if (status == AUXO_OK)
        status =
            auxo_survival_dynamic_auc_interval(fit, &sample, times, TIME_COUNT, RESAMPLES, 0.95, 1, low, high, error);
    const auxo_series series = {.count = TIME_COUNT, .x = times, .y = areas, .low = low, .high = high};
    if (status == AUXO_OK)
        auxo_report_chart(report, &(auxo_chart){.title = "Cumulative/dynamic AUC",
                                                .caption = "Weighted by the inverse probability of "
                                                           "censoring; 95 % bootstrap band.",
                                                .x_label = "time",
                                                .y_label = "AUC",
                                                .series = &series,
                                                .series_count = 1});
    return status;
}

/* Fig. 7.2: how the scores of the sites lie to each other. */
static auxo_status draw_sites(auxo_report *report, const auxo_dataset *dataset, const double *risks, auxo_error *error)
{
    enum { SITES_MAX = 8 };
    char names[SITES_MAX][64];
    if (!dataset->sites)
        return AUXO_OK;
    double *values = malloc((dataset->row_count + 1) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    auxo_values sets[SITES_MAX];
    size_t used = 0, set_count = 0;
    for (uint32_t s = 0; s < SITES_MAX; s++) {
        size_t begin = used;
        for (size_t i = 0; i < dataset->row_count; i++)
            if (dataset->sites[i] == s)
                values[used++] = risks[i];
        auxo__site_name(dataset, s, names[s], sizeof names[s]);
        if (used > begin)
            sets[set_count++] = (auxo_values){names[s], values + begin, used - begin};
    }
    auxo_report_histogram(report, "Risk scores by site", "risk", sets, set_count, 0);
    free(values);
    return AUXO_OK;
}

auxo_status auxo_survival_report_draw(auxo_report *report, const auxo_survival_sample *fit, const auxo_dataset *dataset,
                                      const double *risks, const auxo_step_function *hazard, auxo_error *error)
{
    auxo_status status = draw_groups(report, dataset, risks, error);
    if (status == AUXO_OK)
        status = draw_calibration(report, dataset, risks, hazard, error);
    if (status == AUXO_OK)
        status = draw_auc(report, fit, dataset, risks, error);
    return status == AUXO_OK ? draw_sites(report, dataset, risks, error) : status;
}
