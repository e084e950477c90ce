/* runtime/search/grid.c: anytime grid search (Cahlik 2022, 5.2, eq. 5.1): finer and finer grids, each in random order.
 *
 * A level of n dimensions has (2^l - 1)^n combinations, too many to list and shuffle. Their order is a keyed
 * permutation of the numbers below that: a Feistel network over the next power of four whose round function is Philox,
 * walked along its cycles until it lands inside (Black and Rogaway, CT-RSA 2002). Combinations whose coordinates are
 * all even belong to earlier levels.
 */
#include "search_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BITS = 62, ROUNDS = 6 };

/* base^exponent, or 0 where that takes more than NUMBER_BITS bits. */
static uint64_t power(uint64_t base, uint32_t exponent)
{
    uint64_t result = 1;
    for (uint32_t i = 0; i < exponent; i++) {
        if (base != 0 && result > (UINT64_C(1) << NUMBER_BITS) / base)
            return 0;
        result *= base;
    }
    return result;
}

static uint64_t values_of(uint32_t level)
{
    return level < NUMBER_BITS ? (UINT64_C(1) << level) - 1 : 0;
}

uint64_t auxo_grid_new_count(uint32_t dimension_count, uint32_t level)
{
    const uint64_t all = power(values_of(level), dimension_count);
    /* Without dimensions there is one combination, on the first level. */
    return all == 0 ? 0 : all - (level > 1 ? power(values_of(level - 1), dimension_count) : 0);
}

static uint64_t permute_once(uint64_t index, uint32_t half_bits, uint64_t seed, uint32_t level)
{
    const uint64_t mask = (UINT64_C(1) << half_bits) - 1;
    uint64_t left = index >> half_bits, right = index & mask;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        auxo__random random;
        auxo__random_init(&random, seed, AUXO__STREAM_GENOME, round << 56 ^ (uint64_t)level << 48 ^ right);
        const uint64_t mixed = left ^ (auxo__random_u32(&random) & mask);
        left = right;
        right = mixed;
    }
    return left << half_bits | right;
}

/* A permutation of 0 .. count - 1. */
static uint64_t permute(uint64_t index, uint64_t count, uint64_t seed, uint32_t level)
{
    uint32_t half_bits = 1;
    while (UINT64_C(1) << 2 * half_bits < count)
        half_bits++;
    do
        index = permute_once(index, half_bits, seed, level);
    while (index >= count);
    return index;
}

/* Coordinates 1 .. values of one combination; false if all are even. */
static bool unfold(uint64_t number, uint32_t dimension_count, uint32_t level, double *values)
{
    const uint64_t base = values_of(level);
    bool is_new = level == 1;
    for (uint32_t d = 0; d < dimension_count; d++) {
        const uint64_t coordinate = 1 + number % base;
        number /= base;
        is_new = is_new || coordinate % 2 == 1;
        values[d] = (double)coordinate / (double)(base + 1);
    }
    return is_new;
}

bool auxo_grid_next(auxo_grid *grid, double *values)
{
    for (;;) {
        if (grid->dimension_count == 0 && grid->level > 1)
            return false;
        const uint64_t count = power(values_of(grid->level), grid->dimension_count);
        if (count == 0)
            return false;
        while (grid->position < count) {
            const uint64_t number = permute(grid->position++, count, grid->seed, grid->level);
            if (unfold(number, grid->dimension_count, grid->level, values))
                return true;
        }
        grid->level++;
        grid->position = 0;
    }
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

static auxo_status begin(auxo_search *search, auxo_error *error)
{
    auxo_grid *grid = search->state;
    (void)error;
    *grid = (auxo_grid){.level = 1, .seed = search->options.seed};
    for (uint32_t i = 0; i < search->space.count; i++)
        grid->dimension_count += search->space.genes[i].low < search->space.genes[i].high;
    return AUXO_OK;
}

/* Whole numbers may make two places of the grid one: those evaluated before are passed over, up to a limit that only a
 * space of a few combinations reaches. */
static bool next_new(auxo_search *search, auxo_grid *grid, auxo__genome *genome, char *text, size_t size)
{
    enum { PASSED_OVER_MAX = 100000 };
    double values[AUXO__GENES_MAX];
    for (int i = 0; i < PASSED_OVER_MAX && auxo_grid_next(grid, values); i++) {
        uint32_t dimension = 0;
        for (uint32_t g = 0; g < search->space.count; g++) {
            const auxo__gene *gene = &search->space.genes[g];
            genome->values[g] = auxo__gene_at(gene, gene->low < gene->high ? values[dimension++] : 0);
        }
        auxo__genome_format(&search->space, genome, text, size);
        if (!auxo__search_is_taken(search, text))
            return true;
    }
    return false;
}

static auxo_status step(auxo_search *search, bool *done, auxo_error *error)
{
    auxo__genome genome;
    char text[AUXO_GENOME_BYTES];
    auxo_grid *grid = search->state, next = *grid;
    *done = !next_new(search, &next, &genome, text, sizeof text);
    if (*done)
        return AUXO_OK;
    auxo_search_record record;
    auxo_status status = auxo__evaluate_genome(search, &genome, text, &record, error);
    if (status == AUXO_OK)
        status = auxo__search_keep_record(search, &record, error);
    if (status == AUXO_OK)
        *grid = next;
    return status;
}

/* The place in the grid moves on for all workers as soon as one of them has taken it. */
static auxo_status propose(auxo_search *search, double *values, auxo__next *next, auxo_error *error)
{
    auxo__genome genome;
    char text[AUXO_GENOME_BYTES];
    cJSON *root = NULL;
    auxo_status status = auxo__search_load_state(search, &root, error);
    if (status == AUXO_OK && root)
        status = search->method->restore(search, root, NULL, NULL, 0, error);
    cJSON_Delete(root);
    if (status != AUXO_OK)
        return status;
    *next = next_new(search, search->state, &genome, text, sizeof text) ? AUXO__NEXT_TRIAL : AUXO__NEXT_NONE;
    if (*next == AUXO__NEXT_TRIAL)
        auxo__genome_to_values(search, &genome, values);
    return auxo__search_store_state(search, error);
}

static void describe(const auxo_search *search, cJSON *root)
{
    const auxo_grid *grid = search->state;
    char position[32];
    snprintf(position, sizeof position, "%llu", (unsigned long long)grid->position);
    auxo__tree_number(root, "level", grid->level);
    auxo__tree_text(root, "position", position); /* too large for a number of JSON */
}

static auxo_status restore(auxo_search *search, const cJSON *root, auxo_model *const *models,
                           auxo_moments *const *moments, size_t model_count, auxo_error *error)
{
    auxo_grid *grid = search->state;
    const char *position = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "position"));
    const double level = auxo__state_number(root, "level", 0);
    auxo__members_destroy(models, moments, model_count);
    if (!position || level < 1 || level > NUMBER_BITS)
        return auxo_error_set(error, AUXO_FORMAT, "search: the state is not that of a grid search");
    grid->level = (uint32_t)level;
    grid->position = strtoull(position, NULL, 10);
    return AUXO_OK;
}

const auxo__search_method auxo__method_grid = {.state_size = sizeof(auxo_grid),
                                               .begin = begin,
                                               .step = step,
                                               .describe = describe,
                                               .restore = restore,
                                               .propose = propose,
                                               .evaluate = auxo__evaluate_values};
