/* runtime/cli/cmd_help.c: auxo help [COMMAND|models|events]. */
#include "cli_help.h"

#include <string.h>

static const cli_option help_options[] = {
    {.name = "format",
     .type = CLI_CHOICE,
     .argument = "text|man|bash",
     .initial = "text",
     .help = "Form: text to read, the manual page, or a completion script for bash"},
    CLI_OPTIONS_END,
};

static auxo_status run(const cli_context *context, auxo_error *error)
{
    size_t count = cli_operand_count(context->arguments), format = cli_choice(context->arguments, "format");
    if (format == 1) {
        cli_help_man(stdout, context->commands);
    } else if (format == 2) {
        cli_help_bash(stdout, context->commands);
    } else if (count == 0) {
        cli_help_overview(stdout, context->commands);
    } else if (count == 1 && strcmp(cli_operand(context->arguments, 0), "models") == 0) {
        cli_help_models(stdout);
    } else if (count == 1 && strcmp(cli_operand(context->arguments, 0), "events") == 0) {
        cli_help_all_events(stdout);
    } else {
        char first[64], second[64];
        char *words[2] = {first, second};
        int used = 0;
        snprintf(first, sizeof first, "%s", cli_operand(context->arguments, 0));
        snprintf(second, sizeof second, "%s", count > 1 ? cli_operand(context->arguments, 1) : "");
        const cli_command *command = cli_command_find(context->commands, (int)count, words, &used, error);
        if (!command)
            return AUXO_INVALID_ARGUMENT;
        cli_help_command(stdout, command);
    }
    return AUXO_OK;
}

static const cli_option *const options[] = {help_options, cli_common_options, NULL};

const cli_command cli_command_help = {
    .name = "help",
    .operands = "[COMMAND|models|events]",
    .operand_max = 2,
    .summary = "explain the program, one command, how networks are described, or events",
    .options = options,
    .run = run,
};
