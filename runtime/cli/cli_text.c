/* runtime/cli/cli_text.c: edit distance, wrapping and number formats. Owns no state. */
#include "cli_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { WORD_MAX = 63 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance (Damerau 1964, restricted): three rows of the usual table. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t length_a = strlen(a), length_b = strlen(b);
    if (length_a > WORD_MAX || length_b > WORD_MAX)
        return (size_t)-1;
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    for (size_t j = 0; j <= length_b; j++)
        previous[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        current[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            size_t replace = previous[j - 1] + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            current[j] = smaller(replace, smaller(previous[j], current[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                current[j] = smaller(current[j], before[j - 2] + 1);
        }
        size_t *reused = before;
        before = previous;
        previous = current;
        current = reused;
    }
    return previous[length_b];
}

const char *cli_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2; /* one more than is accepted */
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, names[i]);
        if (distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

void cli_wrap(FILE *stream, const char *text, int column, int indent, int width)
{
    if (column < indent) {
        fprintf(stream, "%*s", indent - column, "");
        column = indent;
    }
    bool at_line_start = true;
    while (*text) {
        bool paragraph_ends = text[0] == '\n' && text[1] == '\n';
        if (!paragraph_ends && isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        int length = (int)strcspn(text, " \n\t");
        if (paragraph_ends || (!at_line_start && column + 1 + length > width)) {
            fprintf(stream, paragraph_ends ? "\n\n%*s" : "\n%*s", indent, "");
            column = indent;
            at_line_start = true;
            text += paragraph_ends ? 2 : 0;
            continue;
        }
        if (!at_line_start) {
            fputc(' ', stream);
            column++;
        }
        fwrite(text, 1, (size_t)length, stream);
        column += length;
        text += length;
        at_line_start = false;
    }
    fputc('\n', stream);
}
