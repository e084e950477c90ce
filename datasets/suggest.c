/* suggest.c: the words around auxo__text_nearest. Implements suggest.h. */
#include "suggest.h"

#include "text.h"

#include <stdio.h>

void auxo__suggest(const char *word, const char *const *words, size_t count, char *text, size_t text_size)
{
    const char *nearest = auxo__text_nearest(word, words, count);
    text[0] = '\0';
    if (nearest)
        snprintf(text, text_size, "; did you mean '%.60s'?", nearest);
}
