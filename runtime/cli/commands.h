/* runtime/cli/commands.h: what a command of the program is, and the table of all of them.
 *
 * Methods of the library (auxo_methods) are commands by themselves: cmd_run.c runs them, their tables describe them.
 * To add a command:
 *   1. Write cmd_<name>.c: its option table(s), its run function, and one `const cli_command cli_command_<name>`.
 *   2. Add one line to CLI_COMMAND_TABLE in commands.c.
 * Nothing else: parsing, defaults, `--help`, `auxo help <name>`, the man page, shell completion, suggestions on
 * misspelt names, exit codes and error lines all follow from the table. A command of two words ("data list") has them
 * both in its name. A run function reads options with cli_text, cli_integer, ... (cli_options.h), writes through
 * context->output (cli_output.h), opens devices and data with cli_session.h, watches context->stop in long work, and
 * returns an auxo_status with one line in `error`; it never prints errors or exits.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "auxo/status.h"
#include "cli_options.h"
#include "cli_output.h"

struct cli_command;

/* What a run function works with; all of it is borrowed. */
typedef struct cli_context {
    const struct cli_command *command;
    const cli_arguments *arguments;
    cli_output *output;
    const volatile int
        *stop; /* becomes != 0 on SIGINT, SIGTERM or SIGUSR1: finish the step, save, return INTERRUPTED */
    const struct cli_command_list *commands;
    const char *command_line;     /* as it was typed */
    struct auxo_cluster *cluster; /* the job that this process is one rank of; NULL: none */
    bool *resumable;              /* set where an interrupted run can be resumed: the exit status says so */
} cli_context;

typedef struct cli_command {
    const char *name;     /* "train", or two words: "data list" */
    const char *operands; /* as help shows them, for example "FILE"; NULL: none are taken */
    size_t operand_min, operand_max;
    const char *summary;              /* one line, lower case, no full stop */
    const char *description;          /* paragraphs separated by an empty line; help wraps them */
    const char *events;               /* what --json prints, one event a line; NULL: only the final result */
    const char *examples;             /* complete command lines, shown as they are; NULL: none */
    const cli_option *const *options; /* NULL-ended list of tables; cli_common_options must be among them */
    auxo_status (*run)(const cli_context *context, auxo_error *error);
    const auxo_method *method;          /* of a command that is a method; else NULL */
    const auxo_setting_value *defaults; /* that differ from the tables'; NULL: none */
} cli_command;

/* All commands, in the order in which help shows them. */
typedef struct cli_command_list {
    size_t count;
    cli_command *commands;
} cli_command_list;
auxo_status cli_command_list_create(cli_command_list *list, auxo_error *error);
void cli_command_list_destroy(cli_command_list *list);

/* Finds the command that `words` starts with (two words before one) and says in *used how many words name it.
 * NULL with a message, and the nearest name, if there is none. */
const cli_command *cli_command_find(const cli_command_list *list, int count, char *const *words, int *used,
                                    auxo_error *error);

/* cmd_run.c: the command that a method is. Its tables are those of the method and the program's own. */
auxo_status cli_method_command(const auxo_method *method, cli_command *command, auxo_error *error);
void cli_method_command_deinit(cli_command *command);
/* cmd_run.c: FILE.json and further words of "auxo run" as words of the method that the file names: count + 1 of them,
 * borrowed. Ownership: free(*expanded). */
auxo_status cli_run_file_words(const cli_command_list *list, int count, char *const *words, char ***expanded,
                               const cli_command **command, auxo_error *error);

/* 0 success, 1 failed, 2 bad usage or bad input: what the process returns for a status. 3, interrupted and resumable,
 * is main.c's to tell. */
enum { CLI_EXIT_RESUMABLE = 3 };
int cli_exit_code(auxo_status status);

#endif
