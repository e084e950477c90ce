/* adapt_report.c: the report of a run of "adapt": what was done and what it brought, the network's size over time,
 * sensitivities, accuracy for FLOPs, and how well the estimates foretold the gains.
 */
#include "adapt_method.h"
#include "edit_report.h"
#include "run_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rank correlation -------------------------------------------------------------------------------------------- */

typedef struct ranked {
    double value;
    size_t place;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* Ranks from 1, equal values sharing their mean rank. */
static void rank(const double *values, size_t count, ranked *scratch, double *ranks)
{
    for (size_t i = 0; i < count; i++)
        scratch[i] = (ranked){values[i], i};
    qsort(scratch, count, sizeof *scratch, compare_ranked);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && scratch[end].value == scratch[i].value;)
            end++;
        for (size_t k = i; k < end; k++)
            ranks[scratch[k].place] = 0.5 * (double)(i + 1 + end);
    }
}

static double pearson(const double *x, const double *y, size_t count)
{
    double mean_x = 0, mean_y = 0, xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < count; i++) {
        mean_x += x[i] / (double)count;
        mean_y += y[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        xy += (x[i] - mean_x) * (y[i] - mean_y);
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

auxo_status auxo__adapt_rank_correlation(const auxo_run *run, double *correlation, auxo_error *error)
{
    size_t count = 0, pairs = 0;
    const double *expected = auxo_run_history(run, "cycle", "expected", &count),
                 *gained = auxo_run_history(run, "cycle", "gained", &count);
    *correlation = NAN;
    if (!expected || !gained || count < 3)
        return AUXO_OK;
    double *values = malloc(4 * count * sizeof *values);
    ranked *scratch = malloc(count * sizeof *scratch);
    if (!values || !scratch) {
        free(values);
        free(scratch);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "rank correlation: out of memory");
    }
    double *x = values, *y = values + count, *rank_x = y + count, *rank_y = rank_x + count;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(expected[i]) || !isfinite(gained[i]))
            continue;
        x[pairs] = expected[i];
        y[pairs++] = gained[i];
    }
    rank(x, pairs, scratch, rank_x);
    rank(y, pairs, scratch, rank_y);
    if (pairs >= 3)
        *correlation = pearson(rank_x, rank_y, pairs);
    free(values);
    free(scratch);
    return AUXO_OK;
}

/* ---- drawings ---------------------------------------------------------------------------------------------------- */

/* The kept edits as lines across a chart over cycles. */
typedef struct edit_rules {
    auxo_rule *rules;
    size_t count;
} edit_rules;

static bool make_rules(const auxo_run *run, edit_rules *rules)
{
    size_t count = 0, kept_count = 0;
    const double *weights = auxo_run_history(run, "cycle", "weights", &count),
                 *kept = auxo_run_history(run, "cycle", "kept", &kept_count);
    rules->rules = calloc(count + 1, sizeof *rules->rules);
    rules->count = 0;
    for (size_t i = 1; rules->rules && weights && kept && i < count && i < kept_count; i++)
        if (kept[i] > 0 && weights[i] != weights[i - 1])
            rules->rules[rules->count++] = (auxo_rule){
                .vertical = true, .at = (double)i + 1, .label = weights[i] > weights[i - 1] ? "larger" : "smaller"};
    return rules->rules != NULL;
}

/* Rows of a ragged column as a matrix (layers, cycles); layers beyond a cycle's are NaN. Ownership: free. */
static double *as_matrix(const auxo__column *ragged, size_t *layers, size_t *cycles)
{
    size_t events = 0, at = 0;
    *layers = 0;
    for (size_t used = 0; ragged && used < ragged->count; events++) {
        const size_t values = (size_t)ragged->counts[events];
        *layers = values > *layers ? values : *layers;
        used += values;
    }
    *cycles = events;
    double *matrix = malloc((*layers * events + 1) * sizeof *matrix);
    for (size_t e = 0; matrix && e < events; e++) {
        const size_t values = (size_t)ragged->counts[e];
        for (size_t l = 0; l < *layers; l++)
            matrix[l * events + e] = l < values ? ragged->values[at + l] : (double)NAN;
        at += values;
    }
    return matrix;
}

static auxo_status draw_widths(const auxo_run *run, auxo_report *report, auxo_error *error)
{
    enum { DRAWN_MAX = 8 };
    size_t layers = 0, cycles = 0;
    char names[DRAWN_MAX][16];
    auxo_series series[DRAWN_MAX];
    double *widths = as_matrix(auxo__history_column(&run->history, "cycle", "widths"), &layers, &cycles);
    if (!widths)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    const size_t drawn = layers < DRAWN_MAX ? layers : DRAWN_MAX;
    for (size_t l = 0; l < drawn; l++) {
        snprintf(names[l], sizeof names[l], "layer %zu", l + 1);
        series[l] = (auxo_series){.name = names[l], .mark = AUXO_MARK_STEPS, .count = cycles, .y = widths + l * cycles};
    }
    auxo_report_chart(report, &(auxo_chart){.title = "Units of the layers with weights",
                                            .x_label = "cycle",
                                            .y_label = "units",
                                            .caption = layers > drawn ? "the first eight" : NULL,
                                            .series = series,
                                            .series_count = drawn});
    free(widths);
    return AUXO_OK;
}

static auxo_status draw_sensitivities(const auxo_run *run, auxo_report *report, auxo_error *error)
{
    size_t layers = 0, cycles = 0;
    double *values = as_matrix(auxo__history_column(&run->history, "cycle", "sensitivities"), &layers, &cycles);
    if (!values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    if (layers > 0 && cycles > 0)
        auxo_report_heat_map(report, &(auxo_heat_map){.title = "Sensitivity of the loss to each layer",
                                                      .x_label = "cycle",
                                                      .y_label = "layer with weights",
                                                      .value_label = "|dL/dtheta|",
                                                      .row_count = layers,
                                                      .column_count = cycles,
                                                      .values = values,
                                                      .value_log = true});
    free(values);
    return AUXO_OK;
}

/* Every network seen, and the front of those that no cheaper one beats. */
static auxo_status draw_front(const auxo_run *run, auxo_report *report, auxo_error *error)
{
    size_t count = 0, other = 0;
    const double *flops = auxo_run_history(run, "cycle", "flops", &count),
                 *accuracy = auxo_run_history(run, "cycle", "val_accuracy", &other);
    const double *loss = auxo_run_history(run, "cycle", "val_loss", &other);
    if (!flops || !loss || count == 0)
        return AUXO_OK;
    const bool classes = accuracy && isfinite(accuracy[count - 1]);
    double *x = malloc(4 * count * sizeof *x);
    if (!x)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    double *y = x + count, *front_x = y + count, *front_y = front_x + count;
    size_t front = 0;
    for (size_t i = 0; i < count; i++) {
        x[i] = flops[i];
        y[i] = classes ? 100 * accuracy[i] : loss[i];
    }
    for (size_t i = 0; i < count; i++) {
        bool beaten = !isfinite(y[i]);
        for (size_t k = 0; k < count && !beaten; k++) {
            const bool better = classes ? y[k] > y[i] : y[k] < y[i];
            beaten = isfinite(y[k]) && ((x[k] <= x[i] && better) || (x[k] < x[i] && y[k] == y[i]));
        }
        if (!beaten) {
            front_x[front] = x[i];
            front_y[front++] = y[i];
        }
    }
    const auxo_series series[] = {
        {.name = "every cycle", .mark = AUXO_MARK_POINTS, .count = count, .x = x, .y = y},
        {.name = "front", .mark = AUXO_MARK_POINTS, .count = front, .x = front_x, .y = front_y}};
    auxo_report_chart(report,
                      &(auxo_chart){.title = classes ? "Validation accuracy for FLOPs" : "Validation loss for FLOPs",
                                    .x_label = "FLOPs of one row's forward pass",
                                    .y_label = classes ? "accuracy in %" : "loss",
                                    .series = series,
                                    .series_count = 2});
    free(x);
    return AUXO_OK;
}

static auxo_status draw_estimates(const auxo_run *run, auxo_report *report, auxo_error *error)
{
    size_t count = 0;
    double correlation = NAN;
    const double *expected = auxo_run_history(run, "cycle", "expected", &count),
                 *gained = auxo_run_history(run, "cycle", "gained", &count);
    const auxo_status status = auxo__adapt_rank_correlation(run, &correlation, error);
    if (status != AUXO_OK || !isfinite(correlation))
        return status;
    const auxo_series points = {.name = "cycles", .mark = AUXO_MARK_POINTS, .count = count, .x = expected, .y = gained};
    auxo_report_chart(report, &(auxo_chart){.title = "What was expected and what came",
                                            .x_label = "expected gain for cost (1: plain training)",
                                            .y_label = "real gain for cost",
                                            .series = &points,
                                            .series_count = 1});
    auxo_report_text(report, "Rank correlation of expected and real gain (Spearman): %.2f.", correlation);
    return AUXO_OK;
}

static void tell_times(const auxo__adapt_run *state, auxo_report *report)
{
    static const char *const names[] = {"training", "measuring and judging", "editing (plans included)", "undone"};
    double total = 0;
    for (int i = 0; i < 4; i++)
        total += state->seconds[i];
    const char *const headings[] = {"what", "seconds", "part in %"};
    auxo_report_section(report, "Time");
    auxo_report_table_begin(report, headings, 3);
    for (int i = 0; i < 4; i++)
        auxo_report_table_rowf(report, "%s|%.2f|%.1f", names[i], state->seconds[i],
                               total > 0 ? 100 * state->seconds[i] / total : 0);
    auxo_report_table_end(report);
}

auxo_status auxo__adapt_report(auxo_run *run, void *user, auxo_report *report, auxo_error *error)
{
    const auxo__adapt_run *state = user;
    const auxo_model *best = auxo_adapt_best(state->adapt) ? auxo_adapt_best(state->adapt) : state->model;
    edit_rules rules = {0};
    char score[48] = "";
    if (isfinite(state->test.accuracy))
        snprintf(score, sizeof score, ", accuracy %.2f %%", 100 * state->test.accuracy);
    else if (isfinite(state->concordance))
        snprintf(score, sizeof score, ", concordance %.4f", state->concordance);
    auxo_report_text(
        report,
        "%s, %zu training rows, %s. %u cycles, %zu structural edits (%u cycles undone). On the test split, "
        "which chose nothing: loss %.5f%s.",
        state->data.train->name, state->data.train->row_count, state->optimizer_text, auxo_adapt_cycles(state->adapt),
        auxo_adapt_log(state->adapt)->count, state->undone, state->test.loss, score);
    if (!make_rules(run, &rules))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    auxo__report_history(report, run,
                         &(auxo__history_chart){.event = "cycle",
                                                .title = "Loss, and where edits were kept",
                                                .fields = {"train_loss", "val_loss"},
                                                .names = {"measured training rows", "validation"},
                                                .count = 2,
                                                .rules = rules.rules,
                                                .rule_count = rules.count});
    free(rules.rules);
    auxo__report_history(report, run,
                         &(auxo__history_chart){.event = "cycle",
                                                .title = "Validation accuracy",
                                                .y_label = "%",
                                                .fields = {"val_accuracy"},
                                                .names = {"accuracy"},
                                                .count = 1,
                                                .scale = 100});
    auxo_status status = draw_widths(run, report, error);
    if (status == AUXO_OK)
        status = draw_sensitivities(run, report, error);
    if (status == AUXO_OK)
        status = draw_front(run, report, error);
    if (status == AUXO_OK)
        status = draw_estimates(run, report, error);
    tell_times(state, report);
    auxo_report_section(report, "Networks");
    auxo__report_network(report, "Before", &state->start);
    auxo__report_network(report, "The best", auxo_model_get_desc(best));
    auxo__report_edits(report, auxo_adapt_log(state->adapt), "after epoch");
    return status;
}
