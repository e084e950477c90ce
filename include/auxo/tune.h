/* auxo/tune.h: tuning data: which kernel variant, with which parameters, executes an op on a device.
 *
 * Tuning files are plain text, one entry per line, in sections:
 *
 *   # comment
 *   backend opencl                     only for this backend, until the next `backend` line; absent: for any
 *   device "NVIDIA H200"               section: this device; a trailing * matches any end
 *   gemm m1024n1024k1024:nn variant=tiled tile_m=128 tile_n=128
 *   gemm any variant=tiled
 *   vendor "Intel"                     section: all devices of this vendor
 *   default                            section: every device
 *
 * The second word is a shape class: dims rounded up to powers of two, and of 16-bit products and convolutions the
 * format; with a leading '=' the exact dims; `any:f16` or `any:bf16`: all of that format; or `any`. Lookup: device,
 * then vendor, then default section; in each the user's file, then the runtime's tuning_dir, then the data built into
 * the library; in each the exact, then the rounded class, then `any` of the format, then `any`. What names a kernel
 * that cannot do an op is passed over. A line that names something unknown (op, variant, parameter, value) is reported
 * once by file and line, and ignored.
 */
#ifndef AUXO_TUNE_H
#define AUXO_TUNE_H

#include "auxo/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { AUXO_TUNING_PARAMETERS_MAX = 12 };

/* X(NAME, keyword): sections, the most specific first. */
#define AUXO_TUNING_SCOPE_TABLE(X)                                                                                     \
    X(DEVICE, device)                                                                                                  \
    X(VENDOR, vendor)                                                                                                  \
    X(DEFAULT, default)

typedef enum auxo_tuning_scope {
#define AUXO_TUNING_SCOPE_ENUM(name, keyword) AUXO_TUNING_##name,
    AUXO_TUNING_SCOPE_TABLE(AUXO_TUNING_SCOPE_ENUM)
#undef AUXO_TUNING_SCOPE_ENUM
} auxo_tuning_scope;

typedef struct auxo_tuning_parameter {
    char name[24];
    int32_t value;
} auxo_tuning_parameter;

typedef struct auxo_tuning_entry {
    char backend[16]; /* "": any */
    auxo_tuning_scope scope;
    char name[128]; /* of the device or vendor; "" in the default section */
    char op[32];    /* noun */
    char shape_class[96];
    char variant[48];
    size_t parameter_count;
    auxo_tuning_parameter parameters[AUXO_TUNING_PARAMETERS_MAX];
    uint32_t line; /* in its file; 0 if it was set by a program */
} auxo_tuning_entry;

/* The entries of one file, in memory. */
typedef struct auxo_tuning auxo_tuning;

AUXO_API auxo_status auxo_tuning_create(auxo_tuning **tuning, auxo_error *error);
AUXO_API void auxo_tuning_destroy(auxo_tuning *tuning);
/* Reads a file; malformed lines go to `log` (may be NULL) as "file:line: what" and are left out. A file that a program
 * has written ends with a checksum of all before it; where that does not fit, the file gives no entries, and `log` is
 * told so. A file that does not exist gives no entries. Errors: IO. */
AUXO_API auxo_status auxo_tuning_load(const char *path, auxo_log_function *log, void *log_user, auxo_tuning **tuning,
                                      auxo_error *error);
AUXO_API size_t auxo_tuning_count(const auxo_tuning *tuning);
AUXO_API const auxo_tuning_entry *auxo_tuning_at(const auxo_tuning *tuning, size_t index);
/* Adds an entry, or replaces the one of the same backend, section, op and shape class. Errors: INVALID_ARGUMENT for
 * text that a line cannot hold (spaces, quotes). */
AUXO_API auxo_status auxo_tuning_set(auxo_tuning *tuning, const auxo_tuning_entry *entry, auxo_error *error);
/* Writes all entries, sorted, and a checksum; whole or not at all (temporary file, sync, rename). Comments are not
 * kept. */
AUXO_API auxo_status auxo_tuning_save(const auxo_tuning *tuning, const char *path, auxo_error *error);

/* Adds or replaces entries in a file and keeps its others, also those that other processes add at the same time: it is
 * read, changed and replaced under a lock of the system on the file `path`.lock beside it. Malformed lines go to `log`
 * (may be NULL) and are not kept. Errors: IO. */
AUXO_API auxo_status auxo_tuning_merge(const char *path, const auxo_tuning_entry *entries, size_t count,
                                       auxo_log_function *log, void *log_user, auxo_error *error);

/* The user's own file, in the runtime's cache folder. Errors: NOT_FOUND without a cache folder. */
AUXO_API auxo_status auxo_tuning_user_path(const auxo_runtime *runtime, char *path, size_t capacity, auxo_error *error);

/* The shape class of an op, rounded up to powers of two or exact, for example "m1024n1024k1024:nn". */
AUXO_API void auxo_tuning_shape_class(const auxo_op *op, bool exact, char *text, size_t capacity);
/* The entry that names `variant` with `parameters` (in the order of the kernel's tunables; NULL: initial values) as the
 * choice for op's shape on exactly this device; shape_class NULL: op's own, rounded. Errors: NOT_FOUND: no such
 * variant. */
AUXO_API auxo_status auxo_tuning_entry_make(const auxo_device *device, const auxo_op *op, const char *variant,
                                            const int32_t *parameters, const char *shape_class,
                                            auxo_tuning_entry *entry, auxo_error *error);
/* What a plan on this device would take for `op`. Errors: NOT_FOUND: nothing is said about it, the default is used. */
AUXO_API auxo_status auxo_tuning_lookup(auxo_device *device, const auxo_op *op, auxo_tuning_entry *entry,
                                        auxo_error *error);
/* Puts `entry` before all other tuning data of this open device, until the next call or reload; NULL: takes it away.
 * For tuners that compile a plan with one candidate after the other. Errors: NOT_FOUND says what the device lacks. */
AUXO_API auxo_status auxo_tuning_try(auxo_device *device, const auxo_tuning_entry *entry, auxo_error *error);
/* Makes the device read its tuning data again at the next lookup; plans already compiled keep their kernels. */
AUXO_API void auxo_tuning_reload(auxo_device *device);

/* ---- the tuner --------------------------------------------------------------------------------------------------- */

struct auxo_bench_case;     /* auxo/bench.h */
struct auxo_bench_training; /* auxo/bench.h */

typedef enum auxo_tune_event_kind {
    AUXO_TUNE_TUNED,   /* a shape is done */
    AUXO_TUNE_REFUSED, /* a candidate failed and is left out */
    AUXO_TUNE_PROGRESS
} auxo_tune_event_kind;

/* Valid for the time of the call. */
typedef struct auxo_tune_event {
    auxo_tune_event_kind kind;
    const auxo_tuning_entry *entry;       /* TUNED: the winner; REFUSED: the candidate */
    double seconds_before, seconds_after; /* TUNED: of the kernel used so far; of the winner */
    size_t candidates, refused;           /* TUNED: how many were tried; how many of them failed */
    bool saved;                           /* TUNED: false if earlier tuning data is as fast */
    const char *message;                  /* REFUSED: why */
    size_t done, total;                   /* PROGRESS: shapes */
} auxo_tune_event;
typedef void auxo_tune_function(void *user, const auxo_tune_event *event);

/* What to tune: the standard cases, or those given, or the products and convolutions of a network's training step. */
typedef struct auxo_tune_options {
    const bool *kinds;                   /* AUXO_OP_COUNT flags; NULL: all with a choice */
    const struct auxo_bench_case *cases; /* NULL: the standard ones */
    size_t case_count;
    const struct auxo_bench_training *training; /* NULL: cases */
    double budget_seconds;                      /* for all shapes together; 0: a minute */
    const char *path;                           /* tuning file that the winners go into; NULL: the user's own */
    const volatile int *stop;   /* != 0: end with INTERRUPTED after the candidate at hand; NULL: never */
    auxo_tune_function *listen; /* NULL: nobody */
    void *listen_user;
} auxo_tune_options;

typedef struct auxo_tune_summary {
    size_t shapes, done, saved; /* found; reached within the budget; written to the file */
    char path[4096];
} auxo_tune_summary;

/* Finds the fastest right kernel for each shape on the device. A candidate must pass the known answers of its op, and
 * give the outputs of the kernel used so far at full size, before its time counts. The winner goes to the file at
 * once, so that an interrupt or a lost device costs at most the shape at hand. `summary` may be NULL.
 * Errors: NOT_FOUND: nothing to choose; INTERRUPTED; DEVICE_LOST names the candidate. */
AUXO_API auxo_status auxo_tune(auxo_device *device, const auxo_tune_options *options, auxo_tune_summary *summary,
                               auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
