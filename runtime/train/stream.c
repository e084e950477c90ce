/* stream.c: see stream.h. What the reading thread does: stream_reader.c.
 */
#include "stream.h"
#include "stream_reader.h"
#include "train_internal.h"

#include <stdlib.h>
#include <string.h>

enum { HALF_BYTES = 4 << 20 };

struct auxo__stream {
    auxo__stream_reader *reader;
    auxo_queue *queue, *upload; /* upload: its own, so that copies and kernels may overlap */
    auxo__stream_ring ring;
    auxo_event *done[2]; /* the last steps on each half */
    bool enqueued[2];    /* done[i] was recorded */
    bool uploading;
    uint64_t on_device[2]; /* part (below) that each half holds; UINT64_MAX: none */
    uint32_t epoch;
    int64_t batch, half_batches;
    uint64_t row_count, parts; /* of an epoch */
    auxo__stream_widths widths;
};

static auxo_status create_ring(auxo__stream *stream, auxo_error *error)
{
    auxo_device *device = auxo_queue_device(stream->queue);
    const struct {
        auxo_buffer **buffer;
        size_t row_bytes;
    } wanted[] = {{&stream->ring.features, stream->widths.features},
                  {&stream->ring.targets, stream->widths.targets},
                  {&stream->ring.weights, stream->widths.weights}};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < 3 && status == AUXO_OK; i++)
        if (wanted[i].row_bytes > 0)
            status = auxo_buffer_create(device, ((uint64_t)stream->ring.rows * wanted[i].row_bytes + 3) / 4 * 4,
                                        wanted[i].buffer, error);
    for (size_t i = 0; i < 2 && status == AUXO_OK; i++)
        status = auxo_event_create(device, &stream->done[i], error);
    return status == AUXO_OK ? auxo_queue_create(device, &stream->upload, error) : status;
}

auxo_status auxo__stream_create(const auxo__stream_options *options, auxo__stream **stream, auxo_error *error)
{
    auxo__stream *made = *stream = calloc(1, sizeof *made);
    if (!made)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "streaming: out of memory");
    made->queue = options->queue;
    made->batch = options->batch;
    made->row_count = auxo__stream_row_count(options);
    made->widths = auxo__stream_row_widths(options);
    const uint64_t batch_bytes =
        (made->widths.features + made->widths.targets + made->widths.weights) * (uint64_t)options->batch;
    const uint64_t batches = (made->row_count + (uint64_t)made->batch - 1) / (uint64_t)made->batch;
    made->half_batches = batch_bytes < HALF_BYTES ? (int64_t)(HALF_BYTES / batch_bytes) : 1;
    if (made->half_batches > AUXO__HISTORY_LENGTH)
        made->half_batches = AUXO__HISTORY_LENGTH;
    if ((uint64_t)made->half_batches > batches)
        made->half_batches = (int64_t)batches;
    made->parts = (batches + (uint64_t)made->half_batches - 1) / (uint64_t)made->half_batches;
    made->ring.rows = 2 * made->half_batches * made->batch;
    made->on_device[0] = made->on_device[1] = UINT64_MAX;
    made->epoch = UINT32_MAX;
    auxo_status status = create_ring(made, error);
    if (status == AUXO_OK)
        status = auxo__stream_reader_create(options, (uint64_t)(made->half_batches * made->batch), made->parts,
                                            &made->reader, error);
    if (status != AUXO_OK) {
        auxo__stream_destroy(made);
        *stream = NULL;
    }
    return status;
}

void auxo__stream_destroy(auxo__stream *stream)
{
    if (!stream)
        return;
    auxo__stream_reader_destroy(stream->reader);
    auxo_queue_destroy(stream->upload);
    auxo_event_destroy(stream->done[0]);
    auxo_event_destroy(stream->done[1]);
    auxo_buffer_destroy(stream->ring.features);
    auxo_buffer_destroy(stream->ring.targets);
    auxo_buffer_destroy(stream->ring.weights);
    free(stream);
}

auxo__stream_ring auxo__stream_get_ring(const auxo__stream *stream)
{
    return stream->ring;
}

uint64_t auxo__stream_run_length(const auxo__stream *stream, uint64_t batch)
{
    return (uint64_t)stream->half_batches - batch % (uint64_t)stream->half_batches;
}

static auxo_status write_part(auxo__stream *stream, const auxo__stream_part *part, uint64_t half, auxo_error *error)
{
    const uint64_t first = half * (uint64_t)(stream->half_batches * stream->batch);
    const struct {
        auxo_buffer *buffer;
        const void *values;
        uint64_t row_bytes;
    } writes[] = {{stream->ring.features, part->block.features, stream->widths.features},
                  {stream->ring.targets, part->block.labels ? (const void *)part->block.labels : part->block.targets,
                   stream->widths.targets},
                  {stream->ring.weights, part->weights, stream->widths.weights}};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < 3 && status == AUXO_OK; i++)
        if (writes[i].buffer)
            status = auxo_buffer_write(stream->upload, writes[i].buffer, first * writes[i].row_bytes, writes[i].values,
                                       part->row_count * writes[i].row_bytes, error);
    return status;
}

/* Part `index` of the epoch to its half of the ring; where it has not been read yet, waits or does nothing. */
static auxo_status upload_part(auxo__stream *stream, uint64_t index, bool wait, auxo_error *error)
{
    const uint64_t half = index & 1;
    const auxo__stream_part *part = NULL;
    auxo_status status = auxo__stream_reader_take(stream->reader, stream->epoch, index, wait, &part, error);
    if (status != AUXO_OK || !part)
        return status;
    if (stream->enqueued[half])
        status = auxo_event_wait(stream->done[half], error);
    stream->enqueued[half] = false;
    if (status == AUXO_OK)
        status = write_part(stream, part, half, error);
    stream->uploading = true;
    auxo__stream_reader_give_back(stream->reader, index);
    stream->on_device[half] = status == AUXO_OK ? index : UINT64_MAX;
    return status;
}

auxo_status auxo__stream_need(auxo__stream *stream, uint32_t epoch, uint64_t batch, auxo_error *error)
{
    const uint64_t index = batch / (uint64_t)stream->half_batches;
    auxo_status status = AUXO_OK;
    if (stream->epoch != epoch) {
        stream->epoch = epoch;
        stream->on_device[0] = stream->on_device[1] = UINT64_MAX;
    }
    if (stream->on_device[index & 1] != index)
        status = upload_part(stream, index, true, error);
    if (status == AUXO_OK && stream->uploading)
        status = auxo_queue_wait(stream->upload, error);
    stream->uploading = stream->uploading && status != AUXO_OK;
    return status;
}

auxo_status auxo__stream_enqueued(auxo__stream *stream, uint64_t batch, auxo_error *error)
{
    const uint64_t index = batch / (uint64_t)stream->half_batches, next = index + 1;
    auxo_status status = auxo_event_record(stream->queue, stream->done[index & 1], error);
    stream->enqueued[index & 1] = status == AUXO_OK;
    if (status == AUXO_OK && next < stream->parts && stream->on_device[next & 1] != next)
        status = upload_part(stream, next, false, error);
    return status;
}
