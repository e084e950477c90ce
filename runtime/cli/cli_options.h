/* runtime/cli/cli_options.h: GNU-style options, described by tables.
 *
 * Owns parsing (`--name VALUE`, `--name=VALUE`, `--flag`, `--no-flag`, unique abbreviations, `--` ends the options),
 * checking and defaults. Knows no option by name: commands bring tables, and shared tables are joined in.
 * Values are checked while parsing, so the getters cannot fail; asking a getter for a name that is in no table of the
 * command is a programming error (assert).
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cli_option_type {
    CLI_FLAG,    /* no value; `initial` "yes" makes it on by default, --no-NAME turns it off */
    CLI_TEXT,    /* anything */
    CLI_INTEGER, /* a whole number >= 0 */
    CLI_REAL,    /* a finite number */
    CLI_SECONDS, /* 90, 90s, 1.5m, 2h */
    CLI_CHOICE,  /* one of argument's values: "first|second|none" */
} cli_option_type;

/* A named set of defaults, chosen by a CHOICE option. What is given on the command line wins over it. */
enum { CLI_PRESET_VALUES_MAX = 16 };
typedef struct cli_preset {
    const char *name, *help;
    struct {
        const char *option, *value;  /* of a flag: "yes" or "no" */
    } values[CLI_PRESET_VALUES_MAX]; /* ends at option NULL */
} cli_preset;

typedef struct cli_option {
    const char *name; /* without dashes */
    cli_option_type type;
    const char *argument;      /* how help names the value: "N", "FILE"; CHOICE: the values; FLAG: NULL */
    const char *initial;       /* the default, parsed like a given value; NULL: none */
    const char *help;          /* sentence without a full stop; help wraps it and adds the default */
    double minimum, maximum;   /* INTEGER, REAL, SECONDS; both 0: no limits */
    const cli_preset *presets; /* CHOICE: one per choice, in the same order; NULL: the choice sets nothing else */
} cli_option;

/* The end of every table. */
#define CLI_OPTIONS_END                                                                                                \
    {                                                                                                                  \
        0                                                                                                              \
    }

/* --help, --json, --log: part of every command. */
extern const cli_option cli_common_options[];

typedef struct cli_arguments cli_arguments;

/* Parses `words` by the NULL-ended list of tables. Errors: INVALID_ARGUMENT names the option, the value and what would
 * be right. Ownership: the caller destroys *arguments; texts are borrowed from `words` and the tables. */
auxo_status cli_arguments_parse(const cli_option *const *tables, int word_count, char *const *words,
                                cli_arguments **arguments, auxo_error *error);
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
