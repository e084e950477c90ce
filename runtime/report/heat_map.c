/* runtime/report/heat_map.c: values as colours: grids, and trees drawn level by level (icicles). */
#include "report_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEFT = 90, RIGHT = FIGURE_WIDTH - 14, TOP = 28, LABEL_STEP = 46, LEVEL_HEIGHT = 30 };

/* Smallest and largest drawable value. */
static void add_range(auxo__scale *range, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        auxo__scale_add(range, values[i]);
}

/* A range that holds nothing or one value still has two ends for the legend. */
static void close_range(auxo__scale *range)
{
    if (range->low > range->high)
        range->low = range->high = range->log ? 1 : 0;
}

static void draw_cell(auxo_report *report, double x, double y, double width, double height, const char *fill,
                      const char *tooltip)
{
    auxo__markup_add(&report->body, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" style=\"%s\">", x, y,
                     width, height, fill);
    auxo__svg_tooltip(report, tooltip);
    auxo__markup_add(&report->body, "</rect>\n");
}

static const char *name_of(const char *const *names, size_t index, char *buffer, size_t size)
{
    if (names)
        return names[index];
    snprintf(buffer, size, "%zu", index + 1);
    return buffer;
}

/* Names along the edges, as many as there is room for. */
static void draw_names(auxo_report *report, const auxo_heat_map *map, double width, double height, double bottom)
{
    char number[32];
    size_t row_step = (size_t)fmax(1, ceil(12 / height));
    size_t column_step = (size_t)fmax(1, ceil(LABEL_STEP / width));
    for (size_t row = 0; row < map->row_count; row += row_step)
        auxo__svg_text(report, LEFT - 6, TOP + ((double)row + 0.5) * height + 4, "end", "faint",
                       name_of(map->row_names, row, number, sizeof number));
    for (size_t column = 0; column < map->column_count; column += column_step)
        auxo__svg_text(report, LEFT + ((double)column + 0.5) * width, bottom + 14, "middle", "faint",
                       name_of(map->column_names, column, number, sizeof number));
}

void auxo_report_heat_map(auxo_report *report, const auxo_heat_map *map)
{
    auxo__scale range = auxo__scale_empty(map->value_log, 0, 1);
    add_range(&range, map->values, map->row_count * map->column_count);
    close_range(&range);
    double rows = map->row_count ? (double)map->row_count : 1;
    double columns = map->column_count ? (double)map->column_count : 1;
    double height = fmin(28, fmax(3, 320 / rows)), width = (RIGHT - LEFT) / columns, bottom = TOP + rows * height;
    double largest = fmax(fabs(range.low), fabs(range.high));
    auxo__figure_begin(report, map->title);
    auxo__svg_begin(report, bottom + 42);
    auxo__heat_legend(report, RIGHT, 6, map->value_label, map->diverging ? -largest : range.low,
                      map->diverging ? largest : range.high, map->diverging);
    for (size_t row = 0; row < map->row_count; row++) {
        for (size_t column = 0; column < map->column_count; column++) {
            char text[200], first[32], second[32], number[32], fill[64];
            double value = map->values[row * map->column_count + column];
            double share = auxo__heat_share(value, range.low, range.high, map->value_log, map->diverging);
            snprintf(text, sizeof text, "%s, %s: %s", name_of(map->row_names, row, first, sizeof first),
                     name_of(map->column_names, column, second, sizeof second),
                     auxo__format_number(number, sizeof number, value));
            draw_cell(report, LEFT + (double)column * width, TOP + (double)row * height, width, height,
                      auxo__heat_fill(fill, sizeof fill, share, map->diverging), text);
        }
    }
    draw_names(report, map, width, height, bottom);
    auxo__axes_draw(report, NULL, NULL, LEFT, TOP, RIGHT, bottom, map->x_label, map->y_label);
    auxo__svg_end(report);
    auxo__figure_end(report, map->caption);
}

/* ---- trees ------------------------------------------------------------------------------------------------------- */

static void draw_block(auxo_report *report, const auxo_tree_block *block, const auxo__scale *range, double leaf_width)
{
    char text[200], number[32], fill[64];
    double x = LEFT + block->begin * leaf_width, y = TOP + (double)block->level * LEVEL_HEIGHT;
    double width = (double)(block->end - block->begin) * leaf_width;
    double share = auxo__heat_share(block->value, range->low, range->high, range->log, false);
    snprintf(text, sizeof text, "%s%s%u to %u: %s", block->label ? block->label : "", block->label ? ", " : "",
             block->begin, block->end - 1, auxo__format_number(number, sizeof number, block->value));
    draw_cell(report, x + 0.5, y + 0.5, fmax(width - 1, 0.5), LEVEL_HEIGHT - 2,
              auxo__heat_fill(fill, sizeof fill, share, false), text);
    const char *shown = block->label ? block->label : number;
    if ((double)strlen(shown) * 6.2 < width)
        auxo__svg_text(report, x + width / 2, y + LEVEL_HEIGHT / 2.0 + 4, "middle", "", shown);
}

void auxo_report_tree(auxo_report *report, const char *title, const char *value_label, const auxo_tree_block *blocks,
                      size_t block_count, uint32_t leaf_count, bool value_log)
{
    auxo__scale range = auxo__scale_empty(value_log, 0, 1);
    uint32_t level_count = 0;
    for (size_t i = 0; i < block_count; i++) {
        auxo__scale_add(&range, blocks[i].value);
        level_count = blocks[i].level + 1 > level_count ? blocks[i].level + 1 : level_count;
    }
    close_range(&range);
    auxo__figure_begin(report, title);
    auxo__svg_begin(report, TOP + (double)level_count * LEVEL_HEIGHT + 8);
    auxo__heat_legend(report, RIGHT, 6, value_label, range.low, range.high, false);
    for (uint32_t level = 0; level < level_count; level++) {
        char text[32];
        snprintf(text, sizeof text, "level %u", level);
        auxo__svg_text(report, LEFT - 8, TOP + ((double)level + 0.5) * LEVEL_HEIGHT + 4, "end", "faint", text);
    }
    for (size_t i = 0; i < block_count; i++)
        draw_block(report, &blocks[i], &range, (RIGHT - LEFT) / (double)(leaf_count ? leaf_count : 1));
    auxo__svg_end(report);
    auxo__figure_end(report, NULL);
}
