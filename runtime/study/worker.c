/* worker.c: who works on a trial, whether he still lives, and the heartbeat that shows it.
 *
 * On one machine the system is asked: a process is known by machine, number and the moment at which it began, and one
 * that is gone has lost its trial at once. Of other machines only the heartbeat is known.
 */
#include "json.h"
#include "study_internal.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- who --------------------------------------------------------------------------------------------------------- */

static void read_line(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    text[0] = '\0';
    if (file && fgets(text, (int)size, file))
        text[strcspn(text, "\n")] = '\0';
    if (file)
        fclose(file);
}

/* What two processes share if and only if their numbers mean the same: the running system and its process space. */
static void machine_text(char *text, size_t size)
{
    char boot[64], space[64] = "";
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    const ssize_t length = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    space[length > 0 ? length : 0] = '\0';
    snprintf(text, size, "%.36s %.40s", boot, space);
}

/* When a process began, in ticks since the system did; 0: there is no such process. Field 22 of /proc/PID/stat
 * (proc(5)); the name before it may hold anything but its last ')'. */
static unsigned long long began(long process)
{
    char path[64], line[1024];
    unsigned long long ticks = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", process);
    read_line(path, line, sizeof line);
    const char *at = strrchr(line, ')');
    char state = 0;
    if (!at || sscanf(at + 1, " %c", &state) != 1 || state == 'Z' || state == 'X')
        return 0;
    for (int field = 2; field < 22 && at; field++)
        at = strchr(at + 1, ' ');
    return at && sscanf(at, "%llu", &ticks) == 1 ? ticks : 0;
}

auxo_status auxo__worker_describe(char **text, auxo_error *error)
{
    char machine[128], host[128] = "";
    auxo__json json = {0};
    machine_text(machine, sizeof machine);
    gethostname(host, sizeof host - 1);
    auxo__json_open(&json, '{');
    auxo__json_key(&json, "host");
    auxo__json_text(&json, host);
    auxo__json_key(&json, "process");
    auxo__json_number(&json, (double)getpid());
    auxo__json_key(&json, "began");
    auxo__json_number(&json, (double)began((long)getpid()));
    auxo__json_key(&json, "machine");
    auxo__json_text(&json, machine);
    auxo__json_close(&json, '}');
    auxo_status status = auxo__json_finish(&json, error);
    *text = status == AUXO_OK ? json.text : NULL;
    return status;
}

bool auxo__worker_is_gone(const char *json)
{
    char machine[128];
    cJSON *root = json ? cJSON_Parse(json) : NULL;
    const char *its_machine = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "machine"));
    const cJSON *process = cJSON_GetObjectItemCaseSensitive(root, "process"),
                *start = cJSON_GetObjectItemCaseSensitive(root, "began");
    machine_text(machine, sizeof machine);
    const bool here = its_machine && strcmp(its_machine, machine) == 0 && cJSON_IsNumber(process) &&
                      fabs(process->valuedouble) < 1e9 && cJSON_IsNumber(start) && start->valuedouble > 0;
    const bool gone = here && (double)began((long)process->valuedouble) != start->valuedouble;
    cJSON_Delete(root);
    return gone;
}

/* ---- heartbeats -------------------------------------------------------------------------------------------------- */

auxo_status auxo__heart_beat(auxo__database *database, int64_t trial, auxo_error *error)
{
    return auxo__database_run(database, error,
                              "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (?, CURRENT_TIMESTAMP) ON "
                              "CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat",
                              "i", trial);
}

/* A beat that fails is not the end: the next may succeed, and the end of the trial tells what is wrong. */
static void *beat(void *user)
{
    auxo__heart *heart = user;
    auxo__database database;
    const bool open = auxo__database_open(&database, heart->path, false, false, heart->seconds, NULL) == AUXO_OK;
    pthread_mutex_lock(&heart->mutex);
    while (!heart->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        const double next = (double)until.tv_nsec * 1e-9 + heart->seconds;
        until.tv_sec += (time_t)next;
        until.tv_nsec = (long)((next - (double)(time_t)next) * 1e9);
        const int reason = pthread_cond_timedwait(&heart->wake, &heart->mutex, &until);
        if (heart->stop || reason != ETIMEDOUT || !open)
            continue;
        pthread_mutex_unlock(&heart->mutex);
        auxo__heart_beat(&database, heart->trial, NULL);
        pthread_mutex_lock(&heart->mutex);
    }
    pthread_mutex_unlock(&heart->mutex);
    auxo__database_close(&database);
    return NULL;
}

auxo_status auxo__heart_start(auxo_study *study, int64_t trial, auxo_error *error)
{
    auxo__heart *heart = &study->heart;
    pthread_condattr_t attributes;
    auxo__heart_stop(study);
    if (study->database.remote) {
        *heart = (auxo__heart){.beats = true};
        return auxo__remote_beat(study->database.remote, trial, study->beat_seconds, error);
    }
    *heart = (auxo__heart){.path = strdup(study->database.path), .trial = trial, .seconds = study->beat_seconds};
    if (!heart->path)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&heart->mutex, NULL);
    pthread_cond_init(&heart->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    /* Signals are for the thread that steps the run. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int reason = pthread_create(&heart->thread, NULL, beat, heart);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    heart->beats = reason == 0;
    if (reason == 0)
        return AUXO_OK;
    pthread_cond_destroy(&heart->wake);
    pthread_mutex_destroy(&heart->mutex);
    free(heart->path);
    heart->path = NULL;
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: no thread for heartbeats: %s", strerror(reason));
}

void auxo__heart_stop(auxo_study *study)
{
    auxo__heart *heart = &study->heart;
    if (!heart->beats)
        return;
    if (study->database.remote) {
        *heart = (auxo__heart){0};
        auxo__remote_beat(study->database.remote, 0, 1, NULL);
        return;
    }
    pthread_mutex_lock(&heart->mutex);
    heart->stop = true;
    pthread_cond_signal(&heart->wake);
    pthread_mutex_unlock(&heart->mutex);
    pthread_join(heart->thread, NULL);
    pthread_cond_destroy(&heart->wake);
    pthread_mutex_destroy(&heart->mutex);
    free(heart->path);
    *heart = (auxo__heart){0};
}

/* ---- the dead ---------------------------------------------------------------------------------------------------- */

static auxo_status is_silent(auxo_study *study, const auxo_trial *trial, bool *silent, auxo_error *error)
{
    int64_t count = 0;
    auxo_status status = auxo__database_integer(
        &study->database, &count, 0, error,
        "SELECT COUNT(*) FROM trial_heartbeats WHERE trial_id = ? AND (julianday(CURRENT_TIMESTAMP) - "
        "julianday(heartbeat)) * 86400.0 > ?",
        "id", trial->id, study->silent_seconds);
    *silent = count > 0;
    return status;
}

auxo_status auxo__study_revive(auxo_study *study, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    bool any = false;
    for (size_t i = 0; i < study->count && status == AUXO_OK; i++) {
        const auxo_trial *trial = &study->trials[i];
        if (trial->state != AUXO_TRIAL_RUNNING || trial->id == study->own)
            continue;
        bool lost = auxo__worker_is_gone(auxo_trial_attribute_json(trial, "worker", false));
        if (!lost)
            status = is_silent(study, trial, &lost, error);
        if (status == AUXO_OK && lost) {
            status = auxo__trial_give_back(study, trial, error);
            any = true;
        }
    }
    return status == AUXO_OK && any ? auxo_study_refresh(study, error) : status;
}
