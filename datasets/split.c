/* split.c: auxo_dataset_split: a seeded part and the rest, by rows, classes or groups.
 *
 * Rows fall into units (a group when the set has groups, else one row each); units are shuffled and the first ones
 * form the part, per class when stratified. Both results keep the rows in their original order.
 */
#include "dataset.h"
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

static bool units_init(units *all, const auxo_dataset *dataset, bool stratified, uint64_t seed)
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
        if (stratified && dataset->target_type == AUXO_TARGET_SURVIVAL)
            all->stratum[unit] = all->stratum[unit] || dataset->events[i];
        else if (stratified && first)
            all->stratum[unit] = dataset->labels[i];
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

static auxo_status select_both(const auxo_dataset *dataset, const units *all, auxo_dataset **part, auxo_dataset **rest,
                               auxo_error *error)
{
    uint32_t *rows = auxo__array(dataset->row_count, sizeof *rows);
    if (!rows)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to split %zu rows", dataset->name,
                              dataset->row_count);
    auxo_status status = AUXO_OK;
    auxo_dataset *made[2] = {NULL, NULL};
    for (int side = 0; side < 2 && status == AUXO_OK; side++) {
        size_t count = 0;
        for (size_t i = 0; i < dataset->row_count; i++)
            if (all->chosen[all->unit_of_row[i]] == (side == 0))
                rows[count++] = (uint32_t)i;
        status = auxo_dataset_select(dataset, rows, count, &made[side], error);
    }
    free(rows);
    if (status != AUXO_OK) {
        auxo_dataset_destroy(made[0]);
        return status;
    }
    *part = made[0];
    *rest = made[1];
    return AUXO_OK;
}

auxo_status auxo_dataset_split(const auxo_dataset *dataset, double fraction, uint64_t seed, bool stratified,
                               auxo_dataset **part, auxo_dataset **rest, auxo_error *error)
{
    if (!dataset || !part || !rest)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_dataset_split: null argument");
    if (!(fraction >= 0.0 && fraction <= 1.0))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: cannot split off a fraction of %g; use 0 to 1",
                              dataset->name, fraction);
    if (dataset->row_count > UINT32_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %zu rows are too many to split", dataset->name,
                              dataset->row_count);
    bool survival = dataset->target_type == AUXO_TARGET_SURVIVAL;
    bool has_strata = stratified && (survival || dataset->target_type == AUXO_TARGET_CLASS);
    uint32_t stratum_count = !has_strata ? 1 : dataset->target_type == AUXO_TARGET_CLASS ? dataset->class_count : 2;
    units all = {0};
    auxo_status status;
    if (units_init(&all, dataset, has_strata, seed)) {
        for (uint32_t stratum = 0; stratum < stratum_count; stratum++)
            choose_stratum(&all, stratum, fraction, survival && stratum == 1);
        fill_empty_side(&all, fraction);
        status = select_both(dataset, &all, part, rest, error);
    } else {
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory to split %zu rows", dataset->name,
                                dataset->row_count);
    }
    units_deinit(&all);
    return status;
}

static auxo_status split_off(const auxo_dataset *dataset, double fraction, uint64_t seed, auxo_dataset **held_out,
                             auxo_dataset **rest, auxo_error *error)
{
    bool stratified = dataset->target_type == AUXO_TARGET_CLASS || dataset->target_type == AUXO_TARGET_SURVIVAL;
    return auxo_dataset_split(dataset, fraction, seed, stratified, held_out, rest, error);
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
    uint32_t *rows = auxo__array(count, sizeof *rows);
    if (!rows)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for %zu rows", dataset->name, count);
    for (size_t i = 0; i < count; i++)
        rows[i] = (uint32_t)i;
    auxo_status status = auxo_dataset_select(dataset, rows, count, selected, error);
    free(rows);
    return status;
}

auxo_status auxo_dataset_held_out(const auxo_dataset *dataset, const auxo_data_schema *schema, auxo_dataset **held_out,
                                  auxo_dataset **trained_on, auxo_error *error)
{
    *held_out = *trained_on = NULL;
    if (!schema || schema->split_fraction <= 0 || schema->row_count == 0 || dataset->row_count < schema->row_count ||
        schema->content_hash == 0 || auxo_dataset_content_hash(dataset, schema->row_count) != schema->content_hash)
        return AUXO_OK;
    if (dataset->row_count == schema->row_count)
        return split_off(dataset, schema->split_fraction, schema->split_seed, held_out, trained_on, error);
    auxo_dataset *first = NULL;
    auxo_status status = select_first(dataset, schema->row_count, &first, error);
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

/* ---- folds ------------------------------------------------------------------------------------------------------- */

/* Units go round the folds, stratum after stratum, so that folds differ by one unit at most. */
static void choose_fold(units *all, uint32_t stratum_count, uint32_t folds, uint32_t fold)
{
    size_t place = 0;
    for (uint32_t stratum = 0; stratum < stratum_count; stratum++)
        for (size_t i = 0; i < all->count; i++)
            if (all->stratum[all->order[i]] == stratum)
                all->chosen[all->order[i]] = place++ % folds == fold;
}

auxo_status auxo_dataset_fold(const auxo_dataset *dataset, uint32_t folds, uint32_t fold, uint64_t seed,
                              auxo_dataset **part, auxo_dataset **rest, auxo_error *error)
{
    const bool survival = dataset->target_type == AUXO_TARGET_SURVIVAL,
               classes = dataset->target_type == AUXO_TARGET_CLASS;
    units all = {0};
    auxo_status status = AUXO_OK;
    if (!units_init(&all, dataset, survival || classes, seed))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for folds", dataset->name);
    else if (folds < 2 || fold >= folds || folds > all.count)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "%s: fold %u of %u cannot be made of %zu rows or groups; folds are 2 or more",
                                dataset->name, fold + 1, folds, all.count);
    if (status == AUXO_OK) {
        choose_fold(&all, classes ? dataset->class_count : survival ? 2 : 1, folds, fold);
        status = select_both(dataset, &all, part, rest, error);
    }
    units_deinit(&all);
    return status;
}
