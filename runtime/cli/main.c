/* runtime/cli/main.c: the program `auxo`: finds the command, parses its options, runs it, turns its status into an exit
 * code. Owns the process: signals and standard streams. Commands are in cmd_*.c, listed by commands.c.
 *
 * `stop_signal` is the program's only mutable object at file scope: a signal handler can reach nothing else. Commands
 * see it as context->stop.
 */
#include "cli_help.h"
#include "commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stop_signal;

static void request_stop(int signal_number)
{
    stop_signal = signal_number;
}

/* The first signal asks for a graceful stop; the second one ends the process, as the handler is gone then. */
static void install_signal_handlers(void)
{
    struct sigaction action = {.sa_handler = request_stop};
    action.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
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

static auxo_status run_command(const cli_command *command, const cli_arguments *arguments, cli_output **output,
                               auxo_error *error)
{
    auxo_status status = cli_output_create(cli_flag(arguments, "json"), cli_text(arguments, "log"), output, error);
    if (status == AUXO_OK)
        status = check_operands(command, arguments, error);
    if (status != AUXO_OK)
        return status;
    cli_context context = {.command = command, .arguments = arguments, .output = *output, .stop = &stop_signal};
    return command->run(&context, error);
}

/* Words before the options name the command; --help and --version stand in for commands. */
static auxo_status dispatch(int count, char *const *words, cli_output **output, auxo_error *error)
{
    static char version[] = "version";
    static char *const version_words[] = {version};
    int used = 0;
    if (count == 0 || strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0) {
        cli_help_overview(count == 0 ? stderr : stdout);
        return count > 0 ? AUXO_OK
                         : auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no command given; \"auxo help\" lists them");
    }
    bool asks_version = strcmp(words[0], "--version") == 0 || strcmp(words[0], "-V") == 0;
    const cli_command *command =
        cli_command_find(asks_version ? 1 : count, asks_version ? version_words : words, &used, error);
    if (!command)
        return AUXO_INVALID_ARGUMENT;
    cli_arguments *arguments = NULL;
    auxo_status status = cli_arguments_parse(command->options, count - used, words + used, &arguments, error);
    if (status == AUXO_OK && cli_flag(arguments, "help"))
        cli_help_command(stdout, command);
    else if (status == AUXO_OK)
        status = run_command(command, arguments, output, error);
    cli_arguments_destroy(arguments);
    return status;
}

static bool asks_for_json(int count, char *const *words)
{
    for (int i = 0; i < count && strcmp(words[i], "--") != 0; i++)
        if (strcmp(words[i], "--json") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    install_signal_handlers();
    auxo_error error = {0};
    cli_output *output = NULL;
    auxo_status status = dispatch(argc - 1, argv + 1, &output, &error);
    if (status != AUXO_OK) {
        /* A bad option fails before there is an output; a reader of JSON still gets its last line. */
        if (!output)
            cli_output_create(asks_for_json(argc - 1, argv + 1), NULL, &output, NULL);
        const char *message = error.message[0] ? error.message : auxo_status_text(status);
        if (output)
            cli_emit_error(output, status, cli_exit_code(status), message);
        auxo_status ended = cli_output_destroy(output, NULL);
        (void)ended; /* the first failure is the one to tell */
        fprintf(stderr, "auxo: %s\n", message);
        return cli_exit_code(status);
    }
    status = cli_output_destroy(output, &error);
    if (status != AUXO_OK)
        fprintf(stderr, "auxo: %s\n", error.message);
    return cli_exit_code(status);
}
