/* suggest.h: "did you mean" for misspelt names of data sets and columns (internal to this folder). */
#ifndef AUXO_DATASETS_SUGGEST_H
#define AUXO_DATASETS_SUGGEST_H

#include <stddef.h>

typedef const char *auxo__name_at(const void *context, size_t index);

/* Writes "; did you mean 'x'?" for the nearest of `count` names within a third of its length in edits, else "". */
void auxo__suggest(const char *name, auxo__name_at *name_at, const void *context, size_t count, char *text,
                   size_t text_size);

#endif
