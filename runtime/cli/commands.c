/* runtime/cli/commands.c: the list of commands. A new command is one line here. */
#include "commands.h"

#include "cli_text.h"

#include <stdlib.h>
#include <string.h>

/* C(identifier): the command is `const cli_command cli_command_<identifier>` in cmd_*.c. M("name"): it is a method. */
#define CLI_COMMAND_TABLE(C, M)                                                                                        \
    C(devices)                                                                                                         \
    M("train")                                                                                                         \
    M("sweep")                                                                                                         \
    C(eval)                                                                                                            \
    C(predict)                                                                                                         \
    C(verify)                                                                                                          \
    C(bench)                                                                                                           \
    C(bench_compare)                                                                                                   \
    C(bench_survival)                                                                                                  \
    C(bench_multiscale)                                                                                                \
    C(bench_audit)                                                                                                     \
    C(tune)                                                                                                            \
    C(data_list)                                                                                                       \
    C(data_info)                                                                                                       \
    C(data_fetch)                                                                                                      \
    C(data_make)                                                                                                       \
    C(data_pack)                                                                                                       \
    C(model_show)                                                                                                      \
    C(export)                                                                                                          \
    C(import)                                                                                                          \
    C(run)                                                                                                             \
    M("autosize")                                                                                                      \
    M("morph")                                                                                                         \
    M("resbuild")                                                                                                      \
    M("adapt")                                                                                                         \
    M("search")                                                                                                        \
    C(search_profile)                                                                                                  \
    C(study_show)                                                                                                      \
    C(study_best)                                                                                                      \
    C(study_export)                                                                                                    \
    C(study_report)                                                                                                    \
    C(study_merge)                                                                                                     \
    M("multiscale train")                                                                                              \
    M("multiscale sensitivity")                                                                                        \
    M("multiscale compare")                                                                                            \
    M("survival train")                                                                                                \
    C(survival_eval)                                                                                                   \
    C(survival_predict)                                                                                                \
    C(survival_simulate)                                                                                               \
    C(help)                                                                                                            \
    C(version)

#define NO_COMMAND(name)
#define CLI_COMMAND_DECLARE(identifier) extern const cli_command cli_command_##identifier;
CLI_COMMAND_TABLE(CLI_COMMAND_DECLARE, NO_COMMAND)
#undef CLI_COMMAND_DECLARE
#undef NO_COMMAND

static const struct command_entry {
    const cli_command *command;
    const char *method;
} entries[] = {
#define COMMAND_ENTRY(identifier) {&cli_command_##identifier, NULL},
#define METHOD_ENTRY(name) {NULL, name},
    CLI_COMMAND_TABLE(COMMAND_ENTRY, METHOD_ENTRY)
#undef COMMAND_ENTRY
#undef METHOD_ENTRY
};

enum { COMMAND_COUNT = sizeof entries / sizeof entries[0] };

auxo_status cli_command_list_create(cli_command_list *list, auxo_error *error)
{
    *list = (cli_command_list){.commands = calloc(COMMAND_COUNT, sizeof *list->commands)};
    if (!list->commands)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory at start");
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < COMMAND_COUNT && status == AUXO_OK; i++) {
        cli_command *command = &list->commands[list->count++];
        if (entries[i].command)
            *command = *entries[i].command;
        else
            status = cli_method_command(auxo_method_find(entries[i].method), command, error);
    }
    return status;
}

void cli_command_list_destroy(cli_command_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->commands[i].method)
            cli_method_command_deinit(&list->commands[i]);
    free(list->commands);
    *list = (cli_command_list){0};
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

static const cli_command *find_name(const cli_command_list *list, const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(list->commands[i].name, name) == 0)
            return &list->commands[i];
    return NULL;
}

/* The first word is that of two-word commands, the second is missing or unknown: list what there is. */
static auxo_status unknown_second_word(const cli_command_list *list, const char *first, const char *second,
                                       auxo_error *error)
{
    const char *names[COMMAND_COUNT];
    char known[256] = "";
    size_t count = 0, used = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const char *name = list->commands[i].name;
        size_t length = first_word_length(name);
        if (!starts_with_word(&list->commands[i], first) || name[length] == '\0')
            continue;
        names[count] = name + length + 1;
        if (used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", count ? ", " : "", names[count]);
        count++;
    }
    if (!second)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "\"auxo %s\" needs one of: %s", first, known);
    const char *nearest = cli_nearest(second, names, count);
    if (nearest)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown command \"%s %s\"; did you mean \"%s %s\"?", first,
                              second, first, nearest);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unknown command \"%s %s\"; \"%s\" needs one of: %s", first,
                          second, first, known);
}

const cli_command *cli_command_find(const cli_command_list *list, int count, char *const *words, int *used,
                                    auxo_error *error)
{
    char pair[96];
    bool has_second = count > 1 && words[1][0] != '-';
    if (has_second) {
        snprintf(pair, sizeof pair, "%s %s", words[0], words[1]);
        const cli_command *found = find_name(list, pair);
        *used = 2;
        if (found)
            return found;
    }
    const cli_command *found = find_name(list, words[0]);
    *used = 1;
    if (found)
        return found;
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (starts_with_word(&list->commands[i], words[0])) {
            unknown_second_word(list, words[0], has_second ? words[1] : NULL, error);
            return NULL;
        }
        names[i] = list->commands[i].name;
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
    case AUXO_NOT_FINITE:
        return 2; /* the message names the flag, file or data that must change before it can work */
    default:
        return 1;
    }
}
