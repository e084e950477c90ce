/* name_index.h: finds layers by name in constant time, while a description grows (internal to this folder). */
#ifndef AUXO_MODEL_NAME_INDEX_H
#define AUXO_MODEL_NAME_INDEX_H

#include "auxo/model.h"

/* All zero: empty. Slots hold layer index + 1; names lie in the description. */
typedef struct auxo__name_index {
    uint32_t *slots;
    size_t slot_count, used;
} auxo__name_index;

/* The layer of that name, or UINT32_MAX. */
uint32_t auxo__name_index_find(const auxo__name_index *index, const auxo_model_desc *desc, const char *name);
/* Adds layer `layer` of `desc`, whose name is not in the index. False: no memory. */
bool auxo__name_index_add(auxo__name_index *index, const auxo_model_desc *desc, uint32_t layer);
void auxo__name_index_deinit(auxo__name_index *index);

#endif
