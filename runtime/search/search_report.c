/* search_report.c: the HTML report of one search: best so far, population, genes, the best models and network.
 */
#include "search_method.h"

#include "run_report.h"
#include "search_events.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns of doubles for the charts of one report. */
typedef struct columns {
    double *x, *y, *z;
} columns;

static void draw_trace(const auxo__search_state *run, auxo_report *report, const columns *c)
{
    size_t count;
    const auxo_trace_point *trace = auxo_search_trace(run->search, &count);
    const auxo_search_record *baseline = auxo_search_baseline(run->search);
    for (size_t i = 0; i < count; i++) {
        c->x[i] = trace[i].seconds;
        c->y[i] = run->classes ? trace[i].quality : -trace[i].quality;
        c->z[i] = run->classes ? trace[i].best : -trace[i].best;
    }
    const auxo_series series[] = {
        {.name = "epochs of all models", .mark = AUXO_MARK_POINTS, .count = count, .x = c->x, .y = c->y},
        {.name = "best so far", .mark = AUXO_MARK_STEPS, .count = count, .x = c->x, .y = c->z}};
    const auxo_rule rule = {.at = baseline ? fabs(baseline->quality) : 0, .label = "without hidden layer"};
    auxo_report_chart(report, &(auxo_chart){.title = "Best so far",
                                            .x_label = "seconds",
                                            .y_label = run->classes ? "validation accuracy" : "validation RMSE",
                                            .series = series,
                                            .series_count = 2,
                                            .rules = &rule,
                                            .rule_count = baseline ? 1 : 0});
}

/* Quality of the models of every generation, and the best up to it. */
static void draw_population(const auxo__search_state *run, auxo_report *report, const columns *c)
{
    size_t count;
    const auxo_search_record *records = auxo_search_records(run->search, &count);
    double best = -INFINITY;
    if (count == 0 || records[0].generation == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        best = fmax(best, records[i].quality);
        c->x[i] = records[i].generation;
        c->y[i] = run->classes ? records[i].quality : -records[i].quality;
        c->z[i] = run->classes ? best : -best;
    }
    const auxo_series series[] = {
        {.name = "models", .mark = AUXO_MARK_POINTS, .count = count, .x = c->x, .y = c->y},
        {.name = "best so far", .mark = AUXO_MARK_STEPS, .count = count, .x = c->x, .y = c->z}};
    auxo_report_chart(report, &(auxo_chart){.title = "Population over generations",
                                            .x_label = "generation",
                                            .y_label = run->classes ? "validation accuracy" : "validation RMSE",
                                            .series = series,
                                            .series_count = 2});
}

/* One hyperparameter of all models; nothing where genomes do not have it. */
static void draw_gene(const auxo__search_state *run, auxo_report *report, const char *key, const char *title,
                      bool log_scale, const columns *c)
{
    size_t count, found = 0;
    const auxo_search_record *records = auxo_search_records(run->search, &count);
    for (size_t i = 0; i < count; i++) {
        const char *place = strstr(records[i].genome, key);
        if (!place)
            continue;
        c->x[found] = records[i].generation ? records[i].generation : (double)records[i].number;
        c->y[found++] = strtod(place + strlen(key), NULL);
    }
    if (found == 0)
        return;
    const auxo_series series = {.mark = AUXO_MARK_POINTS, .count = found, .x = c->x, .y = c->y};
    auxo_report_chart(report, &(auxo_chart){.title = title,
                                            .x_label = records[0].generation ? "generation" : "model",
                                            .y_log = log_scale,
                                            .series = &series,
                                            .series_count = 1});
}

static int by_quality(const void *a, const void *b)
{
    const auxo_search_record *left = *(const auxo_search_record *const *)a,
                             *right = *(const auxo_search_record *const *)b;
    if (left->quality != right->quality)
        return left->quality > right->quality ? -1 : 1;
    if (left->loss != right->loss)
        return left->loss < right->loss ? -1 : 1;
    return left->number < right->number ? -1 : 1;
}

/* The best models, in order; for genetic tuning they are the hall of fame. */
static auxo_status list_best(const auxo__search_state *run, auxo_report *report, auxo_error *error)
{
    enum { ROWS_MAX = 20 };
    size_t count;
    const auxo_search_record *records = auxo_search_records(run->search, &count);
    const auxo_search_record **order = malloc((count + 1) * sizeof *order);
    char quality[32];
    if (!order)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    for (size_t i = 0; i < count; i++)
        order[i] = &records[i];
    qsort(order, count, sizeof *order, by_quality);
    const bool genetic = run->options.method == AUXO_SEARCH_GENETIC;
    const size_t most = genetic ? run->options.hall_size : ROWS_MAX;
    const char *const headings[] = {"model",  "generation", "validation", "loss",
                                    "epochs", "weights",    "seconds",    "genome"};
    auxo_report_section(report, genetic ? "Hall of fame" : "Best models");
    auxo_report_table_begin(report, headings, 8);
    for (size_t i = 0; i < count && i < most; i++)
        auxo_report_table_rowf(
            report, "%" PRIu64 "|%u|%s|%.5f|%u|%" PRIu64 "|%.2f|%s", order[i]->number, order[i]->generation,
            auxo_search_quality_text(quality, sizeof quality, run->classes, order[i]->quality), order[i]->loss,
            order[i]->epochs, order[i]->weights, order[i]->seconds, order[i]->genome);
    auxo_report_table_end(report);
    free(order);
    return AUXO_OK;
}

static void write_summary(const auxo__search_state *run, auxo_report *report)
{
    const auxo_search_record *best = auxo_search_best_record(run->search),
                             *baseline = auxo_search_baseline(run->search);
    char quality[32], test[32];
    size_t count, epochs;
    auxo_search_records(run->search, &count);
    auxo_search_trace(run->search, &epochs);
    double seconds = auxo_search_seconds(run->search);
    if (run->options.study)
        auxo__search_sum(run->search, &epochs, &seconds);
    auxo_report_text(report, "%s, %zu rows, %zu to validate; %s search, %s. %zu models, %zu epochs, %.1f s.",
                     run->data.train->name, run->data.train->row_count, run->data.validation->row_count,
                     auxo__search_method_name(run), run->optimizer_text, count, epochs, seconds);
    auxo_report_text(report, "Best: %s: validation %s, test %s, %" PRIu64 " weights.", best->genome,
                     auxo_search_quality_text(quality, sizeof quality, run->classes, best->quality),
                     auxo_search_quality_text(test, sizeof test, run->classes,
                                              run->classes ? run->test.accuracy : -sqrt(run->test.loss)),
                     auxo_model_weight_count(auxo_search_best(run->search)));
    if (baseline)
        auxo_report_text(report, "Without hidden layer: validation %s.",
                         auxo_search_quality_text(quality, sizeof quality, run->classes, baseline->quality));
}

auxo_status auxo__search_report(auxo_run *owner, void *user, auxo_report *report, auxo_error *error)
{
    (void)owner;
    const auxo__search_state *run = user;
    size_t records, points;
    auxo_search_records(run->search, &records);
    auxo_search_trace(run->search, &points);
    const size_t rows = (records > points ? records : points) + 1;
    double *memory = malloc(3 * rows * sizeof *memory);
    const columns c = {memory, memory + rows, memory + 2 * rows};
    if (!memory)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    write_summary(run, report);
    if (points > 0)
        draw_trace(run, report, &c);
    draw_population(run, report, &c);
    draw_gene(run, report, "lr=", "Learning rate", true, &c);
    draw_gene(run, report, "batch=", "Batch size", false, &c);
    draw_gene(run, report, "alpha=", "Strength of the penalty", true, &c);
    auxo_status status = list_best(run, report, error);
    auxo_report_section(report, "Network");
    auxo__report_network(report, "The best network", auxo_model_get_desc(auxo_search_best(run->search)));
    free(memory);
    return status;
}
