/* suggest.h: "did you mean" for misspelt names of data sets, columns and values (internal to this folder). */
#ifndef AUXO_DATASETS_SUGGEST_H
#define AUXO_DATASETS_SUGGEST_H

#include <stddef.h>

/* Writes "; did you mean 'x'?" when one of words[count] is near `word`, else "". */
void auxo__suggest(const char *word, const char *const *words, size_t count, char *text, size_t text_size);

#endif
