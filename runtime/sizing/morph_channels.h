/* runtime/sizing/morph_channels.h: which channels flow into and out of every convolution and matrix product.
 *
 * Channels belong to groups of tied channels (auxo_model_desc_unit_groups); flatten repeats and concat joins them.
 */
#ifndef AUXO_MORPH_CHANNELS_H
#define AUXO_MORPH_CHANNELS_H

#include "auxo/sizing.h"

/* A run of channels of one group: all its units, each counting `repeat` times (pixels of a flattened image). */
typedef struct channel_run {
    uint32_t group; /* root layer */
    uint32_t repeat;
} channel_run;

/* One convolution or matrix product. */
typedef struct morph_product {
    uint32_t layer;
    bool depthwise;
    double constant; /* C */
    uint32_t input_run_count;
    channel_run *input_runs;
    uint32_t output_group;
} morph_product;

typedef struct morph_graph {
    uint32_t layer_count, product_count;
    uint32_t *groups; /* root layer of each layer's group */
    bool *resizable;  /* per layer */
    uint32_t *units;  /* per root layer: channels of the group */
    morph_product *products;
} morph_graph;

/* C of one layer: FLOPs or weights for each pair of an input and an output channel. */
double auxo__morph_constant(const auxo_model_desc *desc, uint32_t layer, auxo_resource resource);
auxo_status auxo__morph_graph_init(const auxo_model_desc *desc, auxo_resource resource, morph_graph *graph,
                                   auxo_error *error);
void auxo__morph_graph_deinit(morph_graph *graph);
/* LATENCY: C of every product from its measured time (layer_count entries) over all pairs of its channels. */
void auxo__morph_graph_use_times(morph_graph *graph, const double *layer_ns);
/* Fails (INVALID_ARGUMENT) if even one unit in every layer is over the budget. */
auxo_status auxo__budget_check(const auxo_model_desc *desc, const auxo_budget *budget, auxo_error *error);
/* `desc` with the widths (per layer; ignored where 0) as they are, rounded. */
auxo_status auxo__morph_at_widths(const auxo_model_desc *desc, const double *widths, auxo_resource resource,
                                  auxo_model_desc *rounded, auxo_error *error);
const auxo_model *auxo__morph_model(const auxo_morph *morph);
/* auxo_morph_create with the budget's resource; for LATENCY the model is measured first. */
auxo_status auxo__morph_create_for(auxo_model *model, const auxo_budget *budget, const auxo_morph_options *options,
                                   auxo_morph **morph, auxo_error *error);

#endif
