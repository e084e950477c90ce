/* split.c: auxo_dataset_split: a seeded part and the rest, by rows, classes or groups.
 *
 * Rows fall into units (a group when the set has groups, else one row each); units are shuffled and the first ones
 * form the part, per class when stratified. Both results keep the rows in their original order. Sets of very many rows
 * are drawn row by row instead (draw.c), which takes a bit for each.
 */
#include "draw.h"
#include "mapped.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Units of one split. A unit's stratum is the class of its first row, or whether any of its rows has an event (0 when
 * not stratified). */
typedef struct units {
    size_t count;
    uint32_t *unit_of_row; /* (row_count) */
    uint32_t *stratum;     /* (count) */
    uint32_t *row_total;   /* (count) rows in the unit */
    uint32_t *order;       /* (count) shuffled */
    uint8_t *chosen;       /* (count) 1 = in the part */
} units;

static void units_deinit(units *all)
{
    free(all->unit_of_row);
    free(all->stratum);
    free(all->row_total);
    free(all->order);
    free(all->chosen);
}

typedef struct group_row {
    uint32_t group, row;
} group_row;

static int compare_group_rows(const void *left, const void *right)
{
    const group_row *a = left, *b = right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Numbers the distinct groups 0.. in order of their number. */
static bool number_groups(const auxo_dataset *dataset, units *all)
{
    group_row *sorted = auxo__array(dataset->row_count, sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < dataset->row_count; i++)
        sorted[i] = (group_row){dataset->groups[i], (uint32_t)i};
    qsort(sorted, dataset->row_count, sizeof *sorted, compare_group_rows);
    for (size_t i = 0; i < dataset->row_count; i++) {
        if (i == 0 || sorted[i].group != sorted[i - 1].group)
            all->count++;
        all->unit_of_row[sorted[i].row] = (uint32_t)(all->count - 1);
    }
    free(sorted);
    return true;
}

/* The stratum of every row; NULL: no memory, or all rows have the same. */
static auxo_status read_strata(const auxo_dataset *dataset, uint32_t **strata, auxo_error *error)
{
    *strata = auxo__array(dataset->row_count, sizeof **strata);
    if (!*strata)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to split %zu rows", dataset->name,
                              dataset->row_count);
    if (dataset->target_type == AUXO_TARGET_SURVIVAL) {
        for (size_t i = 0; i < dataset->row_count; i++)
            (*strata)[i] = dataset->events[i];
        return AUXO_OK;
    }
    const auxo_row_block block = {.labels = *strata};
    return auxo_dataset_read(dataset, NULL, 0, dataset->row_count, &block, error);
}

static bool units_init(units *all, const auxo_dataset *dataset, const uint32_t *strata, uint64_t seed)
{
    size_t rows = dataset->row_count;
    all->unit_of_row = auxo__array(rows, sizeof *all->unit_of_row);
    if (!all->unit_of_row)
        return false;
    if (dataset->groups) {
        if (!number_groups(dataset, all))
            return false;
    } else {
        for (size_t i = 0; i < rows; i++)
            all->unit_of_row[i] = (uint32_t)i;
        all->count = rows;
    }
    all->stratum = calloc(all->count ? all->count : 1, sizeof *all->stratum);
    all->row_total = calloc(all->count ? all->count : 1, sizeof *all->row_total);
    all->order = auxo__array(all->count, sizeof *all->order);
    all->chosen = calloc(all->count ? all->count : 1, 1);
    if (!all->stratum || !all->row_total || !all->order || !all->chosen)
        return false;
    for (size_t i = 0; i < rows; i++) {
        uint32_t unit = all->unit_of_row[i];
        bool first = all->row_total[unit]++ == 0;
        if (strata && dataset->target_type == AUXO_TARGET_SURVIVAL)
            all->stratum[unit] = all->stratum[unit] || strata[i];
        else if (strata && first)
            all->stratum[unit] = strata[i];
    }
    auxo_shuffle(all->order, all->count, seed, AUXO__STREAM_SPLIT);
    return true;
}

/* Takes shuffled units of one stratum until its share of rows is reached. `both`: where the stratum has two units, each
 * side gets at least one, however small the fraction. */
static void choose_stratum(units *all, uint32_t stratum, double fraction, bool both)
{
    size_t stratum_rows = 0, stratum_units = 0, taken = 0, taken_units = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->stratum[i] == stratum) {
            stratum_rows += all->row_total[i];
            stratum_units++;
        }
    size_t wanted = (size_t)floor(fraction * (double)stratum_rows + 0.5), unit_limit = stratum_units;
    if (both && stratum_units > 1 && fraction > 0 && fraction < 1) {
        wanted = wanted ? wanted : 1;
        unit_limit = stratum_units - 1;
    }
    for (size_t i = 0; i < all->count && taken < wanted && taken_units < unit_limit; i++) {
        uint32_t unit = all->order[i];
        if (all->stratum[unit] != stratum)
            continue;
        all->chosen[unit] = 1;
        taken += all->row_total[unit];
        taken_units++;
    }
}

/* Rounding must not leave one side empty where there are two units: a test of no rows tests nothing. */
static void fill_empty_side(units *all, double fraction)
{
    size_t chosen = 0;
    for (size_t i = 0; i < all->count; i++)
        chosen += all->chosen[i];
    if (all->count < 2 || fraction <= 0 || fraction >= 1)
        return;
    if (chosen == 0)
        all->chosen[all->order[0]] = 1;
    else if (chosen == all->count)
        all->chosen[all->order[all->count - 1]] = 0;
}

/* Units go round the folds, stratum after stratum, so that folds differ by one unit at most. */
static void choose_fold(units *all, uint32_t stratum_count, uint32_t folds, uint32_t fold)
{
    size_t place = 0;
    for (uint32_t stratum = 0; stratum < stratum_count; stratum++)
        for (size_t i = 0; i < all->count; i++)
            if (all->stratum[all->order[i]] == stratum)
                all->chosen[all->order[i]] = place++ % folds == fold;
}

/* The rows in `chosen`, or those that are not, as a new data set. */
static auxo_status take_rows(const auxo_dataset *dataset, const auxo__row_set *chosen, bool in, auxo_dataset **part,
                             auxo_error *error)
{
    auxo__row_set side = {0};
    uint32_t *rows = NULL;
    size_t count = 0;
    bool good = true;
    if (dataset->mapped)
        good = auxo__row_set_init(&side, dataset->row_count);
    else
        good = (rows = auxo__array(dataset->row_count, sizeof *rows)) != NULL;
    for (size_t i = 0; i < dataset->row_count && good; i++)
        if (auxo__row_set_has(chosen, i) == in) {
            if (rows)
                rows[count++] = (uint32_t)i;
            else
                auxo__row_set_add(&side, i);
        }
    auxo_status status = AUXO_OK;
    if (!good)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to split %zu rows", dataset->name,
                                dataset->row_count);
    else if (dataset->mapped)
        status = auxo__mapped_view(dataset, &side, part, error);
    else
        status = auxo_dataset_select(dataset, rows, count, part, error);
    free(rows);
    return status;
}

static auxo_status take_both(const auxo_dataset *dataset, const auxo__row_set *chosen, auxo_dataset **part,
                             auxo_dataset **rest, auxo_error *error)
{
    auxo_dataset *made[2] = {NULL, NULL};
    auxo_status status = take_rows(dataset, chosen, true, &made[0], error);
    if (status == AUXO_OK)
        status = take_rows(dataset, chosen, false, &made[1], error);
    if (status != AUXO_OK) {
        auxo_dataset_destroy(made[0]);
        return status;
    }
    *part = made[0];
    *rest = made[1];
    return AUXO_OK;
}

static auxo_status take_units(const auxo_dataset *dataset, const units *all, auxo_dataset **part, auxo_dataset **rest,
                              auxo_error *error)
{
    auxo__row_set chosen;
    if (!auxo__row_set_init(&chosen, dataset->row_count))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to split %zu rows", dataset->name,
                              dataset->row_count);
    for (size_t i = 0; i < dataset->row_count; i++)
        if (all->chosen[all->unit_of_row[i]])
            auxo__row_set_add(&chosen, i);
    const auxo_status status = take_both(dataset, &chosen, part, rest, error);
    auxo__row_set_deinit(&chosen);
    return status;
}

/* ---- a part and the rest ----------------------------------------------------------------------------------------- */

/* Shuffled units: what is chosen of them, by `choose`. */
typedef struct choice {
    double fraction;
    uint32_t folds, fold; /* folds 0: the fraction */
    uint64_t seed;
    bool stratified;
} choice;

static uint32_t count_strata(const auxo_dataset *dataset, const choice *wanted)
{
    if (!wanted->stratified)
        return 1;
    return dataset->target_type == AUXO_TARGET_CLASS ? dataset->class_count : 2;
}

static void choose_units(const auxo_dataset *dataset, const choice *wanted, units *all)
{
    const bool survival = wanted->stratified && dataset->target_type == AUXO_TARGET_SURVIVAL;
    const uint32_t strata = count_strata(dataset, wanted);
    if (wanted->folds) {
        choose_fold(all, strata, wanted->folds, wanted->fold);
        return;
    }
    for (uint32_t stratum = 0; stratum < strata; stratum++)
        choose_stratum(all, stratum, wanted->fraction, survival && stratum == 1);
    fill_empty_side(all, wanted->fraction);
}

static auxo_status split_units(const auxo_dataset *dataset, const choice *wanted, auxo_dataset **part,
                               auxo_dataset **rest, auxo_error *error)
{
    units all = {0};
    uint32_t *strata = NULL;
    auxo_status status = wanted->stratified ? read_strata(dataset, &strata, error) : AUXO_OK;
    if (status == AUXO_OK && !units_init(&all, dataset, strata, wanted->seed))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to split %zu rows", dataset->name,
                                dataset->row_count);
    free(strata);
    if (status == AUXO_OK && wanted->folds > all.count)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %u folds cannot be made of %zu rows or groups",
                                dataset->name, wanted->folds, all.count);
    if (status == AUXO_OK) {
        choose_units(dataset, wanted, &all);
        status = take_units(dataset, &all, part, rest, error);
    }
    units_deinit(&all);
    return status;
}

static auxo_status split_drawn(const auxo_dataset *dataset, const choice *wanted, auxo_dataset **part,
                               auxo_dataset **rest, auxo_error *error)
{
    auxo__row_set chosen = {0};
    const auxo__draw draw = {.seed = wanted->seed,
                             .stratum_count = count_strata(dataset, wanted),
                             .folds = wanted->folds ? wanted->folds : 2,
                             .fold = wanted->folds ? wanted->fold : 0,
                             .even = wanted->folds > 0,
                             .fraction = wanted->fraction};
    auxo_status status = auxo__draw_rows(dataset, &draw, &chosen, error);
    if (status == AUXO_OK)
        status = take_both(dataset, &chosen, part, rest, error);
    auxo__row_set_deinit(&chosen);
    return status;
}

static auxo_status split_by(const auxo_dataset *dataset, const choice *wanted, auxo_dataset **part, auxo_dataset **rest,
                            auxo_error *error)
{
    if (dataset->row_count > UINT32_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %zu rows are too many to split", dataset->name,
                              dataset->row_count);
    return dataset->row_count > AUXO__DRAW_ROWS && !dataset->groups ? split_drawn(dataset, wanted, part, rest, error)
                                                                    : split_units(dataset, wanted, part, rest, error);
}

static bool has_strata(const auxo_dataset *dataset)
{
    return dataset->target_type == AUXO_TARGET_CLASS || dataset->target_type == AUXO_TARGET_SURVIVAL;
}

auxo_status auxo_dataset_split(const auxo_dataset *dataset, double fraction, uint64_t seed, bool stratified,
                               auxo_dataset **part, auxo_dataset **rest, auxo_error *error)
{
    if (!dataset || !part || !rest)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_dataset_split: null argument");
    if (!(fraction >= 0.0 && fraction <= 1.0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: cannot split off a fraction of %g; use 0 to 1",
                              dataset->name, fraction);
    const choice wanted = {.fraction = fraction, .seed = seed, .stratified = stratified && has_strata(dataset)};
    const auxo_status status = split_by(dataset, &wanted, part, rest, error);
    const bool both = fraction > 0 && fraction < 1 && dataset->row_count > 0;
    if (status != AUXO_OK || !both || ((*part)->row_count > 0 && (*rest)->row_count > 0))
        return status;
    auxo_dataset_destroy(*part);
    auxo_dataset_destroy(*rest);
    *part = *rest = NULL;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: none of its %zu rows can be held out%s", dataset->name,
                          dataset->row_count, dataset->groups ? "; all belong to one group" : "");
}

auxo_status auxo_dataset_fold(const auxo_dataset *dataset, uint32_t folds, uint32_t fold, uint64_t seed,
                              auxo_dataset **part, auxo_dataset **rest, auxo_error *error)
{
    if (folds < 2 || fold >= folds || folds > dataset->row_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s: fold %u of %u cannot be made of %zu rows or groups; folds are 2 or more",
                              dataset->name, fold + 1, folds, dataset->row_count);
    const choice wanted = {.folds = folds, .fold = fold, .seed = seed, .stratified = has_strata(dataset)};
    return split_by(dataset, &wanted, part, rest, error);
}

static auxo_status split_off(const auxo_dataset *dataset, double fraction, uint64_t seed, auxo_dataset **held_out,
                             auxo_dataset **rest, auxo_error *error)
{
    return auxo_dataset_split(dataset, fraction, seed, has_strata(dataset), held_out, rest, error);
}

auxo_status auxo_dataset_hold_out(auxo_dataset **rows, double fraction, uint64_t seed, auxo_dataset **held_out,
                                  auxo_error *error)
{
    auxo_dataset *rest = NULL;
    if ((*rows)->row_count < 2)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has %zu row; at least two are needed to hold any out",
                              (*rows)->name, (*rows)->row_count);
    auxo_status status = split_off(*rows, fraction, seed, held_out, &rest, error);
    if (status != AUXO_OK)
        return status;
    auxo_dataset *const made[2] = {*held_out, rest};
    for (int i = 0; i < 2; i++)
        if (made[i]->schema) {
            made[i]->schema->split_fraction = fraction;
            made[i]->schema->split_seed = seed;
            made[i]->schema->row_count = (*rows)->row_count;
        }
    auxo_dataset_destroy(*rows);
    *rows = rest;
    return AUXO_OK;
}

/* The first `count` rows. */
static auxo_status select_first(const auxo_dataset *dataset, size_t count, auxo_dataset **selected, auxo_error *error)
{
    auxo__row_set chosen;
    if (!auxo__row_set_init(&chosen, dataset->row_count))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %zu rows", dataset->name, count);
    for (size_t i = 0; i < count; i++)
        auxo__row_set_add(&chosen, i);
    auxo_status status = take_rows(dataset, &chosen, true, selected, error);
    auxo__row_set_deinit(&chosen);
    return status;
}

auxo_status auxo_dataset_held_out(const auxo_dataset *dataset, const auxo_data_schema *schema, auxo_dataset **held_out,
                                  auxo_dataset **trained_on, auxo_error *error)
{
    *held_out = *trained_on = NULL;
    if (!schema || schema->split_fraction <= 0 || schema->row_count == 0 || dataset->row_count < schema->row_count ||
        schema->content_hash == 0)
        return AUXO_OK;
    uint64_t hash = dataset->known_hash;
    auxo_status status = AUXO_OK;
    if (dataset->known_rows != schema->row_count)
        status = auxo_dataset_content_hash(dataset, schema->row_count, &hash, error);
    if (status != AUXO_OK || hash != schema->content_hash)
        return status;
    if (dataset->row_count == schema->row_count)
        return split_off(dataset, schema->split_fraction, schema->split_seed, held_out, trained_on, error);
    auxo_dataset *first = NULL;
    status = select_first(dataset, schema->row_count, &first, error);
    if (status == AUXO_OK)
        status = split_off(first, schema->split_fraction, schema->split_seed, held_out, trained_on, error);
    auxo_dataset_destroy(first);
    return status;
}

auxo_status auxo__limit_rows(auxo_dataset **dataset, size_t limit, auxo_error *error)
{
    if (limit == 0 || limit >= (*dataset)->row_count)
        return AUXO_OK;
    auxo_dataset *limited = NULL;
    auxo_status status = select_first(*dataset, limit, &limited, error);
    if (status != AUXO_OK)
        return status;
    auxo_dataset_destroy(*dataset);
    *dataset = limited;
    return AUXO_OK;
}
