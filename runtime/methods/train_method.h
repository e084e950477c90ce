/* train_method.h: the state of "train", and its report.
 */
#ifndef AUXO_METHODS_TRAIN_METHOD_H
#define AUXO_METHODS_TRAIN_METHOD_H

#include "task.h"

typedef struct auxo__train_state {
    auxo__task_data data;
    auxo_device *helpers[AUXO__HELPERS_MAX]; /* further devices; the run's is the first */
    size_t helper_count;
    uint32_t shares[AUXO__HELPERS_MAX + 1]; /* of the setting; options.shares points here */
    auxo_model *model;
    auxo_trainer *trainer;
    auxo_train_options options;
    char optimizer_text[256];
    uint64_t epoch_limit, step_limit, checkpoint_every;
    uint64_t first_step; /* steps done before this process */
    bool explained;
    auxo_evaluation result;
    auxo_class_scores scores; /* of the test rows */
    auxo__real_errors errors; /* likewise */
    auxo_trainer_work work;   /* of this process */
} auxo__train_state;

#define AUXO__TRAINING "training/" /* prefix of the trainer's tensors in a checkpoint */

/* ---- train_devices.c ---- */
extern const auxo_event_type auxo__shares_event;

/* The run's device and the helpers that the settings name, and the shares that they are given. */
auxo_status auxo__train_open_devices(auxo_run *run, auxo__train_state *state, auxo_error *error);

/* Tells how several devices divide each batch, which is known after the first step. */
auxo_status auxo__train_report_shares(auxo_run *run, const auxo__train_state *state, auxo_error *error);

auxo_status auxo__train_store_shares(const auxo__train_state *state, auxo__archive *archive, auxo_error *error);
auxo_status auxo__train_restore_shares(auxo__train_state *state, const auxo__archive *archive, auxo_error *error);

/* ---- train_report.c ---- */
auxo_status auxo__train_report(auxo_run *run, void *state, auxo_report *report, auxo_error *error);

#endif
