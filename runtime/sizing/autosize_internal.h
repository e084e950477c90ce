/* autosize_internal.h: auto-sizing's state, shared by autosize.c (growth, pruning) and autosize_penalty.c.
 */
#ifndef AUXO_SIZING_AUTOSIZE_INTERNAL_H
#define AUXO_SIZING_AUTOSIZE_INTERNAL_H

#include "auxo/sizing.h"

struct auxo_autosize {
    auxo_model *model;
    auxo_autosize_options options;
    uint32_t layer_count;
    uint32_t *layers; /* model layer of each hidden layer */
    auxo_edit_log log;
    bool penalize;
    auxo_buffer **weights; /* w of each hidden layer's units; NULL: the penalty's own */
    uint32_t epoch;        /* that they are of */
};

/* A layer's parameters as (units, incoming); the bias is absent where it has none. */
typedef struct auxo__layer_views {
    auxo_tensor weight, bias, weight_gradient, bias_gradient; /* bias absent where the layer has none */
    uint32_t units;
} auxo__layer_views;
auxo__layer_views auxo__layer_view(const auxo_model *model, uint32_t layer);

/* Whether units have weights of their own on the device. */
bool auxo__autosize_has_weights(const auxo_autosize *autosize);
/* After growth, before an epoch: its weights. */
auxo_status auxo__autosize_begin_epoch(auxo_autosize *autosize, auxo_trainer *trainer, auxo_error *error);
void auxo__autosize_penalty_deinit(auxo_autosize *autosize);

#endif
