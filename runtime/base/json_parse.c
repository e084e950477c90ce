/* json_parse.c: JSON texts into cJSON's trees, and whether a failure was the text's or for want of memory.
 *
 * The check afterwards needs no memory. It takes only what cJSON takes: what passes it, and was not read, was not read
 * for want of memory.
 */
#include "json.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { NUMBER_MAX = 62 }; /* characters of a number that cJSON reads */

typedef struct scanner {
    const char *at, *end;
} scanner;

static void skip_space(scanner *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) && *scan->at)
        scan->at++;
}

/* Takes that character if it is next. */
static bool take(scanner *scan, char wanted)
{
    if (scan->at == scan->end || *scan->at != wanted)
        return false;
    scan->at++;
    return true;
}

static bool take_word(scanner *scan, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return false;
    scan->at += length;
    return true;
}

static bool take_digits(scanner *scan)
{
    const char *begin = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > begin;
}

static bool take_number(scanner *scan)
{
    const char *begin = scan->at;
    take(scan, '-');
    if (!take(scan, '0') && !take_digits(scan))
        return false;
    if (take(scan, '.') && !take_digits(scan))
        return false;
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+'))
            take(scan, '-');
        if (!take_digits(scan))
            return false;
    }
    return scan->at - begin <= NUMBER_MAX;
}

/* Four hexadecimal digits; -1: none. */
static long take_code(scanner *scan)
{
    long code = 0;
    for (int i = 0; i < 4; i++, scan->at++) {
        char c = scan->at < scan->end ? *scan->at : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        code = 16 * code + digit;
    }
    return code;
}

/* What follows a backslash; halves of a pair only together. */
static bool take_escape(scanner *scan)
{
    if (!take(scan, 'u')) {
        bool known = scan->at < scan->end && *scan->at && strchr("\"\\/bfnrt", *scan->at);
        scan->at += known;
        return known;
    }
    long first = take_code(scan);
    if (first < 0 || (first >= 0xDC00 && first <= 0xDFFF))
        return false;
    if (first < 0xD800 || first > 0xDBFF)
        return true;
    if (!take_word(scan, "\\u"))
        return false;
    long second = take_code(scan);
    return second >= 0xDC00 && second <= 0xDFFF;
}

static bool take_string(scanner *scan)
{
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->end && *scan->at != '"') {
        if ((unsigned char)*scan->at < 0x20)
            return false;
        if (*scan->at++ == '\\' && !take_escape(scan))
            return false;
    }
    return take(scan, '"');
}

static bool take_key(scanner *scan)
{
    skip_space(scan);
    bool good = take_string(scan);
    skip_space(scan);
    return good && take(scan, ':');
}

/* A value that holds no others, or the opening bracket of one that does: then *opened is its closing one. */
static bool take_start(scanner *scan, char *opened)
{
    *opened = '\0';
    skip_space(scan);
    if (take(scan, '{'))
        *opened = '}';
    else if (take(scan, '['))
        *opened = ']';
    else if (scan->at < scan->end && *scan->at == '"')
        return take_string(scan);
    else
        return take_word(scan, "true") || take_word(scan, "false") || take_word(scan, "null") || take_number(scan);
    return true;
}

static bool is_well_formed(const char *text, size_t size_bytes)
{
    scanner scan = {text, text + size_bytes};
    char open[CJSON_NESTING_LIMIT]; /* the closing brackets that are still to come */
    size_t depth = 0;
    for (;;) {
        char opened;
        if (!take_start(&scan, &opened))
            return false;
        skip_space(&scan);
        if (opened && !take(&scan, opened)) {
            if (depth + 1 >= sizeof open || (opened == '}' && !take_key(&scan)))
                return false;
            open[depth++] = opened;
            continue;
        }
        /* A value has ended, and perhaps what it is in. */
        skip_space(&scan);
        while (depth > 0 && take(&scan, open[depth - 1])) {
            depth--;
            skip_space(&scan);
        }
        if (depth == 0)
            return scan.at == scan.end;
        if (!take(&scan, ',') || (open[depth - 1] == '}' && !take_key(&scan)))
            return false;
    }
}

bool auxo__json_count(const struct cJSON *item, uint64_t most, uint64_t *value)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > (double)most)
        return false;
    uint64_t whole = (uint64_t)item->valuedouble;
    if ((double)whole != item->valuedouble)
        return false;
    *value = whole;
    return true;
}

/* Whether nothing but space follows what was read. */
static bool ends_there(const char *end, const char *text, size_t size_bytes)
{
    scanner rest = {end, text + size_bytes};
    skip_space(&rest);
    return rest.at == rest.end;
}

auxo_status auxo__json_parse(const char *text, size_t size_bytes, struct cJSON **root, auxo_error *error)
{
    const char *end = NULL;
    *root = cJSON_ParseWithLengthOpts(text, size_bytes, &end, false);
    if (*root && ends_there(end, text, size_bytes))
        return AUXO_OK;
    if (!*root && is_well_formed(text, size_bytes))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading JSON");
    cJSON_Delete(*root);
    *root = NULL;
    size_t line = 1;
    for (const char *at = text; end && at < end; at++)
        line += *at == '\n';
    return auxo_error_set(error, AUXO_FORMAT, "not valid JSON: syntax error in line %zu", line);
}
