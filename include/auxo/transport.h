/* auxo/transport.h: what a library provides that carries data between the processes of a job (libauxo_mpi.so).
 *
 * Every call returns at once; what takes longer has a request, which test ends. Calls come from several threads, one at
 * a time. sum and broadcast are made by every rank in the same order. A sum has the same bits on every rank, and the
 * same bits again for the same values and number of ranks.
 */
#ifndef AUXO_TRANSPORT_H
#define AUXO_TRANSPORT_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { AUXO_TRANSPORT_VERSION = 1 };

/* Where this process stands: rank of size in the job, and among those of its machine. */
typedef struct auxo_transport_place {
    uint32_t rank, size, local_rank, local_size;
    char host[64], library[96]; /* library: name and version of what carries the data */
} auxo_transport_place;

typedef struct auxo_transport {
    const char *name;
    size_t struct_size; /* of this struct; a library built for another one is refused */
    uint32_t version;   /* AUXO_TRANSPORT_VERSION */
    auxo_status (*open)(void **handle, auxo_transport_place *place, auxo_error *error);
    void (*close)(void *handle); /* waits for the other ranks to do the same */
    /* Replaces values[count] by their sum over all ranks. count < 2^31. */
    auxo_status (*sum)(void *handle, float *values, uint64_t count, void **request, auxo_error *error);
    /* The bytes of rank 0 to all. size_bytes < 2^31. */
    auxo_status (*broadcast)(void *handle, void *data, uint64_t size_bytes, void **request, auxo_error *error);
    /* data stays until the request has ended. */
    auxo_status (*send)(void *handle, uint32_t to, int tag, const void *data, uint64_t size_bytes, void **request,
                        auxo_error *error);
    /* Frees the request when it is *done. */
    auxo_status (*test)(void *handle, void *request, bool *done, auxo_error *error);
    /* Whether a message with that tag waits, from whom and of what size. */
    auxo_status (*probe)(void *handle, int tag, bool *found, uint32_t *from, uint64_t *size_bytes, auxo_error *error);
    /* One that probe has found. */
    auxo_status (*receive)(void *handle, uint32_t from, int tag, void *data, uint64_t size_bytes, auxo_error *error);
} auxo_transport;

#ifdef __cplusplus
}
#endif
#endif
