/* runtime/report/architecture.c: a network as a row of boxes: higher for larger pictures, wider for more channels, with
 * arcs for additions; wrapped into several rows when it is long. */
#include "report_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MARGIN = 14, GAP = 12, ROW_HEIGHT = 190, BOX_HEIGHT_MAX = 90, BOX_MIDDLE = 85 };

/* Where a block is drawn. */
typedef struct box {
    double x, width, height;
    size_t row;
} box;

static uint32_t color_of(auxo_block_kind kind)
{
    switch (kind) {
    case AUXO_BLOCK_INPUT:
        return 8;
    case AUXO_BLOCK_CONV:
        return 1;
    case AUXO_BLOCK_DENSE:
        return 3;
    case AUXO_BLOCK_POOL:
        return 2;
    case AUXO_BLOCK_OTHER:
        return 7;
    }
    return 7;
}

/* Places the boxes; returns the number of rows. */
static size_t place(const auxo_architecture_block *blocks, size_t count, box *boxes)
{
    double largest = 1, x = MARGIN;
    size_t row = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, (double)blocks[i].height);
    for (size_t i = 0; i < count; i++) {
        double width = 12 + 5 * log2(1 + (double)blocks[i].channels);
        if (x + width > FIGURE_WIDTH - MARGIN) {
            x = MARGIN;
            row++;
        }
        bool flat = blocks[i].height <= 1 && blocks[i].width <= 1;
        double height = flat ? 26 : 20 + (BOX_HEIGHT_MAX - 20) * sqrt((double)blocks[i].height / largest);
        boxes[i] = (box){.x = x, .width = width, .height = height, .row = row};
        x += width + GAP;
    }
    return row + 1;
}

static void draw_box(auxo_report *report, const auxo_architecture_block *block, const box *placed)
{
    double top = (double)placed->row * ROW_HEIGHT + BOX_MIDDLE - placed->height / 2;
    double middle = placed->x + placed->width / 2, below = (double)placed->row * ROW_HEIGHT + BOX_MIDDLE + 52;
    char text[200];
    if (block->height > 1 || block->width > 1)
        snprintf(text, sizeof text, "%" PRId64 "x%" PRId64 "x%" PRId64, block->channels, block->height, block->width);
    else
        snprintf(text, sizeof text, "%" PRId64, block->channels);
    auxo__markup_add(&report->body,
                     "<g class=\"c%u\"><rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                     "rx=\"3\">",
                     color_of(block->kind), placed->x, top, placed->width, placed->height);
    char tooltip[400];
    snprintf(tooltip, sizeof tooltip, "%s: %s%s%s", block->name, text, block->detail ? ", " : "",
             block->detail ? block->detail : "");
    auxo__svg_tooltip(report, tooltip);
    auxo__markup_add(&report->body, "</rect></g>\n");
    auxo__markup_add(&report->body, "<text transform=\"translate(%.1f %.1f) rotate(40)\">", middle - 4, below);
    auxo__markup_escaped(&report->body, block->name);
    auxo__markup_add(&report->body, "<tspan class=\"faint\"> %s</tspan></text>\n", text);
}

/* From above one box to above another; over rows the arc is cut short at the row's start. */
static void draw_skip(auxo_report *report, const box *from, const box *to)
{
    double start = from->row == to->row ? from->x + from->width / 2 : MARGIN;
    double end = to->x + to->width / 2, base = (double)to->row * ROW_HEIGHT + BOX_MIDDLE - BOX_HEIGHT_MAX / 2.0 - 2;
    double rise = fmin(30, 8 + 0.15 * (end - start));
    auxo__markup_add(&report->body, "<path class=\"skip\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>\n", start,
                     base, start, base - rise, end, base - rise, end, base);
}

void auxo_report_architecture(auxo_report *report, const char *title, const auxo_architecture_block *blocks,
                              size_t block_count)
{
    box *boxes = calloc(block_count + 1, sizeof *boxes);
    report->body.failed = report->body.failed || !boxes;
    if (!boxes)
        return;
    size_t row_count = place(blocks, block_count, boxes);
    auxo__figure_begin(report, title);
    auxo__svg_begin(report, (double)row_count * ROW_HEIGHT + 10);
    for (size_t i = 0; i < block_count; i++) {
        draw_box(report, &blocks[i], &boxes[i]);
        if (blocks[i].skip_from >= 0 && (size_t)blocks[i].skip_from < block_count)
            draw_skip(report, &boxes[blocks[i].skip_from], &boxes[i]);
    }
    auxo__svg_end(report);
    auxo__figure_end(report, NULL);
    free(boxes);
}
