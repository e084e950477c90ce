/* stream_reader.h: the thread that reads rows ahead (internal to stream.c). */
#ifndef AUXO_STREAM_READER_H
#define AUXO_STREAM_READER_H

#include "stream.h"

/* Bytes of a row in each array of the ring; 0: not wanted. */
typedef struct auxo__stream_widths {
    size_t features, targets, weights;
} auxo__stream_widths;
auxo__stream_widths auxo__stream_row_widths(const auxo__stream_options *options);
/* How many rows an epoch has. */
uint64_t auxo__stream_row_count(const auxo__stream_options *options);

/* The rows of half a ring. */
typedef struct auxo__stream_part {
    auxo_row_block block;
    float *weights;
    uint64_t row_count;
} auxo__stream_part;

typedef struct auxo__stream_reader auxo__stream_reader;

auxo_status auxo__stream_reader_create(const auxo__stream_options *options, uint64_t part_rows, uint64_t part_count,
                                       auxo__stream_reader **reader, auxo_error *error);
/* Ends the thread. */
void auxo__stream_reader_destroy(auxo__stream_reader *reader);
/* Part `index` of an epoch: borrowed until it is given back. Not read yet: waits for it, or *part is NULL. Parts are
 * read ahead in their order, and anew from another place when one is taken out of it. */
auxo_status auxo__stream_reader_take(auxo__stream_reader *reader, uint32_t epoch, uint64_t index, bool wait,
                                     const auxo__stream_part **part, auxo_error *error);
void auxo__stream_reader_give_back(auxo__stream_reader *reader, uint64_t index);

#endif
