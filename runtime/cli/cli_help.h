/* runtime/cli/cli_help.h: help in all its forms, generated from the command table. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "commands.h"

#include <stdio.h>

void cli_help_overview(FILE *stream, const cli_command_list *list); /* all commands, one line each */
void cli_help_command(FILE *stream, const cli_command *command);    /* everything about one command */
void cli_help_models(FILE *stream);                                 /* how networks are described */
void cli_help_all_events(FILE *stream);                             /* every event of every method, field by field */
void cli_help_man(FILE *stream, const cli_command_list *list);      /* auxo(1) in man(7) macros */
void cli_help_bash(FILE *stream, const cli_command_list *list);     /* completion script for bash */

/* The default of an option in a command; NULL: none. */
const char *cli_help_default(const cli_command *command, const cli_option *option);
/* What a method's events look like under --json, one line an event. */
void cli_help_events(FILE *stream, const cli_command *command, void (*print_line)(FILE *stream, const char *line));

#endif
