/* runtime/cli/cli_options.h: GNU-style options, described by tables.
 *
 * Owns parsing (`--name VALUE`, `--name=VALUE`, `--flag`, `--no-flag`, unique abbreviations, `--` ends the options),
 * checking and defaults. Knows no option by name: commands bring tables, and shared tables are joined in.
 * Values are checked while parsing, so the getters cannot fail; asking a getter for a name that is in no table of the
 * command is a programming error (assert).
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "auxo/run.h"

/* Options are settings (auxo/run.h), whether of a method or of the program. */
typedef auxo_setting cli_option;
typedef auxo_preset cli_preset;
#define CLI_FLAG AUXO_SETTING_FLAG
#define CLI_TEXT AUXO_SETTING_TEXT
#define CLI_INTEGER AUXO_SETTING_INTEGER
#define CLI_REAL AUXO_SETTING_REAL
#define CLI_SECONDS AUXO_SETTING_SECONDS
#define CLI_CHOICE AUXO_SETTING_CHOICE
#define CLI_OPTIONS_END AUXO_SETTINGS_END

/* --help, --json, --log: part of every command. */
extern const cli_option cli_common_options[];

typedef struct cli_arguments cli_arguments;

/* Parses `words` by the NULL-ended list of tables, with `defaults` (may be NULL) in place of the tables' own. Errors:
 * INVALID_ARGUMENT names the option, the value and what would be right; `usage` (may be NULL) is what the message shows
 * where no option is like the one given. Ownership: the caller destroys *arguments;
 * texts are borrowed from `words` and the tables. */
auxo_status cli_arguments_parse(const cli_option *const *tables, const auxo_setting_value *defaults, const char *usage,
                                int word_count, char *const *words, cli_arguments **arguments, auxo_error *error);
auxo_settings *cli_arguments_settings(const cli_arguments *arguments); /* borrowed */
void cli_arguments_destroy(cli_arguments *arguments);

bool cli_given(const cli_arguments *arguments,
               const char *name); /* on the command line or by a preset, not by default */
bool cli_flag(const cli_arguments *arguments, const char *name);
const char *cli_text(const cli_arguments *arguments, const char *name); /* NULL without value and default */
uint64_t cli_integer(const cli_arguments *arguments, const char *name); /* 0 without value and default */
double cli_real(const cli_arguments *arguments, const char *name);      /* REAL and SECONDS; 0 without */
/* Position of the value within the choices of a CHOICE option. */
size_t cli_choice(const cli_arguments *arguments, const char *name);
size_t cli_operand_count(const cli_arguments *arguments);
const char *cli_operand(const cli_arguments *arguments, size_t index);

#endif
