/* runtime/cli/survival/survival_checkpoint.h: the training state of `auxo survival train` in a file, with the options
 * that shape the run: a resumed run must repeat them.
 */
#ifndef CLI_SURVIVAL_CHECKPOINT_H
#define CLI_SURVIVAL_CHECKPOINT_H

#include "auxo/train.h"
#include "cli_session.h"

extern const cli_option survival_checkpoint_options[]; /* --checkpoint, --checkpoint-every, --resume */

/* The file to continue from under --resume; NULL: start anew. Errors: INVALID_ARGUMENT, IO if it cannot be written. */
auxo_status survival_checkpoint_find(const cli_context *context, const char **path, auxo_error *error);
/* Restores the trainer of a model loaded from `path`. Errors: INVALID_ARGUMENT names the option that differs. */
auxo_status survival_checkpoint_restore(const cli_context *context, const char *path, auxo_trainer *trainer,
                                        auxo_error *error);
/* Writes --checkpoint and reports it; nothing without that option. */
auxo_status survival_checkpoint_save(const cli_context *context, auxo_trainer *trainer, auxo_error *error);

#endif
