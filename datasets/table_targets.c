/* table_targets.c: class labels, real targets, survival labels, groups and sites from the columns of a table.
 *
 * Every value that cannot be what its role says is refused with the line it stands on.
 */
#include "number.h"
#include "table_roles.h"

#include "cells.h"
#include "schema.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_class_target(const table_layout *layout, const auxo_table_roles *roles)
{
    if (roles->schema)
        return roles->schema->target_type == AUXO_TARGET_CLASS;
    return layout->target_count == 1 && roles->target_kind != AUXO_TARGET_KIND_REAL &&
           layout->table->columns[layout->targets[0]].type == AUXO_COLUMN_CATEGORICAL;
}

auxo__dataset_shape auxo__table_shape(const table_layout *layout, const auxo_table_roles *roles)
{
    auxo__dataset_shape shape = {.row_count = layout->row_count,
                                 .channels = (int64_t)layout->feature_count,
                                 .height = 1,
                                 .width = 1,
                                 .feature_type = AUXO_FEATURES_F32,
                                 .target_type = AUXO_TARGET_REAL,
                                 .target_count = (uint32_t)layout->target_count};
    if (auxo__labels_ignored(roles)) {
        shape.target_type = AUXO_TARGET_NONE;
        shape.target_count = 0;
    } else if (layout->time != NO_COLUMN) {
        shape.target_type = AUXO_TARGET_SURVIVAL;
        shape.target_count = 0;
    } else if (is_class_target(layout, roles)) {
        shape.target_type = AUXO_TARGET_CLASS;
        shape.target_count = roles->schema ? roles->schema->class_count
                                           : (uint32_t)layout->table->columns[layout->targets[0]].level_count;
    }
    return shape;
}

static auxo_status value_error(const table_layout *layout, size_t column, size_t row, const char *what,
                               auxo_error *error)
{
    const auxo_table *table = layout->table;
    return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu (%s): %s", table->path, table->lines[row], column + 1,
                          table->columns[column].name, what);
}

static auxo_status require_numeric(const table_layout *layout, size_t column, const char *role, auxo_error *error)
{
    const auxo_column *at = &layout->table->columns[column];
    if (at->type == AUXO_COLUMN_NUMERIC)
        return AUXO_OK;
    return auxo_error_set(error, AUXO_FORMAT, "%s: column %zu (%s) holds text ('%.40s'), but is %s",
                          layout->table->path, column + 1, at->name, at->level_count ? at->levels[0] : "", role);
}

static auxo_status fill_labels(const table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset,
                               auxo_error *error)
{
    const auxo_column *column = &layout->table->columns[layout->targets[0]];
    bool several = false;
    for (size_t i = 0; i < layout->row_count; i++) {
        uint32_t code = column->codes[layout->rows[i]];
        dataset->labels[i] = layout->class_map ? layout->class_map[code] : code;
        several = several || dataset->labels[i] != dataset->labels[0];
    }
    if (!several && !roles->schema)
        return auxo_error_set(error, AUXO_FORMAT, "%s: target '%.60s' has one class only ('%.40s')",
                              layout->table->path, column->name, column->levels[dataset->labels[0]]);
    dataset->target_names = roles->schema
                                ? auxo__names_copy((const char *const *)roles->schema->classes, dataset->class_count)
                                : auxo__names_copy((const char *const *)column->levels, column->level_count);
    if (!dataset->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for class names", layout->table->path);
    return AUXO_OK;
}

static auxo_status fill_reals(const table_layout *layout, auxo_dataset *dataset, auxo_error *error)
{
    size_t count = layout->target_count;
    dataset->target_names = count ? calloc(count, sizeof *dataset->target_names) : NULL;
    if (count && !dataset->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for target names", layout->table->path);
    for (size_t j = 0; j < count; j++) {
        auxo_status status =
            require_numeric(layout, layout->targets[j], "one of the targets, which are numbers", error);
        if (status != AUXO_OK)
            return status;
        const auxo_column *column = &layout->table->columns[layout->targets[j]];
        for (size_t i = 0; i < layout->row_count; i++)
            dataset->targets[i * count + j] = (float)(column->numbers[layout->rows[i]] - layout->target_offsets[j]);
        dataset->target_names[j] = auxo__text_duplicate(column->name);
        if (!dataset->target_names[j])
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for target names", layout->table->path);
    }
    return AUXO_OK;
}

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* 1, 0, or -1 for text that is neither. */
static int event_of_text(const char *text, const char *event_level)
{
    static const char *const event_words[] = {"1", "true", "yes", "dead", "event"};
    static const char *const censored_words[] = {"0", "false", "no", "alive", "censored"};
    if (event_level)
        return strcmp(text, event_level) == 0;
    if (is_one_of(text, event_words, sizeof event_words / sizeof event_words[0]))
        return 1;
    return is_one_of(text, censored_words, sizeof censored_words / sizeof censored_words[0]) ? 0 : -1;
}

static int event_of_number(double number, const double *event_number)
{
    if (event_number)
        return number == *event_number;
    return number == 1 ? 1 : number == 0 ? 0 : -1;
}

/* Whether event_level can occur in the event column; *event_number receives it for a numeric column. */
static auxo_status check_event_level(const table_layout *layout, const char *event_level, double *event_number,
                                     auxo_error *error)
{
    const auxo_column *column = &layout->table->columns[layout->event];
    if (!event_level)
        return AUXO_OK;
    if (column->type == AUXO_COLUMN_NUMERIC) {
        if (auxo__parse_number(event_level, event_number))
            return AUXO_OK;
    } else {
        for (size_t i = 0; i < column->level_count; i++)
            if (strcmp(column->levels[i], event_level) == 0)
                return AUXO_OK;
    }
    return auxo_error_set(error, AUXO_NOT_FOUND, "%s: column '%.60s' never has the event value '%.40s'",
                          layout->table->path, column->name, event_level);
}

static auxo_status fill_survival(const table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset,
                                 auxo_error *error)
{
    const char *event_level = roles->event_level || !roles->schema ? roles->event_level : roles->schema->event_level;
    const auxo_column *time = &layout->table->columns[layout->time];
    const auxo_column *event = &layout->table->columns[layout->event];
    auxo_status status = require_numeric(layout, layout->time, "the time, which is a number", error);
    double event_number = 1;
    if (status == AUXO_OK && (!roles->schema || event->type == AUXO_COLUMN_NUMERIC))
        status = check_event_level(layout, event_level, &event_number, error);
    if (status != AUXO_OK)
        return status;
    size_t event_count = 0;
    for (size_t i = 0; i < layout->row_count; i++) {
        size_t row = layout->rows[i];
        if (!(time->numbers[row] >= 0))
            return value_error(layout, layout->time, row, "a time is negative", error);
        int happened;
        if (event->type == AUXO_COLUMN_CATEGORICAL)
            happened = event_of_text(event->levels[event->codes[row]], event_level);
        else
            happened = event_of_number(event->numbers[row], event_level ? &event_number : NULL);
        if (happened < 0)
            return value_error(layout, layout->event, row, "an event is neither 0 (censored) nor 1", error);
        dataset->times[i] = time->numbers[row];
        dataset->events[i] = (uint32_t)happened;
        event_count += (size_t)happened;
    }
    if (event_count == 0 && !roles->schema)
        return auxo_error_set(error, AUXO_FORMAT, "%s: no events in column '%.60s': every row is censored",
                              layout->table->path, event->name);
    return AUXO_OK;
}

typedef struct numbered_value {
    double value;
    uint32_t row;
} numbered_value;

static int compare_values(const void *left, const void *right)
{
    double a = ((const numbered_value *)left)->value, b = ((const numbered_value *)right)->value;
    return a < b ? -1 : a > b;
}

/* Numbers the distinct values of a column 0.. in ascending order; text keeps its level codes. */
static uint32_t *number_column(const table_layout *layout, size_t column)
{
    const auxo_column *from = &layout->table->columns[column];
    uint32_t *numbers = auxo__array(layout->row_count, sizeof *numbers);
    if (!numbers)
        return NULL;
    if (from->type == AUXO_COLUMN_CATEGORICAL) {
        for (size_t i = 0; i < layout->row_count; i++)
            numbers[i] = from->codes[layout->rows[i]];
        return numbers;
    }
    numbered_value *sorted = auxo__array(layout->row_count, sizeof *sorted);
    if (!sorted) {
        free(numbers);
        return NULL;
    }
    for (size_t i = 0; i < layout->row_count; i++)
        sorted[i] = (numbered_value){from->numbers[layout->rows[i]], (uint32_t)i};
    qsort(sorted, layout->row_count, sizeof *sorted, compare_values);
    uint32_t number = 0;
    for (size_t i = 0; i < layout->row_count; i++) {
        if (i > 0 && sorted[i].value > sorted[i - 1].value)
            number++;
        numbers[sorted[i].row] = number;
    }
    free(sorted);
    return numbers;
}

/* What the numbers of number_column stand for. */
static bool name_sites(const table_layout *layout, auxo_dataset *dataset)
{
    const auxo_column *from = &layout->table->columns[layout->site];
    bool text = from->type == AUXO_COLUMN_CATEGORICAL;
    uint32_t count = text ? (uint32_t)from->level_count : 0;
    for (size_t i = 0; i < layout->row_count && !text; i++)
        count = dataset->sites[i] >= count ? dataset->sites[i] + 1 : count;
    dataset->site_names = auxo__array(count, sizeof *dataset->site_names);
    dataset->site_count = dataset->site_names ? count : 0;
    for (uint32_t s = 0; s < dataset->site_count; s++)
        dataset->site_names[s] = text ? auxo__text_duplicate(from->levels[s]) : NULL;
    bool good = dataset->site_names != NULL;
    for (uint32_t s = 0; s < dataset->site_count && text; s++)
        good = good && dataset->site_names[s];
    for (size_t i = 0; i < layout->row_count && good && !text; i++) {
        char number[32];
        char **name = &dataset->site_names[dataset->sites[i]];
        auxo__number_print(number, sizeof number, "%.15g", from->numbers[layout->rows[i]]);
        if (!*name)
            *name = auxo__text_duplicate(number);
        good = *name != NULL;
    }
    return good;
}

static auxo_status check_group_sites(const table_layout *layout, const auxo_dataset *dataset, auxo_error *error)
{
    size_t group_count = 0;
    for (size_t i = 0; i < layout->row_count; i++)
        if (dataset->groups[i] >= group_count)
            group_count = dataset->groups[i] + (size_t)1;
    uint32_t *first_row = auxo__array(group_count, sizeof *first_row);
    if (!first_row)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for groups", layout->table->path);
    for (size_t i = 0; i < group_count; i++)
        first_row[i] = UINT32_MAX;
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < layout->row_count && status == AUXO_OK; i++) {
        uint32_t *first = &first_row[dataset->groups[i]];
        if (*first == UINT32_MAX)
            *first = (uint32_t)i;
        else if (dataset->sites[*first] != dataset->sites[i])
            status = auxo_error_set(error, AUXO_FORMAT, "%s:%u: this row's group is at another site on line %u",
                                    layout->table->path, layout->table->lines[layout->rows[i]],
                                    layout->table->lines[layout->rows[*first]]);
    }
    free(first_row);
    return status;
}

auxo_status auxo__table_fill_targets(const table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset,
                                     auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (dataset->target_type == AUXO_TARGET_SURVIVAL)
        status = fill_survival(layout, roles, dataset, error);
    else if (dataset->target_type == AUXO_TARGET_CLASS)
        status = fill_labels(layout, roles, dataset, error);
    else if (dataset->target_type == AUXO_TARGET_REAL)
        status = fill_reals(layout, dataset, error);
    if (status == AUXO_OK && layout->group != NO_COLUMN)
        dataset->groups = number_column(layout, layout->group);
    if (status == AUXO_OK && layout->site != NO_COLUMN)
        dataset->sites = number_column(layout, layout->site);
    if (status == AUXO_OK && ((layout->group != NO_COLUMN && !dataset->groups) ||
                              (layout->site != NO_COLUMN && (!dataset->sites || !name_sites(layout, dataset)))))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for groups and sites", layout->table->path);
    if (status == AUXO_OK && dataset->groups && dataset->sites)
        status = check_group_sites(layout, dataset, error);
    return status;
}

auxo_status auxo__table_describe_targets(const table_layout *layout, const auxo_table_roles *roles,
                                         auxo_data_schema *schema, auxo_error *error)
{
    const auxo_column *columns = layout->table->columns;
    const char *names[2] = {NULL, NULL};
    bool good = true;
    if (schema->target_type == AUXO_TARGET_SURVIVAL) {
        names[0] = columns[layout->time].name;
        names[1] = columns[layout->event].name;
        schema->target_count = 2;
        schema->event_level = roles->event_level ? auxo__text_duplicate(roles->event_level) : NULL;
        good = !roles->event_level || schema->event_level;
    } else if (schema->target_type == AUXO_TARGET_CLASS) {
        names[0] = columns[layout->targets[0]].name;
        schema->target_count = 1;
    }
    if (names[0]) {
        schema->targets = auxo__names_copy(names, schema->target_count);
        good = good && schema->targets;
    } else if (layout->target_count > 0) {
        schema->target_offsets = auxo__array(layout->target_count, sizeof *schema->target_offsets);
        good = schema->target_offsets;
        if (good)
            memcpy(schema->target_offsets, layout->target_offsets,
                   layout->target_count * sizeof *schema->target_offsets);
    }
    if (!good)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for a data set", layout->table->path);
    return AUXO_OK;
}
