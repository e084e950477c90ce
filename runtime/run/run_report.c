/* run_report.c: see run_report.h.
 */
#include "run_report.h"

#include "clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what made the run ------------------------------------------------------------------------------------------- */

/* "auxo train with {"epochs":5}": enough to make it again. */
static auxo_status write_command(const auxo_run *run, auxo_report *report, auxo_error *error)
{
    auxo__json json = {0};
    if (run->options.command) {
        auxo_report_code(report, run->options.command);
        return AUXO_OK;
    }
    auxo_status status = auxo__settings_describe(run->settings, true, &json, error);
    if (status == AUXO_OK)
        status = auxo__json_finish(&json, error);
    if (status == AUXO_OK) {
        auxo_report_code(report, run->inner->info.name);
        auxo_report_code(report, json.text);
    }
    auxo__json_deinit(&json);
    return status;
}

static void row(auxo_report *report, const char *name, const char *value)
{
    const char *const cells[] = {name, value};
    auxo_report_table_row(report, cells);
}

static auxo_status write_origin(const auxo_run *run, auxo_report *report, auxo_error *error)
{
    static const char *const headings[] = {"made by", ""};
    char text[256], date[32];
    auxo_status status = write_command(run, report, error);
    if (status != AUXO_OK)
        return status;
    auxo_report_table_begin(report, headings, 2);
    if (run->device) {
        const auxo_device_info *info = auxo_device_get_info(run->device);
        snprintf(text, sizeof text, "%s (%s)", info->selector, info->name);
        row(report, "device", text);
        row(report, "driver", info->driver);
    }
    const char *data = auxo_settings_text(run->settings, "data"), *seed = auxo_settings_text(run->settings, "seed");
    if (data) {
        snprintf(text, sizeof text, "%.200s (rows hash to %016" PRIx64 ")", data, run->data_hash);
        row(report, "data", text);
    }
    if (seed)
        row(report, "seed", seed);
    snprintf(text, sizeof text, "Auxo %s, %s", AUXO_VERSION, auxo__date_text(date, sizeof date));
    row(report, "version, date", text);
    for (size_t i = 0; i < run->note_count; i++)
        row(report, "note", run->notes[i]);
    auxo_report_table_end(report);
    return AUXO_OK;
}

/* *report is to be destroyed, also after a failure. */
static auxo_status build(auxo_run *run, auxo_report **report, auxo_error *error)
{
    const char *title = run->method->report_title ? run->method->report_title : run->method->info.summary;
    auxo_status status = auxo_report_create(title, report, error);
    if (status == AUXO_OK)
        status = write_origin(run, *report, error);
    if (status == AUXO_OK && run->method->report)
        status = run->method->report(run, run->state, *report, error);
    if (status == AUXO_OK && run->study)
        status = auxo_study_draw(run->study, *report, error);
    return status;
}

auxo_status auxo__run_write_report(auxo_run *run, const char *path, auxo_error *error)
{
    auxo_report *report = NULL;
    auxo_status status = build(run, &report, error);
    if (status == AUXO_OK)
        status = auxo_report_write(report, path, error);
    auxo_report_destroy(report);
    return status;
}

auxo_status auxo_run_report(auxo_run *run, char **text, auxo_error *error)
{
    auxo_report *report = NULL;
    *text = NULL;
    auxo_status status = build(run, &report, error);
    if (status == AUXO_OK)
        status = auxo_report_html(report, text, error);
    auxo_report_destroy(report);
    return status;
}

/* ---- charts of the history --------------------------------------------------------------------------------------- */

static bool has_values(const auxo__column *column)
{
    for (size_t i = 0; column && i < column->count; i++)
        if (isfinite(column->values[i]) && column->values[i] != 0)
            return true;
    return false;
}

void auxo__report_history(auxo_report *report, const auxo_run *run, const auxo__history_chart *chart)
{
    const char *event = chart->event ? chart->event : "epoch";
    const auxo__event_record *record = auxo__history_find(&run->history, event);
    const auxo__column *x = chart->x_field ? auxo__history_column(&run->history, event, chart->x_field) : NULL;
    auxo_series series[8];
    size_t count = 0;
    double scale = chart->scale != 0 ? chart->scale : 1;
    double *scaled = record ? malloc((record->event_count * chart->count + 1) * sizeof *scaled) : NULL;
    for (size_t i = 0; scaled && i < chart->count; i++) {
        const auxo__column *column = auxo__history_column(&run->history, event, chart->fields[i]);
        if (!has_values(column))
            continue;
        double *values = scaled + count * record->event_count;
        for (size_t e = 0; e < column->count; e++)
            values[e] = scale * column->values[e];
        series[count++] =
            (auxo_series){.name = chart->names[i], .count = column->count, .x = x ? x->values : NULL, .y = values};
    }
    if (count > 0)
        auxo_report_chart(report, &(auxo_chart){.title = chart->title,
                                                .x_label = chart->x_field ? chart->x_field : event,
                                                .y_label = chart->y_label,
                                                .series = series,
                                                .series_count = count,
                                                .rules = chart->rules,
                                                .rule_count = chart->rule_count});
    free(scaled);
}

const char *auxo__report_number(char *text, size_t size, const char *format, double value)
{
    text[0] = '\0';
    if (isfinite(value))
        snprintf(text, size, format, value);
    return text;
}
