/* draw.c: see draw.h.
 *
 * Selection sampling (Fan, Muller and Rezucha 1962): rows are met in order, and a row goes to a part with the
 * probability of the places that the part still has among those that are left in the row's stratum. The counts come out
 * exact, every choice is as likely as any other, and nothing has to be kept but the counts.
 */
#include "draw.h"

#include "mapped.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>

static uint32_t stratum_of(const auxo_dataset *dataset, const auxo__row_blocks *blocks, size_t i)
{
    return dataset->events ? dataset->events[blocks->first + i] != 0 : blocks->labels[i];
}

/* left (strata, folds): places. */
static void divide(const auxo__draw *draw, const size_t *rows, size_t *left)
{
    for (uint32_t s = 0; s < draw->stratum_count; s++) {
        size_t *places = left + (size_t)s * draw->folds;
        for (uint32_t f = 0; f < draw->folds; f++)
            places[f] = rows[s] / draw->folds + ((f + s) % draw->folds < rows[s] % draw->folds);
        if (!draw->even) {
            places[0] = (size_t)floor(draw->fraction * (double)rows[s] + 0.5);
            places[1] = rows[s] - places[0];
        }
    }
}

/* The part that the next row of a stratum goes to. */
static uint32_t take_place(const auxo__draw *draw, size_t *places, size_t rows_left, double uniform)
{
    double at = uniform * (double)rows_left;
    uint32_t part = 0;
    while (part + 1 < draw->folds && (places[part] == 0 || at >= (double)places[part])) {
        at -= (double)places[part];
        part++;
    }
    while (places[part] == 0)
        part--;
    places[part]--;
    return part;
}

typedef struct drawing {
    size_t *rows, *left;   /* (strata), (strata, folds) */
    auxo__row_set *chosen; /* NULL: rows are counted */
} drawing;

static void meet_row(const auxo__draw *draw, drawing *drawn, size_t row, uint32_t stratum)
{
    auxo__random random;
    if (!drawn->chosen) {
        drawn->rows[stratum]++;
        return;
    }
    auxo__random_init(&random, draw->seed, AUXO__STREAM_SPLIT, row);
    const double uniform = auxo__random_uniform(&random, 0, 1);
    size_t *places = drawn->left + (size_t)stratum * draw->folds;
    if (take_place(draw, places, drawn->rows[stratum]--, uniform) == draw->fold)
        auxo__row_set_add(drawn->chosen, row);
}

static auxo_status meet_rows(const auxo_dataset *dataset, const auxo__draw *draw, drawing *drawn, auxo_error *error)
{
    auxo__row_blocks blocks;
    bool found = true;
    for (size_t row = 0; draw->stratum_count < 2 && row < dataset->row_count; row++)
        meet_row(draw, drawn, row, 0);
    if (draw->stratum_count < 2)
        return AUXO_OK;
    auxo_status status = auxo__row_blocks_init(&blocks, dataset, false, error);
    while (status == AUXO_OK && found) {
        status = auxo__row_blocks_next(&blocks, &found, error);
        for (size_t i = 0; status == AUXO_OK && found && i < blocks.count; i++)
            meet_row(draw, drawn, blocks.first + i, stratum_of(dataset, &blocks, i));
    }
    auxo__row_blocks_deinit(&blocks);
    return status;
}

auxo_status auxo__draw_rows(const auxo_dataset *dataset, const auxo__draw *draw, auxo__row_set *chosen,
                            auxo_error *error)
{
    drawing drawn = {.rows = calloc(draw->stratum_count, sizeof *drawn.rows),
                     .left = calloc((size_t)draw->stratum_count * draw->folds, sizeof *drawn.left)};
    auxo_status status = AUXO_OK;
    if (!drawn.rows || !drawn.left || !auxo__row_set_init(chosen, dataset->row_count))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to split its rows", dataset->name);
    if (status == AUXO_OK)
        status = meet_rows(dataset, draw, &drawn, error);
    if (status == AUXO_OK) {
        divide(draw, drawn.rows, drawn.left);
        drawn.chosen = chosen;
        status = meet_rows(dataset, draw, &drawn, error);
    }
    free(drawn.rows);
    free(drawn.left);
    return status;
}
