/* runtime/cli/cli_help.h: help in all its forms, generated from the command table. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "commands.h"

#include <stdio.h>

void cli_help_overview(FILE *stream);                            /* all commands, one line each */
void cli_help_command(FILE *stream, const cli_command *command); /* everything about one command */
void cli_help_models(FILE *stream);                             /* how networks are described */
void cli_help_man(FILE *stream);                                 /* auxo(1) in man(7) macros */
void cli_help_bash(FILE *stream);                                /* completion script for bash */

#endif
