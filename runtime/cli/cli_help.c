/* runtime/cli/cli_help.c: help as plain text. The man page and shell completion are in cli_help_formats.c. */
#include "cli_help.h"

#include "cli_text.h"

#include <string.h>

enum { HELP_WIDTH = 100, HELP_COLUMN = 30 };

void cli_help_overview(FILE *stream)
{
    size_t count = 0;
    const cli_command *const *commands = cli_commands(&count);
    fputs("Usage: auxo COMMAND [OPTION]...\n"
          "Train, evaluate and compare neural networks on any device: cpu, opencl, vulkan.\n\n"
          "Commands:\n",
          stream);
    int widest = 0;
    for (size_t i = 0; i < count; i++)
        widest = (int)strlen(commands[i]->name) > widest ? (int)strlen(commands[i]->name) : widest;
    for (size_t i = 0; i < count; i++) {
        int column = fprintf(stream, "  %-*s  ", widest, commands[i]->name);
        cli_wrap(stream, commands[i]->summary, column, column, HELP_WIDTH);
    }
    fputs("\n\"auxo help COMMAND\" explains one. Exit status: 0 success, 1 failed, 2 bad usage or input.\n"
          "AUXO_DATA_DIR names the folder of data sets, AUXO_CACHE_DIR that of compiled kernels.\n",
          stream);
}

static void print_option(FILE *stream, const cli_option *option)
{
    int column = 0;
    if (option->type == CLI_FLAG)
        column = fprintf(stream, "  --%s%s ", option->initial ? "[no-]" : "", option->name);
    else
        column = fprintf(stream, "  --%s %s ", option->name, option->argument);
    if (column > HELP_COLUMN) {
        fputc('\n', stream);
        column = 0;
    }
    char text[1024];
    bool show_default = option->initial && option->type != CLI_FLAG;
    snprintf(text, sizeof text, "%s%s%s%s", option->help, show_default ? " (default: " : "",
             show_default ? option->initial : "", show_default ? ")" : "");
    cli_wrap(stream, text, column, HELP_COLUMN, HELP_WIDTH);
    for (const cli_preset *preset = option->presets; preset && preset->name; preset++) {
        column = fprintf(stream, "%*s%s: ", HELP_COLUMN, "", preset->name);
        cli_wrap(stream, preset->help, column, HELP_COLUMN + 2, HELP_WIDTH);
    }
}

static void print_indented_lines(FILE *stream, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        fprintf(stream, "  %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

void cli_help_command(FILE *stream, const cli_command *command)
{
    fprintf(stream, "Usage: auxo %s [OPTION]...%s%s\n", command->name, command->operands ? " " : "",
            command->operands ? command->operands : "");
    cli_wrap(stream, command->description ? command->description : command->summary, 0, 0, HELP_WIDTH);
    fputs("\nOptions:\n", stream);
    for (const cli_option *const *table = command->options; *table; table++)
        for (const cli_option *option = *table; option->name; option++)
            print_option(stream, option);
    if (command->events) {
        fputs("\nWith --json:\n", stream);
        print_indented_lines(stream, command->events);
    }
    if (command->examples) {
        fputs("\nExamples:\n", stream);
        print_indented_lines(stream, command->examples);
    }
}
