/* runtime/report/chart.c: lines, points, steps, areas and bands over two axes. */
#include "report_internal.h"

#include <math.h>
#include <stdio.h>

/* The area of the plot within the figure, and the number of points from which a line is thinned out. */
enum { LEFT = 66, RIGHT = FIGURE_WIDTH - 14, TOP = 12, BOTTOM = 330, HEIGHT = 372, DENSE = 2000, BUCKETS = 700 };
enum { TOOLTIPS_MAX = 400 };

static double x_of(const auxo_series *series, size_t index)
{
    return series->x ? series->x[index] : (double)(index + 1);
}

static uint32_t color_of(const auxo_series *series, size_t index)
{
    return (series->color ? series->color - 1 : (uint32_t)index) % PALETTE_SIZE + 1;
}

static void fit_scales(const auxo_chart *chart, auxo__scale *x, auxo__scale *y)
{
    *x = auxo__scale_empty(chart->x_log, LEFT, RIGHT);
    *y = auxo__scale_empty(chart->y_log, BOTTOM, TOP);
    for (size_t s = 0; s < chart->series_count; s++) {
        const auxo_series *series = &chart->series[s];
        for (size_t i = 0; i < series->count; i++) {
            if (!auxo__scale_can_draw(x, x_of(series, i)))
                continue;
            auxo__scale_add(x, x_of(series, i));
            auxo__scale_add(y, series->y[i]);
            if (series->low && series->high) {
                auxo__scale_add(y, series->low[i]);
                auxo__scale_add(y, series->high[i]);
            }
        }
        if (series->mark == AUXO_MARK_AREA)
            auxo__scale_add(y, 0);
    }
    for (size_t i = 0; i < chart->rule_count; i++)
        auxo__scale_add(chart->rules[i].vertical ? x : y, chart->rules[i].at);
    auxo__scale_finish(x, 0.02, chart->x_min, chart->x_max);
    auxo__scale_finish(y, 0.05, chart->y_min, chart->y_max);
}

/* Thinning: of every bucket of a dense line only its lowest and highest point are kept, so that no peak is lost. */
static bool keeps_point(const auxo_series *series, size_t index)
{
    if (series->count <= DENSE || index == 0 || index + 1 == series->count)
        return true;
    size_t bucket = series->count / BUCKETS, start = index - index % bucket, end = start + bucket;
    size_t lowest = start, highest = start;
    for (size_t i = start; i < end && i < series->count; i++) {
        lowest = series->y[i] < series->y[lowest] ? i : lowest;
        highest = series->y[i] > series->y[highest] ? i : highest;
    }
    return index == lowest || index == highest;
}

/* The points of `values` as path commands; gaps where nothing can be drawn. */
static void add_path(auxo_report *report, const auxo_series *series, const double *values, const auxo__scale *x,
                     const auxo__scale *y)
{
    bool pen_down = false;
    for (size_t i = 0; i < series->count; i++) {
        if (!auxo__scale_can_draw(x, x_of(series, i)) || !auxo__scale_can_draw(y, values[i])) {
            pen_down = false;
            continue;
        }
        if (!keeps_point(series, i))
            continue;
        double at_x = auxo__scale_at(x, x_of(series, i)), at_y = auxo__scale_at(y, values[i]);
        if (!pen_down)
            auxo__markup_add(&report->body, "M%.1f %.1f", at_x, at_y);
        else if (series->mark == AUXO_MARK_STEPS)
            auxo__markup_add(&report->body, "H%.1fV%.1f", at_x, at_y);
        else
            auxo__markup_add(&report->body, "L%.1f %.1f", at_x, at_y);
        pen_down = true;
    }
}

/* Between low and high: forwards along high, backwards along low, one closed shape per stretch without gaps. */
static void add_band(auxo_report *report, const auxo_series *series, const auxo__scale *x, const auxo__scale *y)
{
    bool steps = series->mark == AUXO_MARK_STEPS;
    for (size_t start = 0; start < series->count;) {
        size_t end = start;
        while (end < series->count && auxo__scale_can_draw(x, x_of(series, end)) &&
               auxo__scale_can_draw(y, series->low[end]) && auxo__scale_can_draw(y, series->high[end]))
            end++;
        if (end > start) {
            auxo__markup_add(&report->body, "<path class=\"band\" d=\"");
            for (size_t i = start; i < end; i++) {
                double at_x = auxo__scale_at(x, x_of(series, i)), at_y = auxo__scale_at(y, series->high[i]);
                auxo__markup_add(&report->body,
                                 i == start ? "M%.1f %.1f"
                                 : steps    ? "H%.1fV%.1f"
                                            : "L%.1f %.1f",
                                 at_x, at_y);
            }
            for (size_t i = end; i-- > start;) {
                double at_x = auxo__scale_at(x, x_of(series, i)), at_y = auxo__scale_at(y, series->low[i]);
                auxo__markup_add(&report->body, "L%.1f %.1f", at_x, at_y);
                if (steps && i > start)
                    auxo__markup_add(&report->body, "V%.1f", auxo__scale_at(y, series->low[i - 1]));
            }
            auxo__markup_add(&report->body, "Z\"/>\n");
        }
        start = end + 1;
    }
}

static void add_points(auxo_report *report, const auxo_series *series, const auxo__scale *x, const auxo__scale *y)
{
    for (size_t i = 0; i < series->count; i++) {
        if (!auxo__scale_can_draw(x, x_of(series, i)) || !auxo__scale_can_draw(y, series->y[i]))
            continue;
        double at_x = auxo__scale_at(x, x_of(series, i)), at_y = auxo__scale_at(y, series->y[i]);
        bool bars = series->mark == AUXO_MARK_POINTS && series->low && series->high;
        if (bars && auxo__scale_can_draw(y, series->low[i]) && auxo__scale_can_draw(y, series->high[i]))
            auxo__markup_add(&report->body, "<path class=\"whisker\" d=\"M%.1f %.1fV%.1f\"/>", at_x,
                             auxo__scale_at(y, series->low[i]), auxo__scale_at(y, series->high[i]));
        auxo__markup_add(&report->body, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\">", at_x, at_y);
        if (series->count <= TOOLTIPS_MAX) {
            char text[160], first[32], second[32];
            auxo__format_number(first, sizeof first, x_of(series, i));
            auxo__format_number(second, sizeof second, series->y[i]);
            const char *label = series->labels ? series->labels[i] : series->name;
            snprintf(text, sizeof text, "%s%s%s, %s", label ? label : "", label ? ": " : "", first, second);
            auxo__svg_tooltip(report, text);
        }
        auxo__markup_add(&report->body, "</circle>\n");
    }
}

/* From the line down to zero (or to the lower edge of a logarithmic axis). */
static void add_area(auxo_report *report, const auxo_series *series, const auxo__scale *x, const auxo__scale *y)
{
    double base = auxo__scale_can_draw(y, 0) ? auxo__scale_at(y, 0) : y->from;
    bool drawn = false;
    auxo__markup_add(&report->body, "<path class=\"band\" d=\"");
    for (size_t i = 0; i < series->count; i++) {
        if (!auxo__scale_can_draw(x, x_of(series, i)) || !auxo__scale_can_draw(y, series->y[i]))
            continue;
        double at_x = auxo__scale_at(x, x_of(series, i));
        if (!drawn)
            auxo__markup_add(&report->body, "M%.1f %.1f", at_x, base);
        auxo__markup_add(&report->body, "L%.1f %.1f", at_x, auxo__scale_at(y, series->y[i]));
        drawn = true;
    }
    if (drawn)
        auxo__markup_add(&report->body, "V%.1fZ", base);
    auxo__markup_add(&report->body, "\"/>\n");
}

static void draw_series(auxo_report *report, const auxo_series *series, uint32_t color, const auxo__scale *x,
                        const auxo__scale *y)
{
    auxo__markup_add(&report->body, "<g class=\"c%u\">", color);
    if (series->name)
        auxo__svg_tooltip(report, series->name);
    if (series->low && series->high && series->mark != AUXO_MARK_POINTS)
        add_band(report, series, x, y);
    if (series->mark == AUXO_MARK_AREA)
        add_area(report, series, x, y);
    if (series->mark != AUXO_MARK_POINTS) {
        auxo__markup_add(&report->body, "<path class=\"curve%s\" d=\"", series->dashed ? " dashed" : "");
        add_path(report, series, series->y, x, y);
        auxo__markup_add(&report->body, "\"/>\n");
    }
    /* One point makes no line, and few points read better marked. */
    bool marks = series->mark == AUXO_MARK_POINTS || series->mark == AUXO_MARK_LINE_POINTS;
    if (marks || (series->mark == AUXO_MARK_LINE && series->count <= 30))
        add_points(report, series, x, y);
    auxo__markup_add(&report->body, "</g>\n");
}

static void draw_rule(auxo_report *report, const auxo_rule *rule, const auxo__scale *x, const auxo__scale *y)
{
    const auxo__scale *scale = rule->vertical ? x : y;
    if (!auxo__scale_can_draw(scale, rule->at))
        return;
    double at = auxo__scale_at(scale, rule->at);
    if (rule->vertical)
        auxo__markup_add(&report->body, "<path class=\"rule\" d=\"M%.1f %dV%d\"/>\n", at, TOP, BOTTOM);
    else
        auxo__markup_add(&report->body, "<path class=\"rule\" d=\"M%d %.1fH%d\"/>\n", LEFT, at, RIGHT);
    if (rule->label && rule->vertical)
        auxo__svg_text(report, at + 4, TOP + 10, "start", "faint", rule->label);
    else if (rule->label)
        auxo__svg_text(report, RIGHT - 4, at - 4, "end", "faint", rule->label);
}

void auxo_report_chart(auxo_report *report, const auxo_chart *chart)
{
    auxo__scale x, y;
    fit_scales(chart, &x, &y);
    auxo__figure_begin(report, chart->title);
    for (size_t i = 0; i < chart->series_count; i++)
        auxo__figure_legend(report, chart->series[i].name, color_of(&chart->series[i], i));
    auxo__svg_begin(report, HEIGHT);
    auxo__axes_draw(report, &x, &y, LEFT, TOP, RIGHT, BOTTOM, chart->x_label, chart->y_label);
    for (size_t i = 0; i < chart->rule_count; i++)
        draw_rule(report, &chart->rules[i], &x, &y);
    for (size_t i = 0; i < chart->series_count; i++)
        draw_series(report, &chart->series[i], color_of(&chart->series[i], i), &x, &y);
    auxo__svg_end(report);
    auxo__figure_end(report, chart->caption);
}
