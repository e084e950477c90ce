/* tune_internal.h: what the files of runtime/tune/ share: one run of the tuner, and the search for one shape. */
#ifndef AUXO_TUNE_INTERNAL_H
#define AUXO_TUNE_INTERNAL_H

#include "auxo/tune.h"
#include "bench_internal.h"
#include "device_internal.h"
#include "text.h"

#include <stdlib.h>

typedef struct auxo__tuner {
    auxo_tune_options options;
    auxo_device *device;
    auxo_queue *queue;
    auxo_tune_summary summary;
    double end, deadline; /* of the budget; of the shape at hand */
} auxo__tuner;

typedef struct auxo__tune_result {
    double first_seconds, best_seconds; /* of the kernel used so far; of the winner, INFINITY without one */
    auxo_tuning_entry best;
    size_t tried, refused;
} auxo__tune_result;

void auxo__tune_tell(const auxo__tuner *t, const auxo_tune_event *event);

/* Searches the variants and tunables for the op until the deadline; *found holds what was found also on a failure. */
auxo_status auxo__tune_search(const auxo__tuner *t, const auxo_op *op, auxo__tune_result *found, auxo_error *error);

#endif
