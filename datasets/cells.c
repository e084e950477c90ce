/* cells.c: turns a grid of text cells into typed columns.
 *
 * Implements cells.h apart from the formats. A column whose first value is a number must hold numbers throughout; no
 * value is ever converted to text to make a file fit.
 */
#include "cells.h"

#include "dataset.h"
#include "number.h"
#include "suggest.h"
#include "text.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void auxo__cells_deinit(auxo__cells *cells)
{
    for (size_t i = 0; i < cells->column_count; i++)
        free(cells->columns[i].levels);
    free(cells->columns);
    free(cells->cells);
    free(cells->lines);
    memset(cells, 0, sizeof *cells);
}

bool auxo__cells_add_column(auxo__cells *cells, const char *name)
{
    if (cells->column_count == cells->column_capacity) {
        size_t capacity = cells->column_capacity ? 2 * cells->column_capacity : 32;
        auxo__cell_column *columns = realloc(cells->columns, capacity * sizeof *columns);
        if (!columns)
            return false;
        cells->columns = columns;
        cells->column_capacity = capacity;
    }
    cells->columns[cells->column_count++] = (auxo__cell_column){.name = name};
    return true;
}

bool auxo__cells_add_row(auxo__cells *cells, uint32_t line)
{
    if (cells->row_count == cells->row_capacity) {
        size_t capacity = cells->row_capacity ? 2 * cells->row_capacity : 64;
        if (capacity > SIZE_MAX / sizeof(char *) / (cells->column_count + 1))
            return false;
        char **grid = realloc(cells->cells, (capacity * cells->column_count + 1) * sizeof *grid);
        if (!grid)
            return false;
        cells->cells = grid;
        uint32_t *lines = realloc(cells->lines, capacity * sizeof *lines);
        if (!lines)
            return false;
        cells->lines = lines;
        cells->row_capacity = capacity;
    }
    cells->lines[cells->row_count] = line;
    memset(cells->cells + cells->row_count * cells->column_count, 0, cells->column_count * sizeof *cells->cells);
    cells->row_count++;
    return true;
}

char *auxo__trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

bool auxo__is_missing(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    return length == 0 || (length == 1 && text[0] == '?') || (length == 2 && strncasecmp(text, "NA", 2) == 0) ||
           (length == 3 && strncasecmp(text, "NaN", 3) == 0);
}

bool auxo__parse_number(const char *text, double *value)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    return auxo__decimal_parse(text, length, '.', value) && fabs(*value) <= FLT_MAX; /* f32, where it will end up */
}

static const char *cell_at(const auxo__cells *cells, size_t row, size_t column)
{
    return cells->cells[row * cells->column_count + column];
}

static auxo_status no_memory(const char *path, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the table", path);
}

static auxo_status convert_numbers(const char *path, const auxo__cells *cells, size_t column, auxo_column *out,
                                   auxo_error *error)
{
    size_t first_line = 0; /* of the first number: explains why the column is numeric */
    out->type = AUXO_COLUMN_NUMERIC;
    out->numbers = auxo__array(cells->row_count, sizeof *out->numbers);
    if (!out->numbers)
        return no_memory(path, error);
    for (size_t row = 0; row < cells->row_count; row++) {
        const char *text = cell_at(cells, row, column);
        if (auxo__is_missing(text)) {
            out->numbers[row] = NAN;
            out->missing_count++;
        } else if (auxo__parse_number(text, &out->numbers[row])) {
            first_line = first_line ? first_line : cells->lines[row];
        } else if (cells->columns[column].kind == AUXO__CELL_INFER) {
            return auxo_error_set(error, AUXO_FORMAT,
                                  "%s:%u: column %zu (%s): '%.40s' is not a finite number, as line %zu has one", path,
                                  cells->lines[row], column + 1, out->name, text, first_line);
        } else {
            return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu (%s): '%.40s' is not a finite number", path,
                                  cells->lines[row], column + 1, out->name, text);
        }
    }
    return AUXO_OK;
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The distinct values of a column, sorted, as pointers into the text. */
static char **collect_levels(const auxo__cells *cells, size_t column, size_t *level_count)
{
    char **levels = auxo__array(cells->row_count, sizeof *levels);
    if (!levels)
        return NULL;
    size_t count = 0;
    for (size_t row = 0; row < cells->row_count; row++) {
        char *text = cells->cells[row * cells->column_count + column];
        if (!auxo__is_missing(text))
            levels[count++] = text;
    }
    qsort(levels, count, sizeof *levels, compare_texts);
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(levels[i], levels[distinct - 1]) != 0)
            levels[distinct++] = levels[i];
    *level_count = distinct;
    return levels;
}

static size_t find_level(const auxo_column *column, bool sorted, const char *text)
{
    if (sorted) {
        char **found = bsearch(&text, column->levels, column->level_count, sizeof *column->levels, compare_texts);
        return found ? (size_t)(found - column->levels) : column->level_count;
    }
    size_t level = 0;
    while (level < column->level_count && strcmp(text, column->levels[level]) != 0)
        level++;
    return level;
}

static auxo_status convert_levels(const char *path, const auxo__cells *cells, size_t column, auxo_column *out,
                                  auxo_error *error)
{
    const auxo__cell_column *from = &cells->columns[column];
    bool declared = from->kind == AUXO__CELL_NOMINAL;
    size_t level_count = from->level_count;
    char **levels = declared ? from->levels : collect_levels(cells, column, &level_count);
    if (!levels)
        return no_memory(path, error);
    out->type = AUXO_COLUMN_CATEGORICAL;
    out->level_count = level_count;
    out->levels = auxo__names_copy((const char *const *)levels, level_count);
    if (!declared)
        free(levels);
    out->codes = auxo__array(cells->row_count, sizeof *out->codes);
    if (!out->levels || !out->codes)
        return no_memory(path, error);
    for (size_t row = 0; row < cells->row_count; row++) {
        const char *text = cell_at(cells, row, column);
        size_t level = find_level(out, !declared, text);
        if (level < level_count) {
            out->codes[row] = (uint32_t)level;
        } else if (auxo__is_missing(text)) {
            out->codes[row] = AUXO_LEVEL_MISSING;
            out->missing_count++;
        } else {
            char nearest[128];
            auxo__suggest(text, (const char *const *)out->levels, level_count, nearest, sizeof nearest);
            return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu (%s): '%.40s' is not a declared value%s", path,
                                  cells->lines[row], column + 1, out->name, text, nearest);
        }
    }
    return AUXO_OK;
}

static bool is_named(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static auxo_status convert_column(const char *path, const auxo__cells *cells, size_t column,
                                  const auxo_table_options *options, auxo_column *out, auxo_error *error)
{
    out->name = auxo__text_duplicate(cells->columns[column].name);
    if (!out->name)
        return no_memory(path, error);
    auxo__cell_kind kind = cells->columns[column].kind;
    if (kind == AUXO__CELL_INFER &&
        is_named(options->categorical_columns, options->categorical_column_count, out->name))
        return convert_levels(path, cells, column, out, error);
    if (kind == AUXO__CELL_NUMBER)
        return convert_numbers(path, cells, column, out, error);
    if (kind == AUXO__CELL_INFER) {
        double number = 0;
        size_t row = 0;
        while (row < cells->row_count && auxo__is_missing(cell_at(cells, row, column)))
            row++;
        if (row == cells->row_count || auxo__parse_number(cell_at(cells, row, column), &number))
            return convert_numbers(path, cells, column, out, error);
    }
    return convert_levels(path, cells, column, out, error);
}

static auxo_status check_names(const char *path, const auxo__cells *cells, const auxo_table_options *options,
                               auxo_error *error)
{
    size_t count = cells->column_count;
    const char **names = auxo__array(count, sizeof *names);
    if (!names)
        return no_memory(path, error);
    for (size_t i = 0; i < count; i++)
        names[i] = cells->columns[i].name;
    qsort(names, count, sizeof *names, compare_texts);
    auxo_status status = AUXO_OK;
    for (size_t i = 1; i < count && status == AUXO_OK; i++)
        if (strcmp(names[i], names[i - 1]) == 0)
            status = auxo_error_set(error, AUXO_FORMAT, "%s: two columns are named '%.60s'", path, names[i]);
    for (size_t i = 0; i < options->categorical_column_count && status == AUXO_OK; i++)
        if (!is_named(names, count, options->categorical_columns[i]))
            status = auxo_error_set(error, AUXO_NOT_FOUND, "%s: no column named '%.60s' to read as text", path,
                                    options->categorical_columns[i]);
    free(names);
    return status;
}

auxo_status auxo__cells_table(const char *path, const auxo__cells *cells, const auxo_table_options *options,
                              auxo_table **table, auxo_error *error)
{
    auxo_status status = check_names(path, cells, options, error);
    if (status != AUXO_OK)
        return status;
    auxo_table *made = calloc(1, sizeof *made);
    if (!made)
        return no_memory(path, error);
    made->row_count = cells->row_count;
    made->column_count = cells->column_count;
    made->path = auxo__text_duplicate(path);
    made->lines = auxo__array(cells->row_count, sizeof *made->lines);
    made->columns = calloc(cells->column_count ? cells->column_count : 1, sizeof *made->columns);
    if (!made->path || !made->lines || !made->columns)
        status = no_memory(path, error);
    for (size_t i = 0; i < cells->column_count && status == AUXO_OK; i++)
        status = convert_column(path, cells, i, options, &made->columns[i], error);
    if (status != AUXO_OK) {
        auxo_table_destroy(made);
        return status;
    }
    if (cells->row_count > 0)
        memcpy(made->lines, cells->lines, cells->row_count * sizeof *made->lines);
    *table = made;
    return AUXO_OK;
}
