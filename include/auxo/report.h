/* auxo/report.h: one self-contained HTML file with tables and SVG charts, readable without a network.
 *
 * A report is built from top to bottom: every call appends one element. Charts are described by plain structs that are
 * read during the call and may be temporaries:
 *
 *     auxo_series loss = {.name = "loss", .count = n, .x = epochs, .y = losses};
 *     auxo_report_chart(report, &(auxo_chart){.title = "Loss", .x_label = "epoch", .series = &loss, .series_count =
 * 1});
 *
 * All text is escaped. Values that are not finite leave gaps. There is no script in the file; colours follow the
 * reader's light or dark setting; hovering over a point shows its numbers. Appending cannot fail: lack of memory is
 * remembered and returned by auxo_report_write. Knows nothing of models, devices or training.
 */
#ifndef AUXO_REPORT_H
#define AUXO_REPORT_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct auxo_report auxo_report;

AUXO_API auxo_status auxo_report_create(const char *title, auxo_report **report, auxo_error *error);
AUXO_API void auxo_report_destroy(auxo_report *report); /* NULL is allowed */
/* Writes the file through a temporary one in the same folder, synced and renamed. Errors: OUT_OF_MEMORY (also of
 * earlier calls), IO names the path. */
AUXO_API auxo_status auxo_report_write(auxo_report *report, const char *path, auxo_error *error);

/* The same as text. Ownership: free(*text). Errors: OUT_OF_MEMORY (also of earlier calls). */
AUXO_API auxo_status auxo_report_html(const auxo_report *report, char **text, auxo_error *error);

/* A heading; with several sections the report begins with a list of them. */
AUXO_API void auxo_report_section(auxo_report *report, const char *heading);
/* One paragraph. */
AUXO_API void auxo_report_text(auxo_report *report, const char *format, ...) AUXO_PRINTF(2, 3);
/* Preformatted lines: a command, a structure. */
AUXO_API void auxo_report_code(auxo_report *report, const char *text);

/* ---- tables ------------------------------------------------------------------------------------------------------ */
/* Columns whose cells look like numbers are aligned right. Each row has column_count cells; NULL is an empty one. */
AUXO_API void auxo_report_table_begin(auxo_report *report, const char *const *headings, size_t column_count);
AUXO_API void auxo_report_table_row(auxo_report *report, const char *const *cells);
/* The same from one text with '|' between the cells: auxo_report_table_rowf(report, "%s|%d|%.3f", ...). */
AUXO_API void auxo_report_table_rowf(auxo_report *report, const char *format, ...) AUXO_PRINTF(2, 3);
AUXO_API void auxo_report_table_end(auxo_report *report);

/* ---- charts over two axes: lines, points, steps, bands -------------------------------------------------------------
 */
typedef enum auxo_mark {
    AUXO_MARK_LINE,
    AUXO_MARK_POINTS,
    AUXO_MARK_LINE_POINTS,
    AUXO_MARK_STEPS, /* constant until the next x: survival curves, best so far */
    AUXO_MARK_AREA,  /* from 0 to y: densities, histograms */
} auxo_mark;

typedef struct auxo_series {
    const char *name; /* in the legend; NULL: not in it */
    auxo_mark mark;
    size_t count;
    const double *x;   /* count values; NULL: 1, 2, 3, ... */
    const double *y;   /* count values */
    const double *low; /* with `high`: a band (lines, steps) or error bars (points); NULL: none */
    const double *high;
    const char *const *labels; /* one per point, shown on hovering; NULL: the numbers */
    bool dashed;
    uint32_t color; /* 0: the next of the palette; n: the palette's n-th, so that series can share one */
} auxo_series;

/* A line across the chart: a goal, a brake, a baseline. */
typedef struct auxo_rule {
    bool vertical;
    double at;
    const char *label; /* may be NULL */
} auxo_rule;

typedef struct auxo_chart {
    const char *title, *x_label, *y_label, *caption; /* each may be NULL */
    bool x_log, y_log;                               /* values <= 0 leave gaps */
    double x_min, x_max, y_min, y_max;               /* min = max: from the data */
    const auxo_series *series;
    size_t series_count;
    const auxo_rule *rules;
    size_t rule_count;
} auxo_chart;
AUXO_API void auxo_report_chart(auxo_report *report, const auxo_chart *chart);

/* Histograms of several sets of values over common bins; drawn as areas of relative frequency. */
typedef struct auxo_values {
    const char *name;
    const double *values;
    size_t count;
} auxo_values;
AUXO_API void auxo_report_histogram(auxo_report *report, const char *title, const char *x_label,
                                    const auxo_values *sets, size_t set_count, size_t bin_count /* 0: 30 */);

/* ---- bars ----------------------------------------------------------------------------------------------------------
 */
typedef struct auxo_bars {
    const char *title, *value_label, *caption;
    const char *const *categories; /* category_count names along the axis */
    size_t category_count;
    const char *const *names; /* series_count names in the legend; NULL with one series */
    size_t series_count;
    const double *values;     /* (series_count, category_count) */
    const double *low, *high; /* error bars, the same shape; NULL: none */
    bool stacked, value_log;  /* not both */
    bool horizontal;          /* categories downwards: long names, many categories */
} auxo_bars;
AUXO_API void auxo_report_bars(auxo_report *report, const auxo_bars *bars);

/* ---- heat maps and trees -------------------------------------------------------------------------------------------
 */
typedef struct auxo_heat_map {
    const char *title, *x_label, *y_label, *value_label, *caption;
    size_t row_count, column_count; /* row 0 on top */
    const double *values;           /* (row_count, column_count) */
    const char *const *row_names;   /* NULL: numbers */
    const char *const *column_names;
    bool value_log;
    bool diverging; /* colours apart from 0 in both directions */
} auxo_heat_map;
AUXO_API void auxo_report_heat_map(auxo_report *report, const auxo_heat_map *map);

/* One block of a tree over leaves 0 .. leaf_count - 1: an icicle drawing, one strip per level, level 0 on top. */
typedef struct auxo_tree_block {
    uint32_t level, begin, end; /* leaves [begin, end) */
    double value;               /* colour */
    const char *label;          /* may be NULL */
} auxo_tree_block;
AUXO_API void auxo_report_tree(auxo_report *report, const char *title, const char *value_label,
                               const auxo_tree_block *blocks, size_t block_count, uint32_t leaf_count, bool value_log);

/* ---- rooflines ------------------------------------------------------------------------------------------------------
 */
typedef struct auxo_roofline_point {
    const char *name;
    double flops, bytes, seconds; /* of one execution */
} auxo_roofline_point;
typedef struct auxo_roofline {
    const char *title;
    double peak_flops_per_second, peak_bytes_per_second; /* measured */
    const auxo_roofline_point *points;
    size_t point_count;
} auxo_roofline;
AUXO_API void auxo_report_roofline(auxo_report *report, const auxo_roofline *roofline);

/* ---- network drawings -----------------------------------------------------------------------------------------------
 */
typedef enum auxo_block_kind {
    AUXO_BLOCK_INPUT,
    AUXO_BLOCK_CONV,
    AUXO_BLOCK_DENSE,
    AUXO_BLOCK_POOL,
    AUXO_BLOCK_OTHER
} auxo_block_kind;
typedef struct auxo_architecture_block {
    const char *name, *detail; /* "conv2", "16 @ 5x5"; detail may be NULL */
    auxo_block_kind kind;
    int64_t channels, height, width; /* of its output; dense: channels = units, height = width = 1 */
    int32_t skip_from;               /* index of the block whose output is added here, or -1 */
} auxo_architecture_block;
/* Boxes from left to right, as high as the picture is large and as wide as the logarithm of the channels; arcs for
 * additions. */
AUXO_API void auxo_report_architecture(auxo_report *report, const char *title, const auxo_architecture_block *blocks,
                                       size_t block_count);

#ifdef __cplusplus
}
#endif
#endif
