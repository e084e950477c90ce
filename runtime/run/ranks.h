/* ranks.h: a run in the processes of one job: which methods can, who writes, who takes which device, what all must have
 * in common.
 */
#ifndef AUXO_RUN_RANKS_H
#define AUXO_RUN_RANKS_H

#include "method.h"

#include "archive.h"

/* Whether this process writes files: it is alone, or rank 0. */
bool auxo__run_leads(const auxo_run *run);
/* Errors: UNSUPPORTED: the method neither divides its batches among ranks nor has a study to share its trials. */
auxo_status auxo__run_check_ranks(const auxo_run *run, auxo_error *error);
/* Once the rows are known: all ranks have the same. Errors: INVALID_ARGUMENT. */
auxo_status auxo__run_match_ranks(const auxo_run *run, auxo_error *error);
/* The device of this rank: of several in the setting, or of several GPUs under auto, one by its place on its machine.
 */
auxo_status auxo__run_choose_device(const auxo_run *run, char *selector, size_t size, auxo_error *error);
/* The checkpoint as rank 0 reads it, on every rank. Errors: as auxo__archive_read. */
auxo_status auxo__run_read_checkpoint(const auxo_run *run, const char *path, auxo__archive **archive,
                                      auxo_error *error);

#endif
