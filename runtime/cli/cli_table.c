/* runtime/cli/cli_table.c: tables of text with aligned columns; widths follow the widest cell. */
#include "cli_output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 16, ROW_TEXT_MAX = 1024 };

typedef struct row {
    struct row *next;
    char *cells[COLUMNS_MAX]; /* into `text` */
    char text[];
} row;

struct cli_table {
    size_t column_count;
    bool right[COLUMNS_MAX];
    int widths[COLUMNS_MAX];
    row *first, *last; /* the first holds the headings */
};

/* Columns a UTF-8 text takes on the terminal, counting one per character. */
static int display_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void add_row(cli_table *table, const char *text)
{
    row *added = calloc(1, sizeof *added + strlen(text) + 1);
    if (!added)
        return;
    memcpy(added->text, text, strlen(text) + 1);
    char *rest = added->text;
    size_t column = 0;
    for (; column < COLUMNS_MAX && rest; column++)
        added->cells[column] = strsep(&rest, "|");
    if (!table->first)
        table->column_count = column;
    for (size_t i = 0; i < column; i++) {
        if (!table->first && added->cells[i][0] == '>') {
            table->right[i] = true;
            added->cells[i]++;
        }
        int width = display_width(added->cells[i]);
        if (width > table->widths[i])
            table->widths[i] = width;
    }
    if (table->last)
        table->last->next = added;
    else
        table->first = added;
    table->last = added;
}

cli_table *cli_table_create(const char *columns)
{
    cli_table *table = calloc(1, sizeof *table);
    if (table)
        add_row(table, columns);
    return table;
}

void cli_table_row(cli_table *table, const char *format, ...)
{
    if (!table || !table->first)
        return;
    char text[ROW_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add_row(table, text);
}

static void print_row(cli_output *output, const cli_table *table, const row *printed)
{
    char line[2 * ROW_TEXT_MAX];
    size_t used = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const char *cell = printed->cells[i] ? printed->cells[i] : "";
        int padding = table->widths[i] - display_width(cell);
        bool last = i + 1 == table->column_count;
        int written = table->right[i]
                          ? snprintf(line + used, sizeof line - used, "%*s%s", padding, "", cell)
                          : snprintf(line + used, sizeof line - used, "%s%*s", cell, last ? 0 : padding, "");
        used += (size_t)written;
        if (used + 3 >= sizeof line)
            break;
        used += last ? 0 : (size_t)snprintf(line + used, sizeof line - used, "  ");
    }
    cli_print(output, "%s\n", line);
}

void cli_table_print(cli_output *output, cli_table *table)
{
    if (!table)
        return;
    for (row *printed = table->first; printed;) {
        print_row(output, table, printed);
        row *done = printed;
        printed = printed->next;
        free(done);
    }
    free(table);
}
