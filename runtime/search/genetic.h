/* runtime/search/genetic.h: genomes of genetic tuning: batch size, learning rate, and a list of layers. */
#ifndef AUXO_SEARCH_GENETIC_H
#define AUXO_SEARCH_GENETIC_H

#include "search_internal.h"

enum { AUXO__LAYERS_MAX = 16 };

typedef struct auxo__layer_gene {
    uint32_t units;
    auxo_activation activation;
} auxo__layer_gene;

typedef struct auxo__net_genome {
    uint32_t batch;
    double lr; /* 0: not a gene */
    uint32_t layer_count;
    auxo__layer_gene layers[AUXO__LAYERS_MAX];
} auxo__net_genome;

void auxo__net_draw(const auxo_search_options *options, auxo__random *random, auxo__net_genome *genome);
/* Draws one thing anew: batch size, learning rate, a layer's units or activation, one layer more or less. */
void auxo__net_mutate(const auxo_search_options *options, auxo__random *random, auxo__net_genome *genome);
/* Perhaps one random layer more (Algorithm B), of the genome like the others. */
void auxo__net_add_layer(const auxo_search_options *options, auxo__random *random, auxo__net_genome *genome);
/* Batch size and learning rate from either parent; the first layers of one, the last of the other. */
void auxo__net_cross(const auxo_search_options *options, auxo__random *random, const auxo__net_genome *a,
                     const auxo__net_genome *b, auxo__net_genome *child);
/* "batch=100 lr=0.001 layers=64:relu,10:tanh" */
void auxo__net_format(const auxo__net_genome *genome, char *text, size_t size);
/* Reads such a text. Errors: FORMAT. */
auxo_status auxo__net_parse(const char *text, auxo__net_genome *genome, auxo_error *error);
/* The fully connected network between the input and the output of `frame`. */
auxo_status auxo__net_desc(const auxo_model_desc *frame, const auxo__net_genome *genome, auxo_model_desc *desc,
                           auxo_error *error);

/* As values of the search's points, and back. */
void auxo__net_to_values(const auxo_search *search, const auxo__net_genome *genome, double *values);
void auxo__net_from_values(const auxo_search *search, const double *values, auxo__net_genome *genome);

#endif
