/* runtime/report/bars.c: bar charts, grouped or stacked, upright or lying, and histograms. */
#include "report_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT = 66, RIGHT = FIGURE_WIDTH - 14, TOP = 12, BOTTOM = 300, HEIGHT = 372, LONG_LEFT = 200, ROW_HEIGHT = 20 };

static double value_at(const auxo_bars *bars, size_t series, size_t category)
{
    return bars->values[series * bars->category_count + category];
}

static auxo__scale fit_values(const auxo_bars *bars, double from, double to)
{
    auxo__scale scale = auxo__scale_empty(bars->value_log, from, to);
    auxo__scale_add(&scale, 0);
    for (size_t category = 0; category < bars->category_count; category++) {
        double sum = 0;
        for (size_t series = 0; series < bars->series_count; series++) {
            double value = value_at(bars, series, category);
            size_t index = series * bars->category_count + category;
            sum += isfinite(value) ? value : 0;
            auxo__scale_add(&scale, bars->stacked ? sum : value);
            if (bars->high)
                auxo__scale_add(&scale, bars->high[index]);
            if (bars->low)
                auxo__scale_add(&scale, bars->low[index]);
        }
    }
    double lowest = scale.low, highest = scale.high;
    auxo__scale_finish(&scale, 0.05, 0, 0);
    /* Bars stand on zero: no margin below it. */
    if (!bars->value_log && lowest >= 0 && highest > 0)
        scale.low = 0;
    return scale;
}

/* One bar from `base` to `value` along the value axis, `start` wide `width` along the other. */
static void draw_bar(auxo_report *report, const auxo_bars *bars, size_t series, size_t category,
                     const auxo__scale *scale, double base, double value, double start, double width)
{
    double zero = auxo__scale_can_draw(scale, base) ? auxo__scale_at(scale, base) : scale->from;
    double end = auxo__scale_at(scale, value), low = fmin(zero, end), length = fabs(end - zero);
    char text[200], number[32];
    const char *name = bars->names ? bars->names[series] : NULL;
    snprintf(text, sizeof text, "%s%s%s: %s", bars->categories[category], name ? ", " : "", name ? name : "",
             auxo__format_number(number, sizeof number, value - (bars->stacked ? base : 0)));
    if (bars->horizontal)
        auxo__markup_add(&report->body,
                         "<rect class=\"bar c%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">",
                         series % PALETTE_SIZE + 1, low, start, length, width);
    else
        auxo__markup_add(&report->body,
                         "<rect class=\"bar c%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">",
                         series % PALETTE_SIZE + 1, start, low, width, length);
    auxo__svg_tooltip(report, text);
    auxo__markup_add(&report->body, "</rect>\n");
}

static void draw_error_bar(auxo_report *report, const auxo_bars *bars, size_t index, const auxo__scale *scale,
                           double middle)
{
    if (!bars->low || !bars->high || !auxo__scale_can_draw(scale, bars->low[index]) ||
        !auxo__scale_can_draw(scale, bars->high[index]))
        return;
    double low = auxo__scale_at(scale, bars->low[index]), high = auxo__scale_at(scale, bars->high[index]);
    if (bars->horizontal)
        auxo__markup_add(&report->body, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", low, middle, high);
    else
        auxo__markup_add(&report->body, "<path class=\"axis\" d=\"M%.1f %.1fV%.1f\"/>\n", middle, low, high);
}

/* All bars of one category, within `room` from `start` along the category axis. */
static void draw_category(auxo_report *report, const auxo_bars *bars, size_t category, const auxo__scale *scale,
                          double start, double room)
{
    double width = 0.8 * room / (bars->stacked ? 1 : (double)bars->series_count), sum = 0;
    for (size_t series = 0; series < bars->series_count; series++) {
        double value = value_at(bars, series, category);
        double at = start + 0.1 * room + (bars->stacked ? 0 : (double)series * width);
        if (!auxo__scale_can_draw(scale, value))
            continue;
        draw_bar(report, bars, series, category, scale, bars->stacked ? sum : 0, bars->stacked ? sum + value : value,
                 at, width * 0.94);
        draw_error_bar(report, bars, series * bars->category_count + category, scale, at + width / 2);
        sum += value;
    }
}

static void draw_category_name(auxo_report *report, const auxo_bars *bars, size_t category, double middle, double room)
{
    const char *name = bars->categories[category];
    if (bars->horizontal) {
        auxo__svg_text(report, LONG_LEFT - 6, middle + 4, "end", "", name);
    } else if ((double)strlen(name) * 6 <= room) {
        auxo__svg_text(report, middle, BOTTOM + 15, "middle", "", name);
    } else {
        auxo__markup_add(&report->body, "<text transform=\"translate(%.1f %d) rotate(-35)\" text-anchor=\"end\">",
                         middle + 4, BOTTOM + 12);
        auxo__markup_escaped(&report->body, name);
        auxo__markup_add(&report->body, "</text>\n");
    }
}

void auxo_report_bars(auxo_report *report, const auxo_bars *bars)
{
    bool lying = bars->horizontal;
    double count = bars->category_count ? (double)bars->category_count : 1;
    double bottom =
        lying ? TOP + count * ROW_HEIGHT * (bars->stacked ? 1 : fmax(1, 0.6 * (double)bars->series_count)) : BOTTOM;
    double left = lying ? LONG_LEFT : LEFT;
    auxo__scale scale = lying ? fit_values(bars, left, RIGHT) : fit_values(bars, BOTTOM, TOP);
    auxo__figure_begin(report, bars->title);
    for (size_t i = 0; bars->names && i < bars->series_count; i++)
        auxo__figure_legend(report, bars->names[i], (uint32_t)(i % PALETTE_SIZE + 1));
    auxo__svg_begin(report, lying ? bottom + 42 : HEIGHT);
    auxo__axes_draw(report, lying ? &scale : NULL, lying ? NULL : &scale, left, TOP, RIGHT, bottom,
                    lying ? bars->value_label : NULL, lying ? NULL : bars->value_label);
    double room = lying ? (bottom - TOP) / count : (RIGHT - LEFT) / count;
    for (size_t category = 0; category < bars->category_count; category++) {
        double start = (lying ? TOP : LEFT) + (double)category * room;
        draw_category(report, bars, category, &scale, start, room);
        draw_category_name(report, bars, category, start + room / 2, room);
    }
    auxo__svg_end(report);
    auxo__figure_end(report, bars->caption);
}

/* ---- histograms -------------------------------------------------------------------------------------------------- */

/* Relative frequencies of one set as the corners of a staircase: x and y hold 2 * bin_count + 2 values. */
static void count_bins(const auxo_values *set, double low, double width, size_t bin_count, double *x, double *y)
{
    size_t total = 0;
    memset(y, 0, (2 * bin_count + 2) * sizeof *y);
    for (size_t i = 0; i < set->count; i++) {
        if (!isfinite(set->values[i]))
            continue;
        size_t bin = (size_t)((set->values[i] - low) / width);
        bin = bin < bin_count ? bin : bin_count - 1;
        y[2 * bin + 1]++;
        total++;
    }
    x[0] = low;
    x[2 * bin_count + 1] = low + (double)bin_count * width;
    for (size_t bin = 0; bin < bin_count; bin++) {
        double frequency = total ? y[2 * bin + 1] / (double)total : 0;
        y[2 * bin + 1] = y[2 * bin + 2] = frequency;
        x[2 * bin + 1] = low + (double)bin * width;
        x[2 * bin + 2] = low + (double)(bin + 1) * width;
    }
    y[2 * bin_count + 1] = 0;
}

void auxo_report_histogram(auxo_report *report, const char *title, const char *x_label, const auxo_values *sets,
                           size_t set_count, size_t bin_count)
{
    bin_count = bin_count ? bin_count : 30;
    size_t corners = 2 * bin_count + 2;
    auxo__scale range = auxo__scale_empty(false, 0, 1);
    for (size_t s = 0; s < set_count; s++)
        for (size_t i = 0; i < sets[s].count; i++)
            auxo__scale_add(&range, sets[s].values[i]);
    auxo__scale_finish(&range, 0, 0, 0);
    double width = (range.high - range.low) / (double)bin_count;
    double *points = calloc(2 * corners * set_count + 1, sizeof *points);
    auxo_series *series = calloc(set_count + 1, sizeof *series);
    report->body.failed = report->body.failed || !points || !series;
    if (points && series) {
        for (size_t s = 0; s < set_count; s++) {
            double *x = points + 2 * corners * s, *y = x + corners;
            count_bins(&sets[s], range.low, width, bin_count, x, y);
            series[s] = (auxo_series){.name = sets[s].name, .mark = AUXO_MARK_AREA, .count = corners, .x = x, .y = y};
        }
        auxo_report_chart(
            report,
            &(auxo_chart){
                .title = title, .x_label = x_label, .y_label = "share", .series = series, .series_count = set_count});
    }
    free(points);
    free(series);
}
