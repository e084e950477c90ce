/* cpu_threads.h: how many threads the cpu backend runs: what was asked for, else what the system lets this process use.
 */
#ifndef AUXO_CPU_THREADS_H
#define AUXO_CPU_THREADS_H

#include "auxo/backend.h"

enum { CPU_THREADS_MAX = 1024 };

/* host->thread_count, else AUXO_THREADS, else OMP_NUM_THREADS, else cpu_threads_allowed. A variable that is no number
 * is told in the log and passed over. At least 1. */
int cpu_threads_choose(const auxo_backend_host *host);

/* Processors that this process may run on, or fewer where its control group has a smaller quota of time. */
int cpu_threads_allowed(void);

/* Processors' worth of time, rounded up, that version 2 control groups give: the least of `cpu.max` in the group that
 * `membership` (/proc/self/cgroup) names and in all above it, below `mount`. 0: no limit. */
int cpu_threads_quota(const char *membership, const char *mount);

#endif
