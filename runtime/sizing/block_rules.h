/* block_rules.h: how ResBuilder decides about blocks: where one goes in, which has become small. Shared by its own loop
 * and by the controller.
 */
#ifndef AUXO_SIZING_BLOCK_RULES_H
#define AUXO_SIZING_BLOCK_RULES_H

#include "auxo/sizing.h"

/* A random stage, then a random place in it: the index into what auxo_block_places gave (count > 0). Philox words of
 * (seed, number of the architecture, attempt). */
uint32_t auxo__block_draw_place(const uint32_t *stages, uint32_t count, uint64_t seed, uint32_t number,
                                uint32_t attempt);
/* Sum, mean or maximum of a convolution's |w|. */
auxo_status auxo__block_statistic(auxo_model *model, auxo_block_statistic kind, uint32_t layer, double *value,
                                  auxo_error *error);
/* The block with the least statistic of a convolution (of equals the first), and that statistic, INFINITY without
 * blocks. *found: whether it is below the threshold. */
auxo_status auxo__block_find_weak(auxo_model *model, auxo_block_statistic kind, double threshold, auxo_block *weak,
                                  bool *found, double *statistic, auxo_error *error);

#endif
