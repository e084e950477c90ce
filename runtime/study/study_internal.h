/* study_internal.h: the study object, shared by the files of this folder.
 *
 * Invariant: `trials` has the trials of the study by number, as of the last refresh; what has ended is not read again.
 */
#ifndef AUXO_STUDY_INTERNAL_H
#define AUXO_STUDY_INTERNAL_H

#include "database.h"
#include "server.h"

#include "auxo/study.h"

#include <pthread.h>

/* A trial and the memory that it points into. */
typedef struct auxo__kept_trial {
    auxo_trial trial;
    char **texts; /* owned; all names, distributions, JSON, times */
    size_t text_count, text_capacity;
    auxo_trial_parameter *parameters;
    auxo_trial_report *reports;
    auxo_trial_attribute *attributes;
} auxo__kept_trial;

/* The thread that says that this worker lives; one trial at a time. */
typedef struct auxo__heart {
    bool beats;
    bool stop;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    char *path; /* NULL: rank 0 beats for this process */
    int64_t trial;
    double seconds;
} auxo__heart;

struct auxo_study {
    auxo__database database;
    char *name;
    int64_t id;
    bool maximizes, locked;
    const char *network;
    double beat_seconds, silent_seconds;
    auxo_trial *trials; /* copies of kept[].trial, by number */
    auxo__kept_trial *kept;
    size_t count, capacity;
    int64_t own;         /* the trial that this worker has begun; 0: none */
    int64_t own_at_lock; /* when the lock was taken */
    auxo__heart heart;
    auxo__study_server *server; /* of rank 0 of a job; NULL: none */
};

/* ---- schema.c ---- */
/* Creates the tables in an empty file; checks the version of those there are. Errors: FORMAT. */
auxo_status auxo__schema_open(auxo__database *database, bool create, auxo_error *error);

/* ---- transactions: nothing inside lock and unlock, else one of its own ---- */
auxo_status auxo__study_enter(auxo_study *study, auxo_error *error);
auxo_status auxo__study_leave(auxo_study *study, auxo_status status, auxo_error *error);

/* ---- trial_read.c ---- */
void auxo__kept_trial_deinit(auxo__kept_trial *kept);

/* ---- trial_write.c ---- */
auxo_status auxo__trial_set_value(auxo_study *study, int64_t id, double value, auxo_error *error);
auxo_status auxo__trial_copy_parameter(auxo_study *study, int64_t id, const auxo_trial_parameter *parameter,
                                       auxo_error *error);
/* Fails a trial and adds its copy that waits. */
auxo_status auxo__trial_give_back(auxo_study *study, const auxo_trial *trial, auxo_error *error);
/* "2026-11-30 14:06:25.035968", local time. */
void auxo__study_time(char text[32]);

/* ---- worker.c ---- */
/* Who this process is, as JSON: machine, process, when it began. Ownership: free(*json). */
auxo_status auxo__worker_describe(char **json, auxo_error *error);
/* Whether the worker of that description runs on this machine no more. False also where this cannot be told. */
bool auxo__worker_is_gone(const char *json);
auxo_status auxo__heart_start(auxo_study *study, int64_t trial, auxo_error *error);
void auxo__heart_stop(auxo_study *study);
auxo_status auxo__heart_beat(auxo__database *database, int64_t trial, auxo_error *error);
/* Gives back the trials of this study whose workers died. */
auxo_status auxo__study_revive(auxo_study *study, auxo_error *error);

#endif
