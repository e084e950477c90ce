/* runtime/cli/train/train_job.h: one run of `auxo train`: what it needs, from options to an open trainer, and its
 * checkpoints.
 *
 * cmd_train.c drives it; other training commands may start the same way.
 */
#ifndef CLI_TRAIN_JOB_H
#define CLI_TRAIN_JOB_H

#include "cli_model.h"
#include "train_history.h"

extern const cli_option train_job_options[];      /* what shapes a training run; shared by training commands */
extern const cli_option train_job_step_options[]; /* --checkpoint-every, --profile, --explain: of `auxo train` */

enum { CLI_HELPERS_MAX = 15 };

struct train_job;

/* What another training command changes about opening a job. */
typedef struct train_job_setup {
    const char *model, *optimizer; /* instead of the options' defaults; NULL: those */
    double validation;             /* instead of the default of --validation; 0: that */
    bool step_options;             /* the command has train_job_step_options */
    /* Epochs between which --lr-schedule lets the learning rate fall; end 0: unknown. */
    uint32_t schedule_begin, schedule_end;
    uint32_t warmup_epochs; /* where --warmup is not given */
    /* Called with the model open and the options read, before the trainer is made: sets hooks. May be NULL. */
    auxo_status (*prepare)(void *user, struct train_job *job, auxo_error *error);
    /* What the command adds to a checkpoint's JSON, and reads back under --resume; may be NULL. */
    auxo_status (*describe_extra)(void *user, cJSON *root, auxo_error *error);
    auxo_status (*restore_extra)(void *user, const cJSON *root, auxo_error *error);
    void *user;
} train_job_setup;

typedef struct train_job {
    const cli_context *context;
    cli_session session;
    auxo_device *helpers[CLI_HELPERS_MAX]; /* further devices of --device; the session's is the first */
    size_t helper_count;
    uint32_t shares[CLI_HELPERS_MAX + 1];    /* of --share; options.shares points here */
    auxo_dataset *train, *validation, *test; /* validation and test may be NULL */
    auxo_model *model;
    auxo_trainer *trainer;
    auxo_train_options options;
    char optimizer_text[256];
    train_history history;
    cli_progress progress;
    uint64_t saved_step; /* of the last checkpoint written; 0: none */
    uint64_t first_step; /* steps done before this process: > 0 after a resume */
    train_job_setup setup;
} train_job;

/* Loads data, opens the device, the model and the trainer by the command's options; restores --checkpoint under
 * --resume. Ownership: close it, also after a failure. */
auxo_status train_job_open(const cli_context *context, const train_job_setup *setup, train_job *job, auxo_error *error);
/* The data, the options and the device only: for commands that make models and trainers themselves. */
auxo_status train_job_open_data(const cli_context *context, const train_job_setup *setup, train_job *job,
                                auxo_error *error);
void train_job_close(train_job *job);

/* Writes --checkpoint and reports it; does nothing without that option, or where the file has this step already. */
auxo_status train_job_save(train_job *job, auxo_error *error);

#endif
