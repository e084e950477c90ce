/* sweep_study.h: the runs of a sweep as the trials of a study.
 */
#ifndef AUXO_METHODS_SWEEP_STUDY_H
#define AUXO_METHODS_SWEEP_STUDY_H

#include "study_tasks.h"
#include "sweep_log.h"
#include "sweep_rows.h"

/* What the runs of a sweep are, in the order in which they are done: task = seed times rows + row. */
typedef struct auxo__sweep_study {
    const auxo__sweep_rows *rows;
    uint64_t first_seed, seed_count;
    auxo_space space; /* "optimizer" (or, of many, "row") and "seed" */
    size_t *places;   /* rows that are not refused */
    size_t place_count;
    int64_t trial; /* under way; 0: none */
} auxo__sweep_study;

/* Ownership: deinit, also after a failure. */
auxo_status auxo__sweep_study_init(auxo__sweep_study *study, const auxo__sweep_rows *rows, uint64_t first_seed,
                                   uint64_t seed_count, auxo_error *error);
void auxo__sweep_study_deinit(auxo__sweep_study *study);
/* The next run: its row and seed; *found false: all are done. */
auxo_status auxo__sweep_study_take(auxo__sweep_study *study, auxo_run *run, size_t *row, uint64_t *seed, bool *found,
                                   auxo_error *error);
auxo_status auxo__sweep_study_report(const auxo__sweep_study *study, auxo_run *run, const auxo__sweep_epoch *epoch,
                                     auxo_error *error);
/* The run under way has ended with these epochs. */
auxo_status auxo__sweep_study_end(auxo__sweep_study *study, auxo_run *run, const auxo__sweep_log *epochs,
                                  auxo_error *error);
/* All runs that are complete, of all workers, into an empty log. */
auxo_status auxo__sweep_study_collect(const auxo__sweep_study *study, auxo_run *run, auxo__sweep_log *log,
                                      auxo_error *error);

#endif
