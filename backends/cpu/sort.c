/* sort.c: argsort by radix, and the scan for kept groups.
 *
 * A float becomes an unsigned integer of the same order (negative numbers: all bits turned; others: the sign bit
 * turned); 4 passes of 8 bits, least significant first, keep equal keys in their order.
 */
#include "cpu_kernels.h"

#include <math.h>
#include <string.h>

enum { RADIX_BITS = 8, RADIX = 1 << RADIX_BITS };

/* An integer that ascends as the key does, NaN last, -0 equal to 0. */
static uint32_t sortable(float key, bool descending)
{
    if (isnan(key))
        return UINT32_MAX;
    float value = descending ? -key : key;
    if (value == 0)
        value = 0; /* +0 */
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

typedef struct sort_entry {
    uint32_t key, index;
} sort_entry;

/* One stable pass by the byte at `shift`. False, and nothing done, where all bytes are the same. */
static bool sort_pass(const sort_entry *from, sort_entry *to, int64_t n, uint32_t shift)
{
    int64_t starts[RADIX] = {0};
    for (int64_t i = 0; i < n; ++i)
        ++starts[from[i].key >> shift & (RADIX - 1)];
    int64_t next = 0;
    for (size_t bucket = 0; bucket < RADIX; ++bucket) {
        int64_t count = starts[bucket];
        if (count == n)
            return false;
        starts[bucket] = next;
        next += count;
    }
    for (int64_t i = 0; i < n; ++i)
        to[starts[from[i].key >> shift & (RADIX - 1)]++] = from[i];
    return true;
}

/* Sorts entries, of which there is room for two lots; returns the sorted lot. */
static const sort_entry *sort_keys(const float *keys, int64_t n, bool descending, sort_entry *entries)
{
    sort_entry *from = entries;
    sort_entry *to = entries + n;
    for (int64_t i = 0; i < n; ++i)
        from[i] = (sort_entry){sortable(keys[i], descending), (uint32_t)i};
    for (uint32_t shift = 0; n > 1 && shift < 32; shift += RADIX_BITS)
        if (sort_pass(from, to, n, shift)) {
            sort_entry *swap = from;
            from = to;
            to = swap;
        }
    return from;
}

static size_t scratch_bytes_argsort(int thread_count, const auxo_op *op)
{
    (void)thread_count;
    return 2 * sizeof(sort_entry) * (size_t)cpu_count(op, AUXO_ARGSORT_KEYS);
}

static void run_argsort(const cpu_work *work, const auxo_op *op)
{
    int64_t n = cpu_count(op, AUXO_ARGSORT_KEYS);
    uint32_t *order = cpu_u32(op, AUXO_ARGSORT_ORDER);
    const sort_entry *sorted =
        sort_keys(cpu_f32(op, AUXO_ARGSORT_KEYS), n, op->params.argsort.descending, (sort_entry *)work->scratch);
    for (int64_t i = 0; i < n; ++i)
        order[i] = sorted[i].index;
}

CPU_KERNEL_NATIVE(argsort)

static size_t scratch_bytes_kept_scan(int thread_count, const auxo_op *op)
{
    (void)thread_count;
    return 2 * sizeof(sort_entry) * (size_t)cpu_count(op, AUXO_KEPT_SCAN_NORM);
}

static void run_kept_scan(const cpu_work *work, const auxo_op *op)
{
    const auxo_kept_scan_params *params = &op->params.kept_scan;
    const int64_t n = cpu_count(op, AUXO_KEPT_SCAN_NORM);
    const float *norm = cpu_f32(op, AUXO_KEPT_SCAN_NORM);
    uint32_t *kept = cpu_u32(op, AUXO_KEPT_SCAN_KEPT);
    uint32_t count = 0;
    for (int64_t g = 0; g < n; ++g)
        if (norm[g] >= params->threshold)
            kept[count++] = (uint32_t)g;
    if (count < params->min_keep && count < n) {
        const sort_entry *sorted = sort_keys(norm, n, true, (sort_entry *)work->scratch);
        memset(kept, 0, sizeof *kept * (size_t)n);
        for (int64_t i = 0; i < cpu_min(params->min_keep, n); ++i)
            kept[sorted[i].index] = 1; /* marks, turned into indices below: never more of them than already read */
        count = 0;
        for (int64_t g = 0; g < n; ++g)
            if (kept[g])
                kept[count++] = (uint32_t)g;
    }
    for (int64_t i = count; i < n; ++i)
        kept[i] = UINT32_MAX;
    *cpu_u32(op, AUXO_KEPT_SCAN_COUNT) = count;
}

CPU_KERNEL_NATIVE(kept_scan)
