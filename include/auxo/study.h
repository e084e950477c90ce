/* auxo/study.h: studies: what was tried, with what result, in one SQLite file that many processes work on.
 *
 * A study is a list of trials, each with the values of its parameters, a value after every epoch, a state and
 * attributes. The file has the relational schema of Optuna (T. Akiba et al., "Optuna: A Next-generation Hyperparameter
 * Optimization Framework", KDD 2019): schema version 12, revision v3.2.0.a; Optuna's programs read, show and continue
 * it. What Auxo needs besides stands in attributes whose names begin with "auxo:". Everything between lock and unlock
 * happens at once for all others, and each call outside is one transaction. Threading: one thread at a time per study;
 * heartbeats come from a thread of the study's own.
 */
#ifndef AUXO_STUDY_H
#define AUXO_STUDY_H

#include "auxo/report.h"
#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the space ----------------------------------------------------------------------------------------------------
 */
typedef enum auxo_parameter_kind {
    AUXO_PARAMETER_REAL,
    AUXO_PARAMETER_INTEGER,
    AUXO_PARAMETER_CHOICE /* its value is the place among the choices, from 0 */
} auxo_parameter_kind;

enum { AUXO_PARAMETER_NAME_BYTES = 64, AUXO_CHOICES_MAX = 64 };

/* One parameter. Both ends included; low = high: fixed. */
typedef struct auxo_parameter {
    char name[AUXO_PARAMETER_NAME_BYTES];
    auxo_parameter_kind kind;
    double low, high;
    double step;    /* INTEGER: at least 1; REAL: 0 for none */
    bool log;       /* uniform in the logarithm; needs low > 0 and no step */
    char **choices; /* CHOICE: choice_count JSON values: "\"relu\"", "3", "null" */
    size_t choice_count;
    /* It exists only where an earlier parameter has a value within [parent_low, parent_high], or, of a CHOICE, one
     * whose bit is set. parent < 0: always. */
    int parent;
    double parent_low, parent_high;
    uint64_t parent_choices;
} auxo_parameter;

typedef struct auxo_space {
    auxo_parameter *items;
    size_t count;
} auxo_space;

/* Appends a parameter (choices are copied). Errors: INVALID_ARGUMENT names it and what is wrong; OUT_OF_MEMORY.
 * Ownership: deinit. Zero-initialise. */
AUXO_API auxo_status auxo_space_add(auxo_space *space, const auxo_parameter *parameter, auxo_error *error);
AUXO_API void auxo_space_deinit(auxo_space *space);
/* Reads {"lr": {"type": "float", "low": 1e-4, "high": 0.1, "log": true}, "batch": {"type": "int", "low": 8, "high": 64,
 * "step": 8}, "optimizer": {"choices": ["sgd", "adam"]}, "momentum": {"type": "float", "low": 0, "high": 0.99, "when":
 * {"optimizer": "sgd"}}}. "when" names one earlier parameter with a value, a list of values, or {"low": a, "high": b}.
 * Errors: IO, FORMAT, INVALID_ARGUMENT name the file and the parameter. */
AUXO_API auxo_status auxo_space_load(auxo_space *space, const char *path, auxo_error *error);
/* Whether a parameter exists under the values of those before it (NaN: does not exist). */
AUXO_API bool auxo_space_is_active(const auxo_space *space, size_t index, const double *values);
/* The value as text, as people and settings write it; returns `text`. */
AUXO_API const char *auxo_parameter_text(const auxo_parameter *parameter, double value, char *text, size_t size);
/* Optuna's JSON of its distribution, and back (without a name). Ownership: free(*json); auxo_parameter_deinit. Errors:
 * FORMAT; OUT_OF_MEMORY. */
AUXO_API auxo_status auxo_parameter_print(const auxo_parameter *parameter, char **json, auxo_error *error);
AUXO_API auxo_status auxo_parameter_parse(const char *json, auxo_parameter *parameter, auxo_error *error);
AUXO_API void auxo_parameter_deinit(auxo_parameter *parameter);
/* The nearest value that the parameter can have. */
AUXO_API double auxo_parameter_round(const auxo_parameter *parameter, double value);

/* ---- trials -------------------------------------------------------------------------------------------------------
 */
typedef enum auxo_trial_state {
    AUXO_TRIAL_RUNNING,
    AUXO_TRIAL_COMPLETE,
    AUXO_TRIAL_PRUNED,
    AUXO_TRIAL_FAILED,
    AUXO_TRIAL_WAITING
} auxo_trial_state;
AUXO_API const char *auxo_trial_state_text(auxo_trial_state state); /* "complete" */

typedef struct auxo_trial_parameter {
    const char *name, *distribution; /* distribution: Optuna's JSON of it */
    double value;                    /* of a choice: its place */
} auxo_trial_parameter;

typedef struct auxo_trial_report {
    int64_t step;
    double value;
} auxo_trial_report;

typedef struct auxo_trial_attribute {
    const char *name, *json;
    bool system; /* a program's own; else shown to people */
} auxo_trial_attribute;

typedef struct auxo_trial {
    int64_t id, number; /* in the file; in the study, from 0 */
    auxo_trial_state state;
    const char *started, *completed; /* local time "2026-11-30 14:06:25.035968"; NULL: not yet */
    double value;                    /* NaN: none; may be infinite */
    const auxo_trial_parameter *parameters;
    const auxo_trial_report *reports; /* by step */
    const auxo_trial_attribute *attributes;
    size_t parameter_count, report_count, attribute_count;
} auxo_trial;

/* NaN if the trial has no such parameter. */
AUXO_API double auxo_trial_parameter_value(const auxo_trial *trial, const char *name);
/* JSON, borrowed; NULL: none. */
AUXO_API const char *auxo_trial_attribute_json(const auxo_trial *trial, const char *name, bool system);

/* ---- studies ------------------------------------------------------------------------------------------------------
 */
typedef struct auxo_study auxo_study;

typedef struct auxo_study_options {
    const char *name;    /* NULL: the only one in the file; of a new one "auxo" */
    bool create;         /* where the file, or the study in it, does not exist */
    bool maximize;       /* of a new one */
    const char *metric;  /* of a new one: what its value is; may be NULL */
    bool read_only;      /* to look at it */
    double lock_seconds; /* how long another process may hold the lock; 0: 30 */
    double beat_seconds; /* between heartbeats of a trial; 0: 10 */
    /* The job whose ranks work on it together: rank 0 opens the file, and the others reach it there. Every rank opens
     * and closes it; rank 0's close waits for theirs. NULL: this process alone. */
    struct auxo_cluster *cluster;
    double silent_seconds; /* a trial on another machine without a heartbeat for so long has lost its worker; 0: 60 */
} auxo_study_options;

/* Opens the file, creating file, schema and study if asked to. Errors: NOT_FOUND; FORMAT: no database, or none of this
 * schema, newer ones included; IO: read-only, full disk, or locked by another process; AMBIGUOUS names the studies in
 * it; UNSUPPORTED: several objectives. Ownership: close. */
AUXO_API auxo_status auxo_study_open(const char *path, const auxo_study_options *options, auxo_study **study,
                                     auxo_error *error);
/* A trial that this object has begun and not ended is given back. NULL is allowed. */
AUXO_API void auxo_study_close(auxo_study *study);
AUXO_API const char *auxo_study_name(const auxo_study *study);
AUXO_API const char *auxo_study_path(const auxo_study *study);
AUXO_API bool auxo_study_maximizes(const auxo_study *study);
/* The kind of network file system the file lies on, where locks may fail ("NFS"); NULL: a local one. */
AUXO_API const char *auxo_study_network(const auxo_study *study);
/* The names of the studies in a file. Ownership: free every name and the array. */
AUXO_API auxo_status auxo_study_names(const char *path, char ***names, size_t *count, auxo_error *error);

/* Reads what has changed. */
AUXO_API auxo_status auxo_study_refresh(auxo_study *study, auxo_error *error);
/* All trials as of the last refresh or lock, by number. Borrowed until the next one. */
AUXO_API const auxo_trial *auxo_study_trials(const auxo_study *study, size_t *count);
/* The complete trial with the best finite value; NULL: none. */
AUXO_API const auxo_trial *auxo_study_best(const auxo_study *study);

/* The study's own attributes. Ownership: free(*json); NULL if there is none. */
AUXO_API auxo_status auxo_study_get_attribute(auxo_study *study, const char *name, bool system, char **json,
                                              auxo_error *error);
/* json NULL: removes it. */
AUXO_API auxo_status auxo_study_set_attribute(auxo_study *study, const char *name, bool system, const char *json,
                                              auxo_error *error);

/* ---- working on a study -------------------------------------------------------------------------------------------
 */
/* Takes the database's one lock for writing, reads what has changed, and gives back the trials of workers that died:
 * each is failed, and stands once more among those that wait, with its number in "retry_history", up to ten times in a
 * row. Errors: IO. */
AUXO_API auxo_status auxo_study_lock(auxo_study *study, auxo_error *error);
/* Ends what lock began; `keep` false: as if nothing since had happened. */
AUXO_API auxo_status auxo_study_unlock(auxo_study *study, bool keep, auxo_error *error);

/* A new trial with the values of `space` (NaN: it does not have that one). waiting: for whoever comes first; else it is
 * this worker's. *id: of the trial. */
AUXO_API auxo_status auxo_study_add_trial(auxo_study *study, const auxo_space *space, const double *values,
                                          bool waiting, int64_t *id, auxo_error *error);
/* Makes the first trial that waits this worker's. *id 0: there is none. */
AUXO_API auxo_status auxo_study_take_waiting(auxo_study *study, int64_t *id, auxo_error *error);
/* A value that a trial which was taken does not have yet. */
AUXO_API auxo_status auxo_study_set_parameter(auxo_study *study, int64_t id, const auxo_parameter *parameter,
                                              double value, auxo_error *error);
AUXO_API auxo_status auxo_study_set_trial_attribute(auxo_study *study, int64_t id, const char *name, bool system,
                                                    const char *json, auxo_error *error);
/* The trial as of now, refreshed. NULL: there is none. */
AUXO_API const auxo_trial *auxo_study_trial(auxo_study *study, int64_t id, auxo_error *error);
/* The value after a step (an epoch). */
AUXO_API auxo_status auxo_study_report(auxo_study *study, int64_t id, int64_t step, double value, auxo_error *error);
/* Ends this worker's trial. value NaN: none (FAILED). *kept false: the trial had been given to another worker
 * meanwhile, and nothing was written. */
AUXO_API auxo_status auxo_study_end_trial(auxo_study *study, int64_t id, auxo_trial_state state, double value,
                                          bool *kept, auxo_error *error);
/* Fails this worker's trial and lets it wait for another. */
AUXO_API auxo_status auxo_study_give_back(auxo_study *study, int64_t id, auxo_error *error);
/* The folder beside the file ("FILE.models") in which models lie. Ownership: free(*path). */
AUXO_API auxo_status auxo_study_folder(const auxo_study *study, char **path, auxo_error *error);

/* ---- proposals ----------------------------------------------------------------------------------------------------
 */
typedef enum auxo_sampler_kind {
    AUXO_SAMPLER_RANDOM, /* uniform, or uniform in the logarithm */
    AUXO_SAMPLER_TPE     /* tree-structured Parzen estimator (J. Bergstra et al., NIPS 2011) */
} auxo_sampler_kind;

typedef struct auxo_sampler {
    auxo_sampler_kind kind;
    uint64_t seed;
    uint32_t startup;    /* TPE: trials at random before the first estimate (10) */
    uint32_t candidates; /* TPE: draws of which the best is proposed (24) */
    bool multivariate;   /* TPE: parameters under one condition are proposed together, with joint kernels */
} auxo_sampler;
AUXO_API void auxo_sampler_init(auxo_sampler_kind kind, uint64_t seed, auxo_sampler *sampler);

/* What was tried, oldest first. */
typedef struct auxo_observation {
    const double *values; /* (space->count); NaN: it had no such parameter */
    double loss;          /* smaller is better; INFINITY: bad, or still running */
} auxo_observation;
/* The next point, values (space->count), NaN where a parameter does not exist; a function of the seed, of `draw` (the
 * number of the proposal) and of the observations. Errors: OUT_OF_MEMORY. */
AUXO_API auxo_status auxo_sampler_propose(const auxo_sampler *sampler, const auxo_space *space,
                                          const auxo_observation *observations, size_t count, uint64_t draw,
                                          double *values, auxo_error *error);
/* The same from a study's trials as they were read last. */
AUXO_API auxo_status auxo_study_propose(auxo_study *study, const auxo_space *space, const auxo_sampler *sampler,
                                        uint64_t draw, double *values, auxo_error *error);
/* Proposes a point and begins its trial, all under the lock: with auxo_study_report and auxo_study_end_trial any
 * function can be searched. */
AUXO_API auxo_status auxo_study_ask(auxo_study *study, const auxo_space *space, const auxo_sampler *sampler,
                                    int64_t *id, double *values, auxo_error *error);

typedef enum auxo_pruner_kind {
    AUXO_PRUNER_NONE,
    AUXO_PRUNER_MEDIAN, /* worse than the median of complete trials at the same step (D. Golovin et al., KDD 2017) */
    AUXO_PRUNER_HALVING /* asynchronous successive halving (L. Li et al., MLSys 2020) */
} auxo_pruner_kind;

typedef struct auxo_pruner {
    auxo_pruner_kind kind;
    uint32_t startup, warmup; /* median: complete trials before it judges (5); steps of each trial that it spares (0) */
    uint32_t minimum, reduction; /* halving: the first rung (1), and of how many one goes on (4, at least 2) */
} auxo_pruner;
AUXO_API void auxo_pruner_init(auxo_pruner_kind kind, auxo_pruner *pruner);
/* Whether `own`, after its last report, is to be given up; trials may hold it. */
AUXO_API auxo_status auxo_pruner_judge(const auxo_pruner *pruner, const auxo_trial *trials, size_t count,
                                       const auxo_trial *own, bool maximize, bool *pruned, auxo_error *error);

/* ---- looking at a study --------------------------------------------------------------------------------------------
 */
/* How much of the values' variance one parameter explains by itself: the adjusted one-way share of variance, epsilon
 * squared (T. L. Kelley, PNAS 21(9), 1935) over up to five bins of equally many complete trials (a choice: one bin
 * each); 0 to 1, below 0 told as 0. Interactions are not seen. */
typedef struct auxo_importance {
    const char *name; /* borrowed from the study until its next refresh */
    double share;     /* NaN: too few trials have it, or it does not vary */
    size_t trial_count;
} auxo_importance;
/* Largest first. Ownership: free(*list). */
AUXO_API auxo_status auxo_study_importance(const auxo_study *study, auxo_importance **list, size_t *count,
                                           auxo_error *error);
/* History, importance, parallel coordinates, a slice for each parameter, the best trials. */
AUXO_API auxo_status auxo_study_draw(const auxo_study *study, auxo_report *report, auxo_error *error);

/* Removes models in that folder whose trials have ended without naming one: what workers that were killed have left. To
 * be called when a worker begins. */
AUXO_API auxo_status auxo_study_remove_strays(auxo_study *study, auxo_error *error);

/* Adds all trials of `source` that have ended and that `target` does not have yet (by "auxo:origin"); *added: how many.
 * Models that they name are copied into its folder. Errors: INVALID_ARGUMENT: another direction, another range of a
 * parameter. */
AUXO_API auxo_status auxo_study_merge(auxo_study *target, auxo_study *source, size_t *added, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
