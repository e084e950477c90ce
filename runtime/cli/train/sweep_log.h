/* runtime/cli/train/sweep_log.h: the epochs of all runs of a sweep, in memory and as a CSV file that a later call
 * continues.
 */
#ifndef CLI_SWEEP_LOG_H
#define CLI_SWEEP_LOG_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One epoch of one run. A run whose loss became infinite or NaN ends with an epoch whose numbers are NaN. */
typedef struct sweep_epoch {
    char optimizer[320];
    uint64_t seed;
    uint32_t epoch;
    double train_loss, train_accuracy, test_loss, test_accuracy; /* accuracy: fractions */
    double kinetic_energy, seconds;
    bool braked;
} sweep_epoch;

typedef struct sweep_log {
    size_t count, capacity;
    sweep_epoch *epochs;
} sweep_log;

void sweep_log_deinit(sweep_log *log);
auxo_status sweep_log_add(sweep_log *log, const sweep_epoch *epoch, auxo_error *error);
/* The epochs of one run, in order; NULL and 0 if there are none. */
const sweep_epoch *sweep_log_find(const sweep_log *log, const char *optimizer, uint64_t seed, size_t *count);

/* Reads PATH if it exists; `setting` (data, model, batch, ...) must be the one that its first line names.
 * Errors: FORMAT names the line; INVALID_ARGUMENT another setting. */
auxo_status sweep_log_read(sweep_log *log, const char *path, const char *setting, auxo_error *error);
/* Replaces PATH by all epochs, through a temporary file: a kill leaves the old or the new one. */
auxo_status sweep_log_write(const sweep_log *log, const char *path, const char *setting, auxo_error *error);

#endif
