/* suggest.c: nearest name by Levenshtein distance, ignoring case. Implements suggest.h. */
#include "suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LENGTH = 63 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edits (insert, delete, replace) from a to b; both at most MAX_LENGTH long. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t b_length = strlen(b);
    size_t row[MAX_LENGTH + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_length; j++) {
            size_t replace = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
            diagonal = row[j + 1];
            row[j + 1] = least(row[j] + 1, row[j + 1] + 1, replace);
        }
    }
    return row[b_length];
}

void auxo__suggest(const char *name, auxo__name_at *name_at, const void *context, size_t count, char *text,
                   size_t text_size)
{
    const char *best = NULL;
    size_t best_distance = 0, length = strlen(name);
    text[0] = '\0';
    if (length > MAX_LENGTH)
        return;
    for (size_t i = 0; i < count; i++) {
        const char *candidate = name_at(context, i);
        if (strlen(candidate) > MAX_LENGTH)
            continue;
        size_t distance = edit_distance(name, candidate);
        if (!best || distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    if (best && best_distance <= 1 + length / 3)
        snprintf(text, text_size, "; did you mean '%s'?", best);
}
