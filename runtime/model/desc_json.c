/* desc_json.c: model descriptions as JSON, both ways (cJSON does the syntax).
 *
 * {"name": "net", "layers": [{"name": "input", "kind": "input", "shape": [1, 28, 28]},
 *                            {"name": "conv1", "kind": "conv2d", "inputs": ["input"], "units": 6, "kernel": [5, 5]},
 * ...]} A layer without "inputs" reads the layer before it. Pairs (kernel, stride, pad, dilation) may be one number.
 * Written text has every field that matters to the kind. Unknown keys are refused with the nearest known one.
 */
#include "json.h"
#include "json_tree.h"
#include "model_internal.h"
#include "name_index.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OF(kind) (1u << AUXO_LAYER_##kind)
enum {
    OF_ALL = (1u << AUXO_LAYER_COUNT) - 1,
    OF_UNITS = OF(DENSE) | OF(CONV2D),
    OF_WINDOW = OF(CONV2D) | OF(POOL2D),
    OF_ACTIVATION = OF_UNITS | OF(BATCH_NORM) | OF(ACTIVATION)
};
/* The keys of a layer, and the kinds that have them. */
static const struct {
    const char *name;
    uint32_t kinds;
} layer_keys[] = {{"name", OF_ALL},
                  {"kind", OF_ALL},
                  {"inputs", OF_ALL & ~OF(INPUT)},
                  {"shape", OF(INPUT)},
                  {"units", OF_UNITS},
                  {"bias", OF_UNITS},
                  {"initializer", OF_UNITS},
                  {"kernel", OF_WINDOW},
                  {"stride", OF_WINDOW},
                  {"pad", OF_WINDOW},
                  {"dilation", OF(CONV2D)},
                  {"groups", OF(CONV2D)},
                  {"depthwise", OF(CONV2D)},
                  {"pool", OF(POOL2D)},
                  {"activation", OF_ACTIVATION},
                  {"slope", OF_ACTIVATION},
                  {"rate", OF(DROPOUT)},
                  {"epsilon", OF(BATCH_NORM)},
                  {"momentum", OF(BATCH_NORM)}};
enum { KEY_COUNT = sizeof layer_keys / sizeof *layer_keys };
static const char *const pool_nouns[] = {"max", "average"};

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

static bool has_window(const auxo_layer *layer)
{
    return layer->kind == AUXO_LAYER_CONV2D || layer->kind == AUXO_LAYER_POOL2D;
}

static bool has_activation(const auxo_layer *layer)
{
    return layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D ||
           layer->kind == AUXO_LAYER_BATCH_NORM || layer->kind == AUXO_LAYER_ACTIVATION;
}

static bool uses_slope(auxo_activation activation)
{
    return activation == AUXO_ACTIVATION_LEAKY_RELU || activation == AUXO_ACTIVATION_ELU;
}

static void add_pair(cJSON *object, const char *key, int32_t first, int32_t second)
{
    int values[2] = {first, second};
    auxo__tree_add(object, key, cJSON_CreateIntArray(values, 2));
}

static void write_kind_fields(cJSON *object, const auxo_layer *layer)
{
    if (layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D) {
        auxo__tree_number(object, "units", layer->units);
        auxo__tree_bool(object, "bias", layer->bias);
        auxo__tree_text(object, "initializer", auxo_initializer_noun(layer->initializer));
    }
    if (has_window(layer)) {
        add_pair(object, "kernel", layer->kernel_h, layer->kernel_w);
        add_pair(object, "stride", layer->stride_h, layer->stride_w);
        add_pair(object, "pad", layer->pad_h, layer->pad_w);
    }
    if (layer->kind == AUXO_LAYER_CONV2D) {
        add_pair(object, "dilation", layer->dilation_h, layer->dilation_w);
        auxo__tree_number(object, "groups", layer->groups);
        if (layer->depthwise)
            auxo__tree_bool(object, "depthwise", true);
    }
    if (layer->kind == AUXO_LAYER_POOL2D)
        auxo__tree_text(object, "pool", pool_nouns[layer->pool == AUXO_POOL_AVERAGE]);
    if (has_activation(layer)) {
        auxo__tree_text(object, "activation", auxo_activation_noun(layer->activation));
        if (layer->slope != 0.0f || uses_slope(layer->activation))
            auxo__tree_number(object, "slope", layer->slope);
    }
    if (layer->kind == AUXO_LAYER_DROPOUT)
        auxo__tree_number(object, "rate", layer->rate);
    if (layer->kind == AUXO_LAYER_BATCH_NORM) {
        auxo__tree_number(object, "epsilon", layer->epsilon);
        auxo__tree_number(object, "momentum", layer->momentum);
    }
}

static void write_layer(cJSON *layers, const auxo_model_desc *desc, uint32_t index)
{
    const auxo_layer *layer = &desc->layers[index];
    cJSON *object = auxo__tree_add(layers, NULL, cJSON_CreateObject());
    auxo__tree_text(object, "name", layer->name);
    auxo__tree_text(object, "kind", auxo_layer_noun(layer->kind));
    cJSON *list = auxo__tree_add(object, index == 0 ? "shape" : "inputs", cJSON_CreateArray());
    for (uint32_t i = 0; index == 0 && i < 3; i++)
        auxo__tree_number(list, NULL, (double)layer->output_dims[i]);
    for (uint32_t i = 0; i < layer->input_count; i++)
        auxo__tree_text(list, NULL, desc->layers[layer->inputs[i]].name);
    write_kind_fields(object, layer);
}

auxo_status auxo_model_desc_to_json(const auxo_model_desc *desc, char **text, auxo_error *error)
{
    cJSON *root = cJSON_CreateObject();
    auxo__tree_text(root, "name", desc->name);
    cJSON *layers = auxo__tree_add(root, "layers", cJSON_CreateArray());
    for (uint32_t i = 0; i < desc->layer_count; i++)
        write_layer(layers, desc, i);
    return auxo__tree_print(root, true, text, error);
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

typedef struct layer_reader {
    const cJSON *object;
    const auxo_model_desc *desc;
    const auxo__name_index *names; /* of the layers so far */
    char where[80];                /* for messages */
    auxo_error *error;
    auxo_status status;
} layer_reader;

static void fail(layer_reader *reader, const char *key, const char *expected)
{
    if (reader->status == AUXO_OK)
        reader->status =
            auxo_error_set(reader->error, AUXO_FORMAT, "%s: \"%s\" must be %s", reader->where, key, expected);
}

static double read_number(layer_reader *reader, const char *key, double least, double most, bool whole, double absent)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reader->object, key);
    if (!item)
        return absent;
    if (cJSON_IsNumber(item) && item->valuedouble >= least && item->valuedouble <= most &&
        (!whole || item->valuedouble == floor(item->valuedouble)))
        return item->valuedouble;
    char expected[96];
    snprintf(expected, sizeof expected, "a %snumber from %.10g to %.10g", whole ? "whole " : "", least, most);
    fail(reader, key, expected);
    return absent;
}

static void read_pair(layer_reader *reader, const char *key, int least, int32_t *first, int32_t *second)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reader->object, key);
    if (!item)
        return;
    const cJSON *parts[2] = {item, item};
    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) == 2) {
        parts[0] = cJSON_GetArrayItem(item, 0);
        parts[1] = cJSON_GetArrayItem(item, 1);
    }
    for (int i = 0; i < 2; i++)
        if (!cJSON_IsNumber(parts[i]) || parts[i]->valuedouble != floor(parts[i]->valuedouble) ||
            parts[i]->valuedouble < least || parts[i]->valuedouble > 32767) {
            fail(reader, key, least ? "a positive whole number or two of them" : "a whole number >= 0 or two of them");
            return;
        }
    *first = (int32_t)parts[0]->valuedouble;
    *second = (int32_t)parts[1]->valuedouble;
}

static const char *read_string(layer_reader *reader, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reader->object, key);
    if (!item)
        return NULL;
    if (!cJSON_IsString(item)) {
        fail(reader, key, "a text");
        return NULL;
    }
    return item->valuestring;
}

static size_t key_index(const char *name)
{
    size_t i = 0;
    while (i < KEY_COUNT && strcmp(layer_keys[i].name, name) != 0)
        i++;
    return i;
}

static void refuse_unknown(layer_reader *reader, const char *name)
{
    const char *names[KEY_COUNT];
    for (size_t i = 0; i < KEY_COUNT; i++)
        names[i] = layer_keys[i].name;
    const char *near = auxo__text_nearest(name, names, KEY_COUNT);
    reader->status = auxo_error_set(reader->error, AUXO_FORMAT, "%s: unknown key \"%s\"%s%s%s", reader->where, name,
                                    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static void check_keys(layer_reader *reader)
{
    for (const cJSON *item = reader->object->child; item && reader->status == AUXO_OK; item = item->next) {
        if (!item->string)
            continue;
        for (const cJSON *earlier = reader->object->child; earlier != item && reader->status == AUXO_OK;
             earlier = earlier->next)
            if (earlier->string && strcmp(earlier->string, item->string) == 0)
                reader->status = auxo_error_set(reader->error, AUXO_FORMAT, "%s: the key \"%s\" is there twice",
                                                reader->where, item->string);
        if (reader->status == AUXO_OK && key_index(item->string) == KEY_COUNT)
            refuse_unknown(reader, item->string);
    }
}

/* What a kind has no use for would be passed over in silence. */
static void check_kind(layer_reader *reader, auxo_layer_kind kind)
{
    for (const cJSON *item = reader->object->child; item && reader->status == AUXO_OK; item = item->next)
        if (item->string && !(layer_keys[key_index(item->string)].kinds >> kind & 1))
            reader->status = auxo_error_set(reader->error, AUXO_FORMAT, "%s: a layer of kind %s has no \"%s\"",
                                            reader->where, auxo_layer_noun(kind), item->string);
}

static void read_nouns(layer_reader *reader, auxo_layer *layer)
{
    const char *noun = read_string(reader, "kind");
    if (!noun)
        fail(reader, "kind", "given, such as \"dense\"");
    else if (reader->status == AUXO_OK)
        reader->status = auxo_layer_kind_find(noun, &layer->kind, reader->error);
    noun = read_string(reader, "activation");
    if (noun && reader->status == AUXO_OK)
        reader->status = auxo_activation_find(noun, &layer->activation, reader->error);
    noun = read_string(reader, "initializer");
    if (noun && reader->status == AUXO_OK)
        reader->status = auxo_initializer_find(noun, &layer->initializer, reader->error);
    noun = read_string(reader, "pool");
    if (noun) {
        layer->pool = strcmp(noun, pool_nouns[1]) == 0 ? AUXO_POOL_AVERAGE : AUXO_POOL_MAX;
        if (strcmp(noun, pool_nouns[layer->pool == AUXO_POOL_AVERAGE]) != 0)
            fail(reader, "pool", "\"max\" or \"average\"");
    }
}

static void read_inputs(layer_reader *reader, auxo_layer *layer)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(reader->object, "inputs"), *item;
    if (!list) {
        layer->input_count = reader->desc->layer_count > 0;
        layer->inputs[0] = reader->desc->layer_count - layer->input_count;
        return;
    }
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > AUXO_LAYER_INPUTS_MAX) {
        fail(reader, "inputs", "a list of at most 4 layer names");
        return;
    }
    cJSON_ArrayForEach(item, list)
    {
        uint32_t index =
            cJSON_IsString(item) ? auxo__name_index_find(reader->names, reader->desc, item->valuestring) : UINT32_MAX;
        if (index == UINT32_MAX) {
            fail(reader, "inputs", "a list of names of earlier layers");
            return;
        }
        layer->inputs[layer->input_count++] = index;
    }
}

static void read_shape(layer_reader *reader, auxo_layer *layer)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(reader->object, "shape"), *item;
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (count != 1 && count != 3) {
        fail(reader, "shape", "[channels, height, width] or [features]");
        return;
    }
    layer->output_dims[1] = layer->output_dims[2] = 1;
    int axis = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= INT32_MAX) ||
            item->valuedouble != floor(item->valuedouble)) {
            fail(reader, "shape", "made of positive whole numbers");
            return;
        }
        layer->output_dims[axis++] = (int64_t)item->valuedouble;
    }
}

static void read_flag(layer_reader *reader, const char *key, bool *flag)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reader->object, key);
    if (item && !cJSON_IsBool(item))
        fail(reader, key, "true or false");
    else if (item)
        *flag = cJSON_IsTrue(item);
}

static void read_layer(layer_reader *reader, auxo_layer *layer)
{
    check_keys(reader);
    const char *name = read_string(reader, "name");
    if (name && strlen(name) >= sizeof layer->name)
        fail(reader, "name", "shorter than 48 characters");
    else if (name)
        snprintf(layer->name, sizeof layer->name, "%s", name);
    read_nouns(reader, layer);
    if (reader->status == AUXO_OK)
        check_kind(reader, layer->kind);
    read_inputs(reader, layer);
    if (layer->kind == AUXO_LAYER_INPUT)
        read_shape(reader, layer);
    layer->bias = layer->kind == AUXO_LAYER_DENSE || layer->kind == AUXO_LAYER_CONV2D;
    read_flag(reader, "bias", &layer->bias);
    layer->units = (uint32_t)read_number(reader, "units", 1, INT32_MAX, true, 0);
    layer->groups = (int32_t)read_number(reader, "groups", 1, INT32_MAX, true, 1);
    read_flag(reader, "depthwise", &layer->depthwise);
    layer->kernel_h = layer->kernel_w = layer->stride_h = layer->stride_w = layer->dilation_h = layer->dilation_w = 1;
    read_pair(reader, "kernel", 1, &layer->kernel_h, &layer->kernel_w);
    read_pair(reader, "stride", 1, &layer->stride_h, &layer->stride_w);
    read_pair(reader, "pad", 0, &layer->pad_h, &layer->pad_w);
    read_pair(reader, "dilation", 1, &layer->dilation_h, &layer->dilation_w);
    layer->slope = (float)read_number(reader, "slope", 0, 1e6, false, 0);
    layer->rate = (float)read_number(reader, "rate", 0, 1, false, 0);
    layer->epsilon = (float)read_number(reader, "epsilon", 0, 1, false, 0);
    layer->momentum = (float)read_number(reader, "momentum", 0, 1, false, 0);
}

/* What is given explicitly stays, zero too; the rest takes its default. */
static auxo_status add_layer(const cJSON *object, const auxo_layer *layer, auxo_model_desc *desc,
                             auxo__name_index *names, auxo_error *error)
{
    uint32_t index = 0;
    auxo_status status = auxo_model_desc_add(desc, layer, &index, error);
    if (status != AUXO_OK)
        return status;
    auxo_layer *added = &desc->layers[index];
    if (cJSON_HasObjectItem(object, "slope"))
        added->slope = layer->slope;
    if (cJSON_HasObjectItem(object, "epsilon"))
        added->epsilon = layer->epsilon;
    if (cJSON_HasObjectItem(object, "momentum"))
        added->momentum = layer->momentum;
    if (auxo__name_index_find(names, desc, added->name) != UINT32_MAX)
        return AUXO_OK; /* two of one name: finish says so */
    return auxo__name_index_add(names, desc, index)
               ? AUXO_OK
               : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %u layers", desc->layer_count);
}

static auxo_status read_layers(const cJSON *layers, auxo_model_desc *desc, auxo__name_index *names, auxo_error *error)
{
    const cJSON *item;
    auxo_status status = AUXO_OK;
    cJSON_ArrayForEach(item, layers)
    {
        layer_reader reader = {.object = item, .desc = desc, .names = names, .error = error};
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "name");
        snprintf(reader.where, sizeof reader.where, "layer %u%s%.48s%s", desc->layer_count,
                 cJSON_IsString(name) ? " (\"" : "", cJSON_IsString(name) ? name->valuestring : "",
                 cJSON_IsString(name) ? "\")" : "");
        auxo_layer layer = {0};
        if (!cJSON_IsObject(item))
            return auxo_error_set(error, AUXO_FORMAT, "%s is not an object", reader.where);
        read_layer(&reader, &layer);
        status = reader.status;
        if (status == AUXO_OK)
            status = add_layer(item, &layer, desc, names, error);
        if (status != AUXO_OK)
            return status;
    }
    return status;
}

/* Whether the text has \u0000, which would cut a name short without a word. */
static bool has_zero_character(const char *text)
{
    for (const char *at = text; (at = strchr(at, '\\')) != NULL; at += 1 + (at[1] != '\0'))
        if (strncmp(at, "\\u0000", 6) == 0)
            return true;
    return false;
}

static auxo_status check_root(const char *text, const cJSON *root, auxo_error *error)
{
    size_t names = 0, layers = 0;
    if (has_zero_character(text))
        return auxo_error_set(error, AUXO_FORMAT, "a text holds the character zero (\\u0000)");
    if (!cJSON_IsObject(root))
        return auxo_error_set(error, AUXO_FORMAT, "a model is an object with \"name\" and \"layers\"");
    for (const cJSON *item = root->child; item; item = item->next) {
        bool is_name = strcmp(item->string, "name") == 0, is_layers = strcmp(item->string, "layers") == 0;
        names += is_name;
        layers += is_layers;
        if (!is_name && !is_layers)
            return auxo_error_set(error, AUXO_FORMAT, "unknown key \"%.60s\" beside \"name\" and \"layers\"",
                                  item->string);
        if (names > 1 || layers > 1)
            return auxo_error_set(error, AUXO_FORMAT, "the key \"%s\" is there twice", item->string);
        if (is_name && (!cJSON_IsString(item) || strlen(item->valuestring) >= sizeof((auxo_model_desc *)0)->name))
            return auxo_error_set(error, AUXO_FORMAT, "\"name\" must be a text of at most %zu characters",
                                  sizeof((auxo_model_desc *)0)->name - 1);
    }
    return AUXO_OK;
}

auxo_status auxo_model_desc_from_json(const char *text, auxo_model_desc *desc, auxo_error *error)
{
    auxo_model_desc_init(desc);
    cJSON *root = NULL;
    auxo_status status = auxo__json_parse(text, strlen(text), &root, error);
    if (status != AUXO_OK)
        return status;
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(root, "layers");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(root, "name");
    auxo__name_index names = {0};
    status = check_root(text, root, error);
    if (status == AUXO_OK && !cJSON_IsArray(layers))
        status = auxo_error_set(error, AUXO_FORMAT, "a model needs a list called \"layers\"");
    snprintf(desc->name, sizeof desc->name, "%s", cJSON_IsString(name) ? name->valuestring : "model");
    if (status == AUXO_OK)
        status = read_layers(layers, desc, &names, error);
    auxo__name_index_deinit(&names);
    if (status == AUXO_OK)
        status = auxo_model_desc_finish(desc, error);
    cJSON_Delete(root);
    if (status != AUXO_OK)
        auxo_model_desc_deinit(desc);
    return status;
}
