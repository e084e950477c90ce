/* resbuild_report.c: the report of "resbuild": accuracy, depth and width over architectures, the networks, the log.
 */
#include "edit_report.h"
#include "resbuild_method.h"
#include "run_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const training_names[AUXO_TRAINING_COUNT] = {"With Reg", "NoReg-RI", "NoReg-WI"};

/* One column of the records as numbers. */
typedef double record_value(const auxo_architecture_record *record, const auxo_budget *budget);

static double depth_of(const auxo_architecture_record *record, const auxo_budget *budget)
{
    (void)budget;
    return record->convolutions;
}

static double widest_of(const auxo_architecture_record *record, const auxo_budget *budget)
{
    (void)budget;
    return record->widest;
}

static double first_width_of(const auxo_architecture_record *record, const auxo_budget *budget)
{
    (void)budget;
    return record->first_width;
}

static double cost_of(const auxo_architecture_record *record, const auxo_budget *budget)
{
    double divisor;
    auxo__budget_unit(budget, &divisor);
    return record->cost / divisor;
}

static void fill(const auxo__resbuild_state *run, record_value *value, double *y)
{
    for (size_t i = 0; i < run->record_count; i++)
        y[i] = value(&run->records[i], &run->options.budget);
}

/* Vertical lines at the MorphNet steps, with the width of the first convolution beside them. */
typedef struct morph_rules {
    size_t count;
    auxo_rule *rules;
    char (*labels)[24];
} morph_rules;

static bool morph_rules_init(const auxo__resbuild_state *run, morph_rules *rules)
{
    *rules = (morph_rules){.rules = calloc(run->record_count + 1, sizeof *rules->rules),
                           .labels = calloc(run->record_count + 1, sizeof *rules->labels)};
    for (size_t i = 0; rules->rules && rules->labels && i < run->record_count; i++) {
        if (strncmp(run->records[i].what, "morph", 5) != 0)
            continue;
        snprintf(rules->labels[rules->count], sizeof *rules->labels, "width %u", run->records[i].first_width);
        rules->rules[rules->count] =
            (auxo_rule){.vertical = true, .at = (double)i, .label = rules->labels[rules->count]};
        rules->count++;
    }
    return rules->rules && rules->labels;
}

static void draw_accuracy(const auxo__resbuild_state *run, auxo_report *report, const double *x, double *y,
                          const morph_rules *rules)
{
    auxo_series series[AUXO_TRAINING_COUNT];
    size_t drawn = 0, count = run->record_count;
    for (int t = 0; t < AUXO_TRAINING_COUNT; t++) {
        double *values = y + drawn * count;
        bool any = false;
        for (size_t i = 0; i < count; i++) {
            values[i] = 100 * run->records[i].accuracy[t];
            any = any || isfinite(values[i]);
        }
        if (any)
            series[drawn++] = (auxo_series){
                .name = training_names[t], .mark = AUXO_MARK_LINE_POINTS, .count = count, .x = x, .y = values};
    }
    auxo_report_chart(report, &(auxo_chart){.title = "Validation accuracy of the architectures",
                                            .x_label = "architecture",
                                            .y_label = "%",
                                            .caption = "Vertical lines: MorphNet steps, with the width of the first "
                                                       "convolution.",
                                            .x_max = (double)run->record_count,
                                            .series = series,
                                            .series_count = drawn,
                                            .rules = rules->rules,
                                            .rule_count = rules->count});
}

static void draw_size(const auxo__resbuild_state *run, auxo_report *report, const double *x, double *y,
                      const morph_rules *rules)
{
    size_t count = run->record_count;
    fill(run, depth_of, y);
    auxo_series depth = {.name = "convolutions", .mark = AUXO_MARK_STEPS, .count = count, .x = x, .y = y};
    auxo_report_chart(report, &(auxo_chart){.title = "Depth",
                                            .x_label = "architecture",
                                            .y_label = "convolutions",
                                            .x_max = (double)run->record_count,
                                            .series = &depth,
                                            .series_count = 1,
                                            .rules = rules->rules,
                                            .rule_count = rules->count});
    fill(run, first_width_of, y);
    fill(run, widest_of, y + count);
    auxo_series widths[] = {
        {.name = "first convolution", .mark = AUXO_MARK_STEPS, .count = count, .x = x, .y = y},
        {.name = "widest convolution", .mark = AUXO_MARK_STEPS, .count = count, .x = x, .y = y + count, .dashed = true},
    };
    auxo_report_chart(
        report,
        &(auxo_chart){
            .title = "Width", .x_label = "architecture", .y_label = "channels", .series = widths, .series_count = 2});
    double divisor;
    const char *unit = auxo__budget_unit(&run->options.budget, &divisor);
    fill(run, cost_of, y);
    auxo_series cost = {.name = "cost", .mark = AUXO_MARK_LINE_POINTS, .count = count, .x = x, .y = y};
    const auxo_rule budget = {.at = run->options.budget.limit / divisor, .label = "budget of the MorphNet steps"};
    auxo_report_chart(report, &(auxo_chart){.title = "Cost",
                                            .x_label = "architecture",
                                            .y_label = unit,
                                            .series = &cost,
                                            .series_count = 1,
                                            .rules = &budget,
                                            .rule_count = 1});
}

static void list_architectures(const auxo__resbuild_state *run, auxo_report *report)
{
    const char *const headings[] = {"architecture", "change",       "blocks removed", "With Reg %", "NoReg-RI %",
                                    "NoReg-WI %",   "convolutions", "weights",        "cost",       "seconds"};
    auxo_report_section(report, "Architectures");
    auxo_report_table_begin(report, headings, sizeof headings / sizeof *headings);
    for (size_t i = 0; i < run->record_count; i++) {
        const auxo_architecture_record *record = &run->records[i];
        char accuracy[AUXO_TRAINING_COUNT][16], cost[48];
        for (int t = 0; t < AUXO_TRAINING_COUNT; t++)
            auxo__report_number(accuracy[t], sizeof accuracy[t], "%.2f", 100 * record->accuracy[t]);
        auxo_report_table_rowf(
            report, "%u|%s|%u|%s|%s|%s|%u|%llu|%s|%.1f", record->number, record->what, record->removed_blocks,
            accuracy[0], accuracy[1], accuracy[2], record->convolutions, (unsigned long long)record->weights,
            auxo__budget_format(cost, sizeof cost, &run->options.budget, record->cost), record->seconds);
    }
    auxo_report_table_end(report);
}

auxo_status auxo__resbuild_report(auxo_run *owner, void *user, auxo_report *report, auxo_error *error)
{
    (void)owner;
    const auxo__resbuild_state *run = user;
    morph_rules rules = {0};
    double best_accuracy = NAN;
    char cost[48];
    auxo_model *best = auxo_resbuild_best(run->resbuild, &best_accuracy);
    double *values = malloc((run->record_count + 1) * 4 * sizeof *values), *x = values;
    auxo_status status = values && morph_rules_init(run, &rules)
                             ? AUXO_OK
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    if (status == AUXO_OK) {
        for (size_t i = 0; i < run->record_count; i++)
            x[i] = (double)i;
        auxo_report_text(report,
                         "%s, %zu training rows, %s. Budget %s. Best validation accuracy %.2f %%; the same model on "
                         "the test split, which chose nothing: %.2f %%.",
                         run->data.train->name, run->data.train->row_count, run->optimizer_text,
                         auxo__budget_format(cost, sizeof cost, &run->options.budget, run->options.budget.limit),
                         100 * best_accuracy, 100 * run->test.accuracy);
        draw_accuracy(run, report, x, x + run->record_count, &rules);
        draw_size(run, report, x, x + run->record_count, &rules);
        auxo_report_section(report, "Networks");
        if (best)
            auxo__report_network(report, "Best architecture", auxo_model_get_desc(best));
        auxo__report_network(report, "Last architecture", auxo_model_get_desc(auxo_resbuild_current(run->resbuild)));
        list_architectures(run, report);
        auxo__report_edits(report, auxo_resbuild_log(run->resbuild), "architecture");
    }
    free(values);
    free(rules.rules);
    free(rules.labels);
    return status;
}
