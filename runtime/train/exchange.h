/* exchange.h: how the parts of a training come to the same sums: values that the devices of this process have summed
 * become the sums over all processes, piece by piece, in the order in which pieces are known.
 *
 * Two implementations: devices of this process alone, which have nothing more to sum; ranks of a job.
 */
#ifndef AUXO_TRAIN_EXCHANGE_H
#define AUXO_TRAIN_EXCHANGE_H

#include "cluster.h"

#include <stddef.h>

typedef struct auxo__exchange auxo__exchange;
typedef struct auxo__exchange_kind {
    /* Begins to sum values[count], which must stay until finish. */
    auxo_status (*start)(auxo__exchange *exchange, float *values, uint64_t count, auxo_error *error);
    /* Lets what was begun move on, without waiting. */
    auxo_status (*move)(auxo__exchange *exchange, auxo_error *error);
    /* Until all that was begun is summed. */
    auxo_status (*finish)(auxo__exchange *exchange, auxo_error *error);
} auxo__exchange_kind;

struct auxo__exchange {
    const auxo__exchange_kind *kind;
    auxo_cluster *cluster;   /* NULL: devices of this process alone */
    auxo__cluster_sum *sums; /* under way, oldest first */
    size_t count, capacity;
    uint64_t value_count; /* that have been summed in all */
};

void auxo__exchange_init(auxo__exchange *exchange, auxo_cluster *cluster);
void auxo__exchange_deinit(auxo__exchange *exchange);

#endif
