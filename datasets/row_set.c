/* row_set.c: see row_set.h. A row is found from the nearest sample before it, by counting bits.
 */
#include "row_set.h"

#include <stdlib.h>

enum { WORD = 64 };

bool auxo__row_set_init(auxo__row_set *set, size_t row_count)
{
    *set = (auxo__row_set){.row_count = row_count};
    set->bits = calloc(row_count / WORD + 1, sizeof *set->bits);
    return set->bits != NULL;
}

void auxo__row_set_deinit(auxo__row_set *set)
{
    free(set->bits);
    free(set->samples);
    *set = (auxo__row_set){0};
}

void auxo__row_set_add(auxo__row_set *set, size_t row)
{
    set->bits[row / WORD] |= (uint64_t)1 << row % WORD;
}

bool auxo__row_set_has(const auxo__row_set *set, size_t row)
{
    return set->bits[row / WORD] >> row % WORD & 1;
}

bool auxo__row_set_finish(auxo__row_set *set)
{
    const size_t words = set->row_count / WORD + 1;
    set->count = 0;
    for (size_t w = 0; w < words; w++)
        set->count += (size_t)__builtin_popcountll(set->bits[w]);
    set->samples = malloc((set->count / AUXO__ROW_SET_STEP + 1) * sizeof *set->samples);
    if (!set->samples)
        return false;
    size_t index = 0;
    for (size_t w = 0; w < words; w++)
        for (uint64_t left = set->bits[w]; left; left &= left - 1, index++)
            if (index % AUXO__ROW_SET_STEP == 0)
                set->samples[index / AUXO__ROW_SET_STEP] = (uint32_t)(w * WORD + (size_t)__builtin_ctzll(left));
    return true;
}

size_t auxo__row_set_at(const auxo__row_set *set, size_t index)
{
    const size_t sample = set->samples[index / AUXO__ROW_SET_STEP];
    size_t skip = index % AUXO__ROW_SET_STEP, word = sample / WORD;
    uint64_t left = set->bits[word] & ~(uint64_t)0 << sample % WORD;
    for (size_t here; (here = (size_t)__builtin_popcountll(left)) <= skip; left = set->bits[++word])
        skip -= here;
    for (; skip > 0; skip--)
        left &= left - 1;
    return word * WORD + (size_t)__builtin_ctzll(left);
}
