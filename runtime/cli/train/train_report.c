/* runtime/cli/train/train_report.c: the HTML report of a training run: loss, accuracy, energies, speed, network,
 * profile. */
#include "network_report.h"
#include "train_history.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns of the history as arrays; `values` owns them all. */
typedef struct curves {
    size_t count;
    double *values;
    double *epoch, *train_loss, *validation_loss, *train_accuracy, *validation_accuracy, *kinetic, *total, *rate;
} curves;

static bool curves_fill(curves *filled, const train_history *history)
{
    size_t count = history->epoch_count;
    filled->count = count;
    filled->values = calloc(8 * count + 1, sizeof *filled->values);
    if (!filled->values)
        return false;
    double **columns[] = {&filled->epoch,
                          &filled->train_loss,
                          &filled->validation_loss,
                          &filled->train_accuracy,
                          &filled->validation_accuracy,
                          &filled->kinetic,
                          &filled->total,
                          &filled->rate};
    for (size_t i = 0; i < 8; i++)
        *columns[i] = filled->values + i * count;
    for (size_t i = 0; i < count; i++) {
        const auxo_epoch_metrics *metrics = &history->epochs[i];
        filled->epoch[i] = metrics->epoch;
        filled->train_loss[i] = metrics->train_loss;
        filled->validation_loss[i] = metrics->validation_loss;
        filled->train_accuracy[i] = 100 * metrics->train_accuracy;
        filled->validation_accuracy[i] = 100 * metrics->validation_accuracy;
        filled->kinetic[i] = metrics->kinetic_energy;
        filled->total[i] = metrics->kinetic_energy + metrics->train_loss;
        filled->rate[i] = metrics->samples_per_second;
    }
    return true;
}

static bool has_values(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]) && values[i] != 0)
            return true;
    return false;
}

static void add_pair(auxo_report *report, const curves *drawn, const char *title, const char *unit, const double *train,
                     const double *validation, const auxo_rule *brakes, size_t brake_count)
{
    auxo_series series[2] = {
        {.name = "training", .count = drawn->count, .x = drawn->epoch, .y = train},
        {.name = "validation", .count = drawn->count, .x = drawn->epoch, .y = validation},
    };
    auxo_chart chart = {.title = title, .x_label = "epoch", .y_label = unit, .series = series};
    chart.series_count = has_values(validation, drawn->count) ? 2 : 1;
    chart.rules = brakes;
    chart.rule_count = brake_count;
    if (has_values(train, drawn->count))
        auxo_report_chart(report, &chart);
}

static void add_energies(auxo_report *report, const curves *drawn, const auxo_rule *brakes, size_t brake_count)
{
    if (!has_values(drawn->kinetic, drawn->count))
        return;
    auxo_series series[] = {
        {.name = "kinetic |p|²/(2m)", .count = drawn->count, .x = drawn->epoch, .y = drawn->kinetic},
        {.name = "potential (loss)", .count = drawn->count, .x = drawn->epoch, .y = drawn->train_loss},
        {.name = "total", .count = drawn->count, .x = drawn->epoch, .y = drawn->total, .dashed = true},
    };
    auxo_chart chart = {.title = "Energy", .x_label = "epoch", .y_label = "energy", .series = series};
    chart.series_count = 3;
    chart.rules = brakes;
    chart.rule_count = brake_count;
    auxo_report_chart(report, &chart);
}

static void add_curves(auxo_report *report, const train_history *history)
{
    curves drawn = {0};
    auxo_rule *brakes = calloc(history->epoch_count + 1, sizeof *brakes);
    size_t brake_count = 0;
    if (brakes && curves_fill(&drawn, history)) {
        for (size_t i = 0; i < history->epoch_count; i++)
            if (history->epochs[i].braked)
                brakes[brake_count++] = (auxo_rule){.vertical = true, .at = drawn.epoch[i], .label = "brake"};
        add_pair(report, &drawn, "Loss", "loss", drawn.train_loss, drawn.validation_loss, brakes, brake_count);
        add_pair(report, &drawn, "Accuracy", "%", drawn.train_accuracy, drawn.validation_accuracy, brakes, brake_count);
        add_energies(report, &drawn, brakes, brake_count);
        auxo_series rate = {.count = drawn.count, .x = drawn.epoch, .y = drawn.rate};
        auxo_report_chart(report, &(auxo_chart){.title = "Speed",
                                                .x_label = "epoch",
                                                .y_label = "rows per second",
                                                .series = &rate,
                                                .series_count = 1});
    }
    free(brakes);
    free(drawn.values);
    auxo_series steps = {.count = history->step_count, .x = history->steps, .y = history->losses};
    auxo_chart chart = {.title = "Loss of single batches", .x_label = "step", .y_label = "loss", .series = &steps};
    chart.series_count = 1;
    if (history->step_count > 1)
        auxo_report_chart(report, &chart);
}

static void add_profile(auxo_report *report, const auxo_plan *plan)
{
    size_t count = auxo_plan_op_count(plan);
    const char **labels = calloc(count + 1, sizeof *labels);
    double *milliseconds = calloc(count + 1, sizeof *milliseconds);
    for (size_t i = 0; labels && milliseconds && i < count; i++) {
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, i);
        labels[i] = info.label;
        milliseconds[i] = info.run_count ? 1e-6 * (double)info.total_ns / (double)info.run_count : 0;
    }
    auxo_report_section(report, "Time per op");
    if (labels && milliseconds)
        auxo_report_bars(report, &(auxo_bars){.title = "One training step",
                                              .value_label = "ms",
                                              .categories = labels,
                                              .category_count = count,
                                              .series_count = 1,
                                              .values = milliseconds,
                                              .horizontal = true});
    free(labels);
    free(milliseconds);
}

auxo_status train_history_report(const train_history *history, const train_summary *summary, const char *path,
                                 auxo_error *error)
{
    static const char *const headings[] = {"quantity", "value"};
    auxo_report *report = NULL;
    auxo_status status = auxo_report_create(summary->title, &report, error);
    if (status != AUXO_OK)
        return status;
    auxo_report_code(report, summary->command_line);
    auxo_report_table_begin(report, headings, 2);
    auxo_report_table_rowf(report, "device|%s", summary->device_name);
    auxo_report_table_rowf(report, "optimiser|%s", summary->optimizer);
    auxo_report_table_rowf(report, "weights|%" PRIu64, auxo_model_weight_count(summary->model));
    auxo_report_table_rowf(report, "test loss|%.5f", summary->test_loss);
    if (isfinite(summary->test_accuracy))
        auxo_report_table_rowf(report, "test accuracy|%.2f %%", 100 * summary->test_accuracy);
    auxo_report_table_rowf(report, "rows per second|%.0f", summary->images_per_second);
    auxo_report_table_rowf(report, "seconds|%.1f", summary->seconds);
    auxo_report_table_end(report);
    auxo_report_section(report, "Training");
    add_curves(report, history);
    auxo_report_section(report, "Network");
    network_report_draw(report, auxo_model_get_desc(summary->model)->name, auxo_model_get_desc(summary->model));
    if (summary->plan)
        add_profile(report, summary->plan);
    status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}
