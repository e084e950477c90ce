/* runtime/cli/cli_table.c: tables of text with aligned columns; widths follow the widest cell. */
#include "cli_output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 16 };

typedef struct row {
    struct row *next;
    char *cells[COLUMNS_MAX]; /* into `text` */
    char *text;               /* owned */
} row;

struct cli_table {
    size_t column_count;
    bool right[COLUMNS_MAX];
    int widths[COLUMNS_MAX];
    row *first, *last; /* the first holds the headings */
    bool incomplete;   /* memory ran out */
};

/* Columns a UTF-8 text takes on the terminal, counting one per character. */
static int display_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

/* Appends a row whose `text`, which it takes, is cut at `separator`. */
static void add_row(cli_table *table, char *text, const char *separator)
{
    row *added = calloc(1, sizeof *added);
    if (!added || !text) {
        free(added);
        free(text);
        table->incomplete = true;
        return;
    }
    added->text = text;
    size_t column = 0;
    for (char *at = text; column < COLUMNS_MAX && at; column++) {
        char *end = strstr(at, separator);
        added->cells[column] = at;
        if (end)
            *end = '\0';
        at = end ? end + strlen(separator) : NULL;
    }
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
        add_row(table, strdup(columns), "|");
    return table;
}

/* What parts cells within a formatted row: no text that a file holds has it. Only the bars of the format itself are
 * turned into it, so that a name may hold a bar. */
static const char PART[] = "\x1f\x1e\x1f";

static char *part_format(const char *format)
{
    char *parted = malloc(strlen(format) * (sizeof PART - 1) + 1), *to = parted;
    for (; parted && *format; format++) {
        if (*format != '|') {
            *to++ = *format;
            continue;
        }
        memcpy(to, PART, sizeof PART - 1);
        to += sizeof PART - 1;
    }
    if (parted)
        *to = '\0';
    return parted;
}

/* Control characters that are not PART become \n, \t or \xNN, so that a name can neither break a line nor steer a
 * terminal. Takes `text`. */
static char *show_controls(char *text)
{
    char *shown = text ? malloc(4 * strlen(text) + 1) : NULL, *to = shown;
    for (const char *from = text; shown && *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (strncmp(from, PART, sizeof PART - 1) == 0) {
            memcpy(to, PART, sizeof PART - 1);
            to += sizeof PART - 1;
            from += sizeof PART - 2;
        } else if (c == '\n' || c == '\t') {
            *to++ = '\\';
            *to++ = c == '\n' ? 'n' : 't';
        } else if (c < 0x20 || c == 0x7f) {
            to += sprintf(to, "\\x%02x", c);
        } else {
            *to++ = *from;
        }
    }
    if (shown)
        *to = '\0';
    free(text);
    return shown;
}

void cli_table_row(cli_table *table, const char *format, ...)
{
    if (!table || !table->first)
        return;
    va_list arguments;
    char *parted = part_format(format);
    va_start(arguments, format);
    int length = parted ? vsnprintf(NULL, 0, parted, arguments) : -1;
    va_end(arguments);
    char *text = length >= 0 ? malloc((size_t)length + 1) : NULL;
    va_start(arguments, format);
    if (text)
        vsnprintf(text, (size_t)length + 1, parted, arguments);
    va_end(arguments);
    free(parted);
    add_row(table, show_controls(text), PART);
}

static void print_row(cli_output *output, const cli_table *table, const row *printed)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const char *cell = printed->cells[i] ? printed->cells[i] : "";
        int padding = table->widths[i] - display_width(cell);
        bool last = i + 1 == table->column_count;
        if (table->right[i])
            cli_print(output, "%*s%s", padding, "", cell);
        else
            cli_print(output, "%s%*s", cell, last ? 0 : padding, "");
        cli_print(output, "%s", last ? "\n" : "  ");
    }
}

void cli_table_print(cli_output *output, cli_table *table)
{
    bool complete = table && !table->incomplete;
    if (!complete && !cli_output_is_json(output))
        cli_output_incomplete(output);
    if (!table)
        return;
    for (row *printed = table->first; printed;) {
        if (complete)
            print_row(output, table, printed);
        row *done = printed;
        printed = printed->next;
        free(done->text);
        free(done);
    }
    free(table);
}
