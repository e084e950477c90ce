/* auxo/backend.h: the service provider interface that a backend implements.
 *
 * A backend is one `const struct auxo_backend`: linked in and listed in backends/builtin.c, or a plugin, a shared
 * object libauxo_backend_NAME.so that exports auxo_backend_entry and is found by auxo_backends_load. It sees devices,
 * buffers and queues as its own opaque pointers, and ops whose arguments have already been checked
 * (runtime/ops/op_check_*.c). Defaults for NULL slots live in runtime/device/device.c alone. Programs, pipelines and
 * library handles never leave its folder.
 *
 * Threading: the runtime calls one device from one thread at a time.
 */
#ifndef AUXO_BACKEND_H
#define AUXO_BACKEND_H

#include "auxo/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { AUXO_BACKEND_ABI_VERSION = 5 };

/* What the runtime offers a backend. Owned by the runtime; valid while the device is open. */
typedef struct auxo_backend_host {
    auxo_log_function *log; /* may be NULL */
    void *log_user;
    const char *cache_dir; /* existing folder for compiled kernels, or NULL */
    uint32_t thread_count; /* for backends that run on the host's processors; 0: as many as the process may use */
    bool keep_statistics; /* compile so that the slot `programs` can tell registers and memory, at the cost of caches */
} auxo_backend_host;

/* The frontend's buffer, laid out here so that backends can reach their handle from a tensor. */
struct auxo_buffer {
    auxo_device *device;
    void *handle; /* the backend's own */
    uint64_t size_bytes;
};

/* One integer that the tuner may choose. Values are tried in order; `initial` is the default. */
typedef struct auxo_tunable {
    const char *name; /* as in tuning files, "tile_m" */
    int32_t initial;
    int32_t value_count;
    int32_t values[12];
} auxo_tunable;

enum { AUXO_TUNABLES_MAX = 12 };

#define AUXO_HALF_FORMAT(dtype) (1u << AUXO_DTYPE_##dtype)
#define AUXO_HALF_FORMATS_ALL (AUXO_HALF_FORMAT(F16) | AUXO_HALF_FORMAT(BF16))

/* One way of executing one op on one backend. */
typedef struct auxo_kernel {
    const char *variant;          /* unique within the op and backend: "tiled", "direct" */
    const auxo_tunable *tunables; /* tunable_count entries, or NULL */
    size_t tunable_count;
    bool is_last_resort;   /* obvious and slow: for what no other variant takes; the tuner does not try it */
    bool is_nominal;       /* does fewer operations than the formula, whose FLOPs its rates count (Winograd) */
    uint32_t half_formats; /* AUXO_HALF_FORMAT of each 16-bit format that its tensors may have; 0: none */
    /* Whether this variant can execute the (valid) op on this device; not asked about 16-bit formats that are not among
     * half_formats. NULL: always. */
    bool (*supports)(void *device, const auxo_op *op);
    /* Compiles and allocates what enqueue needs; *state may stay NULL. `parameters` has tunable_count values.
     * The op's tensors have their final buffers. NULL: nothing to prepare. */
    auxo_status (*prepare)(void *device, const auxo_op *op, const int32_t *parameters, void **state, auxo_error *error);
    void (*release)(void *device, void *state); /* NULL: nothing to release */
    auxo_status (*enqueue)(void *queue, const auxo_op *op, void *state, auxo_error *error);
} auxo_kernel;

/* The variants of one op, the preferred first. count 0: the op is not native on this backend. */
typedef struct auxo_kernel_list {
    const auxo_kernel *variants;
    size_t count;
} auxo_kernel_list;

/* Bits of auxo_backend.flags. */
enum {
    AUXO_BACKEND_HOST = 1,   /* runs on the host's processor without a driver: what `auto` takes when there is no GPU */
    AUXO_BACKEND_ORACLE = 2, /* slow and obvious: never taken by `auto`; runs host fallbacks and known answers */
};

typedef struct auxo_backend {
    const char *name; /* "cpu": the first part of a selector */
    size_t struct_size;
    uint32_t abi_version;

    /* Writes up to `capacity` infos (selector is filled in by the runtime) and the full count. No driver: OK and 0,
     * with the reason in the log. */
    auxo_status (*enumerate)(const auxo_backend_host *host, auxo_device_info *infos, size_t capacity, size_t *count,
                             auxo_error *error);
    auxo_status (*open)(const auxo_backend_host *host, uint32_t index, void **device, auxo_error *error);
    void (*close)(void *device);

    auxo_status (*buffer_create)(void *device, uint64_t size_bytes, void **buffer, auxo_error *error); /* size > 0 */
    void (*buffer_destroy)(void *device, void *buffer);

    auxo_status (*queue_create)(void *device, void **queue, auxo_error *error);
    void (*queue_destroy)(void *queue);
    auxo_status (*queue_wait)(void *queue, auxo_error *error);
    auxo_status (*queue_flush)(void *queue, auxo_error *error); /* starts enqueued work; NULL: starts by itself */

    auxo_status (*buffer_write)(void *queue, void *buffer, uint64_t offset_bytes, const void *data, uint64_t size_bytes,
                                auxo_error *error);
    auxo_status (*buffer_read)(void *queue, void *buffer, uint64_t offset_bytes, void *data, uint64_t size_bytes,
                               auxo_error *error);
    auxo_status (*buffer_copy)(void *queue, void *source, uint64_t source_offset_bytes, void *target,
                               uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error);
    auxo_status (*buffer_zero)(void *queue, void *buffer, uint64_t offset_bytes, uint64_t size_bytes,
                               auxo_error *error);

    auxo_status (*event_create)(void *device, void **event, auxo_error *error);
    void (*event_destroy)(void *event);
    auxo_status (*event_record)(void *queue, void *event, auxo_error *error);
    auxo_status (*event_wait)(void *event, auxo_error *error);
    auxo_status (*event_elapsed_ns)(void *start, void *stop, uint64_t *elapsed_ns, auxo_error *error);

    /* Recording (optional, all or none): enqueues between begin and end on `queue` are captured instead of run, and
     * *recording replays them. Buffers and prepared states used must outlive it. */
    auxo_status (*record_begin)(void *queue, auxo_error *error);
    auxo_status (*record_end)(void *queue, void **recording, auxo_error *error);
    auxo_status (*record_replay)(void *queue, void *recording, auxo_error *error);
    void (*record_destroy)(void *device, void *recording);

    /* Tells every program compiled so far on the device, with what its driver reports. NULL: nothing is compiled. */
    auxo_status (*programs)(void *device, auxo_program_function *visit, void *user, auxo_error *error);

    const auxo_kernel_list *kernels; /* AUXO_OP_COUNT entries, indexed by auxo_op_kind */
    uint32_t flags;                  /* AUXO_BACKEND_*; 0 for a backend that talks to a driver */
} auxo_backend;

/* What a plugin exports: its table, which lives as long as the process. */
AUXO_API const auxo_backend *auxo_backend_entry(void);

/* The backend's handle of a tensor's buffer. */
static inline void *auxo_tensor_handle(const auxo_tensor *tensor)
{
    return tensor->buffer ? tensor->buffer->handle : 0;
}

#ifdef __cplusplus
}
#endif
#endif
