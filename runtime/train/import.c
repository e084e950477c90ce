/* import.c: weights of other tools into a model: tensors of a safetensors file, matched by name.
 *
 * Names are parted at the last point into what a layer is called and what its tensor is: weight and bias (of batch norm
 * gamma and beta), running_mean, running_var. Layers are found by rules: templates in which {x} stands for a number, on
 * the right also {x+1}. Without rules of the caller the model's own names and the rules kept here are tried, and the
 * set that finds most is taken. Nothing is left out silently: a tensor or a parameter without its other half is an
 * error, but for num_batches_tracked, which inference and training here do not need, and for layers that the caller
 * resets.
 */
#include "json.h"
#include "safetensors.h"

#include "auxo/train.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rules ------------------------------------------------------------------------------------------------------- */

typedef struct import_rule {
    const char *from, *to;
} import_rule;

typedef struct rule_set {
    const char *name;
    const import_rule *rules; /* ends at from NULL; NULL: the model's own names */
} rule_set;

static const import_rule resnet_rules[] = {
    {"conv1", "stem_conv"},
    {"bn1", "stem_norm"},
    {"layer{s}.{b}.conv{k}", "stage{s}_block{b+1}_conv{k}"},
    {"layer{s}.{b}.bn{k}", "stage{s}_block{b+1}_norm{k}"},
    {"layer{s}.{b}.downsample.0", "stage{s}_block{b+1}_conv_shortcut"},
    {"layer{s}.{b}.downsample.1", "stage{s}_block{b+1}_norm_shortcut"},
    {"fc", "dense"},
    {NULL, NULL},
};
static const import_rule vgg16_rules[] = {
    {"features.0", "conv1_1"},
    {"features.2", "conv1_2"},
    {"features.5", "conv2_1"},
    {"features.7", "conv2_2"},
    {"features.10", "conv3_1"},
    {"features.12", "conv3_2"},
    {"features.14", "conv3_3"},
    {"features.17", "conv4_1"},
    {"features.19", "conv4_2"},
    {"features.21", "conv4_3"},
    {"features.24", "conv5_1"},
    {"features.26", "conv5_2"},
    {"features.28", "conv5_3"},
    {"classifier.0", "dense1"},
    {"classifier.3", "dense2"},
    {"classifier.6", "dense3"},
    {NULL, NULL},
};
static const rule_set kept_sets[] = {
    {"the model's own names", NULL}, {"torchvision's resnet", resnet_rules}, {"torchvision's vgg16", vgg16_rules}};
enum { KEPT_COUNT = sizeof kept_sets / sizeof *kept_sets, LETTERS = 26 };

/* Matches text against a template; numbers of {a} .. {z} into values. */
static bool matches(const char *template, const char *text, unsigned long values[LETTERS])
{
    while (*template) {
        if (template[0] == '{' && template[1] >= 'a' && template[1] <= 'z' && template[2] == '}') {
            char *end = NULL;
            if (!isdigit((unsigned char)*text))
                return false;
            values[template[1] - 'a'] = strtoul(text, &end, 10);
            text = end;
            template += 3;
        } else if (*template ++ != *text++) {
            return false;
        }
    }
    return *text == '\0';
}

static void fill_in(const char *template, const unsigned long values[LETTERS], char *text, size_t size)
{
    size_t used = 0;
    while (*template && used + 1 < size) {
        const bool number = template[0] == '{' && template[1] >= 'a' && template[1] <= 'z';
        const char *close = number ? strchr(template, '}') : NULL;
        if (!close) {
            text[used++] = *template ++;
            continue;
        }
        const long added = close > template + 2 ? strtol(template + 2, NULL, 10) : 0;
        used += (size_t)snprintf(text + used, size - used, "%ld", (long)values[template[1] - 'a'] + added);
        template = close + 1;
    }
    text[used < size ? used : size - 1] = '\0';
}

/* What a layer of the file is called in the model; false if no rule matches. */
static bool translate(const import_rule *rules, const char *layer, char *name, size_t size)
{
    if (!rules) {
        snprintf(name, size, "%s", layer);
        return true;
    }
    for (; rules->from; rules++) {
        unsigned long values[LETTERS] = {0};
        if (matches(rules->from, layer, values)) {
            fill_in(rules->to, values, name, size);
            return true;
        }
    }
    return false;
}

/* ---- matching ---------------------------------------------------------------------------------------------------- */

typedef struct importer {
    auxo_model *model;
    const auxo__safetensors *file;
    const auxo_import_options *options;
    const import_rule *rules;
    float *weights, *statistics; /* NULL: only counted */
    bool *filled;                /* per parameter */
    size_t matched, ignored, lost;
    char lost_names[160];
    auxo_status status;
    auxo_error *error;
} importer;

static bool is_reset(const importer *im, const char *layer)
{
    for (size_t i = 0; i < im->options->reset_count; i++)
        if (strcmp(im->options->reset[i], layer) == 0)
            return true;
    return false;
}

static void lose(importer *im, const char *name)
{
    const size_t used = strlen(im->lost_names);
    if (im->lost++ < 4)
        snprintf(im->lost_names + used, sizeof im->lost_names - used, "%s%.48s", used ? ", " : "", name);
}

/* The parameter that tensor `what` of a layer is; NULL: none. */
static const auxo_param *find_param(const importer *im, const char *layer, const char *what)
{
    static const char *const others[][2] = {{"weight", "gamma"}, {"bias", "beta"}};
    char name[AUXO_LAYER_NAME_BYTES + 16];
    snprintf(name, sizeof name, "%.47s.%.15s", layer, what);
    const auxo_param *param = auxo_model_find_param(im->model, name);
    for (int i = 0; !param && i < 2; i++)
        if (strcmp(what, others[i][0]) == 0) {
            snprintf(name, sizeof name, "%.47s.%.15s", layer, others[i][1]);
            param = auxo_model_find_param(im->model, name);
        }
    return param;
}

static void format_dims(char *text, size_t size, uint32_t rank, const int64_t *dims)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (uint32_t i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)dims[i]);
    if (used < size)
        snprintf(text + used, size - used, ")");
}

static auxo_status take(importer *im, const auxo_param *param, const char *name)
{
    auxo__tensor_entry tensor;
    int64_t dims[AUXO__DIMS_MAX];
    uint64_t count = 1;
    auxo__safetensors_find(im->file, "", name, dims, &tensor);
    bool same = tensor.rank == param->rank;
    for (uint32_t i = 0; i < param->rank; i++) {
        same = same && tensor.dims[i] == param->dims[i];
        count *= (uint64_t)param->dims[i];
    }
    if (!same) {
        char theirs[96], ours[96];
        format_dims(theirs, sizeof theirs, tensor.rank, tensor.dims);
        format_dims(ours, sizeof ours, param->rank, param->dims);
        return auxo_error_set(
            im->error, AUXO_FORMAT,
            "tensor \"%s\" has shape %s, but %s of the model is %s; reset its layer, or give the model "
            "that the weights are of",
            name, theirs, param->name, ours);
    }
    float *values = (param->trainable ? im->weights : im->statistics) + param->offset;
    if (!auxo__tensor_to_floats(tensor.type, tensor.values, count, values))
        return auxo_error_set(im->error, AUXO_FORMAT, "tensor \"%s\" holds integers, not weights", name);
    return AUXO_OK;
}

static void visit(void *user, const char *name)
{
    importer *im = user;
    char layer[96], own[96];
    const char *point = strrchr(name, '.');
    if (im->status != AUXO_OK)
        return;
    if (point && strcmp(point + 1, "num_batches_tracked") == 0) {
        im->ignored++;
        return;
    }
    if (!point || (size_t)(point - name) >= sizeof layer) {
        lose(im, name);
        return;
    }
    snprintf(layer, sizeof layer, "%.*s", (int)(point - name), name);
    const bool known = translate(im->rules, layer, own, sizeof own);
    if (known && is_reset(im, own)) {
        im->ignored++;
        return;
    }
    const auxo_param *param = known ? find_param(im, own, point + 1) : NULL;
    const size_t index = param ? (size_t)(param - auxo_model_params(im->model)) : 0;
    if (!param || (im->filled && im->filled[index])) {
        lose(im, name);
        return;
    }
    im->matched++;
    if (im->filled) {
        im->filled[index] = true;
        im->status = take(im, param, name);
    }
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

static auxo_status read_rules(const char *text, cJSON **root, import_rule **rules, auxo_error *error)
{
    const cJSON *item;
    size_t count = 0;
    auxo_status status = auxo__json_parse(text, strlen(text), root, error);
    if (status == AUXO_OK)
        *rules = calloc((size_t)cJSON_GetArraySize(*root) + 1, sizeof **rules);
    if (status == AUXO_OK && !*rules)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "rules of names: out of memory");
    for (item = status == AUXO_OK ? (*root)->child : NULL; item; item = item->next) {
        if (!item->string || !cJSON_IsString(item))
            return auxo_error_set(error, AUXO_FORMAT,
                                  "rules of names are an object of texts, as {\"layer{a}.conv\": \"block{a+1}_conv\"}");
        (*rules)[count++] = (import_rule){item->string, item->valuestring};
    }
    return status;
}

/* The kept set of rules that finds most of the file's tensors. */
static const rule_set *choose_rules(const importer *im)
{
    const rule_set *best = &kept_sets[0];
    size_t most = 0;
    for (int i = 0; i < KEPT_COUNT; i++) {
        importer counter = *im;
        counter.rules = kept_sets[i].rules;
        auxo__safetensors_visit(im->file, visit, &counter);
        if (counter.matched > most) {
            most = counter.matched;
            best = &kept_sets[i];
        }
    }
    return best;
}

static auxo_status check_reset(const importer *im)
{
    for (size_t i = 0; i < im->options->reset_count; i++)
        if (auxo_model_desc_find(auxo_model_get_desc(im->model), im->options->reset[i]) == UINT32_MAX)
            return auxo_error_set(im->error, AUXO_NOT_FOUND, "reset: model %s has no layer \"%s\"",
                                  auxo_model_get_desc(im->model)->name, im->options->reset[i]);
    return AUXO_OK;
}

static auxo_status check_complete(importer *im, const char *rules)
{
    const auxo_model_desc *desc = auxo_model_get_desc(im->model);
    const auxo_param *params = auxo_model_params(im->model);
    if (im->lost > 0)
        return auxo_error_set(im->error, AUXO_FORMAT, "%zu tensors have no place in model %s (by %s): %s%s", im->lost,
                              desc->name, rules, im->lost_names, im->lost > 4 ? ", ..." : "");
    for (size_t i = 0; i < auxo_model_param_count(im->model); i++)
        if (!im->filled[i] && !is_reset(im, desc->layers[params[i].layer].name))
            lose(im, params[i].name);
    if (im->lost > 0)
        return auxo_error_set(im->error, AUXO_FORMAT, "%zu parameters of model %s are not in the file (by %s): %s%s",
                              im->lost, desc->name, rules, im->lost_names, im->lost > 4 ? ", ..." : "");
    return AUXO_OK;
}

static auxo_status import_file(importer *im, const char *rules, auxo_error *error)
{
    const size_t weights = auxo_model_weight_count(im->model), statistics = auxo_model_statistic_count(im->model);
    float *values = malloc((weights + statistics + 1) * sizeof *values);
    im->filled = calloc(auxo_model_param_count(im->model) + 1, sizeof *im->filled);
    auxo_status status =
        values && im->filled ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "importing: out of memory");
    if (status == AUXO_OK)
        status = auxo_model_read_weights(im->model, values, values + weights, error);
    if (status == AUXO_OK) {
        im->weights = values;
        im->statistics = values + weights;
        auxo__safetensors_visit(im->file, visit, im);
        status = im->status;
    }
    if (status == AUXO_OK)
        status = check_complete(im, rules);
    if (status == AUXO_OK)
        status = auxo_model_write_weights(im->model, values, values + weights, error);
    free(values);
    free(im->filled);
    return status;
}

auxo_status auxo_model_import(auxo_model *model, const char *path, const auxo_import_options *options,
                              auxo_import_result *result, auxo_error *error)
{
    static const auxo_import_options none;
    auxo__safetensors *file = NULL;
    cJSON *root = NULL;
    import_rule *rules = NULL;
    const char *name = "the rules given";
    auxo_status status = auxo__safetensors_read(path, &file, error);
    importer im = {.model = model, .file = file, .options = options ? options : &none, .error = error};
    if (status == AUXO_OK)
        status = check_reset(&im);
    if (status == AUXO_OK && im.options->rules) {
        status = read_rules(im.options->rules, &root, &rules, error);
        im.rules = rules;
    } else if (status == AUXO_OK) {
        const rule_set *set = choose_rules(&im);
        im.rules = set->rules;
        name = set->name;
    }
    if (status == AUXO_OK)
        status = import_file(&im, name, error);
    if (status == AUXO_OK && result) {
        *result = (auxo_import_result){.matched = im.matched, .ignored = im.ignored};
        snprintf(result->rules, sizeof result->rules, "%s", name);
    }
    auxo__safetensors_free(file);
    cJSON_Delete(root);
    free(rules);
    return status == AUXO_OK || status == AUXO_NOT_FOUND ? status
                                                         : auxo_error_wrap(error, status, "weights \"%s\"", path);
}
