/* event_line.c: events as lines for people, from the templates of their types (auxo_event_type.line).
 */
#include "auxo/format.h"
#include "event.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct line_state {
    auxo__json text;
    const auxo_event *event;
} line_state;

static void append(line_state *line, const char *text)
{
    auxo__json_append(&line->text, text, strlen(text));
}

static const auxo_field *find_field(const auxo_event_type *type, const char *name, size_t length)
{
    for (const auxo_field *field = type->fields; field->name; field++)
        if (strlen(field->name) == length && strncmp(field->name, name, length) == 0)
            return field;
    return NULL;
}

/* Control characters of foreign names must not reach a terminal. */
static void append_plain(line_state *line, const char *text)
{
    for (; *text; text++) {
        char shown = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
        auxo__json_append(&line->text, &shown, 1);
    }
}

/* A text in a column: "-36s" fills up behind it. */
static void append_padded(line_state *line, const char *text, const char *format)
{
    long width = format[0] == '-' ? strtol(format + 1, NULL, 10) : 0;
    append_plain(line, text);
    for (long used = (long)strlen(text); used < width; used++)
        append(line, " ");
}

static void append_number(line_state *line, double value, const char *format, bool whole)
{
    char text[64], printf_format[24];
    if (strcmp(format, "count") == 0) {
        append(line, auxo_format_count(text, sizeof text, (uint64_t)(value > 0 ? value : 0)));
    } else if (strcmp(format, "bytes") == 0) {
        append(line, auxo_format_bytes(text, sizeof text, (uint64_t)(value > 0 ? value : 0)));
    } else if (strcmp(format, "duration") == 0) {
        append(line, auxo_format_duration(text, sizeof text, value));
    } else if (strcmp(format, "percent") == 0) {
        snprintf(text, sizeof text, "%.2f %%", 100 * value);
        append(line, text);
    } else {
        snprintf(printf_format, sizeof printf_format, "%%%s", format[0] ? format : whole ? ".0f" : "g");
        snprintf(text, sizeof text, printf_format, value);
        append(line, text);
    }
}

static void append_list(line_state *line, const auxo_numbers *numbers)
{
    for (size_t i = 0; i < numbers->count; i++) {
        if (i > 0)
            append(line, ",");
        append_number(line, numbers->values[i], "", false);
    }
}

static void append_field(line_state *line, const auxo_field *field, const char *format)
{
    const void *record = line->event->record;
    const char *at = (const char *)record + field->offset, *text = auxo__field_text(field, record);
    double value = 0;
    if (strcmp(format, "none") == 0)
        return;
    bool whole = field->type == AUXO_FIELD_U32 || field->type == AUXO_FIELD_U64;
    if (auxo__field_number(field, record, &value))
        append_number(line, value, format, whole);
    else if (field->type == AUXO_FIELD_NUMBERS)
        append_list(line, (const auxo_numbers *)(const void *)at);
    else if (text)
        append_padded(line, text, format);
}

/* Whether a field makes the [part] that it stands in worth showing. */
static bool applies(const line_state *line, const auxo_field *field)
{
    double value = 0;
    if (auxo__field_number(field, line->event->record, &value))
        return isfinite(value) && value != 0;
    const char *at = (const char *)line->event->record + field->offset;
    if (field->type == AUXO_FIELD_NUMBERS)
        return ((const auxo_numbers *)(const void *)at)->count > 0;
    return auxo__field_text(field, line->event->record) != NULL;
}

/* At '{': the field and its format; returns what follows '}'. */
static const char *parse_field(const line_state *line, const char *at, const auxo_field **field, char format[24])
{
    size_t length = strcspn(at + 1, ":}");
    const char *rest = at + 1 + length;
    *field = find_field(line->event->type, at + 1, length);
    size_t format_length = *rest == ':' ? strcspn(rest + 1, "}") : 0;
    snprintf(format, 24, "%.*s", (int)format_length, rest + 1);
    rest += *rest == ':' ? 1 + format_length : 0;
    return rest + (*rest == '}');
}

static bool part_applies(const line_state *line, const char *from, const char *to)
{
    while ((from = memchr(from, '{', (size_t)(to - from))) != NULL) {
        const auxo_field *field;
        char format[24];
        from = parse_field(line, from, &field, format);
        if (!field || !applies(line, field))
            return false;
    }
    return true;
}

auxo_status auxo_event_line(const auxo_event *event, char **text, auxo_error *error)
{
    line_state line = {.event = event};
    const char *at = event->type->line;
    *text = NULL;
    if (!at)
        return AUXO_OK;
    while (*at) {
        const auxo_field *field;
        char format[24];
        const char *end = *at == '[' ? strchr(at, ']') : NULL;
        if (*at == '{') {
            at = parse_field(&line, at, &field, format);
            if (field)
                append_field(&line, field, format);
        } else if (end && !part_applies(&line, at, end)) {
            at = end + 1;
        } else {
            if (*at != '[' && *at != ']')
                auxo__json_append(&line.text, at, 1);
            at++;
        }
    }
    auxo_status status = auxo__json_finish(&line.text, error);
    *text = line.text.text;
    return status;
}
