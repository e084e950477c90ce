/* runtime/cli/cli_workers.c: see cli_workers.h.
 *
 * A worker is this program again, with the same settings and a device of its own; all they have in common is the study.
 * Each is in a process group of its own, so that one stop reaches it once, from here. One that dies is named, and the
 * others redo its trial; it is not started again.
 */
#include "cli_workers.h"

#include "auxo/study.h"
#include "cli_text.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { WORKERS_MAX = 256, WORDS_MAX = 512 };

const cli_option cli_worker_options[] = {
    {.name = "workers",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "With a study: so many worker processes at once (with devices: as many on each as fit in turn)",
     .minimum = 1,
     .maximum = WORKERS_MAX,
     .role = AUXO_SETTING_FREE},
    {.name = "devices",
     .type = CLI_TEXT,
     .argument = "A,B,...",
     .help = "With a study: a worker process on each of these devices",
     .role = AUXO_SETTING_FREE},
    CLI_OPTIONS_END,
};

typedef struct worker {
    pid_t process; /* 0: has ended */
    int errors;    /* what it says to standard error; -1: closed */
    char device[128], last_line[480];
    int status;
} worker;

typedef struct workers {
    const cli_context *context;
    const auxo_settings *settings;
    auxo_study *study; /* to look at */
    size_t count;
    size_t known_ended; /* trials that had ended before */
    worker items[WORKERS_MAX];
    cli_progress progress;
    double began;
} workers;

/* ---- options ----------------------------------------------------------------------------------------------------- */

bool cli_workers_wanted(const cli_context *context)
{
    const auxo_settings *settings = cli_arguments_settings(context->arguments);
    return auxo_settings_find(settings, "workers") &&
           (auxo_settings_given(settings, "workers") || auxo_settings_given(settings, "devices"));
}

auxo_status cli_workers_check(const cli_context *context, auxo_settings *settings, auxo_error *error)
{
    auxo_list devices = {0};
    (void)context;
    if (!auxo_settings_text(settings, "study"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "workers: several of them need a study to work on; give study FILE.db");
    auxo_status status = auxo_list_parse("devices", auxo_settings_text(settings, "devices"), &devices, error);
    const uint64_t wanted = auxo_settings_integer(settings, "workers");
    if (status == AUXO_OK && wanted > 0 && devices.count > wanted)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "workers: %llu are too few for %zu devices",
                                (unsigned long long)wanted, devices.count);
    if (status == AUXO_OK && devices.count > 0)
        status = auxo_settings_set(settings, "device", devices.items[0], error);
    auxo_list_deinit(&devices);
    return status;
}

/* Worker i works on device i modulo their count. */
static auxo_status assign_devices(workers *all, auxo_error *error)
{
    auxo_list devices = {0};
    const uint64_t wanted = auxo_settings_integer(all->settings, "workers");
    auxo_status status = auxo_list_parse("devices", auxo_settings_text(all->settings, "devices"), &devices, error);
    all->count = (size_t)(wanted ? wanted : devices.count);
    for (size_t i = 0; i < all->count && status == AUXO_OK; i++)
        snprintf(all->items[i].device, sizeof all->items[i].device, "%s",
                 devices.count ? devices.items[i % devices.count] : auxo_settings_text(all->settings, "device"));
    auxo_list_deinit(&devices);
    return status;
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

typedef struct words {
    char *items[WORDS_MAX];
    size_t count;
    bool failed;
} words;

static void add_word(words *list, const char *format, ...) AUXO_PRINTF(2, 3);
static void add_word(words *list, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *word = length >= 0 && list->count + 1 < WORDS_MAX ? malloc((size_t)length + 1) : NULL;
    list->failed = list->failed || !word;
    if (!word)
        return;
    va_start(arguments, format);
    vsnprintf(word, (size_t)length + 1, format, arguments);
    va_end(arguments);
    list->items[list->count++] = word;
}

/* What a worker has from this process: all but what is this process's to do. */
static bool is_passed_on(const char *name)
{
    static const char *const own[] = {"workers", "devices", "device", "threads", "config", "save",
                                      "report",  "csv",     "trace",  "out",     "json",   "help"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(name, own[i]) == 0)
            return false;
    return true;
}

static void add_settings(words *list, const auxo_settings *settings)
{
    const auxo_setting *const *tables = auxo_settings_tables(settings);
    for (size_t t = 0; tables[t]; t++)
        for (const auxo_setting *s = tables[t]; s->name; s++) {
            if (!is_passed_on(s->name) || !auxo_settings_given(settings, s->name))
                continue;
            if (s->type == AUXO_SETTING_FLAG)
                add_word(list, auxo_settings_flag(settings, s->name) ? "--%s" : "--no-%s", s->name);
            else if (auxo_settings_text(settings, s->name))
                add_word(list, "--%s=%s", s->name, auxo_settings_text(settings, s->name));
        }
}

/* Workers of one machine divide its processors, unless told how many threads each has. */
static uint64_t threads_of(const workers *all)
{
    const uint64_t given = auxo_settings_integer(all->settings, "threads");
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const uint64_t share = processors > 0 ? (uint64_t)processors / all->count : 1;
    return given ? given : share ? share : 1;
}

static void make_words(const workers *all, const worker *one, words *list)
{
    char name[64];
    add_word(list, "auxo");
    snprintf(name, sizeof name, "%s", all->context->command->name);
    for (char *rest = name, *word; (word = strtok_r(rest, " ", &rest));)
        add_word(list, "%s", word);
    add_settings(list, all->settings);
    add_word(list, "--device=%s", one->device);
    add_word(list, "--threads=%llu", (unsigned long long)threads_of(all));
}

static auxo_status spawn(worker *one, char *const *words_of, auxo_error *error)
{
    int pipe_ends[2];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    if (pipe(pipe_ends) != 0)
        return auxo_error_set(error, AUXO_IO, "workers: no pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", 0 /* O_RDONLY */, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", 1 /* O_WRONLY */, 0);
    posix_spawn_file_actions_adddup2(&files, pipe_ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&files, pipe_ends[0]);
    posix_spawn_file_actions_addclose(&files, pipe_ends[1]);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    const int reason = posix_spawn(&one->process, "/proc/self/exe", &files, &attributes, words_of, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    close(pipe_ends[1]);
    one->errors = pipe_ends[0];
    if (reason == 0)
        return AUXO_OK;
    close(pipe_ends[0]);
    one->errors = -1;
    one->process = 0;
    return auxo_error_set(error, AUXO_IO, "workers: none could be started: %s", strerror(reason));
}

static auxo_status start_worker(const workers *all, worker *one, auxo_error *error)
{
    words list = {.count = 0};
    make_words(all, one, &list);
    auxo_status status = list.failed ? auxo_error_set(error, AUXO_OUT_OF_MEMORY,
                                                      "workers: too many settings to pass on, or out of memory")
                                     : spawn(one, list.items, error);
    for (size_t i = 0; i < list.count; i++)
        free(list.items[i]);
    return status;
}

/* ---- watching ---------------------------------------------------------------------------------------------------- */

/* What a worker says to standard error is a note with its number; the last line of one that fails is its reason. */
static void read_errors(const workers *all, size_t index, worker *one)
{
    char text[2048];
    const ssize_t length = read(one->errors, text, sizeof text - 1);
    if (length <= 0) {
        close(one->errors);
        one->errors = -1;
        return;
    }
    text[length] = '\0';
    for (char *rest = text, *line; (line = strtok_r(rest, "\n", &rest));) {
        if (strncmp(line, "auxo: ", 6) == 0)
            snprintf(one->last_line, sizeof one->last_line, "%s", line + 6);
        else
            cli_note(all->context->output, "worker %zu: %s", index + 1, line);
    }
}

static void look_at_errors(workers *all)
{
    fd_set set;
    int highest = -1;
    struct timeval pause = {.tv_usec = 200000};
    FD_ZERO(&set);
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].errors >= 0) {
            FD_SET(all->items[i].errors, &set);
            highest = all->items[i].errors > highest ? all->items[i].errors : highest;
        }
    if (select(highest + 1, &set, NULL, NULL, &pause) <= 0)
        return;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].errors >= 0 && FD_ISSET(all->items[i].errors, &set))
            read_errors(all, i, &all->items[i]);
}

static size_t collect_ended(workers *all)
{
    size_t running = 0;
    for (size_t i = 0; i < all->count; i++) {
        worker *one = &all->items[i];
        if (!one->process)
            continue;
        if (waitpid(one->process, &one->status, WNOHANG) != one->process) {
            running++;
            continue;
        }
        one->process = 0;
        while (one->errors >= 0)
            read_errors(all, i, one);
        if (WIFSIGNALED(one->status))
            cli_note(all->context->output, "worker %zu (%s) was ended by signal %d; the others do its trial again",
                     i + 1, one->device, WTERMSIG(one->status));
        else if (WEXITSTATUS(one->status) != 0 && WEXITSTATUS(one->status) != CLI_EXIT_RESUMABLE)
            cli_note(all->context->output, "worker %zu (%s) failed: %s", i + 1, one->device, one->last_line);
    }
    return running;
}

static bool has_ended(const auxo_trial *trial)
{
    return trial->state == AUXO_TRIAL_COMPLETE || trial->state == AUXO_TRIAL_PRUNED;
}

static void show_trial(const workers *all, const auxo_trial *trial)
{
    char genome[512] = "";
    cJSON *item = cJSON_Parse(
        auxo_trial_attribute_json(trial, "genome", false) ? auxo_trial_attribute_json(trial, "genome", false) : "null");
    snprintf(genome, sizeof genome, "%s", cJSON_IsString(item) ? item->valuestring : "");
    cJSON_Delete(item);
    const auxo_trial *best = auxo_study_best(all->study);
    cli_print(all->context->output, "%lld  %s  %s %.6g  epochs %zu  best %.6g\n", (long long)trial->number, genome,
              auxo_trial_state_text(trial->state), trial->value, trial->report_count, best ? best->value : (double)NAN);
    cJSON *event = cli_event(all->context->output, "trial");
    auxo__tree_number(event, "number", (double)trial->number);
    auxo__tree_text(event, "state", auxo_trial_state_text(trial->state));
    auxo__tree_number(event, "value", trial->value);
    auxo__tree_number(event, "epochs", (double)trial->report_count);
    auxo__tree_text(event, "genome", genome);
    cli_emit(all->context->output, event);
}

/* The trial that a worker has; NULL: none. */
static const auxo_trial *trial_of(const worker *one, const auxo_trial *trials, size_t count)
{
    for (size_t i = count; i > 0 && one->process; i--) {
        const char *json = auxo_trial_attribute_json(&trials[i - 1], "worker", false);
        if (trials[i - 1].state != AUXO_TRIAL_RUNNING || !json)
            continue;
        cJSON *root = cJSON_Parse(json);
        const cJSON *process = cJSON_GetObjectItemCaseSensitive(root, "process");
        const bool own = cJSON_IsNumber(process) && process->valuedouble == (double)one->process;
        cJSON_Delete(root);
        if (own)
            return &trials[i - 1];
    }
    return NULL;
}

static void format_worker(const worker *one, size_t number, const auxo_trial *trial, char *text, size_t size)
{
    if (!one->process)
        snprintf(text, size, "worker %zu  %s  has ended", number, one->device);
    else if (!trial)
        snprintf(text, size, "worker %zu  %s  between trials", number, one->device);
    else if (trial->report_count == 0)
        snprintf(text, size, "worker %zu  %s  trial %lld", number, one->device, (long long)trial->number);
    else
        snprintf(text, size, "worker %zu  %s  trial %lld  epoch %lld  %.5g", number, one->device,
                 (long long)trial->number, (long long)trial->reports[trial->report_count - 1].step,
                 trial->reports[trial->report_count - 1].value);
}

/* How far all of them are, the best, and the time that is left at this pace. */
static void format_all(const workers *all, size_t ended, char *text, size_t size)
{
    const bool limited = auxo_settings_find(all->settings, "evaluations") != NULL;
    const double limit = limited ? (double)auxo_settings_integer(all->settings, "evaluations") : 0;
    const double seconds =
        auxo_settings_find(all->settings, "time-limit") ? auxo_settings_real(all->settings, "time-limit") : 0;
    const double elapsed = cli_now_seconds() - all->began, done = (double)(ended - all->known_ended);
    const auxo_trial *best = auxo_study_best(all->study);
    char value[32] = "-", left[32] = "", whole[32] = "";
    double remaining = limit > 0 && done > 0 ? elapsed / done * (limit - (double)ended) : (double)NAN;
    if (seconds > 0 && !(remaining < seconds - elapsed))
        remaining = seconds - elapsed;
    if (best)
        snprintf(value, sizeof value, "%.6g (trial %lld)", best->value, (long long)best->number);
    if (limit > 0)
        snprintf(whole, sizeof whole, " of %.0f", limit);
    snprintf(text, size, "%zu%s trials  best %s  %s left", ended, whole, value,
             auxo_format_duration(left, sizeof left, fmax(remaining, 0)));
}

/* A table that changes: one row for each worker, and one for all. */
static void show_progress(workers *all, const auxo_trial *trials, size_t count, size_t ended)
{
    enum { ROW_BYTES = 200, ROWS_MAX = 16 };
    char text[ROWS_MAX + 1][ROW_BYTES];
    const char *rows[ROWS_MAX + 1];
    const size_t shown = all->count < ROWS_MAX ? all->count : ROWS_MAX;
    for (size_t i = 0; i <= shown; i++)
        rows[i] = text[i];
    for (size_t i = 0; i < shown; i++)
        format_worker(&all->items[i], i + 1, trial_of(&all->items[i], trials, count), text[i], ROW_BYTES);
    format_all(all, ended, text[shown], ROW_BYTES);
    cli_progress_rows(&all->progress, rows, shown + 1);
}

/* What has ended since the last look, once each. A study that cannot be read for a moment is looked at again. */
static void show(workers *all, bool *known, size_t known_size)
{
    size_t count = 0, ended = 0;
    if (auxo_study_refresh(all->study, NULL) != AUXO_OK)
        return;
    const auxo_trial *trials = auxo_study_trials(all->study, &count);
    for (size_t i = 0; i < count; i++) {
        if (!has_ended(&trials[i]))
            continue;
        ended++;
        if (i < known_size && !known[i]) {
            known[i] = true;
            show_trial(all, &trials[i]);
        }
    }
    show_progress(all, trials, count, ended);
}

/* Trials that have ended before the workers began are not told again. */
static bool *list_known(workers *all, size_t *size)
{
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(all->study, &count);
    *size = count + 1000000;
    bool *known = calloc(*size, sizeof *known);
    for (size_t i = 0; known && i < count; i++) {
        known[i] = has_ended(&trials[i]);
        all->known_ended += known[i];
    }
    return known;
}

static void stop_all(const workers *all, int number)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].process)
            kill(all->items[i].process, number);
}

static void watch(workers *all, bool *known, size_t known_size, bool *stopped)
{
    size_t running = all->count;
    while (running > 0) {
        look_at_errors(all);
        if (!*stopped && *all->context->stop) {
            stop_all(all, SIGTERM);
            *stopped = true;
        }
        running = collect_ended(all);
        show(all, known, known_size);
    }
}

/* One that worked to its end is enough: the study is whole. */
static auxo_status judge(const workers *all, auxo_error *error)
{
    for (size_t i = 0; i < all->count; i++)
        if (WIFEXITED(all->items[i].status) &&
            (WEXITSTATUS(all->items[i].status) == 0 || WEXITSTATUS(all->items[i].status) == CLI_EXIT_RESUMABLE))
            return AUXO_OK;
    return auxo_error_set(error, AUXO_IO, "workers: all of them failed; the first says: %s",
                          all->items[0].last_line[0] ? all->items[0].last_line : "nothing");
}

auxo_status cli_workers_run(const cli_context *context, const auxo_settings *settings, bool *stopped, auxo_error *error)
{
    workers *all = calloc(1, sizeof *all);
    size_t known_size = 0, started = 0;
    *stopped = false;
    if (!all)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "workers: out of memory");
    *all = (workers){.context = context, .settings = settings, .began = cli_now_seconds()};
    const auxo_study_options options = {.name = auxo_settings_text(settings, "study-name"), .read_only = true};
    auxo_status status = assign_devices(all, error);
    if (status == AUXO_OK)
        status = auxo_study_open(auxo_settings_text(settings, "study"), &options, &all->study, error);
    bool *known = status == AUXO_OK ? list_known(all, &known_size) : NULL;
    if (status == AUXO_OK && !known)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "workers: out of memory");
    cli_progress_begin(&all->progress, context->output, "", 0, 0);
    for (; started < all->count && status == AUXO_OK; started += status == AUXO_OK)
        status = start_worker(all, &all->items[started], error);
    if (status != AUXO_OK)
        stop_all(all, SIGTERM);
    all->count = started;
    watch(all, known, known_size, stopped);
    if (status == AUXO_OK)
        status = judge(all, error);
    auxo_study_close(all->study);
    free(known);
    free(all);
    return status;
}
