/* array_set.c: arrays of numbers as a data set: what their axes mean, which labels are classes, what the values are.
 *
 * Inputs: (rows, columns) is a table, (rows, H, W) grey pictures, (rows, H, W, C) or (rows, C, H, W) pictures of 1, 3
 * or 4 channels, the last axis before the second where both could be. uint8 is bytes (scaled to 0..1 as pictures are),
 * any other type numbers. Labels: integers and booleans are classes, floats are real targets; (rows) or (rows, T).
 */
#include "array_set.h"

#include "schema.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES_MAX = 65536 };
static const double SMALL_SPREAD = 1e-4; /* as for tables */

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static bool is_channels(uint64_t count)
{
    return count == 1 || count == 3 || count == 4;
}

/* Rows of an array whose axes 1.. are, in this order, C, H and W (axis 0: there is none). */
static auxo__file_array rows_of(const auxo__npy *array, const uint32_t axes[3])
{
    const uint64_t *strides = array->strides;
    auxo__file_array rows = {
        .base = array->values, .element = array->element, .shard_shift = 63, .row_bytes = strides[0]};
    uint64_t expected = auxo__element_bytes(array->element);
    rows.dense = array->element == AUXO_ELEMENT_U8 || array->element == AUXO_ELEMENT_F32;
    for (int i = 2; i >= 0; i--) {
        rows.dims[i] = axes[i] ? (int64_t)array->dims[axes[i]] : 1;
        rows.strides[i] = axes[i] ? (int64_t)strides[axes[i]] : 0;
        rows.dense = rows.dense && (rows.dims[i] == 1 || (uint64_t)rows.strides[i] == expected);
        expected *= (uint64_t)rows.dims[i];
    }
    return rows;
}

static auxo_status lay_out_inputs(const auxo__npy *array, auxo_dataset *set, auxo_error *error)
{
    static const uint32_t table[3] = {1, 0, 0}, grey[3] = {0, 1, 2}, channels_last[3] = {3, 1, 2},
                          channels_first[3] = {1, 2, 3}, column[3] = {0, 0, 0};
    const uint32_t *axes = array->rank == 1 ? column : array->rank == 2 ? table : grey;
    if (array->rank == 4 && is_channels(array->dims[3]))
        axes = channels_last;
    else if (array->rank == 4 && is_channels(array->dims[1]))
        axes = channels_first;
    else if (array->rank < 1 || array->rank > 3)
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s has %u axes; a table has 2, pictures 3, or 4 with 1, 3 or 4 channels first or last",
                              array->path, array->rank);
    set->mapped->features = rows_of(array, axes);
    const int64_t *dims = set->mapped->features.dims;
    if (array->dims[0] == 0 || array->dims[0] > INT32_MAX || dims[0] < 1 || dims[1] < 1 || dims[2] < 1 ||
        dims[0] > INT32_MAX || dims[1] > 65536 || dims[2] > 65536)
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s: %" PRIu64 " rows of %" PRId64 "x%" PRId64 "x%" PRId64 " values are no data set",
                              array->path, array->dims[0], dims[0], dims[1], dims[2]);
    set->row_count = (size_t)array->dims[0];
    set->channels = dims[0];
    set->height = dims[1];
    set->width = dims[2];
    set->feature_type = array->element == AUXO_ELEMENT_U8 ? AUXO_FEATURES_U8 : AUXO_FEATURES_F32;
    set->mapped->features_file = auxo__mapping_share(array->file);
    set->mapped->total_rows = set->row_count;
    set->mapped->block_rows = 1;
    while (2 * set->mapped->block_rows * auxo__dataset_row_bytes(set) <= 1 << 20)
        set->mapped->block_rows *= 2;
    return AUXO_OK;
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

static int compare_integers(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

/* Adds a value to a sorted array of distinct ones; false: there is no room. */
static bool add_value(int64_t *values, size_t *count, size_t capacity, int64_t value)
{
    if (bsearch(&value, values, *count, sizeof *values, compare_integers))
        return true;
    if (*count == capacity)
        return false;
    size_t at = (*count)++;
    for (; at > 0 && values[at - 1] > value; at--)
        values[at] = values[at - 1];
    values[at] = value;
    return true;
}

static auxo_status find_classes(const auxo__npy *labels, auxo_dataset *set, auxo_error *error)
{
    const size_t step = (size_t)labels->strides[0];
    int64_t *values = auxo__array(CLASSES_MAX, sizeof *values);
    size_t count = 0;
    auxo_status status =
        values ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", labels->path);
    for (size_t i = 0; i < set->row_count && status == AUXO_OK; i++) {
        int64_t value = 0;
        if (!auxo__element_integer(labels->values + i * step, labels->element, &value) ||
            !add_value(values, &count, CLASSES_MAX, value))
            status = auxo_error_set(error, AUXO_FORMAT,
                                    "%s has more than %d different values: these are no classes; target-kind real",
                                    labels->path, CLASSES_MAX);
    }
    if (status == AUXO_OK && count < 2)
        status = auxo_error_set(error, AUXO_FORMAT, "%s has one class only", labels->path);
    set->mapped->class_values = values;
    set->class_count = set->mapped->class_count = (uint32_t)count;
    set->target_names = calloc(count + 1, sizeof *set->target_names);
    for (size_t c = 0; c < count && status == AUXO_OK; c++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, values[c]);
        if (!set->target_names || !(set->target_names[c] = auxo__text_duplicate(text)))
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", labels->path);
    }
    return status;
}

/* Labels are numbers of names, which are the model's where there is one. */
static auxo_status name_classes(const auxo__array_source *source, const auxo_data_schema *schema, auxo_dataset *set,
                                auxo_error *error)
{
    const uint32_t count = source->class_count;
    bool same = !schema || (schema->class_count == count && schema->classes);
    for (uint32_t c = 0; schema && same && c < count; c++)
        same = strcmp(schema->classes[c], source->class_names[c]) == 0;
    if (!same)
        return auxo_error_set(error, AUXO_FORMAT, "%s has other classes, or in another order, than the model",
                              source->name);
    if (count < 2)
        return auxo_error_set(error, AUXO_FORMAT, "%s has one class only", source->labels->path);
    set->class_count = set->mapped->class_count = count;
    set->target_names = auxo__names_copy(source->class_names, count);
    return set->target_names ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory");
}

/* The numbers that a model's classes have, instead of those at hand. */
static auxo_status take_classes(const auxo_data_schema *schema, const auxo__npy *labels, auxo_dataset *set,
                                auxo_error *error)
{
    auxo_mapped_rows *mapped = set->mapped;
    mapped->class_values = auxo__array(schema->class_count, sizeof *mapped->class_values);
    bool good = mapped->class_values && schema->classes;
    for (uint32_t c = 0; good && c < schema->class_count; c++) {
        char *end = NULL;
        mapped->class_values[c] = strtoll(schema->classes[c], &end, 10);
        good = *schema->classes[c] && *end == '\0' && (c == 0 || mapped->class_values[c] > mapped->class_values[c - 1]);
    }
    if (!good)
        return auxo_error_set(error, AUXO_FORMAT, "%s holds numbers, but the model's classes are texts", labels->path);
    set->class_count = mapped->class_count = schema->class_count;
    set->target_names = auxo__names_copy((const char *const *)schema->classes, schema->class_count);
    return set->target_names ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory");
}

static auxo_status take_reals(const auxo__npy *labels, auxo_dataset *set, auxo_error *error)
{
    static const uint32_t one[3] = {0, 0, 0}, several[3] = {1, 0, 0};
    set->target_type = AUXO_TARGET_REAL;
    set->mapped->targets = rows_of(labels, labels->rank == 2 ? several : one);
    set->mapped->targets.dense = set->mapped->targets.dense && labels->element == AUXO_ELEMENT_F32;
    set->target_count = (uint32_t)set->mapped->targets.dims[0];
    set->target_names = calloc(set->target_count + 1, sizeof *set->target_names);
    for (uint32_t t = 0; set->target_names && t < set->target_count; t++) {
        char text[16];
        snprintf(text, sizeof text, "y%u", t + 1);
        if (!(set->target_names[t] = auxo__text_duplicate(text)))
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", labels->path);
    }
    return set->target_names ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", labels->path);
}

static auxo_status lay_out_labels(const auxo__array_source *source, const auxo_data_options *options, auxo_dataset *set,
                                  auxo_error *error)
{
    const auxo__npy *labels = source->labels;
    set->target_type = AUXO_TARGET_NONE;
    if (!labels->file || options->ignore_labels)
        return AUXO_OK;
    const bool column = labels->rank == 1 || (labels->rank == 2 && labels->dims[1] == 1);
    if (labels->rank < 1 || labels->rank > 2 || labels->dims[0] != set->row_count ||
        labels->dims[labels->rank - 1] == 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s has %u axes and %" PRIu64 " rows, but the inputs have %zu rows",
                              labels->path, labels->rank, labels->rank ? labels->dims[0] : 0, set->row_count);
    const bool integers = auxo__element_is_integer(labels->element);
    const bool classes = options->schema ? options->schema->target_type == AUXO_TARGET_CLASS
                                         : options->target_kind == AUXO_TARGET_KIND_CLASS ||
                                               (integers && options->target_kind == AUXO_TARGET_KIND_AUTO);
    set->mapped->labels_file = auxo__mapping_share(labels->file);
    if (!classes)
        return take_reals(labels, set, error);
    if (!column || !integers)
        return auxo_error_set(error, AUXO_FORMAT,
                              column ? "%s holds fractions, not the numbers of classes; save it with .astype(int)"
                                     : "%s has several integers a row: for one-hot classes save y.argmax(1), for "
                                       "numbers give target-kind real",
                              labels->path);
    static const uint32_t axes[3] = {0, 0, 0};
    set->target_type = AUXO_TARGET_CLASS;
    set->mapped->labels = rows_of(labels, axes);
    if (source->class_names)
        return name_classes(source, options->schema, set, error);
    return options->schema ? take_classes(options->schema, labels, set, error) : find_classes(labels, set, error);
}

/* ---- what the values are ----------------------------------------------------------------------------------------- */

typedef struct spread {
    double first, sum, squares;
    size_t count, gaps;
} spread;

static void add_to_spread(spread *column, double value)
{
    if (isnan(value)) {
        column->gaps++;
        return;
    }
    column->first = column->count ? column->first : value;
    column->sum += value - column->first;
    column->squares += (value - column->first) * (value - column->first);
    column->count++;
}

/* What to subtract in double so that f32 holds the column; 0 where it does anyway. */
static double offset_of(const spread *column)
{
    if (column->count == 0)
        return 0;
    const double count = (double)column->count, shift = column->sum / count;
    const double variance = column->squares / count - shift * shift, mean = column->first + shift;
    const bool small = sqrt(fmax(variance, 0)) < SMALL_SPREAD * fabs(mean);
    const bool exact = variance == 0 && (double)(float)column->first == column->first;
    return small && !exact ? mean : 0;
}

static auxo_status bad_value(const char *path, size_t row, int64_t column, double value, const char *advice,
                             auxo_error *error)
{
    if (isnan(value))
        return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu, value %" PRId64 " is missing (nan); %s", path, row + 1,
                              column + 1, advice);
    return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu, value %" PRId64 " is %g, which f32 cannot hold", path,
                          row + 1, column + 1, value);
}

/* Looks at every number once: is it one, and do columns need an offset? *offsets: (columns), owned, or NULL. advice:
 * what to do about a gap. */
static auxo_status inspect(const char *path, const auxo__file_array *array, size_t row_count, bool gaps_allowed,
                           const char *advice, double **offsets, auxo_error *error)
{
    const int64_t columns = array->dims[0], plane = array->dims[1] * array->dims[2];
    const bool is_float = !auxo__element_is_integer(array->element);
    if (auxo__element_bytes(array->element) < 4 && !is_float)
        return AUXO_OK;
    spread *all = calloc((size_t)columns, sizeof *all);
    if (!all)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    auxo_status status = AUXO_OK;
    for (size_t row = 0; row < row_count && status == AUXO_OK; row++) {
        const uint8_t *from = array->base + row * array->row_bytes;
        for (int64_t i = 0; i < columns * plane && status == AUXO_OK; i++) {
            const int64_t c = i / plane, h = i % plane / array->dims[2], w = i % array->dims[2];
            const double value = auxo__element_real(
                from + c * array->strides[0] + h * array->strides[1] + w * array->strides[2], array->element);
            if (isnan(value) ? !(gaps_allowed && plane == 1) : !(fabs(value) <= 3.4028235677973366e38))
                status = bad_value(path, row, i, value, advice, error);
            add_to_spread(&all[c], value);
        }
    }
    bool wanted = false;
    for (int64_t c = 0; c < columns; c++)
        wanted = wanted || offset_of(&all[c]) != 0;
    if (status == AUXO_OK && wanted && plane == 1 && !array->dense) {
        *offsets = auxo__array((size_t)columns, sizeof **offsets);
        for (int64_t c = 0; *offsets && c < columns; c++)
            (*offsets)[c] = offset_of(&all[c]);
        if (!*offsets)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    }
    free(all);
    return status;
}

/* Columns without names are called x1, x2, .. as those of a table without a header. */
static const char *column_name(const auxo__array_source *source, size_t column, char text[32])
{
    if (source->input_names)
        return source->input_names[column];
    snprintf(text, 32, "x%zu", column + 1);
    return text;
}

static auxo_status describe(const auxo__array_source *source, auxo_dataset *set, const auxo_data_options *options,
                            auxo_error *error)
{
    auxo_data_schema *schema = set->schema = auxo__schema_of_fields(set);
    const bool table = set->height * set->width == 1 && set->feature_type == AUXO_FEATURES_F32;
    bool good = schema != NULL;
    if (good && options->keep_missing)
        schema->missing = AUXO_MISSING_MEAN;
    if (good && table) {
        schema->inputs = calloc((size_t)set->channels + 1, sizeof *schema->inputs);
        set->feature_names = calloc((size_t)set->channels + 1, sizeof *set->feature_names);
        good = schema->inputs && set->feature_names;
    }
    for (int64_t c = 0; good && table && c < set->channels; c++) {
        char text[32];
        const char *name = column_name(source, (size_t)c, text);
        auxo_schema_input *input = &schema->inputs[schema->input_count++];
        *input = (auxo_schema_input){.name = auxo__text_duplicate(name),
                                     .offset = set->mapped->offsets ? set->mapped->offsets[c] : 0,
                                     .first_feature = (size_t)c};
        set->feature_names[c] = auxo__text_duplicate(name);
        good = input->name && set->feature_names[c];
    }
    if (good && set->mapped->target_offsets) {
        schema->target_offsets = auxo__array(set->target_count, sizeof *schema->target_offsets);
        good = schema->target_offsets != NULL;
        for (uint32_t t = 0; good && t < set->target_count; t++)
            schema->target_offsets[t] = set->mapped->target_offsets[t];
    }
    return good ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", set->name);
}

/* Columns by the names and in the order that the model knows. */
static auxo_status check_columns(const auxo__array_source *source, const auxo_dataset *set,
                                 const auxo_data_schema *schema, auxo_error *error)
{
    bool same = schema->input_count == (size_t)set->channels && set->height * set->width == 1;
    for (size_t i = 0; same && i < schema->input_count; i++) {
        char text[32];
        const auxo_schema_input *input = &schema->inputs[i];
        same = input->kind == AUXO_INPUT_NUMBER && strcmp(input->name, column_name(source, i, text)) == 0;
        if (!same && source->input_names)
            return auxo_error_set(error, AUXO_FORMAT, "%s: column %zu is '%.60s', but the model reads '%.60s'%s there",
                                  set->name, i + 1, source->input_names[i], input->name,
                                  input->kind == AUXO_INPUT_NUMBER ? "" : ", which is text,");
    }
    if (same)
        return AUXO_OK;
    return auxo_error_set(error, AUXO_FORMAT, "%s has %" PRId64 " columns%s, but the model knows %zu by name",
                          set->name, set->channels, source->input_names ? "" : " without names", schema->input_count);
}

static auxo_status take_model_form(const auxo__array_source *source, auxo_dataset *set, const auxo_data_schema *schema,
                                   auxo_error *error)
{
    auxo_mapped_rows *mapped = set->mapped;
    auxo_status status = schema->inputs ? check_columns(source, set, schema, error) : AUXO_OK;
    if (status != AUXO_OK)
        return status;
    bool wanted = false;
    for (size_t i = 0; schema->inputs && i < schema->input_count; i++)
        wanted = wanted || schema->inputs[i].offset != 0;
    mapped->offsets = wanted ? auxo__array(schema->input_count, sizeof *mapped->offsets) : NULL;
    for (size_t i = 0; mapped->offsets && i < schema->input_count; i++)
        mapped->offsets[i] = schema->inputs[i].offset;
    mapped->features.dense = mapped->features.dense && !mapped->offsets;
    if (set->target_type == AUXO_TARGET_REAL && schema->target_offsets && schema->target_count == set->target_count) {
        mapped->target_offsets = auxo__array(set->target_count, sizeof *mapped->target_offsets);
        for (uint32_t t = 0; mapped->target_offsets && t < set->target_count; t++)
            mapped->target_offsets[t] = schema->target_offsets[t];
        mapped->targets.dense = false;
    }
    return auxo_data_schema_copy(schema, &set->schema, error);
}

/* ---- one split --------------------------------------------------------------------------------------------------- */

static auxo_status finish_values(const auxo__array_source *source, const auxo_data_options *options, auxo_dataset *set,
                                 auxo_error *error)
{
    auxo_mapped_rows *mapped = set->mapped;
    double *offsets = NULL, *target_offsets = NULL;
    const bool gaps = options->keep_missing || (options->schema && options->schema->missing_values);
    auxo_status status = inspect(source->inputs->path, &mapped->features, set->row_count, gaps,
                                 "missing mean fills in the means of the training rows", &offsets, error);
    if (status == AUXO_OK && mapped->targets.base)
        status = inspect(source->labels->path, &mapped->targets, set->row_count, false, "leave that row out",
                         &target_offsets, error);
    if (status != AUXO_OK || options->schema) {
        free(offsets);
        free(target_offsets);
        return status == AUXO_OK ? take_model_form(source, set, options->schema, error) : status;
    }
    mapped->offsets = offsets;
    mapped->target_offsets = target_offsets;
    return describe(source, set, options, error);
}

auxo_status auxo__array_set(const auxo__array_source *source, const auxo_data_options *options, auxo_dataset **made,
                            auxo_error *error)
{
    auxo_dataset *set = *made = calloc(1, sizeof *set);
    if (!set || !(set->mapped = calloc(1, sizeof *set->mapped)))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", source->name);
    snprintf(set->name, sizeof set->name, "%s", source->name);
    auxo_status status = lay_out_inputs(source->inputs, set, error);
    if (status == AUXO_OK)
        status = lay_out_labels(source, options, set, error);
    if (status == AUXO_OK)
        status = finish_values(source, options, set, error);
    if (status == AUXO_OK && !options->map)
        status = auxo__mapped_load(made, error);
    return status == AUXO_OK ? auxo__limit_rows(made, options->limit, error) : status;
}

/* Test rows have the classes and offsets of the training rows. */
auxo_data_options auxo__array_form(const auxo_dataset *train, const auxo_data_options *options)
{
    auxo_data_options form = *options;
    form.schema = options->schema ? options->schema : train->schema;
    return form;
}
