/* table_dataset.c: makes a data set of a table's columns according to their roles.
 *
 * Steps: find the columns of each role, or those of a model's schema (table_schema.c); keep the rows without missing
 * values; fill inputs; fill targets (table_targets.c); write down what a model will know (the schema).
 */
#include "table_roles.h"

#include "cells.h"
#include "schema.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column whose spread is below this share of its mean is kept as differences to it: f32 has 24 bits. */
static const double SMALL_SPREAD = 1e-4;

static const char *const ROLE_NAMES[] = {"no role",  "an input",  "dropped",   "a target",
                                         "the time", "the event", "the group", "the site"};

bool auxo__labels_ignored(const auxo_table_roles *roles)
{
    return roles->schema && roles->ignore_labels;
}

auxo_status auxo__assign_role(table_layout *layout, const char *name, column_role role, size_t *index,
                              auxo_error *error)
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
    return name ? auxo__assign_role(layout, name, role, index, error) : AUXO_OK;
}

static auxo_status no_memory(const table_layout *layout, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for a data set", layout->table->path);
}

static auxo_status assign_targets(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    if (!roles->time_column != !roles->event_column)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: survival data needs both a time and an event column",
                              layout->table->path);
    if (roles->time_column && roles->target_column_count > 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: time and event columns exclude target columns",
                              layout->table->path);
    layout->targets = calloc(roles->target_column_count + 1, sizeof *layout->targets);
    layout->target_offsets = calloc(roles->target_column_count + 1, sizeof *layout->target_offsets);
    if (!layout->targets || !layout->target_offsets)
        return no_memory(layout, error);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < roles->target_column_count && status == AUXO_OK; i++)
        status = auxo__assign_role(layout, roles->target_columns[i], ROLE_TARGET, &layout->targets[i], error);
    layout->target_count = roles->target_column_count;
    if (status == AUXO_OK)
        status = assign_optional(layout, roles->time_column, ROLE_TIME, &layout->time, error);
    if (status == AUXO_OK)
        status = assign_optional(layout, roles->event_column, ROLE_EVENT, &layout->event, error);
    return status;
}

static auxo_status assign_others(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    auxo_status status = assign_optional(layout, roles->group_column, ROLE_GROUP, &layout->group, error);
    if (status == AUXO_OK)
        status = assign_optional(layout, roles->site_column, ROLE_SITE, &layout->site, error);
    for (size_t i = 0; i < roles->dropped_column_count && status == AUXO_OK; i++)
        status = auxo__assign_role(layout, roles->dropped_columns[i], ROLE_DROPPED, NULL, error);
    return status;
}

/* Appends one input column: itself, or a feature for each of its levels. */
static auxo_status append_input(table_layout *layout, size_t index, auxo_error *error)
{
    const auxo_column *column = &layout->table->columns[index];
    bool category = column->type == AUXO_COLUMN_CATEGORICAL;
    if (category && column->level_count > AUXO__INPUT_LEVELS_MAX)
        return auxo_error_set(
            error, AUXO_INVALID_ARGUMENT,
            "%s: column '%.60s' is text with %zu different values, too many for an input; name it in drop",
            layout->table->path, column->name, column->level_count);
    input_source *input = &layout->inputs[layout->input_count++];
    *input = (input_source){.column = index,
                            .first_feature = layout->feature_count,
                            .width = category ? column->level_count : 1,
                            .category = category};
    layout->feature_count += input->width;
    return AUXO_OK;
}

static auxo_status append_inputs(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    layout->inputs = calloc(layout->table->column_count + 1, sizeof *layout->inputs);
    if (!layout->inputs)
        return no_memory(layout, error);
    if (roles->input_columns) {
        for (size_t i = 0; i < roles->input_column_count && status == AUXO_OK; i++) {
            size_t index = 0;
            status = auxo__assign_role(layout, roles->input_columns[i], ROLE_INPUT, &index, error);
            if (status == AUXO_OK)
                status = append_input(layout, index, error);
        }
    } else {
        for (size_t i = 0; i < layout->table->column_count && status == AUXO_OK; i++) {
            if (layout->roles[i] != ROLE_NONE || layout->table->columns[i].unnamed)
                continue;
            const bool wide = layout->table->columns[i].level_count > AUXO__INPUT_LEVELS_MAX;
            layout->roles[i] = wide && roles->leave_out_names ? ROLE_DROPPED : ROLE_INPUT;
            if (layout->roles[i] == ROLE_INPUT)
                status = append_input(layout, i, error);
        }
    }
    if (status == AUXO_OK && layout->feature_count == 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: no input columns are left", layout->table->path);
    return status;
}

bool auxo__value_missing(const auxo_table *table, size_t column, size_t row)
{
    const auxo_column *at = &table->columns[column];
    if (at->missing_count == 0)
        return false;
    return at->type == AUXO_COLUMN_NUMERIC ? isnan(at->numbers[row]) : at->codes[row] == AUXO_LEVEL_MISSING;
}

/* Whether row `row` lacks nothing it needs; *column receives what it lacks. */
static bool row_complete(const table_layout *layout, const auxo_table_roles *roles, size_t row, size_t *column)
{
    for (*column = 0; *column < layout->table->column_count; (*column)++) {
        uint8_t role = layout->roles[*column];
        if (role == ROLE_NONE || role == ROLE_DROPPED || (roles->keep_missing && role == ROLE_INPUT))
            continue;
        if (auxo__value_missing(layout->table, *column, row))
            return false;
    }
    return true;
}

/* Keeps the rows that are complete in every used column (but inputs under keep_missing); without drop_missing the first
 * gap is an error. */
static auxo_status keep_rows(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    const auxo_table *table = layout->table;
    layout->rows = auxo__array(table->row_count, sizeof *layout->rows);
    if (!layout->rows)
        return no_memory(layout, error);
    for (size_t row = 0; row < table->row_count; row++) {
        size_t column = 0;
        if (row_complete(layout, roles, row, &column))
            layout->rows[layout->row_count++] = (uint32_t)row;
        else if (!roles->drop_missing)
            return auxo_error_set(error, AUXO_FORMAT,
                                  "%s:%u: column %zu (%.60s): missing value; %zu rows lack one there; %s", table->path,
                                  table->lines[row], column + 1, table->columns[column].name,
                                  table->columns[column].missing_count,
                                  layout->roles[column] == ROLE_INPUT
                                      ? "set missing to drop or mean, or leave the column out"
                                      : "it is no input, so that no mean stands for it: set missing to drop");
    }
    if (layout->row_count == 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: every row has a missing value", table->path);
    return AUXO_OK;
}

/* The mean of a numeric column over the kept rows where its spread is so small that f32 would lose it; else 0.
 * *constant (NULL: not asked): whether there is no spread at all. */
static double small_spread_offset(const table_layout *layout, size_t index, bool *constant)
{
    const double *numbers = layout->table->columns[index].numbers;
    double sum = 0, squares = 0, first = NAN;
    size_t count = 0;
    for (size_t i = 0; i < layout->row_count; i++) {
        double value = numbers[layout->rows[i]];
        if (isnan(value))
            continue;
        first = isnan(first) ? value : first;
        sum += value - first;
        squares += (value - first) * (value - first);
        count++;
    }
    if (constant)
        *constant = squares == 0;
    if (count == 0)
        return 0;
    double shift = sum / (double)count, variance = squares / (double)count - shift * shift;
    double mean = first + shift;
    bool small = sqrt(fmax(variance, 0)) < SMALL_SPREAD * fabs(mean);
    bool exact = variance == 0 && (double)(float)first == first; /* a constant that f32 holds stays as it is */
    return small && !exact ? mean : 0;
}

static void choose_offsets(table_layout *layout)
{
    for (size_t i = 0; i < layout->input_count; i++)
        if (!layout->inputs[i].category)
            layout->inputs[i].offset =
                small_spread_offset(layout, layout->inputs[i].column, &layout->inputs[i].constant);
    for (size_t i = 0; i < layout->target_count; i++)
        if (layout->table->columns[layout->targets[i]].type == AUXO_COLUMN_NUMERIC)
            layout->target_offsets[i] = small_spread_offset(layout, layout->targets[i], NULL);
}

/* Turns a column of doubles into f32 minus the offset, in the same memory, of which half is given back. */
static void narrow(auxo_column *column, size_t row_count, input_source *input)
{
    char *memory = (char *)column->numbers;
    for (size_t i = 0; i < row_count; i++) {
        double value;
        memcpy(&value, memory + i * sizeof value, sizeof value);
        float narrowed = (float)(value - input->offset);
        memcpy(memory + i * sizeof narrowed, &narrowed, sizeof narrowed);
    }
    float *smaller = realloc(memory, (row_count ? row_count : 1) * sizeof *smaller);
    input->narrowed = smaller ? smaller : (float *)(void *)memory;
    column->numbers = NULL;
}

/* Missing values, which only keep_missing lets through, become NaN in all features of the column. */
static void fill_input(const table_layout *layout, const input_source *input, size_t begin, size_t end, float *features,
                       bool unknown_is_gap)
{
    const auxo_column *column = &layout->table->columns[input->column];
    float *at = features + begin * layout->feature_count + input->first_feature;
    for (size_t i = begin; i < end; i++, at += layout->feature_count) {
        size_t row = layout->rows[i];
        if (input->narrowed) {
            *at = input->narrowed[row];
            continue;
        }
        if (!input->category) {
            *at = (float)(column->numbers[row] - input->offset);
            continue;
        }
        uint32_t code = column->codes[row];
        uint32_t level = code != AUXO_LEVEL_MISSING && input->level_map ? input->level_map[code] : code;
        bool gap = code == AUXO_LEVEL_MISSING || (level == UINT32_MAX && unknown_is_gap);
        for (size_t k = 0; k < input->width; k++)
            at[k] = gap ? NAN : (float)(k == level);
    }
}

/* "column" or "column=level"; the caller frees it. */
static char *feature_name(const auxo_schema_input *input, size_t level)
{
    if (input->kind == AUXO_INPUT_NUMBER)
        return auxo__text_duplicate(input->name);
    size_t size = strlen(input->name) + strlen(input->levels[level]) + 2;
    char *name = malloc(size);
    if (name)
        snprintf(name, size, "%s=%s", input->name, input->levels[level]);
    return name;
}

static char **feature_names(const auxo_data_schema *schema)
{
    char **names = calloc((size_t)schema->channels + 1, sizeof *names);
    size_t feature = 0;
    for (size_t i = 0; names && i < schema->input_count; i++) {
        const auxo_schema_input *input = &schema->inputs[i];
        size_t width = input->kind == AUXO_INPUT_CATEGORY ? input->level_count : 1;
        for (size_t level = 0; level < width; level++) {
            names[feature] = feature_name(input, level);
            if (!names[feature++]) {
                auxo__names_destroy(names, (size_t)schema->channels);
                return NULL;
            }
        }
    }
    return names;
}

static auxo_status describe_inputs(const table_layout *layout, auxo_data_schema *schema, auxo_error *error)
{
    schema->inputs = calloc(layout->input_count + 1, sizeof *schema->inputs);
    for (size_t i = 0; schema->inputs && i < layout->input_count; i++) {
        const input_source *from = &layout->inputs[i];
        const auxo_column *column = &layout->table->columns[from->column];
        auxo_schema_input *input = &schema->inputs[schema->input_count++];
        *input = (auxo_schema_input){.name = auxo__text_duplicate(column->name),
                                     .kind = from->category ? AUXO_INPUT_CATEGORY : AUXO_INPUT_NUMBER,
                                     .offset = from->offset,
                                     .first_feature = from->first_feature};
        if (from->category) {
            input->levels = auxo__names_copy((const char *const *)column->levels, column->level_count);
            input->level_count = column->level_count;
        }
        if (!input->name || (from->category && !input->levels))
            return no_memory(layout, error);
    }
    return schema->inputs ? AUXO_OK : no_memory(layout, error);
}

/* What a model trained on this data set will know; of a model's own data, what it knows already. */
static auxo_status describe(const table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset,
                            auxo_error *error)
{
    if (roles->schema)
        return auxo_data_schema_copy(roles->schema, &dataset->schema, error);
    auxo_data_schema *schema = dataset->schema = auxo__schema_of_fields(dataset);
    if (!schema)
        return no_memory(layout, error);
    schema->missing = roles->keep_missing   ? AUXO_MISSING_MEAN
                      : roles->drop_missing ? AUXO_MISSING_DROP
                                            : AUXO_MISSING_REFUSE;
    const auxo_column *columns = layout->table->columns;
    schema->group_column = layout->group != NO_COLUMN ? auxo__text_duplicate(columns[layout->group].name) : NULL;
    schema->site_column = layout->site != NO_COLUMN ? auxo__text_duplicate(columns[layout->site].name) : NULL;
    if ((layout->group != NO_COLUMN && !schema->group_column) || (layout->site != NO_COLUMN && !schema->site_column))
        return no_memory(layout, error);
    auxo_status status = describe_inputs(layout, schema, error);
    if (status == AUXO_OK)
        status = auxo__table_describe_targets(layout, roles, schema, error);
    return status;
}

static auxo_status fill(table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset, auxo_error *error)
{
    bool gaps = !roles->schema || roles->keep_missing;
    enum { BLOCK_ROWS = 512 }; /* columns are read and rows written: some of both stay in the cache */
    for (size_t first = 0; first < layout->row_count; first += BLOCK_ROWS) {
        const size_t end = layout->row_count - first < BLOCK_ROWS ? layout->row_count : first + BLOCK_ROWS;
        for (size_t i = 0; i < layout->input_count; i++)
            fill_input(layout, &layout->inputs[i], first, end, dataset->features, gaps);
    }
    auxo_status status = auxo__table_fill_targets(layout, roles, dataset, error);
    if (status == AUXO_OK)
        status = describe(layout, roles, dataset, error);
    if (status != AUXO_OK)
        return status;
    dataset->feature_names = feature_names(dataset->schema);
    dataset->row_numbers = auxo__array(layout->row_count, sizeof *dataset->row_numbers);
    if (!dataset->feature_names || !dataset->row_numbers)
        return no_memory(layout, error);
    for (size_t i = 0; i < layout->row_count; i++)
        dataset->row_numbers[i] = layout->rows[i] + 1;
    return AUXO_OK;
}

static auxo_status build(table_layout *layout, const char *name, const auxo_table_roles *roles, auxo_dataset **dataset,
                         auxo_error *error)
{
    size_t unknown = 0;
    auxo_status status = AUXO_OK;
    if (roles->schema)
        status = auxo__layout_by_schema(layout, roles, error);
    else
        status = assign_targets(layout, roles, error);
    if (status == AUXO_OK)
        status = assign_others(layout, roles, error);
    if (status == AUXO_OK && !roles->schema)
        status = append_inputs(layout, roles, error);
    if (status == AUXO_OK)
        status = keep_rows(layout, roles, error);
    if (status == AUXO_OK && roles->schema)
        status = auxo__layout_check_levels(layout, roles, &unknown, error);
    if (status != AUXO_OK)
        return status;
    if (!roles->schema)
        choose_offsets(layout);
    for (size_t i = 0; layout->used_up && i < layout->input_count; i++)
        if (!layout->inputs[i].category)
            narrow(&layout->used_up->columns[layout->inputs[i].column], layout->table->row_count, &layout->inputs[i]);
    auxo__dataset_shape shape = auxo__table_shape(layout, roles);
    status = auxo__dataset_create(name, &shape, dataset, error);
    if (status == AUXO_OK)
        status = fill(layout, roles, *dataset, error);
    if (status == AUXO_OK)
        auxo__table_note(layout, roles, unknown, *dataset);
    return status;
}

static auxo_status make_dataset(const auxo_table *table, auxo_table *used_up, const char *name,
                                const auxo_table_roles *roles, auxo_dataset **dataset, auxo_error *error)
{
    table_layout layout = {.table = table,
                           .used_up = used_up,
                           .time = NO_COLUMN,
                           .event = NO_COLUMN,
                           .group = NO_COLUMN,
                           .site = NO_COLUMN};
    layout.roles = calloc(table->column_count + 1, 1);
    *dataset = NULL;
    auxo_status status = layout.roles ? build(&layout, name, roles, dataset, error) : no_memory(&layout, error);
    for (size_t i = 0; i < layout.input_count; i++) {
        free(layout.inputs[i].level_map);
        free(layout.inputs[i].narrowed);
    }
    free(layout.inputs);
    free(layout.roles);
    free(layout.targets);
    free(layout.target_offsets);
    free(layout.class_map);
    free(layout.rows);
    if (status != AUXO_OK) {
        auxo_dataset_destroy(*dataset);
        *dataset = NULL;
    }
    return status;
}

auxo_status auxo_table_dataset(const auxo_table *table, const char *name, const auxo_table_roles *roles,
                               auxo_dataset **dataset, auxo_error *error)
{
    if (!table || !name || !roles || !dataset)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_table_dataset: null argument");
    return make_dataset(table, NULL, name, roles, dataset, error);
}

auxo_status auxo__table_dataset_using_up(auxo_table *table, const char *name, const auxo_table_roles *roles,
                                         auxo_dataset **dataset, auxo_error *error)
{
    return make_dataset(table, table, name, roles, dataset, error);
}
