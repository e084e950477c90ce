/* auxo/cluster.h: the processes of one job on one or many machines, as MPI starts them.
 *
 * Each process is a rank; rank 0 leads: it alone writes files and tells what happens. What fails on one rank is told to
 * all, and every call that waits for another rank returns it. Threading: any thread.
 */
#ifndef AUXO_CLUSTER_H
#define AUXO_CLUSTER_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct auxo_cluster auxo_cluster;

/* The launcher that started this process as one of several ("mpirun", "srun"), by its environment; NULL: none. */
AUXO_API const char *auxo_cluster_launcher(void);
/* Joins the job through the library libauxo_<kind>.so ("mpi"), which lies beside libauxo, in auxo/ beside it, or in a
 * folder of AUXO_BACKEND_PATH. Once in a process. Errors: UNSUPPORTED: the library is missing, cannot be loaded or is
 * of another version. Ownership: close. */
AUXO_API auxo_status auxo_cluster_open(const char *kind, auxo_cluster **cluster, auxo_error *error);
/* Waits for the other ranks. NULL is allowed. */
AUXO_API void auxo_cluster_close(auxo_cluster *cluster);

AUXO_API uint32_t auxo_cluster_rank(const auxo_cluster *cluster);       /* NULL: 0 */
AUXO_API uint32_t auxo_cluster_size(const auxo_cluster *cluster);       /* NULL: 1 */
AUXO_API uint32_t auxo_cluster_local_rank(const auxo_cluster *cluster); /* among the ranks of this machine */
AUXO_API uint32_t auxo_cluster_local_size(const auxo_cluster *cluster);
AUXO_API const char *auxo_cluster_library(const auxo_cluster *cluster); /* "Open MPI 4.1.4" */

/* `stop` becomes != 0 when this process is asked to stop; borrowed while the cluster lives. */
AUXO_API void auxo_cluster_watch(auxo_cluster *cluster, const volatile int *stop);
/* Becomes != 0 when any rank has been asked to stop or has failed, at a moment that suits all of them. */
AUXO_API const volatile int *auxo_cluster_stop(const auxo_cluster *cluster);

/* Whether all ranks have come so far: each gives its own status and message and gets them back, or those of the first
 * rank that failed ("rank 3: ..."). Waits for all. */
AUXO_API auxo_status auxo_cluster_agree(auxo_cluster *cluster, auxo_status status, auxo_error *error);
/* What another rank failed with; OK: none has, as far as is known. */
AUXO_API auxo_status auxo_cluster_failure(auxo_cluster *cluster, auxo_error *error);
/* Replaces values[count] by their sum over all ranks; the same bits on all of them. */
AUXO_API auxo_status auxo_cluster_sum(auxo_cluster *cluster, float *values, uint64_t count, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
