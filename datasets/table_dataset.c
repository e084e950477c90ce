/* table_dataset.c: makes a data set of a table's columns according to their roles.
 *
 * Steps: find the columns of each role; lay out the result's columns (one-hot for text); keep the rows without missing
 * values; fill inputs; fill targets (table_targets.c).
 */
#include "table_roles.h"

#include "dataset.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUT_LEVELS = 256 };

static const char *const ROLE_NAMES[] = {"no role",  "an input",  "dropped",   "a target",
                                         "the time", "the event", "the group", "the site"};

static auxo_status assign(table_layout *layout, const char *name, column_role role, size_t *index, auxo_error *error)
{
    size_t found = 0;
    auxo_status status = auxo_table_find(layout->table, name, &found, error);
    if (status != AUXO_OK)
        return status;
    if (layout->roles[found] != ROLE_NONE)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: column '%.60s' is named as %s and as %s",
                              layout->table->path, name, ROLE_NAMES[layout->roles[found]], ROLE_NAMES[role]);
    layout->roles[found] = (uint8_t)role;
    if (index)
        *index = found;
    return AUXO_OK;
}

static auxo_status assign_optional(table_layout *layout, const char *name, column_role role, size_t *index,
                                   auxo_error *error)
{
    *index = NO_COLUMN;
    return name ? assign(layout, name, role, index, error) : AUXO_OK;
}

static auxo_status assign_all(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    if (!roles->time_column != !roles->event_column)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: survival data needs both a time and an event column",
                              layout->table->path);
    if (roles->time_column && roles->target_column_count > 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: time and event columns exclude target columns",
                              layout->table->path);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < roles->target_column_count && status == AUXO_OK; i++)
        status = assign(layout, roles->target_columns[i], ROLE_TARGET, &layout->targets[i], error);
    if (status == AUXO_OK)
        status = assign_optional(layout, roles->time_column, ROLE_TIME, &layout->time, error);
    if (status == AUXO_OK)
        status = assign_optional(layout, roles->event_column, ROLE_EVENT, &layout->event, error);
    if (status == AUXO_OK)
        status = assign_optional(layout, roles->group_column, ROLE_GROUP, &layout->group, error);
    if (status == AUXO_OK)
        status = assign_optional(layout, roles->site_column, ROLE_SITE, &layout->site, error);
    for (size_t i = 0; i < roles->dropped_column_count && status == AUXO_OK; i++)
        status = assign(layout, roles->dropped_columns[i], ROLE_DROPPED, NULL, error);
    return status;
}

/* Appends the result columns of one input column: itself, or one per level. */
static auxo_status append_input(table_layout *layout, size_t index, auxo_error *error)
{
    const auxo_column *column = &layout->table->columns[index];
    bool numeric = column->type == AUXO_COLUMN_NUMERIC;
    if (!numeric && column->level_count > MAX_INPUT_LEVELS)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s: column '%.60s' is text with %zu different values, too many for an input; drop it",
                              layout->table->path, column->name, column->level_count);
    size_t added = numeric ? 1 : column->level_count;
    feature_source *features =
        realloc(layout->features, (layout->feature_count + added + 1) * sizeof *layout->features);
    if (!features)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the columns", layout->table->path);
    layout->features = features;
    for (size_t level = 0; level < added; level++)
        features[layout->feature_count++] = (feature_source){index, level};
    return AUXO_OK;
}

static auxo_status append_inputs(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (roles->input_columns) {
        for (size_t i = 0; i < roles->input_column_count && status == AUXO_OK; i++) {
            size_t index = 0;
            status = assign(layout, roles->input_columns[i], ROLE_INPUT, &index, error);
            if (status == AUXO_OK)
                status = append_input(layout, index, error);
        }
    } else {
        for (size_t i = 0; i < layout->table->column_count && status == AUXO_OK; i++) {
            if (layout->roles[i] != ROLE_NONE)
                continue;
            layout->roles[i] = ROLE_INPUT;
            status = append_input(layout, i, error);
        }
    }
    if (status == AUXO_OK && layout->feature_count == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: no input columns are left", layout->table->path);
    return status;
}

/* "column" or "column=level"; the caller frees it. */
static char *feature_name(const table_layout *layout, feature_source source)
{
    const auxo_column *column = &layout->table->columns[source.column];
    if (column->type == AUXO_COLUMN_NUMERIC)
        return auxo__text_duplicate(column->name);
    const char *level = column->levels[source.level];
    size_t size = strlen(column->name) + strlen(level) + 2;
    char *name = malloc(size);
    if (name)
        snprintf(name, size, "%s=%s", column->name, level);
    return name;
}

static char **feature_names(const table_layout *layout)
{
    char **names = calloc(layout->feature_count + 1, sizeof *names);
    for (size_t i = 0; names && i < layout->feature_count; i++) {
        names[i] = feature_name(layout, layout->features[i]);
        if (!names[i]) {
            auxo__names_destroy(names, layout->feature_count);
            return NULL;
        }
    }
    return names;
}

/* Whether `name` is column=something for an input column of text: such a level may be absent from this table. */
static size_t absent_level_column(const table_layout *layout, const char *name)
{
    for (size_t i = 0; i < layout->table->column_count; i++) {
        const auxo_column *column = &layout->table->columns[i];
        size_t length = strlen(column->name);
        if (layout->roles[i] == ROLE_INPUT && column->type == AUXO_COLUMN_CATEGORICAL &&
            strncmp(name, column->name, length) == 0 && name[length] == '=')
            return i;
    }
    return NO_COLUMN;
}

/* Reorders the features to a trained model's; a level that the table lacks becomes a column of zeros. */
static auxo_status match_expected(table_layout *layout, const char *const *expected, size_t expected_count,
                                  auxo_error *error)
{
    const char *path = layout->table->path;
    char **names = feature_names(layout);
    feature_source *matched = auxo__array(expected_count, sizeof *matched);
    auxo_status status = AUXO_OK;
    if (!names || !matched)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the columns", path);
    for (size_t i = 0; i < expected_count && status == AUXO_OK; i++) {
        size_t at = 0;
        while (at < layout->feature_count && (!names[at] || strcmp(names[at], expected[i]) != 0))
            at++;
        matched[i] = at < layout->feature_count ? layout->features[at]
                                                : (feature_source){absent_level_column(layout, expected[i]), SIZE_MAX};
        if (at < layout->feature_count) {
            free(names[at]);
            names[at] = NULL;
        } else if (matched[i].column == NO_COLUMN) {
            status = auxo_error_set(error, AUXO_NOT_FOUND, "%s: the model's input '%.80s' is not in the table", path,
                                    expected[i]);
        }
    }
    for (size_t i = 0; i < layout->feature_count && status == AUXO_OK; i++)
        if (names[i])
            status =
                auxo_error_set(error, AUXO_FORMAT, "%s: '%.80s' is not an input that the model knows", path, names[i]);
    if (names)
        auxo__names_destroy(names, layout->feature_count);
    if (status != AUXO_OK) {
        free(matched);
        return status;
    }
    free(layout->features);
    layout->features = matched;
    layout->feature_count = expected_count;
    return AUXO_OK;
}

bool auxo__value_missing(const auxo_table *table, size_t column, size_t row)
{
    const auxo_column *at = &table->columns[column];
    if (at->missing_count == 0)
        return false;
    return at->type == AUXO_COLUMN_NUMERIC ? at->numbers[row] != at->numbers[row]
                                           : at->codes[row] == AUXO_LEVEL_MISSING;
}

/* Keeps the rows that are complete in every used column (but inputs under keep_missing); without drop_missing the first
 * gap is an error. */
static auxo_status keep_rows(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    const auxo_table *table = layout->table;
    layout->rows = auxo__array(table->row_count, sizeof *layout->rows);
    if (!layout->rows)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %zu rows", table->path, table->row_count);
    for (size_t row = 0; row < table->row_count; row++) {
        bool complete = true;
        for (size_t i = 0; i < table->column_count && complete; i++) {
            if (layout->roles[i] == ROLE_NONE || layout->roles[i] == ROLE_DROPPED ||
                (roles->keep_missing && layout->roles[i] == ROLE_INPUT))
                continue;
            complete = !auxo__value_missing(table, i, row);
            if (!complete && !roles->drop_missing)
                return auxo_error_set(
                    error, AUXO_FORMAT,
                    "%s:%u: column %zu (%s): missing value; %zu rows lack one there; drop such rows by flag",
                    table->path, table->lines[row], i + 1, table->columns[i].name, table->columns[i].missing_count);
        }
        if (complete)
            layout->rows[layout->row_count++] = (uint32_t)row;
    }
    if (layout->row_count == 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: every row has a missing value", table->path);
    return AUXO_OK;
}

/* Missing values, which only keep_missing lets through, become NaN. */
static float feature_value(const auxo_column *column, feature_source source, size_t row)
{
    if (column->type == AUXO_COLUMN_NUMERIC)
        return (float)column->numbers[row];
    return column->codes[row] == AUXO_LEVEL_MISSING ? NAN : (float)(column->codes[row] == source.level);
}

static void fill_features(const table_layout *layout, float *features)
{
    for (size_t i = 0; i < layout->row_count; i++)
        for (size_t j = 0; j < layout->feature_count; j++) {
            feature_source source = layout->features[j];
            features[i * layout->feature_count + j] =
                feature_value(&layout->table->columns[source.column], source, layout->rows[i]);
        }
}

static auxo_status build(table_layout *layout, const char *name, const auxo_table_roles *roles, auxo_dataset **dataset,
                         auxo_error *error)
{
    auxo_status status = assign_all(layout, roles, error);
    if (status == AUXO_OK)
        status = append_inputs(layout, roles, error);
    if (status == AUXO_OK && roles->expected_features)
        status = match_expected(layout, roles->expected_features, roles->expected_feature_count, error);
    if (status == AUXO_OK)
        status = keep_rows(layout, roles, error);
    if (status != AUXO_OK)
        return status;
    auxo__dataset_shape shape = auxo__table_shape(layout, roles);
    status = auxo__dataset_create(name, &shape, dataset, error);
    if (status != AUXO_OK)
        return status;
    fill_features(layout, (*dataset)->features);
    size_t dropped = layout->table->row_count - layout->row_count;
    if (dropped > 0)
        snprintf((*dataset)->note, sizeof(*dataset)->note, "%zu of %zu rows dropped for missing values", dropped,
                 layout->table->row_count);
    (*dataset)->feature_names = roles->expected_features
                                    ? auxo__names_copy(roles->expected_features, roles->expected_feature_count)
                                    : feature_names(layout);
    if (!(*dataset)->feature_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for column names", layout->table->path);
    return auxo__table_fill_targets(layout, roles, *dataset, error);
}

auxo_status auxo_table_dataset(const auxo_table *table, const char *name, const auxo_table_roles *roles,
                               auxo_dataset **dataset, auxo_error *error)
{
    if (!table || !name || !roles || !dataset)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_table_dataset: null argument");
    table_layout layout = {.table = table};
    layout.roles = calloc(table->column_count + 1, 1);
    layout.targets = auxo__array(roles->target_column_count, sizeof *layout.targets);
    *dataset = NULL;
    auxo_status status = layout.roles && layout.targets
                             ? build(&layout, name, roles, dataset, error)
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for a data set", table->path);
    free(layout.roles);
    free(layout.targets);
    free(layout.features);
    free(layout.rows);
    if (status != AUXO_OK) {
        auxo_dataset_destroy(*dataset);
        *dataset = NULL;
    }
    return status;
}
