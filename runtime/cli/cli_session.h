/* runtime/cli/cli_session.h: what most commands start with: a runtime, a device, a data set, and their options.
 *
 * Owns the option tables of --device, --threads and --seed and the folder of caches; data sets: cli_data.h; no policy
 * beyond that.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli_data.h"
#include "commands.h"

#include <stdio.h>

/* --threads, for option tables with a --device of their own. */
#define CLI_THREADS_OPTION                                                                                             \
    {                                                                                                                  \
        .name = "threads", .type = CLI_INTEGER, .argument = "N", .initial = "0",                                       \
        .help =                                                                                                        \
            "Threads of the cpu backend; 0: as many as AUXO_THREADS says, else as the processors and the share of "    \
            "their time that this process may use",                                                                    \
        .maximum = 1024, .role = AUXO_SETTING_FREE                                                                     \
    }

extern const cli_option cli_device_options[];    /* --device, --threads */
extern const cli_option cli_precision_options[]; /* --precision: of commands that run networks */
extern const cli_option cli_seed_options[];      /* --seed */

typedef struct cli_session {
    auxo_runtime *runtime;
    auxo_device *device;
} cli_session;

/* A runtime with all compiled backends, the log going to the context's output. Ownership: the caller's. */
auxo_status cli_runtime_open(const cli_context *context, auxo_runtime **runtime, auxo_error *error);
/* The same, and the device of --device. Ownership: close it, also after a failure. */
auxo_status cli_session_open(const cli_context *context, cli_session *session, auxo_error *error);
/* Opens `selector` instead of --device. */
auxo_status cli_session_open_device(const cli_context *context, const char *selector, cli_session *session,
                                    auxo_error *error);
/* Models of the session compute in --precision, which the command must have. */
auxo_status cli_session_set_precision(const cli_context *context, const cli_session *session, auxo_error *error);
void cli_session_close(cli_session *session);

/* Fails (IO, naming the option) if a file could not be created at `path` (NULL: fine), so that hours of work are not
 * lost at their end. Creates nothing. */
auxo_status cli_check_writable(const char *option, const char *path, auxo_error *error);

/* Writes a file by `write`, which appears whole or not at all. Errors: IO, naming the option; those of `write`. */
typedef auxo_status cli_file_writer(void *user, FILE *stream, auxo_error *error);
auxo_status cli_write_file(const char *option, const char *path, cli_file_writer *write, void *user, auxo_error *error);

/* Splits "a,b,c" in place; returns the count, at most `capacity`. */
size_t cli_split_list(char *text, char **items, size_t capacity);

/* Largest resident memory of this process so far. */
uint64_t cli_peak_host_bytes(void);

#endif
