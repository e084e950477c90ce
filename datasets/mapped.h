/* mapped.h: rows that stay in a mapped file: where each array of them lies, and which rows belong to a data set
 * (internal to this folder).
 *
 * Views (a split, a fold, a limit) share the file and have a bit for each row. Values become what a data set holds
 * while they are read: f32 or bytes, channels first.
 */
#ifndef AUXO_DATASETS_MAPPED_H
#define AUXO_DATASETS_MAPPED_H

#include "dataset.h"
#include "mapping.h"
#include "row_set.h"

size_t auxo__element_bytes(auxo_element element);
bool auxo__element_is_integer(auxo_element element); /* bool too */
/* Not for 64-bit integers beyond 2^53. */
double auxo__element_real(const uint8_t *at, auxo_element element);
/* Of integer elements; false beyond int64. */
bool auxo__element_integer(const uint8_t *at, auxo_element element, int64_t *value);

/* Values by row. A row lies in shard row >> shard_shift. */
typedef struct auxo__file_array {
    const uint8_t *base; /* of row 0; NULL: there is no such array */
    auxo_element element;
    bool dense;                      /* a row's values lie as a data set holds them */
    unsigned shard_shift;            /* 63: one shard */
    uint64_t shard_bytes, row_bytes; /* from one shard, one row, to the next */
    int64_t dims[3], strides[3];     /* (C, H, W) of a row, and bytes from one to the next */
} auxo__file_array;

struct auxo_mapped_rows {
    auxo__mapping *features_file, *labels_file; /* shared; labels_file NULL: the same */
    auxo__file_array features, labels, targets, row_numbers;
    int64_t *class_values; /* (class_count) ascending: what labels are the numbers of; NULL: they are these */
    uint32_t class_count;
    auxo__row_set *subset;  /* owned; NULL: all rows */
    float *fill;            /* (channels) for gaps; owned; NULL: none */
    double *offsets;        /* (channels) subtracted before values become f32; owned; NULL: none */
    double *target_offsets; /* (target_count) the same */
    size_t total_rows;      /* of the file */
    uint64_t content_hash;  /* of all rows; 0: not known */
    size_t block_rows;      /* rows that lie together, a power of two */
};

void auxo__mapped_destroy(auxo_mapped_rows *mapped); /* NULL is allowed */
/* The rows of `chosen` (bits over the rows of `dataset`, which is mapped) as a new data set; *chosen is taken over. */
auxo_status auxo__mapped_view(const auxo_dataset *dataset, auxo__row_set *chosen, auxo_dataset **view,
                              auxo_error *error);
/* Numbers the gaps by `values` from now on; returns how many there are, over all rows. */
auxo_status auxo__mapped_fill(auxo_dataset *dataset, const float *values, size_t *filled, auxo_error *error);
size_t auxo__mapped_row_number(const auxo_mapped_rows *mapped, size_t row);
/* Checks a set of names, schema, shape and mapped rows, and reads it into memory: *dataset is replaced. */
auxo_status auxo__mapped_load(auxo_dataset **dataset, auxo_error *error);

/* Rows of any data set in order, in blocks; those in memory are one block. */
typedef struct auxo__row_blocks {
    const auxo_dataset *dataset;
    bool wants_features;
    size_t first, count; /* of the block at hand */
    const void *features;
    const uint32_t *labels;
    const float *targets;
    void *own_features; /* scratch */
    uint32_t *own_labels;
    float *own_targets;
    size_t capacity;
} auxo__row_blocks;
auxo_status auxo__row_blocks_init(auxo__row_blocks *blocks, const auxo_dataset *dataset, bool features,
                                  auxo_error *error);
void auxo__row_blocks_deinit(auxo__row_blocks *blocks);
/* *found: false after the last. */
auxo_status auxo__row_blocks_next(auxo__row_blocks *blocks, bool *found, auxo_error *error);

#endif
