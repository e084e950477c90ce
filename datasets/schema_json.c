/* schema_json.c: a data schema as JSON text, both ways (cJSON does the syntax).
 *
 * {"shape":[3,1,1],"inputs":[{"name":"age","offset":..},{"name":"tree","levels":[..]}],"target":"class",..}. 64-bit
 * numbers are texts: JSON's numbers are doubles. A file is not trusted: every count and kind is checked.
 */
#include "json.h"
#include "json_tree.h"
#include "schema.h"

#include "dataset.h"
#include "number.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const target_nouns[] = {"class", "real", "survival", "none"};
static const char *const missing_nouns[] = {"refuse", "drop", "mean"};
static const char *const fit_nouns[] = {"stretch", "crop", "pad"};
static const char *const colour_nouns[] = {"as_is", "grey", "colour"};

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void add_u64(cJSON *object, const char *key, uint64_t value, const char *format)
{
    char text[32];
    snprintf(text, sizeof text, format, value);
    auxo__tree_text(object, key, text);
}

static void add_inputs(cJSON *root, const auxo_data_schema *schema)
{
    cJSON *list = schema->inputs ? auxo__tree_add(root, "inputs", cJSON_CreateArray()) : NULL;
    for (size_t i = 0; list && i < schema->input_count; i++) {
        const auxo_schema_input *input = &schema->inputs[i];
        cJSON *item = cJSON_CreateObject();
        auxo__tree_text(item, "name", input->name);
        if (input->kind == AUXO_INPUT_CATEGORY)
            auxo__tree_texts(item, "levels", input->levels, input->level_count);
        else if (input->offset != 0)
            auxo__tree_number(item, "offset", input->offset);
        auxo__tree_add(list, NULL, item);
    }
}

static void add_pictures(cJSON *root, const auxo_picture_rule *rule)
{
    const int size[2] = {(int)rule->height, (int)rule->width};
    const int padding[3] = {rule->padding[0], rule->padding[1], rule->padding[2]};
    cJSON *object = auxo__tree_add(root, "pictures", cJSON_CreateObject());
    if (rule->height)
        auxo__tree_add(object, "resize", cJSON_CreateIntArray(size, 2));
    auxo__tree_text(object, "fit", fit_nouns[rule->fit]);
    auxo__tree_text(object, "colour", colour_nouns[rule->colour]);
    auxo__tree_add(object, "padding", cJSON_CreateIntArray(padding, 3));
}

auxo_status auxo_data_schema_describe(const auxo_data_schema *schema, char **text, auxo_error *error)
{
    auxo__number_scope scope = auxo__number_scope_enter();
    const double shape[3] = {(double)schema->channels, (double)schema->height, (double)schema->width};
    cJSON *root = cJSON_CreateObject();
    auxo__tree_add(root, "shape", cJSON_CreateDoubleArray(shape, 3));
    auxo__tree_text(root, "features", schema->feature_type == AUXO_FEATURES_U8 ? "u8" : "f32");
    add_inputs(root, schema);
    if (!schema->inputs || schema->picture_column)
        add_pictures(root, &schema->pictures);
    if (schema->picture_column)
        auxo__tree_text(root, "picture_column", schema->picture_column);
    auxo__tree_text(root, "target", target_nouns[schema->target_type]);
    auxo__tree_texts(root, "targets", schema->targets, schema->target_count);
    auxo__tree_number(root, "target_count", (double)schema->target_count);
    if (schema->target_offsets)
        auxo__tree_add(root, "target_offsets",
                       cJSON_CreateDoubleArray(schema->target_offsets, (int)schema->target_count));
    auxo__tree_texts(root, "classes", schema->classes, schema->class_count);
    auxo__tree_number(root, "class_count", schema->class_count);
    if (schema->group_column)
        auxo__tree_text(root, "group_column", schema->group_column);
    if (schema->site_column)
        auxo__tree_text(root, "site_column", schema->site_column);
    if (schema->event_level)
        auxo__tree_text(root, "event_level", schema->event_level);
    auxo__tree_text(root, "missing", missing_nouns[schema->missing]);
    if (schema->missing_values)
        auxo__tree_add(root, "missing_values", cJSON_CreateFloatArray(schema->missing_values, (int)schema->channels));
    auxo__tree_number(root, "split_fraction", schema->split_fraction);
    add_u64(root, "split_seed", schema->split_seed, "%" PRIu64);
    add_u64(root, "rows", schema->row_count, "%" PRIu64);
    add_u64(root, "content_hash", schema->content_hash, "%016" PRIx64);
    auxo_status status = auxo__tree_print(root, false, text, error);
    auxo__number_scope_leave(scope);
    return status;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* *problem: the first key that is wrong; NULL so far. */
typedef struct schema_reader {
    const cJSON *root;
    const char *problem;
    bool no_memory;
} schema_reader;

static const cJSON *item_of(const schema_reader *reader, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(reader->root, key);
}

static void wrong(schema_reader *reader, const char *key)
{
    reader->problem = reader->problem ? reader->problem : key;
}

static double read_number(schema_reader *reader, const char *key, double most)
{
    const cJSON *item = item_of(reader, key);
    if (cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= most)
        return item->valuedouble;
    if (item)
        wrong(reader, key);
    return 0;
}

static size_t read_count(schema_reader *reader, const char *key)
{
    double value = read_number(reader, key, 1e9);
    if (value != floor(value))
        wrong(reader, key);
    return (size_t)value;
}

static uint64_t read_u64(schema_reader *reader, const char *key, int base)
{
    const cJSON *item = item_of(reader, key);
    char *end = NULL;
    uint64_t value = cJSON_IsString(item) ? strtoull(item->valuestring, &end, base) : 0;
    if (item && (!end || *end))
        wrong(reader, key);
    return value;
}

static int read_noun(schema_reader *reader, const char *key, const char *const *nouns, int count)
{
    const cJSON *item = item_of(reader, key);
    for (int i = 0; cJSON_IsString(item) && i < count; i++)
        if (strcmp(item->valuestring, nouns[i]) == 0)
            return i;
    if (item)
        wrong(reader, key);
    return 0;
}

static char **read_names(schema_reader *reader, const cJSON *list, const char *key, size_t *count)
{
    const cJSON *item;
    *count = 0;
    if (!list)
        return NULL;
    if (!cJSON_IsArray(list)) {
        wrong(reader, key);
        return NULL;
    }
    char **names = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *names);
    reader->no_memory = reader->no_memory || !names;
    cJSON_ArrayForEach(item, list)
    {
        if (!names)
            break;
        if (!cJSON_IsString(item))
            wrong(reader, key);
        names[*count] = auxo__text_duplicate(cJSON_IsString(item) ? item->valuestring : "");
        reader->no_memory = reader->no_memory || !names[*count];
        *count += names[*count] != NULL;
    }
    return names;
}

/* `count` finite numbers, or NULL where the key is absent. */
static double *read_doubles(schema_reader *reader, const char *key, size_t count)
{
    const cJSON *list = item_of(reader, key), *item;
    if (!list)
        return NULL;
    if (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != count) {
        wrong(reader, key);
        return NULL;
    }
    double *values = calloc(count + 1, sizeof *values);
    reader->no_memory = reader->no_memory || !values;
    size_t i = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
            wrong(reader, key);
        else if (values && i < count)
            values[i++] = item->valuedouble;
    }
    return values;
}

static void read_inputs(schema_reader *reader, auxo_data_schema *schema)
{
    const cJSON *list = item_of(reader, "inputs"), *item;
    if (!list)
        return;
    size_t count = (size_t)cJSON_GetArraySize(list), feature = 0;
    schema->inputs = calloc(count + 1, sizeof *schema->inputs);
    reader->no_memory = reader->no_memory || !schema->inputs;
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "name");
        const cJSON *levels = cJSON_GetObjectItemCaseSensitive(item, "levels");
        const cJSON *offset = cJSON_GetObjectItemCaseSensitive(item, "offset");
        if (!schema->inputs || !cJSON_IsString(name) || (offset && !cJSON_IsNumber(offset))) {
            wrong(reader, "inputs");
            return;
        }
        auxo_schema_input *input = &schema->inputs[schema->input_count++];
        input->name = auxo__text_duplicate(name->valuestring);
        reader->no_memory = reader->no_memory || !input->name;
        input->kind = levels ? AUXO_INPUT_CATEGORY : AUXO_INPUT_NUMBER;
        input->offset = offset ? offset->valuedouble : 0;
        input->first_feature = feature;
        input->levels = read_names(reader, levels, "inputs", &input->level_count);
        feature += levels ? input->level_count : 1;
    }
    /* Beside pictures there are channels of theirs, too. */
    const bool beside = item_of(reader, "picture_column") != NULL;
    const size_t channels = (size_t)schema->channels;
    if (!cJSON_IsArray(list) || (beside ? feature >= channels || count == 0 : feature != channels))
        wrong(reader, "inputs");
}

static void read_pictures(schema_reader *outer, auxo_picture_rule *rule)
{
    schema_reader reader = {.root = item_of(outer, "pictures")};
    if (!reader.root)
        return;
    if (item_of(&reader, "resize")) {
        double *size = read_doubles(&reader, "resize", 2);
        if (!size || !(size[0] >= 1 && size[0] <= 65536 && size[1] >= 1 && size[1] <= 65536))
            wrong(&reader, "resize");
        else
            rule->height = (uint32_t)size[0], rule->width = (uint32_t)size[1];
        free(size);
    }
    rule->fit = (auxo_picture_fit)read_noun(&reader, "fit", fit_nouns, 3);
    rule->colour = (auxo_picture_colour)read_noun(&reader, "colour", colour_nouns, 3);
    double *padding = read_doubles(&reader, "padding", 3);
    for (int i = 0; padding && i < 3; i++) {
        if (padding[i] >= 0 && padding[i] <= 255)
            rule->padding[i] = (uint8_t)padding[i];
        else
            wrong(&reader, "padding");
    }
    free(padding);
    outer->no_memory = outer->no_memory || reader.no_memory;
    if (reader.problem)
        wrong(outer, "pictures");
}

static void read_missing(schema_reader *reader, auxo_data_schema *schema)
{
    schema->missing = (auxo_missing_rule)read_noun(reader, "missing", missing_nouns, 3);
    double *values = read_doubles(reader, "missing_values", (size_t)schema->channels);
    if (!values)
        return;
    schema->missing_values = auxo__array((size_t)schema->channels, sizeof *schema->missing_values);
    reader->no_memory = reader->no_memory || !schema->missing_values;
    for (int64_t i = 0; schema->missing_values && i < schema->channels; i++)
        schema->missing_values[i] = (float)values[i];
    free(values);
}

static char *read_text(schema_reader *reader, const char *key)
{
    const cJSON *item = item_of(reader, key);
    char *text = cJSON_IsString(item) ? auxo__text_duplicate(item->valuestring) : NULL;
    if (item && !cJSON_IsString(item))
        wrong(reader, key);
    reader->no_memory = reader->no_memory || (cJSON_IsString(item) && !text);
    return text;
}

static void read_targets(schema_reader *reader, auxo_data_schema *schema)
{
    size_t named = 0, class_named = 0;
    schema->target_type = (auxo_target_type)read_noun(reader, "target", target_nouns, 4);
    schema->target_count = read_count(reader, "target_count");
    schema->targets = read_names(reader, item_of(reader, "targets"), "targets", &named);
    if (schema->targets && named != schema->target_count) {
        auxo__names_destroy(schema->targets, named);
        schema->targets = NULL;
        wrong(reader, "targets");
    }
    schema->target_offsets = read_doubles(reader, "target_offsets", schema->target_count);
    schema->class_count = (uint32_t)read_count(reader, "class_count");
    schema->classes = read_names(reader, item_of(reader, "classes"), "classes", &class_named);
    if (schema->classes && class_named != schema->class_count) {
        auxo__names_destroy(schema->classes, class_named);
        schema->classes = NULL;
        wrong(reader, "classes");
    }
    schema->event_level = read_text(reader, "event_level");
    schema->group_column = read_text(reader, "group_column");
    schema->site_column = read_text(reader, "site_column");
    schema->picture_column = read_text(reader, "picture_column");
}

static void read_schema(schema_reader *reader, auxo_data_schema *schema)
{
    double *shape = read_doubles(reader, "shape", 3);
    if (!shape || !(shape[0] >= 1 && shape[0] <= 1e9 && shape[1] >= 1 && shape[1] <= 65536 && shape[2] >= 1 &&
                    shape[2] <= 65536)) {
        wrong(reader, "shape");
    } else {
        schema->channels = (int64_t)shape[0];
        schema->height = (int64_t)shape[1];
        schema->width = (int64_t)shape[2];
    }
    free(shape);
    if (reader->problem)
        return;
    static const char *const feature_nouns[] = {"u8", "f32"};
    schema->feature_type = read_noun(reader, "features", feature_nouns, 2) == 0 ? AUXO_FEATURES_U8 : AUXO_FEATURES_F32;
    read_inputs(reader, schema);
    read_pictures(reader, &schema->pictures);
    read_targets(reader, schema);
    read_missing(reader, schema);
    schema->split_fraction = read_number(reader, "split_fraction", 1);
    schema->split_seed = read_u64(reader, "split_seed", 10);
    schema->row_count = read_u64(reader, "rows", 10);
    schema->content_hash = read_u64(reader, "content_hash", 16);
}

auxo_status auxo_data_schema_parse(const char *text, auxo_data_schema **schema, auxo_error *error)
{
    *schema = NULL;
    auxo__number_scope scope = auxo__number_scope_enter();
    cJSON *root = NULL;
    auxo_status status = auxo__json_parse(text, strlen(text), &root, error);
    auxo__number_scope_leave(scope);
    auxo_data_schema *made = calloc(1, sizeof *made);
    schema_reader reader = {.root = root, .no_memory = !made || status == AUXO_OUT_OF_MEMORY};
    if (made && !cJSON_IsObject(root))
        wrong(&reader, "it");
    else if (made)
        read_schema(&reader, made);
    cJSON_Delete(root);
    if (!reader.problem && !reader.no_memory) {
        *schema = made;
        return AUXO_OK;
    }
    auxo_data_schema_destroy(made);
    if (reader.no_memory)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no memory for the description of a data set");
    return auxo_error_set(error, AUXO_FORMAT, "a description of a data set in which \"%s\" is wrong", reader.problem);
}
