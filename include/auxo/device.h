/* auxo/device.h: runtime, devices, buffers, queues and events.
 *
 * Owns everything that talks to hardware. A runtime holds the list of compiled backends that the
 * application hands to it; a device is opened by a selector string; work goes into in-order queues.
 * Nothing here knows a backend by name.
 *
 * Threading: a runtime may be used from several threads; one device, and whatever was made from it,
 * from one thread at a time. There is no global state. A device belongs to the process that opened it: a child made by
 * fork is refused whatever it asks of the device (INVALID_ARGUMENT), and may only destroy what it inherited, which
 * leaves the parent's alone.
 */
#ifndef AUXO_DEVICE_H
#define AUXO_DEVICE_H

#include "auxo/status.h"
#include "auxo/version.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct auxo_runtime auxo_runtime;
typedef struct auxo_device auxo_device;
typedef struct auxo_buffer auxo_buffer;
typedef struct auxo_queue auxo_queue;
typedef struct auxo_event auxo_event;
struct auxo_backend; /* auxo/backend.h */

typedef enum auxo_log_level { AUXO_LOG_DEBUG, AUXO_LOG_INFO, AUXO_LOG_WARNING, AUXO_LOG_ERROR } auxo_log_level;
typedef void auxo_log_function(void *user, auxo_log_level level, const char *message);

/* The backends linked into this library: *count entries. Defined in backends/builtin.c. */
AUXO_API const struct auxo_backend *const *auxo_builtin_backends(size_t *count);

/* All backends that there are: those linked in, and plugins. A plugin is a file libauxo_backend_NAME.so that exports
 * auxo_backend_entry (auxo/backend.h), in a folder of AUXO_BACKEND_PATH (separated by ':'), beside this library, or in
 * the folder auxo/ beside it; the first that works counts. */
typedef struct auxo_backends auxo_backends;

/* A backend that cannot be used. */
typedef struct auxo_missing_backend {
    char name[32];
    char reason[256];
} auxo_missing_backend;

/* What cannot be loaded is no error: it is missing, with the reason. Errors: OUT_OF_MEMORY. */
AUXO_API auxo_status auxo_backends_load(auxo_backends **backends, auxo_error *error);
/* Frees the lists; runtimes made with them go on, as the backends themselves stay in memory: drivers may have threads
 * in their code. */
AUXO_API void auxo_backends_unload(auxo_backends *backends);
/* For auxo_runtime_options; borrowed. */
AUXO_API const struct auxo_backend *const *auxo_backends_list(const auxo_backends *backends, size_t *count);
AUXO_API const auxo_missing_backend *auxo_backends_missing(const auxo_backends *backends, size_t *count);

typedef struct auxo_runtime_options {
    const struct auxo_backend *const *backends; /* borrowed; must outlive the runtime */
    size_t backend_count;
    const auxo_missing_backend *missing; /* why a backend that a selector names is not there; copied */
    size_t missing_count;
    auxo_log_function *log; /* NULL: no log */
    void *log_user;
    const char *cache_dir;  /* compiled kernels, self-test results, user's tuning; NULL: no disk cache */
    const char *tuning_dir; /* extra tuning files, read before those built in; NULL: none */
    uint32_t
        thread_count;     /* of the cpu backend; 0: AUXO_THREADS, else OMP_NUM_THREADS, else what the process may use */
    bool keep_statistics; /* make drivers keep what auxo_device_programs tells; they may then compile anew each run */
} auxo_runtime_options;

/* The user's folder for auxo_runtime_options.cache_dir: AUXO_CACHE_DIR, else auxo/kernels below XDG_CACHE_HOME or
 * ~/.cache. It need not exist. False where no such place is known, or `size` is too small. */
AUXO_API bool auxo_cache_folder(char *path, size_t size);

/* Ownership: the caller destroys it after all its devices. */
AUXO_API auxo_status auxo_runtime_create(const auxo_runtime_options *options, auxo_runtime **runtime,
                                         auxo_error *error);
AUXO_API void auxo_runtime_destroy(auxo_runtime *runtime); /* NULL is allowed, here and in every *_destroy */

/* X(NAME, bit, text): optional device features. */
#define AUXO_FEATURE_TABLE(X)                                                                                          \
    X(FP16_STORAGE, 0, "fp16 storage")                                                                                 \
    X(FP16_ARITHMETIC, 1, "fp16 arithmetic")                                                                           \
    X(FP64, 2, "fp64")                                                                                                 \
    X(SUBGROUPS, 3, "subgroup operations")                                                                             \
    X(COOPERATIVE_MATRIX, 4, "cooperative matrices")                                                                   \
    X(UNIFIED_MEMORY, 5, "unified memory")                                                                             \
    X(TIMESTAMPS, 6, "timestamps")                                                                                     \
    X(COMMAND_RECORDING, 7, "pre-recorded commands")                                                                   \
    X(BF16_MATRIX, 8, "bf16 matrix units")

typedef enum auxo_feature {
#define AUXO_FEATURE_ENUM(name, bit, text) AUXO_FEATURE_##name = 1 << (bit),
    AUXO_FEATURE_TABLE(AUXO_FEATURE_ENUM)
#undef AUXO_FEATURE_ENUM
} auxo_feature;

typedef enum auxo_device_type {
    AUXO_DEVICE_CPU,
    AUXO_DEVICE_INTEGRATED_GPU,
    AUXO_DEVICE_DISCRETE_GPU,
    AUXO_DEVICE_ACCELERATOR
} auxo_device_type;

typedef struct auxo_device_info {
    char selector[64]; /* what opens exactly this device, for example "opencl:0" */
    char backend[16];  /* "cpu", "opencl", ... */
    uint32_t index;    /* within its backend */
    char name[128];    /* as the driver says it */
    char vendor[64];
    char driver[128];     /* driver name and version; part of every cache key */
    char hardware_id[64]; /* PCI "domain:bus:device.function" or UUID where known, else "": same GPU, two drivers */
    auxo_device_type type;
    uint32_t compute_units;
    uint32_t clock_mhz;     /* the highest, where the driver or the system tells it; else 0 */
    uint32_t subgroup_size; /* 1 where there is no such thing */
    uint32_t max_workgroup_size;
    uint64_t local_memory_bytes; /* per workgroup */
    uint64_t memory_bytes;
    uint64_t max_allocation_bytes; /* one buffer */
    uint64_t max_binding_bytes;    /* what one kernel argument can address; larger buffers still work */
    uint32_t features;             /* auxo_feature bits */
    bool is_reference;             /* computes known answers, slowly; `auto` never takes it */
} auxo_device_info;

/* Lists every device of every backend; a backend whose driver is missing lists none and says why in the log.
 * Ownership: *infos is allocated; free it with auxo_device_list_free. */
AUXO_API auxo_status auxo_device_list(auxo_runtime *runtime, auxo_device_info **infos, size_t *count,
                                      auxo_error *error);
AUXO_API void auxo_device_list_free(auxo_device_info *infos);

/* Opens a device. `selector` is "cpu", "opencl:0", "vulkan:1", a backend with part of a device or vendor name
 * ("vulkan:radeon"), or "auto" (the fastest kind of GPU, else cpu; never a CPU-type driver).
 * Errors: NOT_FOUND lists what exists, AMBIGUOUS lists the matches. */
AUXO_API auxo_status auxo_device_open(auxo_runtime *runtime, const char *selector, auxo_device **device,
                                      auxo_error *error);
AUXO_API void auxo_device_close(auxo_device *device);
AUXO_API const auxo_device_info *auxo_device_get_info(const auxo_device *device);

/* One number that a driver tells about a program, under the driver's own name: "VGPRs", "Spill Count". */
typedef struct auxo_program_statistic {
    char name[64];
    double value;
} auxo_program_statistic;

/* A program as compiled for a device: a kernel with its constants. All of it is borrowed for the time of the call. */
typedef struct auxo_program_info {
    const char *name;    /* "gemm_tiled" */
    const char *options; /* what it was specialised with: "-DTILE_M=64 ...", "256,64,64,..." */
    const auxo_program_statistic *statistics;
    size_t statistic_count; /* 0 where the driver tells nothing */
} auxo_program_info;
typedef void auxo_program_function(void *user, const auxo_program_info *program);

/* Tells every program that was compiled on the device so far; none on a backend without a compiler. */
AUXO_API auxo_status auxo_device_programs(auxo_device *device, auxo_program_function *visit, void *user,
                                          auxo_error *error);

/* Device memory. Ownership: destroy before the device. Size 0 is allowed and holds nothing. */
AUXO_API auxo_status auxo_buffer_create(auxo_device *device, uint64_t size_bytes, auxo_buffer **buffer,
                                        auxo_error *error);
AUXO_API void auxo_buffer_destroy(auxo_buffer *buffer);
AUXO_API uint64_t auxo_buffer_size_bytes(const auxo_buffer *buffer);
AUXO_API auxo_device *auxo_buffer_device(const auxo_buffer *buffer);

/* In-order queue of asynchronous work. Errors of earlier work surface at auxo_queue_wait at the latest; after
 * DEVICE_LOST every call on the device returns DEVICE_LOST. */
AUXO_API auxo_status auxo_queue_create(auxo_device *device, auxo_queue **queue, auxo_error *error);
AUXO_API void auxo_queue_destroy(auxo_queue *queue); /* waits for its work */
AUXO_API auxo_status auxo_queue_wait(auxo_queue *queue, auxo_error *error);
AUXO_API auxo_device *auxo_queue_device(const auxo_queue *queue);

/* Copies host -> device. `data` may be reused as soon as the call returns. */
AUXO_API auxo_status auxo_buffer_write(auxo_queue *queue, auxo_buffer *buffer, uint64_t offset_bytes, const void *data,
                                       uint64_t size_bytes, auxo_error *error);
/* Copies device -> host after all earlier work of the queue; returns when the data is there. */
AUXO_API auxo_status auxo_buffer_read(auxo_queue *queue, const auxo_buffer *buffer, uint64_t offset_bytes, void *data,
                                      uint64_t size_bytes, auxo_error *error);
/* Copies on the device; ranges of one buffer must not overlap. */
AUXO_API auxo_status auxo_buffer_copy(auxo_queue *queue, const auxo_buffer *source, uint64_t source_offset_bytes,
                                      auxo_buffer *target, uint64_t target_offset_bytes, uint64_t size_bytes,
                                      auxo_error *error);
/* Sets size_bytes bytes to zero; offset and size are multiples of 4. */
AUXO_API auxo_status auxo_buffer_zero(auxo_queue *queue, auxo_buffer *buffer, uint64_t offset_bytes,
                                      uint64_t size_bytes, auxo_error *error);

/* A point in a queue's work. */
AUXO_API auxo_status auxo_event_create(auxo_device *device, auxo_event **event, auxo_error *error);
AUXO_API void auxo_event_destroy(auxo_event *event);
AUXO_API auxo_status auxo_event_record(auxo_queue *queue, auxo_event *event, auxo_error *error);
AUXO_API auxo_status auxo_event_wait(auxo_event *event, auxo_error *error);
/* Device time between two reached events, in nanoseconds. Errors: UNSUPPORTED without TIMESTAMPS. */
AUXO_API auxo_status auxo_event_elapsed_ns(const auxo_event *start, const auxo_event *stop, uint64_t *elapsed_ns,
                                           auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
