/* compare_table.c: a row of the comparison: means and spreads over the seeds, beside what the paper prints.
 */
#include "compare_method.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define METHOD_FIELD(column, name)                                                                                     \
    AUXO__FIELD(auxo__compare_row, mean[column], name, REAL),                                                          \
        AUXO__FIELD(auxo__compare_row, spread[column], name "_sd", REAL)
static const auxo_field row_fields[] = {
    AUXO__FIELD(auxo__compare_row, method, "method", TEXT),
    METHOD_FIELD(AUXO__COMPARE_TRAIN_LOSS, "train_loss"),
    METHOD_FIELD(AUXO__COMPARE_TEST_LOSS, "test_loss"),
    METHOD_FIELD(AUXO__COMPARE_EPOCHS, "average_epochs"),
    METHOD_FIELD(AUXO__COMPARE_ITERATIONS, "iterations"),
    METHOD_FIELD(AUXO__COMPARE_SECONDS, "seconds"),
    METHOD_FIELD(AUXO__COMPARE_SELECTION_SECONDS, "selection_seconds"),
    AUXO__FIELD_LINE_ONLY(auxo__compare_row, text, "text", CHARS),
    AUXO__FIELDS_END,
};
const auxo_event_type auxo__compare_row_event = {
    .name = "row", .fields = row_fields, .line = "{text}", .flags = AUXO_EVENT_LINE_ONLY};

static void mean_and_spread(const double *values, size_t count, double *mean, double *spread)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *spread = count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
}

/* One column of the comparison for the run at `index` of the history. */
static double run_value(const auxo_run *run, int column, size_t index)
{
    const auxo__iteration_range range = {index, index + 1};
    double iterations = auxo__iteration_sum(run, "run", "iterations", range);
    switch (column) {
    case AUXO__COMPARE_TRAIN_LOSS:
        return auxo__iteration_sum(run, "run", "train_loss", range);
    case AUXO__COMPARE_TEST_LOSS:
        return auxo__iteration_sum(run, "run", "test_loss", range);
    case AUXO__COMPARE_EPOCHS:
        return iterations > 0 ? auxo__iteration_sum(run, "run", "epochs", range) / iterations : 0;
    case AUXO__COMPARE_ITERATIONS:
        return iterations;
    case AUXO__COMPARE_SECONDS:
        return auxo__iteration_sum(run, "run", "selection_seconds", range) +
               auxo__iteration_sum(run, "run", "training_seconds", range);
    default:
        return auxo__iteration_sum(run, "run", "selection_seconds", range);
    }
}

static double printed_value(const auxo__multiscale_printed *printed, int method, int column)
{
    if (method > AUXO__COMPARE_BACKPROPAGATION)
        return 0;
    switch (column) {
    case AUXO__COMPARE_TRAIN_LOSS:
        return printed->train_loss[method];
    case AUXO__COMPARE_TEST_LOSS:
        return printed->test_loss[method];
    case AUXO__COMPARE_EPOCHS:
        return printed->epochs[method];
    case AUXO__COMPARE_ITERATIONS:
        return printed->iterations[method];
    case AUXO__COMPARE_SECONDS:
        return printed->seconds[method];
    default:
        return 0;
    }
}

static void format_row(const auxo_run *run, auxo__compare_row *row, int method)
{
    static const char *const labels[AUXO__COMPARE_COLUMNS] = {"train MSE",  "test MSE", "epochs an iteration",
                                                              "iterations", "seconds",  "of it selection"};
    const auxo__multiscale_printed *printed = auxo__multiscale_printed_of(run->settings);
    int used = snprintf(row->text, sizeof row->text, "%s:", auxo__compare_names[method]);
    for (int k = 0; k < AUXO__COMPARE_COLUMNS; k++) {
        double value = printed_value(printed, method, k);
        int length = snprintf(row->cells[k], sizeof row->cells[k], "%.5g ± %.2g", row->mean[k], row->spread[k]);
        if (value > 0)
            snprintf(row->cells[k] + length, sizeof row->cells[k] - (size_t)length, " (%.5g)", value);
        used += snprintf(row->text + used, sizeof row->text - (size_t)used, "%s %s %s", k ? "," : "", labels[k],
                         row->cells[k]);
    }
}

auxo_status auxo__compare_summarize(auxo_run *run, const auxo__compare_state *state, int method, auxo__compare_row *row,
                                    auxo_error *error)
{
    double *values = malloc((state->seed_count + 1) * sizeof *values);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "comparison: out of memory");
    row->method = auxo__compare_names[method];
    for (int k = 0; k < AUXO__COMPARE_COLUMNS; k++) {
        for (size_t s = 0; s < state->seed_count; s++)
            values[s] = run_value(run, k, s * state->method_count + (size_t)method);
        mean_and_spread(values, state->seed_count, &row->mean[k], &row->spread[k]);
    }
    free(values);
    format_row(run, row, method);
    return auxo__run_emit(run, &auxo__compare_row_event, row, error);
}
