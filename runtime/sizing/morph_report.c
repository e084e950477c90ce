/* morph_report.c: the report of "morph": fronts, costs and widths over iterations, and the best network.
 */
#include "morph_method.h"
#include "run_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The history in the form that drawing needs. */
typedef struct morph_moment {
    uint32_t loop, iteration;
    uint64_t step;
    double alive_cost;
    uint32_t width_count;
    const double *alive;
} morph_moment;

typedef struct morph_training {
    uint32_t loop, iteration;
    bool is_final;
    double cost, alive_cost, train_loss, validation_loss, validation_accuracy, kappa;
    uint64_t weights;
    uint32_t width_count;
    const double *widths;
} morph_training;

typedef struct morph_view {
    uint32_t plan_count, iterations;
    const auxo__morph_plan *plans;
    auxo_budget budget;
    size_t moment_count, training_count;
    morph_moment *moments;
    morph_training *trainings;
} morph_view;

static const double *values_of(const auxo_run *run, const char *event, const char *field)
{
    return auxo__history_column(&run->history, event, field)->values;
}

static void read_moments(const auxo_run *run, morph_view *view)
{
    const double *loops = values_of(run, "refresh", "loop"), *iterations = values_of(run, "refresh", "iteration");
    const double *steps = values_of(run, "refresh", "step"), *costs = values_of(run, "refresh", "cost");
    const auxo__column *alive = auxo__history_column(&run->history, "refresh", "alive");
    const double *at = alive->values;
    for (size_t i = 0; i < view->moment_count; i++) {
        view->moments[i] = (morph_moment){(uint32_t)loops[i], (uint32_t)iterations[i],    (uint64_t)steps[i],
                                          costs[i],           (uint32_t)alive->counts[i], at};
        at += view->moments[i].width_count;
    }
}

static void read_trainings(const auxo_run *run, morph_view *view)
{
    const auxo__column *widths = auxo__history_column(&run->history, "training", "width_list");
    const double *at = widths->values;
    for (size_t i = 0; i < view->training_count; i++) {
        view->trainings[i] = (morph_training){.loop = (uint32_t)values_of(run, "training", "loop")[i],
                                              .iteration = (uint32_t)values_of(run, "training", "iteration")[i],
                                              .is_final = values_of(run, "training", "final")[i] != 0,
                                              .cost = values_of(run, "training", "cost")[i],
                                              .alive_cost = values_of(run, "training", "alive_cost")[i],
                                              .train_loss = values_of(run, "training", "train_loss")[i],
                                              .validation_loss = values_of(run, "training", "val_loss")[i],
                                              .validation_accuracy = values_of(run, "training", "val_accuracy")[i],
                                              .kappa = values_of(run, "training", "kappa")[i],
                                              .weights = (uint64_t)values_of(run, "training", "weights")[i],
                                              .width_count = (uint32_t)widths->counts[i],
                                              .widths = at};
        at += view->trainings[i].width_count;
    }
}

static bool view_init(const auxo_run *run, const auxo__morph_state *state, morph_view *view)
{
    *view = (morph_view){.plan_count = state->plan_count,
                         .plans = state->plans,
                         .iterations = state->options.iterations,
                         .budget = state->budget,
                         .moment_count = auxo__history_find(&run->history, "refresh")->event_count,
                         .training_count = auxo__history_find(&run->history, "training")->event_count};
    view->moments = calloc(view->moment_count + 1, sizeof *view->moments);
    view->trainings = calloc(view->training_count + 1, sizeof *view->trainings);
    if (!view->moments || !view->trainings)
        return false;
    if (view->moment_count)
        read_moments(run, view);
    if (view->training_count)
        read_trainings(run, view);
    return true;
}

static void view_deinit(morph_view *view)
{
    free(view->moments);
    free(view->trainings);
}

/* Room for series of one chart; `values` holds all their numbers. */
typedef struct drawing {
    auxo_series *series;
    size_t series_count, value_count;
    double *values;
    char (*names)[48];
} drawing;

static bool drawing_init(const morph_view *run, drawing *d)
{
    size_t points = run->moment_count + run->training_count + 1;
    size_t series = (size_t)(run->plan_count + 1) * (AUXO__MORPH_WIDTHS_MAX + 1);
    *d = (drawing){.series = calloc(series, sizeof *d->series),
                   .values = malloc(2 * points * (AUXO__MORPH_WIDTHS_MAX + 1) * sizeof *d->values),
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

static void name_loop(const morph_view *run, uint32_t loop, char *name, size_t size)
{
    bool models = run->plan_count > 1 && run->plans[0].model != run->plans[run->plan_count - 1].model;
    if (models)
        snprintf(name, size, "%s", run->plans[loop].model);
    else
        snprintf(name, size, "lambda %.3g", run->plans[loop].strength);
}

/* ---- Fig. 5.1 (b), 5.3: error against cost after each iteration, one series an iteration ------------------------- */
static auxo_status draw_front(const morph_view *run, auxo_report *report, drawing *d, auxo_error *error)
{
    double divisor;
    const char *unit = auxo__budget_unit(&run->budget, &divisor);
    auxo_status status = AUXO_OK;
    drawing_restart(d);
    for (uint32_t iteration = 1; iteration <= run->iterations + 1 && status == AUXO_OK; iteration++) {
        bool final = iteration > run->iterations;
        begin_series(d, AUXO_MARK_POINTS, false, 0);
        snprintf(d->names[d->series_count - 1], sizeof *d->names, final ? "final training" : "iteration %u", iteration);
        for (size_t i = 0; i < run->training_count; i++) {
            const morph_training *record = &run->trainings[i];
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
static double overall_step(const morph_view *run, const morph_moment *moment)
{
    uint64_t longest = 1;
    for (size_t i = 0; i < run->moment_count; i++)
        longest = run->moments[i].step > longest ? run->moments[i].step : longest;
    return (double)(moment->iteration - 1) * (double)longest + (double)moment->step;
}

static auxo_status draw_costs(const morph_view *run, auxo_report *report, drawing *d, auxo_error *error)
{
    double divisor;
    const char *unit = auxo__budget_unit(&run->budget, &divisor);
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
static auxo_status draw_alive(const morph_view *run, auxo_report *report, drawing *d, uint32_t loop, auxo_error *error)
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

static auxo_status draw_widths(const morph_view *run, auxo_report *report, drawing *d, auxo_error *error)
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
                    add_point(d, run->trainings[i].iteration, run->trainings[i].widths[l]);
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

static void list_trainings(const morph_view *run, auxo_report *report)
{
    const char *const headings[] = {"run",         "iteration",     "widths",          "weights",      "cost",
                                    "living cost", "training loss", "validation loss", "validation %", "kappa"};
    auxo_report_section(report, "Trainings");
    auxo_report_table_begin(report, headings, sizeof headings / sizeof *headings);
    for (size_t i = 0; i < run->training_count; i++) {
        const morph_training *training = &run->trainings[i];
        const morph_training *r = training;
        char name[48], widths[AUXO__MORPH_WIDTHS_MAX * 8] = "", cost[48], alive[48] = "", loss[32], validation[32],
                                                       kappa[32];
        size_t used = 0;
        for (uint32_t l = 0; l < training->width_count && used < sizeof widths; l++)
            used += (size_t)snprintf(widths + used, sizeof widths - used, "%s%.0f", l ? "-" : "", training->widths[l]);
        name_loop(run, training->loop, name, sizeof name);
        if (isfinite(r->alive_cost))
            auxo__budget_format(alive, sizeof alive, &run->budget, r->alive_cost);
        auxo_report_table_rowf(report, "%s|%u%s|%s|%llu|%s|%s|%.5f|%s|%s|%s", name, r->iteration,
                               r->is_final ? " (final)" : "", widths, (unsigned long long)r->weights,
                               auxo__budget_format(cost, sizeof cost, &run->budget, r->cost), alive, r->train_loss,
                               auxo__report_number(loss, sizeof loss, "%.5f", r->validation_loss),
                               auxo__report_number(validation, sizeof validation, "%.2f", 100 * r->validation_accuracy),
                               auxo__report_number(kappa, sizeof kappa, "%.4g", r->kappa));
    }
    auxo_report_table_end(report);
}

static auxo_status draw_all(const morph_view *view, auxo_report *report, drawing *d, auxo_error *error)
{
    auxo_status status = draw_front(view, report, d, error);
    if (status == AUXO_OK)
        status = draw_costs(view, report, d, error);
    if (status == AUXO_OK)
        status = draw_widths(view, report, d, error);
    for (uint32_t loop = 0; loop < view->plan_count && status == AUXO_OK; loop++)
        status = draw_alive(view, report, d, loop, error);
    return status;
}

auxo_status auxo__morph_report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    const auxo__morph_state *state = user;
    morph_view view = {0};
    drawing d = {0};
    char budget[48];
    auxo_report_text(report, "%s, %zu training rows, %s. Budget %s. Test accuracy of the best network: %.2f %%.",
                     state->data.train->name, state->data.train->row_count, state->optimizer_text,
                     auxo__budget_format(budget, sizeof budget, &state->budget, state->budget.limit),
                     100 * state->test.accuracy);
    if (state->broke_down[0])
        auxo_report_text(report, "%s", state->broke_down);
    auxo_status status = view_init(run, state, &view) && drawing_init(&view, &d)
                             ? draw_all(&view, report, &d, error)
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    if (status == AUXO_OK) {
        list_trainings(&view, report);
        auxo_report_section(report, "Network");
        if (state->best)
            auxo__report_network(report, "Best network", auxo_model_get_desc(state->best));
    }
    drawing_deinit(&d);
    view_deinit(&view);
    return status;
}
