/* runtime/cli/sizing/sizing_job.h: what `auxo morph` and `auxo resbuild` share: budgets, checkpoints, names of
 * resources.
 *
 * A checkpoint is FILE, a JSON text, and the model files FILE.<generation>.<name>.safetensors that it names. Models are
 * written first and FILE last, by renaming: whatever the moment of a crash, FILE belongs to models that are there.
 */
#ifndef CLI_SIZING_JOB_H
#define CLI_SIZING_JOB_H

#include "auxo/sizing.h"
#include "train_job.h"

extern const cli_option sizing_budget_options[]; /* --budget-flops, --budget-params, --budget-latency, ... */

/* The budget that was given; otherwise `limit` FLOPs (0: the network's own cost, for the library to find). Errors: more
 * than one of the options. */
auxo_status sizing_budget_read(const cli_arguments *arguments, double limit, auxo_budget *budget, auxo_error *error);
/* "1.2e+06 FLOPs", "52,340 weights", "1.84 ms" */
const char *sizing_format_cost(char *text, size_t size, const auxo_budget *budget, double cost);
/* "FLOPs", "weights", "ms", and what divides a cost to give that unit. */
const char *sizing_unit(const auxo_budget *budget, double *divisor);

typedef struct sizing_model {
    const char *name;
    auxo_model *model; /* NULL: there is none */
} sizing_model;
/* Writes models and `state` (borrowed; the generation is added to it) under --checkpoint; nothing without it. */
auxo_status sizing_checkpoint_save(const cli_context *context, cJSON *state, const sizing_model *models, size_t count,
                                   auxo_error *error);
/* Under --resume: *state is the JSON of --checkpoint (the caller's; NULL: start anew), and the models it names are
 * opened. Errors: FORMAT if `settings` is not that of the run that wrote it. */
auxo_status sizing_checkpoint_load(const cli_context *context, auxo_device *device, const char *settings, cJSON **state,
                                   sizing_model *models, size_t count, auxo_error *error);
/* Writes a file through a temporary one, synced and renamed. */
auxo_status sizing_write_text(const char *path, const char *text, auxo_error *error);
/* The options that shape the run, as one text for "settings". Ownership: the caller's. */
char *sizing_settings(const cli_context *context);

#endif
