/* checkpoint.h: the one protocol for checkpoints of runs; see checkpoint.c.
 */
#ifndef AUXO_RUN_CHECKPOINT_H
#define AUXO_RUN_CHECKPOINT_H

#include "method.h"

/* Takes the lock on the setting "checkpoint", and, under "resume", reads what is there: *archive NULL means a fresh
 * run. Compares the settings. Errors: see auxo_run_open. */
auxo_status auxo__checkpoint_open(auxo_run *run, auxo__archive **archive, auxo_error *error);
/* Whether an archive that was read from `path` is a checkpoint of this run: method, settings, position. Errors: FORMAT;
 * INVALID_ARGUMENT names the setting; *archive is NULL after the first. */
auxo_status auxo__checkpoint_accept(auxo_run *run, const char *path, auxo__archive **archive, auxo_error *error);
/* History and the method's state out of it; to be called after begin. */
auxo_status auxo__checkpoint_restore(auxo_run *run, const auxo__archive *archive, auxo_error *error);
auxo_status auxo__checkpoint_write(auxo_run *run, auxo_error *error);

#endif
