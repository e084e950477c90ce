/* auxo/bench.h: how fast a device is, measured the same way on every backend.
 *
 * Standard cases of the operations, whole training steps, transfers and launches. A kernel passes its known answers
 * before it is timed; work is warmed up and repeated, and the median counts, with its quartiles. Results of several
 * devices make one list, which is saved, loaded, compared and drawn.
 *
 * Threading: one device, and one list of results, from one thread at a time.
 */
#ifndef AUXO_BENCH_H
#define AUXO_BENCH_H

#include "auxo/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- time -------------------------------------------------------------------------------------------------------- */

typedef struct auxo_bench_time {
    double median, low, high, best; /* seconds of one execution; low and high are the quartiles */
    uint32_t samples;
    uint64_t executions;
} auxo_bench_time;

/* One timed sample: executes the work `count` times and returns when it is done. */
typedef auxo_status auxo_bench_work(void *user, uint32_t count, auxo_error *error);

/* Warms up for a quarter of a second (for less where `seconds` is under an eighth), finds a count that takes about a
 * tenth of `seconds`, and samples for `seconds`, at least five times. */
AUXO_API auxo_status auxo_bench_measure(auxo_bench_work *work, void *user, double seconds, auxo_bench_time *time,
                                        auxo_error *error);

/* ---- cases ------------------------------------------------------------------------------------------------------- */

enum { AUXO_BENCH_DIMS_MAX = 8 };

/* dims by kind: gemm M,N,K; conv2d N,C,H,W,K,R,stride,pad; pool2d N,C,H,W (2x2 max); batch_norm N,C,inner; group_norm
 * and index_select rows,columns (3/4 of the rows are kept); mlp_gradient and theta_eval rows,layers,width (one mask a
 * layer); multiply_add elements,rounds; the others the number of elements. */
typedef struct auxo_bench_case {
    const char *name;
    int64_t dims[AUXO_BENCH_DIMS_MAX];
    auxo_op_kind kind;
    bool gpu_only;   /* takes minutes on a processor */
    auxo_dtype half; /* gemm: f16 or bf16, of the matrices; else f32 */
} auxo_bench_case;

/* All standard cases; *count entries. */
AUXO_API const auxo_bench_case *auxo_bench_cases(size_t *count);
/* Whether the case is for devices of this kind. Errors: UNSUPPORTED, with the reason. */
AUXO_API auxo_status auxo_bench_case_check(const auxo_bench_case *tested, const auxo_device *device, auxo_error *error);

/* An op with buffers and values of its own. Values are hashed from slot and element, so that every device gets the
 * same. */
typedef struct auxo_bench_op auxo_bench_op;

/* Ownership: destroy it before its queue. Errors: UNSUPPORTED if no case of the kind can be made. */
AUXO_API auxo_status auxo_bench_op_create(auxo_queue *queue, const auxo_bench_case *from, auxo_bench_op **op,
                                          auxo_error *error);
/* The same for an op of a plan, of which only shapes and parameters count. */
AUXO_API auxo_status auxo_bench_op_copy(auxo_queue *queue, const auxo_op *from, auxo_bench_op **op, auxo_error *error);
AUXO_API void auxo_bench_op_destroy(auxo_bench_op *op);
AUXO_API const auxo_op *auxo_bench_op_get(const auxo_bench_op *op);
/* Times the op on its queue for at least so many seconds, by the kernel that a plan would take. */
AUXO_API auxo_status auxo_bench_op_measure(auxo_bench_op *op, double seconds, auxo_bench_time *time, auxo_error *error);

/* ---- results ----------------------------------------------------------------------------------------------------- */

typedef struct auxo_bench_device {
    auxo_device_info info;
    /* Per second: of multiply-adds in registers, and of a copy far larger than caches; 0: not measured. */
    double peak_flops, peak_bytes;
} auxo_bench_device;

typedef struct auxo_bench_result {
    size_t device; /* index in the list's devices */
    char group[16], name[96], op[32], variant[48], reason[128], tuning[96];
    auxo_bench_time time;
    double work;   /* how much `unit` is done in one execution */
    char unit[16]; /* "flop", "byte", "image", "launch" */
    double flops, bytes;
    double setup_seconds; /* before the first sample: buffers, compiling, known answers, the first step */
    bool is_nominal;      /* the kernel does fewer operations than `flops`, which are the formula's (Winograd) */
    bool half; /* in f16 or bf16: may run on units of its own, so it neither sets the peak nor is set against it */
    double percent_of_peak; /* of what the peaks allow for its flops and bytes; 0: not known, or nominal. Above 100
                             * where a case stays in caches. */
    uint64_t fallbacks;     /* ops that ran on the host */
} auxo_bench_result;

/* What could not be measured, and why. */
typedef struct auxo_bench_skip {
    char device[64], name[96], reason[256];
} auxo_bench_skip;

/* How long the ops of one kind take within a training step. */
typedef struct auxo_bench_share {
    size_t device;
    char name[96]; /* of the case */
    char op[32];
    double seconds, fraction; /* of one step; of all its ops */
} auxo_bench_share;

/* Zero-initialise it; ownership: auxo_bench_results_deinit frees what the functions below put in. */
typedef struct auxo_bench_results {
    auxo_bench_device *devices;
    size_t device_count;
    auxo_bench_result *items;
    size_t count;
    auxo_bench_skip *skips;
    size_t skip_count;
    auxo_bench_share *shares; /* of one case together, the largest first */
    size_t share_count;
} auxo_bench_results;

AUXO_API void auxo_bench_results_deinit(auxo_bench_results *results);
/* Notes what is left out; `device` is a selector. Errors: OUT_OF_MEMORY. */
AUXO_API auxo_status auxo_bench_results_skip(auxo_bench_results *results, const char *device, const char *name,
                                             const char *reason, auxo_error *error);

/* ---- measuring a device ------------------------------------------------------------------------------------------ */

typedef enum auxo_bench_event_kind {
    AUXO_BENCH_RESULT,
    AUXO_BENCH_SKIPPED,
    AUXO_BENCH_SHARE,
    AUXO_BENCH_PROGRESS
} auxo_bench_event_kind;

/* What has just been added to the results; valid for the time of the call. */
typedef struct auxo_bench_event {
    auxo_bench_event_kind kind;
    const auxo_bench_results *results;
    size_t index;         /* of the item, skip or share */
    uint64_t done, total; /* PROGRESS: cases */
    const char *name;     /* PROGRESS: the case just done */
} auxo_bench_event;
typedef void auxo_bench_function(void *user, const auxo_bench_event *event);

typedef struct auxo_bench_options {
    double seconds;              /* repeat every case for at least so long; 0: half a second */
    const bool *kinds;           /* AUXO_OP_COUNT flags: the ops to measure; NULL: all */
    const volatile int *stop;    /* != 0: end with INTERRUPTED after the case at hand; NULL: never */
    auxo_bench_function *listen; /* NULL: nobody */
    void *listen_user;
} auxo_bench_options;

/* What is trained: a built-in network, a JSON description or a .safetensors file, on generated images. */
typedef struct auxo_bench_training {
    const char *model, *optimizer; /* optimizer: as auxo_optimizer_config_parse reads it */
    uint32_t batch;
    int64_t input[3]; /* channels, height, width */
    auxo_precision precision;
} auxo_bench_training;

/* One case on one device: verified, then timed for at least `seconds`. result->device is 0.
 * Errors: UNSUPPORTED, WRONG_RESULT, whatever the device reports. */
AUXO_API auxo_status auxo_bench_case_measure(auxo_device *device, const auxo_bench_case *tested, double seconds,
                                             auxo_bench_result *result, auxo_error *error);

/* Each group appends to *results, where the device is found again by its selector and name; what cannot run becomes a
 * skip with its reason. Errors: INTERRUPTED and OUT_OF_MEMORY, and what is wrong with the device itself.
 *
 * The standard cases, set against the device's peaks, which are measured first. */
AUXO_API auxo_status auxo_bench_ops(auxo_device *device, const auxo_bench_options *options, auxo_bench_results *results,
                                    auxo_error *error);
/* Host to device and back, copies and zeros on the device. */
AUXO_API auxo_status auxo_bench_memory(auxo_device *device, const auxo_bench_options *options,
                                       auxo_bench_results *results, auxo_error *error);
/* What starting work and waiting for it costs. */
AUXO_API auxo_status auxo_bench_latency(auxo_device *device, const auxo_bench_options *options,
                                        auxo_bench_results *results, auxo_error *error);
/* Images per second of one training step after another, and which ops a step is made of. */
AUXO_API auxo_status auxo_bench_train(auxo_device *device, const auxo_bench_training *training,
                                      const auxo_bench_options *options, auxo_bench_results *results,
                                      auxo_error *error);

/* ---- result files ------------------------------------------------------------------------------------------------ */

/* A result file is {"format":"auxo-bench","version":1,"program":..,"devices":[..],"results":[..],"skipped":[..],
 * "op_shares":[..]}. */
enum { AUXO_BENCH_FORMAT_VERSION = 1 };

/* One field of a result, skip or share under its name in files and events; text NULL: it is the number. */
typedef void auxo_bench_field_function(void *user, const char *name, const char *text, double number);
AUXO_API void auxo_bench_result_fields(const auxo_bench_results *results, size_t index,
                                       auxo_bench_field_function *visit, void *user);
AUXO_API void auxo_bench_skip_fields(const auxo_bench_results *results, size_t index, auxo_bench_field_function *visit,
                                     void *user);
AUXO_API void auxo_bench_share_fields(const auxo_bench_results *results, size_t index, auxo_bench_field_function *visit,
                                      void *user);

/* Whole or not at all (temporary file, sync, rename). Errors: IO names the path. */
AUXO_API auxo_status auxo_bench_results_save(const auxo_bench_results *results, const char *path, auxo_error *error);
AUXO_API auxo_status auxo_bench_results_save_csv(const auxo_bench_results *results, const char *path,
                                                 auxo_error *error);
/* Devices side by side, one roofline per device, all numbers, as one HTML file. */
AUXO_API auxo_status auxo_bench_results_save_report(const auxo_bench_results *results, const char *path,
                                                    auxo_error *error);
/* Reads and checks a result file into zero-initialised *results. Errors: IO; FORMAT names the file and what it has
 * instead of what is read here. Ownership: auxo_bench_results_deinit. */
AUXO_API auxo_status auxo_bench_results_load(const char *path, auxo_bench_results *results, auxo_error *error);

/* Beyond the spread: the quartile ranges do not overlap. What one run alone scatters by is no regression. */
typedef enum auxo_bench_verdict { AUXO_BENCH_SAME, AUXO_BENCH_FASTER, AUXO_BENCH_SLOWER } auxo_bench_verdict;

typedef struct auxo_bench_difference {
    const auxo_bench_result *before, *after;
    const char *device; /* selector, of `after` */
    double speed_ratio; /* new speed over old: above 1 is faster */
    auxo_bench_verdict verdict;
} auxo_bench_difference;
typedef void auxo_bench_difference_function(void *user, const auxo_bench_difference *difference);

typedef struct auxo_bench_comparison {
    size_t compared, slower, faster, missing; /* missing: cases of `after` without a partner */
} auxo_bench_comparison;

/* Results belong together by backend, device name, group and case. `visit` may be NULL. */
AUXO_API auxo_bench_comparison auxo_bench_compare(const auxo_bench_results *before, const auxo_bench_results *after,
                                                  auxo_bench_difference_function *visit, void *user);

/* ---- what a compiler makes of kernels ---------------------------------------------------------------------------- */

/* X(FIELD, json, heading): one vocabulary for all drivers; a driver that does not tell leaves NAN. */
#define AUXO_BENCH_PROGRAM_TABLE(X)                                                                                    \
    X(REGISTERS, registers, ">REGISTERS")                                                                              \
    X(SPILLS, spills, ">SPILLED")                                                                                      \
    X(LOCAL, local_bytes, ">LOCAL B")                                                                                  \
    X(SCRATCH, scratch_bytes, ">SCRATCH B")                                                                            \
    X(SUBGROUPS, subgroups, ">SUBGROUPS")                                                                              \
    X(CODE, code_bytes, ">CODE B")

typedef enum auxo_bench_program_field {
#define AUXO_BENCH_PROGRAM_ENUM(name, json, heading) AUXO_BENCH_PROGRAM_##name,
    AUXO_BENCH_PROGRAM_TABLE(AUXO_BENCH_PROGRAM_ENUM)
#undef AUXO_BENCH_PROGRAM_ENUM
        AUXO_BENCH_PROGRAM_FIELD_COUNT
} auxo_bench_program_field;

typedef struct auxo_bench_program {
    char name[160], options[320];
    bool is_default; /* a plan takes it without being told to */
    double fields[AUXO_BENCH_PROGRAM_FIELD_COUNT];
    auxo_program_statistic *statistics; /* under the driver's names */
    size_t statistic_count;
} auxo_bench_program;

/* Zero-initialise it; ownership: auxo_bench_audit_deinit. */
typedef struct auxo_bench_audit_result {
    auxo_bench_program *programs; /* by name, then options */
    size_t count, capacity;
    uint64_t prepared, failed;          /* ops */
    char failure[400];                  /* the first */
    size_t spilling_count;              /* programs used by default that spill registers */
    const auxo_bench_program *spilling; /* the first of them, or NULL */
} auxo_bench_audit_result;

typedef struct auxo_bench_audit_options {
    const char *op;    /* noun of the one op to compile; NULL: all */
    auxo_device *host; /* plans the networks and runs their first step; NULL: no networks */
    const auxo_bench_training *networks;
    size_t network_count;
    const volatile int *stop;
    void (*on_failure)(void *user, const char *what, const char *message); /* NULL: none */
    void *user;
} auxo_bench_audit_options;

/* Compiles, without running, every kernel for the device (whose runtime keeps statistics): first what plans take by
 * default, for the standard cases and the networks, then every variant of every conformance case. Ops that do not
 * compile are counted, not errors. */
AUXO_API auxo_status auxo_bench_audit(auxo_device *device, const auxo_bench_audit_options *options,
                                      auxo_bench_audit_result *result, auxo_error *error);
AUXO_API void auxo_bench_audit_deinit(auxo_bench_audit_result *result);

/* ---- single methods ---------------------------------------------------------------------------------------------- */

typedef struct auxo_bench_survival_options {
    uint64_t subjects, metric_subjects; /* of the Cox loss; of the metrics */
    uint64_t seed;
    double seconds;
    void (*on_case)(void *user, const char *name, uint64_t subjects, const auxo_bench_time *time);
    void *user;
} auxo_bench_survival_options;

/* The Cox loss with its gradient on the device, the concordance index and the AUC on the host. */
AUXO_API auxo_status auxo_bench_survival(auxo_device *device, const auxo_bench_survival_options *options,
                                         auxo_error *error);

/* One cost of multi-scale training, beside the one it should be judged by. */
typedef struct auxo_bench_multiscale_case {
    uint32_t layer_count;
    const char *name;
    auxo_bench_time time; /* of one epoch, sensitivity or selection */
    double ratio;         /* to the cost named by `beside`; 0: there is none */
    const char *beside;
} auxo_bench_multiscale_case;

enum { AUXO_BENCH_SELECTION_ROWS = 1000 };

typedef struct auxo_bench_multiscale_options {
    uint64_t rows;             /* points of the reactor to train on */
    double seconds;            /* per case */
    uint64_t selection_layers; /* selections over 8, 16, ... up to so many layers; 0: none */
    void (*on_case)(void *user, const auxo_bench_multiscale_case *done);
    void *user;
} auxo_bench_multiscale_options;

/* Networks 5 wide, as in Zhang et al. 2023: forward pass, gradient, sensitivities, epochs and selections. */
AUXO_API auxo_status auxo_bench_multiscale(auxo_device *device, const auxo_bench_multiscale_options *options,
                                           auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
