/* runtime/report/report_internal.h: what the parts of a report share: growing text, the page, axes.
 *
 * Invariant: `body.failed` is set once memory was short and stays set; every later append is then a no-op, and
 * auxo_report_write returns OUT_OF_MEMORY.
 */
#ifndef AUXO_REPORT_INTERNAL_H
#define AUXO_REPORT_INTERNAL_H

#include "auxo/report.h"

/* Text that grows; always NUL-terminated once something was appended. */
typedef struct auxo__markup {
    char *text;
    size_t length, capacity;
    bool failed;
} auxo__markup;

void auxo__markup_add(auxo__markup *markup, const char *format, ...) AUXO_PRINTF(2, 3);
/* Appends with & < > " escaped; control characters become spaces. NULL appends nothing. */
void auxo__markup_escaped(auxo__markup *markup, const char *text);

struct auxo_report {
    char *title;
    auxo__markup body, contents; /* contents: the list of sections */
    uint32_t section_count;
    size_t table_columns;
};

/* ---- figures ------------------------------------------------------------------------------------------------------
 * A figure is a title, a legend, one <svg> of FIGURE_WIDTH by the given height in its own units, and a caption. */
enum { FIGURE_WIDTH = 720, PALETTE_SIZE = 8 };

void auxo__figure_begin(auxo_report *report, const char *title);
/* One legend entry in the palette's colour (1 .. PALETTE_SIZE); between figure_begin and svg_begin. */
void auxo__figure_legend(auxo_report *report, const char *name, uint32_t color);
void auxo__svg_begin(auxo_report *report, double height);
void auxo__svg_end(auxo_report *report);
void auxo__figure_end(auxo_report *report, const char *caption);
/* Text at (x, y); `anchor` is start, middle or end; `style` is a CSS class or "". */
void auxo__svg_text(auxo_report *report, double x, double y, const char *anchor, const char *style, const char *text);
/* <title> of the enclosing element: what hovering shows. */
void auxo__svg_tooltip(auxo_report *report, const char *text);

/* A readable number: up to four significant digits, no trailing zeros. */
const char *auxo__format_number(char *buffer, size_t size, double value);

/* ---- axes ---------------------------------------------------------------------------------------------------------
 */
/* Maps values low..high, linear or logarithmic, to coordinates from..to. */
typedef struct auxo__scale {
    bool fractions; /* some value is no integer; else ticks are integers, too */
    bool log;
    double low, high, from, to;
} auxo__scale;

/* Collects the range of values: start from `auxo__scale_empty`, add, then `auxo__scale_finish` makes it drawable. */
auxo__scale auxo__scale_empty(bool log, double from, double to);
void auxo__scale_add(auxo__scale *scale, double value); /* ignores what cannot be drawn */
/* Gives an empty or single-valued range some width, adds a margin, and applies fixed limits (minimum < maximum). */
void auxo__scale_finish(auxo__scale *scale, double margin, double minimum, double maximum);
bool auxo__scale_can_draw(const auxo__scale *scale, double value);
double auxo__scale_at(const auxo__scale *scale, double value); /* clamped a little outside the range */
/* Round values within the range; returns how many, at most `capacity`. */
size_t auxo__scale_ticks(const auxo__scale *scale, double *ticks, size_t capacity);

/* Frame, grid lines, tick labels and axis titles around the area of the two scales. Either scale may be NULL. */
void auxo__axes_draw(auxo_report *report, const auxo__scale *x, const auxo__scale *y, double left, double top,
                     double right, double bottom, const char *x_label, const char *y_label);

/* CSS fill of a share in 0..1 (diverging: -1..1), readable on light and dark; not finite: no fill. */
const char *auxo__heat_fill(char *buffer, size_t size, double share, bool diverging);
/* Share of a value between low and high, logarithmic or (diverging) relative to the larger of both magnitudes. */
double auxo__heat_share(double value, double low, double high, bool log, bool diverging);
/* A horizontal bar of colours with the values at its ends, right-aligned at (right, y). */
void auxo__heat_legend(auxo_report *report, double right, double y, const char *label, double low, double high,
                       bool diverging);

#endif
