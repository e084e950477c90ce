/* team.h: what team.c and team_shares.c share: the devices of one training run and the rows that each takes. */
#ifndef AUXO_TEAM_H
#define AUXO_TEAM_H

#include "train_internal.h"

enum { AUXO_TEAM_MAX = 16 };

struct auxo__team {
    size_t count;
    auxo_trainer *members[AUXO_TEAM_MAX]; /* [0] is the trainer itself, borrowed */
    bool has_shares;                      /* measured or given; else the division is made with the plans */
    uint32_t shares[AUXO_TEAM_MAX];       /* rows of a full batch */
    uint32_t rest_shares[AUXO_TEAM_MAX];  /* rows of the batch at the end of an epoch */
    uint32_t least_rows;                  /* that a member needs */
    size_t turns[AUXO_TEAM_MAX];          /* members in the order in which they are started */
    uint64_t structure_version;           /* of the replicas */
    float *sum, *part;                    /* host memory for weights and statistics of one model */
};

/* Every member gets at least least_rows, which the batch must allow. */
void auxo__team_divide_evenly(auxo__team *team, uint32_t batch);
/* rest_shares, in proportion to shares; all to member 0 where there are too few. */
void auxo__team_divide_rest(auxo__team *team, uint32_t rest, uint32_t least);
/* Sets the shares by the speed of each member, whose plans must be built. *changed: plans must be built again. */
auxo_status auxo__team_measure(auxo_trainer *trainer, bool *changed, auxo_error *error);
/* The trainer's weights and statistics to the replicas. */
auxo_status auxo__team_send_weights(auxo_trainer *trainer, auxo_error *error);

#endif
