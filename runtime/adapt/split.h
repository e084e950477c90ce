/* split.h: which units of a layer to split in two, and doing it (split.c says by whom, and how it is found). */
#ifndef AUXO_ADAPT_SPLIT_H
#define AUXO_ADAPT_SPLIT_H

#include "adapt_internal.h"

typedef struct auxo__splits {
    uint32_t count;
    uint32_t *units;
    double *energies; /* of the gradient by half the difference of the two halves; 0 where it does not lead down */
    double *changes;  /* of the loss by the split itself, to second order; where energies is not 0, negative */
    float *steps;     /* (count, incoming weights of a unit): what one half gains and the other loses */
} auxo__splits;

/* The `count` units of the layer that promise most (all, if it has fewer), by the measured rows. *possible false: what
 * lies behind the layer has no such form, and why. Ownership: auxo__splits_deinit. */
auxo_status auxo__splits_find(auxo_adapt *adapt, uint32_t layer, uint32_t count, bool *possible, char why[64],
                              auxo__splits *splits, auxo_error *error);
/* Makes units first .. first + count - 1 of the layer, which it has got since, the second halves. */
auxo_status auxo__splits_apply(auxo_model *model, uint32_t layer, uint32_t first, const auxo__splits *splits,
                               auxo_error *error);
void auxo__splits_deinit(auxo__splits *splits);

#endif
