/* runtime/cli/multiscale/multiscale_report_compare.c: the pictures of methods side by side (paper Fig. 5 to 7, 9 to
 * 14). */
#include "multiscale_run.h"

#include <stdio.h>
#include <stdlib.h>

enum { RUNS_MAX = 8 };

typedef struct curve {
    const char *title, *y_label;
    bool y_log;
    double (*value)(const auxo_multiscale_iteration *iteration);
} curve;

static double loss_of(const auxo_multiscale_iteration *it)
{
    return it->loss;
}

static double gradient_of(const auxo_multiscale_iteration *it)
{
    return it->network_gradient_max;
}

static double epochs_of(const auxo_multiscale_iteration *it)
{
    return it->epochs;
}

static double seconds_of(const auxo_multiscale_iteration *it)
{
    return it->selection_seconds + it->training_seconds;
}

static const curve curves[] = {{"Loss", "mean squared error", false, loss_of},
                               {"Largest gradient of the network", "|dMSE/dW| (max)", true, gradient_of},
                               {"Epochs per iteration", "epochs", false, epochs_of},
                               {"Seconds per iteration", "seconds", false, seconds_of}};

static auxo_status draw_curve(auxo_report *report, const curve *drawn, const multiscale_run *runs,
                              const char *const *names, size_t count, auxo_error *error)
{
    auxo_series series[RUNS_MAX] = {{0}};
    double *memory[RUNS_MAX] = {NULL};
    auxo_status status = AUXO_OK;
    for (size_t r = 0; r < count && status == AUXO_OK; r++) {
        const multiscale_history *history = &runs[r].history;
        memory[r] = malloc((history->count + 1) * sizeof *memory[r]);
        if (!memory[r])
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
        for (size_t i = 0; i < history->count && memory[r]; i++)
            memory[r][i] = drawn->value(&history->iterations[i]);
        series[r] = (auxo_series){.name = names[r], .count = history->count, .y = memory[r]};
    }
    if (status == AUXO_OK)
        auxo_report_chart(report, &(auxo_chart){.title = drawn->title,
                                                .x_label = "iteration",
                                                .y_label = drawn->y_label,
                                                .y_log = drawn->y_log,
                                                .series = series,
                                                .series_count = count});
    for (size_t r = 0; r < count; r++)
        free(memory[r]);
    return status;
}

/* Iterations in which each layer was trained; only runs that selected. */
static auxo_status draw_selected(auxo_report *report, const multiscale_run *runs, const char *const *names,
                                 size_t count, auxo_error *error)
{
    uint32_t layer_count = runs[0].history.layer_count;
    double *values = calloc(RUNS_MAX * (size_t)layer_count, sizeof *values);
    char(*labels)[16] = malloc(layer_count * sizeof *labels);
    const char **categories = malloc(layer_count * sizeof *categories), *used[RUNS_MAX];
    auxo_status status =
        values && labels && categories ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    size_t used_count = 0;
    for (uint32_t l = 0; l < layer_count && status == AUXO_OK; l++) {
        snprintf(labels[l], sizeof labels[l], "%u", l + 1);
        categories[l] = labels[l];
    }
    for (size_t r = 0; r < count && status == AUXO_OK; r++) {
        if (runs[r].options.order == AUXO_MULTISCALE_BACKPROPAGATION)
            continue;
        double *row = values + used_count * layer_count;
        for (size_t i = 0; i < runs[r].history.count; i++) {
            const auxo_multiscale_iteration *it = &runs[r].history.iterations[i];
            for (uint32_t l = it->layer_begin; l < it->layer_end; l++)
                row[l]++;
        }
        used[used_count++] = names[r];
    }
    if (status == AUXO_OK)
        auxo_report_bars(report, &(auxo_bars){.title = "How often each layer was trained",
                                              .value_label = "iterations",
                                              .categories = categories,
                                              .category_count = layer_count,
                                              .names = used,
                                              .series_count = used_count,
                                              .values = values});
    free(values);
    free(labels);
    free(categories);
    return status;
}

auxo_status multiscale_report_compare(auxo_report *report, const multiscale_run *runs, const char *const *names,
                                      size_t count, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    count = count < RUNS_MAX ? count : RUNS_MAX;
    auxo_report_section(report, "The first seed, iteration by iteration");
    for (size_t i = 0; i < sizeof curves / sizeof curves[0] && status == AUXO_OK; i++)
        status = draw_curve(report, &curves[i], runs, names, count, error);
    if (status == AUXO_OK)
        status = draw_selected(report, runs, names, count, error);
    auxo_values sets[RUNS_MAX];
    for (size_t r = 0; r < count; r++)
        sets[r] = (auxo_values){names[r], runs[r].weights, runs[r].weight_count};
    if (status == AUXO_OK)
        auxo_report_histogram(report, "Distribution of the last weights", "weight", sets, count, 0);
    return status;
}
