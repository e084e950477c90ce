/* text.c: the text helpers of text.h. Plain loops over short strings; no locale. */
#include "text.h"
#include "number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool auxo__text_append(char *text, size_t capacity, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    int length = auxo__number_vprint(text + used, capacity - used, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= capacity - used) {
        text[used] = '\0';
        return false;
    }
    return true;
}

void auxo__field_copy(char *target, size_t capacity, const char *source)
{
    size_t length = strlen(source);
    if (length >= capacity)
        length = capacity - 1;
    memmove(target, source, length);
    target[length] = '\0';
}

bool auxo__text_contains(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (; strlen(text) >= length; text++) {
        if (strncasecmp(text, part, length) == 0)
            return true;
        if (*text == '\0')
            break;
    }
    return false;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Levenshtein distance, one row at a time. Words longer than the row count as far away. */
size_t auxo__text_distance(const char *a, const char *b, size_t limit)
{
    enum { ROW_MAX = 65 };
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    const size_t difference = a_length > b_length ? a_length - b_length : b_length - a_length;
    if (a_length >= ROW_MAX || b_length >= ROW_MAX)
        return ROW_MAX;
    if (difference > limit)
        return difference;
    size_t row[ROW_MAX];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *auxo__text_nearest(const char *word, const char *const *words, size_t count)
{
    size_t limit = (strlen(word) + 1) / 3;
    if (limit < 1)
        limit = 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = auxo__text_distance(word, words[i], limit);
        if (distance <= limit && distance < strlen(words[i])) {
            nearest = words[i];
            if (distance == 0)
                break;
            limit = distance - 1;
        }
    }
    return nearest;
}

char *auxo__text_duplicate(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}
