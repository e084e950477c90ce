/* csv.c: cuts CSV text (RFC 4180) into cells, in place.
 *
 * The first line names the columns. Fields may be quoted, with "" for a quote, and may then hold delimiters and line
 * ends. Lines end in LF or CRLF. Blank lines are skipped. Quotes in the middle of a field, fields that are too few or
 * too many, and zero bytes are refused with line and column.
 */
#include "cells.h"

#include <string.h>

/* Where the reader stands. Invariant: next <= end, *end == 0. */
typedef struct csv_reader {
    const char *path;
    char *next, *end;
    uint32_t line;
    char delimiter;
    bool row_ended; /* the field just read was its row's last */
} csv_reader;

/* Consumes a delimiter, a line end or the end of the text after a field; false if there is something else. */
static bool end_field(csv_reader *reader)
{
    char *at = reader->next;
    reader->row_ended = true;
    if (at == reader->end)
        return true;
    if (*at == reader->delimiter) {
        reader->row_ended = false;
        reader->next = at + 1;
        return true;
    }
    if (*at == '\r' && at + 1 < reader->end && at[1] == '\n')
        at++;
    if (*at != '\n')
        return false;
    reader->next = at + 1;
    reader->line++;
    return true;
}

/* Unescapes a quoted field in place; reader->next stands after the opening quote. */
static auxo_status read_quoted(csv_reader *reader, size_t column, char **field, auxo_error *error)
{
    uint32_t first_line = reader->line;
    char *from = reader->next, *to = reader->next;
    *field = to;
    for (;; from++) {
        if (from == reader->end)
            return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu: the quoted field never ends", reader->path,
                                  first_line, column + 1);
        if (*from == '"' && from[1] != '"')
            break;
        if (*from == '"')
            from++;
        if (*from == '\n')
            reader->line++;
        *to++ = *from;
    }
    reader->next = from + 1;
    if (!end_field(reader))
        return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu: text after the closing quote", reader->path,
                              reader->line, column + 1);
    *to = '\0';
    return AUXO_OK;
}

static auxo_status read_plain(csv_reader *reader, size_t column, char **field, auxo_error *error)
{
    char *at = reader->next;
    *field = at;
    while (at < reader->end && *at != reader->delimiter && *at != '\n' && *at != '"' && !(*at == '\r' && at[1] == '\n'))
        at++;
    if (at < reader->end && *at == '"')
        return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu: a quote inside an unquoted field", reader->path,
                              reader->line, column + 1);
    reader->next = at;
    end_field(reader);
    *at = '\0'; /* only now: it may have been the delimiter */
    return AUXO_OK;
}

static auxo_status read_field(csv_reader *reader, size_t column, char **field, auxo_error *error)
{
    char *at = reader->next;
    while (*at == ' ' && at < reader->end)
        at++;
    if (*at == '"') {
        reader->next = at + 1;
        return read_quoted(reader, column, field, error);
    }
    return read_plain(reader, column, field, error);
}

static void skip_blank_lines(csv_reader *reader)
{
    for (;;) {
        char *at = reader->next;
        while (*at == ' ' || *at == '\r')
            at++;
        if (*at != '\n' && !(at == reader->end && at != reader->next))
            return;
        reader->next = at == reader->end ? at : at + 1;
        reader->line++;
    }
}

static auxo_status read_header(csv_reader *reader, auxo__cells *cells, auxo_error *error)
{
    bool all_numbers = true;
    do {
        char *name = NULL;
        double number = 0;
        auxo_status status = read_field(reader, cells->column_count, &name, error);
        if (status != AUXO_OK)
            return status;
        name = auxo__trim(name);
        if (!*name)
            return auxo_error_set(error, AUXO_FORMAT, "%s: column %zu has no name in the header", reader->path,
                                  cells->column_count + 1);
        all_numbers = all_numbers && auxo__parse_number(name, &number);
        if (!auxo__cells_add_column(cells, name))
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the header", reader->path);
    } while (!reader->row_ended);
    if (all_numbers)
        return auxo_error_set(error, AUXO_FORMAT, "%s: the first line holds only numbers; it must name the columns",
                              reader->path);
    return AUXO_OK;
}

static auxo_status read_row(csv_reader *reader, auxo__cells *cells, auxo_error *error)
{
    uint32_t line = reader->line;
    size_t column = 0;
    if (!auxo__cells_add_row(cells, line))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for row %zu", reader->path, cells->row_count);
    char **row = cells->cells + (cells->row_count - 1) * cells->column_count;
    do {
        char *field = NULL;
        auxo_status status = read_field(reader, column, &field, error);
        if (status != AUXO_OK)
            return status;
        if (column < cells->column_count)
            row[column] = field;
        column++;
    } while (!reader->row_ended);
    if (column != cells->column_count)
        return auxo_error_set(error, AUXO_FORMAT, "%s:%u: %zu fields, but the header names %zu columns", reader->path,
                              line, column, cells->column_count);
    return AUXO_OK;
}

auxo_status auxo__csv_parse(const char *path, char *text, size_t size, char delimiter, auxo__cells *cells,
                            auxo_error *error)
{
    csv_reader reader = {path, text, text + size, 1, delimiter ? delimiter : ',', false};
    const char *zero = memchr(text, 0, size);
    if (zero)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a zero byte at offset %zu: not a text file", path,
                              (size_t)(zero - text));
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        reader.next += 3; /* byte order mark */
    skip_blank_lines(&reader);
    if (reader.next == reader.end)
        return auxo_error_set(error, AUXO_FORMAT, "%s: empty; a header line was expected", path);
    auxo_status status = read_header(&reader, cells, error);
    for (;;) {
        if (status != AUXO_OK)
            return status;
        skip_blank_lines(&reader);
        if (reader.next == reader.end)
            break;
        status = read_row(&reader, cells, error);
    }
    if (cells->row_count == 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a header, but no rows", path);
    return AUXO_OK;
}
