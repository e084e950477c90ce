/* cells.h: cells of text as numbers, levels or missing values, and the grid that ARFF files are cut into (internal to
 * this folder).
 */
#ifndef AUXO_DATASETS_CELLS_H
#define AUXO_DATASETS_CELLS_H

#include "auxo/table.h"

/* ---- one cell ---------------------------------------------------------------------------------------------------- */

/* What a text is, apart from blanks around it. */
typedef enum auxo__cell_meaning {
    AUXO__CELL_NUMBER,       /* a finite number that f32 can hold */
    AUXO__CELL_MISSING,      /* empty, NA, NaN, ?, or one of the format's missing texts */
    AUXO__CELL_NUMBER_LIKE,  /* meant as a number, but not written as one: 1,200 $5 0x1F inf 1e400 12% */
    AUXO__CELL_MISSING_LIKE, /* what some programs write for a missing value: NULL N/A none - */
    AUXO__CELL_WORD,
} auxo__cell_meaning;

/* Reads a cell by the format's decimal and thousands marks; *value is set for NUMBER (NaN for MISSING). */
auxo__cell_meaning auxo__cell_read(const char *text, size_t length, const auxo_table_format *format, double *value);
/* The same as MISSING. */
bool auxo__cell_is_missing(const char *text, size_t length, const auxo_table_format *format);
/* What to do about a cell that is neither number nor missing, as the end of a message. */
const char *auxo__cell_advice(auxo__cell_meaning meaning);
/* Removes blanks at both ends, in place. */
char *auxo__trim(char *text);
/* Reads a number with a decimal point, whole text apart from blanks; false for anything else, and beyond f32. */
bool auxo__parse_number(const char *text, double *value);
bool auxo__is_named(const char *const *names, size_t count, const char *name);

/* ---- a grid of cells --------------------------------------------------------------------------------------------- */

typedef enum auxo__column_kind {
    AUXO__KIND_NUMBER,  /* declared numeric */
    AUXO__KIND_TEXT,    /* free text: levels are collected and sorted */
    AUXO__KIND_NOMINAL, /* one of the declared levels */
} auxo__column_kind;

typedef struct auxo__cell_column {
    const char *name; /* into the text */
    auxo__column_kind kind;
    char **levels; /* NOMINAL: pointers into the text, in an owned array */
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
/* Converts to a table. Errors: FORMAT with path, line and column. */
auxo_status auxo__cells_table(const char *path, const auxo__cells *cells, const auxo_table_format *format,
                              auxo_table **table, auxo_error *error);
/* A table without rows whose columns have these names, which must be distinct. Errors: FORMAT; NOT_FOUND for a
 * categorical column of `format` that is not there. */
auxo_status auxo__table_create(const char *path, const char *const *names, size_t count,
                               const auxo_table_format *format, auxo_table **table, auxo_error *error);

/* Cuts the text of an ARFF file, which ends in a zero byte, into cells (in place). Errors: FORMAT. */
auxo_status auxo__arff_parse(const char *path, char *text, size_t size, auxo__cells *cells, auxo_error *error);

/* What auxo_table_read does after reading: `is_arff` chooses the format. Changes `text`. */
auxo_status auxo__table_parse(const char *path, char *text, size_t size, bool is_arff, const auxo_table_format *format,
                              auxo_table **table, auxo_error *error);

#endif
