/* cells.h: a table as text, between the file formats and auxo_table (internal to this folder).
 *
 * CSV and ARFF readers cut the file's text into cells in place; cells.c checks, types and converts them.
 */
#ifndef AUXO_DATASETS_CELLS_H
#define AUXO_DATASETS_CELLS_H

#include "auxo/table.h"

typedef enum auxo__cell_kind {
    AUXO__CELL_INFER,   /* the first value decides between number and text */
    AUXO__CELL_NUMBER,  /* declared numeric */
    AUXO__CELL_TEXT,    /* free text: levels are collected and sorted */
    AUXO__CELL_NOMINAL, /* one of the declared levels */
} auxo__cell_kind;

typedef struct auxo__cell_column {
    const char *name; /* into the text */
    auxo__cell_kind kind;
    char **levels; /* AUXO__CELL_NOMINAL: pointers into the text, in an owned array */
    size_t level_count;
} auxo__cell_column;

/* Invariant: cells has row_count * column_count entries in use, lines row_count. */
typedef struct auxo__cells {
    auxo__cell_column *columns;
    size_t column_count, column_capacity;
    char **cells; /* (row_count, column_count), into the text, zero-terminated */
    uint32_t *lines;
    size_t row_count, row_capacity;
} auxo__cells;

void auxo__cells_deinit(auxo__cells *cells);
/* Appends a column or an empty row; the new one is zero-filled. False: no memory. */
bool auxo__cells_add_column(auxo__cells *cells, const char *name);
bool auxo__cells_add_row(auxo__cells *cells, uint32_t line);
/* Removes blanks at both ends, in place. */
char *auxo__trim(char *text);
/* Empty, NA, NaN or ?, apart from case and blanks. */
bool auxo__is_missing(const char *text);
/* Reads a plain decimal number, whole text apart from blanks; false for anything else, and for numbers beyond f32. */
bool auxo__parse_number(const char *text, double *value);
/* Converts to a table. Errors: FORMAT with path, line and column. */
auxo_status auxo__cells_table(const char *path, const auxo__cells *cells, const auxo_table_options *options,
                              auxo_table **table, auxo_error *error);

/* Cut the text of a file, which ends in a zero byte, into cells (in place). Errors: FORMAT. */
auxo_status auxo__csv_parse(const char *path, char *text, size_t size, char delimiter, auxo__cells *cells,
                            auxo_error *error);
auxo_status auxo__arff_parse(const char *path, char *text, size_t size, auxo__cells *cells, auxo_error *error);

/* What auxo_table_read does after reading: `is_arff` chooses the format. Changes `text`. */
auxo_status auxo__table_parse(const char *path, char *text, size_t size, bool is_arff,
                              const auxo_table_options *options, auxo_table **table, auxo_error *error);

#endif
