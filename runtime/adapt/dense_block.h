/* dense_block.h: residual blocks between vectors, x + W2 f(W1 x): where they may go in, how, and where there are any.
 * Blocks between images are those of auxo/sizing.h.
 */
#ifndef AUXO_ADAPT_DENSE_BLOCK_H
#define AUXO_ADAPT_DENSE_BLOCK_H

#include "auxo/sizing.h"

/* Hidden dense layers (of their whole output: activation included) after which a block may go in; layer_count room. */
uint32_t auxo__dense_block_places(const auxo_model_desc *desc, uint32_t *places);
/* Layers "<name>_dense1", "<name>_dense2", "<name>_add" of as many units as the place has, with its activation. */
auxo_status auxo__dense_block_insert(const auxo_model_desc *desc, uint32_t place, const char *name,
                                     auxo_model_desc *result, auxo_error *error);
/* Blocks of that form: input, conv1 and conv2 (the dense layers), add. Room for layer_count. */
uint32_t auxo__dense_blocks_find(const auxo_model_desc *desc, auxo_block *blocks);
/* Draws a dense weight as its layer's initialiser says. */
auxo_status auxo__dense_block_draw(auxo_model *model, const auxo_param *param, uint64_t seed, auxo_error *error);

#endif
