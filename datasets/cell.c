/* cell.c: what one cell of text means: a number, a missing value, something meant as one of them, or a word.
 *
 * Implements the first part of cells.h. Only what is written as a plain number is read as one; the rest of the
 * distinctions serve the decision about a whole column and the words of messages.
 */
#include "cells.h"

#include "number.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum { CELL_BYTES = 64 }; /* longer cells are no numbers that somebody wrote */

char *auxo__trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

static void trim_span(const char **text, size_t *length)
{
    if (*length > 0 && **text > ' ' && (*text)[*length - 1] > ' ')
        return;
    while (*length > 0 && isspace((unsigned char)**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && isspace((unsigned char)(*text)[*length - 1]))
        (*length)--;
}

bool auxo__parse_number(const char *text, double *value)
{
    size_t length = strlen(text);
    trim_span(&text, &length);
    return auxo__decimal_parse(text, length, '.', value) && fabs(*value) <= FLT_MAX; /* f32, where it will end up */
}

bool auxo__is_named(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static bool is_missing(const char *text, size_t length, const auxo_table_format *format)
{
    if (length == 0 || (length == 1 && text[0] == '?'))
        return true;
    if ((*text | 0x20) == 'n' && (is_word(text, length, "NA") || is_word(text, length, "NaN")))
        return true;
    for (size_t i = 0; i < format->missing_text_count; i++)
        if (strlen(format->missing_texts[i]) == length && memcmp(format->missing_texts[i], text, length) == 0)
            return true;
    return false;
}

static bool is_missing_like(const char *text, size_t length)
{
    static const char *const words[] = {"null", "n/a", "#n/a", "<na>", "none", "nil",  "nul", "-",       "--",
                                        ".",    "..",  "na.",  "n.a.", "-nan", "+nan", "nat", "#value!", "#div/0!"};
    if (length > 8 || !strchr("nN#<-.+", *text)) /* what they begin with */
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(text, length, words[i]))
            return true;
    return false;
}

/* Takes the thousands marks out: groups of three digits after the first. False: not grouped like that. */
static bool ungroup(const char *text, size_t length, const auxo_table_format *format, char copy[CELL_BYTES],
                    size_t *copied)
{
    const char point = format->decimal ? format->decimal : '.';
    size_t digits = 0, groups = 0;
    bool whole = true;
    *copied = 0;
    if (length >= CELL_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (whole && c == format->thousands) {
            if (digits == 0 || digits > 3 || (groups > 0 && digits != 3))
                return false;
            digits = 0;
            groups++;
            continue;
        }
        if (whole && !isdigit((unsigned char)c) && (digits > 0 || groups > 0 || c == point)) {
            whole = false;
            if (groups > 0 && digits != 3)
                return false;
        }
        digits += isdigit((unsigned char)c) != 0;
        copy[(*copied)++] = c;
    }
    return !whole || groups == 0 || digits == 3;
}

static bool read_plain(const char *text, size_t length, const auxo_table_format *format, double *value)
{
    const char point = format->decimal ? format->decimal : '.';
    char copy[CELL_BYTES];
    if (!format->thousands || !memchr(text, format->thousands, length))
        return auxo__decimal_parse(text, length, point, value);
    size_t copied = 0;
    return ungroup(text, length, format, copy, &copied) && auxo__decimal_parse(copy, copied, point, value);
}

/* Number without its currency, per cent, minus sign, marks and blanks; hexadecimal; or infinite. */
static bool is_number_like(const char *text, size_t length)
{
    static const char *const dropped[] = {"$", "\xe2\x82\xac", "\xc2\xa3",     "\xc2\xa5",    "%", ",", " ", "'",
                                          "_", "\xc2\xa0",     "\xe2\x80\xaf", "\xe2\x80\x99"};
    static const char *const minus[] = {"\xe2\x88\x92", "\xe2\x80\x93", "\xe2\x80\x94"};
    char copy[CELL_BYTES];
    size_t copied = 0;
    double value = 0;
    if (length >= CELL_BYTES)
        return false;
    const char *unsigned_text = text + (*text == '-' || *text == '+');
    size_t unsigned_length = length - (size_t)(unsigned_text - text);
    if (is_word(unsigned_text, unsigned_length, "inf") || is_word(unsigned_text, unsigned_length, "infinity") ||
        is_word(unsigned_text, unsigned_length, "1.#inf"))
        return true;
    if ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z') /* which nothing below takes away */
        return false;
    if (unsigned_length > 2 && unsigned_text[0] == '0' && (unsigned_text[1] | 0x20) == 'x')
        return strspn(unsigned_text + 2, "0123456789abcdefABCDEF.") >= unsigned_length - 2;
    if (length > 2 && text[0] == '(' && text[length - 1] == ')') { /* accountants' minus */
        text++;
        length -= 2;
    }
    for (size_t i = 0; i < length;) {
        size_t step = 0;
        for (size_t d = 0; d < sizeof dropped / sizeof *dropped && step == 0; d++)
            if (strncmp(text + i, dropped[d], strlen(dropped[d])) == 0)
                step = strlen(dropped[d]);
        for (size_t d = 0; d < sizeof minus / sizeof *minus && step == 0; d++)
            if (strncmp(text + i, minus[d], strlen(minus[d])) == 0) {
                step = strlen(minus[d]);
                copy[copied++] = '-';
            }
        if (step == 0) {
            copy[copied++] = text[i] == ',' ? '.' : text[i];
            step = 1;
        }
        i += step;
    }
    return auxo__decimal_parse(copy, copied, '.', &value);
}

bool auxo__cell_is_missing(const char *text, size_t length, const auxo_table_format *format)
{
    trim_span(&text, &length);
    return is_missing(text, length, format);
}

auxo__cell_meaning auxo__cell_read(const char *text, size_t length, const auxo_table_format *format, double *value)
{
    trim_span(&text, &length);
    if (length > 0 && format->missing_text_count == 0 && read_plain(text, length, format, value))
        return fabs(*value) <= FLT_MAX ? AUXO__CELL_NUMBER : AUXO__CELL_NUMBER_LIKE;
    if (is_missing(text, length, format)) {
        *value = NAN;
        return AUXO__CELL_MISSING;
    }
    if (read_plain(text, length, format, value))
        return fabs(*value) <= FLT_MAX ? AUXO__CELL_NUMBER : AUXO__CELL_NUMBER_LIKE;
    char copy[CELL_BYTES];
    if (length >= CELL_BYTES)
        return AUXO__CELL_WORD;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (is_missing_like(copy, length))
        return AUXO__CELL_MISSING_LIKE;
    return is_number_like(copy, length) ? AUXO__CELL_NUMBER_LIKE : AUXO__CELL_WORD;
}

const char *auxo__cell_advice(auxo__cell_meaning meaning)
{
    switch (meaning) {
    case AUXO__CELL_MISSING_LIKE:
        return "name it among na-values if it means missing";
    case AUXO__CELL_NUMBER_LIKE:
        return "write it as a plain number, or set thousands or decimal, or name it among na-values";
    default:
        return "correct it, name it among na-values, or name the column in categorical to read it as text";
    }
}
