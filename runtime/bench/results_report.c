/* results_report.c: benchmark results as one HTML file: rooflines, devices side by side, every number. */
#include "auxo/bench.h"
#include "auxo/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void draw_roofline(auxo_report *report, const auxo_bench_results *results, size_t device)
{
    const auxo_bench_device *about = &results->devices[device];
    auxo_roofline_point *points = calloc(results->count + 1, sizeof *points);
    auxo_roofline roofline = {.title = about->info.name,
                              .peak_flops_per_second = about->peak_flops,
                              .peak_bytes_per_second = about->peak_bytes,
                              .points = points};
    for (size_t i = 0; points && i < results->count; i++) {
        const auxo_bench_result *item = &results->items[i];
        if (item->device == device && strcmp(item->group, "ops") == 0 && item->flops > 0 && item->bytes > 0 &&
            !item->is_nominal)
            points[roofline.point_count++] = (auxo_roofline_point){
                .name = item->name, .flops = item->flops, .bytes = item->bytes, .seconds = item->time.median};
    }
    if (points && roofline.point_count && about->peak_flops > 0 && about->peak_bytes > 0)
        auxo_report_roofline(report, &roofline);
    free(points);
}

/* Rates of one group, a bar for each case and device; cases in the order of the first device. */
static void draw_group(auxo_report *report, const auxo_bench_results *results, const char *group, const char *label,
                       double scale)
{
    const char **names = calloc(results->count + 1, sizeof *names);
    const char **devices = calloc(results->device_count + 1, sizeof *devices);
    double *values = calloc((results->count + 1) * (results->device_count + 1), sizeof *values);
    size_t count = 0;
    for (size_t i = 0; names && i < results->count; i++) {
        bool known = strcmp(results->items[i].group, group) != 0;
        for (size_t k = 0; k < count && !known; k++)
            known = strcmp(names[k], results->items[i].name) == 0;
        if (!known)
            names[count++] = results->items[i].name;
    }
    for (size_t d = 0; devices && d < results->device_count; d++)
        devices[d] = results->devices[d].info.selector;
    for (size_t i = 0; values && i < count * results->device_count; i++)
        values[i] = NAN;
    for (size_t i = 0; names && devices && values && i < results->count; i++) {
        const auxo_bench_result *item = &results->items[i];
        for (size_t k = 0; k < count && strcmp(item->group, group) == 0; k++)
            if (strcmp(names[k], item->name) == 0)
                values[item->device * count + k] = scale * item->work / item->time.median;
    }
    if (names && devices && values && count)
        auxo_report_bars(report, &(auxo_bars){.title = group,
                                              .value_label = label,
                                              .categories = names,
                                              .category_count = count,
                                              .names = devices,
                                              .series_count = results->device_count,
                                              .values = values,
                                              .value_log = true,
                                              .horizontal = true});
    free(names);
    free(devices);
    free(values);
}

enum { SHARES_DRAWN_MAX = 12 }; /* kinds of ops; the palette has no more colours, and small ones add up to little */

/* Where each op's share goes: a row of `names`, or none where it is one of the small. */
static size_t find_op(const char *const *names, size_t count, const char *op)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], op) == 0)
            return i;
    return count;
}

/* One stacked bar for each training case of each device: which ops its step is made of. */
static void draw_shares(auxo_report *report, const auxo_bench_results *results)
{
    const char *ops[SHARES_DRAWN_MAX + 1];
    char(*bars)[176] = calloc(results->share_count + 1, sizeof *bars);
    const char **categories = calloc(results->share_count + 1, sizeof *categories);
    size_t op_count = 0, bar_count = 0;
    for (size_t i = 0; bars && categories && i < results->share_count; i++) {
        const auxo_bench_share *share = &results->shares[i];
        char name[176];
        snprintf(name, sizeof name, "%s, %s", results->devices[share->device].info.selector, share->name);
        if (bar_count == 0 || strcmp(bars[bar_count - 1], name) != 0) {
            memcpy(bars[bar_count], name, sizeof name);
            categories[bar_count] = bars[bar_count];
            bar_count++;
        }
        if (op_count < SHARES_DRAWN_MAX && find_op(ops, op_count, share->op) == op_count)
            ops[op_count++] = share->op;
    }
    ops[op_count] = "others";
    double *values = calloc((op_count + 1) * (bar_count + 1), sizeof *values);
    for (size_t i = 0, bar = 0; values && bar_count && i < results->share_count; i++) {
        const auxo_bench_share *share = &results->shares[i], *before = i ? share - 1 : share;
        bar += before->device != share->device || strcmp(before->name, share->name) != 0;
        values[find_op(ops, op_count, share->op) * bar_count + bar] += 100 * share->fraction;
    }
    if (values && bar_count)
        auxo_report_bars(report, &(auxo_bars){.title = "What a training step is made of",
                                              .value_label = "% of the time of its ops",
                                              .categories = categories,
                                              .category_count = bar_count,
                                              .names = ops,
                                              .series_count = op_count + 1,
                                              .values = values,
                                              .stacked = true,
                                              .horizontal = true});
    free(values);
    free(categories);
    free(bars);
}

static void write_tables(auxo_report *report, const auxo_bench_results *results)
{
    const char *const headings[] = {"device", "case", "variant", "ms", "quartiles", "GFLOP/s", "GB/s", "% of peak"};
    auxo_report_section(report, "All results");
    auxo_report_table_begin(report, headings, sizeof headings / sizeof headings[0]);
    for (size_t i = 0; i < results->count; i++) {
        const auxo_bench_result *item = &results->items[i];
        const auxo_bench_time *time = &item->time;
        auxo_report_table_rowf(report, "%s|%s|%s|%.4g|%.4g to %.4g|%.1f|%.1f|%.0f",
                               results->devices[item->device].info.selector, item->name, item->variant,
                               1e3 * time->median, 1e3 * time->low, 1e3 * time->high, 1e-9 * item->flops / time->median,
                               1e-9 * item->bytes / time->median, item->percent_of_peak);
    }
    auxo_report_table_end(report);
    if (!results->skip_count)
        return;
    const char *const skip_headings[] = {"device", "case", "why it was skipped"};
    auxo_report_table_begin(report, skip_headings, 3);
    for (size_t i = 0; i < results->skip_count; i++) {
        const auxo_bench_skip *skip = &results->skips[i];
        const char *const cells[] = {skip->device, skip->name, skip->reason};
        auxo_report_table_row(report, cells);
    }
    auxo_report_table_end(report);
}

auxo_status auxo_bench_results_save_report(const auxo_bench_results *results, const char *path, auxo_error *error)
{
    auxo_report *report = NULL;
    auxo_status status = auxo_report_create("Auxo benchmark", &report, error);
    if (status != AUXO_OK)
        return status;
    for (size_t d = 0; d < results->device_count; d++) {
        const auxo_bench_device *device = &results->devices[d];
        auxo_report_text(report, "%s: %s, %s. Measured peaks: %.1f GFLOP/s, %.1f GB/s. auxo %s.", device->info.selector,
                         device->info.name, device->info.driver, 1e-9 * device->peak_flops, 1e-9 * device->peak_bytes,
                         AUXO_VERSION);
    }
    auxo_report_section(report, "Rooflines");
    for (size_t d = 0; d < results->device_count; d++)
        draw_roofline(report, results, d);
    auxo_report_section(report, "Devices side by side");
    draw_group(report, results, "ops", "10^9 operations (or bytes, where there is no arithmetic) per second", 1e-9);
    draw_group(report, results, "memory", "GB/s", 1e-9);
    draw_group(report, results, "latency", "launches per second", 1);
    draw_group(report, results, "train", "images per second", 1);
    draw_shares(report, results);
    write_tables(report, results);
    status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}
