/* runtime/cli/cli_options.c: parses words by option tables.
 *
 * Invariant: after a successful parse every slot's text is NULL or valid for its option's type, so getters convert
 * without checking again.
 */
#include "cli_options.h"

#include "cli_text.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const cli_option cli_common_options[] = {
    {.name = "help", .type = CLI_FLAG, .help = "Show this help and exit"},
    {.name = "json",
     .type = CLI_FLAG,
     .help = "Print one JSON object per line instead of text; the last has \"event\":\"result\""},
    {.name = "log",
     .type = CLI_TEXT,
     .argument = "LEVEL|FILE",
     .initial = "warning",
     .help = "Show messages from this level on (debug, info, warning, error), or write all of them to a file"},
    CLI_OPTIONS_END,
};

typedef struct slot {
    const cli_option *option;
    const char *text; /* given or default; FLAG: "yes" or NULL */
    bool given;
} slot;

struct cli_arguments {
    size_t slot_count, operand_count;
    slot *slots;
    const char **operands;
};

enum { NAMES_MAX = 96 };

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool parse_integer(const char *text, uint64_t *value)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_real(const char *text, double *value)
{
    char *end = NULL;
    *value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

static bool parse_seconds(const char *text, double *value)
{
    char *end = NULL;
    *value = strtod(text, &end);
    if (end == text || !isfinite(*value) || *value < 0)
        return false;
    if (strcmp(end, "m") == 0)
        *value *= 60;
    else if (strcmp(end, "h") == 0)
        *value *= 3600;
    else if (strcmp(end, "s") != 0 && *end != '\0')
        return false;
    return true;
}

/* Position of `text` among "a|b|c", or -1. */
static int choice_index(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int index = 0; *choices; index++) {
        size_t here = strcspn(choices, "|");
        if (here == length && strncmp(choices, text, length) == 0)
            return index;
        choices += here + (choices[here] == '|');
    }
    return -1;
}

static auxo_status check_choice(const cli_option *option, const char *text, auxo_error *error)
{
    if (choice_index(option->argument, text) >= 0)
        return AUXO_OK;
    char copy[256];
    const char *names[32];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", option->argument);
    for (char *rest = copy, *name; count < 32 && (name = strtok_r(rest, "|", &rest)) != NULL;)
        names[count++] = name;
    const char *nearest = cli_nearest(text, names, count);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: \"%s\" is not one of %s%s%s%s", option->name, text,
                          option->argument, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                          nearest ? "\"?" : "");
}

static auxo_status check_number(const cli_option *option, const char *text, auxo_error *error)
{
    double value = 0;
    uint64_t integer = 0;
    const char *expected = "a number";
    bool valid = false;
    if (option->type == CLI_INTEGER) {
        expected = "a whole number of 0 or more";
        valid = parse_integer(text, &integer);
        value = (double)integer;
    } else if (option->type == CLI_SECONDS) {
        expected = "a time such as 90s, 1.5m or 2h";
        valid = parse_seconds(text, &value);
    } else {
        valid = parse_real(text, &value);
    }
    if (!valid)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: \"%s\" is not %s", option->name, text, expected);
    bool limited = option->minimum != 0 || option->maximum != 0;
    if (limited && option->maximum > option->minimum && (value < option->minimum || value > option->maximum))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: %s is outside %g to %g", option->name, text,
                              option->minimum, option->maximum);
    if (limited && value < option->minimum)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: %s is below %g", option->name, text,
                              option->minimum);
    return AUXO_OK;
}

static auxo_status check_value(const cli_option *option, const char *text, auxo_error *error)
{
    switch (option->type) {
    case CLI_CHOICE:
        return check_choice(option, text, error);
    case CLI_INTEGER:
    case CLI_REAL:
    case CLI_SECONDS:
        return check_number(option, text, error);
    case CLI_TEXT:
        if (*text == '\0')
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s: the value is empty", option->name);
        return AUXO_OK;
    case CLI_FLAG:
        return AUXO_OK;
    }
    return AUXO_OK;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static slot *find_exact(const cli_arguments *arguments, const char *name, size_t length)
{
    for (size_t i = 0; i < arguments->slot_count; i++) {
        const char *candidate = arguments->slots[i].option->name;
        if (strlen(candidate) == length && strncmp(candidate, name, length) == 0)
            return &arguments->slots[i];
    }
    return NULL;
}

static auxo_status unknown_option(const cli_arguments *arguments, const char *name, size_t length, auxo_error *error)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (; count < arguments->slot_count && count < NAMES_MAX; count++)
        names[count] = arguments->slots[count].option->name;
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    const char *nearest = cli_nearest(word, names, count);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown option --%s%s%s%s", word,
                          nearest ? "; did you mean --" : "; see --help", nearest ? nearest : "", nearest ? "?" : "");
}

/* Exact name, else the only one that starts so. */
static auxo_status find_option(const cli_arguments *arguments, const char *name, size_t length, slot **found,
                               auxo_error *error)
{
    *found = find_exact(arguments, name, length);
    for (size_t i = 0; !*found && i < arguments->slot_count; i++) {
        if (length == 0 || strncmp(arguments->slots[i].option->name, name, length) != 0)
            continue;
        for (size_t j = i + 1; j < arguments->slot_count; j++) {
            if (strncmp(arguments->slots[j].option->name, name, length) == 0)
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%.*s could be --%s or --%s", (int)length, name,
                                      arguments->slots[i].option->name, arguments->slots[j].option->name);
        }
        *found = &arguments->slots[i];
    }
    return *found ? AUXO_OK : unknown_option(arguments, name, length, error);
}

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

static size_t count_options(const cli_option *const *tables)
{
    size_t count = 0;
    for (; *tables; tables++)
        for (const cli_option *option = *tables; option->name; option++)
            count++;
    return count;
}

static void fill_slots(cli_arguments *arguments, const cli_option *const *tables)
{
    size_t index = 0;
    for (; *tables; tables++)
        for (const cli_option *option = *tables; option->name; option++)
            arguments->slots[index++] = (slot){.option = option, .text = option->initial};
}

/* One option word; takes the next word as its value where it needs one. *used: words consumed. */
static auxo_status parse_option(cli_arguments *arguments, int word_count, char *const *words, int *used,
                                auxo_error *error)
{
    const char *name = words[0] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    slot *found = NULL;
    bool negated = false;
    *used = 1;
    if (strncmp(name, "no-", 3) == 0 && !find_exact(arguments, name, length)) {
        found = find_exact(arguments, name + 3, length - 3);
        negated = found && found->option->type == CLI_FLAG;
    }
    if (!negated && find_option(arguments, name, length, &found, error) != AUXO_OK)
        return AUXO_INVALID_ARGUMENT;
    const cli_option *option = found->option;
    if (option->type == CLI_FLAG) {
        if (value)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s takes no value (given: \"%s\")", option->name,
                                  value);
        value = negated ? NULL : "yes";
    } else if (!value) {
        if (word_count < 2 || strncmp(words[1], "--", 2) == 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s needs a value: --%s %s", option->name,
                                  option->name, option->argument);
        value = words[1];
        *used = 2;
    }
    found->text = value;
    found->given = true;
    return value ? check_value(option, value, error) : AUXO_OK;
}

static auxo_status parse_words(cli_arguments *arguments, int word_count, char *const *words, auxo_error *error)
{
    for (int i = 0; i < word_count;) {
        const char *word = words[i];
        if (strcmp(word, "--") == 0) {
            for (i++; i < word_count; i++)
                arguments->operands[arguments->operand_count++] = words[i];
        } else if (strncmp(word, "--", 2) == 0) {
            int used = 1;
            auxo_status status = parse_option(arguments, word_count - i, words + i, &used, error);
            if (status != AUXO_OK)
                return status;
            i += used;
        } else if (strcmp(word, "-h") == 0) {
            find_exact(arguments, "help", 4)->text = "yes";
            i++;
        } else if (word[0] == '-' && word[1] != '\0') {
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown option %s; options start with two dashes",
                                  word);
        } else {
            arguments->operands[arguments->operand_count++] = word;
            i++;
        }
    }
    return AUXO_OK;
}

/* Puts the values of the chosen preset where the command line gave none. */
static auxo_status apply_preset(cli_arguments *arguments, const cli_preset *preset, auxo_error *error)
{
    for (size_t i = 0; i < CLI_PRESET_VALUES_MAX && preset->values[i].option; i++) {
        const char *name = preset->values[i].option, *value = preset->values[i].value;
        slot *found = find_exact(arguments, name, strlen(name));
        assert(found && "the preset's option is in no table of this command");
        if (found->given)
            continue;
        found->given = true;
        found->text = found->option->type == CLI_FLAG && strcmp(value, "no") == 0 ? NULL : value;
        auxo_status status = found->text ? check_value(found->option, value, error) : AUXO_OK;
        if (status != AUXO_OK)
            return auxo_error_wrap(error, status, "preset %s", preset->name);
    }
    return AUXO_OK;
}

static auxo_status apply_presets(cli_arguments *arguments, auxo_error *error)
{
    for (size_t i = 0; i < arguments->slot_count; i++) {
        const slot *s = &arguments->slots[i];
        if (!s->option->presets || !s->text)
            continue;
        auxo_status status =
            apply_preset(arguments, &s->option->presets[choice_index(s->option->argument, s->text)], error);
        if (status != AUXO_OK)
            return status;
    }
    return AUXO_OK;
}

auxo_status cli_arguments_parse(const cli_option *const *tables, int word_count, char *const *words,
                                cli_arguments **arguments, auxo_error *error)
{
    cli_arguments *parsed = calloc(1, sizeof *parsed);
    *arguments = parsed;
    if (!parsed)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory while parsing options");
    parsed->slot_count = count_options(tables);
    parsed->slots = calloc(parsed->slot_count + 1, sizeof *parsed->slots);
    parsed->operands = calloc((size_t)word_count + 1, sizeof *parsed->operands);
    auxo_status status = AUXO_OK;
    if (!parsed->slots || !parsed->operands) {
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory while parsing options");
    } else {
        fill_slots(parsed, tables);
        status = parse_words(parsed, word_count, words, error);
        if (status == AUXO_OK)
            status = apply_presets(parsed, error);
    }
    if (status != AUXO_OK) {
        cli_arguments_destroy(parsed);
        *arguments = NULL;
    }
    return status;
}

void cli_arguments_destroy(cli_arguments *arguments)
{
    if (!arguments)
        return;
    free(arguments->slots);
    free(arguments->operands);
    free(arguments);
}

/* ---- getters ----------------------------------------------------------------------------------------------------- */

static const slot *get(const cli_arguments *arguments, const char *name)
{
    const slot *found = find_exact(arguments, name, strlen(name));
    assert(found && "option is in no table of this command");
    return found;
}

bool cli_given(const cli_arguments *arguments, const char *name)
{
    return get(arguments, name)->given;
}

bool cli_flag(const cli_arguments *arguments, const char *name)
{
    return get(arguments, name)->text != NULL;
}

const char *cli_text(const cli_arguments *arguments, const char *name)
{
    return get(arguments, name)->text;
}

uint64_t cli_integer(const cli_arguments *arguments, const char *name)
{
    const slot *found = get(arguments, name);
    uint64_t value = 0;
    if (found->text)
        parse_integer(found->text, &value);
    return value;
}

double cli_real(const cli_arguments *arguments, const char *name)
{
    const slot *found = get(arguments, name);
    double value = 0;
    if (found->text && found->option->type == CLI_SECONDS)
        parse_seconds(found->text, &value);
    else if (found->text)
        parse_real(found->text, &value);
    return value;
}

size_t cli_choice(const cli_arguments *arguments, const char *name)
{
    const slot *found = get(arguments, name);
    assert(found->option->type == CLI_CHOICE && found->text);
    return (size_t)choice_index(found->option->argument, found->text);
}

size_t cli_operand_count(const cli_arguments *arguments)
{
    return arguments->operand_count;
}

const char *cli_operand(const cli_arguments *arguments, size_t index)
{
    return index < arguments->operand_count ? arguments->operands[index] : NULL;
}
