/* stream.h: rows that come to the device batch by batch instead of lying there.
 *
 * Device memory holds a ring of two halves of some batches each. A thread reads rows of the half after the next into
 * host memory (reading a mapped file is what it waits for); the calling thread uploads a half while the device works on
 * the other. Batch b of an epoch lies in the ring at b modulo its length, which is where a gather without an order
 * finds it, so that plans are those of rows that all lie on the device.
 */
#ifndef AUXO_STREAM_H
#define AUXO_STREAM_H

#include "row_order.h"

typedef struct auxo__stream auxo__stream;

typedef struct auxo__stream_options {
    const auxo_dataset *dataset; /* borrowed */
    auxo_queue *queue;           /* that the plans run in */
    auxo__order_kind order;
    uint64_t seed;
    int64_t batch;               /* of this part of the rows */
    auxo__row_slice slice;       /* batch 0: all rows */
    bool targets;                /* labels or real targets are wanted */
    const double *class_weights; /* (class_count): a weight for each row is wanted; copied; NULL: not */
    bool repeats;                /* an epoch follows an epoch */
} auxo__stream_options;

/* Buffers of the ring; targets and weights NULL where they are not wanted. Borrowed. */
typedef struct auxo__stream_ring {
    auxo_buffer *features, *targets, *weights;
    int64_t rows;
} auxo__stream_ring;

auxo_status auxo__stream_create(const auxo__stream_options *options, auxo__stream **stream, auxo_error *error);
void auxo__stream_destroy(auxo__stream *stream); /* NULL is allowed */
auxo__stream_ring auxo__stream_get_ring(const auxo__stream *stream);
/* Batches from `batch` on that are on the device together with it. */
uint64_t auxo__stream_run_length(const auxo__stream *stream, uint64_t batch);
/* Waits until batch `batch` of epoch `epoch` is on the device. */
auxo_status auxo__stream_need(auxo__stream *stream, uint32_t epoch, uint64_t batch, auxo_error *error);
/* To be called when steps from `batch` on are enqueued, at most as many as lie together: uploads the next half if it
 * has been read. */
auxo_status auxo__stream_enqueued(auxo__stream *stream, uint64_t batch, auxo_error *error);

#endif
