/* runtime/cli/cli_output.c: lines, events, log and the progress line. Tables are in cli_table.c.
 *
 * Invariant: `progress_shown` is true exactly while an unfinished progress line stands on the terminal; whoever prints
 * anything else erases it first.
 */
#include "cli_output.h"
#include "json_tree.h"

#include "cli_text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct cli_output {
    bool json, terminal; /* terminal: standard error is one */
    bool progress_shown;
    size_t progress_rows; /* of a progress of several lines; else 0 or 1 */
    auxo_log_level level; /* messages below it are not shown */
    FILE *log_file;       /* NULL: log goes to standard error */
    auxo_status failed;   /* an event could not be encoded: told at the end */
};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

auxo_status cli_output_create(bool json, const char *log, cli_output **output, auxo_error *error)
{
    cli_output *created = calloc(1, sizeof *created);
    *output = created;
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory at start");
    created->json = json;
    created->terminal = isatty(STDERR_FILENO) != 0;
    created->level = AUXO_LOG_WARNING;
    if (!log)
        return AUXO_OK;
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(log, level_names[i]) == 0) {
            created->level = (auxo_log_level)i;
            return AUXO_OK;
        }
    }
    created->level = AUXO_LOG_DEBUG;
    created->log_file = fopen(log, "a");
    if (!created->log_file) {
        free(created);
        *output = NULL;
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "--log: \"%s\" is no level (debug, info, warning, error) and no file that can be "
                              "written: %s",
                              log, strerror(errno));
    }
    return AUXO_OK;
}

static void erase_progress(cli_output *output)
{
    if (output->progress_shown) {
        fprintf(stderr, "\r\033[K");
        for (; output->progress_rows > 1; output->progress_rows--)
            fprintf(stderr, "\033[A\033[K"); /* the row above */
    }
    output->progress_rows = 0;
    output->progress_shown = false;
}

auxo_status cli_output_destroy(cli_output *output, auxo_error *error)
{
    if (!output)
        return AUXO_OK;
    erase_progress(output);
    bool log_good = !output->log_file || (!ferror(output->log_file) && fflush(output->log_file) == 0);
    int log_reason = errno;
    auxo_status failed = output->failed;
    if (output->log_file)
        fclose(output->log_file);
    free(output);
    if (failed != AUXO_OK)
        return auxo_error_set(error, failed, "out of memory while printing: some lines are missing");
    if (!log_good)
        return auxo_error_set(error, AUXO_IO, "the log could not be written in full: %s", strerror(log_reason));
    if (fflush(stdout) != 0 || ferror(stdout))
        return auxo_error_set(error, AUXO_IO, "standard output could not be written in full: %s", strerror(errno));
    return AUXO_OK;
}

bool cli_output_is_json(const cli_output *output)
{
    return output->json;
}

void cli_print(cli_output *output, const char *format, ...)
{
    if (output->json)
        return;
    erase_progress(output);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
}

void cli_note(cli_output *output, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    erase_progress(output);
    fprintf(stderr, "auxo: note: %s\n", text);
    if (output->log_file) {
        fprintf(output->log_file, "note: %s\n", text);
        fflush(output->log_file);
    }
}

void cli_log(void *user, auxo_log_level level, const char *message)
{
    cli_output *output = user;
    if (level < output->level)
        return;
    if (output->log_file) {
        fprintf(output->log_file, "%s: %s\n", level_names[level], message);
        fflush(output->log_file);
        if (level < AUXO_LOG_WARNING)
            return;
    }
    erase_progress(output);
    fprintf(stderr, "auxo: %s: %s\n", level_names[level], message);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

void cli_output_incomplete(cli_output *output)
{
    output->failed = AUXO_OUT_OF_MEMORY;
}

cJSON *cli_event(cli_output *output, const char *name)
{
    cJSON *event = output->json ? cJSON_CreateObject() : NULL;
    if (output->json && !event)
        cli_output_incomplete(output);
    auxo__tree_text(event, "event", name);
    return event;
}

void cli_emit(cli_output *output, cJSON *event)
{
    char *text = event && auxo__tree_is_complete(event) ? auxo__tree_print_text(event, false) : NULL;
    if (text) {
        erase_progress(output);
        puts(text);
        fflush(stdout); /* a reader sees every event at once, and kill -9 loses none */
    }
    if (event && !text)
        cli_output_incomplete(output);
    cJSON_free(text);
    cJSON_Delete(event);
}

void cli_emit_error(cli_output *output, auxo_status status, int exit_code, const char *message)
{
    cJSON *event = cli_event(output, "error");
    auxo__tree_text(event, "status", auxo_status_text(status));
    auxo__tree_text(event, "message", message);
    auxo__tree_number(event, "exit_code", exit_code);
    cli_emit(output, event);
}

/* Other events show what the library decided; a note has only its text. */
static bool is_note(const auxo_event *event)
{
    return strcmp(event->type->name, "note") == 0;
}

void cli_event_listen(cli_output *output, const auxo_event *event)
{
    char *text = NULL;
    auxo_status status = AUXO_OK;
    if (is_note(event)) {
        cli_note(output, "%s", *(const char *const *)event->record);
        return;
    }
    status = output->json ? auxo_event_json(event, &text, NULL) : auxo_event_line(event, &text, NULL);
    if (text) {
        erase_progress(output);
        puts(text);
        fflush(stdout); /* a reader sees every event at once, and kill -9 loses none */
    }
    if (status != AUXO_OK)
        output->failed = status;
    free(text);
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

double cli_now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void cli_progress_begin(cli_progress *progress, cli_output *output, const char *unit, uint64_t done, uint64_t total)
{
    *progress = (cli_progress){
        .output = output, .unit = unit, .start_seconds = cli_now_seconds(), .start_done = done, .total = total};
}

void cli_progress_update(cli_progress *progress, uint64_t done, const char *format, ...)
{
    double now = cli_now_seconds();
    cli_output *output = progress->output;
    if (!output->terminal || output->json || now - progress->shown_seconds < 0.1)
        return;
    progress->shown_seconds = now;
    char text[96], left[32], rate_text[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    double elapsed = now - progress->start_seconds;
    double rate = elapsed > 0 ? (double)(done - progress->start_done) / elapsed : 0;
    double remaining = rate > 0 && progress->total > done ? (double)(progress->total - done) / rate : NAN;
    double percent = progress->total > 0 ? 100.0 * (double)done / (double)progress->total : 0;
    fprintf(stderr, "\r\033[K%5.1f %%  %s  %s %s/s  %s left", percent, text,
            auxo_format_count(rate_text, sizeof rate_text, (uint64_t)rate), progress->unit,
            auxo_format_duration(left, sizeof left, remaining));
    output->progress_shown = true;
}

void cli_progress_share(cli_progress *progress, double share, double start_share, const char *text)
{
    double now = cli_now_seconds();
    cli_output *output = progress->output;
    if (!output->terminal || output->json || now - progress->shown_seconds < 0.1)
        return;
    progress->shown_seconds = now;
    char left[32];
    double elapsed = now - progress->start_seconds;
    double remaining = share > start_share ? elapsed * (1 - share) / (share - start_share) : (double)NAN;
    if (isfinite(share))
        fprintf(stderr, "\r\033[K%5.1f %%  %.60s  %s left", 100 * share, text,
                auxo_format_duration(left, sizeof left, remaining));
    else
        fprintf(stderr, "\r\033[K%.60s", text);
    output->progress_shown = true;
}

/* Columns of the terminal; 80 where it does not say. */
static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void cli_progress_rows(cli_progress *progress, const char *const *rows, size_t count)
{
    const double now = cli_now_seconds();
    cli_output *output = progress->output;
    if (!output->terminal || output->json || now - progress->shown_seconds < 0.1)
        return;
    progress->shown_seconds = now;
    erase_progress(output);
    const int width = terminal_width() - 1;
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s%.*s", i ? "\n" : "", width, rows[i]);
    output->progress_rows = count;
    output->progress_shown = true;
}
