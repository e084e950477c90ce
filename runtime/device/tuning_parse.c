/* tuning_parse.c: reading tuning text, line by line. The format is in auxo/tune.h.
 *
 * A line that cannot be understood is logged as "file:line: what" and left out; the rest of the file still counts.
 * Whether ops, variants and parameters exist is not known here.
 */
#include "text.h"
#include "tuning.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tuning_parser {
    const char *file;
    uint32_t line;
    auxo_log_function *log;
    void *log_user;
    auxo_tuning *tuning;
    /* The section that entries belong to. */
    bool in_section;
    char backend[sizeof((auxo_tuning_entry *)0)->backend];
    auxo_tuning_scope scope;
    char name[sizeof((auxo_tuning_entry *)0)->name];
} tuning_parser;

static void complain(const tuning_parser *parser, const char *what, const char *word)
{
    if (!parser->log)
        return;
    char message[512];
    snprintf(message, sizeof message, "%s:%u: %s%s%s%s; the line is ignored", parser->file, (unsigned)parser->line,
             what, word ? " '" : "", word ? word : "", word ? "'" : "");
    parser->log(parser->log_user, AUXO_LOG_WARNING, message);
}

/* Cuts the next word out of *text; NULL at the end of the line. */
static char *next_word(char **text)
{
    char *start = *text + strspn(*text, " \t\r");
    if (*start == '\0')
        return NULL;
    char *end = start + strcspn(start, " \t\r");
    *text = *end ? end + 1 : end;
    *end = '\0';
    return start;
}

/* Copies a field; complains and returns false if it is too long. */
static bool take(const tuning_parser *parser, char *target, size_t capacity, const char *word)
{
    if (strlen(word) >= capacity) {
        complain(parser, "too long:", word);
        return false;
    }
    auxo__field_copy(target, capacity, word);
    return true;
}

static void open_section(tuning_parser *parser, auxo_tuning_scope scope, char *rest)
{
    parser->in_section = false; /* entries after a broken section line must not land in the section before it */
    rest += strspn(rest, " \t\r");
    char *name = "";
    if (scope != AUXO_TUNING_DEFAULT) {
        char *end = rest[0] == '"' ? strchr(rest + 1, '"') : NULL;
        if (!end || end == rest + 1) {
            complain(parser, "a device or vendor section needs a name in quotes", NULL);
            return;
        }
        *end = '\0';
        name = rest + 1;
        rest = end + 1;
    }
    if (rest[strspn(rest, " \t\r")] != '\0') {
        complain(parser, "text after the section's name:", rest);
        return;
    }
    if (!take(parser, parser->name, sizeof parser->name, name))
        return;
    parser->scope = scope;
    parser->in_section = true;
}

static void open_backend(tuning_parser *parser, char *rest)
{
    parser->in_section = false;
    char *name = next_word(&rest);
    if (!name || next_word(&rest))
        complain(parser, "'backend' needs one name", NULL);
    else
        take(parser, parser->backend, sizeof parser->backend, name);
}

/* "name=value" into the entry; variant=... is text, the rest are integers. */
static bool take_setting(const tuning_parser *parser, auxo_tuning_entry *entry, char *word)
{
    char *equals = strchr(word, '=');
    if (!equals || equals == word || !equals[1]) {
        complain(parser, "expected name=value instead of", word);
        return false;
    }
    *equals = '\0';
    const char *value = equals + 1;
    if (strcmp(word, "variant") == 0)
        return take(parser, entry->variant, sizeof entry->variant, value);
    char *end = NULL;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (*end || errno || number < INT32_MIN || number > INT32_MAX) {
        complain(parser, "not an integer:", value);
        return false;
    }
    if (entry->parameter_count == AUXO_TUNING_PARAMETERS_MAX) {
        complain(parser, "too many parameters, from", word);
        return false;
    }
    auxo_tuning_parameter *parameter = &entry->parameters[entry->parameter_count++];
    parameter->value = (int32_t)number;
    return take(parser, parameter->name, sizeof parameter->name, word);
}

static auxo_status take_entry(tuning_parser *parser, const char *op, char *rest, auxo_error *error)
{
    auxo_tuning_entry entry = {.scope = parser->scope, .line = parser->line};
    const char *shape_class = next_word(&rest);
    if (!parser->in_section) {
        complain(parser, "no section (device, vendor or default) is open for", op);
        return AUXO_OK;
    }
    if (!shape_class || strchr(shape_class + 1, '=')) {
        complain(parser, "expected a shape class or 'any' after", op);
        return AUXO_OK;
    }
    auxo__field_copy(entry.backend, sizeof entry.backend, parser->backend);
    auxo__field_copy(entry.name, sizeof entry.name, parser->name);
    if (!take(parser, entry.op, sizeof entry.op, op) ||
        !take(parser, entry.shape_class, sizeof entry.shape_class, shape_class))
        return AUXO_OK;
    for (char *word = next_word(&rest); word; word = next_word(&rest)) {
        if (!take_setting(parser, &entry, word))
            return AUXO_OK;
    }
    if (!entry.variant[0]) {
        complain(parser, "no variant=... for", op);
        return AUXO_OK;
    }
    auxo_error reason = {0};
    auxo_status status = auxo_tuning_set(parser->tuning, &entry, &reason);
    if (status == AUXO_INVALID_ARGUMENT) {
        complain(parser, "illegal characters for", op);
        return AUXO_OK;
    }
    return status ? auxo_error_set(error, status, "%s", reason.message) : AUXO_OK;
}

/* Ends the line at the first '#' outside quotes. */
static void cut_comment(char *line)
{
    bool quoted = false;
    for (; *line; line++) {
        quoted ^= *line == '"';
        if (*line == '#' && !quoted)
            *line = '\0';
        if (*line == '\0')
            return;
    }
}

static auxo_status take_line(tuning_parser *parser, char *line, auxo_error *error)
{
    cut_comment(line);
    char *rest = line;
    char *first = next_word(&rest);
    if (!first)
        return AUXO_OK;
    if (strcmp(first, "backend") == 0) {
        open_backend(parser, rest);
        return AUXO_OK;
    }
#define TRY_SCOPE(scope_name, keyword)                                                                                 \
    if (strcmp(first, #keyword) == 0) {                                                                                \
        open_section(parser, AUXO_TUNING_##scope_name, rest);                                                          \
        return AUXO_OK;                                                                                                \
    }
    AUXO_TUNING_SCOPE_TABLE(TRY_SCOPE)
#undef TRY_SCOPE
    return take_entry(parser, first, rest, error);
}

auxo_status auxo__tuning_parse(const char *file, const char *text, auxo_log_function *log, void *log_user,
                               auxo_tuning *tuning, auxo_error *error)
{
    tuning_parser parser = {.file = file, .log = log, .log_user = log_user, .tuning = tuning};
    char *copy = auxo__text_duplicate(text);
    if (!copy)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading '%s'", file);
    auxo_status status = AUXO_OK;
    for (char *line = copy; line && status == AUXO_OK;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        parser.line++;
        status = take_line(&parser, line, error);
        line = end ? end + 1 : NULL;
    }
    free(copy);
    return status;
}
