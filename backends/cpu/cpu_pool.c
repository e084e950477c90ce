/* cpu_pool.c: the device's threads, and loops whose parts any of them may run.
 *
 * Invariants. `generation` is odd while a loop is open and even while none is;
 * only the caller changes it. A worker reads the loop's fields only between
 * joining and leaving, and it can join only an open loop, under the mutex. The
 * caller closes the loop under the mutex and then waits until every worker that
 * joined has left; so the fields never change under a worker. Each thread has a
 * slice of the loop, the same in every loop of as many items, so that it finds
 * in its own caches what it wrote before; parts are claimed by adding to the
 * slice's `next`, and who has none left takes from the others' slices.
 */
#include "cpu_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* Rounds of looking for work, some 50 ns each, before a thread goes to sleep:
 * longer than the gaps between the ops of a training step, shorter than would
 * be noticed. */
enum { SPIN_ROUNDS = 2000 };

typedef struct worker {
    cpu_pool *pool;
    pthread_t thread;
    int index; /* 1 .. thread_count - 1 */
} worker;

/* On cache lines of its own. */
typedef struct slice {
    _Atomic int64_t next;
    int64_t end;
    char apart[112];
} slice;

struct cpu_pool {
    int thread_count;
    int started; /* workers that run */
    worker *workers;
    pthread_mutex_t mutex;
    pthread_cond_t opened, left;
    int sleeping; /* workers that wait for `opened`; under the mutex */
    _Atomic uint64_t generation;
    _Atomic int joined;
    atomic_bool stop;
    /* The loop. */
    cpu_part_function *function;
    const void *context;
    int64_t count, grain;
    slice *slices; /* one for each thread */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void run_slice(cpu_pool *pool, slice *from, int thread)
{
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&from->next, pool->grain, memory_order_relaxed);
        if (begin >= from->end)
            return;
        int64_t end = from->end - begin < pool->grain ? from->end : begin + pool->grain;
        pool->function(pool->context, begin, end, thread);
    }
}

static void run_parts(cpu_pool *pool, int thread)
{
    for (int i = 0; i < pool->thread_count; ++i)
        run_slice(pool, &pool->slices[(thread + i) % pool->thread_count], thread);
}

/* Waits for a loop other than `seen`, or the end. */
static void wait_for_loop(cpu_pool *pool, uint64_t seen)
{
    for (int round = 0; round < SPIN_ROUNDS; ++round) {
        uint64_t generation = atomic_load_explicit(&pool->generation, memory_order_relaxed);
        if ((generation % 2 == 1 && generation != seen) || atomic_load_explicit(&pool->stop, memory_order_relaxed))
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    ++pool->sleeping;
    for (;;) {
        uint64_t generation = atomic_load_explicit(&pool->generation, memory_order_relaxed);
        if ((generation % 2 == 1 && generation != seen) || atomic_load_explicit(&pool->stop, memory_order_relaxed))
            break;
        pthread_cond_wait(&pool->opened, &pool->mutex);
    }
    --pool->sleeping;
    pthread_mutex_unlock(&pool->mutex);
}

/* Joins the open loop; false where it has been closed meanwhile. */
static bool join_loop(cpu_pool *pool, uint64_t *seen)
{
    pthread_mutex_lock(&pool->mutex);
    uint64_t generation = atomic_load_explicit(&pool->generation, memory_order_relaxed);
    bool open = generation % 2 == 1 && generation != *seen;
    if (open) {
        *seen = generation;
        atomic_fetch_add_explicit(&pool->joined, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pool->mutex);
    return open;
}

static void leave_loop(cpu_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    if (atomic_fetch_sub_explicit(&pool->joined, 1, memory_order_release) == 1)
        pthread_cond_signal(&pool->left);
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *argument)
{
    const worker *self = argument;
    cpu_pool *pool = self->pool;
    uint64_t seen = 0;
    while (!atomic_load_explicit(&pool->stop, memory_order_relaxed)) {
        wait_for_loop(pool, seen);
        if (!join_loop(pool, &seen))
            continue;
        run_parts(pool, self->index);
        leave_loop(pool);
    }
    return NULL;
}

static auxo_status start_workers(cpu_pool *pool, auxo_error *error)
{
    for (int i = 1; i < pool->thread_count; ++i) {
        worker *next = &pool->workers[i];
        *next = (worker){.pool = pool, .index = i};
        if (pthread_create(&next->thread, NULL, worker_main, next) != 0)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY,
                                  "cpu: thread %d of %d cannot be started; set "
                                  "AUXO_THREADS to ask for fewer",
                                  i + 1, pool->thread_count);
        pool->started = i;
    }
    return AUXO_OK;
}

auxo_status cpu_pool_create(int thread_count, cpu_pool **pool, auxo_error *error)
{
    cpu_pool *created = calloc(1, sizeof *created);
    worker *workers = calloc((size_t)thread_count, sizeof *workers);
    slice *slices = calloc((size_t)thread_count, sizeof *slices);
    if (!created || !workers || !slices) {
        free(created);
        free(workers);
        free(slices);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "cpu: no host memory for %d threads", thread_count);
    }
    created->thread_count = thread_count;
    created->workers = workers;
    created->slices = slices;
    pthread_mutex_init(&created->mutex, NULL);
    pthread_cond_init(&created->opened, NULL);
    pthread_cond_init(&created->left, NULL);
    auxo_status status = start_workers(created, error);
    if (status != AUXO_OK)
        cpu_pool_destroy(created);
    else
        *pool = created;
    return status;
}

void cpu_pool_destroy(cpu_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store_explicit(&pool->stop, true, memory_order_relaxed);
    pthread_cond_broadcast(&pool->opened);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 1; i <= pool->started; ++i)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->opened);
    pthread_cond_destroy(&pool->left);
    free(pool->workers);
    free(pool->slices);
    free(pool);
}

int cpu_pool_thread_count(const cpu_pool *pool)
{
    return pool->thread_count;
}

static void open_loop(cpu_pool *pool, int64_t count, int64_t grain, cpu_part_function *function, const void *context)
{
    pthread_mutex_lock(&pool->mutex);
    pool->function = function;
    pool->context = context;
    pool->count = count;
    pool->grain = grain;
    const int64_t parts = (count + grain - 1) / grain;
    for (int i = 0; i < pool->thread_count; ++i) {
        const int64_t end = parts * (i + 1) / pool->thread_count * grain;
        atomic_store_explicit(&pool->slices[i].next, parts * i / pool->thread_count * grain, memory_order_relaxed);
        pool->slices[i].end = end < count ? end : count;
    }
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_relaxed);
    if (pool->sleeping > 0)
        pthread_cond_broadcast(&pool->opened);
    pthread_mutex_unlock(&pool->mutex);
}

static void close_loop(cpu_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->mutex);
    for (int round = 0; round < SPIN_ROUNDS; ++round) {
        if (atomic_load_explicit(&pool->joined, memory_order_acquire) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load_explicit(&pool->joined, memory_order_acquire) > 0)
        pthread_cond_wait(&pool->left, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void cpu_pool_run(cpu_pool *pool, int64_t count, int64_t grain, cpu_part_function *function, const void *context)
{
    if (count <= 0)
        return;
    if (pool->thread_count == 1 || count <= grain) {
        for (int64_t begin = 0; begin < count; begin += grain)
            function(context, begin, count - begin < grain ? count : begin + grain, 0);
        return;
    }
    open_loop(pool, count, grain, function, context);
    run_parts(pool, 0);
    close_loop(pool);
}
