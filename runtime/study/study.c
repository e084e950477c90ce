/* study.c: a study's life: the file, its one lock for writing, its name and its attributes.
 */
#include "study_internal.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* ---- where the file lies ----------------------------------------------------------------------------------------- */

/* Kinds of f_type (statfs(2)) of file systems on other machines. */
static const char *network_of(const char *path)
{
    static const struct {
        unsigned long type;
        const char *name;
    } kinds[] = {{0x6969, "NFS"},        {0xFF534D42, "CIFS"},  {0xFE534D42, "SMB"}, {0x517B, "SMB"},
                 {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},  {0x5346414F, "AFS"}, {0x00C36400, "Ceph"},
                 {0x01021997, "9P"},     {0x19830326, "BeeGFS"}};
    struct statfs info;
    if (statfs(path, &info) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (((unsigned long)info.f_type & 0xFFFFFFFFUL) == kinds[i].type)
            return kinds[i].name;
    return NULL;
}

/* The log beside the database lets readers work while one writes. It needs memory that all processes share, which a
 * network file system does not give: there the journal stays as it is. The change takes the whole file for a moment and
 * waits for nobody, so that processes that begin together try again. */
static auxo_status set_log(auxo__database *database, auxo_error *error)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int code = SQLITE_BUSY;
    for (double waited = 0; code == SQLITE_BUSY && waited <= database->lock_seconds; waited += 0.01) {
        code = sqlite3_exec(database->handle, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (code == SQLITE_BUSY)
            nanosleep(&pause, NULL);
    }
    return code == SQLITE_OK ? AUXO_OK : auxo__database_failed(database, code, error);
}

static auxo_status set_journal(auxo_study *study, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (!study->database.read_only && !study->network && !study->database.remote)
        status = set_log(&study->database, error);
    if (status == AUXO_OK)
        status = auxo__database_script(&study->database, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", error);
    return status;
}

/* ---- finding a study in the file --------------------------------------------------------------------------------- */

static auxo_status list_names(auxo__database *database, char ***names, size_t *count, auxo_error *error)
{
    auxo__rows rows;
    bool more = false;
    *names = NULL;
    *count = 0;
    auxo_status status =
        auxo__rows_begin(&rows, database, error, "SELECT study_name FROM studies ORDER BY study_id", "");
    if (status == AUXO_OK)
        status = auxo__rows_next(&rows, &more, error);
    while (status == AUXO_OK && more) {
        char **grown = realloc((void *)*names, (*count + 1) * sizeof *grown);
        if (grown)
            *names = grown;
        const char *name = auxo__rows_text(&rows, 0); /* NULL in a file whose schema lets it be */
        char *copy = grown ? strdup(name ? name : "") : NULL;
        if (!copy)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
        else
            grown[(*count)++] = copy;
        if (status == AUXO_OK)
            status = auxo__rows_next(&rows, &more, error);
    }
    auxo__rows_end(&rows);
    return status;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free((void *)names);
}

auxo_status auxo_study_names(const char *path, char ***names, size_t *count, auxo_error *error)
{
    auxo__database database;
    *names = NULL;
    *count = 0;
    auxo_status status = auxo__database_open(&database, path, false, true, 5, error);
    if (status == AUXO_OK)
        status = auxo__schema_open(&database, false, error);
    if (status == AUXO_OK)
        status = list_names(&database, names, count, error);
    if (status != AUXO_OK) {
        free_names(*names, *count);
        *names = NULL;
        *count = 0;
    }
    auxo__database_close(&database);
    return status;
}

/* The only study of the file, or the name that a new one gets. */
static auxo_status choose_name(auxo_study *study, const auxo_study_options *options, auxo_error *error)
{
    char **names = NULL, known[256] = "";
    size_t count = 0, used = 0;
    auxo_status status = list_names(&study->database, &names, &count, error);
    for (size_t i = 0; i < count && used < sizeof known - 1; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names[i]);
    if (status == AUXO_OK && count > 1 && !options->name)
        status = auxo_error_set(error, AUXO_AMBIGUOUS, "study-name: %s holds several studies: %s; name one of them",
                                study->database.path, known);
    const char *name = options->name ? options->name : count == 1 ? names[0] : "auxo";
    study->name = status == AUXO_OK ? strdup(name) : NULL;
    if (status == AUXO_OK && !study->name)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    free_names(names, count);
    return status;
}

static auxo_status find_study(auxo_study *study, auxo_error *error)
{
    return auxo__database_integer(&study->database, &study->id, 0, error,
                                  "SELECT study_id FROM studies WHERE study_name = ?", "t", study->name);
}

static auxo_status add_study(auxo_study *study, const auxo_study_options *options, auxo_error *error)
{
    auxo_status status = auxo__study_enter(study, error);
    if (status != AUXO_OK)
        return status;
    status = find_study(study, error); /* another process may have been faster */
    if (status == AUXO_OK && study->id == 0) {
        status = auxo__database_run(&study->database, error, "INSERT INTO studies (study_name) VALUES (?)", "t",
                                    study->name);
        study->id = auxo__database_last_id(&study->database);
        if (status == AUXO_OK)
            status =
                auxo__database_run(&study->database, error,
                                   "INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, 0)",
                                   "ti", options->maximize ? "MAXIMIZE" : "MINIMIZE", study->id);
        if (status == AUXO_OK && options->metric) {
            char json[128];
            snprintf(json, sizeof json, "[\"%.100s\"]", options->metric);
            status = auxo_study_set_attribute(study, "study:metric_names", true, json, error);
        }
    }
    return auxo__study_leave(study, status, error);
}

static auxo_status read_direction(auxo_study *study, auxo_error *error)
{
    int64_t objectives = 0, maximizes = 0;
    auxo_status status =
        auxo__database_integer(&study->database, &objectives, 0, error,
                               "SELECT COUNT(*) FROM study_directions WHERE study_id = ?", "i", study->id);
    if (status == AUXO_OK && objectives != 1)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "study: %s has %lld objectives; Auxo works on studies with one",
                              study->name, (long long)objectives);
    if (status == AUXO_OK)
        status = auxo__database_integer(
            &study->database, &maximizes, 0, error,
            "SELECT COUNT(*) FROM study_directions WHERE study_id = ? AND direction = 'MAXIMIZE'", "i", study->id);
    study->maximizes = maximizes != 0;
    return status;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static double or_else(double value, double fallback)
{
    return value > 0 ? value : fallback;
}

/* The other ranks wait for this. */
static auxo_status serve(auxo_study *study, const auxo_study_options *options, auxo_error *error)
{
    char *folder = NULL;
    auxo_status status = auxo_study_folder(study, &folder, error);
    if (status == AUXO_OK)
        status = auxo__study_server_start(options->cluster, study->database.path, folder, &study->server, error);
    free(folder);
    return status;
}

static auxo_status open_study(auxo_study *study, const char *path, const auxo_study_options *options, auxo_error *error)
{
    const bool create = options->create && !options->read_only;
    const double lock_seconds = or_else(options->lock_seconds, 30);
    const bool remote = auxo_cluster_rank(options->cluster) > 0;
    auxo_status status =
        remote ? auxo__database_open_remote(&study->database, path, options->cluster, options->read_only, lock_seconds,
                                            error)
               : auxo__database_open(&study->database, path, create, options->read_only, lock_seconds, error);
    if (status != AUXO_OK)
        return status;
    study->network = remote ? NULL : network_of(path);
    status = set_journal(study, error);
    if (status == AUXO_OK)
        status = auxo__schema_open(&study->database, create, error);
    if (status == AUXO_OK)
        status = choose_name(study, options, error);
    if (status == AUXO_OK)
        status = find_study(study, error);
    if (status == AUXO_OK && study->id == 0 && create)
        status = add_study(study, options, error);
    if (status == AUXO_OK && study->id == 0)
        status = auxo_error_set(error, AUXO_NOT_FOUND, "study: there is no study \"%s\" in %s", study->name, path);
    if (status == AUXO_OK)
        status = read_direction(study, error);
    if (status == AUXO_OK)
        status = auxo_study_refresh(study, error);
    return status == AUXO_OK && !remote && auxo_cluster_size(options->cluster) > 1 ? serve(study, options, error)
                                                                                   : status;
}

auxo_status auxo_study_open(const char *path, const auxo_study_options *options, auxo_study **opened, auxo_error *error)
{
    *opened = NULL;
    auxo_study *study = calloc(1, sizeof *study);
    if (!study)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    study->beat_seconds = or_else(options->beat_seconds, 10);
    study->silent_seconds = or_else(options->silent_seconds, 60);
    auxo_status status = open_study(study, path, options, error);
    if (status == AUXO_OK)
        *opened = study;
    else
        auxo_study_close(study);
    return status;
}

void auxo_study_close(auxo_study *study)
{
    if (!study)
        return;
    auxo__heart_stop(study);
    if (study->locked)
        auxo_study_unlock(study, false, NULL);
    if (study->own && (study->database.handle || study->database.remote))
        auxo_study_give_back(study, study->own, NULL);
    auxo__study_server_stop(study->server);
    for (size_t i = 0; i < study->count; i++)
        auxo__kept_trial_deinit(&study->kept[i]);
    free(study->kept);
    free(study->trials);
    free(study->name);
    auxo__database_close(&study->database);
    free(study);
}

const char *auxo_study_name(const auxo_study *study)
{
    return study->name;
}

const char *auxo_study_path(const auxo_study *study)
{
    return study->database.path;
}

bool auxo_study_maximizes(const auxo_study *study)
{
    return study->maximizes;
}

const char *auxo_study_network(const auxo_study *study)
{
    return study->network;
}

auxo_status auxo_study_folder(const auxo_study *study, char **path, auxo_error *error)
{
    static const char ending[] = ".models";
    if (study->database.remote) {
        *path = strdup(study->database.remote->folder);
        return *path ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    }
    const size_t size = strlen(study->database.path) + sizeof ending;
    *path = malloc(size);
    if (!*path)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    snprintf(*path, size, "%s%s", study->database.path, ending);
    return AUXO_OK;
}

/* Models of trials that have ended and name none: what is left by a worker that was killed between writing a file and
 * saying so, or between saying that it is not needed and removing it. */
static void remove_strays(const auxo_study *study, const char *folder, DIR *files)
{
    const struct dirent *file;
    while ((file = readdir(files))) {
        long long number = -1;
        char ending[16] = "", path[4200];
        if (sscanf(file->d_name, "trial-%lld.%15s", &number, ending) != 2 || strcmp(ending, "safetensors") != 0 ||
            number < 0 || (size_t)number >= study->count)
            continue;
        const auxo_trial *trial = &study->trials[number];
        const bool open = trial->state == AUXO_TRIAL_RUNNING || trial->state == AUXO_TRIAL_WAITING;
        if (!open && trial->number == number && !auxo_trial_attribute_json(trial, "model", false) &&
            snprintf(path, sizeof path, "%s/%s", folder, file->d_name) < (int)sizeof path)
            unlink(path);
    }
}

auxo_status auxo_study_remove_strays(auxo_study *study, auxo_error *error)
{
    char *folder = NULL;
    if (study->database.remote) /* rank 0 does */
        return AUXO_OK;
    auxo_status status = auxo_study_folder(study, &folder, error);
    DIR *files = status == AUXO_OK ? opendir(folder) : NULL;
    if (files) {
        status = auxo_study_lock(study, error);
        if (status == AUXO_OK) {
            remove_strays(study, folder, files);
            status = auxo_study_unlock(study, true, error);
        }
        closedir(files);
    }
    free(folder);
    return status;
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

auxo_status auxo__study_enter(auxo_study *study, auxo_error *error)
{
    return study->locked ? AUXO_OK : auxo__database_script(&study->database, "BEGIN IMMEDIATE", error);
}

auxo_status auxo__study_leave(auxo_study *study, auxo_status status, auxo_error *error)
{
    if (study->locked)
        return status;
    if (status == AUXO_OK)
        status = auxo__database_script(&study->database, "COMMIT", error);
    if (status != AUXO_OK)
        auxo__database_rollback(&study->database);
    return status;
}

auxo_status auxo_study_lock(auxo_study *study, auxo_error *error)
{
    auxo_status status = auxo__study_enter(study, error);
    if (status != AUXO_OK)
        return status;
    study->locked = true;
    study->own_at_lock = study->own;
    status = auxo_study_refresh(study, error);
    if (status == AUXO_OK)
        status = auxo__study_revive(study, error);
    if (status != AUXO_OK)
        auxo_study_unlock(study, false, NULL);
    return status;
}

auxo_status auxo_study_unlock(auxo_study *study, bool keep, auxo_error *error)
{
    if (!study->locked)
        return AUXO_OK;
    study->locked = false;
    if (keep)
        return auxo__study_leave(study, AUXO_OK, error);
    auxo__study_leave(study, AUXO_INTERRUPTED, NULL);
    if (study->own != study->own_at_lock)
        auxo__heart_stop(study);
    study->own = study->own_at_lock;
    /* What was read under the lock may never have been. */
    for (size_t i = 0; i < study->count; i++)
        auxo__kept_trial_deinit(&study->kept[i]);
    study->count = 0;
    return AUXO_OK;
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

auxo_status auxo_study_get_attribute(auxo_study *study, const char *name, bool system, char **json, auxo_error *error)
{
    auxo__rows rows;
    bool more = false;
    *json = NULL;
    auxo_status status =
        auxo__rows_begin(&rows, &study->database, error,
                         system ? "SELECT value_json FROM study_system_attributes WHERE study_id = ? AND \"key\" = ?"
                                : "SELECT value_json FROM study_user_attributes WHERE study_id = ? AND \"key\" = ?",
                         "it", study->id, name);
    if (status == AUXO_OK)
        status = auxo__rows_next(&rows, &more, error);
    if (status == AUXO_OK && more && auxo__rows_text(&rows, 0)) {
        *json = strdup(auxo__rows_text(&rows, 0));
        if (!*json)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    }
    auxo__rows_end(&rows);
    return status;
}

auxo_status auxo_study_set_attribute(auxo_study *study, const char *name, bool system, const char *json,
                                     auxo_error *error)
{
    if (!json)
        return auxo__database_run(&study->database, error,
                                  system ? "DELETE FROM study_system_attributes WHERE study_id = ? AND \"key\" = ?"
                                         : "DELETE FROM study_user_attributes WHERE study_id = ? AND \"key\" = ?",
                                  "it", study->id, name);
    return auxo__database_run(
        &study->database, error,
        system ? "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES (?, ?, ?) "
                 "ON CONFLICT (study_id, \"key\") DO UPDATE SET value_json = excluded.value_json"
               : "INSERT INTO study_user_attributes (study_id, \"key\", value_json) VALUES (?, ?, ?) "
                 "ON CONFLICT (study_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
        "itt", study->id, name, json);
}
