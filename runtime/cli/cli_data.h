/* runtime/cli/cli_data.h: data sets by the shared options: what is read, how files are written, what becomes of gaps.
 *
 * One table of options serves every command that reads data, and one function loads by it.
 */
#ifndef CLI_DATA_H
#define CLI_DATA_H

#include "auxo/data.h"
#include "commands.h"

extern const cli_option cli_data_options[]; /* --data, --data-dir, --limit, --inputs, --targets, .. */

/* Loads --data with all options of cli_data_options; *test is NULL where the set has no test split.
 * Ownership: the caller's. */
auxo_status cli_data_load(const cli_context *context, uint64_t seed, auxo_dataset **train, auxo_dataset **test,
                          auxo_error *error);
/* The same for a given name, whatever --data says. */
auxo_status cli_data_load_named(const cli_context *context, const char *name, uint64_t seed, auxo_dataset **train,
                                auxo_dataset **test, auxo_error *error);
/* What a saved model changes: rows come in the form it knows. */
typedef struct cli_data_model {
    const auxo_data_schema *schema; /* NULL: it knows nothing */
    bool ignore_labels, unknown_levels_missing;
    bool keep_gaps; /* unless told to drop: to show data, not to train on it */
} cli_data_model;
auxo_status cli_data_load_for(const cli_context *context, const char *name, uint64_t seed, const cli_data_model *model,
                              auxo_dataset **train, auxo_dataset **test, auxo_error *error);
/* Under --missing mean: fills the gaps of all parts with the means of `train`. Parts may be NULL. */
auxo_status cli_data_impute(const cli_context *context, auxo_dataset *train, auxo_dataset *validation,
                            auxo_dataset *test, auxo_error *error);
/* Outputs that a network for this data set needs: classes, or target columns. */
uint32_t cli_data_output_count(const auxo_dataset *dataset);

/* A list of texts: a,b,"c,d" (a quoted item may hold commas, and "" for a quote). */
typedef struct cli_list {
    char **items;
    size_t count;
    char *text; /* what the items point into */
} cli_list;
/* `text` NULL: an empty list. Ownership: deinit it. Errors: INVALID_ARGUMENT names the option. */
auxo_status cli_list_parse(const char *option, const char *text, cli_list *list, auxo_error *error);
void cli_list_deinit(cli_list *list);

/* How a CSV file is written: entries of an option table, and what they say. */
#define CLI_TABLE_FORMAT_OPTIONS                                                                                       \
    {.name = "categorical",                                                                                            \
     .type = CLI_TEXT,                                                                                                 \
     .argument = "A,B,...",                                                                                            \
     .help = "Table columns of numbers whose values are only names: one input for each value"},                        \
        {.name = "na-values",                                                                                          \
         .type = CLI_TEXT,                                                                                             \
         .argument = "A,B,...",                                                                                        \
         .help = "Cells that are missing values, besides empty ones, NA, NaN and ?"},                                  \
        {.name = "delimiter",                                                                                          \
         .type = CLI_TEXT,                                                                                             \
         .argument = "C",                                                                                              \
         .help =                                                                                                       \
             "What separates the fields of a CSV file: one character, or tab or space (default: the one of , ; tab | " \
             "that the header has most of)"},                                                                          \
        {.name = "decimal",                                                                                            \
         .type = CLI_TEXT,                                                                                             \
         .argument = "C",                                                                                              \
         .help = "Decimal mark of numbers in a CSV file (default: .)"},                                                \
        {.name = "thousands",                                                                                          \
         .type = CLI_TEXT,                                                                                             \
         .argument = "C",                                                                                              \
         .help = "Mark between groups of three digits in a CSV file (default: none)"},                                 \
        {.name = "comment",                                                                                            \
         .type = CLI_TEXT,                                                                                             \
         .argument = "C",                                                                                              \
         .help = "Lines of a CSV file that begin with this character are passed over"},                                \
    {                                                                                                                  \
        .name = "no-header", .type = CLI_FLAG,                                                                         \
        .help = "The first line of a CSV file is a row; the columns are called x1, x2, ..."                            \
    }

typedef struct cli_table_format {
    auxo_table_format format; /* points into the lists */
    cli_list categorical, missing;
} cli_table_format;
/* Ownership: deinit it, also after a failure. */
auxo_status cli_table_format_read(const cli_arguments *arguments, cli_table_format *read, auxo_error *error);
void cli_table_format_deinit(cli_table_format *format);

/* Splits "a,b,c" in place; returns the count, at most `capacity`. */
size_t cli_split_list(char *text, char **items, size_t capacity);

#endif
