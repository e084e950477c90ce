/* row_order.h: in which order an epoch visits the rows. A function of kind, seed and epoch; wherever the rows lie. */
#ifndef AUXO_ROW_ORDER_H
#define AUXO_ROW_ORDER_H

#include "auxo/train.h"

typedef enum auxo__order_kind {
    AUXO__ORDER_PLAIN,  /* as they come */
    AUXO__ORDER_ROWS,   /* one permutation of all rows */
    AUXO__ORDER_SHARDS, /* of blocks of neighbouring rows; and of the rows in every few blocks */
} auxo__order_kind;

/* The part of every batch that one of several ranks takes. */
typedef struct auxo__row_slice {
    uint64_t batch, batches;         /* rows of a full batch of all ranks, and how many there are; batch 0: no slice */
    uint64_t first, count;           /* of those rows this part's */
    uint64_t rest_first, rest_count; /* of the smaller batch at the end */
    uint64_t rest;                   /* its rows of all ranks */
} auxo__row_slice;

typedef struct auxo__row_order {
    auxo__order_kind kind;
    uint64_t rows, block_rows, seed;
    auxo__row_slice slice; /* set after init; places then are those of the part */
    uint32_t epoch;        /* that what follows is of; UINT32_MAX: none */
    uint32_t *permutation; /* of the rows, or of the blocks */
    uint32_t *window;      /* SHARDS: the rows of window number window_index */
    uint64_t window_index;
} auxo__row_order;

/* What `wanted` means for these rows: the same on every device and under every residence. */
auxo__order_kind auxo__order_choose(const auxo_dataset *dataset, auxo_shuffle_kind wanted);
void auxo__order_init(auxo__row_order *order, auxo__order_kind kind, const auxo_dataset *dataset, uint64_t seed);
void auxo__order_deinit(auxo__row_order *order);
/* How many places there are: of all rows, or of the slice. */
uint64_t auxo__order_count(const auxo__row_order *order);
/* Places first .. first + count of epoch `epoch` (0 for the first), which are rows of the data set. */
auxo_status auxo__order_read(auxo__row_order *order, uint32_t epoch, uint64_t first, uint64_t count, uint32_t *rows,
                             auxo_error *error);

#endif
