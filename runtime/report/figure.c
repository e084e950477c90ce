/* runtime/report/figure.c: the frame around every drawing: title, legend, svg element, text, colours. */
#include "number.h"
#include "report_internal.h"

#include <math.h>
#include <stdio.h>

void auxo__figure_begin(auxo_report *report, const char *title)
{
    auxo__markup_add(&report->body, "<figure>\n");
    if (title) {
        auxo__markup_add(&report->body, "<h3>");
        auxo__markup_escaped(&report->body, title);
        auxo__markup_add(&report->body, "</h3>\n");
    }
    auxo__markup_add(&report->body, "<div class=\"legend\">");
}

void auxo__figure_legend(auxo_report *report, const char *name, uint32_t color)
{
    if (!name)
        return;
    auxo__markup_add(&report->body, "<span><i class=\"c%u\"></i>", color);
    auxo__markup_escaped(&report->body, name);
    auxo__markup_add(&report->body, "</span>");
}

void auxo__svg_begin(auxo_report *report, double height)
{
    auxo__markup_add(&report->body, "</div>\n<svg viewBox=\"0 0 %d %.0f\" role=\"img\">\n", FIGURE_WIDTH, height);
}

void auxo__svg_end(auxo_report *report)
{
    auxo__markup_add(&report->body, "</svg>\n");
}

void auxo__figure_end(auxo_report *report, const char *caption)
{
    if (caption) {
        auxo__markup_add(&report->body, "<figcaption>");
        auxo__markup_escaped(&report->body, caption);
        auxo__markup_add(&report->body, "</figcaption>\n");
    }
    auxo__markup_add(&report->body, "</figure>\n");
}

void auxo__svg_text(auxo_report *report, double x, double y, const char *anchor, const char *style, const char *text)
{
    auxo__markup_add(&report->body, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor,
                     style);
    auxo__markup_escaped(&report->body, text);
    auxo__markup_add(&report->body, "</text>\n");
}

void auxo__svg_tooltip(auxo_report *report, const char *text)
{
    auxo__markup_add(&report->body, "<title>");
    auxo__markup_escaped(&report->body, text);
    auxo__markup_add(&report->body, "</title>");
}

const char *auxo__format_number(char *buffer, size_t size, double value)
{
    double magnitude = fabs(value);
    if (!isfinite(value))
        snprintf(buffer, size, "none");
    else if (magnitude >= 1e4 && magnitude < 1e6)
        auxo__number_print(buffer, size, "%.0f", value);
    else
        auxo__number_print(buffer, size, "%.4g", value);
    return buffer;
}

/* One hue for each sign, more opaque with the magnitude, so that the page's own colour is zero. */
const char *auxo__heat_fill(char *buffer, size_t size, double share, bool diverging)
{
    if (!isfinite(share))
        return "fill:none";
    double strength = fmin(fabs(share), 1);
    auxo__number_print(buffer, size, "fill:var(--c%d);fill-opacity:%.2f", diverging && share < 0 ? 2 : 1,
                       0.04 + 0.92 * strength);
    return buffer;
}

double auxo__heat_share(double value, double low, double high, bool log_scale, bool diverging)
{
    if (!isfinite(value) || (log_scale && value <= 0))
        return (double)NAN;
    if (diverging) {
        double largest = fmax(fabs(low), fabs(high));
        return largest > 0 ? value / largest : 0;
    }
    if (high <= low)
        return 1;
    return log_scale ? log(value / low) / log(high / low) : (value - low) / (high - low);
}

void auxo__heat_legend(auxo_report *report, double right, double y, const char *label, double low, double high,
                       bool diverging)
{
    enum { CELLS = 24, CELL_WIDTH = 5 };
    char number[32], fill[64];
    double left = right - CELLS * CELL_WIDTH - 60;
    for (int i = 0; i < CELLS; i++) {
        double share = (double)i / (CELLS - 1);
        share = diverging ? 2 * share - 1 : share;
        auxo__markup_add(&report->body, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"10\" style=\"%s\"/>\n",
                         left + i * CELL_WIDTH, y, CELL_WIDTH, auxo__heat_fill(fill, sizeof fill, share, diverging));
    }
    auxo__svg_text(report, left - 4, y + 9, "end", "faint", auxo__format_number(number, sizeof number, low));
    auxo__svg_text(report, left + CELLS * CELL_WIDTH + 4, y + 9, "start", "faint",
                   auxo__format_number(number, sizeof number, high));
    if (label)
        auxo__svg_text(report, left - 60, y + 9, "end", "faint", label);
}
