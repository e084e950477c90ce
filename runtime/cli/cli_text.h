/* runtime/cli/cli_text.h: small text helpers of the program: nearest names, wrapped paragraphs, readable numbers. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "auxo/format.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The name nearest to `word` by edit distance (insert, delete, replace, swap of neighbours), or NULL if none is near
 * enough to be a likely slip (a third of the letters). */
const char *cli_nearest(const char *word, const char *const *names, size_t count);

/* Prints `text` wrapped to `width` columns, every line indented by `indent`; the first line starts at column
 * `column`, where the cursor already is. An empty line in the text stays one. */
void cli_wrap(FILE *stream, const char *text, int column, int indent, int width);

#endif
