/* name_index.c: a hash table of layer names (FNV-1a, linear probing). Implements name_index.h. */
#include "name_index.h"

#include <stdlib.h>
#include <string.h>

static uint32_t *find_slot(const auxo__name_index *index, const auxo_model_desc *desc, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    size_t slot = (size_t)(hash ^ hash >> 32) & (index->slot_count - 1);
    while (index->slots[slot] && strcmp(desc->layers[index->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & (index->slot_count - 1);
    return &index->slots[slot];
}

uint32_t auxo__name_index_find(const auxo__name_index *index, const auxo_model_desc *desc, const char *name)
{
    uint32_t found = index->slots ? *find_slot(index, desc, name) : 0;
    return found ? found - 1 : UINT32_MAX;
}

bool auxo__name_index_add(auxo__name_index *index, const auxo_model_desc *desc, uint32_t layer)
{
    if (2 * (index->used + 1) > index->slot_count) {
        auxo__name_index grown = {.slot_count = index->slot_count ? 2 * index->slot_count : 64};
        grown.slots = calloc(grown.slot_count, sizeof *grown.slots);
        if (!grown.slots)
            return false;
        for (size_t i = 0; i < index->slot_count; i++)
            if (index->slots[i])
                *find_slot(&grown, desc, desc->layers[index->slots[i] - 1].name) = index->slots[i];
        grown.used = index->used;
        free(index->slots);
        *index = grown;
    }
    *find_slot(index, desc, desc->layers[layer].name) = layer + 1;
    index->used++;
    return true;
}

void auxo__name_index_deinit(auxo__name_index *index)
{
    free(index->slots);
    *index = (auxo__name_index){0};
}
