/* auxo/plan.h: a flat list of ops, checked, placed in memory, scheduled and run many times.
 *
 * A plan is the one source for memory planning, kernel choice, profiles and FLOP counts. Temporaries live only inside
 * a plan and share one arena: two temporaries whose lifetimes (first to last op that touches them) do not overlap may
 * share memory. Running a plan allocates nothing.
 */
#ifndef AUXO_PLAN_H
#define AUXO_PLAN_H

#include "auxo/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct auxo_plan auxo_plan;

AUXO_API auxo_status auxo_plan_create(auxo_device *device, auxo_plan **plan, auxo_error *error);
AUXO_API void auxo_plan_destroy(auxo_plan *plan);

/* Building keeps the first failure (an op that is not valid, a temporary whose dims are not, no memory): what is added
 * after it does nothing, and auxo_plan_compile returns it. Whoever builds need not look after every call. */

/* A contiguous temporary, undefined until an op writes it; the absent tensor after a failure. Dims may be 0. */
AUXO_API auxo_tensor auxo_plan_temp(auxo_plan *plan, auxo_dtype dtype, uint32_t rank, const int64_t *dims);

/* Appends an op after checking it (auxo_op_check, and that temporaries belong to this plan). `label` names it in
 * profiles and errors ("conv1.forward"); copied. */
AUXO_API void auxo_plan_add(auxo_plan *plan, const auxo_op *op, const char *label);

/* Makes building fail, unless it already has: for builders that find something wrong themselves. The text is printf's.
 */
AUXO_API void auxo_plan_fail(auxo_plan *plan, auxo_status status, const char *format, ...) AUXO_PRINTF(3, 4);
/* The first failure so far; AUXO_OK. */
AUXO_API auxo_status auxo_plan_status(const auxo_plan *plan, auxo_error *error);

typedef struct auxo_plan_options {
    bool allow_host_fallback; /* run ops without a native kernel on the reference backend through host memory */
    bool profile;             /* time every op (slower; needs TIMESTAMPS, else host clock around waits) */
    const volatile int *stop; /* != 0: compiling ends with INTERRUPTED before the next kernel; NULL: never */
    bool no_self_test;        /* skip known-answer tests of kernel variants not yet proven on this device */
} auxo_plan_options;

/* Chooses a kernel for every op, places temporaries, compiles, records. No ops can be added afterwards.
 * Errors: the first failure of building; INTERRUPTED; UNSUPPORTED names the op and the device; OUT_OF_DEVICE_MEMORY
 * says how much the arena needs. */
AUXO_API auxo_status auxo_plan_compile(auxo_plan *plan, const auxo_plan_options *options, auxo_error *error);

/* Enqueues the whole plan `repeat_count` times; asynchronous. */
AUXO_API auxo_status auxo_plan_run(auxo_plan *plan, auxo_queue *queue, uint32_t repeat_count, auxo_error *error);

/* Gives a temporary memory of its own and keeps it past the run, so that it can be read back; before compile. */
AUXO_API auxo_status auxo_plan_keep(auxo_plan *plan, const auxo_tensor *temp, auxo_error *error);
/* The tensor with its buffer filled in; after compile. */
AUXO_API auxo_tensor auxo_plan_resolve(const auxo_plan *plan, const auxo_tensor *temp);

/* A kernel of the device, or the reference backend through host memory. */
typedef enum auxo_route { AUXO_ROUTE_NATIVE, AUXO_ROUTE_HOST } auxo_route;
typedef struct auxo_plan_op_info {
    const char *label; /* borrowed from the plan */
    auxo_op_kind kind;
    const char *variant; /* of the kernel chosen */
    const char *reason;  /* why: "tuned for this device", "default", "failed self-test: tiled" */
    auxo_route route;
    bool is_nominal; /* the kernel does fewer operations than `flops` */
    uint64_t flops, bytes;
    uint64_t run_count, total_ns; /* with options.profile */
} auxo_plan_op_info;

AUXO_API size_t auxo_plan_op_count(const auxo_plan *plan);
AUXO_API const auxo_op *auxo_plan_op(const auxo_plan *plan, size_t index);
AUXO_API auxo_plan_op_info auxo_plan_op_info_at(const auxo_plan *plan, size_t index);
AUXO_API uint64_t auxo_plan_flops(const auxo_plan *plan);
AUXO_API uint64_t auxo_plan_arena_bytes(const auxo_plan *plan); /* after planning; what temporaries take */
AUXO_API uint64_t auxo_plan_host_fallback_count(const auxo_plan *plan);

/* ---- precision -----------------------------------------------------------------------------------------------------
 * What a network computes in. BF16, F16: operands of products and convolutions and stored activations have 16 bits;
 * sums, weights, the optimiser's state, statistics of batch norm, gradients of weights and losses stay f32. AUTO: a
 * 16-bit format that the device has matrix units for and takes everywhere, else f32. */
typedef enum auxo_precision {
    AUXO_PRECISION_DEFAULT, /* of a model: its device's; of a device: f32 */
    AUXO_PRECISION_F32,
    AUXO_PRECISION_BF16,
    AUXO_PRECISION_F16,
    AUXO_PRECISION_AUTO
} auxo_precision;

/* "f32", "bf16", "f16" or "auto". Errors: INVALID_ARGUMENT. */
AUXO_API auxo_status auxo_precision_parse(const char *text, auxo_precision *precision, auxo_error *error);
/* Sets what models made on the device from now on compute in. Errors: UNSUPPORTED names the op that the device lacks in
 * that format, and the formats that it does all of them in. */
AUXO_API auxo_status auxo_device_set_precision(auxo_device *device, auxo_precision precision, auxo_error *error);
/* F32, BF16 or F16. */
AUXO_API auxo_dtype auxo_device_precision(const auxo_device *device);

/* Checks, prepares and runs one op at once; the convenience for tests and rare edits. All tensors have buffers. */
AUXO_API auxo_status auxo_op_run(auxo_queue *queue, const auxo_op *op, auxo_error *error);
/* The same with a given kernel variant and tunable values (NULL: initial ones). Errors: NOT_FOUND, UNSUPPORTED. */
AUXO_API auxo_status auxo_op_run_variant(auxo_queue *queue, const auxo_op *op, const char *variant,
                                         const int32_t *parameters, auxo_error *error);
/* Names of the variants of a kind on a device that support `op` (NULL: any); fills up to capacity, returns the count.
 */
AUXO_API size_t auxo_op_variants(auxo_device *device, auxo_op_kind kind, const auxo_op *op, const char **names,
                                 size_t capacity);
/* Whether the device has a kernel of that kind for tensors of a 16-bit format. */
AUXO_API bool auxo_op_takes_format(const auxo_device *device, auxo_op_kind kind, auxo_dtype format);

#ifdef __cplusplus
}
#endif
#endif
