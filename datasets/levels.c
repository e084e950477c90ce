/* levels.c: distinct texts by hash (XXH3) with linear probing. Implements levels.h. */
#include "levels.h"

#include "dataset.h"
#include "number.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static uint32_t *find_slot(uint32_t *slots, size_t slot_count, char *const *texts, const char *text, size_t length)
{
    size_t at = (size_t)XXH3_64bits(text, length) & (slot_count - 1);
    while (slots[at] != 0) {
        const char *other = texts[slots[at] - 1];
        if (strncmp(other, text, length) == 0 && other[length] == '\0')
            break;
        at = (at + 1) & (slot_count - 1);
    }
    return &slots[at];
}

static bool grow(auxo__levels *levels)
{
    if (levels->count == levels->capacity) {
        size_t capacity = levels->capacity ? 2 * levels->capacity : 16;
        char **texts = realloc(levels->texts, capacity * sizeof *texts);
        if (!texts)
            return false;
        levels->texts = texts;
        levels->capacity = capacity;
    }
    if (2 * levels->count < levels->slot_count)
        return true;
    size_t slot_count = levels->slot_count ? 2 * levels->slot_count : 64;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < levels->count; i++)
        *find_slot(slots, slot_count, levels->texts, levels->texts[i], strlen(levels->texts[i])) = (uint32_t)i + 1;
    free(levels->slots);
    levels->slots = slots;
    levels->slot_count = slot_count;
    return true;
}

bool auxo__levels_add(auxo__levels *levels, const char *text, size_t length, uint32_t *number)
{
    *number = auxo__levels_find(levels, text, length);
    if (*number != AUXO__LEVEL_NONE)
        return true;
    if (levels->count >= AUXO__LEVEL_NONE - 1 || !grow(levels))
        return false;
    char *copy = malloc(length + 1);
    if (!copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    *number = (uint32_t)levels->count;
    *find_slot(levels->slots, levels->slot_count, levels->texts, text, length) = *number + 1;
    levels->texts[levels->count++] = copy;
    return true;
}

uint32_t auxo__levels_find(const auxo__levels *levels, const char *text, size_t length)
{
    if (!levels->slots)
        return AUXO__LEVEL_NONE;
    uint32_t slot = *find_slot(levels->slots, levels->slot_count, levels->texts, text, length);
    return slot ? slot - 1 : AUXO__LEVEL_NONE;
}

typedef struct sorted_level {
    char *text;
    double value;
    uint32_t number;
} sorted_level;

static int compare_texts(const void *left, const void *right)
{
    return strcmp(((const sorted_level *)left)->text, ((const sorted_level *)right)->text);
}

static int compare_values(const void *left, const void *right)
{
    const sorted_level *a = left, *b = right;
    return a->value < b->value ? -1 : a->value > b->value ? 1 : compare_texts(left, right);
}

bool auxo__levels_sort(auxo__levels *levels, uint32_t *codes, size_t code_count)
{
    sorted_level *sorted = auxo__array(levels->count, sizeof *sorted);
    uint32_t *renumbered = auxo__array(levels->count, sizeof *renumbered);
    bool good = sorted && renumbered, numbers = true;
    for (size_t i = 0; good && i < levels->count; i++) {
        sorted[i] = (sorted_level){levels->texts[i], 0, (uint32_t)i};
        numbers = numbers && auxo__decimal_parse(levels->texts[i], strlen(levels->texts[i]), '.', &sorted[i].value);
    }
    if (good && levels->count > 0)
        qsort(sorted, levels->count, sizeof *sorted, numbers ? compare_values : compare_texts);
    for (size_t i = 0; good && i < levels->count; i++) {
        levels->texts[i] = sorted[i].text;
        renumbered[sorted[i].number] = (uint32_t)i;
    }
    for (size_t i = 0; good && i < code_count; i++)
        if (codes[i] != AUXO__LEVEL_NONE)
            codes[i] = renumbered[codes[i]];
    free(sorted);
    free(renumbered);
    free(levels->slots);
    levels->slots = NULL;
    levels->slot_count = 0;
    return good;
}

void auxo__levels_deinit(auxo__levels *levels)
{
    auxo__names_destroy(levels->texts, levels->count);
    free(levels->slots);
    memset(levels, 0, sizeof *levels);
}
