/* schema.c: the life of a data schema: copied, destroyed, made of a data set's fields, compared with them.
 *
 * Implements schema.h and the plain part of auxo/schema.h; JSON is in schema_json.c.
 */
#include "schema.h"

#include "dataset.h"
#include "number.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void auxo__schema_clear_inputs(auxo_data_schema *schema)
{
    for (size_t i = 0; schema->inputs && i < schema->input_count; i++) {
        free(schema->inputs[i].name);
        auxo__names_destroy(schema->inputs[i].levels, schema->inputs[i].level_count);
    }
    free(schema->inputs);
    schema->inputs = NULL;
    schema->input_count = 0;
}

void auxo_data_schema_destroy(auxo_data_schema *schema)
{
    if (!schema)
        return;
    auxo__schema_clear_inputs(schema);
    auxo__names_destroy(schema->targets, schema->target_count);
    auxo__names_destroy(schema->classes, schema->class_count);
    free(schema->target_offsets);
    free(schema->event_level);
    free(schema->group_column);
    free(schema->site_column);
    free(schema->picture_column);
    free(schema->missing_values);
    free(schema);
}

/* A copy of `size` bytes, or NULL; *good becomes false when there is no memory for one. */
static void *copied(const void *from, size_t size, bool *good)
{
    void *copy = from ? malloc(size ? size : 1) : NULL;
    if (copy && size > 0)
        memcpy(copy, from, size);
    *good = *good && (copy || !from);
    return copy;
}

static char **copied_names(char **names, size_t count, bool *good)
{
    char **copy = names ? auxo__names_copy((const char *const *)names, count) : NULL;
    *good = *good && (copy || !names);
    return copy;
}

static char *copied_text(const char *text, bool *good)
{
    char *copy = text ? auxo__text_duplicate(text) : NULL;
    *good = *good && (copy || !text);
    return copy;
}

static void copy_inputs(const auxo_data_schema *from, auxo_data_schema *to, bool *good)
{
    if (!from->inputs)
        return;
    to->inputs = calloc(from->input_count + 1, sizeof *to->inputs);
    to->input_count = to->inputs ? from->input_count : 0;
    *good = *good && to->inputs;
    for (size_t i = 0; i < to->input_count; i++) {
        to->inputs[i] = from->inputs[i];
        to->inputs[i].name = copied_text(from->inputs[i].name, good);
        to->inputs[i].levels = copied_names(from->inputs[i].levels, from->inputs[i].level_count, good);
    }
}

auxo_status auxo_data_schema_copy(const auxo_data_schema *schema, auxo_data_schema **copy, auxo_error *error)
{
    *copy = NULL;
    auxo_data_schema *made = malloc(sizeof *made);
    if (made) {
        bool good = true;
        *made = *schema;
        made->inputs = NULL;
        made->input_count = 0;
        copy_inputs(schema, made, &good);
        made->targets = copied_names(schema->targets, schema->target_count, &good);
        made->classes = copied_names(schema->classes, schema->class_count, &good);
        made->event_level = copied_text(schema->event_level, &good);
        made->group_column = copied_text(schema->group_column, &good);
        made->site_column = copied_text(schema->site_column, &good);
        made->picture_column = copied_text(schema->picture_column, &good);
        made->target_offsets =
            copied(schema->target_offsets, schema->target_count * sizeof *schema->target_offsets, &good);
        made->missing_values =
            copied(schema->missing_values, (size_t)schema->channels * sizeof *schema->missing_values, &good);
        if (good) {
            *copy = made;
            return AUXO_OK;
        }
        auxo_data_schema_destroy(made);
    }
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no memory for the description of a data set");
}

auxo_data_schema *auxo__schema_of_fields(const auxo_dataset *dataset)
{
    auxo_data_schema *schema = calloc(1, sizeof *schema);
    if (!schema)
        return NULL;
    bool good = true;
    schema->channels = dataset->channels;
    schema->height = dataset->height;
    schema->width = dataset->width;
    schema->feature_type = dataset->feature_type;
    schema->target_type = dataset->target_type;
    if (dataset->target_type == AUXO_TARGET_CLASS) {
        schema->class_count = dataset->class_count;
        schema->classes = copied_names(dataset->target_names, dataset->class_count, &good);
    } else if (dataset->target_type == AUXO_TARGET_REAL) {
        schema->target_count = dataset->target_count;
        schema->targets = copied_names(dataset->target_names, dataset->target_count, &good);
    }
    if (good)
        return schema;
    auxo_data_schema_destroy(schema);
    return NULL;
}

auxo_status auxo__schema_check_fields(const auxo_data_schema *schema, const auxo_dataset *dataset, auxo_error *error)
{
    const bool columns = dataset->schema && dataset->schema->inputs;
    if (schema->inputs && !columns)
        return auxo_error_set(error, AUXO_FORMAT, "%s is not a table, but the model was trained on %s of one",
                              dataset->name, schema->picture_column ? "pictures and columns" : "the columns");
    if (schema->channels != dataset->channels || schema->height != dataset->height || schema->width != dataset->width)
        return auxo_error_set(
            error, AUXO_FORMAT, "%s has rows of %lldx%lldx%lld, but the model was trained on %lldx%lldx%lld",
            dataset->name, (long long)dataset->channels, (long long)dataset->height, (long long)dataset->width,
            (long long)schema->channels, (long long)schema->height, (long long)schema->width);
    if (dataset->target_type != AUXO_TARGET_CLASS || schema->target_type != AUXO_TARGET_CLASS)
        return AUXO_OK;
    if (schema->class_count != dataset->class_count)
        return auxo_error_set(error, AUXO_FORMAT, "%s has %u classes, but the model was trained on %u", dataset->name,
                              dataset->class_count, schema->class_count);
    for (uint32_t i = 0; schema->classes && dataset->target_names && i < schema->class_count; i++)
        if (strcmp(schema->classes[i], dataset->target_names[i]) != 0)
            return auxo_error_set(error, AUXO_FORMAT, "%s: class %u is '%.60s', but '%.60s' to the model",
                                  dataset->name, i, dataset->target_names[i], schema->classes[i]);
    return AUXO_OK;
}

size_t auxo__schema_width(const auxo_data_schema *schema)
{
    if (!schema->inputs || schema->input_count == 0)
        return 0;
    const auxo_schema_input *last = &schema->inputs[schema->input_count - 1];
    return last->first_feature + (last->kind == AUXO_INPUT_CATEGORY ? last->level_count : 1);
}

const auxo_schema_input *auxo_data_schema_input(const auxo_data_schema *schema, size_t feature, size_t *level)
{
    size_t low = 0, high = schema->input_count;
    /* Columns beside pictures follow the pictures' own channels. */
    const size_t before = schema->picture_column ? (size_t)schema->channels - auxo__schema_width(schema) : 0;
    if (feature < before)
        return NULL;
    feature -= before;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (schema->inputs[middle].first_feature <= feature)
            low = middle;
        else
            high = middle;
    }
    if (!schema->inputs || schema->input_count == 0)
        return NULL;
    const auxo_schema_input *input = &schema->inputs[low];
    size_t width = input->kind == AUXO_INPUT_CATEGORY ? input->level_count : 1;
    if (feature < input->first_feature || feature - input->first_feature >= width)
        return NULL;
    if (level)
        *level = feature - input->first_feature;
    return input;
}

void auxo__note_add(char *note, size_t size, const char *format, ...)
{
    size_t used = strlen(note);
    if (used > 0 && used + 3 < size) {
        memcpy(note + used, "; ", 3);
        used += 2;
    }
    va_list arguments;
    va_start(arguments, format);
    int length = auxo__number_vprint(note + used, size - used, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length >= size - used && size > 3)
        memcpy(note + size - 3, "..", 3);
}
