/* runtime/cli/cli_help_formats.c: the man page and the bash completion, written from the command table. */
#include "cli_help.h"

#include <string.h>

/* Text for troff: backslashes and dashes escaped, no line that starts with a control character. */
static void print_troff(FILE *stream, const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stream);
        if (*text == '\\')
            fputs("\\e", stream);
        else if (*text == '-')
            fputs("\\-", stream);
        else if (text[0] == '\n' && text[1] == '\n')
            fputs("\n.PP", stream);
        else
            fputc(*text, stream);
        line_start = *text == '\n';
    }
    fputc('\n', stream);
}

static void print_man_option(FILE *stream, const cli_command *command, const cli_option *option)
{
    fputs(".TP\n", stream);
    if (option->type == CLI_FLAG)
        fprintf(stream, ".B \\-\\-%s%s\n", option->initial ? "[no\\-]" : "", option->name);
    else
        fprintf(stream, ".BI \\-\\-%s \" %s\"\n", option->name, option->argument);
    print_troff(stream, option->help);
    const char *initial = command ? cli_help_default(command, option) : option->initial;
    if (initial && option->type != CLI_FLAG) {
        fputs("Default: ", stream);
        print_troff(stream, initial);
    }
    for (const cli_preset *preset = option->presets; preset && preset->name; preset++) {
        fputs(".br\n", stream);
        fprintf(stream, ".B %s\n", preset->name);
        print_troff(stream, preset->help);
    }
}

static void print_man_command(FILE *stream, const cli_command *command)
{
    fprintf(stream, ".SS auxo %s%s%s\n", command->name, command->operands ? " " : "",
            command->operands ? command->operands : "");
    print_troff(stream, command->description ? command->description : command->summary);
    for (const cli_option *const *table = command->options; *table; table++)
        for (const cli_option *option = *table; *table != cli_common_options && option->name; option++)
            print_man_option(stream, command, option);
    const char *const literal[] = {command->events, command->examples};
    const char *const headings[] = {"With \\-\\-json:", "Examples:"};
    for (size_t i = 0; i < 2; i++) {
        if (!literal[i])
            continue;
        fprintf(stream, ".PP\n%s\n.nf\n", headings[i]);
        print_troff(stream, literal[i]);
        fputs(".fi\n", stream);
    }
    if (command->method) {
        fputs(".PP\nWith \\-\\-json:\n.nf\n", stream);
        cli_help_events(stream, command, print_troff);
        fputs(".fi\n", stream);
    }
}

void cli_help_man(FILE *stream, const cli_command_list *list)
{
    size_t count = list->count;
    fprintf(stream, ".TH AUXO 1 \"\" \"auxo %s\" \"User Commands\"\n", AUXO_VERSION);
    fputs(".SH NAME\nauxo \\- train, evaluate and compare neural networks on any device\n"
          ".SH SYNOPSIS\n.B auxo\n.I COMMAND\n[\\fIOPTION\\fR]...\n"
          ".SH COMMON OPTIONS\nEvery command takes these.\n",
          stream);
    for (const cli_option *option = cli_common_options; option->name; option++)
        print_man_option(stream, NULL, option);
    fputs(".SH COMMANDS\n", stream);
    for (size_t i = 0; i < count; i++)
        print_man_command(stream, &list->commands[i]);
    fputs(".SH EXIT STATUS\n.TP\n.B 0\nsuccess\n.TP\n.B 1\nfailed\n.TP\n.B 2\nbad usage or input\n"
          ".TP\n.B 3\ninterrupted and saved: it can be resumed\n"
          ".SH ENVIRONMENT\n.TP\n.B AUXO_DATA_DIR\nfolder of data sets\n"
          ".TP\n.B AUXO_CACHE_DIR\nfolder of compiled kernels and self\\-test results\n",
          stream);
}

/* Words of all commands at position 0 or 1 (under `first`), without repeats: names are ordered by first word. */
static void print_words(FILE *stream, const cli_command_list *list, const char *first)
{
    size_t count = list->count;
    const char *previous = "";
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(list->commands[i].name, " ");
        bool same_first = first && strlen(first) == length && strncmp(first, list->commands[i].name, length) == 0;
        if (first && same_first && list->commands[i].name[length] == ' ')
            fprintf(stream, " %s", list->commands[i].name + length + 1);
        bool repeated = strlen(previous) >= length && strncmp(previous, list->commands[i].name, length) == 0 &&
                        (previous[length] == ' ' || previous[length] == '\0');
        if (!first && !repeated)
            fprintf(stream, " %.*s", (int)length, list->commands[i].name);
        previous = list->commands[i].name;
    }
}

/* A command of one word also answers for its name with an operand behind it. */
static void print_bash_options(FILE *stream, const cli_command *command)
{
    bool one_word = !strchr(command->name, ' ');
    fprintf(stream, "    '%s'%s) options='", command->name, one_word ? "*" : "");
    for (const cli_option *const *table = command->options; *table; table++)
        for (const cli_option *option = *table; option->name; option++)
            fprintf(stream, " --%s", option->name);
    fputs("' ;;\n", stream);
}

void cli_help_bash(FILE *stream, const cli_command_list *list)
{
    size_t count = list->count;
    fputs("# bash completion for auxo; generated by: auxo help --format bash\n"
          "_auxo() {\n"
          "    local word=\"${COMP_WORDS[COMP_CWORD]}\" first=\"${COMP_WORDS[1]}\" options=''\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '",
          stream);
    print_words(stream, list, NULL);
    fputs("' -- \"$word\"))\n        return\n    fi\n    local name=\"$first\"\n    case \"$first\" in\n", stream);
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(list->commands[i].name, " ");
        bool starts_group = list->commands[i].name[length] == ' ' &&
                            (i == 0 || strncmp(list->commands[i - 1].name, list->commands[i].name, length + 1) != 0);
        if (!starts_group)
            continue;
        char first[64];
        snprintf(first, sizeof first, "%.*s", (int)length, list->commands[i].name);
        fprintf(stream,
                "    %s)\n        if [ \"$COMP_CWORD\" -eq 2 ] && [ \"${word#-}\" = \"$word\" ]; then\n            "
                "COMPREPLY=($(compgen -W '",
                first);
        print_words(stream, list, first);
        fputs("' -- \"$word\"))\n            return\n        fi\n        name=\"$first ${COMP_WORDS[2]}\" ;;\n",
              stream);
    }
    fputs("    esac\n    case \"$name\" in\n", stream);
    for (int words = 2; words >= 1; words--)
        for (size_t i = 0; i < count; i++)
            if ((strchr(list->commands[i].name, ' ') != NULL) == (words == 2))
                print_bash_options(stream, &list->commands[i]);
    fputs("    esac\n"
          "    case \"$word\" in\n"
          "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
          "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
          "    esac\n}\ncomplete -o filenames -F _auxo auxo\n",
          stream);
}
