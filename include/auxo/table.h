/* auxo/table.h: tables of named columns read from CSV and ARFF files, and data sets made of them.
 *
 * A column is numeric or categorical (text levels); every value may be missing. Readers refuse what does not parse,
 * naming file, line and column. Files may be packed with gzip or xz. CSV follows RFC 4180 with a header line; ARFF is
 * Weka's format.
 */
#ifndef AUXO_TABLE_H
#define AUXO_TABLE_H

#include "auxo/data.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum auxo_column_type { AUXO_COLUMN_NUMERIC, AUXO_COLUMN_CATEGORICAL } auxo_column_type;

#define AUXO_LEVEL_MISSING UINT32_MAX

typedef struct auxo_column {
    char *name;
    auxo_column_type type;
    double *numbers; /* (row_count), numeric: NaN where missing; else NULL */
    uint32_t *codes; /* (row_count), categorical: index into levels, AUXO_LEVEL_MISSING where missing; else NULL */
    char **levels;   /* (level_count), categorical: CSV: sorted, numbers by value; ARFF: as declared */
    size_t level_count;
    size_t missing_count; /* values missing: empty, NA, NaN or ? (case does not matter) */
    bool unnamed;         /* the header has an empty name; it is called "column N" and is no input of itself */
} auxo_column;

typedef struct auxo_table {
    char *path; /* named in messages */
    size_t row_count, column_count;
    auxo_column *columns; /* (column_count) */
    uint32_t *lines;      /* (row_count) line of the file that a row begins on, from 1 */
    char note[256];       /* what was detected, for the user; "" if nothing */
} auxo_table;

/* Reads a .csv or .arff file (also .gz, .xz). A CSV column is numeric if every value is a number or missing, and text
 * if at least half of its values are none; a column that is numbers but for few cells is refused, naming the first
 * such cell. A header that looks like a row (numbers over the numbers, levels over the text) is refused. `format` may
 * be NULL. Ownership: the caller's. Errors: NOT_FOUND, IO; FORMAT as path:line: column number
 * (name): what is wrong. */
AUXO_API auxo_status auxo_table_read(const char *path, const auxo_table_format *format, auxo_table **table,
                                     auxo_error *error);
AUXO_API void auxo_table_destroy(auxo_table *table);
/* The index of a named column. Errors: NOT_FOUND with the nearest name. */
AUXO_API auxo_status auxo_table_find(const auxo_table *table, const char *name, size_t *index, auxo_error *error);

/* Which column is what when a table becomes a data set. All zero: every column an input, no targets. */
typedef struct auxo_table_roles {
    const char *const *input_columns; /* NULL: all columns without another role */
    size_t input_column_count;
    const char *const *dropped_columns; /* not inputs, whatever input_columns leaves open */
    size_t dropped_column_count;
    const char *const *target_columns; /* one categorical column: TARGET_CLASS; numeric ones: TARGET_REAL */
    size_t target_column_count;
    const char *time_column;  /* with event_column: TARGET_SURVIVAL; finite and not negative */
    const char *event_column; /* 0 and 1, or text such as alive and dead */
    const char *event_level;  /* the text that means an event; NULL: 1, true, yes, dead, event */
    const char *group_column; /* rows that belong together, for example a patient; NULL: none */
    const char *site_column;  /* where rows come from; a group at two sites is an error; NULL: none */
    bool drop_missing;        /* leave out rows with a missing value in a used column, instead of refusing */
    bool keep_missing;        /* missing inputs become NaN (all columns of a text input); other gaps as above */
    auxo_target_kind target_kind;
    /* Of a trained model, instead of the columns above: inputs are found by name, levels and classes keep their
     * numbers. Columns it does not know are passed over. */
    const auxo_data_schema *schema;
    bool leave_out_names; /* without: text of more than 256 levels is no input, instead of refused, if not named */
    bool ignore_labels;   /* with schema: inputs only, even where the table has labels */
    bool unknown_levels_missing; /* with schema: an unknown level counts as missing; under REFUSE no level is set */
} auxo_table_roles;

/* Makes a data set of f32 columns; a categorical input of k levels becomes k columns of 0 and 1 named column=level (the
 * schema says which they are). Dropped rows are counted in the result's note. Ownership: the caller's. Errors:
 * NOT_FOUND for unknown columns; FORMAT for missing values, unknown levels and classes, bad times or events; without a
 * schema also for no event, a single class, a group at two sites; INVALID_ARGUMENT for a column in two roles or a text
 * input of more than 256 levels. */
AUXO_API auxo_status auxo_table_dataset(const auxo_table *table, const char *name, const auxo_table_roles *roles,
                                        auxo_dataset **dataset, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
