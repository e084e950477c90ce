/* json.c: see json.h.
 */
#include "json.h"
#include "json_tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void auxo__json_append(auxo__json *json, const char *bytes, size_t size)
{
    if (json->failed)
        return;
    if (json->used + size + 1 > json->capacity) {
        size_t capacity = json->capacity ? 2 * json->capacity : 256;
        while (capacity < json->used + size + 1)
            capacity *= 2;
        char *grown = realloc(json->text, capacity);
        if (!grown) {
            json->failed = true;
            return;
        }
        json->text = grown;
        json->capacity = capacity;
    }
    memcpy(json->text + json->used, bytes, size);
    json->used += size;
    json->text[json->used] = '\0';
}

static void append(auxo__json *json, const char *text)
{
    auxo__json_append(json, text, strlen(text));
}

/* Before a value or a key: the comma that parts it from the one before. */
static void separate(auxo__json *json)
{
    if (json->needs_comma)
        append(json, ",");
    json->needs_comma = true;
}

void auxo__json_open(auxo__json *json, char bracket)
{
    separate(json);
    auxo__json_append(json, &bracket, 1);
    json->needs_comma = false;
}

void auxo__json_close(auxo__json *json, char bracket)
{
    auxo__json_append(json, &bracket, 1);
    json->needs_comma = true;
}

static void append_quoted(auxo__json *json, const char *text)
{
    append(json, "\"");
    for (const char *at = text; *at;) {
        size_t plain = 0;
        while ((unsigned char)at[plain] >= 0x20 && at[plain] != '"' && at[plain] != '\\' && at[plain] != 0x7f)
            plain++;
        auxo__json_append(json, at, plain);
        at += plain;
        if (!*at)
            break;
        char escape[8];
        if (*at == '"' || *at == '\\')
            snprintf(escape, sizeof escape, "\\%c", *at);
        else if (*at == '\n')
            snprintf(escape, sizeof escape, "\\n");
        else if (*at == '\t')
            snprintf(escape, sizeof escape, "\\t");
        else
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*at);
        append(json, escape);
        at++;
    }
    append(json, "\"");
}

void auxo__json_key(auxo__json *json, const char *key)
{
    separate(json);
    append_quoted(json, key);
    append(json, ":");
    json->needs_comma = false;
}

void auxo__json_text(auxo__json *json, const char *text)
{
    separate(json);
    if (text)
        append_quoted(json, text);
    else
        append(json, "null");
}

void auxo__json_number(auxo__json *json, double value)
{
    char text[AUXO__JSON_DIGITS_BYTES];
    separate(json);
    if (!isfinite(value)) {
        append(json, "null");
        return;
    }
    auxo__json_digits(value, text);
    append(json, text);
}

void auxo__json_bool(auxo__json *json, bool value)
{
    auxo__json_raw(json, value ? "true" : "false");
}

void auxo__json_raw(auxo__json *json, const char *value)
{
    separate(json);
    append(json, value ? value : "null");
}

auxo_status auxo__json_finish(auxo__json *json, auxo_error *error)
{
    if (!json->failed)
        append(json, "");
    if (!json->failed)
        return AUXO_OK;
    auxo__json_deinit(json);
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing JSON");
}

void auxo__json_deinit(auxo__json *json)
{
    free(json->text);
    *json = (auxo__json){0};
}
