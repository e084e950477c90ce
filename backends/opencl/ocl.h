/* backends/opencl/ocl.h: what the files of this backend share: device, queue, programs, tasks.
 *
 * A *program* is one file of shaders/opencl under one set of -D options, compiled once per device (program.c). A *task*
 * is the prepared form of one op: a short list of kernel launches with all arguments already bound, and the scratch
 * memory they use (task.c). Preparing an op builds its task with an `ocl_builder`; enqueueing it only submits.
 * Invariant: everything made from an ocl_device is released before it.
 */
#ifndef OCL_H
#define OCL_H

#include "auxo/backend.h"

#include <CL/cl.h>

enum { OCL_OPTIONS_MAX = 320 }; /* characters of a program's own options */

typedef struct ocl_program {
    struct ocl_program *next;
    char key[OCL_OPTIONS_MAX + 64]; /* noun and options: unique within the device */
    uint64_t disk_hash;             /* names the cache file */
    cl_program handle;
    bool on_disk;   /* the cache already holds it */
    double build_s; /* processor time that building it took; 0 if it came from the cache */
} ocl_program;

typedef struct ocl_device {
    auxo_backend_host host;
    cl_device_id id;
    cl_context context;
    auxo_device_info info;
    char identity[512];    /* platform, device and driver versions: part of every cache key */
    bool vector_cpu;       /* a CPU driver that wants explicit vectors and few, large work-items (PoCL) */
    int vector_width;      /* floats that one work-item handles side by side: 16 or 8 on such a CPU, else 1 */
    size_t group_size;     /* work-items that share one reduction, where the driver runs so many */
    uint32_t matrix_lanes; /* work-items that share the matrix units of 16-bit products: 8 or 16; 0: there are none */
    bool matrix_emulated;  /* they are plain code (tests) */
    double loop_limit;     /* iterations after which the driver silently ends a work-item's loops */
    ocl_program *programs; /* compiled so far */
} ocl_device;

typedef struct ocl_staging {
    struct ocl_staging *next;
    cl_event event; /* of the write that reads data */
    char data[];
} ocl_staging;

typedef struct ocl_queue {
    ocl_device *device;
    cl_command_queue handle;
    ocl_staging *staging; /* copies of host data that pending writes still read, newest first */
} ocl_queue;

/* ---- status.c */
const char *ocl_error_name(cl_int code);
/* Writes "<what>: CL_..." into error and returns the auxo_status of a CL code (CL_SUCCESS gives OK). */
auxo_status ocl_fail(cl_int code, const char *what, auxo_error *error);
void ocl_log(const auxo_backend_host *host, auxo_log_level level, const char *format, ...) AUXO_PRINTF(3, 4);

/* ---- program.c */
/* The program `noun` under `options`, from memory, from the disk cache or compiled. Owned by the device. */
auxo_status ocl_program_get(ocl_device *device, const char *noun, const char *options, cl_program *program,
                            auxo_error *error);
/* Tells every program compiled so far, kernel by kernel. */
auxo_status ocl_programs_visit(void *device, auxo_program_function *visit, void *user, auxo_error *error);
/* Saves what is not on disk yet, and releases all programs. */
void ocl_programs_close(ocl_device *device);

/* ---- cache.c: files of host->cache_dir; reading returns false where there is none or where it is damaged */
bool ocl_cache_read(const ocl_device *device, uint64_t hash, const char *key, unsigned char **binary, size_t *size);
void ocl_cache_write(const ocl_device *device, uint64_t hash, const char *key, const unsigned char *binary,
                     size_t size);
void ocl_cache_discard(const ocl_device *device, uint64_t hash);

/* ---- device.c, memory.c, queue.c: slots of the SPI table in backend.c */
auxo_status ocl_enumerate(const auxo_backend_host *host, auxo_device_info *infos, size_t capacity, size_t *count,
                          auxo_error *error);
auxo_status ocl_open(const auxo_backend_host *host, uint32_t index, void **device, auxo_error *error);
void ocl_close(void *device);
auxo_status ocl_buffer_create(void *device, uint64_t size_bytes, void **buffer, auxo_error *error);
void ocl_buffer_destroy(void *device, void *buffer);
auxo_status ocl_buffer_write(void *queue, void *buffer, uint64_t offset_bytes, const void *data, uint64_t size_bytes,
                             auxo_error *error);
auxo_status ocl_buffer_read(void *queue, void *buffer, uint64_t offset_bytes, void *data, uint64_t size_bytes,
                            auxo_error *error);
auxo_status ocl_buffer_copy(void *queue, void *source, uint64_t source_offset_bytes, void *target,
                            uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error);
auxo_status ocl_buffer_zero(void *queue, void *buffer, uint64_t offset_bytes, uint64_t size_bytes, auxo_error *error);
auxo_status ocl_queue_create(void *device, void **queue, auxo_error *error);
void ocl_queue_destroy(void *queue);
auxo_status ocl_queue_wait(void *queue, auxo_error *error);
auxo_status ocl_queue_flush(void *queue, auxo_error *error);
auxo_status ocl_event_create(void *device, void **event, auxo_error *error);
void ocl_event_destroy(void *event);
auxo_status ocl_event_record(void *queue, void *event, auxo_error *error);
auxo_status ocl_event_wait(void *event, auxo_error *error);
auxo_status ocl_event_elapsed_ns(void *start, void *stop, uint64_t *elapsed_ns, auxo_error *error);

#endif
