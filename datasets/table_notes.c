/* table_notes.c: what the user is told of how a table was read: what was chosen, left out, and looks like a mistake. */
#include "schema.h"
#include "table_roles.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* How many different values a numeric column has, if they are whole and at most `most`; else 0. */
static size_t few_whole_values(const table_layout *layout, size_t index, size_t most)
{
    const double *numbers = layout->table->columns[index].numbers;
    double values[32];
    size_t count = 0;
    for (size_t i = 0; i < layout->row_count; i++) {
        double value = numbers[layout->rows[i]];
        size_t at = 0;
        while (at < count && values[at] != value)
            at++;
        if (value != floor(value) || at == most)
            return 0;
        if (at == count)
            values[count++] = value;
    }
    return count;
}

static void note_targets(const table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset)
{
    enum { FEW = 12 };
    if (dataset->target_type != AUXO_TARGET_REAL)
        return;
    for (size_t i = 0; i < layout->target_count; i++) {
        const auxo_column *column = &layout->table->columns[layout->targets[i]];
        size_t count = few_whole_values(layout, layout->targets[i], FEW);
        if (count == 1)
            auxo__note_add(dataset->note, sizeof dataset->note, "target '%.40s' is constant", column->name);
        else if (count > 0 && layout->target_count == 1 && roles->target_kind == AUXO_TARGET_KIND_AUTO &&
                 layout->row_count > 2 * count)
            auxo__note_add(dataset->note, sizeof dataset->note,
                           "target '%.40s' has %zu different whole values and is read as numbers; target-kind class "
                           "reads them as classes",
                           column->name, count);
    }
}

/* Columns that one note is about: the first few by name. */
typedef struct column_list {
    char text[128];
    size_t count, named;
} column_list;

static void add_column(column_list *list, const auxo_column *column)
{
    const size_t used = strlen(list->text);
    char name[64], levels[32] = "";
    if (column->codes)
        snprintf(levels, sizeof levels, " (%zu)", column->level_count);
    const int length = snprintf(name, sizeof name, "%s%.30s%s", list->count ? ", " : "", column->name, levels);
    if (list->named == list->count++ && used + (size_t)length < sizeof list->text) {
        memcpy(list->text + used, name, (size_t)length + 1);
        list->named++;
    }
}

static void note_columns(const column_list *list, const char *what, auxo_dataset *dataset)
{
    char more[32] = "";
    if (list->named < list->count)
        snprintf(more, sizeof more, " and %zu more", list->count - list->named);
    if (list->count > 0)
        auxo__note_add(dataset->note, sizeof dataset->note, "%s: %s%s", what, list->text, more);
}

static void note_inputs(const table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset)
{
    column_list categories = {0}, constants = {0}, unnamed = {0}, names = {0};
    const auxo_table *table = layout->table;
    for (size_t i = 0; i < layout->input_count; i++) {
        const input_source *input = &layout->inputs[i];
        const auxo_column *column = &table->columns[input->column];
        if (input->category)
            add_column(&categories, column);
        if (input->category ? column->level_count < 2 : input->constant)
            add_column(&constants, column);
    }
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].unnamed && layout->roles[i] == ROLE_NONE)
            add_column(&unnamed, &table->columns[i]);
    for (size_t i = 0; i < table->column_count && roles->leave_out_names; i++)
        if (layout->roles[i] == ROLE_DROPPED && table->columns[i].level_count > AUXO__INPUT_LEVELS_MAX)
            add_column(&names, &table->columns[i]);
    note_columns(&categories, "text read as categories", dataset);
    note_columns(&constants, "constant inputs", dataset);
    note_columns(&unnamed, "without a name, and passed over", dataset);
    note_columns(&names, "left out, of too many values for inputs", dataset);
}

void auxo__table_note(const table_layout *layout, const auxo_table_roles *roles, size_t unknown, auxo_dataset *dataset)
{
    const size_t size = sizeof dataset->note;
    size_t dropped = layout->table->row_count - layout->row_count, unused = 0;
    if (layout->table->note[0])
        auxo__note_add(dataset->note, size, "%s", layout->table->note);
    if (dropped > 0)
        auxo__note_add(dataset->note, size, "%zu of %zu rows dropped for missing values", dropped,
                       layout->table->row_count);
    if (unknown > 0)
        auxo__note_add(dataset->note, size, "%zu cells hold levels that the model does not know", unknown);
    for (size_t i = 0; i < layout->table->column_count && roles->schema; i++)
        unused += layout->roles[i] == ROLE_NONE;
    if (unused > 0 && !auxo__labels_ignored(roles))
        auxo__note_add(dataset->note, size, "%zu columns passed over that the model does not read", unused);
    if (roles->schema)
        return;
    note_inputs(layout, roles, dataset);
    note_targets(layout, roles, dataset);
}
