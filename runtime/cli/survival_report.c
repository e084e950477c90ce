/* runtime/cli/survival_report.c: the pictures of a survival model (thesis ch. 7): curves by risk group, calibration,
 * discrimination over time, risks by site.
 */
#include "survival_job.h"

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

typedef struct curve_memory {
    auxo_step_function curve;
    double *low, *high;
} curve_memory;

static auxo_status group_curve(const auxo_dataset *dataset, const double *risks, double from, double to,
                               curve_memory *memory, auxo_error *error)
{
    float *times = malloc((dataset->row_count + 1) * sizeof *times);
    uint32_t *events = malloc((dataset->row_count + 1) * sizeof *events);
    size_t count = 0;
    for (size_t i = 0; i < dataset->row_count && times && events; i++)
        if (risks[i] >= from && risks[i] < to) {
            times[count] = dataset->times[i];
            events[count++] = dataset->events[i];
        }
    const auxo_survival_sample sample = {count, times, events, NULL};
    auxo_status status = times && events ? auxo_survival_kaplan_meier(&sample, false, &memory->curve, error)
                                         : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    free(times);
    free(events);
    if (status != AUXO_OK)
        return status;
    memory->low = malloc((memory->curve.count + 1) * sizeof(double));
    memory->high = malloc((memory->curve.count + 1) * sizeof(double));
    if (!memory->low || !memory->high)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (size_t i = 0; i < memory->curve.count; i++) {
        memory->low[i] = fmax(0, memory->curve.values[i] - 1.96 * memory->curve.standard_errors[i]);
        memory->high[i] = fmin(1, memory->curve.values[i] + 1.96 * memory->curve.standard_errors[i]);
    }
    return AUXO_OK;
}

static auxo_status draw_groups(auxo_report *report, const auxo_dataset *dataset, const double *risks, auxo_error *error)
{
    static const char *const names[GROUP_COUNT] = {"low risk", "medium risk", "high risk"};
    double cuts[GROUP_COUNT - 1];
    curve_memory memory[GROUP_COUNT] = {{{0}, NULL, NULL}};
    auxo_series series[GROUP_COUNT] = {{0}};
    auxo_status status = risk_cuts(risks, dataset->row_count, cuts, error);
    for (int g = 0; g < GROUP_COUNT && status == AUXO_OK; g++) {
        status = group_curve(dataset, risks, g ? cuts[g - 1] : -INFINITY, g + 1 < GROUP_COUNT ? cuts[g] : INFINITY,
                             &memory[g], error);
        series[g] = (auxo_series){.name = names[g],
                                  .mark = AUXO_MARK_STEPS,
                                  .count = memory[g].curve.count,
                                  .x = memory[g].curve.times,
                                  .y = memory[g].curve.values,
                                  .low = memory[g].low,
                                  .high = memory[g].high};
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
    for (int g = 0; g < GROUP_COUNT; g++) {
        auxo_step_function_deinit(&memory[g].curve);
        free(memory[g].low);
        free(memory[g].high);
    }
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
    double time = survival_event_time_quantile(dataset, 0.5);
    auxo_survival_sample sample = survival_sample(dataset, risks);
    auxo_status status = auxo_survival_calibration(&sample, hazard, time, bins, predicted, observed, error);
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

static auxo_status draw_auc(auxo_report *report, const auxo_dataset *train, const auxo_dataset *dataset,
                            const double *risks, auxo_error *error)
{
    enum { RESAMPLES = 200 };
    double times[TIME_COUNT], areas[TIME_COUNT], low[TIME_COUNT], high[TIME_COUNT];
    for (int k = 0; k < TIME_COUNT; k++)
        times[k] = survival_event_time_quantile(dataset, 0.05 + 0.9 * k / (TIME_COUNT - 1));
    auxo_survival_sample fit = survival_sample(train, NULL), sample = survival_sample(dataset, risks);
    auxo_status status = auxo_survival_dynamic_auc(&fit, &sample, times, TIME_COUNT, areas, error);
    if (status == AUXO_OK)
        status =
            auxo_survival_dynamic_auc_interval(&fit, &sample, times, TIME_COUNT, RESAMPLES, 0.95, 1, low, high, error);
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
    static const char *const names[SITES_MAX] = {"site 1", "site 2", "site 3", "site 4",
                                                 "site 5", "site 6", "site 7", "site 8"};
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
        if (used > begin)
            sets[set_count++] = (auxo_values){names[s], values + begin, used - begin};
    }
    auxo_report_histogram(report, "Risk scores by site", "risk", sets, set_count, 0);
    free(values);
    return AUXO_OK;
}

auxo_status survival_report_draw(auxo_report *report, const auxo_dataset *train, const auxo_dataset *dataset,
                                 const double *risks, const auxo_step_function *hazard, auxo_error *error)
{
    auxo_status status = draw_groups(report, dataset, risks, error);
    if (status == AUXO_OK)
        status = draw_calibration(report, dataset, risks, hazard, error);
    if (status == AUXO_OK)
        status = draw_auc(report, train, dataset, risks, error);
    return status == AUXO_OK ? draw_sites(report, dataset, risks, error) : status;
}
