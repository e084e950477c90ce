/* task.h: what methods that train start with: device, data, the model, training options, from the settings that they
 * share.
 */
#ifndef AUXO_RUN_TASK_H
#define AUXO_RUN_TASK_H

#include "method.h"

#include "auxo/metrics.h"

/* Tables that methods put together; each ends with AUXO_SETTINGS_END. */
extern const auxo_setting auxo__device_settings[];     /* device, precision */
extern const auxo_setting auxo__validation_settings[]; /* validation */
extern const auxo_setting auxo__model_settings[];      /* model */
extern const auxo_setting auxo__import_settings[];     /* weights, weight-rules, reset: with model */
extern const auxo_setting auxo__seed_settings[];       /* seed */
extern const auxo_setting auxo__outcome_settings[];  /* time, event, event-level: of methods that learn survival, too */
extern const auxo_setting auxo__stream_settings[];   /* stream, stream-limit, shuffle: rows may stay in their file */
extern const auxo_setting auxo__training_settings[]; /* batch, optimizer, lr, lr-schedule, loss, ... */
extern const auxo_setting auxo__run_settings[];      /* checkpoint, resume, report, csv */
extern const auxo_setting auxo__save_settings[];     /* save, log-every: of methods that make one model */

enum { AUXO__HELPERS_MAX = 15 };

/* The rows of a run. Ownership: deinit. */
typedef struct auxo__task_data {
    auxo_dataset *train, *validation, *test; /* validation and test may be NULL */
} auxo__task_data;

/* Loads the setting "data" (or `name`, if it is not NULL), splits off a test part where there is none (a fifth, by the
 * seed; a note says so) if `needs_test`, and the fraction of "validation". Sets run->data_hash. */
auxo_status auxo__task_load_data(auxo_run *run, const char *name, bool needs_test, auxo__task_data *data,
                                 auxo_error *error);
/* The rows alone, with `seed` for what generates or samples them; no split, no note of one. */
/* The run's data_hash: what a checkpoint knows its rows by. test may be NULL. */
auxo_status auxo__task_hash(auxo_run *run, const auxo_dataset *train, const auxo_dataset *test, auxo_error *error);
auxo_status auxo__task_read(auxo_run *run, const char *name, uint64_t seed, auxo__task_data *data, auxo_error *error);
void auxo__task_data_deinit(auxo__task_data *data);
/* Opens run->device by the setting "device" (its first, if there are several). */
auxo_status auxo__task_open_device(auxo_run *run, auxo_error *error);
/* Models made on the device from now on compute in the setting "precision". */
auxo_status auxo__task_set_precision(const auxo_run *run, auxo_device *device, auxo_error *error);

typedef struct auxo__task_schedule {
    uint32_t begin, end;    /* epochs between which lr-schedule falls; end 0: unknown */
    uint32_t warmup_epochs; /* where warmup is not given */
} auxo__task_schedule;

/* Training options from the settings of auxo__training_settings. *optimizer_text (256 bytes): the optimiser in full. */
auxo_status auxo__task_options(auxo_run *run, const auxo_dataset *train, const auxo__task_schedule *schedule,
                               auxo_train_options *options, char optimizer_text[256], auxo_error *error);
/* The setting "model": a built-in, a JSON description or a safetensors file, for this data. */
auxo_status auxo__task_open_model(auxo_run *run, const auxo_dataset *train, auxo_model **model, auxo_error *error);
auxo_status auxo__task_open_model_seeded(auxo_run *run, const auxo_dataset *train, uint64_t seed, auxo_model **model,
                                         auxo_error *error);
/* Which layers a list of names ("stage1*" stands for all that begin so) leaves to be trained: (layer_count), NULL for
 * all of them. Errors: NOT_FOUND names what is no layer; INVALID_ARGUMENT: nothing would be trained. Ownership: free.
 */
auxo_status auxo__task_trained_layers(const auxo_run *run, const auxo_model *model, bool **train, auxo_error *error);
/* The same for a description that is still to be built. */
auxo_status auxo__task_model_desc(auxo_run *run, const auxo_dataset *train, auxo_model_desc *desc, auxo_error *error);
bool auxo__task_of_pictures(const auxo_dataset *dataset); /* else rows of a table */
/* What "auto" stands for with this data; any other name is itself. */
const char *auxo__task_model_name(const char *name, const auxo_dataset *dataset);

/* How well classes are told apart, where the rows have classes; else *found is empty. Ownership: deinit. */
auxo_status auxo__task_class_scores(auxo_model *model, const auxo_dataset *rows, auxo_class_scores *found,
                                    auxo_error *error);
/* Errors of real targets over all columns, in the targets' own units: root of the mean squared error, and the mean R2
 * of the columns that vary. NaN where the rows have no real targets. */
typedef struct auxo__real_errors {
    double rmse, mae, r2;
} auxo__real_errors;
auxo_status auxo__task_real_errors(auxo_model *model, const auxo_dataset *rows, auxo__real_errors *found,
                                   auxo_error *error);
/* The confusion matrix as JSON, [[..],..]; NULL without classes. Errors: OUT_OF_MEMORY. Ownership: free(*text). */
auxo_status auxo__confusion_json(const auxo_class_scores *found, char **text, auxo_error *error);

/* The entry of a table of settings for auxo_train_options.gradient_clip. */
#define AUXO__CLIP_SETTING                                                                                             \
    {                                                                                                                  \
        .name = "clip", .type = AUXO_SETTING_REAL, .argument = "NORM", .initial = "0",                                 \
        .help = "Scale the gradients of a step down to this common norm where it is larger; 0: never", .minimum = 0,   \
        .maximum = 1e30                                                                                                \
    }

/* ---- what all of them tell ---- */
typedef struct auxo__start_record {
    const char *data, *model, *device, *device_name, *optimizer;
    uint64_t rows, weights, batch, steps_per_epoch, resumed_step;
} auxo__start_record;
extern const auxo_event_type auxo__start_event;
typedef struct auxo__step_record {
    uint64_t step;
    uint32_t epoch;
    double loss;
} auxo__step_record;
extern const auxo_event_type auxo__step_event;
/* Largest resident memory of this process so far. */
uint64_t auxo__peak_host_bytes(void);

#endif
