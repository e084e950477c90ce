/* arff.c: cuts ARFF text (Weka's attribute-relation format) into cells, in place.
 *
 * Attributes may be numeric (numeric, real, integer), nominal ({a, b}), string or date (both kept as text). Values may
 * be quoted with ' or " and escaped with \. Rows are separated by commas or tabs; a sparse row {index value, ..} leaves
 * out zeros and first levels. Relational attributes and instance weights are refused.
 */
#include "cells.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One line at a time: text is the rest of the current line, zero-terminated. */
typedef struct arff_reader {
    const char *path;
    char *next, *end; /* the following line */
    char *text;
    uint32_t line;
} arff_reader;

static bool next_line(arff_reader *reader)
{
    if (reader->next == reader->end)
        return false;
    char *start = reader->next;
    char *stop = memchr(start, '\n', (size_t)(reader->end - start));
    reader->next = stop ? stop + 1 : reader->end;
    if (stop)
        *stop = '\0';
    reader->text = auxo__trim(start);
    reader->line++;
    return true;
}

static auxo_status line_error(const arff_reader *reader, const char *what, auxo_error *error)
{
    return auxo_error_set(error, AUXO_FORMAT, "%s:%u: %s", reader->path, reader->line, what);
}

/* Undoes the escapes of a quoted token in place and ends it; returns what follows the closing quote, or NULL. */
static char *read_quoted(char *from, char **token)
{
    char quote = *from++;
    char *to = from;
    *token = to;
    for (; *from != quote; from++) {
        if (*from == '\\' && from[1] != '\0')
            from++;
        if (*from == '\0')
            return NULL;
        *to++ = *from;
    }
    *to = '\0';
    return from + 1;
}

/* Reads a quoted token, or a plain one up to any of `stops`. *stop receives the character that ended it (0 at the end
 * of the line), which is consumed. False: a quote that never ends, or text after a closing quote. */
static bool read_token(arff_reader *reader, const char *stops, char **token, char *stop)
{
    char *at = reader->text;
    while (isspace((unsigned char)*at))
        at++;
    bool quoted = *at == '\'' || *at == '"';
    if (quoted) {
        at = read_quoted(at, token);
        if (!at)
            return false;
        while (isspace((unsigned char)*at) && !strchr(stops, *at))
            at++;
        if (*at != '\0' && !strchr(stops, *at))
            return false;
    } else {
        *token = at;
        at += strcspn(at, stops);
    }
    *stop = *at;
    reader->text = *at ? at + 1 : at;
    *at = '\0';
    if (!quoted)
        *token = auxo__trim(*token);
    return true;
}

static bool keyword(const char *text, const char *word)
{
    size_t length = strlen(word);
    return strncasecmp(text, word, length) == 0 && (text[length] == '\0' || isspace((unsigned char)text[length]));
}

static auxo_status read_levels(arff_reader *reader, auxo__cell_column *column, auxo_error *error)
{
    size_t capacity = 0;
    char stop = ',';
    while (stop != '}') {
        char *level = NULL;
        if (!read_token(reader, ",}", &level, &stop) || stop == '\0')
            return line_error(reader, "the list of values has no closing brace or a bad quote", error);
        if (*level == '\0')
            return line_error(reader, "an empty value in the list of values", error);
        if (column->level_count == capacity) {
            capacity = capacity ? 2 * capacity : 8;
            char **levels = realloc(column->levels, capacity * sizeof *levels);
            if (!levels)
                return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for values", reader->path);
            column->levels = levels;
        }
        column->levels[column->level_count++] = level;
    }
    return *auxo__trim(reader->text) ? line_error(reader, "text after the list of values", error) : AUXO_OK;
}

static auxo_status read_attribute(arff_reader *reader, auxo__cells *cells, auxo_error *error)
{
    char *name = NULL;
    char stop = '\0';
    reader->text += strlen("@attribute");
    if (!read_token(reader, " \t{", &name, &stop) || *name == '\0')
        return line_error(reader, "an attribute needs a name (quote names with blanks)", error);
    if (!auxo__cells_add_column(cells, name))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for attributes", reader->path);
    auxo__cell_column *column = &cells->columns[cells->column_count - 1];
    char *type = auxo__trim(reader->text);
    if (stop != '{' && *type == '{') {
        stop = '{';
        type++;
    }
    reader->text = type;
    if (stop == '{') {
        column->kind = AUXO__KIND_NOMINAL;
        return read_levels(reader, column, error);
    }
    if (keyword(type, "numeric") || keyword(type, "real") || keyword(type, "integer"))
        column->kind = AUXO__KIND_NUMBER;
    else if (keyword(type, "string") || keyword(type, "date"))
        column->kind = AUXO__KIND_TEXT;
    else
        return auxo_error_set(error, AUXO_FORMAT, "%s:%u: attribute '%.60s' has unknown type '%.40s'", reader->path,
                              reader->line, name, type);
    return AUXO_OK;
}

/* {index value, index value}: what is absent is 0, or the first declared level. */
static auxo_status read_sparse(arff_reader *reader, const auxo__cells *cells, char **row, auxo_error *error)
{
    static char zero[] = "0";
    for (size_t i = 0; i < cells->column_count; i++) {
        const auxo__cell_column *column = &cells->columns[i];
        row[i] = column->kind == AUXO__KIND_NUMBER ? zero : column->level_count ? column->levels[0] : zero;
    }
    reader->text++;
    while (isspace((unsigned char)*reader->text))
        reader->text++;
    char stop = *reader->text == '}' ? '}' : ',';
    reader->text += stop == '}';
    while (stop == ',') {
        char *index_text = NULL, *value = NULL, *end = NULL;
        if (!read_token(reader, " \t}", &index_text, &stop) || stop == '}' || stop == '\0')
            return line_error(reader, "a sparse row holds {index value, ..}", error);
        unsigned long index = strtoul(index_text, &end, 10);
        if (end == index_text || *end || index >= cells->column_count)
            return auxo_error_set(error, AUXO_FORMAT, "%s:%u: '%.40s' is no attribute's index; there are %zu, from 0",
                                  reader->path, reader->line, index_text, cells->column_count);
        if (!read_token(reader, ",}", &value, &stop) || stop == '\0')
            return line_error(reader, "the sparse row has no closing brace or a bad quote", error);
        row[index] = value;
    }
    return *auxo__trim(reader->text)
               ? line_error(reader, "text after a sparse row; instance weights are not read", error)
               : AUXO_OK;
}

/* Whether values are separated by tabs: there is no comma outside quotes. */
static bool uses_tabs(const char *text)
{
    char quote = '\0';
    bool tab = false;
    for (; *text; text++) {
        if (*text == '\\' && text[1])
            text++;
        else if (quote)
            quote = *text == quote ? '\0' : quote;
        else if (*text == '\'' || *text == '"')
            quote = *text;
        else if (*text == ',')
            return false;
        tab = tab || *text == '\t';
    }
    return tab;
}

static auxo_status read_row(arff_reader *reader, auxo__cells *cells, auxo_error *error)
{
    if (!auxo__cells_add_row(cells, reader->line))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for row %zu", reader->path, cells->row_count);
    char **row = cells->cells + (cells->row_count - 1) * cells->column_count;
    if (*reader->text == '{')
        return read_sparse(reader, cells, row, error);
    size_t column = 0;
    const char *separator = uses_tabs(reader->text) ? "\t" : ",";
    char stop = *separator;
    while (stop == *separator) {
        char *value = NULL;
        if (!read_token(reader, separator, &value, &stop))
            return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu: a quote that does not end the value",
                                  reader->path, reader->line, column + 1);
        if (column < cells->column_count)
            row[column] = value;
        column++;
    }
    if (column != cells->column_count)
        return auxo_error_set(error, AUXO_FORMAT, "%s:%u: %zu values, but there are %zu attributes", reader->path,
                              reader->line, column, cells->column_count);
    return AUXO_OK;
}

static bool is_content(const arff_reader *reader)
{
    return *reader->text != '\0' && *reader->text != '%';
}

/* Reads up to and including @data. */
static auxo_status read_header(arff_reader *reader, auxo__cells *cells, auxo_error *error)
{
    while (next_line(reader)) {
        if (!is_content(reader) || keyword(reader->text, "@relation"))
            continue;
        if (keyword(reader->text, "@data")) {
            if (cells->column_count == 0)
                return line_error(reader, "@data without any @attribute before it", error);
            return AUXO_OK;
        }
        if (!keyword(reader->text, "@attribute"))
            return auxo_error_set(error, AUXO_FORMAT, "%s:%u: '%.40s' is not @relation, @attribute or @data",
                                  reader->path, reader->line, reader->text);
        auxo_status status = read_attribute(reader, cells, error);
        if (status != AUXO_OK)
            return status;
    }
    return auxo_error_set(error, AUXO_FORMAT, "%s: no @data line", reader->path);
}

auxo_status auxo__arff_parse(const char *path, char *text, size_t size, auxo__cells *cells, auxo_error *error)
{
    arff_reader reader = {path, text, text + size, text, 0};
    const char *zero = memchr(text, 0, size);
    if (zero)
        return auxo_error_set(error, AUXO_FORMAT, "%s: a zero byte at offset %zu: not a text file", path,
                              (size_t)(zero - text));
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        reader.next += 3; /* byte order mark */
    auxo_status status = read_header(&reader, cells, error);
    while (status == AUXO_OK && next_line(&reader))
        if (is_content(&reader))
            status = read_row(&reader, cells, error);
    if (status == AUXO_OK && cells->row_count == 0)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: no rows after @data", path);
    return status;
}
