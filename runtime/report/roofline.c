/* runtime/report/roofline.c: attainable speed over arithmetic intensity (Williams, Waterman, Patterson 2009):
 * min(peak FLOP/s, intensity x peak bytes/s), with the measured ops as points below it. */
#include "number.h"
#include "report_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOF_POINTS = 3, LABEL_SIZE = 96 };

/* The roof from the lowest to the highest intensity shown, with its ridge. */
static void fill_roof(const auxo_roofline *roofline, double low, double high, double *x, double *y)
{
    double ridge = roofline->peak_flops_per_second / roofline->peak_bytes_per_second;
    x[0] = fmin(low, ridge / 8);
    x[1] = ridge;
    x[2] = fmax(high, ridge * 8);
    for (int i = 0; i < ROOF_POINTS; i++)
        y[i] = 1e-9 * fmin(roofline->peak_flops_per_second, x[i] * roofline->peak_bytes_per_second);
}

static void draw(auxo_report *report, const auxo_roofline *roofline, double *x, double *y, const char **labels,
                 char (*texts)[LABEL_SIZE])
{
    double low = (double)INFINITY, high = 0, roof_x[ROOF_POINTS], roof_y[ROOF_POINTS];
    for (size_t i = 0; i < roofline->point_count; i++) {
        const auxo_roofline_point *point = &roofline->points[i];
        x[i] = point->bytes > 0 ? point->flops / point->bytes : (double)NAN;
        y[i] = point->seconds > 0 ? 1e-9 * point->flops / point->seconds : (double)NAN;
        double roof = 1e-9 * fmin(roofline->peak_flops_per_second, x[i] * roofline->peak_bytes_per_second);
        auxo__number_print(texts[i], LABEL_SIZE, "%.60s, %.0f %% of the roof", point->name, 100 * y[i] / roof);
        labels[i] = texts[i];
        if (isfinite(x[i]) && x[i] > 0) {
            low = fmin(low, x[i]);
            high = fmax(high, x[i]);
        }
    }
    fill_roof(roofline, low, high, roof_x, roof_y);
    auxo_series series[] = {
        {.name = "roof", .mark = AUXO_MARK_LINE, .count = ROOF_POINTS, .x = roof_x, .y = roof_y, .color = 8},
        {.name = "ops",
         .mark = AUXO_MARK_POINTS,
         .count = roofline->point_count,
         .x = x,
         .y = y,
         .labels = labels,
         .color = 1},
    };
    auxo_report_chart(report, &(auxo_chart){.title = roofline->title,
                                            .x_label = "FLOPs per byte",
                                            .y_label = "GFLOP/s",
                                            .x_log = true,
                                            .y_log = true,
                                            .series = series,
                                            .series_count = 2});
}

void auxo_report_roofline(auxo_report *report, const auxo_roofline *roofline)
{
    size_t count = roofline->point_count;
    double *values = calloc(2 * count + 1, sizeof *values);
    const char **labels = calloc(count + 1, sizeof *labels);
    char(*texts)[LABEL_SIZE] = calloc(count + 1, sizeof *texts);
    report->body.failed = report->body.failed || !values || !labels || !texts;
    if (values && labels && texts)
        draw(report, roofline, values, values + count, labels, texts);
    free(values);
    free(labels);
    free(texts);
}
