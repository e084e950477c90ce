/* table_schema.c: a table brought into the form that a trained model knows: inputs by name, levels and classes by the
 * model's numbers.
 *
 * Columns may stand in any order, and there may be more of them. What the model cannot read is refused: a missing
 * column, text where it reads numbers, a level or class it never saw.
 */
#include "table_roles.h"

#include "cells.h"
#include "levels.h"

#include <stdlib.h>
#include <string.h>

/* The place among `known` of each of `levels`, UINT32_MAX where it is none. NULL: no memory. */
static uint32_t *map_levels(char *const *levels, size_t count, char *const *known, size_t known_count)
{
    uint32_t *map = auxo__array(count, sizeof *map);
    auxo__levels index = {0};
    bool good = map != NULL;
    for (size_t i = 0; good && i < known_count; i++) {
        uint32_t number = 0;
        good = auxo__levels_add(&index, known[i], strlen(known[i]), &number);
    }
    for (size_t i = 0; good && i < count; i++)
        map[i] = auxo__levels_find(&index, levels[i], strlen(levels[i]));
    auxo__levels_deinit(&index);
    if (good)
        return map;
    free(map);
    return NULL;
}

static auxo_status no_memory(const table_layout *layout, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the columns", layout->table->path);
}

static auxo_status lay_out_input(table_layout *layout, const auxo_schema_input *wanted, auxo_error *error)
{
    size_t index = 0;
    auxo_status status = auxo__assign_role(layout, wanted->name, ROLE_INPUT, &index, error);
    if (status == AUXO_NOT_FOUND)
        return auxo_error_wrap(error, status, "the model's input '%.60s' is missing", wanted->name);
    if (status != AUXO_OK)
        return status;
    const auxo_column *column = &layout->table->columns[index];
    bool category = wanted->kind == AUXO_INPUT_CATEGORY;
    if (category != (column->type == AUXO_COLUMN_CATEGORICAL))
        return auxo_error_set(error, AUXO_FORMAT, "%s: column %zu (%.60s) holds %s%.40s%s, but the model reads %s",
                              layout->table->path, index + 1, column->name, category ? "numbers" : "text such as '",
                              !category && column->level_count ? column->levels[0] : "", category ? "" : "'",
                              category ? "text" : "numbers");
    input_source *input = &layout->inputs[layout->input_count++];
    *input = (input_source){.column = index,
                            .first_feature = wanted->first_feature,
                            .width = category ? wanted->level_count : 1,
                            .category = category,
                            .offset = wanted->offset};
    layout->feature_count += input->width;
    if (!category)
        return AUXO_OK;
    input->level_map = map_levels(column->levels, column->level_count, wanted->levels, wanted->level_count);
    return input->level_map ? AUXO_OK : no_memory(layout, error);
}

static auxo_status lay_out_class(table_layout *layout, const auxo_data_schema *schema, auxo_error *error)
{
    const auxo_column *column = &layout->table->columns[layout->targets[0]];
    if (column->type != AUXO_COLUMN_CATEGORICAL)
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s: column %zu (%.60s) holds numbers, but to the model it is a class",
                              layout->table->path, layout->targets[0] + 1, column->name);
    layout->class_map = map_levels(column->levels, column->level_count, schema->classes, schema->class_count);
    return layout->class_map ? AUXO_OK : no_memory(layout, error);
}

static auxo_status lay_out_targets(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    const auxo_data_schema *schema = roles->schema;
    auxo_status status = AUXO_OK;
    if (schema->target_type == AUXO_TARGET_SURVIVAL && schema->targets && schema->target_count == 2) {
        status = auxo__assign_role(layout, schema->targets[0], ROLE_TIME, &layout->time, error);
        return status == AUXO_OK ? auxo__assign_role(layout, schema->targets[1], ROLE_EVENT, &layout->event, error)
                                 : status;
    }
    size_t count = schema->targets ? schema->target_count : 0;
    layout->targets = calloc(count + 1, sizeof *layout->targets);
    layout->target_offsets = calloc(count + 1, sizeof *layout->target_offsets);
    if (!layout->targets || !layout->target_offsets)
        return no_memory(layout, error);
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        status = auxo__assign_role(layout, schema->targets[i], ROLE_TARGET, &layout->targets[i], error);
        layout->target_offsets[i] = schema->target_offsets ? schema->target_offsets[i] : 0;
        layout->target_count = i + 1;
    }
    return status == AUXO_OK && schema->target_type == AUXO_TARGET_CLASS && count == 1
               ? lay_out_class(layout, schema, error)
               : status;
}

auxo_status auxo__layout_by_schema(table_layout *layout, const auxo_table_roles *roles, auxo_error *error)
{
    const auxo_data_schema *schema = roles->schema;
    if (!schema->inputs)
        return auxo_error_set(error, AUXO_FORMAT, "%s is a table, but the model was not trained on the columns of one",
                              layout->table->path);
    layout->inputs = calloc(schema->input_count + 1, sizeof *layout->inputs);
    if (!layout->inputs)
        return no_memory(layout, error);
    auxo_status status = AUXO_OK;
    if (!auxo__labels_ignored(roles)) {
        status = lay_out_targets(layout, roles, error);
        if (status == AUXO_NOT_FOUND)
            return auxo_error_wrap(error, status, "the labels are needed");
    }
    for (size_t i = 0; i < schema->input_count && status == AUXO_OK; i++)
        status = lay_out_input(layout, &schema->inputs[i], error);
    return status;
}

static auxo_status unknown_level(const table_layout *layout, size_t index, uint32_t row, const char *role,
                                 const char *advice, auxo_error *error)
{
    const auxo_table *table = layout->table;
    const auxo_column *column = &table->columns[index];
    return auxo_error_set(error, AUXO_FORMAT, "%s:%u: column %zu (%.60s): '%.40s' is no %s the model knows (row %u)%s",
                          table->path, table->lines[row], index + 1, column->name, column->levels[column->codes[row]],
                          role, row + 1, advice);
}

auxo_status auxo__layout_check_levels(const table_layout *layout, const auxo_table_roles *roles, size_t *unknown,
                                      auxo_error *error)
{
    *unknown = 0;
    for (size_t i = 0; i < layout->input_count; i++) {
        const input_source *input = &layout->inputs[i];
        const uint32_t *codes = layout->table->columns[input->column].codes;
        for (size_t k = 0; input->level_map && k < layout->row_count; k++) {
            uint32_t row = layout->rows[k];
            if (codes[row] == AUXO_LEVEL_MISSING || input->level_map[codes[row]] != UINT32_MAX)
                continue;
            if (!roles->unknown_levels_missing)
                return unknown_level(layout, input->column, row, "level", "; unknown-levels missing goes on", error);
            (*unknown)++;
        }
    }
    for (size_t k = 0; layout->class_map && k < layout->row_count; k++) {
        uint32_t row = layout->rows[k];
        if (layout->class_map[layout->table->columns[layout->targets[0]].codes[row]] == UINT32_MAX)
            return unknown_level(layout, layout->targets[0], row, "class", "", error);
    }
    return AUXO_OK;
}
