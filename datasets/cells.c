/* cells.c: turns a grid of text cells, whose columns have declared kinds, into typed columns; and makes empty tables.
 *
 * Implements the second part of cells.h.
 */
#include "cells.h"

#include "dataset.h"
#include "levels.h"
#include "suggest.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

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

static const char *cell_at(const auxo__cells *cells, size_t row, size_t column)
{
    return cells->cells[row * cells->column_count + column];
}

static auxo_status no_memory(const char *path, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the table", path);
}

static auxo_status convert_numbers(const char *path, const auxo__cells *cells, size_t column,
                                   const auxo_table_format *format, auxo_column *out, auxo_error *error)
{
    out->type = AUXO_COLUMN_NUMERIC;
    out->numbers = auxo__array(cells->row_count, sizeof *out->numbers);
    if (!out->numbers)
        return no_memory(path, error);
    for (size_t row = 0; row < cells->row_count; row++) {
        const char *text = cell_at(cells, row, column);
        auxo__cell_meaning meaning = auxo__cell_read(text, strlen(text), format, &out->numbers[row]);
        out->missing_count += meaning == AUXO__CELL_MISSING;
        if (meaning != AUXO__CELL_NUMBER && meaning != AUXO__CELL_MISSING)
            return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu (%.60s): '%.40s' is not a finite number; %s",
                                  path, cells->lines[row], column + 1, out->name, text, auxo__cell_advice(meaning));
    }
    return AUXO_OK;
}

/* Levels as they come, sorted; or as declared, in that order. */
static auxo_status convert_levels(const char *path, const auxo__cells *cells, size_t column,
                                  const auxo_table_format *format, bool declared, auxo_column *out, auxo_error *error)
{
    const auxo__cell_column *from = &cells->columns[column];
    auxo__levels levels = {0};
    uint32_t number = 0;
    bool good = true;
    out->type = AUXO_COLUMN_CATEGORICAL;
    out->codes = auxo__array(cells->row_count, sizeof *out->codes);
    for (size_t i = 0; declared && good && i < from->level_count; i++)
        good = auxo__levels_add(&levels, from->levels[i], strlen(from->levels[i]), &number);
    auxo_status status = out->codes && good ? AUXO_OK : no_memory(path, error);
    for (size_t row = 0; status == AUXO_OK && row < cells->row_count; row++) {
        const char *text = cell_at(cells, row, column);
        const size_t length = strlen(text);
        double value = 0;
        uint32_t *code = &out->codes[row];
        *code = auxo__levels_find(&levels, text, length);
        if (*code != AUXO__LEVEL_NONE)
            continue;
        if (auxo__cell_read(text, length, format, &value) == AUXO__CELL_MISSING) {
            *code = AUXO_LEVEL_MISSING;
            out->missing_count++;
        } else if (declared) {
            char nearest[128];
            auxo__suggest(text, (const char *const *)levels.texts, levels.count, nearest, sizeof nearest);
            status = auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu (%.60s): '%.40s' is not a declared value%s",
                                    path, cells->lines[row], column + 1, out->name, text, nearest);
        } else if (!auxo__levels_add(&levels, text, length, code)) {
            status = no_memory(path, error);
        }
    }
    if (status == AUXO_OK && !declared && !auxo__levels_sort(&levels, out->codes, cells->row_count))
        status = no_memory(path, error);
    if (status == AUXO_OK) {
        out->levels = levels.texts ? levels.texts : calloc(1, sizeof *out->levels);
        out->level_count = levels.count;
        levels.texts = NULL;
        levels.count = 0;
    }
    auxo__levels_deinit(&levels);
    return status;
}

static auxo_status convert_column(const char *path, const auxo__cells *cells, size_t column,
                                  const auxo_table_format *format, auxo_column *out, auxo_error *error)
{
    auxo__column_kind kind = cells->columns[column].kind;
    bool as_text = kind != AUXO__KIND_NOMINAL &&
                   auxo__is_named(format->categorical_columns, format->categorical_column_count, out->name);
    if (kind == AUXO__KIND_NUMBER && !as_text)
        return convert_numbers(path, cells, column, format, out, error);
    return convert_levels(path, cells, column, format, kind == AUXO__KIND_NOMINAL, out, error);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static auxo_status check_names(const char *path, const char *const *given, size_t count,
                               const auxo_table_format *format, auxo_error *error)
{
    const char **names = auxo__array(count, sizeof *names);
    if (!names)
        return no_memory(path, error);
    for (size_t i = 0; i < count; i++)
        names[i] = given[i];
    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);
    auxo_status status = AUXO_OK;
    for (size_t i = 1; i < count && status == AUXO_OK; i++)
        if (strcmp(names[i], names[i - 1]) == 0)
            status = auxo_error_set(error, AUXO_FORMAT, "%s: two columns are named '%.60s'", path, names[i]);
    for (size_t i = 0; i < format->categorical_column_count && status == AUXO_OK; i++)
        if (!auxo__is_named(names, count, format->categorical_columns[i]))
            status = auxo_error_set(error, AUXO_NOT_FOUND, "%s: no column named '%.60s' to read as text", path,
                                    format->categorical_columns[i]);
    free(names);
    return status;
}

auxo_status auxo__table_create(const char *path, const char *const *names, size_t count,
                               const auxo_table_format *format, auxo_table **table, auxo_error *error)
{
    *table = NULL;
    auxo_status status = check_names(path, names, count, format, error);
    if (status != AUXO_OK)
        return status;
    auxo_table *made = calloc(1, sizeof *made);
    if (!made)
        return no_memory(path, error);
    made->path = auxo__text_duplicate(path);
    made->columns = calloc(count ? count : 1, sizeof *made->columns);
    bool good = made->path && made->columns;
    for (size_t i = 0; good && i < count; i++) {
        made->columns[i].name = auxo__text_duplicate(names[i]);
        made->column_count = i + 1;
        good = made->columns[i].name;
    }
    if (!good) {
        auxo_table_destroy(made);
        return no_memory(path, error);
    }
    *table = made;
    return AUXO_OK;
}

auxo_status auxo__cells_table(const char *path, const auxo__cells *cells, const auxo_table_format *format,
                              auxo_table **table, auxo_error *error)
{
    const char **names = auxo__array(cells->column_count, sizeof *names);
    if (!names)
        return no_memory(path, error);
    for (size_t i = 0; i < cells->column_count; i++)
        names[i] = cells->columns[i].name;
    auxo_table *made = NULL;
    auxo_status status = auxo__table_create(path, names, cells->column_count, format, &made, error);
    free(names);
    if (status != AUXO_OK)
        return status;
    made->row_count = cells->row_count;
    made->lines = auxo__array(cells->row_count, sizeof *made->lines);
    if (!made->lines)
        status = no_memory(path, error);
    for (size_t i = 0; i < cells->column_count && status == AUXO_OK; i++)
        status = convert_column(path, cells, i, format, &made->columns[i], error);
    if (status != AUXO_OK) {
        auxo_table_destroy(made);
        return status;
    }
    if (cells->row_count > 0)
        memcpy(made->lines, cells->lines, cells->row_count * sizeof *made->lines);
    *table = made;
    return AUXO_OK;
}
