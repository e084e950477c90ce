/* numpy.c: NumPy arrays as data sets: which array is what, and what its axes mean. Reading: npy.c, npz.c.
 *
 * Inputs: (rows, columns) is a table, (rows, H, W) grey pictures, (rows, H, W, C) or (rows, C, H, W) pictures of 1, 3
 * or 4 channels, the last axis before the second where both could be. uint8 is bytes (scaled to 0..1 as pictures are),
 * any other type numbers. Labels: integers and booleans are classes, floats are real targets; (rows) or (rows, T).
 */
#include "loaders.h"
#include "npy.h"
#include "schema.h"
#include "source.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { CLASSES_MAX = 65536 };
static const double SMALL_SPREAD = 1e-4; /* as for tables */

static bool ends_with(const char *name, const char *ending)
{
    const size_t length = strlen(name), end = strlen(ending);
    return length > end && strcasecmp(name + length - end, ending) == 0;
}

bool auxo__is_numpy_path(const char *name)
{
    return ends_with(name, ".npy") || ends_with(name, ".npz");
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static bool is_channels(uint64_t count)
{
    return count == 1 || count == 3 || count == 4;
}

/* Rows of an array whose axes 1.. are, in this order, C, H and W (axis 0: there is none). */
static auxo__file_array rows_of(const auxo__npy *array, const uint32_t axes[3])
{
    uint64_t strides[AUXO__NPY_RANK_MAX], step = auxo__element_bytes(array->element);
    for (uint32_t i = 0; i < array->rank; i++) {
        const uint32_t axis = array->columns_first ? i : array->rank - 1 - i;
        strides[axis] = step;
        step *= array->dims[axis];
    }
    auxo__file_array rows = {
        .base = array->values, .element = array->element, .shard_shift = 63, .row_bytes = strides[0]};
    uint64_t expected = auxo__element_bytes(array->element);
    rows.dense = array->element == AUXO__ELEMENT_U8 || array->element == AUXO__ELEMENT_F32;
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
    set->feature_type = array->element == AUXO__ELEMENT_U8 ? AUXO_FEATURES_U8 : AUXO_FEATURES_F32;
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
    const size_t step = auxo__element_bytes(labels->element);
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
    set->mapped->targets.dense = set->mapped->targets.dense && labels->element == AUXO__ELEMENT_F32;
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

static auxo_status lay_out_labels(const auxo__npy *labels, const auxo_data_options *options, auxo_dataset *set,
                                  auxo_error *error)
{
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

static auxo_status bad_value(const char *path, size_t row, int64_t column, double value, auxo_error *error)
{
    if (isnan(value))
        return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu, value %" PRId64 " is missing (nan)%s", path, row + 1,
                              column + 1, "; missing mean fills in the means of the training rows");
    return auxo_error_set(error, AUXO_FORMAT, "%s: row %zu, value %" PRId64 " is %g, which f32 cannot hold", path,
                          row + 1, column + 1, value);
}

/* Looks at every number once: is it one, and do columns need an offset? *offsets: (columns), owned, or NULL. */
static auxo_status inspect(const char *path, const auxo__file_array *array, size_t row_count, bool gaps_allowed,
                           double **offsets, auxo_error *error)
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
                status = bad_value(path, row, i, value, error);
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

/* Columns of a table are called x1, x2, .. as those of a table without a header. */
static auxo_status describe(auxo_dataset *set, const auxo_data_options *options, auxo_error *error)
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
        char name[32];
        snprintf(name, sizeof name, "x%" PRId64, c + 1);
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

/* The columns of an array have no names: a model of one must have been trained on an array, or without a header. */
static auxo_status take_model_form(auxo_dataset *set, const auxo_data_schema *schema, auxo_error *error)
{
    auxo_mapped_rows *mapped = set->mapped;
    bool same = schema->input_count == (size_t)set->channels && set->height * set->width == 1;
    for (size_t i = 0; schema->inputs && same && i < schema->input_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "x%zu", i + 1);
        same = strcmp(schema->inputs[i].name, name) == 0 && schema->inputs[i].kind == AUXO_INPUT_NUMBER;
    }
    if (schema->inputs && !same)
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s has %" PRId64 " columns without names, but the model knows %zu by name", set->name,
                              set->channels, schema->input_count);
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

static auxo_status finish_values(const auxo__npy *inputs, const auxo__npy *labels, const auxo_data_options *options,
                                 auxo_dataset *set, auxo_error *error)
{
    auxo_mapped_rows *mapped = set->mapped;
    double *offsets = NULL, *target_offsets = NULL;
    const bool gaps = options->keep_missing || (options->schema && options->schema->missing_values);
    auxo_status status = inspect(inputs->path, &mapped->features, set->row_count, gaps, &offsets, error);
    if (status == AUXO_OK && mapped->targets.base)
        status = inspect(labels->path, &mapped->targets, set->row_count, false, &target_offsets, error);
    if (status != AUXO_OK || options->schema) {
        free(offsets);
        free(target_offsets);
        return status == AUXO_OK ? take_model_form(set, options->schema, error) : status;
    }
    mapped->offsets = offsets;
    mapped->target_offsets = target_offsets;
    return describe(set, options, error);
}

static auxo_status make_set(const char *path, const auxo__npy *inputs, const auxo__npy *labels,
                            const auxo_data_options *options, auxo_dataset **made, auxo_error *error)
{
    auxo_dataset *set = *made = calloc(1, sizeof *set);
    if (!set || !(set->mapped = calloc(1, sizeof *set->mapped)))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
    const char *slash = strrchr(path, '/');
    snprintf(set->name, sizeof set->name, "%s", slash ? slash + 1 : path);
    auxo_status status = lay_out_inputs(inputs, set, error);
    if (status == AUXO_OK)
        status = lay_out_labels(labels, options, set, error);
    if (status == AUXO_OK)
        status = finish_values(inputs, labels, options, set, error);
    if (status == AUXO_OK && set->mapped->features_file->in_memory)
        set->mapped->content_hash = 0;
    if (status == AUXO_OK && !options->map)
        status = auxo__mapped_load(made, error);
    return status == AUXO_OK ? auxo__limit_rows(made, options->limit, error) : status;
}

/* Test rows have the classes and offsets of the training rows. */
static auxo_data_options in_form_of(const auxo_dataset *train, const auxo_data_options *options)
{
    auxo_data_options form = *options;
    form.schema = options->schema ? options->schema : train->schema;
    return form;
}

/* ---- archives ---------------------------------------------------------------------------------------------------- */

#define COUNT(names) (sizeof(names) / sizeof *(names))

static auxo_status load_archive(const char *path, const auxo_data_options *options, auxo_dataset **train,
                                auxo_dataset **test, auxo_error *error)
{
    static const char *const input_names[] = {"x_train", "X_train", "x", "X", "data", "images", "features", "inputs"};
    static const char *const label_names[] = {"y_train", "Y_train", "y", "Y", "labels", "targets", "target", "label"};
    static const char *const test_input_names[] = {"x_test", "X_test"}, *const test_label_names[] = {"y_test",
                                                                                                     "Y_test"};
    auxo__mapping *archive = NULL;
    auxo__npy arrays[4] = {{0}};
    auxo_status status = auxo__mapping_open(path, &archive, error);
    if (status == AUXO_OK)
        status = auxo__npz_open(archive, input_names, COUNT(input_names), &arrays[0], error);
    if (status == AUXO_OK && !arrays[0].file)
        status = auxo_error_set(error, AUXO_NOT_FOUND,
                                "%s has no array called X (or x_train, x, data, images, features, inputs)", path);
    if (status == AUXO_OK)
        status = auxo__npz_open(archive, label_names, COUNT(label_names), &arrays[1], error);
    if (status == AUXO_OK)
        status = auxo__npz_open(archive, test_input_names, COUNT(test_input_names), &arrays[2], error);
    if (status == AUXO_OK && arrays[2].file)
        status = auxo__npz_open(archive, test_label_names, COUNT(test_label_names), &arrays[3], error);
    if (status == AUXO_OK)
        status = make_set(path, &arrays[0], &arrays[1], options, train, error);
    if (status == AUXO_OK && arrays[2].file) {
        const auxo_data_options form = in_form_of(*train, options);
        status = make_set(path, &arrays[2], &arrays[3], &form, test, error);
    }
    for (size_t i = 0; i < COUNT(arrays); i++)
        auxo__npy_deinit(&arrays[i]);
    auxo__mapping_release(archive);
    return status;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* `path` with the first `from` in its file name replaced; false: it has none, or there is no such file. */
static bool sibling(const char *path, const char *from, const char *to, bool at_start, char *found)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *at = at_start ? (strncmp(name, from, strlen(from)) == 0 ? name : NULL) : strstr(name, from);
    if (!at)
        return false;
    const int length = snprintf(found, AUXO__PATH_SIZE, "%.*s%s%s", (int)(at - path), path, to, at + strlen(from));
    return length > 0 && length < AUXO__PATH_SIZE && access(found, R_OK) == 0;
}

/* X.npy has y.npy beside it, images.npy labels.npy. */
static bool find_labels(const char *path, char *found)
{
    static const char *const inputs[] = {"images", "features", "inputs", "data"};
    static const char *const labels[] = {"labels", "targets", "y"};
    if (sibling(path, "X", "y", true, found) || sibling(path, "x", "y", true, found))
        return true;
    for (size_t i = 0; i < COUNT(inputs); i++)
        for (size_t k = 0; k < COUNT(labels); k++)
            if (sibling(path, inputs[i], labels[k], false, found))
                return true;
    return false;
}

static auxo_status load_pair(const char *path, const char *labels_path, const auxo_data_options *options,
                             auxo_dataset **set, auxo_error *error)
{
    auxo__npy inputs = {0}, labels = {0};
    auxo_status status = auxo__npy_open(path, &inputs, error);
    if (status == AUXO_OK && labels_path && !options->ignore_labels)
        status = auxo__npy_open(labels_path, &labels, error);
    if (status == AUXO_OK)
        status = make_set(path, &inputs, &labels, options, set, error);
    if (status == AUXO_OK && labels_path && !options->ignore_labels)
        auxo__note_add((*set)->note, sizeof(*set)->note, "labels: %s", labels_path);
    auxo__npy_deinit(&inputs);
    auxo__npy_deinit(&labels);
    return status;
}

auxo_status auxo__load_numpy(const char *path, const auxo_data_options *options, auxo_dataset **train,
                             auxo_dataset **test, auxo_error *error)
{
    char labels[AUXO__PATH_SIZE], test_inputs[AUXO__PATH_SIZE], test_labels[AUXO__PATH_SIZE];
    if (options->input_columns || options->target_columns || options->drop_missing)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s: inputs, targets and missing drop are for tables, not for arrays", path);
    if (ends_with(path, ".npz"))
        return load_archive(path, options, train, test, error);
    const char *given = options->labels_file;
    const bool found = !given && find_labels(path, labels);
    auxo_status status = load_pair(path, given ? given : found ? labels : NULL, options, train, error);
    if (status != AUXO_OK || given || !sibling(path, "train", "test", false, test_inputs))
        return status;
    const bool has_labels = find_labels(test_inputs, test_labels);
    const auxo_data_options form = in_form_of(*train, options);
    return load_pair(test_inputs, has_labels ? test_labels : NULL, &form, test, error);
}
