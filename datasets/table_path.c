/* table_path.c: a table given by path as a data set: by the options' columns, or in the form that a model knows. */
#include "auxo/table.h"
#include "cells.h"
#include "dataset.h"
#include "loaders.h"
#include "table_pictures.h"
#include "table_roles.h"

#include <stdlib.h>
#include <string.h>

/* A format with further columns to read as text. Ownership: free(*names). */
static auxo_status add_categorical(const auxo_table_format *format, const char *const *more, size_t more_count,
                                   auxo_table_format *extended, const char ***names, auxo_error *error)
{
    size_t count = format->categorical_column_count;
    *names = auxo__array(count + more_count, sizeof **names);
    if (!*names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no memory for column names");
    for (size_t i = 0; i < count; i++)
        (*names)[i] = format->categorical_columns[i];
    for (size_t i = 0; i < more_count; i++)
        if (!auxo__is_named(*names, count, more[i]))
            (*names)[count++] = more[i];
    *extended = *format;
    extended->categorical_columns = *names;
    extended->categorical_column_count = count;
    return AUXO_OK;
}

/* The column of paths of pictures: as the options say, else as the model was trained. */
static const char *picture_column(const auxo_data_options *options)
{
    if (options->picture_column)
        return options->picture_column;
    return options->schema ? options->schema->picture_column : NULL;
}

/* Whether a column that the model reads as text came as numbers (its levels are digits): it must be read again. */
static bool wants_text(const auxo_table *table, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return table->columns[i].type == AUXO_COLUMN_NUMERIC;
    return false;
}

static auxo_target_kind target_kind(const auxo_data_options *options)
{
    const bool preferred = options->target_kind == AUXO_TARGET_KIND_AUTO && options->prefer_classes;
    return preferred ? AUXO_TARGET_KIND_CLASS : options->target_kind;
}

/* Columns that were read as numbers but must be text: a model's categories and class, or a target of target-kind class.
 * *names has room for all of them. */
static size_t list_text_columns(const auxo_table *table, const auxo_data_options *options, const char **names)
{
    const auxo_data_schema *schema = options->schema;
    const char *last = table->columns[table->column_count - 1].name;
    const char *pictures = picture_column(options);
    size_t count = 0;
    if (pictures && wants_text(table, pictures))
        names[count++] = pictures;
    for (size_t i = 0; schema && i < schema->input_count; i++)
        if (schema->inputs[i].kind == AUXO_INPUT_CATEGORY && wants_text(table, schema->inputs[i].name))
            names[count++] = schema->inputs[i].name;
    if (schema && schema->target_type == AUXO_TARGET_CLASS && schema->targets && !options->ignore_labels &&
        wants_text(table, schema->targets[0]))
        names[count++] = schema->targets[0];
    const char *target = options->target_columns ? options->target_columns[0] : last;
    if (!schema && target_kind(options) == AUXO_TARGET_KIND_CLASS && wants_text(table, target))
        names[count++] = target;
    return count;
}

/* Reads the table, and again where columns turn out to be numbers that mean classes. */
static auxo_status read_table(const char *path, const auxo_data_options *options, auxo_table **table, auxo_error *error)
{
    static const auxo_table_format plain = {0};
    const auxo_table_format *format = options->format ? options->format : &plain;
    auxo_status status = auxo_table_read(path, format, table, error);
    if (status != AUXO_OK)
        return status;
    const char **text_columns =
        auxo__array((options->schema ? options->schema->input_count : 0) + 2, sizeof *text_columns);
    if (!text_columns)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for column names", path);
    size_t count = list_text_columns(*table, options, text_columns);
    const char **names = NULL;
    if (count > 0) {
        auxo_table_format extended;
        auxo_table *again = NULL;
        status = add_categorical(format, text_columns, count, &extended, &names, error);
        if (status == AUXO_OK)
            status = auxo_table_read(path, &extended, &again, error);
        auxo_table_destroy(*table);
        *table = again;
    }
    free(names);
    free(text_columns);
    return status;
}

/* Columns may be named again with a model, but not others than it knows. */
static auxo_status check_named(const char *path, const char *setting, const char *const *names, size_t count,
                               const char *const *known, size_t known_count, auxo_error *error)
{
    for (size_t i = 0; names && i < count; i++)
        if (!auxo__is_named(known, known_count, names[i]))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %s names '%.60s', which is not the model's", path,
                                  setting, names[i]);
    if (names && count != known_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %s names %zu columns, but the model has %zu", path,
                              setting, count, known_count);
    return AUXO_OK;
}

static auxo_status check_model_columns(const char *path, const auxo_data_options *options, auxo_error *error)
{
    const auxo_data_schema *schema = options->schema;
    const char **names = auxo__array(schema->input_count, sizeof *names);
    if (!names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for column names", path);
    for (size_t i = 0; i < schema->input_count; i++)
        names[i] = schema->inputs[i].name;
    auxo_status status = check_named(path, "inputs", options->input_columns, options->input_column_count, names,
                                     schema->input_count, error);
    if (status == AUXO_OK && schema->targets && schema->target_type != AUXO_TARGET_SURVIVAL)
        status = check_named(path, "targets", options->target_columns, options->target_column_count,
                             (const char *const *)schema->targets, schema->target_count, error);
    free(names);
    return status;
}

static auxo_status check_options(const char *path, const auxo_data_options *options, auxo_error *error)
{
    if (options->schema && options->schema->inputs)
        return check_model_columns(path, options, error);
    if (!options->schema && options->target_kind == AUXO_TARGET_KIND_CLASS && options->target_column_count > 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: target-kind class needs one target column, not %zu",
                              path, options->target_column_count);
    return AUXO_OK;
}

/* The column that was given, else the one that the model knows, if the table has it. */
static const char *column_of_model(const auxo_table *table, const char *given, const char *known)
{
    for (size_t i = 0; !given && known && i < table->column_count; i++)
        if (strcmp(table->columns[i].name, known) == 0)
            return known;
    return given;
}

auxo_status auxo__load_table_path(const char *path, const auxo_data_options *options, auxo_dataset **train,
                                  auxo_error *error)
{
    auxo_table *table = NULL;
    auxo_status status = check_options(path, options, error);
    if (status == AUXO_OK)
        status = read_table(path, options, &table, error);
    if (status != AUXO_OK) {
        auxo_table_destroy(table);
        return status;
    }
    const char *last_column[1] = {table->columns[table->column_count - 1].name};
    const auxo_data_schema *schema = options->schema;
    auxo_table_roles roles = {.input_columns = options->input_columns,
                              .input_column_count = options->input_column_count,
                              .target_columns = options->target_columns,
                              .target_column_count = options->target_column_count,
                              .target_kind = target_kind(options),
                              .leave_out_names = options->to_show,
                              .schema = schema,
                              .ignore_labels = options->ignore_labels,
                              .unknown_levels_missing = options->unknown_levels_missing,
                              .drop_missing = options->drop_missing || options->to_show,
                              .keep_missing = options->keep_missing,
                              .time_column = options->time_column,
                              .event_column = options->event_column,
                              .event_level = options->event_level,
                              .group_column = options->group_column,
                              .site_column = options->site_column};
    if (!schema) { /* a model passes over what it does not know */
        roles.dropped_columns = options->dropped_columns;
        roles.dropped_column_count = options->dropped_column_count;
    } else {
        roles.group_column = column_of_model(table, options->group_column, schema->group_column);
        roles.site_column = column_of_model(table, options->site_column, schema->site_column);
    }
    if (schema && !options->drop_missing) {
        roles.drop_missing = schema->missing == AUXO_MISSING_DROP;
        roles.keep_missing = roles.keep_missing || schema->missing_values;
    }
    if (!schema && !options->target_columns && !options->time_column && !options->event_column) {
        roles.target_columns = last_column;
        roles.target_column_count = 1;
    }
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path, *pictures = picture_column(options);
    if (pictures)
        status = auxo__table_pictures(table, name, pictures, &roles, schema ? &schema->pictures : &options->pictures,
                                      options->limit, train, error);
    else
        status = auxo__table_dataset_using_up(table, name, &roles, train, error);
    auxo_table_destroy(table);
    return status == AUXO_OK ? auxo__limit_rows(train, options->limit, error) : status;
}
