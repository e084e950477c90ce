/* runtime/cli/cli_output.h: everything the program prints.
 *
 * Results go to standard output: as readable lines and tables, or with --json as one JSON object per line, the last of
 * which has "event":"result" (or "error"). Log lines, notes and the progress line go to standard error. A command calls
 * both kinds of function for each thing it reports: those for people do nothing under --json, and the other way round.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "auxo/device.h"
#include "auxo/run.h"
#include "json_tree.h"

typedef struct cli_output cli_output;

/* `log` is NULL, a level name (debug, info, warning, error) or the path of a file that receives every message. */
auxo_status cli_output_create(bool json, const char *log, cli_output **output, auxo_error *error);
/* Ends the progress line and flushes. Errors: IO if standard output could not take everything. NULL is allowed. */
auxo_status cli_output_destroy(cli_output *output, auxo_error *error);
bool cli_output_is_json(const cli_output *output);

/* A line (or part of one) for people; nothing under --json. */
void cli_print(cli_output *output, const char *format, ...) AUXO_PRINTF(2, 3);
/* A note for people on standard error: what the program decided or skipped, and why. Goes to the log as well. */
void cli_note(cli_output *output, const char *format, ...) AUXO_PRINTF(2, 3);

/* {"event":"<name>"}, to be filled by the functions of json_tree.h and given to cli_emit. NULL when not under --json or
 * out of memory: those and cli_emit accept that. */
cJSON *cli_event(cli_output *output, const char *name);
/* Prints an event as one line and frees it. Lack of memory is remembered, and is what cli_output_destroy returns. */
void cli_emit(cli_output *output, cJSON *event);
/* Remembers that something could not be printed for want of memory: cli_output_destroy tells it. */
void cli_output_incomplete(cli_output *output);
/* The last line under --json when a command fails. */
void cli_emit_error(cli_output *output, auxo_status status, int exit_code, const char *message);

/* Sends an event of the library where it belongs: a JSON line, a line for people, a note. Lack of memory is remembered,
 * and is what cli_output_destroy returns. */
void cli_event_listen(cli_output *output, const auxo_event *event);

/* For auxo_runtime_options.log; `user` is the cli_output. */
void cli_log(void *user, auxo_log_level level, const char *message);

/* ---- tables ------------------------------------------------------------------------------------------------------ */
typedef struct cli_table cli_table;
/* `columns` are the headings, separated by '|'; a heading that starts with '>' has its column aligned right. */
cli_table *cli_table_create(const char *columns);
/* Adds one row: as many texts as columns, copied; separated by '|' in the formatted text. */
void cli_table_row(cli_table *table, const char *format, ...) AUXO_PRINTF(2, 3);
/* Prints (unless under --json) and frees the table. NULL, or a table with a row missing, from lack of memory, is not
 * printed but remembered, as by cli_emit. */
void cli_table_print(cli_output *output, cli_table *table);

/* ---- progress ---------------------------------------------------------------------------------------------------- */
/* One line on a terminal, rewritten at most ten times a second, with rate and time left; nothing elsewhere. */
typedef struct cli_progress {
    cli_output *output;
    const char *unit; /* "images" */
    double start_seconds, shown_seconds;
    uint64_t start_done, total;
} cli_progress;

/* The same by a share of the work (NaN: unknown), since `start_share`. */
void cli_progress_share(cli_progress *progress, double share, double start_share, const char *text);
/* Several lines that change together, cut at the terminal's width. */
void cli_progress_rows(cli_progress *progress, const char *const *rows, size_t count);
/* `done` of `total` units are done at the start (not 0 after a resume). */
void cli_progress_begin(cli_progress *progress, cli_output *output, const char *unit, uint64_t done, uint64_t total);
void cli_progress_update(cli_progress *progress, uint64_t done, const char *format, ...) AUXO_PRINTF(3, 4);
/* Seconds of a monotonic clock. */
double cli_now_seconds(void);

#endif
