/* best.h: the epoch with the best validation result of a run: kept on the way, put into the model at the end.
 *
 * Weights are kept in host memory and in the checkpoint; the model itself goes on from its last epoch until the run
 * ends, so that a resumed run is the same as one that was never stopped.
 */
#ifndef AUXO_RUN_BEST_H
#define AUXO_RUN_BEST_H

#include "archive.h"
#include "auxo/run.h"

extern const auxo_setting auxo__keep_settings[]; /* keep, patience */

typedef struct auxo__best {
    bool wanted;       /* the setting keep is "best", and there is something to validate on */
    uint32_t patience; /* epochs without a better result until the run stops; 0: no limit */
    uint32_t epoch;    /* of the best result; 0: none yet */
    uint32_t last;     /* the last epoch that was offered */
    double score, loss;
    float *weights, *statistics; /* of that epoch; one allocation */
    size_t weight_count, statistic_count;
    uint64_t structure;
    bool in_model; /* they are exchanged with the model's */
} auxo__best;

/* Reads the settings; validates: there are rows for it. Errors: INVALID_ARGUMENT: patience without validation. */
auxo_status auxo__best_read(const auxo_settings *settings, bool validates, auxo__best *best, auxo_error *error);
void auxo__best_deinit(auxo__best *best);
/* After each epoch: a higher score (or, at equal ones, a smaller loss) is kept. Where the score is NaN, the loss alone
 * decides. A model of another structure begins anew. */
auxo_status auxo__best_offer(auxo__best *best, auxo_model *model, uint32_t epoch, double score, double loss,
                             auxo_error *error);
bool auxo__best_exhausted(const auxo__best *best);
/* Exchanges the kept weights with the model's; twice is as never. Does nothing where the last epoch is the best. */
auxo_status auxo__best_exchange(auxo__best *best, auxo_model *model, auxo_error *error);
auxo_status auxo__best_store(const auxo__best *best, auxo__archive *archive, auxo_error *error);
auxo_status auxo__best_restore(auxo__best *best, const auxo_model *model, const auxo__archive *archive,
                               auxo_error *error);

#endif
