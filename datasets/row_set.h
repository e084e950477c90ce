/* row_set.h: some of the rows of a data set in their order, one bit for each (internal to this folder). */
#ifndef AUXO_DATASETS_ROW_SET_H
#define AUXO_DATASETS_ROW_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct auxo__row_set {
    size_t row_count;  /* that there are */
    size_t count;      /* that are in it; set by finish */
    uint64_t *bits;    /* (row_count) */
    uint32_t *samples; /* every AUXO__ROW_SET_STEP-th row that is in it; set by finish */
} auxo__row_set;

enum { AUXO__ROW_SET_STEP = 256 };

/* An empty set. False: no memory. */
bool auxo__row_set_init(auxo__row_set *set, size_t row_count);
void auxo__row_set_deinit(auxo__row_set *set);
void auxo__row_set_add(auxo__row_set *set, size_t row);
/* To be called after the last row was added. False: no memory. */
bool auxo__row_set_finish(auxo__row_set *set);
/* Row number `index` (from 0, below count) of the set. */
size_t auxo__row_set_at(const auxo__row_set *set, size_t index);
bool auxo__row_set_has(const auxo__row_set *set, size_t row);

#endif
