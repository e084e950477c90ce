/* table_pictures.c: a table that names pictures: one column holds paths, others the targets.
 *
 * Paths are relative to the table's folder, or absolute. The labels are those that the table alone would make, with the
 * columns beside the pictures and, last, the picture's number as its inputs; then the pictures take the number's place.
 * A value beside a picture is a channel behind the picture's own, the same at every pixel: so every network of pictures
 * reads it.
 */
#include "table_pictures.h"

#include "dataset.h"
#include "pictures.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static auxo_status no_memory(const auxo_table *table, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for its pictures", table->path);
}

/* Replaces the text column of paths by the numbers of its levels; *paths receives the levels. */
static auxo_status number_paths(auxo_table *table, const char *name, char ***paths, size_t *path_count,
                                auxo_error *error)
{
    size_t index = 0;
    auxo_status status = auxo_table_find(table, name, &index, error);
    if (status != AUXO_OK)
        return status;
    auxo_column *column = &table->columns[index];
    if (column->type != AUXO_COLUMN_CATEGORICAL)
        return auxo_error_set(error, AUXO_FORMAT, "%s: column '%.60s' holds numbers, not paths of pictures",
                              table->path, name);
    column->numbers = auxo__array(table->row_count, sizeof *column->numbers);
    if (!column->numbers)
        return no_memory(table, error);
    for (size_t row = 0; row < table->row_count; row++)
        column->numbers[row] = column->codes[row] == AUXO_LEVEL_MISSING ? NAN : column->codes[row];
    *paths = column->levels;
    *path_count = column->level_count;
    column->type = AUXO_COLUMN_NUMERIC;
    column->levels = NULL;
    column->level_count = 0;
    free(column->codes);
    column->codes = NULL;
    return AUXO_OK;
}

/* The schema with the path as its last input. */
static auxo_status schema_with_path(const auxo_data_schema *schema, const char *name, auxo_data_schema **copy,
                                    auxo_error *error)
{
    auxo_status status = auxo_data_schema_copy(schema, copy, error);
    if (status != AUXO_OK)
        return status;
    auxo_data_schema *made = *copy;
    const size_t width = auxo__schema_width(made);
    free(made->missing_values);
    made->missing_values = NULL;
    made->channels = (int64_t)width + 1;
    made->height = made->width = 1;
    auxo_schema_input *inputs = realloc(made->inputs, (made->input_count + 1) * sizeof *inputs);
    if (inputs) {
        made->inputs = inputs;
        inputs[made->input_count] = (auxo_schema_input){.name = auxo__text_duplicate(name), .first_feature = width};
        made->input_count += inputs[made->input_count].name != NULL;
    }
    return inputs && made->input_count > 0 && inputs[made->input_count - 1].first_feature == width
               ? AUXO_OK
               : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no memory for column names");
}

static auxo_status make_labels(const auxo_table *table, const char *name, const auxo_table_roles *roles,
                               const char *column, auxo_dataset **labels, auxo_error *error)
{
    auxo_table_roles with_path = *roles;
    auxo_data_schema *schema = NULL;
    const char **columns = auxo__array(roles->input_column_count + 1, sizeof *columns);
    auxo_status status = columns ? AUXO_OK : no_memory(table, error);
    if (status == AUXO_OK && roles->schema)
        status = schema_with_path(roles->schema, column, &schema, error);
    for (size_t i = 0; status == AUXO_OK && i < roles->input_column_count; i++)
        columns[i] = roles->input_columns[i];
    if (status == AUXO_OK) {
        columns[roles->input_column_count] = column;
        with_path.input_columns = columns;
        with_path.input_column_count = roles->input_column_count + 1;
        with_path.keep_missing = false;
        with_path.schema = schema;
        status = auxo_table_dataset(table, name, &with_path, labels, error);
    }
    free((void *)columns);
    auxo_data_schema_destroy(schema);
    return status;
}

/* Moves everything but the features from the labels to the pictures. */
static void take_labels(auxo_dataset *labels, auxo_dataset *pictures)
{
    free(pictures->labels);
    free(pictures->targets);
    free(pictures->times);
    free(pictures->events);
    pictures->class_count = labels->class_count;
    pictures->labels = labels->labels;
    pictures->target_count = labels->target_count;
    pictures->targets = labels->targets;
    pictures->times = labels->times;
    pictures->events = labels->events;
    pictures->target_names = labels->target_names;
    pictures->groups = labels->groups;
    pictures->sites = labels->sites;
    pictures->site_names = labels->site_names;
    pictures->site_count = labels->site_count;
    labels->site_names = NULL;
    pictures->row_numbers = labels->row_numbers;
    memcpy(pictures->note, labels->note, sizeof pictures->note);
    labels->labels = labels->events = labels->groups = labels->sites = labels->row_numbers = NULL;
    labels->targets = NULL;
    labels->times = NULL;
    labels->target_names = NULL;
}

/* The schema of the labels without the path, and with the pictures. */
static auxo_status describe(auxo_dataset *labels, const auxo_picture_rule *rule, const char *column,
                            auxo_dataset *pictures, auxo_error *error)
{
    auxo_data_schema *schema = pictures->schema = labels->schema;
    labels->schema = NULL;
    if (schema->input_count > 1)
        free(schema->inputs[--schema->input_count].name);
    else
        auxo__schema_clear_inputs(schema);
    schema->channels = pictures->channels;
    schema->height = pictures->height;
    schema->width = pictures->width;
    schema->feature_type = pictures->feature_type;
    schema->pictures = *rule;
    free(schema->picture_column);
    schema->picture_column = auxo__text_duplicate(column);
    return schema->picture_column ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no memory for column names");
}

static char *folder_of(const char *path)
{
    char *folder = auxo__text_duplicate(path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        *slash = '\0';
    else if (folder)
        folder[0] = '\0';
    return folder;
}

static auxo_status read_pictures(const auxo_table *table, const char *name, char *const *levels, auxo_dataset *labels,
                                 const auxo_picture_rule *rule, auxo_dataset **dataset, auxo_error *error)
{
    char **paths = auxo__array(labels->row_count, sizeof *paths);
    char *folder = folder_of(table->path);
    const float *numbers = labels->features;
    const size_t width = (size_t)labels->channels;
    auxo_status status = paths && folder ? AUXO_OK : no_memory(table, error);
    for (size_t row = 0; status == AUXO_OK && row < labels->row_count; row++)
        paths[row] = levels[(size_t)numbers[row * width + width - 1]];
    const auxo__picture_list list = {
        .folder = folder, .paths = paths, .count = labels->row_count, .rule = rule, .target_type = labels->target_type};
    if (status == AUXO_OK)
        status = auxo__pictures_read(name, &list, dataset, error);
    free(paths);
    free(folder);
    return status;
}

/* ---- values beside pictures -------------------------------------------------------------------------------------- */

static char **name_channels(const auxo_dataset *labels, size_t own, size_t beside)
{
    char **names = calloc(own + beside + 1, sizeof *names);
    for (size_t c = 0; names && c < own + beside; c++) {
        char text[32];
        snprintf(text, sizeof text, "channel %zu", c + 1);
        names[c] = auxo__text_duplicate(c < own ? text : labels->feature_names[c - own]);
        if (!names[c]) {
            auxo__names_destroy(names, own + beside);
            return NULL;
        }
    }
    return names;
}

/* The pictures of a row, then a plane for each value. */
static void join_row(const auxo_dataset *pictures, const auxo_dataset *labels, size_t row, size_t beside, float *to)
{
    const size_t pixels = (size_t)(pictures->height * pictures->width), values = (size_t)pictures->channels * pixels;
    const float *extra = (const float *)labels->features + row * (beside + 1);
    memcpy(to, (const float *)pictures->features + row * values, values * sizeof *to);
    for (size_t c = 0; c < beside; c++)
        for (size_t i = 0; i < pixels; i++)
            to[values + c * pixels + i] = extra[c];
}

static auxo_status join(const auxo_table *table, const auxo_dataset *labels, auxo_dataset *pictures, auxo_error *error)
{
    const size_t beside = (size_t)labels->channels - 1, own = (size_t)pictures->channels;
    const size_t values = (own + beside) * (size_t)(pictures->height * pictures->width);
    if (beside == 0)
        return AUXO_OK;
    auxo_status status = auxo__pictures_widen(pictures, pictures->row_count, error);
    if (status != AUXO_OK)
        return status;
    float *features = auxo__array(pictures->row_count, values * sizeof *features);
    char **names = name_channels(labels, own, beside);
    if (!features || !names) {
        free(features);
        auxo__names_destroy(names, own + beside);
        return no_memory(table, error);
    }
    for (size_t row = 0; row < pictures->row_count; row++)
        join_row(pictures, labels, row, beside, features + row * values);
    free(pictures->features);
    auxo__names_destroy(pictures->feature_names, own);
    pictures->features = features;
    pictures->feature_names = names;
    pictures->channels = (int64_t)(own + beside);
    return AUXO_OK;
}

auxo_status auxo__table_pictures(auxo_table *table, const char *name, const char *column, const auxo_table_roles *roles,
                                 const auxo_picture_rule *rule, size_t limit, auxo_dataset **dataset, auxo_error *error)
{
    enum { PATHS_MAX = 1 << 24 }; /* their numbers are f32 on the way */
    char **levels = NULL;
    size_t level_count = 0;
    auxo_dataset *labels = NULL;
    auxo_status status = number_paths(table, column, &levels, &level_count, error);
    if (status == AUXO_OK && level_count > PATHS_MAX)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: more than %d pictures", table->path, (int)PATHS_MAX);
    if (status == AUXO_OK)
        status = make_labels(table, name, roles, column, &labels, error);
    if (status == AUXO_OK)
        status = auxo__limit_rows(&labels, limit, error);
    if (status == AUXO_OK)
        status = read_pictures(table, name, levels, labels, rule, dataset, error);
    if (status == AUXO_OK)
        status = join(table, labels, *dataset, error);
    if (status == AUXO_OK) {
        take_labels(labels, *dataset);
        status = describe(labels, rule, column, *dataset, error);
    }
    auxo_dataset_destroy(labels);
    auxo__names_destroy(levels, level_count);
    return status;
}
