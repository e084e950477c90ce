/* draw.h: rows drawn one by one for a split or a fold (internal to this folder). */
#ifndef AUXO_DATASETS_DRAW_H
#define AUXO_DATASETS_DRAW_H

#include "dataset.h"
#include "row_set.h"

/* Sets of more rows than this are drawn row by row. */
enum { AUXO__DRAW_ROWS = 1 << 20 };

typedef struct auxo__draw {
    uint64_t seed;
    uint32_t stratum_count;
    uint32_t folds, fold; /* parts, and the one that is wanted */
    bool even;            /* all parts alike */
    double fraction;      /* else of two parts: the share of the first */
} auxo__draw;

/* *chosen: the rows of the wanted part; every row is in exactly one, and each stratum is divided by its exact counts.
 */
auxo_status auxo__draw_rows(const auxo_dataset *dataset, const auxo__draw *draw, auxo__row_set *chosen,
                            auxo_error *error);

#endif
