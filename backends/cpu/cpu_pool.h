/* cpu_pool.h: the device's threads, and loops whose parts any of them may run.
 *
 * The caller runs parts itself and waits for no thread that has not begun one:
 * where the processors are busy with other programs, a loop takes about as long
 * as on one thread, not as long as the slowest thread takes to wake up.
 */
#ifndef AUXO_CPU_POOL_H
#define AUXO_CPU_POOL_H

#include "auxo/status.h"

#include <stdint.h>

typedef struct cpu_pool cpu_pool;

/* Runs items [begin, end). `thread` is in 0 .. thread_count - 1 and runs one
 * part at a time: it may index scratch. */
typedef void cpu_part_function(const void *context, int64_t begin, int64_t end, int thread);

/* thread_count >= 1 counts the caller's own. Errors: OUT_OF_MEMORY. */
auxo_status cpu_pool_create(int thread_count, cpu_pool **pool, auxo_error *error);
void cpu_pool_destroy(cpu_pool *pool); /* NULL is allowed */
int cpu_pool_thread_count(const cpu_pool *pool);

/* Runs items 0 .. count - 1 in parts of `grain` >= 1 items and returns when all
 * are done. One part: the caller runs it without waking anyone. The parts do
 * not depend on the number of threads, so nor need the results. */
void cpu_pool_run(cpu_pool *pool, int64_t count, int64_t grain, cpu_part_function *function, const void *context);

#endif
