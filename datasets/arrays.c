/* arrays.c: arrays in the caller's memory as data sets (auxo/arrays.h); what they mean is array_set.c's.
 *
 * Nothing of them is copied where rows may stay where they are (auxo_data_options.map). Survival labels are: they are
 * few, and everything that reads them wants doubles.
 */
#include "array_set.h"
#include "loaders.h"
#include "schema.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Checks what is borrowed, and gives it the form of an array of a file. An absent array has no file. */
static auxo_status borrow(const char *name, const char *role, const auxo_array *array, auxo__npy *borrowed,
                          auxo_error *error)
{
    *borrowed = (auxo__npy){0};
    snprintf(borrowed->path, sizeof borrowed->path, "%s: %s", name, role);
    if (!array->values)
        return AUXO_OK;
    if (array->rank < 1 || array->rank > AUXO_ARRAY_RANK_MAX || array->element >= AUXO_ELEMENT_COUNT)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: an array of %u axes and element type %d is none",
                              borrowed->path, array->rank, (int)array->element);
    bool laid_out = false;
    uint64_t span = auxo__element_bytes(array->element);
    for (uint32_t i = 0; i < array->rank; i++) {
        borrowed->dims[i] = array->dims[i];
        borrowed->strides[i] = array->strides[i];
        laid_out = laid_out || array->strides[i] != 0;
        if (array->dims[i] != 0 && (array->strides[i] > INT64_MAX || span > ((uint64_t)1 << 62) / array->dims[i]))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: the sizes or strides of axis %u overflow",
                                  borrowed->path, i);
        span *= array->dims[i];
    }
    borrowed->element = array->element;
    borrowed->rank = array->rank;
    borrowed->values = array->values;
    if (!laid_out)
        auxo__npy_lay_out(borrowed, false);
    return auxo__mapping_borrow(borrowed->path, array->values, &borrowed->file, error);
}

/* ---- survival ---------------------------------------------------------------------------------------------------- */

static auxo_status check_labels(const auxo__npy *array, uint64_t rows, auxo_error *error)
{
    if (array->rank == 1 && array->dims[0] == rows)
        return AUXO_OK;
    return auxo_error_set(error, AUXO_FORMAT, "%s have %u axes and %" PRIu64 " rows, but the inputs have %" PRIu64,
                          array->path, array->rank, array->dims[0], rows);
}

static auxo_status read_survival(const auxo__npy *times, const auxo__npy *events, auxo_dataset *set, auxo_error *error)
{
    set->times = auxo__array(set->row_count, sizeof *set->times);
    set->events = auxo__array(set->row_count, sizeof *set->events);
    if (!set->times || !set->events)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for times and events", set->name);
    for (size_t i = 0; i < set->row_count; i++) {
        const double time = auxo__element_real(times->values + i * times->strides[0], times->element);
        const double event = auxo__element_real(events->values + i * events->strides[0], events->element);
        if (!isfinite(time) || time < 0)
            return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu is %g, which is no time", times->path, i + 1, time);
        if (event != 0 && event != 1)
            return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu is %g, which is neither 0 nor 1", events->path,
                                  i + 1, event);
        set->times[i] = time;
        set->events[i] = event == 1;
    }
    set->target_type = AUXO_TARGET_SURVIVAL;
    return AUXO_OK;
}

static auxo_status load_survival(const auxo__array_source *source, const auxo__npy *times, const auxo__npy *events,
                                 const auxo_data_options *options, auxo_dataset **made, auxo_error *error)
{
    if (!times->file || !events->file)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: survival data needs times and events", source->name);
    if (source->labels->file)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s has labels beside times and events", source->name);
    auxo_status status = check_labels(times, source->inputs->dims[0], error);
    if (status == AUXO_OK)
        status = check_labels(events, source->inputs->dims[0], error);
    if (status == AUXO_OK)
        status = auxo__array_set(source, options, made, error);
    if (status == AUXO_OK && !options->ignore_labels)
        status = read_survival(times, events, *made, error);
    if (status == AUXO_OK && !options->ignore_labels && (*made)->schema)
        (*made)->schema->target_type = AUXO_TARGET_SURVIVAL;
    return status;
}

/* ---- groups and sites -------------------------------------------------------------------------------------------- */

static int compare_integers(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

/* The distinct numbers of an array, ascending, and the place of each row's among them. Ownership: free both. */
static auxo_status number_rows(const auxo__npy *array, size_t row_count, uint32_t **numbers, int64_t **values,
                               size_t *count, auxo_error *error)
{
    *numbers = auxo__array(row_count, sizeof **numbers);
    *values = auxo__array(row_count, sizeof **values);
    *count = 0;
    if (!*numbers || !*values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", array->path);
    for (size_t i = 0; i < row_count; i++)
        if (!auxo__element_integer(array->values + i * array->strides[0], array->element, &(*values)[i]))
            return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu is no whole number", array->path, i + 1);
    qsort(*values, row_count, sizeof **values, compare_integers);
    for (size_t i = 0; i < row_count; i++)
        if (*count == 0 || (*values)[i] != (*values)[*count - 1])
            (*values)[(*count)++] = (*values)[i];
    for (size_t i = 0; i < row_count; i++) {
        int64_t value = 0;
        auxo__element_integer(array->values + i * array->strides[0], array->element, &value);
        const int64_t *found = bsearch(&value, *values, *count, sizeof **values, compare_integers);
        (*numbers)[i] = (uint32_t)(found - *values);
    }
    return AUXO_OK;
}

static auxo_status read_groups(const auxo__npy *groups, auxo_dataset *set, auxo_error *error)
{
    int64_t *values = NULL;
    size_t count = 0;
    const auxo_status status = number_rows(groups, set->row_count, &set->groups, &values, &count, error);
    free(values);
    return status;
}

/* Sites are numbers of names, or numbers that are their own names. */
static auxo_status read_sites(const auxo__npy *sites, const auxo_arrays *arrays, auxo_dataset *set, auxo_error *error)
{
    int64_t *values = NULL;
    size_t count = 0;
    auxo_status status = number_rows(sites, set->row_count, &set->sites, &values, &count, error);
    const bool named = arrays->site_names != NULL;
    if (status == AUXO_OK && named && (values[0] < 0 || values[count - 1] >= (int64_t)arrays->site_count))
        status =
            auxo_error_set(error, AUXO_FORMAT, "%s hold %" PRId64 ", but there are names for 0 to %" PRId64,
                           sites->path, values[0] < 0 ? values[0] : values[count - 1], (int64_t)arrays->site_count - 1);
    for (size_t i = 0; status == AUXO_OK && named && i < set->row_count; i++)
        set->sites[i] = (uint32_t)values[set->sites[i]]; /* the same in every split */
    if (status == AUXO_OK) {
        set->site_count = named ? arrays->site_count : (uint32_t)count;
        set->site_names = calloc((size_t)set->site_count + 1, sizeof *set->site_names);
    }
    for (size_t s = 0; status == AUXO_OK && s < set->site_count; s++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, named ? 0 : values[s]);
        if (!set->site_names || !(set->site_names[s] = auxo__text_duplicate(named ? arrays->site_names[s] : text)))
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", sites->path);
    }
    free(values);
    return status;
}

enum { INPUTS, LABELS, TIMES, EVENTS, GROUPS, SITES, ROLE_COUNT };

static auxo_status make_set(const auxo_arrays *arrays, const auxo__npy *borrowed, const auxo_data_options *options,
                            auxo_dataset **made, auxo_error *error)
{
    const auxo__array_source source = {.name = arrays->name ? arrays->name : "arrays",
                                       .inputs = &borrowed[INPUTS],
                                       .labels = &borrowed[LABELS],
                                       .input_names = arrays->input_names,
                                       .class_names = arrays->class_names,
                                       .class_count = arrays->class_count};
    const bool survival = borrowed[TIMES].file || borrowed[EVENTS].file;
    auxo_data_options form = *options;
    form.map = options->map && !survival && !borrowed[GROUPS].file && !borrowed[SITES].file;
    auxo_status status = AUXO_OK;
    for (int i = GROUPS; i <= SITES && status == AUXO_OK; i++)
        status = borrowed[i].file ? check_labels(&borrowed[i], source.inputs->dims[0], error) : AUXO_OK;
    if (status == AUXO_OK)
        status = survival ? load_survival(&source, &borrowed[TIMES], &borrowed[EVENTS], &form, made, error)
                          : auxo__array_set(&source, &form, made, error);
    if (status == AUXO_OK && borrowed[GROUPS].file)
        status = read_groups(&borrowed[GROUPS], *made, error);
    if (status == AUXO_OK && borrowed[SITES].file)
        status = read_sites(&borrowed[SITES], arrays, *made, error);
    return status;
}

static auxo_status load(const auxo_arrays *arrays, const auxo_data_options *options, auxo_dataset **made,
                        auxo_error *error)
{
    const char *name = arrays->name ? arrays->name : "arrays";
    const auxo_array *const given[ROLE_COUNT] = {&arrays->inputs, &arrays->labels, &arrays->times,
                                                 &arrays->events, &arrays->groups, &arrays->sites};
    static const char *const roles[ROLE_COUNT] = {"inputs", "labels", "times", "events", "groups", "sites"};
    auxo__npy borrowed[ROLE_COUNT] = {{0}};
    auxo_status status = AUXO_OK;
    for (int i = 0; i < ROLE_COUNT && status == AUXO_OK; i++)
        status = borrow(name, roles[i], given[i], &borrowed[i], error);
    if (status == AUXO_OK && !borrowed[INPUTS].file)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: there are no inputs", name);
    if (status == AUXO_OK)
        status = make_set(arrays, borrowed, options, made, error);
    for (int i = 0; i < ROLE_COUNT; i++)
        auxo__npy_deinit(&borrowed[i]);
    return status;
}

auxo_status auxo__load_arrays(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                              auxo_error *error)
{
    if (options->input_columns || options->target_columns || options->drop_missing)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "arrays: inputs, targets and missing drop are for tables, not for arrays");
    auxo_status status = load(options->arrays, options, train, error);
    if (status != AUXO_OK || !options->test_arrays)
        return status;
    const auxo_data_options form = auxo__array_form(*train, options);
    return load(options->test_arrays, &form, test, error);
}
