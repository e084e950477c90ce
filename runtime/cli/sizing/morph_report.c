/* runtime/cli/sizing/morph_report.c: the report of `auxo morph`: figures 5.1 to 5.5 of the thesis, and the best
 * network. */
#include "auxo/report.h"
#include "morph_run.h"
#include "sizing_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Room for series of one chart; `values` holds all their numbers. */
typedef struct drawing {
    auxo_series *series;
    size_t series_count, value_count;
    double *values;
    char (*names)[48];
} drawing;

static bool drawing_init(const morph_run *run, drawing *d)
{
    size_t points = run->moment_count + run->training_count + 1;
    size_t series = (size_t)(run->plan_count + 1) * (MORPH_WIDTHS_MAX + 1);
    *d = (drawing){.series = calloc(series, sizeof *d->series),
                   .values = malloc(2 * points * (MORPH_WIDTHS_MAX + 1) * sizeof *d->values),
                   .names = calloc(series, sizeof *d->names)};
    return d->series && d->values && d->names;
}

static void drawing_deinit(drawing *d)
{
    free(d->series);
    free(d->values);
    free(d->names);
}

static void drawing_restart(drawing *d)
{
    d->series_count = d->value_count = 0;
}

/* Begins a series; add_point appends to the last one begun. */
static void begin_series(drawing *d, auxo_mark mark, bool dashed, uint32_t color)
{
    d->series[d->series_count] = (auxo_series){.name = d->names[d->series_count],
                                               .mark = mark,
                                               .dashed = dashed,
                                               .color = color,
                                               .x = d->values + d->value_count,
                                               .y = d->values + d->value_count};
    d->series_count++;
}

/* x and y alternate in memory until end_series sorts them apart. */
static void add_point(drawing *d, double x, double y)
{
    d->values[d->value_count++] = x;
    d->values[d->value_count++] = y;
    d->series[d->series_count - 1].count++;
}

static auxo_status end_series(drawing *d, auxo_error *error)
{
    auxo_series *series = &d->series[d->series_count - 1];
    double *values = d->values + d->value_count - 2 * series->count,
           *copy = malloc((2 * series->count + 1) * sizeof *copy);
    if (!copy)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (size_t i = 0; i < series->count; i++) {
        copy[i] = values[2 * i];
        copy[series->count + i] = values[2 * i + 1];
    }
    for (size_t i = 0; i < 2 * series->count; i++)
        values[i] = copy[i];
    free(copy);
    series->x = values;
    series->y = values + series->count;
    if (series->count == 0)
        d->series_count--;
    return AUXO_OK;
}

static void name_loop(const morph_run *run, uint32_t loop, char *name, size_t size)
{
    bool models = run->plan_count > 1 && run->plans[0].model != run->plans[run->plan_count - 1].model;
    if (models)
        snprintf(name, size, "%s", run->plans[loop].model);
    else
        snprintf(name, size, "lambda %.3g", run->plans[loop].strength);
}

/* ---- Fig. 5.1 (b), 5.3: error against cost after each iteration, one series an iteration ------------------------- */
static auxo_status draw_front(const morph_run *run, auxo_report *report, drawing *d, auxo_error *error)
{
    double divisor;
    const char *unit = sizing_unit(&run->budget, &divisor);
    auxo_status status = AUXO_OK;
    drawing_restart(d);
    for (uint32_t iteration = 1; iteration <= run->options.iterations + 1 && status == AUXO_OK; iteration++) {
        bool final = iteration > run->options.iterations;
        begin_series(d, AUXO_MARK_POINTS, false, 0);
        snprintf(d->names[d->series_count - 1], sizeof *d->names, final ? "final training" : "iteration %u", iteration);
        for (size_t i = 0; i < run->training_count; i++) {
            const auxo_morph_record *record = &run->trainings[i].record;
            if (record->iteration == iteration)
                add_point(d, (record->is_final ? record->cost : record->alive_cost) / divisor,
                          100 * (1 - record->validation_accuracy));
        }
        status = end_series(d, error);
    }
    auxo_report_chart(report, &(auxo_chart){.title = "Validation error and cost",
                                            .x_label = unit,
                                            .y_label = "error, %",
                                            .x_log = true,
                                            .caption = "Regularised trainings stand at the cost of their living "
                                                       "channels, final ones at that of the whole network.",
                                            .series = d->series,
                                            .series_count = d->series_count});
    return status;
}

/* Steps of all iterations of a loop in one row: Fig. 5.2 (b), 5.4 (b). */
static double overall_step(const morph_run *run, const morph_moment *moment)
{
    uint64_t longest = 1;
    for (size_t i = 0; i < run->moment_count; i++)
        longest = run->moments[i].step > longest ? run->moments[i].step : longest;
    return (double)(moment->iteration - 1) * (double)longest + (double)moment->step;
}

static auxo_status draw_costs(const morph_run *run, auxo_report *report, drawing *d, auxo_error *error)
{
    double divisor;
    const char *unit = sizing_unit(&run->budget, &divisor);
    auxo_status status = AUXO_OK;
    drawing_restart(d);
    for (uint32_t loop = 0; loop < run->plan_count && status == AUXO_OK; loop++) {
        begin_series(d, AUXO_MARK_LINE, false, 0);
        name_loop(run, loop, d->names[d->series_count - 1], sizeof *d->names);
        for (size_t i = 0; i < run->moment_count; i++)
            if (run->moments[i].loop == loop)
                add_point(d, overall_step(run, &run->moments[i]), run->moments[i].alive_cost / divisor);
        status = end_series(d, error);
    }
    const auxo_rule budget = {.at = run->budget.limit / divisor, .label = "budget"};
    auxo_report_chart(report, &(auxo_chart){.title = "Cost of the living channels while training",
                                            .x_label = "step",
                                            .y_label = unit,
                                            .y_log = true,
                                            .series = d->series,
                                            .series_count = d->series_count,
                                            .rules = &budget,
                                            .rule_count = 1});
    return status;
}

/* ---- Fig. 5.4 (c), 5.5: widths ----------------------------------------------------------------------------------- */
static auxo_status draw_alive(const morph_run *run, auxo_report *report, drawing *d, uint32_t loop, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    uint32_t layers = 0;
    char title[80], name[48];
    for (size_t i = 0; i < run->moment_count; i++)
        if (run->moments[i].loop == loop)
            layers = run->moments[i].width_count;
    drawing_restart(d);
    for (uint32_t l = 0; l < layers && status == AUXO_OK; l++) {
        begin_series(d, AUXO_MARK_LINE, false, 0);
        snprintf(d->names[d->series_count - 1], sizeof *d->names, "layer %u", l + 1);
        for (size_t i = 0; i < run->moment_count; i++)
            if (run->moments[i].loop == loop)
                add_point(d, overall_step(run, &run->moments[i]), run->moments[i].alive[l]);
        status = end_series(d, error);
    }
    name_loop(run, loop, name, sizeof name);
    snprintf(title, sizeof title, "Living channels, %s", name);
    auxo_report_chart(report, &(auxo_chart){.title = title,
                                            .x_label = "step",
                                            .y_label = "channels",
                                            .series = d->series,
                                            .series_count = d->series_count});
    return status;
}

static auxo_status draw_widths(const morph_run *run, auxo_report *report, drawing *d, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    drawing_restart(d);
    for (uint32_t loop = 0; loop < run->plan_count; loop++) {
        uint32_t layers = 0;
        char name[32];
        name_loop(run, loop, name, sizeof name);
        for (size_t i = 0; i < run->training_count; i++)
            if (run->trainings[i].loop == loop)
                layers = run->trainings[i].width_count;
        for (uint32_t l = 0; l < layers && status == AUXO_OK; l++) {
            begin_series(d, AUXO_MARK_LINE_POINTS, l % 2 == 1, loop + 1);
            snprintf(d->names[d->series_count - 1], sizeof *d->names, "%.24s, layer %u", name, l + 1);
            for (size_t i = 0; i < run->training_count; i++)
                if (run->trainings[i].loop == loop)
                    add_point(d, run->trainings[i].record.iteration, run->trainings[i].widths[l]);
            status = end_series(d, error);
        }
    }
    auxo_report_chart(report, &(auxo_chart){.title = "Widths of the trained networks",
                                            .x_label = "iteration",
                                            .y_label = "channels",
                                            .series = d->series,
                                            .series_count = d->series_count});
    return status;
}

static void list_trainings(const morph_run *run, auxo_report *report)
{
    const char *const headings[] = {"run",         "iteration",     "widths",          "weights",      "cost",
                                    "living cost", "training loss", "validation loss", "validation %", "kappa"};
    auxo_report_section(report, "Trainings");
    auxo_report_table_begin(report, headings, sizeof headings / sizeof *headings);
    for (size_t i = 0; i < run->training_count; i++) {
        const morph_training *training = &run->trainings[i];
        const auxo_morph_record *r = &training->record;
        char name[48], widths[MORPH_WIDTHS_MAX * 8] = "", cost[48], alive[48] = "", loss[32], validation[32], kappa[32];
        size_t used = 0;
        for (uint32_t l = 0; l < training->width_count && used < sizeof widths; l++)
            used += (size_t)snprintf(widths + used, sizeof widths - used, "%s%u", l ? "-" : "", training->widths[l]);
        name_loop(run, training->loop, name, sizeof name);
        if (isfinite(r->alive_cost))
            sizing_format_cost(alive, sizeof alive, &run->budget, r->alive_cost);
        auxo_report_table_rowf(
            report, "%s|%u%s|%s|%llu|%s|%s|%.5f|%s|%s|%s", name, r->iteration, r->is_final ? " (final)" : "", widths,
            (unsigned long long)r->weights, sizing_format_cost(cost, sizeof cost, &run->budget, r->cost), alive,
            r->train_loss, sizing_report_number(loss, sizeof loss, "%.5f", r->validation_loss),
            sizing_report_number(validation, sizeof validation, "%.2f", 100 * r->validation_accuracy),
            sizing_report_number(kappa, sizeof kappa, "%.4g", r->kappa));
    }
    auxo_report_table_end(report);
}

auxo_status morph_report_write(const morph_run *run, const auxo_model *best, const char *path, auxo_error *error)
{
    auxo_report *report = NULL;
    drawing d = {0};
    char budget[48];
    auxo_status status = auxo_report_create("MorphNet", &report, error);
    if (status == AUXO_OK && !drawing_init(run, &d))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    if (status == AUXO_OK) {
        auxo_report_text(report, "%s, %zu training rows, %s. Budget %s. Test accuracy of the best network: %.2f %%.",
                         run->job.train->name, run->job.train->row_count, run->job.optimizer_text,
                         sizing_format_cost(budget, sizeof budget, &run->budget, run->budget.limit),
                         100 * run->test.accuracy);
        if (run->broke_down[0])
            auxo_report_text(report, "%s", run->broke_down);
        status = draw_front(run, report, &d, error);
    }
    if (status == AUXO_OK)
        status = draw_costs(run, report, &d, error);
    if (status == AUXO_OK)
        status = draw_widths(run, report, &d, error);
    for (uint32_t loop = 0; loop < run->plan_count && status == AUXO_OK; loop++)
        status = draw_alive(run, report, &d, loop, error);
    if (status == AUXO_OK) {
        list_trainings(run, report);
        auxo_report_section(report, "Network");
        if (best)
            network_report_draw(report, "Best network", auxo_model_get_desc(best));
        status = auxo_report_write(report, path, error);
    }
    drawing_deinit(&d);
    auxo_report_destroy(report);
    return status;
}
