/* runtime/cli/train/train_history.h: what a training run has seen so far: its epochs and logged steps.
 *
 * Owns the record, its JSON form inside checkpoints (so that a resumed run reports all its epochs), and the HTML
 * report.
 */
#ifndef CLI_TRAIN_HISTORY_H
#define CLI_TRAIN_HISTORY_H

#include "auxo/train.h"

#include <cjson/cJSON.h>

typedef struct train_history {
    size_t epoch_count, epoch_capacity;
    auxo_epoch_metrics *epochs;
    size_t step_count, step_capacity;
    double *steps, *losses; /* logged steps and their batch losses, of this process only */
} train_history;

void train_history_deinit(train_history *history);
auxo_status train_history_add_epoch(train_history *history, const auxo_epoch_metrics *metrics, auxo_error *error);
/* Drops the step silently when memory is short: it only serves the picture. */
void train_history_add_step(train_history *history, const auxo_step_metrics *metrics);
/* An array of epochs. Ownership: the caller's; NULL without memory. */
cJSON *train_history_to_json(const train_history *history);
/* Appends the epochs of such an array. */
auxo_status train_history_from_json(train_history *history, const cJSON *epochs, auxo_error *error);

/* What the report says besides the history. */
typedef struct train_summary {
    const char *title, *command_line, *device_name, *optimizer;
    const auxo_model *model;
    const auxo_plan *plan; /* with a profile: the ops' shares are drawn; NULL: not */
    double test_loss, test_accuracy, images_per_second, seconds; /* NaN where there is none */
} train_summary;
auxo_status train_history_report(const train_history *history, const train_summary *summary, const char *path,
                                 auxo_error *error);

#endif
