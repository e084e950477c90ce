/* cluster.h: what the layers above do with the ranks of a job, beyond auxo/cluster.h.
 */
#ifndef AUXO_CLUSTER_CLUSTER_H
#define AUXO_CLUSTER_CLUSTER_H

#include "auxo/cluster.h"

/* What a message is for. */
enum {
    AUXO__TAG_FAILURE = 1, /* a status and its text */
    AUXO__TAG_STOP,        /* this rank was asked to stop */
    AUXO__TAG_QUESTION,    /* to rank 0, of the study that it owns */
    AUXO__TAG_ANSWER
};

/* A sum under way. */
typedef struct auxo__cluster_sum {
    void *request; /* NULL: none */
} auxo__cluster_sum;
/* values stay until the sum has ended. */
auxo_status auxo__cluster_sum_begin(auxo_cluster *cluster, float *values, uint64_t count, auxo__cluster_sum *sum,
                                    auxo_error *error);
/* Lets it move on, without waiting. */
auxo_status auxo__cluster_sum_move(auxo_cluster *cluster, auxo__cluster_sum *sum, auxo_error *error);
auxo_status auxo__cluster_sum_end(auxo_cluster *cluster, auxo__cluster_sum *sum, auxo_error *error);

/* The bytes of rank 0 to all. */
auxo_status auxo__cluster_broadcast(auxo_cluster *cluster, void *data, uint64_t size_bytes, auxo_error *error);

/* Sends, and waits until it is on its way. */
auxo_status auxo__cluster_send(auxo_cluster *cluster, uint32_t to, int tag, const void *data, uint64_t size_bytes,
                               auxo_error *error);
/* The next message with that tag; *found false: none has come, which `wait` waits for. Ownership: free(*data), which
 * ends with a 0 beyond its size. */
auxo_status auxo__cluster_receive(auxo_cluster *cluster, int tag, bool wait, bool *found, uint32_t *from, char **data,
                                  uint64_t *size_bytes, auxo_error *error);

bool auxo__cluster_wants_stop(const auxo_cluster *cluster); /* this process was asked to */
/* All ranks know by now that one of them was asked to stop. */
void auxo__cluster_agree_on_stop(auxo_cluster *cluster);
/* Tells the others at once that this rank was asked to stop. */
void auxo__cluster_announce_stop(auxo_cluster *cluster);
/* Looks for failures and stops that others told. Errors: what a rank failed with. */
auxo_status auxo__cluster_look(auxo_cluster *cluster, auxo_error *error);

#endif
