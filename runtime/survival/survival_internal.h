/* runtime/survival/survival_internal.h: orders of subjects, shared by the files of this folder. */
#ifndef AUXO_SURVIVAL_INTERNAL_H
#define AUXO_SURVIVAL_INTERNAL_H

#include "auxo/survival.h"

typedef struct keyed_index {
    double key;
    uint32_t index;
} keyed_index;

/* Indices by ascending key, equal keys by index; malloc'ed into *order. */
auxo_status auxo__order_by_key(const double *keys, size_t count, keyed_index **order, auxo_error *error);
/* Checks times and events alone. */
auxo_status auxo__survival_check_times(const auxo_survival_sample *sample, auxo_error *error);

/* weights[i]: how often subject i is in bootstrap sample number `resample`. */
void auxo__bootstrap_draw(size_t count, uint64_t seed, uint32_t resample, uint32_t *weights);
/* Percentile interval of count > 0 values, which are sorted. */
void auxo__percentiles(double *values, uint32_t count, double confidence, double *low, double *high);

#endif
