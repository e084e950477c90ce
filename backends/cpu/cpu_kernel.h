/* cpu_kernel.h: what every optimised kernel of the cpu backend is given, and how it becomes an auxo_kernel.
 *
 * A kernel is a function of the op and of scratch memory that the device keeps: the largest that any prepared op
 * asked for, shared by all, since ops of one device run one after another. Results depend neither on the number of
 * threads nor on their timing: work is cut by shape, and partial sums are added in a fixed order.
 */
#ifndef AUXO_CPU_KERNEL_H
#define AUXO_CPU_KERNEL_H

#include "cpu_host.h"
#include "cpu_pool.h"

typedef struct cpu_work {
    cpu_pool *pool;
    int thread_count;
    char *scratch; /* 64-byte aligned; as many bytes as the kernel's scratch function said */
} cpu_work;

enum { CPU_CACHE_LINE_BYTES = 64 };

/* Runs items 0 .. count - 1, each of about item_cost element operations, in
 * parts that are worth a thread. */
static inline void cpu_parallel(const cpu_work *work, int64_t count, int64_t item_cost, cpu_part_function *function,
                                const void *context)
{
    const int64_t part_cost = 1 << 14;
    int64_t grain = item_cost >= part_cost ? 1 : part_cost / (item_cost > 0 ? item_cost : 1);
    cpu_pool_run(work->pool, count, grain, function, context);
}

static inline int64_t cpu_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t cpu_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t cpu_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Rounded up to whole cache lines. */
static inline size_t cpu_align(size_t size_bytes)
{
    return (size_bytes + CPU_CACHE_LINE_BYTES - 1) / CPU_CACHE_LINE_BYTES * CPU_CACHE_LINE_BYTES;
}

/* Part number `part` of `parts` of 0..count, cut at multiples of `granule`. */
typedef struct cpu_range {
    int64_t begin, end;
} cpu_range;

static inline cpu_range cpu_split(int64_t count, int64_t granule, int64_t part, int64_t parts)
{
    int64_t granules = cpu_ceil_div(count, granule);
    return (cpu_range){cpu_min(granules * part / parts * granule, count),
                       cpu_min(granules * (part + 1) / parts * granule, count)};
}

/* Grows the device's scratch memory to at least size_bytes. */
auxo_status cpu_scratch_reserve(cpu_device *device, size_t size_bytes, auxo_error *error);

/* Makes cpu_<name>_prepare and cpu_<name>_enqueue from scratch(thread_count, op), which gives bytes, and
 * run(work, op). */
#define CPU_KERNEL_FUNCTIONS(prepare_name, enqueue_name, run, scratch_bytes)                                           \
    auxo_status prepare_name(void *device, const auxo_op *op, const int32_t *parameters, void **state,                 \
                             auxo_error *error)                                                                        \
    {                                                                                                                  \
        (void)parameters;                                                                                              \
        (void)state;                                                                                                   \
        return cpu_scratch_reserve(device, scratch_bytes(cpu_pool_thread_count(((cpu_device *)device)->pool), op),     \
                                   error);                                                                             \
    }                                                                                                                  \
    auxo_status enqueue_name(void *queue, const auxo_op *op, void *state, auxo_error *error)                           \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        (void)error;                                                                                                   \
        const cpu_device *device = ((cpu_queue *)queue)->device;                                                       \
        run(&(cpu_work){device->pool, cpu_pool_thread_count(device->pool), device->scratch}, op);                      \
        return AUXO_OK;                                                                                                \
    }

/* For one instruction set's compilation of simd/: cpu_<noun>_prepare_<isa> and cpu_<noun>_enqueue_<isa> from the
 * file's own run and scratch_bytes. */
#define CPU_KERNEL(noun)                                                                                               \
    CPU_KERNEL_FUNCTIONS(CPU_NAME(cpu_##noun##_prepare), CPU_NAME(cpu_##noun##_enqueue), run_##noun,                   \
                         scratch_bytes_##noun)

/* The same for a kernel outside simd/, which is compiled once: the variant "native". */
#define CPU_KERNEL_NATIVE(noun)                                                                                        \
    CPU_KERNEL_FUNCTIONS(cpu_##noun##_prepare_native, cpu_##noun##_enqueue_native, run_##noun, scratch_bytes_##noun)

static inline size_t cpu_no_scratch(int thread_count, const auxo_op *op)
{
    (void)thread_count;
    (void)op;
    return 0;
}

#endif
