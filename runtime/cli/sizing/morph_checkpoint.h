/* runtime/cli/sizing/morph_checkpoint.h: the state of `auxo morph` between two trainings. */
#ifndef CLI_MORPH_CHECKPOINT_H
#define CLI_MORPH_CHECKPOINT_H

#include "morph_run.h"

auxo_status morph_keep_training(morph_run *run, const morph_training *training, auxo_error *error);
/* Appends a moment; one lost to lack of memory is missing in the pictures only. */
void morph_keep_moment(morph_run *run, const morph_moment *moment);
/* Writes --checkpoint; nothing without it. */
auxo_status morph_checkpoint_save(const morph_run *run, auxo_error *error);
/* Under --resume: restores the history and which loop is next; *loop_state is what that loop continues from with
 * *loop_best, both NULL where it starts anew. Ownership: the caller's. */
auxo_status morph_checkpoint_load(morph_run *run, char **loop_state, auxo_model **loop_best, auxo_error *error);

#endif
