/* method.h: what a method is, and what a run offers to one.
 *
 * A method is a table; runs are driven by run.c alone. Invariant: after any step the run can be saved, and what restore
 * makes of it goes on to the same bits on the same device. A step takes at most one epoch or one edit. A method never
 * prints: it sends events.
 */
#ifndef AUXO_RUN_METHOD_H
#define AUXO_RUN_METHOD_H

#include "best.h"
#include "file.h"
#include "history.h"
#include "settings.h"

#include "auxo/report.h"
#include "auxo/study.h"

struct auxo_method {
    auxo_method_info info;
    size_t state_bytes; /* of the method's own state: zeroed before begin */
    /* Opens data, models, trainers by the settings, for a fresh run or before restore. */
    auxo_status (*begin)(auxo_run *run, void *state, auxo_error *error);
    /* Tells how the run starts ("start" event), fresh or restored; may be NULL. */
    auxo_status (*announce)(auxo_run *run, void *state, auxo_error *error);
    auxo_status (*step)(auxo_run *run, void *state, bool *done, auxo_error *error);
    auxo_status (*describe)(auxo_run *run, void *state, auxo__archive *archive, auxo_error *error);
    auxo_status (*restore)(auxo_run *run, void *state, const auxo__archive *archive, auxo_error *error);
    /* Measures, and sends the "result" event; the best model is saved before that, by run.c. */
    auxo_status (*finish)(auxo_run *run, void *state, auxo_error *error);
    /* Adds its sections to the HTML report; what made the run stands there already. May be NULL. */
    auxo_status (*report)(auxo_run *run, void *state, auxo_report *report, auxo_error *error);
    /* Frees what state holds; also after a begin that failed. */
    void (*end)(void *state);
    /* The model that the run is about (saved by `save`); NULL while there is none. */
    auxo_model *(*model)(void *state);
    double (*progress)(const auxo_run *run, const void *state); /* may be NULL */
    uint64_t (*epochs)(const void *state);                      /* "epoch" events still to come; 0 or NULL: unknown */
    /* Further requirements of a saved model, instead of auxo_model_save; may be NULL. */
    auxo_status (*save_model)(auxo_run *run, void *state, const char *path, auxo_error *error);
    /* A run that is interrupted or breaks down still has a result: what it found so far. */
    bool finish_when_ended;
    /* It can train with the ranks of a job, each with its part of every batch. */
    bool divides_batches;
    /* Whether the value of a trial is a loss; NULL: it is not. */
    bool (*minimizes)(const auxo_settings *settings);
    /* Another method that does what these settings ask for; NULL, or the answer NULL: this one. */
    const auxo_method *(*choose)(const auxo_settings *settings);
    const char *csv_event;    /* the kept event whose rows "csv" writes; NULL: "epoch" */
    const char *report_title; /* NULL: the method's summary */
};

struct auxo_run {
    const auxo_method *method;
    const auxo_method *inner; /* what was asked for; another than `method` where that runs it in folds */
    auxo_settings *settings;  /* own copy */
    auxo_run_options options;
    char *command; /* own copy of options.command, or NULL */
    void *state;
    const auxo__archive *resumed_from; /* while begin runs: the checkpoint that restore will get; else NULL */
    const auxo_data_schema *schema;    /* what a saved model shall know of its data; of the method, or NULL */
    auxo_study *study;                 /* of the setting "study"; NULL: none */
    auxo_device *device;               /* opened by task.c; closed here, after the state has ended */
    auxo__history history;
    auxo__best best;
    auxo__file_lock lock;                /* of the checkpoint */
    uint64_t data_hash, saved_data_hash; /* of the rows, and of those that the checkpoint was made with */
    const char *data_differs;            /* the setting of role DATA that is not as it was; NULL: none */
    uint64_t position, saved_position;   /* of the method's work; a checkpoint is written where they differ */
    bool begun, resumed, done, save_due;
    double setup_seconds; /* from open to the first step */
    double open_seconds;
    float *class_weights; /* of the setting; NULL: none */
    char *result;         /* JSON */
    char **notes;         /* what was decided on the way, for the report */
    size_t note_count;
};

/* ---- for methods ---- */
/* Sends an event to the listener, and keeps its numbers if its type says so. */
auxo_status auxo__run_emit(auxo_run *run, const auxo_event_type *type, const void *record, auxo_error *error);
/* A line on what was chosen or left out, for people ("note" event). */
auxo_status auxo__run_note(auxo_run *run, auxo_error *error, const char *format, ...) AUXO_PRINTF(3, 4);
/* The state has moved on: `position` numbers it. A checkpoint follows the step where `due` (or when stopped). */
void auxo__run_moved(auxo_run *run, uint64_t position, bool due);
/* The validation result of an epoch: kept if it is the best. *exhausted: the setting "patience" says to stop. */
auxo_status auxo__run_offer(auxo_run *run, uint32_t epoch, double score, double loss, bool *exhausted,
                            auxo_error *error);
bool auxo__run_stopped(const auxo_run *run);
#endif
