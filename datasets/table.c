/* table.c: auxo_table: read by file name, found columns, destroyed.
 *
 * The formats are csv.c and arff.c, the conversion to columns cells.c, the way to a data set table_dataset.c.
 */
#include "auxo/table.h"

#include "bytes.h"
#include "cells.h"
#include "csv.h"
#include "dataset.h"
#include "suggest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void auxo_table_destroy(auxo_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; table->columns && i < table->column_count; i++) {
        auxo_column *column = &table->columns[i];
        free(column->name);
        free(column->numbers);
        free(column->codes);
        auxo__names_destroy(column->levels, column->level_count);
    }
    free(table->columns);
    free(table->lines);
    free(table->path);
    free(table);
}

/* Writes "; did you mean .." for a column name, or nothing when memory is short. */
static void suggest_column(const auxo_table *table, const char *name, char *text, size_t text_size)
{
    const char **names = auxo__array(table->column_count, sizeof *names);
    text[0] = '\0';
    if (!names)
        return;
    for (size_t i = 0; i < table->column_count; i++)
        names[i] = table->columns[i].name;
    auxo__suggest(name, names, table->column_count, text, text_size);
    free(names);
}

auxo_status auxo_table_find(const auxo_table *table, const char *name, size_t *index, auxo_error *error)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].name, name) == 0) {
            *index = i;
            return AUXO_OK;
        }
    char nearest[128];
    suggest_column(table, name, nearest, sizeof nearest);
    return auxo_error_set(error, AUXO_NOT_FOUND, "%s: no column named '%.60s'%s", table->path, name, nearest);
}

auxo_status auxo__table_parse(const char *path, char *text, size_t size, bool is_arff, const auxo_table_format *format,
                              auxo_table **table, auxo_error *error)
{
    auxo_status status;
    *table = NULL;
    if (is_arff) {
        auxo__cells cells = {0};
        status = auxo__arff_parse(path, text, size, &cells, error);
        if (status == AUXO_OK)
            status = auxo__cells_table(path, &cells, format, table, error);
        auxo__cells_deinit(&cells);
        return status;
    }
    auxo__csv csv;
    status = auxo__csv_open_text(path, text, size, format, &csv, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__csv_table(&csv, format, table, error);
    auxo__csv_close(&csv);
    return status;
}

/* Whether the name ends in .arff, also before .gz or .xz. */
static bool is_arff_name(const char *path)
{
    size_t length = strlen(path);
    if (length > 3 && (strcasecmp(path + length - 3, ".gz") == 0 || strcasecmp(path + length - 3, ".xz") == 0))
        length -= 3;
    return length >= 5 && strncasecmp(path + length - 5, ".arff", 5) == 0;
}

static auxo_status read_arff(const char *path, const auxo_table_format *format, auxo_table **table, auxo_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    auxo_status status = auxo__bytes_read(path, &bytes, &size, error);
    if (status == AUXO_OK)
        status = auxo__table_parse(path, (char *)bytes, size, true, format, table, error);
    free(bytes);
    return status;
}

static auxo_status check_format(const auxo_table_format *format, auxo_error *error)
{
    const char point = format->decimal ? format->decimal : '.';
    if (format->thousands && format->thousands == point)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "decimal and thousands are both '%c'; set the other one",
                              point);
    if (format->delimiter && (format->delimiter == '"' || format->delimiter == '\n' || format->delimiter == point))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "the delimiter cannot be a quote, a line end or the decimal mark");
    return AUXO_OK;
}

auxo_status auxo_table_read(const char *path, const auxo_table_format *format, auxo_table **table, auxo_error *error)
{
    static const auxo_table_format defaults = {0};
    if (!path || !table)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_table_read: null argument");
    *table = NULL;
    format = format ? format : &defaults;
    auxo_status status = check_format(format, error);
    if (status != AUXO_OK || is_arff_name(path))
        return status == AUXO_OK ? read_arff(path, format, table, error) : status;
    auxo__csv csv;
    status = auxo__csv_open(path, format, &csv, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__csv_table(&csv, format, table, error);
    auxo__csv_close(&csv);
    return status;
}
