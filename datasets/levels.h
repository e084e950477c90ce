/* levels.h: the distinct texts of a column, numbered (internal to this folder). */
#ifndef AUXO_DATASETS_LEVELS_H
#define AUXO_DATASETS_LEVELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A hash table from text to its number. All zero: empty. Invariant: texts[0..count) are owned and distinct. */
typedef struct auxo__levels {
    char **texts;
    size_t count, capacity;
    uint32_t *slots; /* (slot_count) number + 1, or 0 where free */
    size_t slot_count;
} auxo__levels;

#define AUXO__LEVEL_NONE UINT32_MAX

/* The number of a text, which is added when it is new. False: no memory. */
bool auxo__levels_add(auxo__levels *levels, const char *text, size_t length, uint32_t *number);
/* AUXO__LEVEL_NONE if absent. */
uint32_t auxo__levels_find(const auxo__levels *levels, const char *text, size_t length);
/* Sorts the texts, by value where all are numbers, and renumbers `codes` (AUXO__LEVEL_NONE stays). The table of slots
 * is gone afterwards. False: no memory. */
bool auxo__levels_sort(auxo__levels *levels, uint32_t *codes, size_t code_count);
void auxo__levels_deinit(auxo__levels *levels);

#endif
