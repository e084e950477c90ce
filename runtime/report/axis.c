/* runtime/report/axis.c: scales from values to coordinates, round ticks, and the drawing of axes. */
#include "report_internal.h"

#include <math.h>

auxo__scale auxo__scale_empty(bool log, double from, double to)
{
    return (auxo__scale){.log = log, .low = (double)INFINITY, .high = -(double)INFINITY, .from = from, .to = to};
}

bool auxo__scale_can_draw(const auxo__scale *scale, double value)
{
    /* Limits that leave room for margins and differences in double. */
    return fabs(value) <= 1e200 && (!scale->log || value >= 1e-200);
}

void auxo__scale_add(auxo__scale *scale, double value)
{
    if (!auxo__scale_can_draw(scale, value))
        return;
    scale->low = fmin(scale->low, value);
    scale->high = fmax(scale->high, value);
    scale->fractions = scale->fractions || value != floor(value);
}

void auxo__scale_finish(auxo__scale *scale, double margin, double minimum, double maximum)
{
    if (scale->low > scale->high) {
        scale->low = scale->log ? 1 : 0;
        scale->high = scale->log ? 10 : 1;
    }
    if (scale->log) {
        double factor = pow(scale->high / scale->low, margin);
        factor = scale->low == scale->high ? 2 : factor;
        scale->low /= factor;
        scale->high *= factor;
    } else {
        double width = scale->high - scale->low;
        double pad = width > 0 ? margin * width : fmax(0.5 * fabs(scale->low), 0.5);
        scale->low -= pad;
        scale->high += pad;
    }
    if (minimum < maximum && (!scale->log || minimum > 0)) {
        scale->low = minimum;
        scale->high = maximum;
    }
}

double auxo__scale_at(const auxo__scale *scale, double value)
{
    double share = scale->log ? log(value / scale->low) / log(scale->high / scale->low)
                              : (value - scale->low) / (scale->high - scale->low);
    share = fmin(fmax(share, -0.05), 1.05);
    return scale->from + share * (scale->to - scale->from);
}

/* Decades, and where there are few of them also 2 and 5 times each. */
static size_t log_ticks(const auxo__scale *scale, double *ticks, size_t capacity)
{
    double first = floor(log10(scale->low)), last = ceil(log10(scale->high));
    double decades = last - first;
    int stride = (int)fmax(1, ceil(decades / 8));
    bool fine = decades <= 2;
    size_t count = 0;
    for (double exponent = first; exponent <= last; exponent += stride) {
        static const double steps[] = {1, 2, 5};
        for (int i = 0; i < (fine ? 3 : 1); i++) {
            double tick = steps[i] * pow(10, exponent);
            if (tick >= scale->low * (1 - 1e-9) && tick <= scale->high * (1 + 1e-9) && count < capacity)
                ticks[count++] = tick;
        }
    }
    return count;
}

size_t auxo__scale_ticks(const auxo__scale *scale, double *ticks, size_t capacity)
{
    if (scale->log)
        return log_ticks(scale, ticks, capacity);
    double width = scale->high - scale->low, rough = width / 6;
    double power = pow(10, floor(log10(rough))), ratio = rough / power;
    double step = power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
    step = scale->fractions ? step : fmax(step, 1);
    size_t count = 0;
    for (double index = ceil(scale->low / step - 1e-9); index * step <= scale->high + 1e-9 * width; index++)
        if (count < capacity)
            ticks[count++] = index == 0 ? 0 : index * step;
    return count;
}

static void draw_ticks(auxo_report *report, const auxo__scale *scale, bool vertical, double left, double top,
                       double right, double bottom)
{
    double ticks[32];
    char number[32];
    size_t count = auxo__scale_ticks(scale, ticks, 32);
    for (size_t i = 0; i < count; i++) {
        double at = auxo__scale_at(scale, ticks[i]);
        const char *text = auxo__format_number(number, sizeof number, ticks[i]);
        if (vertical) {
            auxo__markup_add(&report->body, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", left, at, right);
            auxo__svg_text(report, left - 6, at + 4, "end", "faint", text);
        } else {
            auxo__markup_add(&report->body, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", at, top, bottom);
            auxo__svg_text(report, at, bottom + 15, "middle", "faint", text);
        }
    }
}

void auxo__axes_draw(auxo_report *report, const auxo__scale *x, const auxo__scale *y, double left, double top,
                     double right, double bottom, const char *x_label, const char *y_label)
{
    if (x)
        draw_ticks(report, x, false, left, top, right, bottom);
    if (y)
        draw_ticks(report, y, true, left, top, right, bottom);
    auxo__markup_add(&report->body, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", left, top, bottom, right);
    if (x_label)
        auxo__svg_text(report, (left + right) / 2, bottom + 34, "middle", "faint", x_label);
    if (y_label) {
        auxo__markup_add(&report->body,
                         "<text transform=\"translate(13 %.1f) rotate(-90)\" text-anchor=\"middle\" class=\"faint\">",
                         (top + bottom) / 2);
        auxo__markup_escaped(&report->body, y_label);
        auxo__markup_add(&report->body, "</text>\n");
    }
}
