/* runtime/cli/cli_options.c: words into settings: `--name VALUE`, `--name=VALUE`, `--flag`, `--no-flag`, unique
 * abbreviations, `--` ends the options. What a value may be is the settings' business.
 */
#include "cli_options.h"

#include "cli_text.h"

#include <stdlib.h>
#include <string.h>

const cli_option cli_common_options[] = {
    {.name = "help", .type = CLI_FLAG, .help = "Show this help and exit", .role = AUXO_SETTING_FREE},
    {.name = "json",
     .type = CLI_FLAG,
     .help = "Print one JSON object per line instead of text; the last has \"event\":\"result\"",
     .role = AUXO_SETTING_FREE},
    {.name = "log",
     .type = CLI_TEXT,
     .argument = "LEVEL|FILE",
     .initial = "warning",
     .help = "Show messages from this level on (debug, info, warning, error), or write all of them to a file",
     .role = AUXO_SETTING_FREE},
    CLI_OPTIONS_END,
};

struct cli_arguments {
    auxo_settings *settings;
    size_t operand_count;
    const char **operands;
    const char *usage; /* of the command, for messages; NULL: it takes no operands */
};

/* ---- names ------------------------------------------------------------------------------------------------------- */

typedef struct name_search {
    const cli_option *exact, *first, *second; /* first, second: of those that begin so */
} name_search;

static name_search search_name(const cli_option *const *tables, const char *name, size_t length)
{
    name_search search = {0};
    for (; *tables; tables++)
        for (const cli_option *option = *tables; option->name; option++) {
            if (length == 0 || strncmp(option->name, name, length) != 0)
                continue;
            if (option->name[length] == '\0')
                search.exact = option;
            else if (!search.first)
                search.first = option;
            else if (!search.second)
                search.second = option;
        }
    return search;
}

/* Options of which `word` is the last part: epochs for dynamic-epochs. "; did you mean --a or --b?", or "". */
static void suggest_longer(const char *const *names, size_t count, const char *word, char *text, size_t size)
{
    size_t used = 0, found = 0;
    const size_t length = strlen(word);
    text[0] = '\0';
    for (size_t i = 0; i < count && found < 3; i++) {
        const size_t longer = strlen(names[i]);
        if (length < 3 || longer <= length + 1 || names[i][longer - length - 1] != '-' ||
            strcmp(names[i] + longer - length, word) != 0)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s--%s", found++ ? " or " : "; did you mean ", names[i]);
        if (used >= size)
            return;
    }
    if (found)
        snprintf(text + used, size - used, "?");
}

static auxo_status unknown_option(const cli_arguments *arguments, const char *name, size_t length, auxo_error *error)
{
    enum { NAMES_MAX = 256 };
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (const cli_option *const *tables = auxo_settings_tables(arguments->settings); *tables; tables++)
        for (const cli_option *option = *tables; option->name && count < NAMES_MAX; option++)
            names[count++] = option->name;
    char word[64], hint[256];
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    const char *nearest = cli_nearest(word, names, count);
    suggest_longer(names, count, word, hint, sizeof hint);
    if (nearest)
        snprintf(hint, sizeof hint, "; did you mean --%s?", nearest);
    else if (!hint[0] && arguments->usage)
        snprintf(hint, sizeof hint, "; usage: auxo %s", arguments->usage);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown option --%s%s", word, hint[0] ? hint : "; see --help");
}

/* Exact name, else the only one that starts so. */
static auxo_status find_option(const cli_arguments *arguments, const char *name, size_t length,
                               const cli_option **found, auxo_error *error)
{
    const name_search search = search_name(auxo_settings_tables(arguments->settings), name, length);
    if (!search.exact && search.second)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%.*s could be --%s or --%s", (int)length, name,
                              search.first->name, search.second->name);
    *found = search.exact ? search.exact : search.first;
    return *found ? AUXO_OK : unknown_option(arguments, name, length, error);
}

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

/* Messages of settings begin with the setting's name: two dashes make it the option's. */
static auxo_status set_option(cli_arguments *arguments, const char *name, const char *value, auxo_error *error)
{
    auxo_error reason = {AUXO_OK, ""};
    auxo_status status = auxo_settings_set(arguments->settings, name, value, &reason);
    if (status == AUXO_OK)
        return AUXO_OK;
    bool named = strncmp(reason.message, name, strlen(name)) == 0;
    return auxo_error_set(error, status, "%s%.480s", named ? "--" : "", reason.message);
}

/* One option word; takes the next word as its value where it needs one. *used: words consumed. */
static auxo_status parse_option(cli_arguments *arguments, int word_count, char *const *words, int *used,
                                auxo_error *error)
{
    const cli_option *const *tables = auxo_settings_tables(arguments->settings);
    const char *name = words[0] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const cli_option *option = NULL;
    bool negated = false;
    *used = 1;
    if (strncmp(name, "no-", 3) == 0 && !search_name(tables, name, length).exact) {
        option = search_name(tables, name + 3, length - 3).exact;
        negated = option && option->type == AUXO_SETTING_FLAG;
    }
    if (!negated && (find_option(arguments, name, length, &option, error) != AUXO_OK || !option))
        return AUXO_INVALID_ARGUMENT;
    if (option->type == AUXO_SETTING_FLAG) {
        if (value)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s takes no value (given: \"%s\")", option->name,
                                  value);
        value = negated ? "no" : "yes";
    } else if (!value) {
        if (word_count < 2 || strncmp(words[1], "--", 2) == 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--%s needs a value: --%s %s", option->name,
                                  option->name, option->argument);
        value = words[1];
        *used = 2;
    }
    return set_option(arguments, option->name, value, error);
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
            auxo_status status = set_option(arguments, "help", "yes", error);
            if (status != AUXO_OK)
                return status;
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

auxo_status cli_arguments_parse(const cli_option *const *tables, const auxo_setting_value *defaults, const char *usage,
                                int word_count, char *const *words, cli_arguments **arguments, auxo_error *error)
{
    cli_arguments *parsed = calloc(1, sizeof *parsed);
    *arguments = parsed;
    if (!parsed)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory while parsing options");
    parsed->usage = usage;
    parsed->operands = calloc((size_t)word_count + 1, sizeof *parsed->operands);
    auxo_status status = parsed->operands
                             ? auxo_settings_create_from(tables, defaults, &parsed->settings, error)
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory while parsing options");
    if (status == AUXO_OK)
        status = parse_words(parsed, word_count, words, error);
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
    auxo_settings_destroy(arguments->settings);
    free(arguments->operands);
    free(arguments);
}

/* ---- getters ----------------------------------------------------------------------------------------------------- */

auxo_settings *cli_arguments_settings(const cli_arguments *arguments)
{
    return arguments->settings;
}

bool cli_given(const cli_arguments *arguments, const char *name)
{
    return auxo_settings_given(arguments->settings, name);
}

bool cli_flag(const cli_arguments *arguments, const char *name)
{
    return auxo_settings_flag(arguments->settings, name);
}

const char *cli_text(const cli_arguments *arguments, const char *name)
{
    return auxo_settings_text(arguments->settings, name);
}

uint64_t cli_integer(const cli_arguments *arguments, const char *name)
{
    return auxo_settings_integer(arguments->settings, name);
}

double cli_real(const cli_arguments *arguments, const char *name)
{
    return auxo_settings_real(arguments->settings, name);
}

size_t cli_choice(const cli_arguments *arguments, const char *name)
{
    return auxo_settings_choice(arguments->settings, name);
}

size_t cli_operand_count(const cli_arguments *arguments)
{
    return arguments->operand_count;
}

const char *cli_operand(const cli_arguments *arguments, size_t index)
{
    return index < arguments->operand_count ? arguments->operands[index] : NULL;
}
