/* runtime/cli/commands.c: the list of commands. A new command is one line here. */
#include "commands.h"

#include "cli_text.h"

#include <string.h>

/* X(identifier): the command is `const cli_command cli_command_<identifier>` in cmd_*.c. */
#define CLI_COMMAND_TABLE(X)                                                                                           \
    X(devices)                                                                                                         \
    X(train)                                                                                                           \
    X(sweep)                                                                                                           \
    X(eval)                                                                                                            \
    X(predict)                                                                                                         \
    X(verify)                                                                                                          \
    X(bench)                                                                                                           \
    X(bench_compare)                                                                                                   \
    X(bench_survival)                                                                                                  \
    X(bench_multiscale)                                                                                                \
    X(bench_audit)                                                                                                     \
    X(tune)                                                                                                            \
    X(data_list)                                                                                                       \
    X(data_info)                                                                                                       \
    X(data_fetch)                                                                                                      \
    X(data_make)                                                                                                       \
    X(model_show)                                                                                                      \
    X(autosize)                                                                                                        \
    X(morph)                                                                                                           \
    X(resbuild)                                                                                                        \
    X(search)                                                                                                          \
    X(search_profile)                                                                                                  \
    X(multiscale_train)                                                                                                \
    X(multiscale_sensitivity)                                                                                          \
    X(multiscale_compare)                                                                                              \
    X(survival_train)                                                                                                  \
    X(survival_eval)                                                                                                   \
    X(survival_predict)                                                                                                \
    X(survival_simulate)                                                                                               \
    X(help)                                                                                                            \
    X(version)

#define CLI_COMMAND_DECLARE(identifier) extern const cli_command cli_command_##identifier;
CLI_COMMAND_TABLE(CLI_COMMAND_DECLARE)
#undef CLI_COMMAND_DECLARE

#define CLI_COMMAND_ENTRY(identifier) &cli_command_##identifier,
static const cli_command *const commands[] = {CLI_COMMAND_TABLE(CLI_COMMAND_ENTRY)};
#undef CLI_COMMAND_ENTRY

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

const cli_command *const *cli_commands(size_t *count)
{
    *count = COMMAND_COUNT;
    return commands;
}

/* "data" of "data list"; the whole name if it has one word. */
static size_t first_word_length(const char *name)
{
    return strcspn(name, " ");
}

static bool starts_with_word(const cli_command *command, const char *word)
{
    size_t length = first_word_length(command->name);
    return strlen(word) == length && strncmp(command->name, word, length) == 0;
}

static const cli_command *find_name(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* The first word is that of two-word commands, the second is missing or unknown: list what there is. */
static auxo_status unknown_second_word(const char *first, const char *second, auxo_error *error)
{
    const char *names[COMMAND_COUNT];
    char list[256] = "";
    size_t count = 0, used = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        size_t length = first_word_length(commands[i]->name);
        if (!starts_with_word(commands[i], first) || commands[i]->name[length] == '\0')
            continue;
        names[count] = commands[i]->name + length + 1;
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count ? ", " : "", names[count]);
        count++;
    }
    if (!second)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "\"auxo %s\" needs one of: %s", first, list);
    const char *nearest = cli_nearest(second, names, count);
    if (nearest)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown command \"%s %s\"; did you mean \"%s %s\"?", first,
                              second, first, nearest);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown command \"%s %s\"; \"%s\" needs one of: %s", first,
                          second, first, list);
}

const cli_command *cli_command_find(int count, char *const *words, int *used, auxo_error *error)
{
    char pair[96];
    bool has_second = count > 1 && words[1][0] != '-';
    if (has_second) {
        snprintf(pair, sizeof pair, "%s %s", words[0], words[1]);
        const cli_command *found = find_name(pair);
        *used = 2;
        if (found)
            return found;
    }
    const cli_command *found = find_name(words[0]);
    *used = 1;
    if (found)
        return found;
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (starts_with_word(commands[i], words[0])) {
            unknown_second_word(words[0], has_second ? words[1] : NULL, error);
            return NULL;
        }
        names[i] = commands[i]->name;
    }
    const char *nearest = cli_nearest(words[0], names, COMMAND_COUNT);
    if (nearest)
        auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown command \"%s\"; did you mean \"%s\"?", words[0], nearest);
    else
        auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown command \"%s\"; \"auxo help\" lists them", words[0]);
    return NULL;
}

int cli_exit_code(auxo_status status)
{
    switch (status) {
    case AUXO_OK:
        return 0;
    case AUXO_INVALID_ARGUMENT:
    case AUXO_NOT_FOUND:
    case AUXO_AMBIGUOUS:
    case AUXO_FORMAT:
    case AUXO_UNSUPPORTED:
    case AUXO_IO:
    case AUXO_NOT_FINITE:
    case AUXO_DEVICE_LOST:
        return 2; /* the message names the flag, file, device or data that must change before it can work */
    default:
        return 1;
    }
}
