/* sweep_log.h: the epochs of all runs of a sweep, in memory and as a CSV file that a later call
 * continues.
 */
#ifndef AUXO_METHODS_SWEEP_LOG_H
#define AUXO_METHODS_SWEEP_LOG_H

#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One epoch of one run. A run whose loss became infinite or NaN ends with an epoch whose numbers are NaN. */
typedef struct auxo__sweep_epoch {
    char optimizer[320];
    uint64_t seed;
    uint32_t epoch;
    double train_loss, train_accuracy, test_loss, test_accuracy; /* accuracy: fractions */
    double kinetic_energy, seconds;
    bool braked;
} auxo__sweep_epoch;

typedef struct auxo__sweep_log {
    size_t count, capacity;
    auxo__sweep_epoch *epochs;
} auxo__sweep_log;

void auxo__sweep_log_deinit(auxo__sweep_log *log);
auxo_status auxo__sweep_log_add(auxo__sweep_log *log, const auxo__sweep_epoch *epoch, auxo_error *error);
/* The epochs of one run, in order; NULL and 0 if there are none. */
const auxo__sweep_epoch *auxo__sweep_log_find(const auxo__sweep_log *log, const char *optimizer, uint64_t seed,
                                              size_t *count);

/* Reads PATH if it exists; `setting` (data, model, batch, ...) must be the one that its first line names.
 * Errors: FORMAT names the line; INVALID_ARGUMENT another setting. */
auxo_status auxo__sweep_log_read(auxo__sweep_log *log, const char *path, const char *setting, auxo_error *error);
/* The lines of such a file out of memory; `name` begins messages. */
auxo_status auxo__sweep_log_parse(auxo__sweep_log *log, const char *name, char *text, const char *setting,
                                  auxo_error *error);
/* All epochs as the lines of such a file. Ownership: auxo__json_deinit. */
auxo_status auxo__sweep_log_format(const auxo__sweep_log *log, const char *setting, auxo__json *text,
                                   auxo_error *error);
/* Replaces PATH by all epochs. */
auxo_status auxo__sweep_log_write(const auxo__sweep_log *log, const char *path, const char *setting, auxo_error *error);

#endif
