/* team.h: what team.c and team_shares.c share: the devices of one training run and the rows that each takes. */
#ifndef AUXO_TEAM_H
#define AUXO_TEAM_H

#include "exchange.h"
#include "train_internal.h"

enum { AUXO_TEAM_MAX = 16 };

/* Trained weights whose gradients lie side by side. */
typedef struct auxo__team_piece {
    uint64_t offset, count; /* in the gradients */
    uint64_t place;         /* in `sum` */
} auxo__team_piece;

/* Pieces whose gradients are known at the same moment, and are summed together. */
typedef struct auxo__team_bucket {
    size_t first_piece, piece_count;
    uint64_t place, count; /* in `sum` */
    size_t op;             /* the last op of the plan that writes there */
} auxo__team_bucket;

struct auxo__team {
    size_t count;
    auxo_trainer *members[AUXO_TEAM_MAX]; /* [0] is the trainer itself, borrowed */
    bool has_shares;                      /* measured or given; else the division is made with the plans */
    uint32_t shares[AUXO_TEAM_MAX];       /* rows of a full batch */
    uint32_t rest_shares[AUXO_TEAM_MAX];  /* rows of the batch at the end of an epoch */
    uint32_t least_rows;                  /* that a member needs */
    size_t turns[AUXO_TEAM_MAX];          /* members in the order in which they are started */
    uint64_t structure_version;           /* of the replicas */

    auxo__exchange exchange;             /* with the ranks of options.cluster */
    auxo__row_slice slice;               /* of this rank; batch 0: there is one process alone */
    bool sent;                           /* this rank has had the weights of rank 0 */
    auxo_queue *reader[AUXO_TEAM_MAX];   /* for gradients of a device that works on meanwhile; NULL: its own queue */
    auxo_event *ended[AUXO_TEAM_MAX][2]; /* of every other section; NULL like reader */

    /* Gradients in the order of the backward pass, statistics, and what stands in AUXO__TAIL_*. */
    float *sum, *part; /* host memory; part: what one device has */
    uint64_t sum_count;
    auxo__team_piece *pieces;
    size_t piece_count;
    auxo__team_bucket *buckets;
    size_t bucket_count;
};

/* After gradients and statistics of `sum`. */
enum { AUXO__TAIL_STATS, AUXO__TAIL_LOSS = 4, AUXO__TAIL_STOP, AUXO__TAIL_COUNT };

/* Every member gets at least least_rows, which the batch must allow. */
void auxo__team_divide_evenly(auxo__team *team, uint32_t batch);
/* rest_shares, in proportion to shares; all to member 0 where there are too few. */
void auxo__team_divide_rest(auxo__team *team, uint32_t rest, uint32_t least);
/* Sets the shares by the speed of each member, whose plans must be built. *changed: plans must be built again. */
auxo_status auxo__team_measure(auxo_trainer *trainer, bool *changed, auxo_error *error);
/* What rank of how many takes: even parts, at least `least` rows each; of a rest that is too small for all only the
 * first ranks. batch must be at least three times `least` for each. */
auxo__row_slice auxo__team_slice(uint32_t rank, uint32_t size, uint64_t rows, uint64_t batch, uint64_t rest,
                                 uint32_t least);
/* buckets.c: divides the gradients of a plan that is not compiled yet into buckets, and cuts it after each. */
void auxo__team_cut(auxo_trainer *trainer, auxo_plan *plan);
/* The same buckets once more, of the trainer's plan for full batches, into the team. */
auxo_status auxo__team_list_buckets(auxo_trainer *trainer, auxo_error *error);
/* norm_exchange.c: brings together what the parts know of a batch norm, once they have come to point number `index`. */
auxo_status auxo__team_sync_norm(auxo_trainer *trainer, bool rest, size_t index, auxo_error *error);
/* The member's plan of a batch, or of the rest; NULL: it has no rows of that. */
auxo_plan *auxo__team_plan(const auxo_trainer *member, bool rest);
/* Names the device in a message. */
auxo_status auxo__team_blame(const auxo_trainer *member, auxo_status status, auxo_error *error);
/* The trainer's weights and statistics to the replicas. */
auxo_status auxo__team_send_weights(auxo_trainer *trainer, auxo_error *error);

#endif
