/* model_file.c: a model as one safetensors file: its tensors by name; description and preprocessing as JSON metadata.
 */
#include "archive.h"
#include "json.h"
#include "json_tree.h"
#include "model_internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char DESCRIPTION_KEY[] = "auxo.model", PREPROCESSING_KEY[] = "auxo.preprocessing",
                  DATA_KEY[] = "auxo.data";

/* ---- preprocessing as JSON ---- */

typedef struct float_list {
    const char *name;
    uint32_t count;
    float *values;
} float_list;

enum { LIST_COUNT = 4 };

static void list_preprocessing(const auxo_preprocessing *preprocessing, float_list lists[LIST_COUNT])
{
    lists[0] = (float_list){"means", preprocessing->channel_count, preprocessing->means};
    lists[1] = (float_list){"inverse_stds", preprocessing->channel_count, preprocessing->inverse_stds};
    lists[2] = (float_list){"target_means", preprocessing->target_count, preprocessing->target_means};
    lists[3] = (float_list){"target_inverse_stds", preprocessing->target_count, preprocessing->target_inverse_stds};
}

static auxo_status print_preprocessing(const auxo_preprocessing *preprocessing, char **text, auxo_error *error)
{
    float_list lists[LIST_COUNT];
    list_preprocessing(preprocessing, lists);
    cJSON *root = cJSON_CreateObject();
    for (int i = 0; i < LIST_COUNT; i++)
        if (lists[i].count > 0)
            auxo__tree_add(root, lists[i].name, cJSON_CreateFloatArray(lists[i].values, (int)lists[i].count));
    return auxo__tree_print(root, false, text, error);
}

/* The numbers of a list; NULL with *count 0 if it is absent. Errors: FORMAT, OUT_OF_MEMORY. */
static auxo_status read_floats(const cJSON *root, const char *name, uint32_t *count, float **values)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, name), *item;
    *count = cJSON_IsArray(list) ? (uint32_t)cJSON_GetArraySize(list) : 0;
    *values = *count ? malloc(*count * sizeof **values) : NULL;
    if (*count && !*values)
        return AUXO_OUT_OF_MEMORY;
    uint32_t i = 0;
    bool good = !list || cJSON_IsArray(list);
    for (item = good && list ? list->child : NULL; item; item = item->next) {
        bool fits = cJSON_IsNumber(item) && fabs(item->valuedouble) <= (double)FLT_MAX;
        good = good && fits;
        (*values)[i++] = fits ? (float)item->valuedouble : 0;
    }
    return good ? AUXO_OK : AUXO_FORMAT;
}

static auxo_status read_preprocessing(auxo_model *model, const char *text, auxo_error *error)
{
    cJSON *root = NULL;
    auxo_status status = auxo__json_parse(text, strlen(text), &root, error);
    float *values[LIST_COUNT] = {NULL};
    uint32_t counts[LIST_COUNT] = {0};
    float_list lists[LIST_COUNT];
    list_preprocessing(&(auxo_preprocessing){0}, lists);
    for (int i = 0; status == AUXO_OK && i < LIST_COUNT; i++)
        status = read_floats(root, lists[i].name, &counts[i], &values[i]);
    uint32_t channels = (uint32_t)auxo_model_get_desc(model)->layers[0].output_dims[0];
    bool good = counts[0] == counts[1] && counts[2] == counts[3] && (counts[0] == 0 || counts[0] == channels);
    auxo_preprocessing preprocessing = {.channel_count = counts[0],
                                        .target_count = counts[2],
                                        .means = values[0],
                                        .inverse_stds = values[1],
                                        .target_means = values[2],
                                        .target_inverse_stds = values[3]};
    if (status == AUXO_OUT_OF_MEMORY)
        auxo_error_set(error, status, "out of memory reading \"%s\"", PREPROCESSING_KEY);
    else if (status != AUXO_OK || !good)
        status = auxo_error_set(error, AUXO_FORMAT, "its \"%s\" does not fit the model", PREPROCESSING_KEY);
    else
        status = auxo_model_set_preprocessing(model, &preprocessing, error);
    cJSON_Delete(root);
    for (int i = 0; i < LIST_COUNT; i++)
        free(values[i]);
    return status;
}

/* ---- writing ---- */

static auxo_status put_texts(auxo__archive *archive, const char *prefix, auxo_model *model, auxo_error *error)
{
    char *description = NULL, *preprocessing = NULL;
    auxo_status status = print_preprocessing(auxo_model_preprocessing(model), &preprocessing, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_to_json(auxo_model_get_desc(model), &description, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, prefix, DESCRIPTION_KEY, description, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, prefix, PREPROCESSING_KEY, preprocessing, error);
    if (status == AUXO_OK && auxo__model_data_text(model))
        status = auxo__archive_put_text(archive, prefix, DATA_KEY, auxo__model_data_text(model), error);
    free(description);
    free(preprocessing);
    return status;
}

auxo_status auxo__archive_put_model(auxo__archive *archive, const char *prefix, auxo_model *model, auxo_error *error)
{
    uint64_t weight_count = auxo_model_weight_count(model);
    float *weights = malloc((weight_count + auxo_model_statistic_count(model) + 1) * sizeof *weights);
    if (!weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading %llu weights",
                              (unsigned long long)weight_count);
    float *statistics = weights + weight_count;
    const auxo_param *params = auxo_model_params(model);
    auxo_status status = put_texts(archive, prefix, model, error);
    if (status == AUXO_OK)
        status = auxo_model_read_weights(model, weights, statistics, error);
    for (size_t i = 0; status == AUXO_OK && i < auxo_model_param_count(model); i++) {
        float *values =
            auxo__archive_put(archive, prefix, params[i].name, AUXO__F32, params[i].rank, params[i].dims, error);
        uint64_t count = 1;
        for (uint32_t d = 0; d < params[i].rank; d++)
            count *= (uint64_t)params[i].dims[d];
        if (values && count > 0)
            memcpy(values, (params[i].trainable ? weights : statistics) + params[i].offset, count * sizeof *values);
        status = values ? AUXO_OK : AUXO_OUT_OF_MEMORY;
    }
    free(weights);
    return status;
}

auxo_status auxo_model_save(auxo_model *model, const char *path, auxo_error *error)
{
    auxo__archive *archive = NULL;
    auxo_status status = auxo__archive_create(&archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_model(archive, "", model, error);
    if (status == AUXO_OK)
        status = auxo__archive_write(archive, path, error);
    auxo__archive_destroy(archive);
    return status;
}

/* ---- reading ---- */

/* A tensor that the main model of a file does not have; parts of an archive have a '/' in their names. */
typedef struct extra_search {
    const auxo_model *model;
    const char *found;
} extra_search;

static void find_extra(void *user, const char *name)
{
    extra_search *search = user;
    if (search->found || strchr(name, '/'))
        return;
    const auxo_param *params = auxo_model_params(search->model);
    for (size_t i = 0; i < auxo_model_param_count(search->model); i++)
        if (strcmp(params[i].name, name) == 0)
            return;
    search->found = name;
}

auxo_status auxo__model_fill(auxo_model *model, const auxo__safetensors *file, const char *prefix, auxo_error *error)
{
    uint64_t weight_count = auxo_model_weight_count(model);
    float *weights = malloc((weight_count + auxo_model_statistic_count(model) + 1) * sizeof *weights);
    if (!weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %llu weights",
                              (unsigned long long)weight_count);
    float *statistics = weights + weight_count;
    const auxo_param *params = auxo_model_params(model);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; status == AUXO_OK && i < auxo_model_param_count(model); i++)
        status = auxo__safetensors_copy(file, prefix, params[i].name, AUXO__F32, params[i].rank, params[i].dims,
                                        (params[i].trainable ? weights : statistics) + params[i].offset, error);
    extra_search search = {.model = model};
    if (!prefix[0])
        auxo__safetensors_visit(file, find_extra, &search);
    if (status == AUXO_OK && search.found)
        status =
            auxo_error_set(error, AUXO_FORMAT, "the file has a tensor \"%s\" that the model has not", search.found);
    if (status == AUXO_OK)
        status = auxo_model_write_weights(model, weights, statistics, error);
    free(weights);
    return status;
}

/* Files of others have none. */
static auxo_status read_data_schema(auxo_model *model, const char *text, auxo_error *error)
{
    auxo_data_schema *schema = NULL;
    if (!text)
        return AUXO_OK;
    auxo_status status = auxo_data_schema_parse(text, &schema, error);
    const int64_t *input = auxo_model_get_desc(model)->layers[0].output_dims;
    if (status == AUXO_OK && schema->channels * schema->height * schema->width != input[0] * input[1] * input[2])
        status = auxo_error_set(error, AUXO_FORMAT, "its \"%s\" does not fit the model", DATA_KEY);
    auxo_data_schema_destroy(schema);
    return status == AUXO_OK ? auxo__model_set_data_text(model, text, error) : status;
}

auxo_status auxo_model_set_data_schema(auxo_model *model, const auxo_data_schema *schema, auxo_error *error)
{
    char *text = NULL;
    auxo_status status = schema ? auxo_data_schema_describe(schema, &text, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = auxo__model_set_data_text(model, text, error);
    free(text);
    return status;
}

auxo_status auxo_model_data_schema(const auxo_model *model, auxo_data_schema **schema, auxo_error *error)
{
    const char *text = auxo__model_data_text(model);
    *schema = NULL;
    return text ? auxo_data_schema_parse(text, schema, error) : AUXO_OK;
}

auxo_status auxo__archive_get_preprocessing(const auxo__archive *archive, const char *prefix, auxo_model *model,
                                            auxo_error *error)
{
    const char *text = auxo__archive_text(archive, prefix, PREPROCESSING_KEY);
    return text && auxo_model_preprocessing(model)->channel_count == 0 ? read_preprocessing(model, text, error)
                                                                       : AUXO_OK;
}

auxo_status auxo__model_build(auxo_device *device, const auxo__safetensors *file, const char *prefix,
                              auxo_model **model, auxo_error *error)
{
    const char *description = auxo__safetensors_metadata(file, prefix, DESCRIPTION_KEY);
    const char *preprocessing = auxo__safetensors_metadata(file, prefix, PREPROCESSING_KEY);
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    if (!description)
        return auxo_error_set(error, AUXO_FORMAT, "it has no description of the model (\"%s\" in its metadata)",
                              DESCRIPTION_KEY);
    auxo_status status = auxo_model_desc_from_json(description, &desc, error);
    if (status == AUXO_OK)
        status = auxo_model_create(device, &desc, 0, model, error);
    if (status == AUXO_OK && preprocessing)
        status = read_preprocessing(*model, preprocessing, error);
    if (status == AUXO_OK)
        status = read_data_schema(*model, auxo__safetensors_metadata(file, prefix, DATA_KEY), error);
    if (status == AUXO_OK)
        status = auxo__model_fill(*model, file, prefix, error);
    auxo_model_desc_deinit(&desc);
    return status;
}

auxo_status auxo_model_file_desc(const char *path, auxo_model_desc *desc, auxo_error *error)
{
    auxo__safetensors *file = NULL;
    auxo_model_desc_init(desc);
    auxo_status status = auxo__safetensors_read_header(path, &file, error);
    if (status != AUXO_OK)
        return status;
    const char *description = auxo__safetensors_metadata(file, "", DESCRIPTION_KEY);
    status = description
                 ? auxo_model_desc_from_json(description, desc, error)
                 : auxo_error_set(error, AUXO_FORMAT, "it has no description of the model (\"%s\" in its metadata)",
                                  DESCRIPTION_KEY);
    auxo__safetensors_free(file);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "model file \"%s\"", path);
}

auxo_status auxo_model_file_schema(const char *path, auxo_data_schema **schema, auxo_error *error)
{
    auxo__safetensors *file = NULL;
    *schema = NULL;
    auxo_status status = auxo__safetensors_read_header(path, &file, error);
    if (status != AUXO_OK)
        return status;
    const char *text = auxo__safetensors_metadata(file, "", DATA_KEY);
    if (text)
        status = auxo_data_schema_parse(text, schema, error);
    auxo__safetensors_free(file);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "model file \"%s\"", path);
}

bool auxo_model_names_file(const char *name)
{
    static const char suffix[] = ".safetensors";
    const size_t length = strlen(name);
    uint8_t start[9] = {0};
    if (length >= sizeof suffix && strcmp(name + length - (sizeof suffix - 1), suffix) == 0)
        return true;
    FILE *file = fopen(name, "rb");
    const bool whole = file && fread(start, 1, sizeof start, file) == sizeof start;
    if (file)
        fclose(file);
    /* The size of a header, less than 2^32, and its first character. */
    return whole && start[8] == '{' && !start[4] && !start[5] && !start[6] && !start[7];
}

auxo_status auxo_model_load(auxo_device *device, const char *path, auxo_model **model, auxo_error *error)
{
    *model = NULL;
    auxo__safetensors *file = NULL;
    auxo_status status = auxo__safetensors_read(path, &file, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__model_build(device, file, "", model, error);
    auxo__safetensors_free(file);
    if (status == AUXO_OK)
        return status;
    auxo_model_destroy(*model);
    *model = NULL;
    return auxo_error_wrap(error, status, "model file \"%s\"", path);
}

bool auxo__archive_has_model(const auxo__archive *archive, const char *prefix)
{
    return auxo__archive_text(archive, prefix, DESCRIPTION_KEY) != NULL;
}
