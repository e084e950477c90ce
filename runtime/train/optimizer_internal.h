/* optimizer_internal.h: the optimiser's struct and what the trainer and checkpoints need of it.
 *
 * Invariants: hyper on the device equals `config.hyper` once the queue has run; every state buffer has as many elements
 * as the model has weights; the brake fires at most once, or once for each goal.
 */
#ifndef AUXO_TRAIN_OPTIMIZER_INTERNAL_H
#define AUXO_TRAIN_OPTIMIZER_INTERNAL_H

#include "auxo/train.h"

enum { AUXO__OPTIMIZER_STATES_MAX = 2 };

/* Goal braking's memory; all of it goes into checkpoints. */
typedef struct auxo__brake_state {
    bool fired;
    bool has_initial, has_ema, has_epoch;
    double initial_loss; /* the first loss observed */
    double ema;
    double target;                                /* after the brake: the next loss to brake at; 0: none */
    double last_train_loss, last_validation_loss; /* of the last epoch */
} auxo__brake_state;

/* The best parameters so far, kept only where stalls are watched for; goes into checkpoints too. */
typedef struct auxo__best_point {
    auxo_buffer *weights, *statistics; /* NULL until prepared */
    uint64_t structure_version;        /* of the model that they belong to */
    bool known;
    double loss;
    uint32_t stalled_epochs;
} auxo__best_point;

struct auxo_optimizer {
    auxo_model *model;
    auxo_optimizer_config config; /* hyper as it is now */
    auxo_buffer *hyper;           /* f32[AUXO_HYPER_COUNT] */
    auxo_buffer *states[AUXO__OPTIMIZER_STATES_MAX];
    size_t state_count;
    auxo_tensor skip;     /* of optimizer_step; absent: never */
    uint64_t reset_count; /* bias correction starts again when this changes */
    auxo__brake_state brake;
    auxo__best_point best;
};

/* auxo_optimizer_add_step that also brings the 16-bit copies of these weights up to date, where there are any. */
void auxo__optimizer_add_step_and_copies(auxo_optimizer *optimizer, auxo_plan *plan, uint64_t offset, uint64_t count,
                                         const auxo_tensor *counter);
const char *auxo__optimizer_noun(auxo_optimizer_kind kind);
/* Refuses settings under which the momentum grows without bound (Burghoff et al. 2023). */
auxo_status auxo__optimizer_config_check(const auxo_optimizer_config *config, auxo_error *error);
/* Whether every batch loss must be seen before the next step may run. */
bool auxo__optimizer_watches_batches(const auxo_optimizer *optimizer);

/* ---- stall.c ---- */
/* Buffers of the model's present sizes; forgets a best point of another structure. */
auxo_status auxo__best_point_prepare(auxo_optimizer *optimizer, auxo_error *error);
/* The same for a best point whose numbers have just been read, which stay. */
auxo_status auxo__best_point_keep(auxo_optimizer *optimizer, auxo_error *error);
void auxo__best_point_deinit(auxo__best_point *best);
/* Takes in an epoch's losses. */
auxo_status auxo__stall_observe(auxo_optimizer *optimizer, double train_loss, double validation_loss,
                                auxo_error *error);

#endif
