/* files.h: how models and training states are kept on disk, shared by model_file.c and checkpoint.c.
 *
 * A checkpoint PATH is two files: the model PATH and the state PATH.state, which holds the hash of its model file. Both
 * are written beside their place first (PATH.next, PATH.state.next) and synced; renaming the state is the commit.
 * Whatever the moment of a crash, the state on disk matches PATH, or, if the crash fell between the two renames,
 * PATH.next.
 */
#ifndef AUXO_TRAIN_FILES_H
#define AUXO_TRAIN_FILES_H

#include "safetensors.h"

#include "auxo/model.h"

#include <stdbool.h>

/* "PATH<suffix>" on the heap; NULL when out of memory. */
char *auxo__path_with(const char *path, const char *suffix);
/* Renames and syncs the folder. */
auxo_status auxo__file_replace(const char *source, const char *target, auxo_error *error);
bool auxo__file_exists(const char *path);

/* Writes a model to exactly this file. */
auxo_status auxo__model_write(auxo_model *model, const char *path, uint64_t *hash, auxo_error *error);
/* Copies the tensors of a file into the model. */
auxo_status auxo__model_fill(auxo_model *model, const auxo__safetensors *file, auxo_error *error);
/* Reads the model file that belongs to PATH: PATH.next if PATH.state has been committed with it, else PATH. */
auxo_status auxo__model_file_read(const char *path, auxo__safetensors **file, auxo_error *error);
/* Finishes what a crash between the two renames left undone. */
auxo_status auxo__checkpoint_roll_forward(const char *path, auxo_error *error);
/* Reads PATH.state and the hash of the model file it belongs to. */
auxo_status auxo__state_file_read(const char *path, auxo__safetensors **file, uint64_t *model_hash, auxo_error *error);

#endif
