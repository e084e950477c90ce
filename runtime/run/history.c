/* history.c: see history.h.
 */
#include "history.h"

#include "file.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "history/";

static bool has_column(const auxo_field *field)
{
    return !(field->flags & AUXO_FIELD_LINE_ONLY) &&
           (field->type <= AUXO_FIELD_FLOAT || field->type == AUXO_FIELD_NUMBERS);
}

static auxo_status init_record(auxo__event_record *record, const auxo_event_type *type, auxo_error *error)
{
    size_t count = 0;
    record->type = type;
    for (const auxo_field *field = type->fields; field->name; field++)
        count += has_column(field);
    record->columns = calloc(count + 1, sizeof *record->columns);
    if (!record->columns)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the history of a run");
    for (const auxo_field *field = type->fields; field->name; field++)
        if (has_column(field))
            record->columns[record->column_count++].field = field;
    return AUXO_OK;
}

auxo_status auxo__history_init(auxo__history *history, const auxo_event_type *const *types, auxo_error *error)
{
    size_t count = 0;
    for (; types && types[count]; count++)
        continue;
    *history = (auxo__history){.records = calloc(count + 1, sizeof *history->records)};
    if (!history->records)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the history of a run");
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        if (types[i]->flags & AUXO_EVENT_KEPT)
            status = init_record(&history->records[history->record_count++], types[i], error);
    return status;
}

void auxo__history_deinit(auxo__history *history)
{
    for (size_t r = 0; r < history->record_count; r++) {
        for (size_t c = 0; c < history->records[r].column_count; c++) {
            free(history->records[r].columns[c].values);
            free(history->records[r].columns[c].counts);
        }
        free(history->records[r].columns);
    }
    free(history->records);
    *history = (auxo__history){0};
}

static bool reserve(double **values, size_t *capacity, size_t needed)
{
    if (needed <= *capacity)
        return true;
    size_t grown = *capacity ? 2 * *capacity : 64;
    grown = grown < needed ? needed : grown;
    double *moved = realloc(*values, grown * sizeof **values);
    if (!moved)
        return false;
    *values = moved;
    *capacity = grown;
    return true;
}

static bool add_value(auxo__event_record *record, auxo__column *column, const void *event)
{
    double number = 0;
    if (auxo__field_number(column->field, event, &number)) {
        if (!reserve(&column->values, &column->capacity, column->count + 1))
            return false;
        column->values[column->count++] = number;
        return true;
    }
    const auxo_numbers *numbers = (const auxo_numbers *)(const void *)((const char *)event + column->field->offset);
    size_t counts = record->capacity;
    if (!reserve(&column->values, &column->capacity, column->count + numbers->count) ||
        (!column->counts && !(column->counts = malloc(counts * sizeof *column->counts))))
        return false;
    for (size_t i = 0; i < numbers->count; i++)
        column->values[column->count++] = numbers->values[i];
    column->counts[record->event_count] = (double)numbers->count;
    return true;
}

/* Room for the counts of one more event. */
static bool grow_counts(auxo__event_record *record)
{
    if (record->event_count < record->capacity)
        return true;
    size_t capacity = record->capacity ? 2 * record->capacity : 64;
    for (size_t c = 0; c < record->column_count; c++) {
        if (!record->columns[c].counts)
            continue;
        double *moved = realloc(record->columns[c].counts, capacity * sizeof *moved);
        if (!moved)
            return false;
        record->columns[c].counts = moved;
    }
    record->capacity = capacity;
    return true;
}

auxo_status auxo__history_add(auxo__history *history, const auxo_event *event, auxo_error *error)
{
    for (size_t r = 0; r < history->record_count; r++) {
        auxo__event_record *record = &history->records[r];
        if (record->type != event->type)
            continue;
        bool good = grow_counts(record);
        for (size_t c = 0; good && c < record->column_count; c++)
            good = add_value(record, &record->columns[c], event->record);
        if (!good)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the history of a run");
        record->event_count++;
    }
    return AUXO_OK;
}

const auxo__event_record *auxo__history_find(const auxo__history *history, const char *event)
{
    for (size_t r = 0; r < history->record_count; r++)
        if (strcmp(history->records[r].type->name, event) == 0)
            return &history->records[r];
    return NULL;
}

void auxo__history_forget(auxo__history *history, const char *event)
{
    for (size_t i = 0; i < history->record_count; i++) {
        auxo__event_record *record = &history->records[i];
        if (strcmp(record->type->name, event) != 0)
            continue;
        record->event_count = 0;
        for (size_t c = 0; c < record->column_count; c++)
            record->columns[c].count = 0;
    }
}

const auxo__column *auxo__history_column(const auxo__history *history, const char *event, const char *field)
{
    const auxo__event_record *record = auxo__history_find(history, event);
    for (size_t c = 0; record && c < record->column_count; c++)
        if (strcmp(record->columns[c].field->name, field) == 0)
            return &record->columns[c];
    return NULL;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static void column_name(const auxo__event_record *record, const auxo__column *column, const char *suffix, char *text,
                        size_t size)
{
    snprintf(text, size, "%s/%s%s", record->type->name, column->field->name, suffix);
}

auxo_status auxo__history_store(const auxo__history *history, auxo__archive *archive, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    char name[160];
    for (size_t r = 0; r < history->record_count; r++) {
        const auxo__event_record *record = &history->records[r];
        for (size_t c = 0; c < record->column_count && status == AUXO_OK; c++) {
            const auxo__column *column = &record->columns[c];
            column_name(record, column, "", name, sizeof name);
            status = auxo__archive_put_doubles(archive, PREFIX, name, column->values, column->count, error);
            if (status != AUXO_OK || column->field->type != AUXO_FIELD_NUMBERS)
                continue;
            column_name(record, column, ".counts", name, sizeof name);
            status = auxo__archive_put_doubles(archive, PREFIX, name, column->counts, record->event_count, error);
        }
    }
    return status;
}

static auxo_status restore_column(const auxo__archive *archive, auxo__event_record *record, auxo__column *column,
                                  size_t *event_count, auxo_error *error)
{
    char name[160];
    column_name(record, column, "", name, sizeof name);
    if (!auxo__archive_has(archive, PREFIX, name))
        return auxo_error_set(error, AUXO_FORMAT, "the checkpoint's history lacks %s", name);
    auxo_status status = auxo__archive_get_doubles(archive, PREFIX, name, &column->values, &column->count, error);
    column->capacity = column->count;
    *event_count = column->count;
    if (status != AUXO_OK || column->field->type != AUXO_FIELD_NUMBERS)
        return status;
    column_name(record, column, ".counts", name, sizeof name);
    status = auxo__archive_get_doubles(archive, PREFIX, name, &column->counts, event_count, error);
    double total = 0;
    bool whole = true;
    for (size_t i = 0; i < *event_count && status == AUXO_OK; i++) {
        total += column->counts[i];
        whole = whole && column->counts[i] >= 0 && column->counts[i] == floor(column->counts[i]);
    }
    if (status == AUXO_OK && (!whole || total != (double)column->count))
        return auxo_error_set(error, AUXO_FORMAT, "the checkpoint's %s does not fit its values", name);
    return status;
}

auxo_status auxo__history_restore(auxo__history *history, const auxo__archive *archive, auxo_error *error)
{
    for (size_t r = 0; r < history->record_count; r++) {
        auxo__event_record *record = &history->records[r];
        for (size_t c = 0; c < record->column_count; c++) {
            size_t event_count = 0;
            auxo_status status = restore_column(archive, record, &record->columns[c], &event_count, error);
            if (status != AUXO_OK)
                return status;
            if (c > 0 && event_count != record->event_count)
                return auxo_error_set(error, AUXO_FORMAT, "the checkpoint's history of \"%s\" has parts of two lengths",
                                      record->type->name);
            record->event_count = record->capacity = event_count;
        }
    }
    return AUXO_OK;
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

/* Values of the longest event. */
static size_t widest(const auxo__event_record *record, const auxo__column *column)
{
    double most = 0;
    for (size_t e = 0; column->counts && e < record->event_count; e++)
        most = column->counts[e] > most ? column->counts[e] : most;
    return (size_t)most;
}

static void write_heading(auxo__json *csv, const auxo__event_record *record)
{
    char name[96];
    for (size_t c = 0; c < record->column_count; c++) {
        const auxo__column *column = &record->columns[c];
        size_t width = column->field->type == AUXO_FIELD_NUMBERS ? widest(record, column) : 1;
        for (size_t i = 0; i < width; i++) {
            if (column->field->type == AUXO_FIELD_NUMBERS)
                snprintf(name, sizeof name, "%s%s_%zu", c + i ? "," : "", column->field->name, i + 1);
            else
                snprintf(name, sizeof name, "%s%s", c ? "," : "", column->field->name);
            auxo__json_append(csv, name, strlen(name));
        }
    }
    auxo__json_append(csv, "\n", 1);
}

static void write_cell(auxo__json *csv, double value, bool present, bool first)
{
    if (!first)
        auxo__json_append(csv, ",", 1);
    csv->needs_comma = false;
    if (present && value == value)
        auxo__json_number(csv, value);
}

auxo_status auxo__history_write_csv(const auxo__history *history, const char *event, const char *path,
                                    auxo_error *error)
{
    const auxo__event_record *record = auxo__history_find(history, event);
    auxo__json csv = {0};
    if (!record)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "csv: this method keeps no \"%s\" events", event);
    size_t *read = calloc(record->column_count + 1, sizeof *read);
    if (!read)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "csv: out of memory");
    write_heading(&csv, record);
    for (size_t e = 0; e < record->event_count; e++) {
        for (size_t c = 0; c < record->column_count; c++) {
            const auxo__column *column = &record->columns[c];
            bool list = column->field->type == AUXO_FIELD_NUMBERS;
            size_t width = list ? widest(record, column) : 1, here = list ? (size_t)column->counts[e] : 1;
            for (size_t i = 0; i < width; i++)
                write_cell(&csv, i < here ? column->values[read[c] + i] : 0, i < here, c + i == 0);
            read[c] += here;
        }
        auxo__json_append(&csv, "\n", 1);
    }
    free(read);
    auxo_status status = auxo__json_finish(&csv, error);
    if (status == AUXO_OK)
        status = auxo__file_write_atomic(path, csv.text, csv.used, error);
    auxo__json_deinit(&csv);
    return status;
}
