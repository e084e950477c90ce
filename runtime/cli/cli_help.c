/* runtime/cli/cli_help.c: help as plain text. The man page and shell completion are in cli_help_formats.c. */
#include "cli_help.h"

#include "cli_text.h"

#include <string.h>

enum { HELP_WIDTH = 100, HELP_COLUMN = 30 };

void cli_help_overview(FILE *stream, const cli_command_list *list)
{
    size_t count = list->count;
    fputs("Usage: auxo COMMAND [OPTION]...\n"
          "Train, evaluate and compare neural networks on any device: cpu, opencl, vulkan.\n\n"
          "Commands:\n",
          stream);
    int widest = 0;
    for (size_t i = 0; i < count; i++)
        widest = (int)strlen(list->commands[i].name) > widest ? (int)strlen(list->commands[i].name) : widest;
    for (size_t i = 0; i < count; i++) {
        int column = fprintf(stream, "  %-*s  ", widest, list->commands[i].name);
        cli_wrap(stream, list->commands[i].summary, column, column, HELP_WIDTH);
    }
    fputs("\n\"auxo help COMMAND\" explains one. Exit status: 0 success, 1 failed, 2 bad usage or\n"
          "input, 3 interrupted (SIGINT, SIGTERM, SIGUSR1) and saved: --resume goes on.\n"
          "AUXO_DATA_DIR names the folder of data sets, AUXO_CACHE_DIR that of compiled kernels.\n",
          stream);
}

const char *cli_help_default(const cli_command *command, const cli_option *option)
{
    for (const auxo_setting_value *value = command->defaults; value && value->setting; value++)
        if (strcmp(value->setting, option->name) == 0)
            return value->value;
    return option->initial;
}

static void print_option(FILE *stream, const cli_command *command, const cli_option *option)
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
    const char *initial = cli_help_default(command, option);
    bool show_default = initial && option->type != CLI_FLAG;
    snprintf(text, sizeof text, "%s%s%s%s", option->help, show_default ? " (default: " : "",
             show_default ? initial : "", show_default ? ")" : "");
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

/* {"event":"epoch","epoch":..,...} */
static void describe_event(const auxo_event_type *type, char *line, size_t size)
{
    size_t used = (size_t)snprintf(line, size, "{\"event\":\"%s\"", type->name);
    for (const auxo_field *field = type->fields; field->name && used < size; field++) {
        bool list = field->type == AUXO_FIELD_NUMBERS || field->type == AUXO_FIELD_RECORDS;
        if (!(field->flags & AUXO_FIELD_LINE_ONLY))
            used += (size_t)snprintf(line + used, size - used, ",\"%s\":%s", field->name, list ? "[..]" : "..");
    }
    if (used < size)
        snprintf(line + used, size - used, "}");
}

void cli_help_events(FILE *stream, const cli_command *command, void (*print_line)(FILE *stream, const char *line))
{
    char line[1024];
    const auxo_method_info info = auxo_method_describe(command->method);
    for (const auxo_event_type *const *type = info.events; *type; type++) {
        describe_event(*type, line, sizeof line);
        print_line(stream, line);
    }
    print_line(stream, "What does not apply is null.");
}

void cli_help_command(FILE *stream, const cli_command *command)
{
    fprintf(stream, "Usage: auxo %s [OPTION]...%s%s\n", command->name, command->operands ? " " : "",
            command->operands ? command->operands : "");
    cli_wrap(stream, command->description ? command->description : command->summary, 0, 0, HELP_WIDTH);
    fputs("\nOptions:\n", stream);
    for (const cli_option *const *table = command->options; *table; table++)
        for (const cli_option *option = *table; option->name; option++)
            print_option(stream, command, option);
    if (command->events || command->method)
        fputs("\nWith --json:\n", stream);
    if (command->events)
        print_indented_lines(stream, command->events);
    if (command->method)
        cli_help_events(stream, command, print_indented_lines);
    if (command->examples) {
        fputs("\nExamples:\n", stream);
        print_indented_lines(stream, command->examples);
    }
}
