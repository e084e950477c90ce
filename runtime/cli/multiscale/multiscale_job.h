/* runtime/cli/multiscale/multiscale_job.h: what the three `auxo multiscale` commands share: presets, options, data, a
 * model.
 *
 * A preset is a row of the paper's tables 3, 4, 5, 7, 8, 9, 10, 11; any option given on the command line overrides it.
 */
#ifndef CLI_MULTISCALE_JOB_H
#define CLI_MULTISCALE_JOB_H

#include "auxo/multiscale.h"
#include "cli_session.h"

extern const cli_option multiscale_data_options[];      /* --preset, --data ..., --model */
extern const cli_option multiscale_training_options[];  /* --lr, --epochs, --tolerance, ... */
extern const cli_option multiscale_selection_options[]; /* --fd, --theta-on, --epsilon, ... */

/* What the paper printed for a preset; 0 where it printed nothing. Order: first, second, backpropagation. */
typedef struct multiscale_printed {
    const char *table;
    double train_loss[3], test_loss[3], epochs[3], iterations[3], seconds[3];
} multiscale_printed;

typedef struct multiscale_preset {
    const char *name, *data, *model;
    double lr, epsilon, inner_tolerance, tolerance;
    uint32_t epochs, iterations, backprop_epochs;
    size_t row_limit; /* rows used, as printed; 0: all */
    multiscale_printed printed;
} multiscale_preset;

typedef struct multiscale_job {
    const cli_context *context;
    cli_session session;
    const multiscale_preset *preset; /* never NULL: --preset has a default */
    auxo_dataset *train, *test;
    auxo_multiscale_options options; /* order is the command's to set */
    uint32_t backprop_epochs;        /* per iteration of the baseline */
} multiscale_job;

/* Opens the device, reads and splits the data, fills in the options. Ownership: close it, also after a failure. */
auxo_status multiscale_job_open(const cli_context *context, multiscale_job *job, auxo_error *error);
void multiscale_job_close(multiscale_job *job);
/* Draws another train/test split and sets the seed of everything else. Only sets without a test split are drawn. */
auxo_status multiscale_job_reseed(multiscale_job *job, uint64_t seed, auxo_error *error);
/* The job's model with fresh weights, or the given file. Ownership: the caller's. */
auxo_status multiscale_job_model(const multiscale_job *job, const char *file, uint64_t seed, auxo_model **model,
                                 auxo_error *error);
const char *multiscale_order_name(auxo_multiscale_order order);

#endif
