/* device_internal.h: what the layers above may see of runtime, device, queue and event.
 *
 * Owns the struct layouts, the log helper and the sticky device-lost rule. Layers above reach the backend's handles
 * through here; nothing below plan/ calls a kernel.
 *
 * Invariants: a device's backend and handle never change; once `lost` is set it stays set and every call on the
 * device returns AUXO_DEVICE_LOST without reaching the backend.
 */
#ifndef AUXO_DEVICE_INTERNAL_H
#define AUXO_DEVICE_INTERNAL_H

#include "auxo/backend.h"

struct auxo_runtime {
    const auxo_backend **backends; /* backend_count entries that passed validation; own array, borrowed entries */
    size_t backend_count;
    auxo_missing_backend *missing; /* own */
    size_t missing_count;
    auxo_backend_host host; /* host.cache_dir points at cache_dir */
    char *cache_dir;        /* existing folder, or NULL */
    char *tuning_dir;       /* or NULL */
};

/* What a layer above keeps with a device (self-test results, the fallback device); destroyed with it. */
typedef struct auxo__attachment {
    void *data;
    void (*destroy)(void *data);
} auxo__attachment;

struct auxo_device {
    auxo_runtime *runtime;
    const auxo_backend *backend;
    void *handle; /* the backend's own */
    auxo_device_info info;
    long process;         /* that opened it */
    auxo_dtype precision; /* of models that are made on it */
    bool lost;
    char lost_reason[256];   /* the message of the failure that lost it */
    auxo_queue *queues;      /* all live ones, a list through auxo_queue.next */
    uint64_t queue_serial;   /* of the last queue made */
    auxo__attachment tuning; /* runtime/device/tuning.c */
    auxo__attachment plan;   /* runtime/plan/self_test.c */
};

struct auxo_queue {
    auxo_device *device;
    void *handle;
    auxo_queue *next;
    uint64_t serial; /* tells a queue from an earlier one at the same address */
    bool busy;       /* work was enqueued since the last successful wait */
};

struct auxo_event {
    auxo_device *device;
    void *handle; /* NULL for backends without events: recording then waits */
};

/* Hands a formatted line to the application's log callback, if there is one. */
void auxo__log(const auxo_runtime *runtime, auxo_log_level level, const char *format, ...) AUXO_PRINTF(3, 4);

/* Whether this process opened the device: after a fork, drivers' threads and handles are the parent's. */
bool auxo__device_is_here(const auxo_device *device);

/* OK, or DEVICE_LOST with the reason once the device is lost, or INVALID_ARGUMENT after a fork. Every call on a device
 * starts with it. */
auxo_status auxo__device_usable(const auxo_device *device, auxo_error *error);

/* Passes `status` through; a DEVICE_LOST among them makes the device lost for good. */
auxo_status auxo__device_note(auxo_device *device, auxo_status status, const auxo_error *error);

/* The kernels of one op kind on the device; count 0 when it is not native. */
auxo_kernel_list auxo__device_kernels(const auxo_device *device, auxo_op_kind kind);

/* Whether a variant can execute the op on the device: its 16-bit formats, then its own `supports`. */
bool auxo__kernel_takes(const auxo_device *device, const auxo_kernel *kernel, const auxo_op *op);

/* The 16-bit format of the op's tensors; F32 where it has none. */
auxo_dtype auxo__op_half_format(const auxo_op *op);

/* Opens the oracle backend (AUXO_BACKEND_ORACLE) of the device's runtime, for host fallback. NOT_FOUND without one. */
auxo_status auxo__device_open_oracle(auxo_runtime *runtime, auxo_device **device, auxo_error *error);

/* Waits for every busy queue of the device; before memory that enqueued work may use goes away. Failures are noted and
 * logged. */
void auxo__device_drain(auxo_device *device);

/* Calls the backend's queue_flush if it has one. */
auxo_status auxo__queue_flush(auxo_queue *queue, auxo_error *error);

/* Whether a backend fits this library: version, size, required slots. `index` names one without a name. */
auxo_status auxo__backend_check(const auxo_backend *backend, size_t index, auxo_error *error);

/* The devices of one backend with their selectors filled in. Ownership: free(*infos). */
auxo_status auxo__backend_devices(const auxo_runtime *runtime, const auxo_backend *backend, auxo_device_info **infos,
                                  size_t *count, auxo_error *error);

/* Finds the one device that `selector` names. Errors as auxo_device_open. */
auxo_status auxo__selector_resolve(const auxo_runtime *runtime, const char *selector, const auxo_backend **backend,
                                   auxo_device_info *info, auxo_error *error);

#endif
