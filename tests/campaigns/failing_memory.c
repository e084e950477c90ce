/* tests/campaigns/failing_memory.c: loaded before a program (LD_PRELOAD), fails its n-th allocation and says what was
 * left at the end.
 *
 * Counted are calls from the program, the library and the libraries they are linked with, libc included (it allocates
 * for fopen and strdup); not those of the dynamic linker, nor of what is opened later. Environment:
 *   FAILING_MEMORY_AT=N      the call that fails, from 1; 0 or nothing: none
 *   FAILING_MEMORY_REPORT=F  file that at the end holds "calls N", "left K BYTES", the frames of the call that failed,
 *                            and "leak MODULE+OFFSET BYTES CALL" for each block that was never freed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

enum { RANGES_MAX = 64, BLOCKS_MAX = 1 << 20, FRAMES_MAX = 24 };

typedef struct block {
    uintptr_t address; /* 0: never used; 1: freed */
    uintptr_t caller;
    size_t size;
    unsigned long call;
} block;

static struct {
    uintptr_t begin[RANGES_MAX], end[RANGES_MAX];
    size_t range_count;
    unsigned long fail_at;
    atomic_ulong calls;
    atomic_bool active;
    atomic_flag lock;
    block blocks[BLOCKS_MAX];
    void *frames[FRAMES_MAX];
    int frame_count;
    size_t lost; /* blocks for which the table had no room */
} state = {.lock = ATOMIC_FLAG_INIT};

static int add_module(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    (void)user;
    static const char *const passed_over[] = {"ld-linux", "linux-vdso", "failing_memory", "libstdc++", "libgcc"};
    for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++)
        if (strstr(info->dlpi_name, passed_over[i]))
            return 0;
    for (int i = 0; i < info->dlpi_phnum && state.range_count < RANGES_MAX; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        state.begin[state.range_count] = info->dlpi_addr + part->p_vaddr;
        state.end[state.range_count++] = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void start(void)
{
    const char *at = getenv("FAILING_MEMORY_AT");
    state.fail_at = at ? strtoul(at, NULL, 10) : 0;
    dl_iterate_phdr(add_module, NULL);
    (void)backtrace(state.frames, FRAMES_MAX); /* loads what it needs */
    atomic_store(&state.active, true);
}

/* Whether the call counts, and *fails if it is the one. */
static bool counts(void *caller, unsigned long *call, bool *fails)
{
    *fails = false;
    if (!atomic_load(&state.active))
        return false;
    bool own = false;
    for (size_t i = 0; i < state.range_count && !own; i++)
        own = (uintptr_t)caller >= state.begin[i] && (uintptr_t)caller < state.end[i];
    if (!own)
        return false;
    *call = atomic_fetch_add(&state.calls, 1) + 1;
    *fails = *call == state.fail_at;
    if (*fails) {
        state.frame_count = backtrace(state.frames, FRAMES_MAX);
        errno = ENOMEM;
    }
    return true;
}

static void take_lock(void)
{
    while (atomic_flag_test_and_set_explicit(&state.lock, memory_order_acquire)) {
    }
}

static size_t slot_of(uintptr_t address)
{
    return (size_t)((address >> 4) * 0x9E3779B97F4A7C15u >> 44) % BLOCKS_MAX;
}

static void note(void *made, void *caller, size_t size, unsigned long call)
{
    if (!made)
        return;
    take_lock();
    size_t i = slot_of((uintptr_t)made), tried = 0;
    while (state.blocks[i].address > 1 && tried++ < BLOCKS_MAX)
        i = (i + 1) % BLOCKS_MAX;
    if (tried < BLOCKS_MAX)
        state.blocks[i] = (block){(uintptr_t)made, (uintptr_t)caller, size, call};
    else
        state.lost++;
    atomic_flag_clear_explicit(&state.lock, memory_order_release);
}

static void forget(void *freed)
{
    if (!freed || !atomic_load(&state.active))
        return;
    take_lock();
    for (size_t i = slot_of((uintptr_t)freed), tried = 0; state.blocks[i].address && tried < BLOCKS_MAX; tried++) {
        if (state.blocks[i].address == (uintptr_t)freed) {
            state.blocks[i].address = 1;
            break;
        }
        i = (i + 1) % BLOCKS_MAX;
    }
    atomic_flag_clear_explicit(&state.lock, memory_order_release);
}

static void *allocate(size_t ignored, size_t size)
{
    (void)ignored;
    return __libc_malloc(size);
}

/* make(a, b), or NULL where this is the call that fails. */
static void *made_for(void *caller, size_t size, void *(*make)(size_t a, size_t b), size_t a, size_t b)
{
    unsigned long call = 0;
    bool fails, counted = counts(caller, &call, &fails);
    void *made = fails ? NULL : make(a, b);
    if (counted)
        note(made, caller, size, call);
    return made;
}

void *malloc(size_t size)
{
    return made_for(__builtin_return_address(0), size, allocate, 0, size);
}

void *calloc(size_t count, size_t size)
{
    return made_for(__builtin_return_address(0), count * size, __libc_calloc, count, size);
}

void *realloc(void *block_before, size_t size)
{
    unsigned long call = 0;
    bool fails, counted = counts(__builtin_return_address(0), &call, &fails);
    if (fails)
        return NULL;
    forget(block_before); /* before another thread can be given the same address */
    void *made = __libc_realloc(block_before, size);
    if (counted)
        note(made ? made : block_before, __builtin_return_address(0), size, call);
    return made;
}

void *memalign(size_t alignment, size_t size)
{
    return made_for(__builtin_return_address(0), size, __libc_memalign, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return made_for(__builtin_return_address(0), size, __libc_memalign, alignment, size);
}

int posix_memalign(void **made, size_t alignment, size_t size)
{
    void *block_made = made_for(__builtin_return_address(0), size, __libc_memalign, alignment, size);
    if (!block_made)
        return ENOMEM;
    *made = block_made;
    return 0;
}

void free(void *freed)
{
    forget(freed);
    __libc_free(freed);
}

static void print_address(FILE *report, const char *word, uintptr_t address)
{
    Dl_info where = {0};
    if (dladdr((void *)address, &where) && where.dli_fname)
        fprintf(report, "%s %s+%#lx", word, where.dli_fname, (unsigned long)(address - (uintptr_t)where.dli_fbase));
    else
        fprintf(report, "%s ?", word);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAILING_MEMORY_REPORT");
    atomic_store(&state.active, false);
    FILE *report = path ? fopen(path, "w") : NULL;
    if (!report)
        return;
    size_t left = 0, bytes = 0;
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        if (state.blocks[i].address > 1) {
            left++;
            bytes += state.blocks[i].size;
        }
    fprintf(report, "calls %lu\nleft %zu %zu\n", atomic_load(&state.calls), left + state.lost, bytes);
    for (int i = 0; state.fail_at && i < state.frame_count; i++) {
        print_address(report, "frame", (uintptr_t)state.frames[i]);
        fputc('\n', report);
    }
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        if (state.blocks[i].address > 1) {
            print_address(report, "leak", state.blocks[i].caller);
            fprintf(report, " %zu %lu\n", state.blocks[i].size, state.blocks[i].call);
        }
    fclose(report);
}
