/* text.h: small text helpers shared by the layers: bounded appending, near misses, case-insensitive search.
 *
 * They exist for messages and for the project's own readable files; nothing here knows devices.
 */
#ifndef AUXO_BASE_TEXT_H
#define AUXO_BASE_TEXT_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends formatted text to the string in text[capacity]; returns false (text unchanged) if it does not fit. */
bool auxo__text_append(char *text, size_t capacity, const char *format, ...) AUXO_PRINTF(3, 4);

/* Copies into a fixed field, cutting what does not fit. */
void auxo__field_copy(char *target, size_t capacity, const char *source);

/* Whether `part` occurs in `text`, ignoring ASCII case. An empty part occurs everywhere. */
bool auxo__text_contains(const char *text, const char *part);

/* How many characters to insert, delete or replace turn `a` into `b`, ignoring case; where it is more than `limit`, any
 * number above that. Words of more than 64 characters are far from all. */
size_t auxo__text_distance(const char *a, const char *b, size_t limit);
/* The entry of words[count] nearest to `word` by edit distance ignoring case, or NULL if none is near enough to be a
 * likely misspelling (at most about a third of the length, at least 1). */
const char *auxo__text_nearest(const char *word, const char *const *words, size_t count);

/* A heap copy of `text` (NULL gives NULL); NULL as well when out of memory. */
char *auxo__text_duplicate(const char *text);

#endif
