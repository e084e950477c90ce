/* compare_report.c: the table of "multiscale compare", and the pictures of its methods side by side.
 */
#include "compare_method.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DRAWN_METHODS = AUXO__COMPARE_METHODS - 1 }; /* equal time has iterations of another length */

/* The iterations of one method of the first seed, gathered from the history of curves. */
typedef struct curve {
    size_t count;
    double *loss, *gradient, *epochs, *seconds, *layer_begin, *layer_end; /* one allocation, at loss */
} curve;

static const double *column(const auxo_run *run, const char *field)
{
    return auxo__history_column(&run->history, "curve", field)->values;
}

static auxo_status gather(const auxo_run *run, int method, curve *c, auxo_error *error)
{
    size_t all = auxo__history_find(&run->history, "curve")->event_count;
    double *memory = malloc((6 * all + 1) * sizeof *memory);
    *c = (curve){0, memory, memory + all, memory + 2 * all, memory + 3 * all, memory + 4 * all, memory + 5 * all};
    if (!memory)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (size_t i = 0; i < all; i++) {
        if (column(run, "method")[i] != method)
            continue;
        c->loss[c->count] = column(run, "loss")[i];
        c->gradient[c->count] = column(run, "network_gradient_max")[i];
        c->epochs[c->count] = column(run, "epochs")[i];
        c->seconds[c->count] = column(run, "selection_seconds")[i] + column(run, "training_seconds")[i];
        c->layer_begin[c->count] = column(run, "layer_begin")[i];
        c->layer_end[c->count] = column(run, "layer_end")[i];
        c->count++;
    }
    return AUXO_OK;
}

static void draw_curves(auxo_report *report, const curve *curves)
{
    static const char *const titles[] = {"Loss", "Largest gradient of the network", "Epochs per iteration",
                                         "Seconds per iteration"};
    static const char *const labels[] = {"mean squared error", "|dMSE/dW| (max)", "epochs", "seconds"};
    for (int drawn = 0; drawn < 4; drawn++) {
        auxo_series series[DRAWN_METHODS];
        for (int m = 0; m < DRAWN_METHODS; m++) {
            const double *const values[] = {curves[m].loss, curves[m].gradient, curves[m].epochs, curves[m].seconds};
            series[m] = (auxo_series){.name = auxo__compare_names[m], .count = curves[m].count, .y = values[drawn]};
        }
        auxo_report_chart(report, &(auxo_chart){.title = titles[drawn],
                                                .x_label = "iteration",
                                                .y_label = labels[drawn],
                                                .y_log = drawn == 1,
                                                .series = series,
                                                .series_count = DRAWN_METHODS});
    }
}

/* Iterations in which each layer was trained; only methods that select. */
static auxo_status draw_selected(auxo_report *report, const curve *curves, auxo_error *error)
{
    size_t layer_count = 0;
    for (int m = 0; m < DRAWN_METHODS; m++)
        for (size_t i = 0; i < curves[m].count; i++)
            layer_count = curves[m].layer_end[i] > (double)layer_count ? (size_t)curves[m].layer_end[i] : layer_count;
    double *values = calloc(2 * layer_count + 1, sizeof *values);
    char(*labels)[24] = malloc((layer_count + 1) * sizeof *labels);
    const char **categories = malloc((layer_count + 1) * sizeof *categories);
    auxo_status status =
        values && labels && categories ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (size_t l = 0; l < layer_count && status == AUXO_OK; l++) {
        snprintf(labels[l], sizeof labels[l], "%zu", l + 1);
        categories[l] = labels[l];
    }
    for (int m = 0; m < 2 && status == AUXO_OK; m++)
        for (size_t i = 0; i < curves[m].count; i++)
            for (size_t l = (size_t)curves[m].layer_begin[i]; l < (size_t)curves[m].layer_end[i]; l++)
                values[(size_t)m * layer_count + l]++;
    if (status == AUXO_OK && layer_count > 0)
        auxo_report_bars(report, &(auxo_bars){.title = "How often each layer was trained",
                                              .value_label = "iterations",
                                              .categories = categories,
                                              .category_count = layer_count,
                                              .names = auxo__compare_names,
                                              .series_count = 2,
                                              .values = values});
    free(values);
    free(labels);
    free(categories);
    return status;
}

static void write_table(const auxo__compare_state *state, auxo_report *report)
{
    static const char *const headings[] = {"method",     "train MSE", "test MSE",       "epochs per iteration",
                                           "iterations", "seconds",   "of it selection"};
    char constant[32], linear[32];
    auxo_report_table_begin(report, headings, AUXO__COMPARE_COLUMNS + 1);
    for (uint64_t m = 0; m < state->method_count; m++) {
        const auxo__compare_row *row = &state->rows[m];
        const char *const cells[] = {row->method,   row->cells[0], row->cells[1], row->cells[2],
                                     row->cells[3], row->cells[4], row->cells[5]};
        auxo_report_table_row(report, cells);
    }
    snprintf(constant, sizeof constant, "%.5g", state->constant_loss);
    snprintf(linear, sizeof linear, "%.5g", state->linear_loss);
    const char *const constant_cells[] = {"constant predictor", "", constant, "", "", "", ""};
    const char *const linear_cells[] = {"linear least squares", "", linear, "", "", "", ""};
    auxo_report_table_row(report, constant_cells);
    if (isfinite(state->linear_loss)) /* there is none for classes */
        auxo_report_table_row(report, linear_cells);
    auxo_report_table_end(report);
}

auxo_status auxo__compare_report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    const auxo__compare_state *state = user;
    curve curves[DRAWN_METHODS] = {{0}};
    auxo_values sets[DRAWN_METHODS];
    auxo_status status = AUXO_OK;
    auxo_report_text(report, "%zu training rows, %llu seeds. Mean and standard deviation; in brackets what %s prints.",
                     state->data.train->row_count, (unsigned long long)state->seed_count,
                     auxo__multiscale_printed_of(run->settings)->table);
    write_table(state, report);
    for (int m = 0; m < DRAWN_METHODS && status == AUXO_OK; m++)
        status = gather(run, m, &curves[m], error);
    if (status == AUXO_OK) {
        auxo_report_section(report, "The first seed, iteration by iteration");
        draw_curves(report, curves);
        status = draw_selected(report, curves, error);
    }
    for (int m = 0; m < DRAWN_METHODS; m++) {
        sets[m] = (auxo_values){auxo__compare_names[m], state->weights[m], state->weights[m] ? state->weight_count : 0};
        free(curves[m].loss);
    }
    if (status == AUXO_OK)
        auxo_report_histogram(report, "Distribution of the last weights", "weight", sets, DRAWN_METHODS, 0);
    return status;
}
