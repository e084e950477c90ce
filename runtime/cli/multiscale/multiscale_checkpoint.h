/* runtime/cli/multiscale/multiscale_checkpoint.h: interrupting and resuming a multi-scale run.
 *
 * FILE is a small JSON text that names the generation of weights beside it (FILE.N.safetensors, FILE.N.state). Its
 * replacement by rename is the moment at which a checkpoint counts, so a crash at any time leaves a complete one.
 */
#ifndef CLI_MULTISCALE_CHECKPOINT_H
#define CLI_MULTISCALE_CHECKPOINT_H

#include "multiscale_job.h"

/* Writes a checkpoint after the current iteration and removes the generation before it. */
auxo_status multiscale_checkpoint_save(const char *path, const multiscale_job *job, const char *settings,
                                       auxo_model *model, auxo_multiscale *multiscale, auxo_error *error);

/* Reads FILE: loads its model and gives the iteration. Errors: NOT_FOUND; FORMAT if it was made with other settings. */
auxo_status multiscale_checkpoint_load(const char *path, const multiscale_job *job, const char *settings,
                                       auxo_model **model, uint32_t *iteration, auxo_error *error);
/* Puts back the optimiser's state and the iteration count, after auxo_multiscale_create on the loaded model. */
auxo_status multiscale_checkpoint_restore(const char *path, uint32_t iteration, auxo_model *model,
                                          auxo_multiscale *multiscale, auxo_error *error);

/* What must be equal for a run to be the same run; a line of text in `settings`. */
void multiscale_checkpoint_settings(const multiscale_job *job, char *settings, size_t size);

#endif
