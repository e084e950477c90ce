/* runtime/cli/main.c: the program `auxo`: finds the command, parses its options, runs it, turns its status into an exit
 * code. Owns the process: signals and standard streams. Commands are in cmd_*.c, listed by commands.c.
 *
 * `stop_signal` is the program's only mutable object at file scope: a signal handler can reach nothing else. Commands
 * see it as context->stop.
 */
#include "cli_cluster.h"
#include "cli_help.h"
#include "commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal;

/* The first signal asks for a graceful stop; the second one ends the process. */
static void request_stop(int signal_number)
{
    if (stop_signal)
        _exit(128 + signal_number);
    stop_signal = signal_number;
}

/* SIGUSR1 is what schedulers of clusters send before the time is up. A file-size limit is a failed write, not death. */
static void install_signal_handlers(void)
{
    struct sigaction action = {.sa_handler = request_stop};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGXFSZ, SIG_IGN);
}

static auxo_status check_operands(const cli_command *command, const cli_arguments *arguments, auxo_error *error)
{
    size_t count = cli_operand_count(arguments);
    if (count > command->operand_max)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "unexpected \"%s\"; see auxo help %s",
                              cli_operand(arguments, command->operand_max), command->name);
    if (count < command->operand_min)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo %s needs %s; see auxo help %s", command->name,
                              command->operands, command->name);
    return AUXO_OK;
}

/* What lives as long as the process works on one command. */
typedef struct process {
    cli_command_list commands;
    cli_output *output;
    char *command_line;
    bool resumable;
    bool alone; /* this process is known to be no rank of a job */
} process;

static auxo_status run_command(process *own, const cli_command *command, const cli_arguments *arguments,
                               auxo_error *error)
{
    auxo_cluster *cluster = NULL;
    auxo_status status = command->method ? cli_cluster_join(arguments, &stop_signal, &cluster, error) : AUXO_OK;
    own->alone = status == AUXO_OK && !cluster;
    const bool leads = auxo_cluster_rank(cluster) == 0;
    if (status == AUXO_OK)
        status = cli_output_create(cli_flag(arguments, "json"), leads ? cli_text(arguments, "log") : NULL, &own->output,
                                   error);
    if (status == AUXO_OK)
        status = check_operands(command, arguments, error);
    if (status != AUXO_OK)
        return cli_cluster_leave(cluster, status, error);
    cli_context context = {.command = command,
                           .arguments = arguments,
                           .output = own->output,
                           .stop = &stop_signal,
                           .commands = &own->commands,
                           .command_line = own->command_line,
                           .cluster = cluster,
                           .resumable = &own->resumable};
    return cli_cluster_leave(cluster, command->run(&context, error), error);
}

/* The rest of the words, once the command is known. */
static auxo_status run_words(process *own, const cli_command *command, int count, char *const *words, auxo_error *error)
{
    cli_arguments *arguments = NULL;
    char usage[128];
    snprintf(usage, sizeof usage, "%s [OPTION]... %s", command->name, command->operands ? command->operands : "");
    auxo_status status = cli_arguments_parse(command->options, command->defaults, command->operands ? usage : NULL,
                                             count, words, &arguments, error);
    if (status == AUXO_OK && cli_flag(arguments, "help"))
        cli_help_command(stdout, command);
    else if (status == AUXO_OK)
        status = run_command(own, command, arguments, error);
    cli_arguments_destroy(arguments);
    return status;
}

/* Words before the options name the command; --help and --version stand in for commands. */
static auxo_status dispatch(process *own, int count, char *const *words, auxo_error *error)
{
    static char version[] = "version";
    static char *const version_words[] = {version};
    int used = 0;
    if (count == 0 || strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0) {
        cli_help_overview(count == 0 ? stderr : stdout, &own->commands);
        return count > 0 ? AUXO_OK
                         : auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no command given; \"auxo help\" lists them");
    }
    bool asks_version = strcmp(words[0], "--version") == 0 || strcmp(words[0], "-V") == 0;
    const cli_command *command =
        cli_command_find(&own->commands, asks_version ? 1 : count, asks_version ? version_words : words, &used, error);
    if (!command)
        return AUXO_INVALID_ARGUMENT;
    if (strcmp(command->name, "run") != 0 || count == used || words[used][0] == '-')
        return run_words(own, command, count - used, words + used, error);
    char **expanded = NULL;
    auxo_status status = cli_run_file_words(&own->commands, count - used, words + used, &expanded, &command, error);
    if (status == AUXO_OK)
        status = run_words(own, command, count - used + 1, expanded, error);
    free(expanded);
    return status;
}

static bool asks_for_json(int count, char *const *words)
{
    for (int i = 0; i < count && strcmp(words[i], "--") != 0; i++)
        if (strcmp(words[i], "--json") == 0)
            return true;
    return false;
}

/* The words with spaces between them; NULL when out of memory. */
static char *join_words(int count, char *const *words)
{
    size_t size = sizeof "auxo", used = 0;
    for (int i = 0; i < count; i++)
        size += strlen(words[i]) + 3;
    char *joined = malloc(size);
    if (joined)
        used = (size_t)snprintf(joined, size, "auxo");
    for (int i = 0; joined && i < count; i++) {
        const char *quote = strpbrk(words[i], " ;|&$*\"") ? "'" : "";
        used += (size_t)snprintf(joined + used, size - used, " %s%s%s", quote, words[i], quote);
    }
    return joined;
}

int main(int argc, char **argv)
{
    install_signal_handlers();
    auxo_error error = {0};
    process own = {.command_line = join_words(argc - 1, argv + 1)};
    auxo_status status = cli_command_list_create(&own.commands, &error);
    if (status == AUXO_OK)
        status = dispatch(&own, argc - 1, argv + 1, &error);
    cli_command_list_destroy(&own.commands);
    free(own.command_line);
    const bool tells = own.alone || cli_cluster_tells();
    int code = status == AUXO_INTERRUPTED && own.resumable ? CLI_EXIT_RESUMABLE : cli_exit_code(status);
    if (status != AUXO_OK) {
        /* A bad option fails before there is an output; a reader of JSON still gets its last line. */
        if (!own.output && tells)
            cli_output_create(asks_for_json(argc - 1, argv + 1), NULL, &own.output, NULL);
        const char *message = error.message[0] ? error.message : auxo_status_text(status);
        if (own.output)
            cli_emit_error(own.output, status, code, message);
        auxo_status ended = cli_output_destroy(own.output, NULL);
        (void)ended; /* the first failure is the one to tell */
        if (tells)
            fprintf(stderr, "auxo: %s\n", message);
        return tells ? code : 0; /* a launcher tells of every process that fails */
    }
    status = cli_output_destroy(own.output, &error);
    if (status == AUXO_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = auxo_error_set(&error, AUXO_IO, "standard output could not be written in full");
    if (status != AUXO_OK)
        fprintf(stderr, "auxo: %s\n", error.message);
    return cli_exit_code(status);
}
