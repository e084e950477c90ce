/* event.c: fields of event records, and events as JSON lines.
 */
#include "event.h"

#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool auxo__field_number(const auxo_field *field, const void *record, double *value)
{
    const char *at = (const char *)record + field->offset;
    switch (field->type) {
    case AUXO_FIELD_BOOL:
        *value = *(const bool *)at;
        return true;
    case AUXO_FIELD_U32:
        *value = *(const uint32_t *)at;
        return true;
    case AUXO_FIELD_U64:
        *value = (double)*(const uint64_t *)at;
        return true;
    case AUXO_FIELD_REAL:
        *value = *(const double *)at;
        return true;
    case AUXO_FIELD_FLOAT:
        *value = *(const float *)at;
        return true;
    default:
        return false;
    }
}

const char *auxo__field_text(const auxo_field *field, const void *record)
{
    const char *at = (const char *)record + field->offset;
    if (field->type == AUXO_FIELD_CHARS)
        return *at ? at : NULL;
    if (field->type == AUXO_FIELD_TEXT || field->type == AUXO_FIELD_JSON)
        return *(const char *const *)(const void *)at;
    return NULL;
}

static void write_fields(auxo__json *json, const auxo_event_type *type, const void *record);

static void write_records(auxo__json *json, const auxo_records *records)
{
    auxo__json_open(json, '[');
    for (size_t i = 0; i < records->count; i++) {
        auxo__json_open(json, '{');
        write_fields(json, records->type, (const char *)records->items + i * records->stride);
        auxo__json_close(json, '}');
    }
    auxo__json_close(json, ']');
}

static void write_numbers(auxo__json *json, const auxo_numbers *numbers)
{
    auxo__json_open(json, '[');
    for (size_t i = 0; i < numbers->count; i++)
        auxo__json_number(json, numbers->values[i]);
    auxo__json_close(json, ']');
}

static bool is_missing(const auxo_field *field, const void *record)
{
    double number = 0;
    if (auxo__field_number(field, record, &number))
        return !isfinite(number);
    if (field->type == AUXO_FIELD_NUMBERS)
        return !((const auxo_numbers *)(const void *)((const char *)record + field->offset))->values;
    if (field->type == AUXO_FIELD_RECORDS)
        return !((const auxo_records *)(const void *)((const char *)record + field->offset))->items;
    return !auxo__field_text(field, record);
}

static void write_fields(auxo__json *json, const auxo_event_type *type, const void *record)
{
    for (const auxo_field *field = type->fields; field->name; field++) {
        const char *at = (const char *)record + field->offset;
        double number = 0;
        bool missing = is_missing(field, record);
        if (field->flags & AUXO_FIELD_LINE_ONLY ||
            (missing && (field->flags & AUXO_FIELD_OPTIONAL || field->type == AUXO_FIELD_JSON)))
            continue;
        auxo__json_key(json, field->name);
        if (missing)
            auxo__json_raw(json, NULL);
        else if (field->type == AUXO_FIELD_BOOL)
            auxo__json_bool(json, *(const bool *)at);
        else if (auxo__field_number(field, record, &number))
            auxo__json_number(json, number);
        else if (field->type == AUXO_FIELD_NUMBERS)
            write_numbers(json, (const auxo_numbers *)(const void *)at);
        else if (field->type == AUXO_FIELD_RECORDS)
            write_records(json, (const auxo_records *)(const void *)at);
        else if (field->type == AUXO_FIELD_JSON)
            auxo__json_raw(json, auxo__field_text(field, record));
        else
            auxo__json_text(json, auxo__field_text(field, record));
    }
}

auxo_status auxo_event_json(const auxo_event *event, char **text, auxo_error *error)
{
    auxo__json json = {0};
    auxo__json_open(&json, '{');
    auxo__json_key(&json, "event");
    auxo__json_text(&json, event->type->name);
    write_fields(&json, event->type, event->record);
    auxo__json_close(&json, '}');
    auxo_status status = auxo__json_finish(&json, error);
    *text = json.text;
    return status;
}
