/* plan_internal.h: the layout of a plan and what the files of runtime/plan/ share.
 *
 * plan.c builds the list, memory.c places temporaries, schedule.c picks kernels, host_route.c runs an op on the oracle,
 * run.c and profile.c execute, self_test.c remembers which kernels have proven themselves, op_run.c does single ops.
 *
 * Invariants: before compile, `ops` and `temps` grow and nothing else exists. After compile they never move or change
 * (kernels keep pointers to `placed`), every step has a kernel or a host route, and every temporary that an op
 * touches lies inside an arena.
 */
#ifndef AUXO_PLAN_INTERNAL_H
#define AUXO_PLAN_INTERNAL_H

#include "auxo/plan.h"
#include "device_internal.h"

enum { AUXO__ARENA_ALIGNMENT_BYTES = 256, AUXO__NO_ARENA = -1, AUXO__REASON_BYTES = 128 };

typedef struct auxo__temp {
    uint64_t size_bytes;
    bool touched, keep;
    size_t first_op, last_op; /* lifetime, both included; valid if touched */
    int32_t arena;            /* index, or AUXO__NO_ARENA */
    uint64_t offset_bytes;    /* in its arena */
} auxo__temp;

typedef struct auxo__host_route auxo__host_route;

/* One op's kernel, ready to be enqueued. */
typedef struct auxo__choice {
    const auxo_kernel *kernel;
    void *state;            /* of kernel->prepare */
    auxo__host_route *host; /* for AUXO_ROUTE_HOST; kernel is then the oracle's */
    auxo_route route;
    char reason[AUXO__REASON_BYTES];
} auxo__choice;

typedef struct auxo__plan_op {
    auxo_op op;     /* as added */
    auxo_op placed; /* with final buffers and offsets */
    char *label;
    bool skipped; /* writes nothing */
    auxo__choice choice;
    uint64_t flops, bytes;
    uint64_t run_count, total_ns;
} auxo__plan_op;

/* What the inner loop of a run needs, and nothing more. */
typedef struct auxo__step {
    auxo_status (*enqueue)(void *queue, const auxo_op *op, void *state, auxo_error *error);
    const auxo_op *op;
    void *state;
    size_t op_index;
} auxo__step;

/* Ops between two moments of the host; see sections.h. */
typedef struct auxo__section {
    size_t last_op;              /* its last one */
    size_t first_step, end_step; /* after compile */
    void *recording;
    uint64_t recording_queue_serial;
} auxo__section;

struct auxo_plan {
    auxo_device *device;
    auxo__plan_op *ops;
    size_t op_count, op_capacity;
    auxo__temp *temps; /* temp_id - 1 is the index */
    size_t temp_count, temp_capacity;
    auxo_buffer **arenas;
    size_t arena_count;
    uint64_t arena_bytes;
    auxo__step *steps; /* ops that do something */
    size_t step_count;
    auxo__section *sections; /* by last_op; the last one, which holds the rest, is added by compile */
    size_t section_count, section_capacity;
    auxo_event **events; /* step_count + 1, when profiling with timestamps */
    bool compiled;       /* or tried: no ops can be added */
    bool ready;          /* compiled successfully */
    bool profile, records, has_host_route;
    auxo_error failure; /* the first of building; surfaces at compile */
};

/* memory.c: lifetimes and offsets of temporaries; creates the arenas. */
auxo_status auxo__plan_place(auxo_plan *plan, auxo_error *error);
/* Fills buffer and offset of a temporary's view; other tensors stay as they are. */
void auxo__plan_resolve_tensor(const auxo_plan *plan, auxo_tensor *tensor);

/* schedule.c: picks, proves and prepares a kernel for an op whose tensors have buffers. */
auxo_status auxo__choose_kernel(auxo_device *device, const auxo_op *op, const auxo_plan_options *options,
                                auxo__choice *choice, auxo_error *error);
void auxo__choice_release(auxo_device *device, auxo__choice *choice);
/* Whether the op writes nothing at all, all its outputs being empty. */
bool auxo__op_is_empty(const auxo_op *op);
/* Initial values of a kernel's tunables. */
void auxo__kernel_initial_parameters(const auxo_kernel *kernel, int32_t parameters[AUXO_TUNABLES_MAX]);

/* host_route.c: one op on the oracle backend, through host memory. */
auxo_status auxo__host_route_create(auxo_device *device, const auxo_op *op, auxo__host_route **route,
                                    const auxo_kernel **kernel, auxo_error *error);
auxo_status auxo__host_route_run(auxo__host_route *route, auxo_queue *queue, auxo_error *error);
void auxo__host_route_destroy(auxo__host_route *route);

/* self_test.c: OK when the variant with these parameters is proven on the device, now or earlier; WRONG_RESULT when it
 * computes wrongly. */
auxo_status auxo__self_test(auxo_device *device, const auxo_kernel *kernel, const auxo_op *op,
                            const int32_t *parameters, auxo_error *error);
/* Writes new passes to the cache folder. */
void auxo__self_test_save(auxo_device *device);

/* run.c: enqueues one step and says which op failed. */
auxo_status auxo__plan_enqueue_step(auxo_plan *plan, auxo_queue *queue, size_t step_index, auxo_error *error);

/* profile.c: a section with a time for every op; waits. */
auxo_status auxo__plan_profile_create(auxo_plan *plan, auxo_error *error);
void auxo__plan_profile_destroy(auxo_plan *plan);
auxo_status auxo__plan_run_profiled(auxo_plan *plan, auxo_queue *queue, const auxo__section *section,
                                    auxo_error *error);

#endif
