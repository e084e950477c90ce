/* runtime/report/markup.c: text that grows, with HTML escaping. */
#include "number.h"
#include "report_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for `extra` more characters and the terminating NUL. */
static bool reserve(auxo__markup *markup, size_t extra)
{
    if (markup->failed)
        return false;
    size_t needed = markup->length + extra + 1;
    if (needed <= markup->capacity)
        return true;
    size_t capacity = markup->capacity ? markup->capacity : 4096;
    while (capacity < needed)
        capacity *= 2;
    char *grown = realloc(markup->text, capacity);
    markup->failed = !grown;
    if (!grown)
        return false;
    markup->text = grown;
    markup->capacity = capacity;
    return true;
}

void auxo__markup_add(auxo__markup *markup, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = auxo__number_vprint(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !reserve(markup, (size_t)length))
        return;
    va_start(arguments, format);
    auxo__number_vprint(markup->text + markup->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    markup->length += (size_t)length;
}

void auxo__markup_escaped(auxo__markup *markup, const char *text)
{
    for (; text && *text; text++) {
        const char *replacement = NULL;
        switch (*text) {
        case '&':
            replacement = "&amp;";
            break;
        case '<':
            replacement = "&lt;";
            break;
        case '>':
            replacement = "&gt;";
            break;
        case '"':
            replacement = "&quot;";
            break;
        default:
            break;
        }
        size_t length = replacement ? strlen(replacement) : 1;
        char plain = (unsigned char)*text < ' ' && *text != '\n' && *text != '\t' ? ' ' : *text;
        if (!reserve(markup, length))
            return;
        memcpy(markup->text + markup->length, replacement ? replacement : &plain, length);
        markup->length += length;
        markup->text[markup->length] = '\0';
    }
}
